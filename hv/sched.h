/* SPDX-License-Identifier: MIT */
/*
 * Which VM a core runs. All threads of a core run the same VM at any time, since they share what
 * speculation can read: a plain round robin over the VMs that have a vCPU on the core, with a fixed
 * time slice, in which a core changes only after every thread has left the old VM. A VM with more
 * vCPUs there than threads has as many turns as it needs.
 */
#ifndef HV_SCHED_H
#define HV_SCHED_H

#include "hv/types.h"

struct percpu;
struct vm_record;

/** The thread of CPU @id's core that runs guests where the others are parked: its first that is
 * online, @id being so. Full map. */
unsigned sched_primary(unsigned id);

/** Gives VM @index, which is about to be ready, its turns on the cores where its vCPUs are placed.
 * Full map. */
void sched_add(unsigned index);

/** Takes an ended VM off its cores: nobody is attached to it any more. Full map. */
void sched_remove(unsigned index);

/** Puts every VM's vCPUs where they run with hyperthreads (@smt) or without: there the siblings get
 * none, and vCPUs of one VM may have to take turns. While no CPU runs a guest or is about to. Full
 * map. */
void sched_replace(bool smt);

/** Makes CPU @id look for something to run. Full map. */
void sched_kick(unsigned id);

/** The same for all CPUs of VM @record. */
void sched_kick_vm(const struct vm_record *record);

/** This CPU uses a VM's window for a moment, or has left its VM: it is attached, or no longer. Full
 * map. */
void sched_attached(void);
void sched_detached(void);

/** If the core's time slice is over, or the console's VM has input to read (@wanted is its index,
 * else -1), every thread of this CPU's core is to leave its VM. Full map. */
void sched_rotate(int wanted);

/** What each CPU does when it runs no guest: takes its part of the core's VM, else sleeps in the
 * restricted map. On the idle stack, full map. */
_Noreturn void sched_loop(void);

#endif
