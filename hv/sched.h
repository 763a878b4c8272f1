/* SPDX-License-Identifier: MIT */
/*
 * Which VM a core runs. All threads of a core run the same VM at any time, since they share what
 * speculation can read: a plain round robin over the VMs that have a vCPU on the core, with a fixed
 * time slice, in which a core changes only after every thread has left the old VM.
 */
#ifndef HV_SCHED_H
#define HV_SCHED_H

#include "hv/types.h"

struct percpu;
struct vm_record;

/** Adds VM @index to the cores on which its vCPUs run. Full map. */
void sched_add(unsigned index);

/** Takes an ended VM off its cores: nobody is attached to it any more. Full map. */
void sched_remove(unsigned index);

/** Makes CPU @id look for something to run. Full map. */
void sched_kick(unsigned id);

/** The same for all CPUs of VM @record. */
void sched_kick_vm(const struct vm_record *record);

/** This CPU has left its VM: it is no longer attached. Full map. */
void sched_detached(void);

/** If the core's time slice is over, or the console's VM has input to read (@wanted is its index,
 * else -1), every thread of this CPU's core is to leave its VM. Full map. */
void sched_rotate(int wanted);

/** What each CPU does when it runs no guest: takes its part of the core's VM, else sleeps in the
 * restricted map. On the idle stack, full map. */
_Noreturn void sched_loop(void);

#endif
