// SPDX-License-Identifier: MIT
#include "hv/sched/sched.h"

#include "drivers/host/lapic.h"
#include "hv/base/asm.h"
#include "hv/base/spinlock.h"
#include "hv/base/string.h"
#include "hv/console/console.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/timer.h"
#include "hv/sched/entity.h"
#include "hv/sched/wake.h"
#include "hv/vm/record.h"
#include "hv/vm/vm.h"

/* By the number of the core's first CPU, its leader. Every thread watches the clock. */
static struct core {
	struct entity *entity; /* its threads run it, or are about to; NULL: it is free */
	struct entity *next;   /* comes behind it; NULL: the best one then */
	uint64_t turn_begin;
	uint64_t slice_begin; /* of the last one in this turn */
	uint64_t turn_end;    /* when others have a claim; 0: nobody else could want the core */
	uint64_t slice_end;   /* the same, or a timer's time before it */
	uint64_t wake_at;     /* the earliest timer that it watches; 0: none */
	unsigned attached;    /* threads that run the VM of @entity */
	bool slice_last;      /* somebody wants the core at its end */
	bool switching;	      /* nobody attaches until the last has left */
} cores[PERCPU_MAX];

static struct spinlock lock = SPINLOCK(LOCK_SCHEDULER); /* of the cores and the entities */

unsigned sched_primary(unsigned id)
{
	unsigned primary = cpus[id].leader;

	while (cpus[primary].leader != cpus[id].leader || !cpus[primary].online)
		primary++;
	return primary;
}

static struct core *core_of(unsigned cpu)
{
	return &cores[cpus[cpu].leader];
}

/* model:
 * flag: __atomic_store_n(&cpus[id].percpu->kicked;
 * interrupt: lapic_send()
 */
void sched_kick(unsigned id)
{
	if (!cpus[id].online)
		return;
	__atomic_store_n(&cpus[id].percpu->kicked, true, __ATOMIC_SEQ_CST);
	/* One that is awake will see the flag, and an interrupt would cost its guest an exit. */
	if (__atomic_load_n(&cpus[id].percpu->idle, __ATOMIC_SEQ_CST))
		lapic_send(cpus[id].apic_id, HOST_VECTOR_KICK);
}

static void kick_core(unsigned leader)
{
	for (unsigned i = leader; i < cpu_count; i++)
		if (entity_is_thread(leader, i))
			sched_kick(i);
}

void sched_kick_vm(const struct vm_record *record)
{
	spinlock_acquire(&lock);
	for (unsigned i = 0; i < cpu_count; i++)
		if (cores[i].entity && &vm_records[cores[i].entity->vm] == record)
			kick_core(i);
	spinlock_release(&lock);
}

/* Everything from here to the next public function: the lock is held. */

/* When the core looks for another VM next, in a turn and a slice that have begun. */
static void plan_slice(struct core *core, unsigned leader)
{
	uint64_t shortest = entity_us(SCHED_MIN_SLICE_US), least = core->turn_begin + shortest;
	uint64_t length = core->entity ? entity_slice(core->entity, leader) : 0;
	uint64_t overdue = core->entity ? entity_overdue_at(leader) : 0;

	spinlock_assert(&lock);
	core->slice_last = false;
	core->turn_end = length ? core->slice_begin + length : 0;
	/* Another turn of the same VM, or one that it was lent, is on the time of those who wait.
	 */
	if (overdue)
		core->turn_end = timer_earlier(core->turn_end, overdue < least ? least : overdue);
	core->wake_at = entity_next_timer(leader);
	least = rdtsc() + shortest;
	if (core->entity && core->wake_at && core->wake_at < least)
		core->wake_at = least;
	core->slice_end = timer_earlier(core->turn_end, core->wake_at);
}

/* Every thread of the core is to leave its VM. */
/* model:
 * switching: core->switching = true; resched: __atomic_store_n(&cpus[i].percpu->resched;
 * interrupt: lapic_send()
 */
static void begin_switch(unsigned leader, struct entity *next)
{
	struct core *core = &cores[leader];

	spinlock_assert(&lock);
	core->switching = true;
	core->next = next;
	for (unsigned i = leader; i < cpu_count; i++) {
		if (!entity_is_thread(leader, i) || i == this_cpu()->id)
			continue;
		__atomic_store_n(&cpus[i].percpu->resched, true, __ATOMIC_SEQ_CST);
		lapic_send(cpus[i].apic_id, HOST_VECTOR_KICK);
	}
}

