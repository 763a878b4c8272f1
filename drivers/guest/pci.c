// SPDX-License-Identifier: MIT
#include "drivers/guest/machine.h"

#define ADDRESS_ENABLE BIT(31)
#define ADDRESS_WRITABLE 0x80fffffcU
#define ADDRESS_FUNCTION(a) ((a) >> 8 & 0xffff) /* bus, device, function */

/*
 * The bridge at 00:00.0: vendor 0x1b36 (Red Hat's, which gives out ids for virtual hardware),
 * device 0x0008 (a generic PCI Express host bridge), class 0x0600; every other register reads as
 * zero and cannot be written.
 */
static uint32_t bridge_register(unsigned offset)
{
	switch (offset & 0xffc) {
	case 0x00:
		return 0x00081b36;
	case 0x08:
		return 0x06000000;
	default:
		return 0;
	}
}

void vpci_reset(struct vm *vm)
{
	vm_machine(vm)->pci.address = 0;
}

uint32_t vpci_read(struct vm *vm, uint16_t port, unsigned size)
{
	const struct vpci *pci = &vm_machine(vm)->pci;
	unsigned offset = (pci->address & 0xfc) | (port & 3);

	if (port < VPCI_DATA_PORT)
		return size == 4 && port == VPCI_ADDRESS_PORT ? pci->address : UINT32_MAX;
	if (!(pci->address & ADDRESS_ENABLE) || ADDRESS_FUNCTION(pci->address) != 0)
		return UINT32_MAX;
	return bridge_register(offset) >> 8 * (offset & 3);
}

uint32_t vpci_ecam_read(uint64_t offset)
{
	if (offset >= PAGE_SIZE) /* another function */
		return UINT32_MAX;
	return bridge_register((unsigned)offset) >> 8 * (offset & 3);
}

void vpci_write(struct vm *vm, uint16_t port, unsigned size, uint32_t value)
{
	if (port == VPCI_ADDRESS_PORT && size == 4)
		vm_machine(vm)->pci.address = value & ADDRESS_WRITABLE;
}
