// SPDX-License-Identifier: MIT
#include "hv/life/life.h"

#include "drivers/guest/platform.h"
#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/errno.h"
#include "hv/base/print.h"
#include "hv/base/spinlock.h"
#include "hv/config/boot_state.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/console/input.h"
#include "hv/console/record.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/cpu/timer.h"
#include "hv/life/create.h"
#include "hv/life/loading.h"
#include "hv/life/run.h"
#include "hv/life/stats.h"
#include "hv/life/window.h"
#include "hv/net/vm_net.h"
#include "hv/sched/remote.h"
#include "hv/sched/sched.h"
#include "hv/vm/audit.h"
#include "hv/vm/breathe.h"
#include "hv/vm/memory.h"
#include "hv/vm/print.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "mm/frames.h"

/* How often one that is to be started looks whether it may. */
#define LOOKS_A_SECOND 1000

static void report_state(const char *name, const char *state, const char *reason, uint32_t starts)
{
	struct frames_stats stats;

	frames_stats(&stats);
	record_begin("vm");
	record_str("vm", name);
	record_str("state", state);
	if (reason)
		record_str("reason", reason);
	if (starts)
		record_u64("starts", starts);
	record_u64("free", stats.free_bytes);
	record_end();
}

void vm_report_state(const char *name, const char *state, const char *reason)
{
	report_state(name, state, reason, 0);
}

void vm_report_running(const struct vm_record *record)
{
	report_state(record->config->name, "running", NULL, record->starts);
	console_let_guests(); /* it may start again and again */
}

BOOT void vm_refuse(const struct config_vm *config, const char *reason)
{
	vm_records[config - boot_state_config()->vms].state = VM_REFUSED;
	vm_report_state(config->name, "refused", reason);
	run_note_failure();
}

static void set_state(struct vm_record *record, enum vm_state state)
{
	spinlock_acquire(&record->lock);
	record->state = state;
	spinlock_release(&record->lock);
}

/* Says what ended the VM. The window is current, no vCPU runs any more. */
static void report_end(enum vm_wish wish)
{
	const struct vm *vm = VM_HERE;
	const char *state = vm->request == VM_REQUEST_REBOOT ? "reboot" : "poweroff";
	char reason[160] = "";

	if (wish == VM_WISH_NONE && vm->stop_reason) {
		fmt_snprintf(reason, sizeof(reason), vm->stop_detail ? "%s 0x%llx" : "%s",
			     vm->stop_reason, (unsigned long long)vm->stop_detail);
		console_error("[vm %s] is stopped: %s", vm->name, reason);
	}
	vm_breathe();
	vm_print_stats(vm);
	if (wish != VM_WISH_NONE)
		vm_report_state(vm->name, wish == VM_WISH_RESET ? "reset" : "stopped",
				"the operator wants it");
	else
		vm_report_state(vm->name, vm->stop_reason ? "stopped" : state,
				vm->stop_reason ? reason : NULL);
}

/* Nobody but this CPU has to do with the VM any more. What the operator wants of it from now on is
 * done when it begins anew, if it does (vm_operate); only that it was stopped is remembered. */
static enum vm_wish begin_end(struct vm_record *record)
{
	const struct vm *vm = record->vm;
	enum vm_wish wish;

	spinlock_acquire(&record->lock);
	wish = record->load_failed ? VM_WISH_NONE : record->wish;
	if (wish != VM_WISH_STOP)
		record->wish = VM_WISH_NONE;
	if (record->load_failed)
		record->becomes = VM_REFUSED;
	else if (wish == VM_WISH_RESTART)
		record->becomes = VM_BUILDING;
	else if (wish == VM_WISH_RESET ||
		 (wish == VM_WISH_NONE && !vm->stop_reason && vm->request == VM_REQUEST_REBOOT))
		record->becomes = VM_READY;
	else
		record->becomes = VM_ENDED;
	record->state = VM_BUILDING;
	spinlock_release(&record->lock);
	return wish;
}

