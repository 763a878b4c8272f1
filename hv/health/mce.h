/* SPDX-License-Identifier: MIT */
/*
 * Machine checks (SDM volume 3B, chapter 15). What the hardware has corrected, or has found before
 * anybody used it, is told: each CPU looks into its banks once a second. What it could not correct
 * comes as #MC, on many processors to all CPUs at once: the guest that used it ends, and the
 * machine if it was the hypervisor, or if a processor does not know what it was doing any more.
 */
#ifndef HV_MCE_H
#define HV_MCE_H

#include "hv/base/types.h"

/** Finds out how many banks this CPU has, and has them tell. */
FULL void mce_init_cpu(void);

/** True if a second has gone by and a bank holds something: the scheduler is to call mce_report().
 * Any map; cheap before the second is over. */
ANY bool mce_look(uint64_t now);

/** A machine check has come to this CPU: true if what it interrupted, a guest or the hypervisor,
 * cannot go on, and then *@address is what was used, 0 if the hardware does not say. Otherwise it
 * is told later. Panics if the processor's own state is lost. Any map, any stack. */
ANY bool mce_take(uint64_t *address);

/** Tells what the banks hold and clears it: a record a bank, and a line, for this CPU at most once
 * a second. In the scheduler, full map. */
FULL void mce_report(void);

#endif
