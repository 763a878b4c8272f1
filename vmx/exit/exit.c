// SPDX-License-Identifier: MIT
/* Exit dispatch. The order of the first comparisons is the measured frequency
 * (docs/PERFORMANCE.md). */
#include "vmx/exit/exit.h"

#include "hv/asi/asi.h"
#include "hv/asi/flush.h"
#include "hv/asi/stun.h"
#include "hv/base/asm.h"
#include "hv/cpu/percpu.h"
#include "hv/life/leave.h"
#include "hv/net/vm_net.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "mm/zero.h"
#include "vmx/exit/host_interrupt.h"
#include "vmx/exit/trace.h"
#include "vmx/exit/wait.h"
#include "vmx/msr.h"
#include "vmx/vmcs.h"

/* vmx/exit/entry.asm */
extern const char vmx_exit_entry[], vmx_exit_entry_rsb[], vmx_exit_entry_bhb[],
	vmx_exit_entry_hardened[], vmx_exit_entry_stunned[];

/* Where exits land in restricted, asi_exit() defends the predictor instead. */
const char *vmx_exit_entry_for(const struct policy_actions *actions)
{
	bool bhb = actions->bhb == POLICY_BHB_CLEAR;

	if (actions->stun && !actions->restricts)
		return vmx_exit_entry_stunned;
	if (actions->restricts || !(actions->rsb_fill || bhb))
		return vmx_exit_entry;
	if (!bhb)
		return vmx_exit_entry_rsb;
	return actions->rsb_fill ? vmx_exit_entry_hardened : vmx_exit_entry_bhb;
}

/* Instructions of features that the guest's CPUID does not show. */
static void exit_undefined(void)
{
	vcpu_inject_ud();
}

/* RDPMC: there is no performance counter. */
static void exit_rdpmc(void)
{
	vcpu_inject_gp();
}

/* Caches are coherent and shared with others: dropping them is not the guest's to do, writing them
 * back is a no-op. */
static void exit_cache_control(void)
{
	vcpu_skip();
}

static void exit_interrupt_window(struct vcpu *vcpu, uint64_t window)
{
	vmcs_clear_bits(VMCS_PROC_CONTROLS, window);
	vcpu->work |= WORK_IRQ;
}

/* Nothing of the guest was loaded, and the next entry begins anew (SDM 27.8). */
static void exit_entry_failure(struct vcpu *vcpu, uint32_t reason)
{
	uint64_t rip = vmcs_read(VMCS_GUEST_RIP);

	if ((reason & ~EXIT_ENTRY_FAILURE) == EXIT_MACHINE_CHECK) {
		exit_machine_check(vcpu);
		return;
	}
	/* A step ended in the shadow of STI or MOV SS: its #DB, which is being given back, is one
	 * that is pending there (SDM 27.3.1.5). */
	if ((vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_TF) &&
	    (vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) &
	     (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)) &&
	    !(vmcs_read(VMCS_GUEST_PENDING_DEBUG) & PENDING_DEBUG_BS)) {
		vmcs_set_bits(VMCS_GUEST_PENDING_DEBUG, PENDING_DEBUG_BS);
		return;
	}
	/* An instruction that was skipped ended with the 32-bit code segment (SDM 27.3.1.4). */
	if (rip > UINT32_MAX && !vcpu_is_64bit()) {
		vmcs_write(VMCS_GUEST_RIP, rip & UINT32_MAX);
		return;
	}
	vm_stop(vcpu, "the processor refused its state at VM entry (SDM 26.3); exit qualification",
		vmcs_read(VMCS_EXIT_QUALIFICATION));
}

