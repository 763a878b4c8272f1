// SPDX-License-Identifier: MIT
/* A guest's registers for the operator. */
#include "hv/base/asm.h"
#include "hv/console/console.h"
#include "hv/vm/breathe.h"
#include "hv/vm/record.h"
#include "hv/vm/vcpu.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

static unsigned long long field(uint64_t vmcs_field)
{
	return vmcs_read(vmcs_field);
}

static unsigned long long reg(const struct vcpu *vcpu, unsigned index)
{
	return vcpu_get_reg(vcpu, index);
}

static const char *activity(const struct vcpu *vcpu)
{
	if (vcpu->work & WORK_SIPI)
		return "waits for a start-up IPI";
	return vcpu->work & WORK_HALT ? "halted" : "runs";
}

static void dump_general(const struct vcpu *vcpu)
{
	static const char *const names[] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"
	};

	for (unsigned i = 0; i < REG_COUNT; i += 4) {
		vm_breathe();
		console_printf("  %s %016llx  %s %016llx  %s %016llx  %s %016llx", names[i],
			       reg(vcpu, i), names[i + 1], reg(vcpu, i + 1), names[i + 2],
			       reg(vcpu, i + 2), names[i + 3], reg(vcpu, i + 3));
	}
}

static void dump_segments(void)
{
	static const char *const names[] = { "es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		vm_breathe();
		console_printf("  %s %04llx base %016llx limit %08llx access %05llx", names[i],
			       field(VMCS_GUEST_ES + 2 * i), field(VMCS_GUEST_ES_BASE + 2 * i),
			       field(VMCS_GUEST_ES_LIMIT + 2 * i),
			       field(VMCS_GUEST_ES_ACCESS + 2 * i));
	}
}

void vcpu_dump(const struct vm_record *record, const struct vcpu *vcpu)
{
	vcpu_make_current(record, vcpu);
	console_printf("%s, vCPU %u: %s", record->config->name, vcpu->id, activity(vcpu));
	console_printf("  rip %016llx  rflags %08llx", field(VMCS_GUEST_RIP),
		       field(VMCS_GUEST_RFLAGS));
	dump_general(vcpu);
	vm_breathe();
	console_printf("  cr0 %016llx  cr2 %016llx  cr3 %016llx  cr4 %016llx",
		       (unsigned long long)vcpu_read_cr0(), (unsigned long long)vcpu->cr2,
		       field(VMCS_GUEST_CR3),
		       (field(VMCS_GUEST_CR4) & ~(unsigned long long)VCPU_CR4_FORCED) |
			       (field(VMCS_CR4_SHADOW) & CR4_MCE));
	console_printf("  efer %016llx", field(VMCS_GUEST_EFER));
	dump_segments();
	vcpu_make_idle(record, vcpu);
}
