/* SPDX-License-Identifier: MIT */
/*
 * Power-off and reset: ACPI's hardware-reduced sleep and reset registers, and the PC's older ways
 * to reset.
 */
#ifndef DRIVERS_GUEST_POWER_H
#define DRIVERS_GUEST_POWER_H

#include "drivers/guest/platform.h"

#define VPOWER_SLEEP_CONTROL 0x600
#define VPOWER_SLEEP_STATUS 0x601
#define VPOWER_RESET 0x602
#define VPOWER_RESET_VALUE 0x01
#define VPOWER_PCI_RESET 0xcf9
#define VPOWER_KEYBOARD 0x64
#define VPOWER_S5 5 /* SLP_TYP of \_S5 in dsdt.asl */

struct vpower {
	uint8_t pci_reset;
};

ANY void vpower_reset(struct vm *vm);
ANY uint8_t vpower_read(struct vm *vm, uint16_t port);
ANY void vpower_write(struct vm *vm, uint16_t port, uint8_t value);

#endif