static void dispatch_rare(struct vcpu *vcpu, uint32_t reason)
{
	if (reason & EXIT_ENTRY_FAILURE) {
		exit_entry_failure(vcpu, reason);
		return;
	}
	switch (reason) {
	case EXIT_XSETBV:
		exit_xsetbv(vcpu);
		break;
	case EXIT_VIRTUALIZED_EOI:
		exit_virtualized_eoi(vcpu);
		break;
	case EXIT_APIC_WRITE:
		exit_apic_write(vcpu);
		break;
	case EXIT_PREEMPTION_TIMER: /* WORK_TIMER looks at the deadline before any entry */
		break;
	case EXIT_PAUSE:
		exit_pause(vcpu);
		break;
	case EXIT_BUS_LOCK: /* it is done; that it had to exit is what holds its guest back */
		break;
	case EXIT_NMI_WINDOW:
		exit_interrupt_window(vcpu, PROC_NMI_WINDOW);
		break;
	case EXIT_INVD:
	case EXIT_WBINVD:
		exit_cache_control();
		break;
	case EXIT_RDPMC:
		exit_rdpmc();
		break;
	case EXIT_GETSEC:
	case EXIT_MONITOR:
	case EXIT_MWAIT:
	case EXIT_VMCLEAR:
	case EXIT_VMLAUNCH:
	case EXIT_VMPTRLD:
	case EXIT_VMPTRST:
	case EXIT_VMREAD:
	case EXIT_VMRESUME:
	case EXIT_VMWRITE:
	case EXIT_VMXOFF:
	case EXIT_VMXON:
	case EXIT_INVEPT:
	case EXIT_INVVPID:
	case EXIT_XSAVES:
	case EXIT_XRSTORS:
	case EXIT_SEAMCALL: /* exit whatever CPUID shows */
	case EXIT_TDCALL:
		exit_undefined();
		break;
	case EXIT_TRIPLE_FAULT:
		vm_stop(vcpu, "triple fault: an exception arose that it has no handler for; RIP",
			vmcs_read(VMCS_GUEST_RIP));
		break;
	case EXIT_TASK_SWITCH:
		vm_stop(vcpu, "hardware task switches are not supported; RIP",
			vmcs_read(VMCS_GUEST_RIP));
		break;
	default:
		vm_stop(vcpu, "VM exit for a reason that Cloister does not know; reason", reason);
		break;
	}
}

/* Two halves, each in the order of the measured frequency. */
static __attribute__((always_inline)) inline void dispatch_known(struct vcpu *vcpu, uint32_t reason,
								 void (*rare)(struct vcpu *,
									      uint32_t))
{
	if (reason > EXIT_VMCALL) {
		if (reason == EXIT_IO)
			exit_io(vcpu);
		else if (reason == EXIT_MSR_WRITE)
			msr_exit_write(vcpu);
		else if (reason == EXIT_MSR_READ)
			msr_exit_read(vcpu);
		else if (reason == EXIT_EPT_VIOLATION)
			exit_ept_violation(vcpu);
		else if (reason == EXIT_CR_ACCESS)
			exit_cr_access(vcpu);
		else
			rare(vcpu, reason);
	} else {
		if (reason == EXIT_EXTERNAL_INTERRUPT)
			exit_external_interrupt(vcpu);
		else if (reason == EXIT_CPUID)
			exit_cpuid(vcpu);
		else if (reason == EXIT_VMCALL)
			exit_vmcall(vcpu);
		else if (reason == EXIT_HLT)
			exit_hlt(vcpu);
		else if (reason == EXIT_INTERRUPT_WINDOW)
			exit_interrupt_window(vcpu, PROC_INTERRUPT_WINDOW);
		else if (reason == EXIT_EXCEPTION_NMI)
			exit_exception_nmi(vcpu);
		else
			rare(vcpu, reason);
	}
}

static void dispatch_odd(struct vcpu *vcpu, uint32_t reason)
{
	if (unlikely((reason & (EXIT_BUS_LOCKED | EXIT_ENTRY_FAILURE)) == EXIT_BUS_LOCKED)) {
		reason &= ~EXIT_BUS_LOCKED;
		vcpu->exit_reason = reason;
		dispatch_known(vcpu, reason, dispatch_rare);
	} else {
		dispatch_rare(vcpu, reason);
	}
}

static inline void dispatch(struct vcpu *vcpu, uint32_t reason)
{
	dispatch_known(vcpu, reason, dispatch_odd);
}

/* What keeps the vCPU from running at all: the end of its VM, another VM's turn, or a wait. */
/* model: switch: vm_yield(); wait: vcpu_wait() */
static void hold_back(struct vcpu *vcpu)
{
	while (vcpu->work & (WORK_STOP | WORK_REQUEST | WORK_SWITCH | WORK_INIT | WORK_HALT |
			     WORK_SIPI | WORK_NET | WORK_SEND | WORK_PRINT | WORK_COMPLAIN)) {
		if (vcpu->work & WORK_COMPLAIN) {
			interrupts_take();
			vm_print_complaint(vcpu);
			interrupts_take();
		}
		if ((vcpu->work & (WORK_NET | WORK_SEND)) || vcpu->net_deadline)
			vm_net_work(vcpu);
		if (vcpu->work & (WORK_STOP | WORK_REQUEST))
			vm_leave(vcpu);
		if (vcpu->work & WORK_SWITCH)
			vm_yield(vcpu);
		if (vcpu->work & WORK_PRINT)
			vm_print(vcpu);
		else if (vcpu->work & WORK_INIT)
			vcpu_take_init(vcpu);
		else if (vcpu->work & (WORK_HALT | WORK_SIPI))
			vcpu_wait(vcpu);
	}
}

