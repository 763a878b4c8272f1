/* prove: drivers/guest/legacy/machine.c drivers/guest/legacy/power.c */
/* prove-with: guest-tests/prove/platform.c */
/* prove-options: precision=3 coverage=98 quick */
/* SPDX-License-Identifier: MIT */
/* Any port and any address: each device gets only accesses that it knows. */
#include "guest-tests/prove/platform.h"

uint8_t vuart_read(struct vm *vm, unsigned offset)
{
	/*@ assert its_own: offset < VUART_PORTS; */
	return any8;
}

void vuart_write(struct vm *vm, unsigned offset, uint8_t value)
{
	/*@ assert its_own: offset < VUART_PORTS; */
}

uint8_t vrtc_read(struct vm *vm)
{
	return any8;
}

void vrtc_write(struct vm *vm, uint16_t port, uint8_t value)
{
}

bool vlapic_has_mmio(struct vcpu *vcpu)
{
	return any8 & 1;
}

uint32_t vlapic_mmio_read(struct vcpu *vcpu, unsigned offset)
{
	/*@ assert in_the_page: offset <= 0xffc; */
	return any32;
}

void vlapic_mmio_write(struct vcpu *vcpu, unsigned offset, uint32_t value)
{
	/*@ assert in_the_page: offset <= 0xffc; */
}

uint32_t vioapic_read(struct vm *vm, unsigned offset)
{
	return any32;
}

void vioapic_write(struct vm *vm, unsigned offset, uint32_t value)
{
}

void vioapic_set_line(struct vm *vm, unsigned line, bool level)
{
}

uint32_t vpci_read(struct vm *vm, uint16_t port, unsigned size)
{
	/*@ assert its_own: VPCI_ADDRESS_PORT <= port <= VPCI_DATA_PORT + 3; */
	return any32;
}

void vpci_write(struct vm *vm, uint16_t port, unsigned size, uint32_t value)
{
	/*@ assert its_own: VPCI_ADDRESS_PORT <= port <= VPCI_DATA_PORT + 3; */
}

uint32_t vpci_ecam_read(struct vm *vm, uint64_t address)
{
	/*@ assert its_own: address < VPCI_ECAM_SIZE; */
	return any32;
}

void vpci_ecam_write(struct vm *vm, uint64_t address, unsigned size, uint32_t value)
{
	/*@ assert its_own: address < VPCI_ECAM_SIZE; */
	/*@ assert no_wider: size <= 4; */
}

bool vpci_io(struct vm *vm, uint16_t port, bool write, uint32_t *value)
{
	*value = any32;
	return any8 & 1;
}

bool vpci_memory(struct vm *vm, uint64_t gpa, bool write, unsigned size, uint32_t *value)
{
	/*@ assert no_wider: size <= 4; */
	*value = any32;
	return any8 & 1;
}

void vuart_reset(struct vm *vm)
{
}

void vioapic_reset(struct vm *vm)
{
}

void vrtc_reset(struct vm *vm)
{
}

void vpci_reset(struct vm *vm)
{
}

void prove(void)
{
	struct vm *vm = any_vm();

	machine_reset(vm);
	while (any8) {
		struct vcpu *vcpu = any_vcpu(vm);
		uint32_t narrow;
		uint64_t wide;

		machine_pio_read(vcpu, any16, any_size(4), &narrow);
		machine_pio_write(vcpu, any16, any_size(4), any32);
		machine_mmio_read(vcpu, GPA(any64), any_size(8), &wide);
		machine_mmio_write(vcpu, GPA(any64), any_size(8), any64);
		machine_set_irq(vm, any32, any8 & 1);
	}
}