/* The VM has left this CPU and every other. Its memory is scrubbed piece by piece, while others run
 * (vm_scrub_some); it stays the VM's if that is to become READY. */
static void take_down(struct vm_record *record)
{
	sched_remove((unsigned)(record - vm_records));
	record->scrubbed = 0;
	__atomic_store_n(&record->scrubber, this_cpu()->id + 1, __ATOMIC_RELEASE);
}

static int build(struct vm_record *record)
{
	unsigned index = (unsigned)(record - vm_records);
	int err = vm_create(index, &boot_state_config()->vms[index]);

	stack_goes_deep(); /* once more: meanwhile it may have been zeroed */
	if (err)
		return err;
	sched_add(index);
	audit_changed();
	vm_breathe(); /* the caller's turn may end with a flush, which is long by itself */
	return 0;
}

/* All of the VM's memory has gone back. */
static void finish(struct vm_record *record)
{
	vm_destroy(record);
	/* What is typed from now on can only be for the monitor. */
	if (input_vm() == (int)(record - vm_records))
		console_set_input(true);
	if (record->becomes == VM_BUILDING) {
		record->held = 0;
		if (build(record) == 0)
			return;
		run_note_failure();
		record->becomes = VM_ENDED;
	}
	set_state(record, record->becomes);
	if (record->becomes == VM_REFUSED)
		vm_report_state(record->config->name, "refused", "its files cannot be loaded");
	run_end_if_over();
}

