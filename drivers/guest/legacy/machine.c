// SPDX-License-Identifier: MIT
#include "drivers/guest/legacy/machine.h"

#include "drivers/guest/irq/lapic.h"
#include "hv/base/string.h"

#define DEVICE_PAGE 0x1000

void machine_reset(struct vm *vm)
{
	vuart_reset(vm);
	vioapic_reset(vm);
	vrtc_reset(vm);
	vpci_reset(vm);
	vpower_reset(vm);
	/* The VM's clock, which they go by, begins anew. */
	memset(vm_machine(vm)->card, 0, sizeof(vm_machine(vm)->card));
}

void machine_set_irq(struct vm *vm, unsigned gsi, bool level)
{
	vioapic_set_line(vm, gsi, level);
}

bool machine_pio_read(struct vcpu *vcpu, uint16_t port, unsigned size, uint32_t *value)
{
	struct vm *vm = vcpu_vm(vcpu);

	vm_assert_locked(vm);
	if (likely(size == 1)) {
		if (port - VUART_BASE < VUART_PORTS && port >= VUART_BASE) {
			*value = vuart_read(vm, port - VUART_BASE);
			return true;
		}
		if (port == VRTC_DATA_PORT) {
			*value = vrtc_read(vm);
			return true;
		}
		switch (port) {
		case VPOWER_SLEEP_CONTROL:
		case VPOWER_SLEEP_STATUS:
		case VPOWER_RESET:
		case VPOWER_PCI_RESET:
		case VPOWER_KEYBOARD:
			*value = vpower_read(vm, port);
			return true;
		default:
			break;
		}
	}
	if ((port & 0xfff8) == VPCI_ADDRESS_PORT) {
		*value = vpci_read(vm, port, size);
		return true;
	}
	*value = UINT32_MAX;
	return vpci_io(vm, port, false, value);
}

bool machine_pio_write(struct vcpu *vcpu, uint16_t port, unsigned size, uint32_t value)
{
	struct vm *vm = vcpu_vm(vcpu);

	vm_assert_locked(vm);
	if (likely(size == 1)) {
		if (port - VUART_BASE < VUART_PORTS && port >= VUART_BASE) {
			vuart_write(vm, port - VUART_BASE, (uint8_t)value);
			return true;
		}
		switch (port) {
		case VRTC_INDEX_PORT:
		case VRTC_DATA_PORT:
			vrtc_write(vm, port, (uint8_t)value);
			return true;
		case VPOWER_SLEEP_CONTROL:
		case VPOWER_SLEEP_STATUS:
		case VPOWER_RESET:
		case VPOWER_PCI_RESET:
		case VPOWER_KEYBOARD:
			vpower_write(vm, port, (uint8_t)value);
			return true;
		default:
			break;
		}
	}
	if ((port & 0xfff8) == VPCI_ADDRESS_PORT) {
		vpci_write(vm, port, size, value);
		return true;
	}
	return vpci_io(vm, port, true, &value);
}

/* The local APIC's page, where it answers only while it is in xAPIC mode. Nobody else ever does: a
 * vCPU's local APIC is its own, so accesses to it come without the lock of the VM's devices. */
static bool is_lapic(uint64_t gpa)
{
	return gpa - MACHINE_LAPIC_BASE < DEVICE_PAGE;
}

static bool is_ioapic(uint64_t gpa)
{
	return gpa - MACHINE_IOAPIC_BASE < DEVICE_PAGE;
}

static bool pci_access(struct vm *vm, uint64_t gpa, bool write, unsigned size, uint32_t *value)
{
	if (gpa - VPCI_ECAM_BASE >= VPCI_ECAM_SIZE)
		return vpci_memory(vm, gpa, write, size, value);
	if (write)
		vpci_ecam_write(vm, gpa - VPCI_ECAM_BASE, size, *value);
	else
		*value = vpci_ecam_read(vm, gpa - VPCI_ECAM_BASE);
	return true;
}

/* Registers have 32 bits at most: wider accesses are two. */
static bool pci_access_wide(struct vm *vm, uint64_t gpa, bool write, unsigned size, uint64_t *value)
{
	uint32_t part[2] = { UINT32_MAX, UINT32_MAX };
	bool owned;

	if (write)
		memcpy(part, value, sizeof(part));
	owned = pci_access(vm, gpa, write, size < 4 ? size : 4, &part[0]);
	if (size == 8)
		owned &= pci_access(vm, gpa + 4, write, 4, &part[1]);
	if (!write)
		memcpy(value, part, sizeof(part));
	return owned;
}

bool machine_mmio_read(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t *value)
{
	unsigned shift = 8 * (gpa.v & 3);

	if (is_lapic(gpa.v)) {
		if (!vlapic_has_mmio(vcpu))
			return false;
		*value = vlapic_mmio_read(vcpu, (unsigned)(gpa.v & 0xffc)) >> shift;
		return true;
	}
	vm_assert_locked(vcpu_vm(vcpu));
	if (is_ioapic(gpa.v)) {
		*value = vioapic_read(vcpu_vm(vcpu), (unsigned)(gpa.v & 0xffc)) >> shift;
		return true;
	}
	return pci_access_wide(vcpu_vm(vcpu), gpa.v, false, size, value);
}

bool machine_mmio_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value)
{
	/* Both devices take aligned 32-bit writes only; others have no effect, as in hardware. */
	bool whole = size >= 4 && !(gpa.v & 3);

	if (is_lapic(gpa.v)) {
		if (!vlapic_has_mmio(vcpu))
			return false;
		if (whole)
			vlapic_mmio_write(vcpu, (unsigned)(gpa.v & 0xffc), (uint32_t)value);
		return true;
	}
	vm_assert_locked(vcpu_vm(vcpu));
	if (is_ioapic(gpa.v)) {
		/* The index register alone is also written by bytes. */
		if (whole || (gpa.v & 0xfff) == 0)
			vioapic_write(vcpu_vm(vcpu), (unsigned)(gpa.v & 0xffc), (uint32_t)value);
		return true;
	}
	return pci_access_wide(vcpu_vm(vcpu), gpa.v, true, size, &value);
}
