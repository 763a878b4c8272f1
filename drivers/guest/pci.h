/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration by ports 0xCF8 and 0xCFC and by ECAM: a host bridge, and no device behind it
 * yet.
 */
#ifndef DRIVERS_GUEST_PCI_H
#define DRIVERS_GUEST_PCI_H

#include "drivers/guest/platform.h"

#define VPCI_ADDRESS_PORT 0xcf8
#define VPCI_DATA_PORT 0xcfc

/* The same by memory (ECAM): bus 0. */
#define VPCI_ECAM_BASE 0xe0000000ULL
#define VPCI_ECAM_SIZE 0x100000ULL

struct vpci {
	uint32_t address;
};

void vpci_reset(struct vm *vm);
uint32_t vpci_read(struct vm *vm, uint16_t port, unsigned size);
/**
 * Configuration read at @offset of the ECAM area; writes have no effect, as no register takes any.
 */
uint32_t vpci_ecam_read(uint64_t offset);
void vpci_write(struct vm *vm, uint16_t port, unsigned size, uint32_t value);

#endif
