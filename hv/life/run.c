// SPDX-License-Identifier: MIT
/* A VM on a CPU: its window, and how its vCPUs come to a CPU and leave it. */
#include "drivers/host/lapic.h"
#include "hv/base/asm.h"
#include "hv/vm/audit.h"
#include "hv/core/boot_state.h"
#include "hv/console/console.h"
#include "hv/asi/flush.h"
#include "vmx/exit/host_interrupt.h"
#include "hv/sched/mitigation.h"
#include "hv/cpu/percpu.h"
#include "hv/sched/sched.h"
#include "hv/base/spinlock.h"
#include "hv/cpu/stack.h"
#include "hv/life/life.h"
#include "hv/sched/wake.h"
#include "mm/zero.h"
#include "vmx/caps.h"
#include "vmx/exit/exit.h"

static int console_cpu = -1;

/* The window's translations, in both of this CPU's address spaces. */
static void flush_window_tlb(const struct percpu *cpu)
{
#ifndef BREAK_keep_translations
	write_cr3(cpu->cr3_restricted & ~CR3_NOFLUSH);
#endif
	write_cr3(cpu->cr3_full & ~CR3_NOFLUSH);
}

void vm_set_window(const struct space_window *window)
{
	struct percpu *cpu = this_cpu();
	struct cpu_record *record = &cpus[cpu->id];

	spinlock_acquire(&record->window_lock);
	space_window_set(&record->pair, window);
	record->window = window;
	spinlock_release(&record->window_lock);
	flush_window_tlb(cpu);
	audit_changed();
}

/* Its frames may be somebody else's right behind. Translations of guest-physical addresses outlast
 * VMCLEAR and everything else but INVEPT (SDM 29.4.3.2). */
void vm_leave_window(void)
{
	vm_set_window(NULL);
	vmx_flush_guest_tlb();
}

bool vm_join(struct vm_record *record, unsigned vcpu)
{
	bool may;

	spinlock_acquire(&record->lock);
	may = (record->state == VM_LIVE && !record->held) ||
	      (record->state == VM_READY && !record->held && vcpu == 0) ||
	      /* To the end, even if it is to be paused then. */
	      (record->state == VM_LOADING && vcpu == 0);
	if (may && record->state == VM_READY)
		record->state = VM_LOADING;
	record->joined += may;
	spinlock_release(&record->lock);
	return may;
}

/* Input goes to the CPU of whoever reads it, which can change, and can wake it from now on. */
void vm_route_console(unsigned id)
{
	if (console_cpu != (int)id)
		interrupt_route_console(cpus[id].apic_id);
	console_cpu = (int)id;
	console_set_input(true);
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

_Noreturn void vm_enter(struct vm_record *record, unsigned index)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = vcpu_here(index);

	boot_state_first_entry();
	vcpu_load(record, vcpu);
	vcpu->stats.ibpb += flush_on_vm_switch();
	cpu->vcpu = vcpu;
	wake_attach(vcpu);
	vcpu_take_remote(vcpu);
	/* Interrupts that came while its kernel was loaded found no vCPU to take off. */
	if (cpu->asked || cpu->resched || mitigation_is_changing())
		vcpu->work |= WORK_SWITCH;
	vcpu_timer_program(vcpu);
	if (index == 0 && vcpu->vm->has_console)
		vm_route_console(cpu->id);
	if (flush_actions()->restricts)
		vcpu->work |= WORK_ASI; /* model: work */
	else if (!flush_actions()->stun)
		stun_release(cpu);
	vmx_begin(vcpu);
}

_Noreturn void vm_run(struct vm_record *record, unsigned index)
{
	vm_set_window(&record->window); /* model: window */
	if (record->state == VM_LOADING)
		vm_load(record);
	vm_enter(record, index);
}

void vm_begin(struct vcpu *vcpu)
{
	scrub_stacks();
	vmx_do_work(vcpu);
}

/* On the idle stack, which does not lie in the window that is about to vanish. */
static void after_leave(void)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = cpu->vcpu;

	lapic_arm(0);
	wake_detach(vcpu);				   /* model: detach */
	vcpu->work &= ~(uint32_t)(WORK_SWITCH | WORK_ASI); /* model: work */
	cpu->vcpu = NULL;				   /* model: vcpu */
	vm_part(&vm_records[vcpu->vm->id]);
	sched_loop();
}

/* The guest's state goes where it belongs while this is still the vCPU's own stack: none of it
 * comes to the idle one. */
static _Noreturn void detach(struct vcpu *vcpu)
{
	vm_leave_console(vcpu->vm, false);
	vcpu_unload(&vm_records[vcpu->vm->id], vcpu);
	cpu_switch_stack((void *)PERCPU_IDLE_STACK_TOP, after_leave);
	__builtin_unreachable();
}

void vm_yield(struct vcpu *vcpu)
{
	asi_exit(ASI_CAUSE_SCHEDULE); /* model: full */
	detach(vcpu);
}

void vm_leave(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct vm_record *record;
	bool first;

	asi_exit(ASI_CAUSE_VM_STATE);
	record = &vm_records[vm->id];
	spinlock_acquire(&record->lock);
	first = record->state == VM_LIVE;
	record->state = VM_ENDING;
	spinlock_release(&record->lock);
	for (unsigned i = 0; first && i < vm->vcpu_count; i++)
		if (vcpu_here(i) != vcpu)
			vcpu_post_stop(vcpu_here(i));
	detach(vcpu);
}