/* Or is it from now on, since the one that was runs nothing any more? */
static bool is_scrubber(struct vm_record *record, uint32_t self)
{
	uint32_t scrubber = __atomic_load_n(&record->scrubber, __ATOMIC_ACQUIRE);

	return scrubber == self ||
	       (scrubber && percpu_core_is_closed(scrubber - 1) &&
		__atomic_compare_exchange_n(&record->scrubber, &scrubber, self, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

/* So many pieces at a turn, each of which may cost another VM's: interrupts are taken between them,
 * and end the turn if they call the scheduler. */
#define PIECES_A_TURN 16

/* False: there was nothing left. */
static bool scrub_pieces(struct vm_record *record)
{
	for (unsigned i = 0; i < PIECES_A_TURN; i++) {
		if (!vm_scrub_piece(record, &record->scrubbed, record->becomes != VM_READY))
			return false;
		vm_breathe();
		if (this_cpu()->kicked)
			break;
	}
	return true;
}

bool vm_scrub_some(void)
{
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
		struct vm_record *record = &vm_records[i];

		if (!is_scrubber(record, this_cpu()->id + 1))
			continue;
		/* One that starts again and again is not to fill the log with that alone. */
		if (record->becomes == VM_READY && !console_has_room(CONSOLE_FOR_STARTS)) {
			timer_by(rdtsc() + cpu_facts.tsc_hz / LOOKS_A_SECOND);
			continue;
		}
		if (scrub_pieces(record))
			return true;
		record->scrubber = 0;
		/* Its memory is as new. Cached translations of it go when each vCPU is loaded. */
		if (record->becomes == VM_READY)
			sched_add(i);
		else
			finish(record);
	}
	return false;
}

/* The last one out: reports, and sees that the VM is made ready for another start, or goes. */
static void end(struct vm_record *record)
{
	enum vm_wish wish = begin_end(record);

	vm_leave_console(VM_HERE, true);
	if (record->load_failed)
		vm_report_not_loaded(record);
	else
		report_end(wish);
	vm_net_set_up(record, false);
	if (wish == VM_WISH_NONE && VM_HERE->stop_reason) /* not being loaded is one */
		run_note_failure();
	vm_leave_window();
	record->joined = 0;
	take_down(record);
	sched_detach();
}

/* Once a VM is ENDING nobody joins it any more, so whoever finds itself alone stays so. */
static bool is_last(const struct vm_record *record, unsigned joined)
{
	return record->state == VM_ENDING && record->joined == joined;
}

/* model: window: vm_leave_window() */
void vm_part(struct vm_record *record)
{
	bool last;

	spinlock_acquire(&record->lock);
	last = is_last(record, 1);
	spinlock_release(&record->lock);
	if (!last) {
		vm_leave_window();
		spinlock_acquire(&record->lock);
		record->joined--;
		last = is_last(record, 0);
		record->joined += last;
		spinlock_release(&record->lock);
		/* All others left meanwhile: it is this one after all that reports. */
		if (last)
			vm_set_window(&record->window);
	}
	if (last)
		end(record);
	else
		sched_detach();
}

/* Comes in as one of the VM's CPUs, so that it cannot end meanwhile. The lock is held. */
static void visit(struct vm_record *record)
{
	record->joined++;
	spinlock_release(&record->lock);
	sched_visit();
	vm_set_window(&record->window);
}

bool vm_visit(struct vm_record *record)
{
	spinlock_acquire(&record->lock);
	if (record->state != VM_LIVE && record->state != VM_LOADING) {
		spinlock_release(&record->lock);
		return false;
	}
	visit(record);
	return true;
}

/* Nobody can touch it yet, or any more. */
static bool is_in_hand(const struct vm_record *record)
{
	return record->state == VM_BUILDING || record->state == VM_ENDING;
}

int vm_operate(struct vm_record *record, enum vm_wish wish)
{
	int err = 0;

	spinlock_acquire(&record->lock);
	if (record->state < VM_BUILDING)
		err = -E_NOENT;
	else if (record->wish || (record->state == VM_BUILDING && record->becomes < VM_BUILDING))
		err = -E_BUSY;
	else
		record->wish = wish;
	/* One that begins anew by itself has to come as far as its power-on state, even if it is
	 * paused: who puts it into that ends it. */
	if (!err && is_in_hand(record))
		record->held = 0;
	if (err || is_in_hand(record) || record->state == VM_BEGINNING) {
		spinlock_release(&record->lock);
		return err;
	}
	record->state = VM_ENDING;
	visit(record);
	for (unsigned i = 0; i < record->config->vcpus; i++)
		vcpu_post_stop(vcpu_here(i));
	vm_part(record);
	return 0;
}

int vm_start(unsigned index)
{
	struct vm_record *record = &vm_records[index];
	enum vm_state before;
	int err;

	spinlock_acquire(&record->lock);
	before = record->state;
	err = before >= VM_BUILDING ? -E_EXIST : record->config ? 0 : -E_INVAL;
	if (!err) {
		record->state = VM_BUILDING;
		record->becomes = VM_READY;
		record->wish = VM_WISH_NONE;
		record->held = 0;
	}
	spinlock_release(&record->lock);
	if (err)
		return err;
	err = build(record);
	if (err)
		set_state(record, before);
	else
		vm_console_refresh();
	return err;
}

int vm_hold(struct vm_record *record, enum vm_hold why)
{
	int err = 0;

	spinlock_acquire(&record->lock);
	if (record->state < VM_BUILDING)
		err = -E_NOENT;
	else if (is_in_hand(record) || record->wish)
		err = -E_BUSY;
	else
		__atomic_fetch_or(&record->held, (uint8_t)why, __ATOMIC_SEQ_CST);
	spinlock_release(&record->lock);
	if (!err)
		sched_hold((unsigned)(record - vm_records));
	return err;
}

void vm_release(struct vm_record *record, enum vm_hold why)
{
	spinlock_acquire(&record->lock);
	__atomic_fetch_and(&record->held, (uint8_t)~why, __ATOMIC_SEQ_CST);
	spinlock_release(&record->lock);
	sched_hold((unsigned)(record - vm_records));
}

bool vm_is_settled(const struct vm_record *record)
{
	if (record->state == VM_READY)
		return record->held;
	if (record->state == VM_LOADING)
		return record->held && !record->joined;
	if (record->state == VM_LIVE)
		return !record->held || !record->joined;
	return record->state < VM_BUILDING;
}
