// SPDX-License-Identifier: MIT
/* Hypercalls: the ABI is hv/hypercall_abi.h. */
#include "hv/asm.h"
#include "hv/console.h"
#include "hv/errno.h"
#include "hv/hypercall.h"
#include "vmx/exit.h"

void exit_vmcall(struct vcpu *vcpu)
{
	if (likely(vcpu_cpl() == 0))
		vcpu->regs[REG_RAX] =
			(uint64_t)hypercall(vcpu, vcpu->regs[REG_RAX], vcpu->regs[REG_RDI],
					    vcpu->regs[REG_RSI], vcpu->regs[REG_RDX]);
	else
		vcpu->regs[REG_RAX] = (uint64_t)-E_PERM;
	vcpu_skip();
}
