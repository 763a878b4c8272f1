// SPDX-License-Identifier: MIT
#include "vmx/caps.h"

#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/layout.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/percpu.h"
#include "mm/frames.h"
#include "vmx/vmcs.h"

struct vmx_caps vmx_caps;

#define MSR_VMX_BASIC 0x480
#define MSR_VMX_MISC 0x485
#define MSR_VMX_CR0_FIXED0 0x486
#define MSR_VMX_CR0_FIXED1 0x487
#define MSR_VMX_CR4_FIXED0 0x488
#define MSR_VMX_CR4_FIXED1 0x489
#define MSR_VMX_PROC2 0x48b
#define MSR_VMX_EPT_VPID 0x48c

#define FEATURE_CONTROL_LOCK BIT(0)
#define FEATURE_CONTROL_VMX BIT(2)

#define BASIC_TRUE_CONTROLS BIT(55)

#define EPT_WALK_4 BIT(6)
#define EPT_WB BIT(14)
#define EPT_2M BIT(16)
#define EPT_1G BIT(17)
#define EPT_INVEPT BIT(20)
#define EPT_INVEPT_ALL BIT(26)
#define EPT_INVVPID BIT(32)
#define EPT_INVVPID_ALL BIT(42)

/* The capability MSR of each control field, and its "true" twin 12 higher (0x481 -> 0x48d). */
enum control_msr {
	MSR_PIN = 0x481,
	MSR_PROC = 0x482,
	MSR_EXIT = 0x483,
	MSR_ENTRY = 0x484,
	TRUE_OFFSET = 12
};

/* Low half: must be 1; high half: may be 1. */
static BOOT uint64_t control_range(enum control_msr msr)
{
	return rdmsr(rdmsr(MSR_VMX_BASIC) & BASIC_TRUE_CONTROLS ? msr + TRUE_OFFSET : msr);
}

/* The value for a field: all of @required, what there is of @optional. False if a required bit is
 * not offered. */
static BOOT bool choose(uint64_t range, uint64_t required, uint64_t optional, uint32_t *value)
{
	uint32_t must = (uint32_t)range, may = (uint32_t)(range >> 32);

	*value = (uint32_t)(((required | optional) & may) | must);
	return (required & ~(uint64_t)may) == 0;
}

