/* SPDX-License-Identifier: MIT */
/*
 * The machine around the vCPUs: which device sits where, as one struct with all of its state (it is
 * embedded in struct vm, hence in the VM window) and one dispatch function for each kind of access.
 */
#ifndef DRIVERS_GUEST_MACHINE_H
#define DRIVERS_GUEST_MACHINE_H

#include "drivers/guest/irq/ioapic.h"
#include "drivers/guest/virtio/pci.h"
#include "drivers/guest/platform.h"
#include "drivers/guest/legacy/power.h"
#include "drivers/guest/legacy/rtc.h"
#include "drivers/guest/legacy/uart.h"
#include "drivers/guest/virtio/net.h"

struct machine {
	struct vuart uart;
	struct vioapic ioapic;
	struct vrtc rtc;
	struct vpci pci;
	struct vpower power;
	struct vnet_card card[VNET_MAX];
	uint8_t packet[VNET_PACKET]
		__attribute__((aligned(8))); /* of a large frame, as it is delivered */
};

/* Where RAM ends and devices begin. */
#define MACHINE_RAM_LOW_END GIB(3)
#define MACHINE_IOAPIC_BASE 0xfec00000ULL
#define MACHINE_LAPIC_BASE 0xfee00000ULL

/** Power-on state of every device. */
ANY void machine_reset(struct vm *vm);

/**
 * Port access of @size 1, 2 or 4 bytes. Ports that nobody owns read as all ones and swallow writes,
 * as on a PC; returns false for them, so that the caller can count it.
 */
ANY bool machine_pio_read(struct vcpu *vcpu, uint16_t port, unsigned size, uint32_t *value);
ANY bool machine_pio_write(struct vcpu *vcpu, uint16_t port, unsigned size, uint32_t value);

/**
 * Memory-mapped access of @size 1, 2, 4 or 8 bytes outside RAM; unowned addresses behave like
 * ports.
 */
ANY bool machine_mmio_read(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t *value);
ANY bool machine_mmio_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value);

/** Level of interrupt line @gsi (edge-triggered lines: call with true, then false). */
ANY void machine_set_irq(struct vm *vm, unsigned gsi, bool level);

#endif
