/* SPDX-License-Identifier: MIT */
/* The run of all VMs, and its end. */
#ifndef HV_RUN_H
#define HV_RUN_H

#include "hv/vm/record.h"

/** Has the core of one of its vCPUs failed closed (hv/asi/stun.h) before it ended? */
FULL bool vm_stands_still(const struct vm_record *record);

/** Ends the run: `end` record, all CPUs halt. */
ANY _Noreturn void run_end(int64_t status, const char *reason);

/** Ends the run if no VM can go on and nobody waits for the operator. */
FULL void run_end_if_over(void);

/** 1 if a VM was refused or failed, else 0: what the run's end will say. */
FULL int run_status(void);

/** A VM was refused, or has failed: the run's status says so. */
FULL void run_note_failure(void);

/** Writes the `end` record of a run with @status because of @reason, and ends it as end_halt()
 * does; a status of END_PANIC counts as END_STATUS_MAX. If the power button was pressed, the
 * machine goes off. */
FULL _Noreturn void run_finish(int64_t status, const char *reason);

#endif
