// SPDX-License-Identifier: MIT
/* Hypercalls: the ABI is hv/base/hypercall_abi.h. */
#include "hv/vm/vcpu.h"
#include "vmx/exit/exit.h"
#include "vmx/exit/hypercall.h"
#include "vmx/vcpu.h"

void exit_vmcall(struct vcpu *vcpu)
{
	uint64_t *r = vcpu->regs;

	if (likely(vcpu_cpl() == 0))
		r[REG_RAX] =
			(uint64_t)hypercall(vcpu, r[REG_RAX], r[REG_RDI], r[REG_RSI], r[REG_RDX]);
	else
		r[REG_RAX] = (uint64_t)hypercall_user(vcpu, r[REG_RAX], r[REG_RDI], r[REG_RSI],
						      r[REG_RDX]);
	vcpu_skip();
}
