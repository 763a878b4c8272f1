// SPDX-License-Identifier: MIT
#include "vmx/exit_reason.h"

static const char *const names[EXIT_REASON_COUNT] = {
	[EXIT_EXCEPTION_NMI] = "exception-nmi",
	[EXIT_EXTERNAL_INTERRUPT] = "external-interrupt",
	[EXIT_TRIPLE_FAULT] = "triple-fault",
	[EXIT_INIT] = "init",
	[EXIT_SIPI] = "sipi",
	[EXIT_INTERRUPT_WINDOW] = "interrupt-window",
	[EXIT_NMI_WINDOW] = "nmi-window",
	[EXIT_TASK_SWITCH] = "task-switch",
	[EXIT_CPUID] = "cpuid",
	[EXIT_GETSEC] = "getsec",
	[EXIT_HLT] = "hlt",
	[EXIT_INVD] = "invd",
	[EXIT_INVLPG] = "invlpg",
	[EXIT_RDPMC] = "rdpmc",
	[EXIT_RDTSC] = "rdtsc",
	[EXIT_VMCALL] = "vmcall",
	[EXIT_VMCLEAR] = "vmclear",
	[EXIT_VMLAUNCH] = "vmlaunch",
	[EXIT_VMPTRLD] = "vmptrld",
	[EXIT_VMPTRST] = "vmptrst",
	[EXIT_VMREAD] = "vmread",
	[EXIT_VMRESUME] = "vmresume",
	[EXIT_VMWRITE] = "vmwrite",
	[EXIT_VMXOFF] = "vmxoff",
	[EXIT_VMXON] = "vmxon",
	[EXIT_CR_ACCESS] = "cr-access",
	[EXIT_MOV_DR] = "mov-dr",
	[EXIT_IO] = "io",
	[EXIT_MSR_READ] = "msr-read",
	[EXIT_MSR_WRITE] = "msr-write",
	[EXIT_INVALID_GUEST_STATE] = "invalid-guest-state",
	[EXIT_MSR_LOADING] = "msr-loading",
	[EXIT_MWAIT] = "mwait",
	[EXIT_MONITOR] = "monitor",
	[EXIT_PAUSE] = "pause",
	[EXIT_MACHINE_CHECK] = "machine-check",
	[EXIT_VIRTUALIZED_EOI] = "virtualized-eoi",
	[EXIT_EPT_VIOLATION] = "ept-violation",
	[EXIT_EPT_MISCONFIG] = "ept-misconfig",
	[EXIT_INVEPT] = "invept",
	[EXIT_RDTSCP] = "rdtscp",
	[EXIT_PREEMPTION_TIMER] = "preemption-timer",
	[EXIT_INVVPID] = "invvpid",
	[EXIT_WBINVD] = "wbinvd",
	[EXIT_XSETBV] = "xsetbv",
	[EXIT_APIC_WRITE] = "apic-write",
	[EXIT_INVPCID] = "invpcid",
	[EXIT_XSAVES] = "xsaves",
	[EXIT_XRSTORS] = "xrstors",
	[EXIT_BUS_LOCK] = "bus-lock",
	[EXIT_SEAMCALL] = "seamcall",
	[EXIT_TDCALL] = "tdcall",
};

const char *exit_reason_name(unsigned reason)
{
	if (reason < EXIT_REASON_COUNT && names[reason])
		return names[reason];
	return "unassigned";
}
