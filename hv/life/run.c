// SPDX-License-Identifier: MIT
#include "hv/life/run.h"

#include "hv/asi/asi.h"
#include "hv/base/asm.h"
#include "hv/base/fire.h"
#include "hv/base/spinlock.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/console/end.h"
#include "hv/console/input.h"
#include "hv/console/record.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"
#include "hv/life/power.h"

/* Sensitive: changed in full only, when VMs come and go. */
static struct spinlock lock = SPINLOCK(LOCK_RUN);
static bool any_failed;
static bool run_is_over;

void run_note_failure(void)
{
	any_failed = true;
}

_Noreturn void run_finish(int64_t status, const char *reason)
{
	record_begin("end");
	record_i64("status", status);
	record_str("reason", reason);
	record_end();
	end_tell(status == END_PANIC ? END_STATUS_MAX : status);
	power_off_if_pressed();
	halt_forever();
}

_Noreturn void run_end(int64_t status, const char *reason)
{
	asi_exit(ASI_CAUSE_VM_STATE);
	FIRE_ONLY(fire_cease());
	console_lock(); /* nobody is stopped within a line */
	ipi_stop_others();
	console_seize();
	FIRE_ONLY(fire_report());
	run_finish(status, reason);
}

int run_status(void)
{
	return any_failed;
}

bool vm_stands_still(const struct vm_record *record)
{
	for (unsigned i = 0; record->state >= VM_READY && i < record->config->vcpus; i++)
		if (record->cpu[i] != VM_NO_CPU && percpu_core_is_closed(record->cpu[i]))
			return true;
	return false;
}

/* Is there a VM that can still do something, or an operator who may want one to? One that stands
 * still has failed. */
static bool anything_goes_on(void)
{
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
		const struct vm_record *record = &vm_records[i];

		if (record->state == VM_ENDED && record->wish == VM_WISH_STOP &&
		    !power_is_pressed())
			return true;
		if (record->state < VM_BUILDING)
			continue;
		if (!vm_stands_still(record))
			return true;
		any_failed = true;
	}
	return input_is_monitors() && !power_is_pressed();
}

void run_end_if_over(void)
{
	bool last;

	/* The last two may end at the same time. */
	spinlock_acquire(&lock);
	last = !run_is_over && !anything_goes_on();
	run_is_over |= last;
	spinlock_release(&lock);
	if (last && power_is_pressed())
		run_end(0, "power button");
	if (last)
		run_end(any_failed ? 1 : 0,
			any_failed ? "a VM was refused or stopped" : "all VMs powered off");
}
