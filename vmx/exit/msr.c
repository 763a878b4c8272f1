// SPDX-License-Identifier: MIT
/* RDMSR and WRMSR of everything that the MSR bitmap does not leave to the guest. */
#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/platform.h"
#include "hv/base/asm.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "vmx/exit/exit.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

#define MSR_P5_MC_ADDR 0x0
#define MSR_P5_MC_TYPE 0x1
#define MSR_PLATFORM_ID 0x17
#define MSR_EBL_CR_POWERON 0x2a
#define MSR_TSC_ADJUST 0x3b
#define MSR_MCG_CAP 0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MTRR_VAR_FIRST 0x200
#define MSR_MTRR_VAR_LAST 0x20f
#define MSR_MTRR_FIX64K 0x250
#define MSR_MTRR_FIX16K_0 0x258
#define MSR_MTRR_FIX16K_1 0x259
#define MSR_MTRR_FIX4K_FIRST 0x268
#define MSR_MTRR_FIX4K_LAST 0x26f
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MSR_X2APIC_ICR 0x830
#define ICR_OFFSET (0x30 * 4) /* of struct vlapic's page */

/* Eight variable ranges, fixed ranges, write-combining. */
#define MTRRCAP_VALUE 0x508
/* Fast strings; branch-trace and PEBS unavailable, as they are. */
#define MISC_ENABLE_VALUE (BIT(0) | BIT(11) | BIT(12))
/* Locked, and VMX stays off. */
#define FEATURE_CONTROL_VALUE 1

static uint64_t edx_eax(const struct vcpu *vcpu)
{
	return (vcpu->regs[REG_RDX] << 32) | (uint32_t)vcpu->regs[REG_RAX];
}

/*
 * The MTRRs keep what is written and have no effect: EPT says write-back for all of RAM and the
 * guest's PAT applies on top. Index into vm->mtrr, or -1.
 */
static int mtrr_index(uint32_t msr)
{
	if (msr >= MSR_MTRR_VAR_FIRST && msr <= MSR_MTRR_VAR_LAST)
		return (int)(msr - MSR_MTRR_VAR_FIRST);
	if (msr >= MSR_MTRR_FIX4K_FIRST && msr <= MSR_MTRR_FIX4K_LAST)
		return (int)(msr - MSR_MTRR_FIX4K_FIRST) + 16;
	switch (msr) {
	case MSR_MTRR_FIX64K:
		return 24;
	case MSR_MTRR_FIX16K_0:
		return 25;
	case MSR_MTRR_FIX16K_1:
		return 26;
	case MSR_MTRR_DEF_TYPE:
		return VM_MTRR_DEF_TYPE;
	default:
		return -1;
	}
}
static_assert(VM_MTRR_COUNT == 28, "mtrr_index() ends at 27");

/* The vCPU moves its clock by @delta; its TSC_ADJUST follows, as SDM 17.17.3 wants. */
static void shift_tsc(struct vcpu *vcpu, uint64_t delta)
{
	vcpu->tsc_adjust += delta;
	vcpu->tsc_offset += delta;
	vmcs_write(VMCS_TSC_OFFSET, vcpu->tsc_offset);
	vlapic_tsc_moved(vcpu, delta);
}

static bool is_apic_msr(uint32_t msr)
{
	return (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST) || msr == MSR_APIC_BASE ||
	       msr == MSR_TSC_DEADLINE;
}

static bool read_rare(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	int mtrr = mtrr_index(msr);

	*value = 0;
	if (mtrr >= 0) {
		*value = vcpu->vm->mtrr[mtrr];
		return true;
	}
	switch (msr) {
	case MSR_MTRRCAP:
		*value = MTRRCAP_VALUE;
		return true;
	case MSR_FEATURE_CONTROL:
		*value = FEATURE_CONTROL_VALUE;
		return true;
	case MSR_UCODE_REV:
		*value = 1ULL << 32;
		return true;
	case MSR_TSC_ADJUST:
		*value = vcpu->tsc_adjust;
		return true;
	case MSR_P5_MC_ADDR:
	case MSR_P5_MC_TYPE:
	case MSR_PLATFORM_ID:
	case MSR_EBL_CR_POWERON:
	case MSR_MCG_CAP:
	case MSR_MCG_STATUS:
	case MSR_DEBUGCTL:
		return true;
	default:
		return false;
	}
}

void exit_msr_read(struct vcpu *vcpu)
{
	uint32_t msr = (uint32_t)vcpu->regs[REG_RCX];
	uint64_t value;
	bool ok = true;

	if (msr == MSR_MISC_ENABLE)
		value = MISC_ENABLE_VALUE;
	else if (is_apic_msr(msr))
		ok = vlapic_msr_read(vcpu, msr, &value);
	else
		ok = read_rare(vcpu, msr, &value);
	if (unlikely(!ok)) {
		vcpu_inject_gp();
		return;
	}
	vcpu->regs[REG_RAX] = (uint32_t)value;
	vcpu->regs[REG_RDX] = value >> 32;
	vcpu_skip();
}

static bool valid_memory_type(uint64_t type)
{
	return type < 8 && (0x73U >> type & 1); /* UC, WC, WT, WP, WB */
}

static bool write_rare(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	int mtrr = mtrr_index(msr);

	if (mtrr >= 0) {
		if (msr == MSR_MTRR_DEF_TYPE &&
		    ((value & ~0xcffULL) || !valid_memory_type(value & 0xff)))
			return false;
		vcpu->vm->mtrr[mtrr] = value;
		return true;
	}
	switch (msr) {
	case MSR_TSC:
		shift_tsc(vcpu, value - vcpu_tsc(vcpu));
		return true;
	case MSR_TSC_ADJUST:
		shift_tsc(vcpu, value - vcpu->tsc_adjust);
		return true;
	case MSR_MISC_ENABLE: /* the bits that Linux turns off are off, the others are not offered
			       */
	case MSR_UCODE_REV:
	case MSR_P5_MC_ADDR:
	case MSR_P5_MC_TYPE:
		return true;
	case MSR_MCG_STATUS:
	case MSR_DEBUGCTL:
		return value == 0;
	default:
		return false;
	}
}

/* What most IPIs are, a vector for one other vCPU: straight to where that one looks. */
static bool send_plain_ipi(struct vcpu *vcpu, uint64_t icr)
{
	uint64_t to = icr >> 32;

	if ((uint32_t)icr - 16 >= 0xf0 || to >= vcpu->vm->vcpu_count || to == vcpu->id ||
	    !(vcpu->lapic.base_msr & APIC_BASE_X2APIC))
		return false;
	vcpu->lapic.page[ICR_OFFSET] = (uint32_t)icr;
	vcpu->lapic.page[ICR_OFFSET + 1] = (uint32_t)to;
	vcpu_post(vcpu_here((unsigned)to), (uint8_t)icr, false);
	return true;
}

void exit_msr_write(struct vcpu *vcpu)
{
	uint32_t msr = (uint32_t)vcpu->regs[REG_RCX];
	uint64_t value = edx_eax(vcpu);

	if (likely(msr == MSR_TSC_DEADLINE)) {
		vlapic_write_tsc_deadline(vcpu, value);
	} else if (msr != MSR_X2APIC_ICR || !send_plain_ipi(vcpu, value)) {
		bool ok = is_apic_msr(msr) ? vlapic_msr_write(vcpu, msr, value)
					   : write_rare(vcpu, msr, value);

		if (unlikely(!ok)) {
			vcpu_inject_gp();
			return;
		}
	}
	vcpu_skip();
}
