/* SPDX-License-Identifier: MIT */
/*
 * The operator's command line on the console: MONITOR_KEY opens and closes it. What is typed there
 * is read by the scheduler between two guests, in the full map, so no guest's stack ever holds it.
 * A command that other CPUs have to finish is waited for by going on: whichever CPU comes through
 * the scheduler and finds it done shows the next prompt.
 */
#ifndef HV_MONITOR_H
#define HV_MONITOR_H

#include "hv/base/types.h"

/**
 * There is input: if it is the monitor's, or nobody's since the console's VM has ended, reads it
 * and does what it says. Returns false if it is for the console's VM. Full map, idle stack.
 */
FULL bool monitor_read(void);

/** Goes on with a command that was not done at once. Full map, idle stack. */
FULL void monitor_poll(void);

/** When this CPU is to call monitor_poll() at the latest: TSC, 0: never. */
FULL uint64_t monitor_deadline(void);

#endif
