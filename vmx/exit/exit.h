/* SPDX-License-Identifier: MIT */
/*
 * The exit handlers, one file a family. Each runs with interrupts off, lands in the map that the
 * policy says (restricted under ASI) and leaves the guest ready for the next entry.
 */
#ifndef VMX_EXIT_H
#define VMX_EXIT_H

#include "hv/asi/actions.h"
#include "vmx/exit_reason.h"
#include "vmx/vcpu.h"

/** The code that exits are to land in under a policy that resolved to @actions. */
ANY const char *vmx_exit_entry_for(const struct policy_actions *actions);

/** From vmx/exit/entry.asm, on the vCPU's own stack. Returns for VMRESUME. */
ANY void vmx_exit(struct vcpu *vcpu);
/** The same where siblings are stunned on every exit. */
ANY void vmx_exit_stunned(struct vcpu *vcpu);
/** What has to happen before the next entry, as vcpu->work says. May end or yield the vCPU and then
 * does not return. Interrupts off; afterwards nothing sensitive may be touched. */
ANY void vmx_do_work(struct vcpu *vcpu);
/** From vmx/exit/entry.asm, before the first entry, on the vCPU's own stack: nothing of what was
 * done on the CPU's own ones is left. Full map; leaves in the one that the guest's exits land in.
 */
FULL void vmx_begin_work(struct vcpu *vcpu);
/** First entry on this CPU, with vmx_begin_work(); the last thing that the caller's stack does.
 */
FULL _Noreturn void vmx_begin(struct vcpu *vcpu);

/** The gate is shut on the way into the guest; returns once it was passed, and what came meanwhile
 * is done. From vmx/exit/entry.asm, restricted map, interrupts off. */
ANY void vmx_wait_at_gate(struct vcpu *vcpu);

/** From vmx/exit/entry.asm: VMLAUNCH or VMRESUME refused. */
ANY _Noreturn void vmx_entry_failed(struct vcpu *vcpu);

ANY void exit_cpuid(struct vcpu *vcpu);
ANY void exit_cr_access(struct vcpu *vcpu);
ANY void exit_xsetbv(struct vcpu *vcpu);
ANY void exit_io(struct vcpu *vcpu);
ANY void exit_ept_violation(struct vcpu *vcpu);
/** Also where one came in the middle of a VM entry (SDM 26.9). */
ANY void exit_machine_check(struct vcpu *vcpu);
ANY void exit_external_interrupt(struct vcpu *vcpu);
ANY void exit_exception_nmi(struct vcpu *vcpu);
ANY void exit_hlt(struct vcpu *vcpu);
ANY void exit_pause(struct vcpu *vcpu);
ANY void exit_vmcall(struct vcpu *vcpu);
ANY void exit_virtualized_eoi(struct vcpu *vcpu);
ANY void exit_apic_write(struct vcpu *vcpu);

#endif
