/* prove: drivers/guest/irq/lapic.c drivers/guest/irq/lapic_registers.c drivers/guest/irq/lapic_timer.c */
/* prove-with: guest-tests/prove/platform.c */
/* prove-options: precision=2 coverage=98 quick */
/* SPDX-License-Identifier: MIT */
/* Any accesses and any interrupts, in any order; the processor has any say in the page meanwhile.
 */
#include "guest-tests/prove/platform.h"

void vioapic_eoi(struct vm *vm, uint8_t vector)
{
}

void vcpu_apic_mode_changed(struct vcpu *vcpu)
{
	vlapic_set_assisted(vcpu, (any8 & 1) && vlapic_may_be_assisted(vcpu_vlapic(vcpu)));
}

static void arrive(struct vm *vm, struct vcpu *vcpu)
{
	uint32_t bits = any32;

	vlapic_accept(vcpu, any8, any8 & 1);
	vlapic_accept_bits(vcpu, any_within(0, 7), bits, any8 & 1);
	vlapic_deliver(vm, any32, any8 & 1, any_within(0, 7), any8, any8 & 1);
	if (bits)
		vlapic_accept_and_take(vcpu, any_within(0, 7), bits);
}

static void access(struct vcpu *vcpu)
{
	uint64_t value;

	vlapic_msr_read(vcpu, any32, &value);
	vlapic_msr_write(vcpu, any32, any64);
	if (vlapic_has_mmio(vcpu)) {
		vlapic_mmio_read(vcpu, any32 & 0xffc);
		vlapic_mmio_write(vcpu, any32 & 0xffc, any32);
	}
	vlapic_write_tsc_deadline(vcpu, any64);
	vlapic_set_cr8(vcpu, any8 & 15);
	vlapic_get_cr8(vcpu);
}

static void run(struct vcpu *vcpu)
{
	int vector = vlapic_pending(vcpu);

	if (vector >= 0)
		vlapic_take(vcpu, (uint8_t)vector);
	vlapic_requesting(vcpu_vlapic(vcpu), any8, any8);
	vlapic_level_vectors(vcpu_vlapic(vcpu), any_within(0, 3));
	vlapic_after_eoi(vcpu, any8);
	vlapic_timer_expired(vcpu);
	vlapic_tsc_moved(vcpu, any64);
}

void prove(void)
{
	struct vm *vm = any_vm();

	for (unsigned i = 0; i < PROVE_VCPUS; i++)
		vlapic_reset(&vm->vcpu[i], i, any8 & 1);
	while (any8) {
		struct vcpu *vcpu = any_vcpu(vm);

		any_bytes(apic_page, sizeof(apic_page));
		any_bytes(other_apic_page, sizeof(other_apic_page));
		arrive(vm, vcpu);
		access(vcpu);
		run(vcpu);
	}
}
