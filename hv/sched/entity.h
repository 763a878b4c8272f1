/* SPDX-License-Identifier: MIT */
/*
 * What the scheduler chooses between: an entity is a set of vCPUs of one VM that run at the same
 * time on the threads of one core. Its time is what it has had of a core, in TSC ticks; the ready
 * one with the least is next. All of it sensitive, under the scheduler's lock, in the full map.
 */
#ifndef HV_ENTITY_H
#define HV_ENTITY_H

#include "hv/vm/record.h"

#define ENTITY_ANY_CORE (-1)

enum entity_state { ENTITY_ASLEEP, ENTITY_READY, ENTITY_RUNNING };

struct entity {
	uint8_t vm;
	uint8_t mask; /* its vCPUs; 0: there is no such entity */
	enum entity_state state;
	int leader;	      /* first CPU of the core that it is bound to, or ENTITY_ANY_CORE */
	unsigned home;	      /* leader of the core that watches its timers while it is asleep */
	uint64_t time;	      /* that it has had, as the others see it */
	uint64_t ticks_begin; /* its vCPUs' run ticks when its time was last added to */
	uint64_t tsc_begin;   /* and the time stamp */
	uint64_t ready_since; /* time stamp: it has waited for a core from then on */
};

/** Microseconds in TSC ticks. */
FULL uint64_t entity_us(uint64_t us);

/** CPU @id is a thread of core @leader that takes part in what the core does. Parked ones are not.
 */
FULL bool entity_is_thread(unsigned leader, unsigned id);

/** Parks all threads but one of each core, or none: the entities of all VMs are made anew. */
FULL void entity_park(bool parks);

/** Makes the entities of VM @index; each is ready unless all of its vCPUs are asleep. */
FULL void entity_make(unsigned index);
/** One that is made again has had what it had: nobody gains a turn by a reboot. */
FULL void entity_remove(unsigned index);

/** Is VM @index held: not to be run? Not before its kernel is loaded. */
FULL bool entity_is_held(unsigned index);
/** VM @index has no claim to the time that it was held for. */
FULL void entity_renew_claim(unsigned index);

/** The one that vCPU @vcpu of VM @index belongs to; NULL: none. */
FULL struct entity *entity_of(unsigned index, unsigned vcpu);

/** The vCPU of @e that runs on CPU @id; -1: none. */
FULL int entity_vcpu_on(const struct entity *e, unsigned id);

/** Is core @leader one of its, and its VM not held? */
FULL bool entity_may_run_on(const struct entity *e, unsigned leader);

/** Do all of its vCPUs wait, on their CPUs or away from them? */
FULL bool entity_waits(const struct entity *e);

/** It becomes ready. Who slept long is ahead of the others, but not by more than a slice. */
FULL void entity_make_ready(struct entity *e);

/** It begins on core @leader; its time until now is added; all of its vCPUs have left that core. */
FULL void entity_begin(struct entity *e, unsigned leader);
FULL void entity_settle(struct entity *e);
FULL void entity_end(struct entity *e, unsigned leader);

/** The ready one for core @leader whose timer expired first while it had no core; NULL: none. Who
 * is a slice ahead of @current or of another that waits there has no claim: else a VM that sleeps
 * for a moment before each of its slices is over would have nearly all of the core. */
FULL struct entity *entity_late_for(unsigned leader, const struct entity *current);

/** The ready one that has waited for core @leader for longest, and in @ahead ticks for longer than
 * the turns of all that want it take; NULL: none. So that nobody waits for what another has to
 * catch up. */
FULL struct entity *entity_overdue(unsigned leader, uint64_t ahead);

/** The time stamp from which on somebody is, if nobody gets the core before; 0: nobody waits. */
FULL uint64_t entity_overdue_at(unsigned leader);

/** Of those that are ready and may run on core @leader the one with the least time; NULL: none. */
FULL struct entity *entity_best_for(unsigned leader);

/** How long @than may have core @leader at a time, in ticks: shorter if many want one, so that all
 * get one soon; 0: for ever, since nobody else could want it. */
FULL uint64_t entity_slice(const struct entity *than, unsigned leader);

/** Of the timers that core @leader watches the earliest; 0: none. */
FULL uint64_t entity_next_timer(unsigned leader);

/** Makes all entities ready that were woken, or whose timers have come. */
FULL void entity_take_woken(void);

/** Tells restricted which cores are waited for. */
FULL void entity_publish(void);

#endif
