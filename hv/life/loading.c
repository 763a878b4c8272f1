// SPDX-License-Identifier: MIT
/*
 * A VM begins: its kernel is loaded when its first vCPU has come to a CPU. That takes longer than a
 * slice, so it has a stack of its own, which it leaves when its turn is over and comes back to at
 * its next one, on whatever CPU. No window shows that stack: what lies there need not be zeroed,
 * and who waits in restricted does so on the CPU's.
 */
#include "hv/life/loading.h"

#include "drivers/guest/firmware/loader.h"
#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/legacy/machine.h"
#include "drivers/host/lapic.h"
#include "drivers/host/rtc.h"
#include "hv/base/asm.h"
#include "hv/base/layout.h"
#include "hv/base/spinlock.h"
#include "hv/base/string.h"
#include "hv/config/boot_state.h"
#include "hv/cpu/loop.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/cpu/timer.h"
#include "hv/life/life.h"
#include "hv/life/load.h"
#include "hv/life/stats.h"
#include "hv/net/vm_net.h"
#include "hv/sched/mitigation.h"
#include "hv/sched/sched.h"
#include "hv/sched/wake.h"
#include "hv/vm/breathe.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "vmx/vcpu.h"

/* hv/life/loading.asm */
_Noreturn void loading_begin(void *top);
_Noreturn void loading_main(void);
_Noreturn void loading_resume(uint64_t sp);
void loading_pause(uint64_t *sp, void *top, void (*function)(void));

/* Puts the VM into its power-on state, kernel loaded; its window is current. Says itself what is
 * wrong. */
static int load(struct vm_record *record)
{
	struct vm *vm = VM_HERE;
	struct loader_entry entry = { 0 };
	int err;

	vm->timer = boot_state_timer();
	vm->debug_hypercalls = boot_state_config()->debug_hypercalls;
	vm->ends_run = record->config->ends_run;
	vm->sets_policy = record->config->sets_policy;
	vm_console_assign(record);
	vm->user_hypercalls = record->config->user_hypercalls;
	vm->apicv = boot_state_apicv();
	vm->tsc_offset = 0 - rdtsc();
	vm->epoch = rtc_read_epoch();
	vm->request = 0;
	vm->stop_reason = NULL;
	memset(vm->mtrr, 0, sizeof(vm->mtrr));
	vm->mtrr[VM_MTRR_DEF_TYPE] = 0xc06; /* on, fixed ranges on, write-back */
	machine_reset(vm);
	vm_breathe();
	err = vm_load_kernel(record, &entry);
	if (err)
		return err;
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = vcpu_here(i);

		vm_breathe();
		vlapic_reset(vcpu, i, true);
		vcpu_reset(record, vcpu, i ? NULL : &entry);
		vcpu_reset_stats(vcpu);
	}
	vm_net_set_up(record, true);
	return 0;
}

/* On the idle stack: the loading one is left. */
static struct vm_record *end_turn(void)
{
	struct vm_record *record = &vm_records[VM_HERE->id];

	lapic_arm(0);
	this_cpu()->loads = false;
	wake_stop_clock(record->vm, 0);
	return record;
}

static void left(void)
{
	vm_part(end_turn());
	cpu_loop();
}

static void done(void)
{
	struct vm_record *record = end_turn();
	bool failed = record->load_failed, live, held;

	record->loading_sp = 0;
	spinlock_acquire(&record->lock);
	live = !failed && record->wish == VM_WISH_NONE;
	held = record->held;
	if (live)
		record->state = VM_LIVE;
	spinlock_release(&record->lock);
	if (!live) {
		vm_abort(record, failed);
		cpu_loop();
	}
	record->starts++;
	vm_report_running(record);
	vm_breathe(); /* to enter, with a flush, is long by itself */
	if (held) {
		/* From now on that counts: entity_is_held(). */
		sched_hold(VM_HERE->id);
		vm_part(record);
		cpu_loop();
	}
	sched_kick_vm(record);
	vm_enter(record, 0);
}

_Noreturn void loading_main(void)
{
	struct vm_record *record = &vm_records[VM_HERE->id];

	record->load_failed = load(record);
	cpu_switch_stack((void *)PERCPU_IDLE_STACK_TOP, done);
}

/* No sibling waits for this CPU meanwhile: a core has one VM, and what may run beside its first
 * vCPU does so when the kernel is loaded. */
void vm_loading_breathe(void)
{
	const struct percpu *cpu = this_cpu();

	interrupts_take();
	if (cpu->asked || cpu->resched || mitigation_is_changing())
		loading_pause(&vm_records[VM_HERE->id].loading_sp, (void *)PERCPU_IDLE_STACK_TOP,
			      left);
}

_Noreturn void vm_load(struct vm_record *record)
{
	/* On the VM's own account: else one that reboots over and over would get it for nothing. */
	wake_start_clock(record->vm, 0);
	this_cpu()->loads = true;
	timer_program(NULL);
	if (record->loading_sp)
		loading_resume(record->loading_sp);
	loading_begin((uint8_t *)hpa_to_ptr(record->loading_stack) + VM_LOADING_STACK_SIZE);
}