/* The core is free: whose turn is it? */
/* model: turn: core->entity = e; publish: entity_publish() */
static void begin_turn(struct core *core, unsigned leader)
{
	struct entity *e = core->next;

	core->next = NULL;
	if (!e || e->state != ENTITY_READY || !entity_may_run_on(e, leader))
		/* Another's turn would be a short one. */
		e = entity_overdue(leader, entity_us(SCHED_MIN_SLICE_US));
	if (!e)
		e = entity_best_for(leader);
	core->entity = e;
	if (e)
		entity_begin(e, leader);
	core->turn_begin = core->slice_begin = rdtsc();
	plan_slice(core, leader);
	entity_publish();
}

/* @to may have the core of @from, of the same VM, before its time: on the account of the one that
 * yields, since others are not to pay for it. */
static void lend_time(struct entity *from, struct entity *to)
{
	uint64_t time = to->time;

	if (time > from->time) {
		to->time = from->time;
		from->time = time;
	}
}

/* The entity that is to have this CPU's core now whatever the others had; NULL: none. @begins: the
 * one that has it is to be left alone for a moment. */
static struct entity *favoured(struct percpu *cpu, struct entity *current, int wanted, bool begins)
{
	struct entity *e = NULL;

	if (wanted >= 0)
		e = entity_of((unsigned)wanted, 0);
	else if (cpu->yields_to && current)
		e = entity_of(current->vm, cpu->yields_to - 1U);
	if (!e || !entity_may_run_on(e, cpus[cpu->id].leader))
		return NULL;
	if (wanted >= 0 && e->state == ENTITY_RUNNING) {
		console_set_input(true); /* its CPU reads */
	} else if (wanted >= 0 && begins) {
		/* Else who types would take each turn off @current as it begins. */
		cpu->input_waits = true;
		return NULL;
	}
	if (wanted >= 0 && e->state == ENTITY_ASLEEP)
		entity_make_ready(e);
	if (e->state != ENTITY_READY)
		return NULL;
	if (wanted < 0)
		lend_time(current, e);
	return e;
}

/* Who comes next, if the core is to change now. */
static struct entity *choose(struct percpu *cpu, struct core *core, int wanted)
{
	unsigned leader = cpus[cpu->id].leader;
	struct entity *current = core->entity, *next;
	uint64_t least = core->turn_begin + entity_us(SCHED_MIN_SLICE_US);
	bool begins = current && rdtsc() < least && !entity_waits(current), over;

	if (current)
		entity_settle(current);
	next = favoured(cpu, current, wanted, begins);
	if (next || !current)
		return next;
	if (begins) {
		/* Who asks is heard when it has had a little. */
		core->slice_end = timer_earlier(core->slice_end, least);
		core->slice_last = true;
		return NULL;
	}
	next = entity_overdue(leader, 0);
	/* A deadline is late by one slice at most, though another has had a little less. */
	if (!next)
		next = entity_late_for(leader, current);
	if (next)
		return next;
	/* Who asks before its end, for the console or a timer, ends no slice, but for one that was
	 * woken in it: else two that have had the same would change at each such moment. */
	next = entity_best_for(leader);
	over = !core->turn_end || rdtsc() >= core->turn_end;
	if (next && (entity_waits(current) || (next->time < current->time &&
					       (over || next->ready_since > core->slice_begin))))
		return next;
	if (over)
		core->slice_begin = rdtsc();
	plan_slice(core, leader);
	return NULL;
}

/* model: woken: entity_take_woken(); switch: begin_switch() */
void sched_rotate(int wanted)
{
	struct percpu *cpu = this_cpu();
	unsigned leader = cpus[cpu->id].leader;
	struct core *core = &cores[leader];
	struct entity *next = NULL;

	spinlock_acquire(&lock);
	entity_take_woken();
	/* Another thread may have been here already. */
	if ((cpu->asked || wanted >= 0) && !core->switching && entity_is_thread(leader, cpu->id))
		next = choose(cpu, core, wanted);
	if (next)
		begin_switch(leader, next);
	cpu->asked = false;
	cpu->yields_to = 0;
	spinlock_release(&lock);
}

void sched_visit(void)
{
	struct core *core = core_of(this_cpu()->id);

	spinlock_acquire(&lock);
	core->attached++;
	spinlock_release(&lock);
}

/* model: attached: core->attached-- */
void sched_detach(void)
{
	struct core *core = core_of(this_cpu()->id);

	spinlock_acquire(&lock);
	core->attached--;
	spinlock_release(&lock);
}