static BOOT const char *check_feature_control(void)
{
	uint64_t control = rdmsr(MSR_FEATURE_CONTROL);

	if (!(control & FEATURE_CONTROL_LOCK)) {
		wrmsr(MSR_FEATURE_CONTROL, control | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
		control = rdmsr(MSR_FEATURE_CONTROL);
	}
	if (!(control & FEATURE_CONTROL_VMX))
		return "VMX is locked off by the firmware: enable \"Intel Virtualization "
		       "Technology\" in its set-up";
	return NULL;
}

static BOOT const char *probe_ept(struct vmx_caps *c)
{
	uint64_t ept = rdmsr(MSR_VMX_EPT_VPID);

	if (!(ept & EPT_WALK_4) || !(ept & EPT_WB))
		return "this CPU's EPT lacks 4-level walks or write-back tables: a newer CPU is "
		       "needed";
	c->ept_2m = ept & EPT_2M;
	c->ept_1g = ept & EPT_1G;
	c->invept = (ept & EPT_INVEPT) && (ept & EPT_INVEPT_ALL);
	c->invvpid = (ept & EPT_INVVPID) && (ept & EPT_INVVPID_ALL);
	if (!c->invept)
		return "this CPU lacks INVEPT: a newer CPU is needed";
	return NULL;
}

static BOOT const char *probe_secondary(struct vmx_caps *c)
{
	uint64_t range = rdmsr(MSR_VMX_PROC2);
	uint64_t may = range >> 32;

	if (!(may & PROC2_EPT))
		return "this CPU has no EPT (extended page tables): a CPU from 2008 (Nehalem) or "
		       "newer is needed";
	if (!(may & PROC2_UNRESTRICTED))
		return "this CPU has no unrestricted guest mode: a CPU from 2010 (Westmere) or "
		       "newer is needed";
	choose(range, PROC2_EPT | PROC2_UNRESTRICTED,
	       PROC2_VPID | PROC2_RDTSCP | PROC2_INVPCID | PROC2_WBINVD | PROC2_PAUSE_LOOP |
		       PROC2_BUS_LOCK,
	       &c->proc2);
	c->vpid = c->proc2 & PROC2_VPID;
	c->rdtscp = c->proc2 & PROC2_RDTSCP;
	c->invpcid = c->proc2 & PROC2_INVPCID;
	c->pause_loop = c->proc2 & PROC2_PAUSE_LOOP;
	c->wbinvd_exiting = c->proc2 & PROC2_WBINVD;
	c->apicv = (may & PROC2_APICV) == PROC2_APICV &&
		   (control_range(MSR_PROC) >> 32 & PROC_TPR_SHADOW);
	return NULL;
}

static BOOT const char *probe_controls(struct vmx_caps *c)
{
	static const char missing[] =
		"this CPU's VMX lacks a control that Cloister needs: a newer CPU is needed";
	uint64_t exit = EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_ACK_INTERRUPT | EXIT_SAVE_PAT |
			EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER;
	const char *why;

	if (!choose(control_range(MSR_PROC),
		    PROC_TSC_OFFSETTING | PROC_HLT | PROC_MWAIT | PROC_RDPMC | PROC_CR8_LOAD |
			    PROC_CR8_STORE | PROC_UNCONDITIONAL_IO | PROC_MSR_BITMAPS |
			    PROC_MONITOR | PROC_SECONDARY,
		    0, &c->proc))
		return missing;
	if (c->proc & (PROC_CR3_LOAD | PROC_CR3_STORE | PROC_INVLPG))
		return missing;
	why = probe_secondary(c);
	if (why)
		return why;
	if (!choose(control_range(MSR_PIN), PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMI, 0,
		    &c->pin) ||
	    !choose(control_range(MSR_EXIT), exit, 0, &c->exit) ||
	    !choose(control_range(MSR_ENTRY), ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER,
		    0, &c->entry))
		return missing;
	c->preemption_timer = control_range(MSR_PIN) >> 32 & PIN_PREEMPTION_TIMER;
	c->preemption_shift = rdmsr(MSR_VMX_MISC) & 31;
	return probe_ept(c);
}

BOOT const char *vmx_probe(void)
{
	struct vmx_caps *c = &vmx_caps;
	const char *why;

	if (!cpu_facts.intel)
		return "this is not an Intel CPU: Cloister runs on Intel VMX only";
	if (!cpu_facts.vmx)
		return "this CPU has no VMX, or a virtual machine hides it: use an Intel CPU, or "
		       "turn nested "
		       "virtualisation on";
	why = check_feature_control();
	if (why)
		return why;
	c->revision = rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	if (!(control_range(MSR_PROC) >> 32 & PROC_SECONDARY))
		return "this CPU has no EPT (extended page tables): a CPU from 2008 (Nehalem) or "
		       "newer is needed";
	c->cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0);
	c->cr0_fixed1 = rdmsr(MSR_VMX_CR0_FIXED1);
	c->cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0);
	c->cr4_fixed1 = rdmsr(MSR_VMX_CR4_FIXED1);
	return probe_controls(c);
}

void vmx_flush_guest_tlb(void)
{
	struct {
		uint64_t context, reserved;
	} all = { 0, 0 };

#ifndef BREAK_keep_translations
	__asm__ volatile("invept %0, %1" : : "m"(all), "r"(2ULL) : "cc", "memory");
#endif
	if (vmx_caps.invvpid)
		__asm__ volatile("invvpid %0, %1" : : "m"(all), "r"(2ULL) : "cc", "memory");
}

BOOT const char *vmx_enable(unsigned cpu)
{
	const char *why = check_feature_control();
	hpa_t region;
	uint8_t failed;

	if (why)
		return why;
	region = frames_alloc(0, MEM_SENSITIVE, PURPOSE_VMX);
	if (hpa_is_none(region))
		return "no memory for the VMXON region";
	*(uint32_t *)hpa_to_ptr(region) = vmx_caps.revision;
	cpus[cpu].vmxon = region;
	write_cr4(read_cr4() | CR4_VMXE);
	__asm__ volatile("vmxon %1; setbe %0" : "=q"(failed) : "m"(region.v) : "cc", "memory");
	if (failed)
		return "VMXON failed, the firmware or another hypervisor holds VMX";
	/* What a former hypervisor may have left in the EPT-tagged and VPID-tagged caches. */
	vmx_flush_guest_tlb();
	return NULL;
}
