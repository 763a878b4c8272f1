// SPDX-License-Identifier: MIT
#include "drivers/guest/legacy/machine.h"

#define SLEEP_ENABLE BIT(5) /* ACPI 4.8.3.7 */
#define SLEEP_TYPE(v) ((v) >> 2 & 7)
#define PCI_RESET_CPU BIT(2)
#define KEYBOARD_PULSE_RESET 0xfe

void vpower_reset(struct vm *vm)
{
	vm_machine(vm)->power.pci_reset = 0;
}

uint8_t vpower_read(struct vm *vm, uint16_t port)
{
	switch (port) {
	case VPOWER_PCI_RESET:
		return vm_machine(vm)->power.pci_reset;
	case VPOWER_KEYBOARD: /* there is no keyboard controller */
		return 0xff;
	default:
		return 0;
	}
}

void vpower_write(struct vm *vm, uint16_t port, uint8_t value)
{
	switch (port) {
	case VPOWER_SLEEP_CONTROL:
		if ((value & SLEEP_ENABLE) && SLEEP_TYPE(value) == VPOWER_S5)
			vm_request(vm, VM_REQUEST_POWEROFF);
		break;
	case VPOWER_RESET:
		if (value == VPOWER_RESET_VALUE)
			vm_request(vm, VM_REQUEST_REBOOT);
		break;
	case VPOWER_PCI_RESET:
		vm_machine(vm)->power.pci_reset = value & ~(uint8_t)PCI_RESET_CPU;
		if (value & PCI_RESET_CPU)
			vm_request(vm, VM_REQUEST_REBOOT);
		break;
	case VPOWER_KEYBOARD:
		if (value == KEYBOARD_PULSE_RESET)
			vm_request(vm, VM_REQUEST_REBOOT);
		break;
	default:
		break;
	}
}
