/* SPDX-License-Identifier: MIT */
/* Basic exit reasons, SDM volume 3, appendix C. */
#ifndef VMX_EXIT_REASON_H
#define VMX_EXIT_REASON_H

#include "hv/base/types.h"

/** ROW(name, number, name in the records). */
#define EXIT_REASONS(ROW)                                                                          \
	ROW(EXCEPTION_NMI, 0, "exception-nmi")                                                     \
	ROW(EXTERNAL_INTERRUPT, 1, "external-interrupt")                                           \
	ROW(TRIPLE_FAULT, 2, "triple-fault")                                                       \
	ROW(INIT, 3, "init")                                                                       \
	ROW(SIPI, 4, "sipi")                                                                       \
	ROW(INTERRUPT_WINDOW, 7, "interrupt-window")                                               \
	ROW(NMI_WINDOW, 8, "nmi-window")                                                           \
	ROW(TASK_SWITCH, 9, "task-switch")                                                         \
	ROW(CPUID, 10, "cpuid")                                                                    \
	ROW(GETSEC, 11, "getsec")                                                                  \
	ROW(HLT, 12, "hlt")                                                                        \
	ROW(INVD, 13, "invd")                                                                      \
	ROW(INVLPG, 14, "invlpg")                                                                  \
	ROW(RDPMC, 15, "rdpmc")                                                                    \
	ROW(RDTSC, 16, "rdtsc")                                                                    \
	ROW(VMCALL, 18, "vmcall")                                                                  \
	ROW(VMCLEAR, 19, "vmclear")                                                                \
	ROW(VMLAUNCH, 20, "vmlaunch")                                                              \
	ROW(VMPTRLD, 21, "vmptrld")                                                                \
	ROW(VMPTRST, 22, "vmptrst")                                                                \
	ROW(VMREAD, 23, "vmread")                                                                  \
	ROW(VMRESUME, 24, "vmresume")                                                              \
	ROW(VMWRITE, 25, "vmwrite")                                                                \
	ROW(VMXOFF, 26, "vmxoff")                                                                  \
	ROW(VMXON, 27, "vmxon")                                                                    \
	ROW(CR_ACCESS, 28, "cr-access")                                                            \
	ROW(MOV_DR, 29, "mov-dr")                                                                  \
	ROW(IO, 30, "io")                                                                          \
	ROW(MSR_READ, 31, "msr-read")                                                              \
	ROW(MSR_WRITE, 32, "msr-write")                                                            \
	ROW(INVALID_GUEST_STATE, 33, "invalid-guest-state")                                        \
	ROW(MSR_LOADING, 34, "msr-loading")                                                        \
	ROW(MWAIT, 36, "mwait")                                                                    \
	ROW(MONITOR, 39, "monitor")                                                                \
	ROW(PAUSE, 40, "pause")                                                                    \
	ROW(MACHINE_CHECK, 41, "machine-check")                                                    \
	ROW(VIRTUALIZED_EOI, 45, "virtualized-eoi")                                                \
	ROW(EPT_VIOLATION, 48, "ept-violation")                                                    \
	ROW(EPT_MISCONFIG, 49, "ept-misconfig")                                                    \
	ROW(INVEPT, 50, "invept")                                                                  \
	ROW(RDTSCP, 51, "rdtscp")                                                                  \
	ROW(PREEMPTION_TIMER, 52, "preemption-timer")                                              \
	ROW(INVVPID, 53, "invvpid")                                                                \
	ROW(WBINVD, 54, "wbinvd")                                                                  \
	ROW(XSETBV, 55, "xsetbv")                                                                  \
	ROW(APIC_WRITE, 56, "apic-write")                                                          \
	ROW(INVPCID, 58, "invpcid")                                                                \
	ROW(XSAVES, 63, "xsaves")                                                                  \
	ROW(XRSTORS, 64, "xrstors")                                                                \
	ROW(BUS_LOCK, 74, "bus-lock")                                                              \
	ROW(SEAMCALL, 76, "seamcall")                                                              \
	ROW(TDCALL, 77, "tdcall")

#define EXIT_REASON_NUMBER(name, number, text) EXIT_##name = (number),
enum exit_reason { EXIT_REASONS(EXIT_REASON_NUMBER) EXIT_REASON_COUNT = 80 };

/* Bit 31 of the exit reason: the VM entry failed, the guest did not run. */
#define EXIT_ENTRY_FAILURE BIT(31)
/* Bit 26: what exits locked the bus before (SDM 28.2.1). */
#define EXIT_BUS_LOCKED BIT(26)

/** The reason's name in the records; "reason-N" is never needed below EXIT_REASON_COUNT.
 */
ANY const char *exit_reason_name(unsigned reason);

#endif
