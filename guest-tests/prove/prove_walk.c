/* prove: vmx/exit/guest_memory.c */
/* prove-before: guest-tests/prove/instructions.h */
/* prove-options: precision=0 coverage=98 quick -eva-slevel=300 -eva-auto-loop-unroll=16 -eva-ilevel=24 */
/* prove-options: -absolute-valid-range=0xffff900000000000-0xffff90000003ffff */
/* SPDX-License-Identifier: MIT */
/* Any address, any access, any registers; tables that say anything, and something else at each
 * look. */
#include "vmx/exit/guest_memory.h"
#include "vmx/vcpu.h"

#define RAM 0x40000ULL

/* Of the window, which the range above says; vm_ram() has memory of its own. */
static uint8_t ram[RAM];

void *vm_ram(struct vm *vm, gpa_t gpa, uint64_t len)
{
	any_bytes(ram, sizeof(ram));
	if (len == 4)
		return gpa.v <= RAM - 4 ? ram + gpa.v : NULL;
	return gpa.v <= RAM - 8 ? ram + gpa.v : NULL;
}

void vcpu_inject_pf(struct vcpu *vcpu, uint64_t address, uint32_t error)
{
}

void vcpu_inject_fault(unsigned vector)
{
}

static struct vm vm;

void prove(void)
{
	struct vcpu vcpu = { .vm = &vm };
	uint64_t linear;
	gpa_t gpa;

	vm.ram_low = RAM;
	vm.lazy = any8 & 1;
	vm.phys_bits = any_within(32, 52);
	while (any8) {
		enum guest_access access = any8 ? GUEST_READ : GUEST_WRITE;

		guest_translate(&vcpu, any64, access, &gpa);
		guest_translate_code(&vcpu, any64, &gpa);
		guest_linear(any_within(0, 5), any64, any_size(8), access, &linear);
	}
}