/* In an order that matters: nothing sensitive may follow asi_enter(), so it comes last. */
/* model: enter: asi_enter() */
__attribute__((noinline)) void vmx_do_work(struct vcpu *vcpu)
{
	if (unlikely(vcpu->work & WORK_TAKE)) {
		vcpu->work &= ~(uint32_t)WORK_TAKE;
		interrupts_take();
	}
	hold_back(vcpu);
	if (unlikely(vcpu->work & WORK_TIMER))
		vcpu_poll_timer(vcpu);
	if (vcpu->work & WORK_IRQ)
		vcpu_inject_pending(vcpu);
	if (vcpu->work & WORK_CR2) {
		write_cr2(vcpu->cr2);
		vcpu->work &= ~(uint32_t)WORK_CR2;
	}
	if (vcpu->work & WORK_ASI) {
		uint64_t start = rdtsc();

		asi_enter();
		vcpu->flush_ticks = rdtsc() - start;
	}
	if (unlikely(vcpu->work & WORK_FLUSH)) {
		flush_core(&vcpu->stats);
		if (!flush_actions()->flush_always)
			vcpu->work &= ~(uint32_t)WORK_FLUSH;
		stun_release(this_cpu());
	}
	vcpu->escalated = false;
}

/*
 * This CPU's own stacks are in the next VM's reach: the NMIs', where the registers of the guest lie
 * that an NMI came upon, and the idle one, on which everything was done for others.
 */
static void scrub_stacks(void)
{
#ifndef BREAK_skip_scrub
	zero_pages((void *)PERCPU_IDLE_STACK, PERCPU_STACK_PAGES * PAGE_SIZE);
	zero_pages((void *)PERCPU_NMI_STACK, PERCPU_IST_PAGES * PAGE_SIZE);
#endif
	this_cpu()->stack_is_deep = false;
}

void vmx_begin_work(struct vcpu *vcpu)
{
	scrub_stacks();
	vmx_do_work(vcpu);
}

void vmx_exit(struct vcpu *vcpu)
{
	uint32_t reason;

	/* Half a time stamp is enough for a difference, and cheaper. */
	vcpu->exit_tsc = (uint32_t)rdtsc();
	reason = (uint32_t)vmcs_read(VMCS_EXIT_REASON);
	vcpu->exit_reason = reason;
	dispatch(vcpu, reason);
	reason = vcpu->exit_reason % VCPU_EXIT_COUNTERS; /* kept in no register meanwhile */
	vcpu->stats.exits[reason]++;
	if (unlikely(vcpu->work)) {
		if (unlikely(vcpu->work & WORK_TRACE))
			vcpu_trace_exit(vcpu);
		vmx_do_work(vcpu);
	}
	vcpu->stats.ticks[reason] += (uint32_t)rdtsc() - vcpu->exit_tsc;
}

/* What others asked for meanwhile is done first: its interrupt would only end the entry at once,
 * and an NMI in its stead met the wait. */
/* model: wait: stun_wait(); kick: interrupt_take_kick(); out: stun_left_guest() */
void vmx_wait_at_gate(struct vcpu *vcpu)
{
	for (;;) {
		uint32_t before = vcpu->work;

		stun_wait(vcpu);
		interrupt_take_kick();
		if (vcpu->work == before)
			return;
		stun_left_guest(vcpu);
		vmx_do_work(vcpu);
	}
}

/* Under always-flush+stun nothing sensitive may be touched before the siblings are out. */
void vmx_exit_stunned(struct vcpu *vcpu)
{
	flush_predictor();
	stun_hold(this_cpu());
	vmx_exit(vcpu);
}

void vmx_entry_failed(struct vcpu *vcpu)
{
	stun_left_guest(vcpu);
	vm_stop(vcpu, "VM entry refused (SDM 30.4); VM-instruction error",
		vmcs_read(VMCS_INSTRUCTION_ERROR));
	vm_leave(vcpu);
}
