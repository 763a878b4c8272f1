// SPDX-License-Identifier: MIT
/* Which locks this CPU holds, by rank: builds with -DDEBUG_LOCKS only. */
#include "hv/base/lock_order.h"

#include "hv/base/panic.h"
#include "hv/cpu/percpu.h"

#ifdef DEBUG_LOCKS
static const char *const names[LOCK_RANKS] = {
	[LOCK_MONITOR] = "the monitor",	   [LOCK_POWER] = "the power button",
	[LOCK_POLICY] = "the policy",	   [LOCK_RUN] = "the run's end",
	[LOCK_DEVICES] = "a VM's devices", [LOCK_SCHEDULER] = "the scheduler",
	[LOCK_VM] = "a VM's record",	   [LOCK_WINDOW] = "a CPU's window",
	[LOCK_NETWORK] = "a network",	   [LOCK_FRAMES] = "the frame allocator",
	[LOCK_CONSOLE] = "the console",
};
static_assert(LOCK_RANKS <= 32, "percpu.locks has a bit for each");

void lock_order_take(enum lock_rank rank)
{
	struct percpu *cpu = this_cpu();

	ASSERT(rank != LOCK_UNRANKED);
	if (!percpu_is_live())
		return;
	if (cpu->locks >> rank)
		panic("lock order: the lock of %s is taken by who holds that of %s", names[rank],
		      names[31 - __builtin_clz(cpu->locks)]);
	cpu->locks |= 1U << rank;
}

void lock_order_drop(enum lock_rank rank)
{
	if (!percpu_is_live())
		return;
	ASSERT(this_cpu()->locks & 1U << rank);
	this_cpu()->locks &= ~(1U << rank);
}
#endif
