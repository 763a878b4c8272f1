/* SPDX-License-Identifier: MIT */
/* PCI configuration by ports 0xCF8 and 0xCFC: a host bridge, and no device behind it yet. */
#ifndef DRIVERS_GUEST_PCI_H
#define DRIVERS_GUEST_PCI_H

#include "drivers/guest/platform.h"

#define VPCI_ADDRESS_PORT 0xcf8
#define VPCI_DATA_PORT 0xcfc

struct vpci {
	uint32_t address;
};

void vpci_reset(struct vm *vm);
uint32_t vpci_read(struct vm *vm, uint16_t port, unsigned size);
void vpci_write(struct vm *vm, uint16_t port, unsigned size, uint32_t value);

#endif
