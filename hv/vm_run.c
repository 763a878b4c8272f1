// SPDX-License-Identifier: MIT
/* A VM's life on its CPU: loading, the first entry, and the ways in which it ends. */
#include "drivers/guest/loader.h"
#include "drivers/host/lapic.h"
#include "drivers/host/rtc.h"
#include "hv/asm.h"
#include "hv/audit.h"
#include "hv/boot_state.h"
#include "hv/console.h"
#include "hv/errno.h"
#include "hv/fire.h"
#include "hv/flush.h"
#include "hv/interrupt.h"
#include "hv/lib/print.h"
#include "hv/lib/string.h"
#include "hv/percpu.h"
#include "hv/sched.h"
#include "hv/record.h"
#include "hv/spinlock.h"
#include "hv/vm.h"
#include "mm/zero.h"
#include "vmx/exit.h"

void cpu_switch_stack(void *top, void (*function)(void));

/* Sensitive: changed in full only, when VMs come and go. */
static struct spinlock life_lock;
static bool any_failed;
static bool run_is_over;
static int console_cpu = -1;

static void print_vm_record(const char *name, const char *state, const char *reason)
{
	record_begin("vm");
	record_str("vm", name);
	record_str("state", state);
	if (reason)
		record_str("reason", reason);
	record_end();
}

void vm_refuse(const struct config_vm *config, const char *reason)
{
	print_vm_record(config->name, "refused", reason);
	any_failed = true;
}

_Noreturn void vm_end_run(int64_t status, const char *reason)
{
	asi_exit(ASI_CAUSE_VM_STATE);
	FIRE_ONLY(fire_report());
	interrupt_stop_others();
	console_seize();
	record_begin("end");
	record_i64("status", status);
	record_str("reason", reason);
	record_end();
	console_drain();
	halt_forever();
}

/* The window's translations, in both of this CPU's address spaces. */
static void flush_window_tlb(const struct percpu *cpu)
{
	write_cr3(cpu->cr3_restricted & ~CR3_NOFLUSH);
	write_cr3(cpu->cr3_full & ~CR3_NOFLUSH);
}

static void set_window(const struct space_window *window)
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

/* Puts the VM into its power-on state, kernel loaded; its window is current. Says itself what is
 * wrong. */
static int load(struct vm_record *record, unsigned index)
{
	struct vm *vm = VM_HERE;
	struct loader_entry entry = { 0 };
	int err;

	vm->timer = boot_state_timer();
	vm->debug_hypercalls = boot_state_config()->debug_hypercalls;
	vm->sets_policy = record->config->sets_policy;
	vm->user_hypercalls = record->config->user_hypercalls;
	vm->has_console = boot_state_console_vm() == (int)index;
	vm->raw_console = vm->has_console && boot_state_single_vm();
	vm->tsc_offset = 0 - rdtsc();
	vm->tsc_adjust = 0;
	vm->epoch = rtc_read_epoch();
	vm->request = 0;
	vm->stop_reason = NULL;
	memset(vm->mtrr, 0, sizeof(vm->mtrr));
	vm->mtrr[VM_MTRR_DEF_TYPE] = 0xc06; /* on, fixed ranges on, write-back */
	machine_reset(vm);
	err = vm_load_kernel(record, &entry);
	if (err)
		return err;
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = vcpu_here(i);

		vlapic_reset(vcpu, i, true);
		vcpu_reset(record, vcpu, i ? NULL : &entry);
		vcpu_reset_stats(vcpu);
	}
	return 0;
}

/* The guest's memory of before is not the guest's of now. Cached translations go when each vCPU is
 * loaded after its reset. */
static void scrub_for_restart(struct vm_record *record)
{
	const struct vm *vm = record->vm;

#ifndef BREAK_skip_restart_scrub
	for (uint64_t gpa = 0; gpa < GIB(4) + vm->ram_high; gpa += VM_POPULATE_CHUNK) {
		uint64_t chunk = gpa / VM_POPULATE_CHUNK;

		if (vm->populated[chunk / 8] >> (chunk % 8) & 1)
			zero_pages((void *)(GUEST_BASE + gpa), VM_POPULATE_CHUNK);
	}
#else
	(void)vm;
#endif
}

bool vm_stands_still(const struct vm_record *record)
{
	for (unsigned i = 0; record->state != VM_ABSENT && i < record->config->vcpus; i++)
		if (percpu_core_is_closed(record->cpu[i]))
			return true;
	return false;
}

/* Is there a VM that can still do something? One that stands still has failed. */
static bool any_goes_on(void)
{
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
		if (vm_records[i].state == VM_ABSENT)
			continue;
		if (!vm_stands_still(&vm_records[i]))
			return true;
		any_failed = true;
	}
	return false;
}

static void vm_gone(unsigned index, bool failed)
{
	bool last;

	sched_remove(index);
	/* What is typed from now on can only be for the monitor. */
	if (boot_state_console_vm() == (int)index)
		console_set_input(true);
	/* The last two may end at the same time. */
	spinlock_acquire(&life_lock);
	any_failed |= failed;
	last = !run_is_over && !any_goes_on();
	run_is_over |= last;
	spinlock_release(&life_lock);
	if (last)
		vm_end_run(any_failed ? 1 : 0,
			   any_failed ? "a VM was refused or stopped" : "all VMs powered off");
}

