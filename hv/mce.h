/* SPDX-License-Identifier: MIT */
/*
 * Errors that the hardware has corrected (SDM volume 3B, chapter 15): each CPU looks once a second
 * into its machine-check banks. Those that it could not correct come as #MC and are not ours.
 */
#ifndef HV_MCE_H
#define HV_MCE_H

#include "hv/types.h"

/** Finds out how many banks this CPU has. Full map. */
void mce_init_cpu(void);

/** True if a second has gone by and a bank holds something: the scheduler is to call mce_report().
 * Any map; cheap before the second is over. */
bool mce_look(uint64_t now);

/** Tells what the banks hold and clears it: a record a bank, and a line, for this CPU at most once
 * a second. In the scheduler, full map. */
void mce_report(void);

#endif