/* model:
 * last: if (core->switching && !core->attached); switching: core->switching = false;
 * end: entity_end(); begin: begin_turn();
 * turn: if (core->entity && !core->switching && takes_part); attached: core->attached++;
 * resched: cpu->resched = core->switching; kick: kick_core()
 */
struct vm_record *sched_attach(struct percpu *cpu, unsigned *vcpu)
{
	unsigned leader = cpus[cpu->id].leader;
	struct core *core = &cores[leader];
	struct vm_record *record = NULL;
	bool takes_part, turned = false;

	spinlock_acquire(&lock);
	takes_part = entity_is_thread(leader, cpu->id);
	if (core->switching && !core->attached) {
		core->switching = false;
		if (core->entity)
			entity_end(core->entity, leader);
		core->entity = NULL;
	}
	/* A visitor may be attached: sched_visit(). */
	if (!core->switching && !core->attached && !core->entity) {
		begin_turn(core, leader);
		turned = core->entity != NULL;
	}
	if (core->entity && !core->switching && takes_part) {
		int index = entity_vcpu_on(core->entity, cpu->id);

		record = &vm_records[core->entity->vm];
		if (index >= 0 && vm_join(record, (unsigned)index)) {
			core->attached++;
			*vcpu = (unsigned)index;
			record->cpu[index] = cpu->id;
		} else {
			record = NULL;
		}
	}
	cpu->resched = core->switching;
	cpu->free = !core->switching && !core->entity && takes_part;
	cpu->turn_begin = core->turn_begin;
	/* A parked thread does not watch the clock: with nothing to give up, it would be woken by a
	 * time that stays over, again and again, in full beside the guest. */
	cpu->slice_end = core->switching || !takes_part ? 0 : core->slice_end;
	cpu->slice_end = timer_earlier(cpu->slice_end, cpu->mc_next); /* mce_look() */
	cpu->slice_last = core->slice_last;
	cpu->wake_at = core->wake_at;
	cpu->sliced = core->slice_end != 0;
	spinlock_release(&lock);
	if (turned)
		kick_core(leader);
	return record;
}

/* Takes VM @index, none of whose vCPUs is attached, off its cores. */
static void forget(unsigned index)
{
	for (unsigned i = 0; i < cpu_count; i++)
		if (cores[i].entity && cores[i].entity->vm == index) {
			cores[i].entity = NULL;
			begin_switch(i, NULL); /* there may be a visitor */
			sched_kick(this_cpu()->id);
		}
	for (unsigned i = 0; i < cpu_count; i++)
		if (cores[i].next && cores[i].next->vm == index)
			cores[i].next = NULL;
	entity_remove(index);
}

void sched_add(unsigned index)
{
	struct vm_record *record = &vm_records[index];
	struct vm_sched *s = &record->vm->sched;

#ifdef BREAK_lock_order
	spinlock_acquire(&record->lock);
#endif
	spinlock_acquire(&lock);
#ifdef BREAK_lock_order
	spinlock_release(&record->lock);
#endif
	forget(index);
	memset(s, 0, sizeof(*s));
	/* All but the first wait for a start-up IPI. */
	s->asleep = (uint8_t)((1U << record->config->vcpus) - 2);
	entity_make(index);
	/* Who wants it stopped finds it here, and has to come by our lock: sched_visit(). */
	spinlock_acquire(&record->lock);
	record->state = VM_READY;
	spinlock_release(&record->lock);
	/* Those that had their core for themselves, and do not any more, begin to watch the clock:
	 * the others must not notice how often a neighbour begins anew. */
	for (unsigned i = 0; i < cpu_count; i++)
		if (cores[i].entity && !cores[i].slice_end && entity_slice(cores[i].entity, i))
			begin_switch(i, NULL);
	sched_kick(this_cpu()->id);
	entity_publish();
	spinlock_release(&lock);
}

void sched_remove(unsigned index)
{
	spinlock_acquire(&lock);
	forget(index);
	entity_publish();
	spinlock_release(&lock);
}

void sched_hold(unsigned index)
{
	spinlock_acquire(&lock);
	entity_renew_claim(index);
	for (unsigned i = 0; entity_is_held(index) && i < cpu_count; i++)
		if (cores[i].entity && cores[i].entity->vm == index)
			begin_switch(i, NULL);
	entity_publish();
	spinlock_release(&lock);
}

void sched_replace(bool smt)
{
	spinlock_acquire(&lock);
	for (unsigned i = 0; i < cpu_count; i++) {
		cores[i].entity = cores[i].next = NULL;
		cores[i].switching = false;
	}
	entity_park(!smt);
	entity_publish();
	spinlock_release(&lock);
}
