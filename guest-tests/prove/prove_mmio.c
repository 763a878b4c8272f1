/* prove: vmx/exit/mmio.c */
/* prove-before: guest-tests/prove/instructions.h guest-tests/prove/window.h */
/* prove-options: precision=0 coverage=95 quick -eva-slevel=100 -eva-auto-loop-unroll=16 */
/* SPDX-License-Identifier: MIT */
/* Any instruction at any device register, with any registers. */
#include "guest-tests/prove/guest.h"
#include "hv/cpu/stack.h"
#include "vmx/decode.h"
#include "vmx/exit/mmio.h"

/* As prove_decode.c proves; that the size is one of the four is what Zydis says too
 * (fuzz_decode.c), beyond what Eva keeps apart. */
int decode_insn(const uint8_t *bytes, unsigned count, enum decode_mode mode,
		struct decode_insn *insn)
{
	*insn = (struct decode_insn){ .length = any8,
				      .op = any_within(0, DECODE_BT),
				      .alu = any8,
				      .size = any_size(8),
				      .reg_size = any8,
				      .reg = any_within(0, 15),
				      .reg_high = any8 & 1,
				      .sign_extend = any8 & 1,
				      .has_imm = any8 & 1,
				      .rep = any8 & 1,
				      .segment = any_within(0, 5),
				      .lock = any8 & 1,
				      .imm = any64 };
	return any8 ? 0 : -1;
}

uint64_t decode_alu(enum decode_alu op, uint64_t dst, uint64_t src, unsigned size, uint64_t *rflags)
{
	*rflags = any64;
	return any64;
}

bool machine_mmio_read(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t *value)
{
	/*@ assert a_size: size == 1 || size == 2 || size == 4 || size == 8; */
	*value = any64;
	return any8 & 1;
}

bool machine_mmio_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value)
{
	/*@ assert a_size: size == 1 || size == 2 || size == 4 || size == 8; */
	return any8 & 1;
}

void vcpu_trap_step(void)
{
}

void vcpu_inject_ud(void)
{
}

void vm_stop(struct vcpu *vcpu, const char *why, uint64_t detail)
{
}

void stack_goes_deep(void)
{
}

void prove(void)
{
	while (any8)
		mmio_emulate(any_guest(), GPA(any64));
}