static bool join(struct vm_record *record, bool starts_it)
{
	bool may;

	spinlock_acquire(&record->lock);
	may = record->state == VM_LIVE || (record->state == VM_READY && starts_it);
	if (may && record->state == VM_READY)
		record->state = VM_LOADING;
	record->joined += may;
	spinlock_release(&record->lock);
	return may;
}

bool vm_join(struct vm_record *record, unsigned vcpu)
{
	return join(record, vcpu == 0);
}

/* Says what ended the VM. The window is current, no vCPU runs any more. */
static void report_end(const struct vm *vm)
{
	char reason[160];

	if (!vm->stop_reason) {
		vm_print_stats(vm);
		print_vm_record(vm->name, vm->request == VM_REQUEST_REBOOT ? "reboot" : "poweroff",
				NULL);
		return;
	}
	fmt_snprintf(reason, sizeof(reason), vm->stop_detail ? "%s 0x%llx" : "%s", vm->stop_reason,
		     (unsigned long long)vm->stop_detail);
	console_error("[vm %s] is stopped: %s", vm->name, reason);
	vm_print_stats(vm);
	print_vm_record(vm->name, "stopped", reason);
}

/* The last one out: reports, and leaves the VM ready for another start or gone. */
static void finish(struct vm_record *record, unsigned index)
{
	const struct vm *vm = VM_HERE;
	bool failed = vm->stop_reason != NULL, reboot = !failed && vm->request == VM_REQUEST_REBOOT;

	report_end(vm);
	if (reboot)
		scrub_for_restart(record);
	set_window(NULL);
	record->state = reboot ? VM_READY : VM_ABSENT;
	sched_detached();
	if (reboot)
		sched_kick(record->cpu[0]);
	else
		vm_gone(index, failed);
}

/* This CPU's vCPU is unloaded; the window is still current. */
static void part(struct vm_record *record)
{
	bool last;

	spinlock_acquire(&record->lock);
	record->joined--;
	last = record->state == VM_ENDING && record->joined == 0;
	spinlock_release(&record->lock);
	if (last) {
		finish(record, (unsigned)(record - vm_records));
		return;
	}
	set_window(NULL); /* model: window */
	sched_detached();
}

bool vm_visit_stats(struct vm_record *record)
{
	/* As one of its CPUs, so that it cannot end meanwhile. */
	if (!join(record, false))
		return false;
	sched_attached();
	set_window(&record->window);
	vm_print_stats(VM_HERE);
	part(record);
	return true;
}

static bool make_live(struct vm_record *record, unsigned index)
{
	if (record->state != VM_LOADING)
		return true;
	if (load(record, index)) {
		print_vm_record(record->config->name, "refused", "its files cannot be loaded");
		set_window(NULL);
		record->joined--;
		record->state = VM_ABSENT;
		sched_detached();
		vm_gone(index, true);
		return false;
	}
	print_vm_record(record->config->name, "running", NULL);
	record->state = VM_LIVE;
	sched_kick_vm(record);
	return true;
}

/* Input goes to the CPU of whoever reads it, which can change, and can wake it from now on. */
static void attach_console(const struct percpu *cpu)
{
	if (console_cpu != (int)cpu->id)
		interrupt_route_console(cpu->apic_id);
	console_cpu = (int)cpu->id;
	console_set_input(true);
}

/*
 * Both of this CPU's stacks on which code runs while a VM is current are in the next one's reach:
 * the NMIs' own, where the registers of the guest lie that an NMI came upon, and below this frame
 * what was done here for others.
 */
static void scrub_stacks(void)
{
#ifndef BREAK_skip_scrub
	uint64_t at = PERCPU_IDLE_STACK, words;

	__asm__ volatile("mov %%rsp, %1; sub %0, %1; shr $3, %1; rep stosq"
			 : "+D"(at), "=&c"(words)
			 : "a"(0)
			 : "cc", "memory");
	zero_pages((void *)PERCPU_NMI_STACK, PERCPU_IST_PAGES * PAGE_SIZE);
#endif
}

void vm_run(struct vm_record *record, unsigned index)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = vcpu_here(index);

	set_window(&record->window); /* model: window */
	if (!make_live(record, (unsigned)(record - vm_records)))
		return;
	boot_state_first_entry();
	scrub_stacks();
	vcpu_load(record, vcpu);
	vcpu->stats.ibpb += flush_on_vm_switch();
	cpu->vcpu = vcpu;
	__atomic_store_n(&vcpu->attached, true, __ATOMIC_SEQ_CST);
	vcpu_take_remote(vcpu);
	vcpu_timer_program(vcpu);
	if (index == 0 && vcpu->vm->has_console)
		attach_console(cpu);
	if (flush_actions()->restricts)
		vcpu->work |= WORK_ASI; /* model: work */
	else if (!flush_actions()->stun)
		stun_release(cpu);
	vmx_do_work(vcpu);
	vmx_launch(vcpu);
}

/* On the idle stack, which does not lie in the window that is about to vanish. */
static void after_leave(void)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = cpu->vcpu;

	lapic_arm(0);
	__atomic_store_n(&vcpu->attached, false, __ATOMIC_SEQ_CST);
	vcpu->work &= ~(uint32_t)(WORK_SWITCH | WORK_ASI); /* model: work */
	cpu->vcpu = NULL;				   /* model: vcpu */
	part(&vm_records[vcpu->vm->id]);
	sched_loop();
}

/* The guest's state goes where it belongs while this is still the vCPU's own stack: none of it
 * comes to the idle one. */
static _Noreturn void detach(struct vcpu *vcpu)
{
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
