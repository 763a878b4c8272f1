/* SPDX-License-Identifier: MIT */
/*
 * The way up, back into what a CPU does when a vCPU has left it or a kernel is loaded. Both are
 * hv/core's, and the last thing that the caller's stack does.
 */
#ifndef HV_LOOP_H
#define HV_LOOP_H

#include "hv/base/types.h"

struct vm_record;

/** What each CPU does when it runs no guest: takes its part of the core's VM, else sleeps in the
 * restricted map. On the idle stack, full map. */
_Noreturn void cpu_loop(void);

/** Runs vCPU @index of the live VM @record, whose window is current. Full map, idle stack. */
_Noreturn void vm_enter(struct vm_record *record, unsigned index);

#endif
