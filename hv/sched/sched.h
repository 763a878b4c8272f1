/* SPDX-License-Identifier: MIT */
/*
 * Which VM a core runs. All threads of a core run the same VM at any time, since they share what
 * speculation can read, and change only after every thread has left the old one.
 *
 * What is scheduled is an entity: as many vCPUs of a VM as a core has threads. It is bound to a
 * core (`cpus =` a list, or nothing) or runs on any (`cpus = share`). A core runs the entity that
 * had the least time so far of those that may run there and are ready, at most a slice at a time;
 * one whose vCPUs all wait is asleep, and gives the core up as soon as another is ready. What
 * happens in restricted, so that posting an event or halting needs no escalation, is in
 * hv/sched/wake.h.
 *
 * One lock for everything: it is taken when a core changes or looks for a VM, not at exits.
 */
#ifndef HV_SCHED_H
#define HV_SCHED_H

#include "hv/base/types.h"

struct percpu;
struct vm_record;

/** The thread of CPU @id's core that runs guests where the others are parked: its first that is
 * online, @id being so. */
FULL unsigned sched_primary(unsigned id);

/**
 * VM @index, built or about to boot again, becomes VM_READY and may be run from now on: its vCPU 0
 * at once, to load its kernel, the others when they are sent a SIPI. None of its vCPUs is attached.
 * Its record's config, places[][] and vm are set.
 */
FULL void sched_add(unsigned index);

/** Takes an ended VM, whose vCPUs have all left, off its cores: nobody is attached to it any more
 * until sched_add(). */
FULL void sched_remove(unsigned index);

/**
 * VM @index has become held (vm_record.held: paused, or looked at), or is no longer: a held one is
 * not run, and those of its vCPUs that are leave their CPUs, which takes until the next exit each
 * (vm_record.joined says how many are left). Its input waits, its timers expire when it goes on.
 * Full map, not from its own vCPU.
 */
FULL void sched_hold(unsigned index);

/** Puts every VM's vCPUs where they run with hyperthreads (@smt) or without: there the siblings get
 * none, and vCPUs of one VM may have to take turns. While no CPU runs a guest or is about to. */
FULL void sched_replace(bool smt);

/** Makes CPU @id look for something to run. */
FULL void sched_kick(unsigned id);

/** The same for all CPUs of the cores that VM @record has now. */
FULL void sched_kick_vm(const struct vm_record *record);

/** This CPU uses a VM's window for a moment, or has left its VM: it is attached, or no longer. */
FULL void sched_visit(void);
FULL void sched_detach(void);

/**
 * Looks whether another VM is to have this CPU's core: because this CPU was asked to
 * (wake_call_scheduler()), or the console's VM has input to read (@wanted is its index, else
 * -1). If so every thread of the core is to leave.
 */
FULL void sched_rotate(int wanted);

/** The vCPU that this CPU, which is @cpu, is to run now: it is joined, and *@vcpu is its number;
 * NULL: none. */
FULL struct vm_record *sched_attach(struct percpu *cpu, unsigned *vcpu);

#endif
