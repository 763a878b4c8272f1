// SPDX-License-Identifier: MIT
#include "hv/sched/entity.h"

#include "hv/base/asm.h"
#include "hv/base/string.h"
#include "hv/config/config.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/timer.h"
#include "hv/sched/sched.h"
#include "hv/sched/wake.h"
#include "hv/vm/vm.h"

static struct entity entities[CONFIG_MAX_VMS][CONFIG_MAX_VCPUS];
static bool exists[CONFIG_MAX_VMS];
static unsigned vms_end; /* behind the last VM that exists: a turn looks at all entities */
static uint64_t had[CONFIG_MAX_VMS];   /* the time of the VM's entities before it began anew */
static uint64_t core_time[PERCPU_MAX]; /* by leader: of the one that began there last */
static bool parked;		       /* only one thread of each core runs guests */
static unsigned threads;	       /* that every core has: vCPUs of a shared VM's entity */

/* The entity behind @e that exists; NULL: that was the last. */
static struct entity *after(struct entity *e)
{
	while (++e < entities[vms_end])
		if (e->mask)
			return e;
	return NULL;
}

static struct entity *first(void)
{
	return entities[0][0].mask ? entities[0] : after(entities[0]);
}

static void note_existence(unsigned index, bool does)
{
	exists[index] = does;
	vms_end = CONFIG_MAX_VMS;
	while (vms_end && !exists[vms_end - 1])
		vms_end--;
}

uint64_t entity_us(uint64_t us)
{
	return cpu_facts.tsc_hz / 1000000 * us;
}

bool entity_is_thread(unsigned leader, unsigned id)
{
	return cpus[id].leader == leader && cpus[id].online && (!parked || sched_primary(id) == id);
}

/* Threads of core @leader with a number below @id. */
static unsigned threads_below(unsigned leader, unsigned id)
{
	unsigned n = 0;

	for (unsigned i = leader; i < id; i++)
		n += entity_is_thread(leader, i);
	return n;
}

static struct vm_sched *sched_of(const struct entity *e)
{
	return &vm_records[e->vm].vm->sched;
}

static uint64_t run_ticks(const struct entity *e)
{
	uint64_t sum = 0;

	for (unsigned mask = e->mask; mask; mask &= mask - 1)
		sum += vm_run_ticks(vm_records[e->vm].vm, (unsigned)__builtin_ctz(mask));
	return sum;
}

struct entity *entity_of(unsigned index, unsigned vcpu)
{
	for (unsigned i = 0; i < CONFIG_MAX_VCPUS; i++)
		if (entities[index][i].mask >> vcpu & 1)
			return &entities[index][i];
	return NULL;
}

int entity_vcpu_on(const struct entity *e, unsigned id)
{
	unsigned left = threads_below(cpus[id].leader, id);

	for (unsigned mask = e->mask; mask; mask &= mask - 1) {
		unsigned vcpu = (unsigned)__builtin_ctz(mask);

		if (e->leader == ENTITY_ANY_CORE ? left-- == 0 : vm_records[e->vm].cpu[vcpu] == id)
			return (int)vcpu;
	}
	return -1;
}

bool entity_is_held(unsigned index)
{
	return __atomic_load_n(&vm_records[index].held, __ATOMIC_SEQ_CST);
}

bool entity_may_run_on(const struct entity *e, unsigned leader)
{
	return (e->leader == ENTITY_ANY_CORE || e->leader == (int)leader) && !entity_is_held(e->vm);
}

bool entity_waits(const struct entity *e)
{
	const struct vm_sched *s = sched_of(e);

	return !(e->mask & ~(__atomic_load_n(&s->waiting, __ATOMIC_SEQ_CST) |
			     __atomic_load_n(&s->asleep, __ATOMIC_SEQ_CST)));
}

/* Have all of its vCPUs left their CPUs waiting? */
static bool sleeps(const struct entity *e)
{
	return !(e->mask & ~__atomic_load_n(&sched_of(e)->asleep, __ATOMIC_SEQ_CST));
}

/* The earliest timer of one that is asleep; 0: none. */
static uint64_t deadline(const struct entity *e)
{
	uint64_t earliest = 0;

	for (unsigned mask = e->mask; mask; mask &= mask - 1)
		earliest = timer_earlier(earliest, sched_of(e)->deadline[__builtin_ctz(mask)]);
	return earliest;
}

/* model: ready: e->state = ENTITY_READY */
void entity_make_ready(struct entity *e)
{
	uint64_t slice = entity_us(SCHED_SLICE_US), floor = 0;

	for (unsigned i = 0; i < cpu_count; i++)
		if (core_time[i] > floor && entity_may_run_on(e, i))
			floor = core_time[i];
	floor -= floor < slice ? floor : slice;
	if (e->time < floor)
		e->time = floor;
	/* One that is woken by its timer, or for its input, does not wait any more: else a thread
	 * that is not to run it would see that it waits, and end its turn before it has begun. */
	if (sleeps(e))
		__atomic_fetch_and(&sched_of(e)->asleep, (uint8_t)~e->mask, __ATOMIC_SEQ_CST);
	e->ready_since = rdtsc();
	e->state = ENTITY_READY;
}

void entity_begin(struct entity *e, unsigned leader)
{
	e->state = ENTITY_RUNNING;
	e->ticks_begin = run_ticks(e);
	e->tsc_begin = rdtsc();
	if (core_time[leader] < e->time)
		core_time[leader] = e->time;
}

/* It had the core for as long as any of its vCPUs ran: not more than what passed, and not more than
 * all of them ran together. */
void entity_settle(struct entity *e)
{
	uint64_t now = rdtsc(), ran = run_ticks(e) - e->ticks_begin;

	e->time += ran < now - e->tsc_begin ? ran : now - e->tsc_begin;
	e->ticks_begin += ran;
	e->tsc_begin = now;
}

/* model: asleep: e->state = sleeps(e) ? ENTITY_ASLEEP : ENTITY_READY */
void entity_end(struct entity *e, unsigned leader)
{
	entity_settle(e);
	e->home = leader;
	e->ready_since = e->tsc_begin;
	e->state = sleeps(e) ? ENTITY_ASLEEP : ENTITY_READY;
	if (e->leader == ENTITY_ANY_CORE)
		for (unsigned mask = e->mask; mask; mask &= mask - 1)
			vm_records[e->vm].cpu[__builtin_ctz(mask)] = VM_NO_CPU;
}

/* One that is far behind all others there was kept away by what is over: it catches up two slices.
 * So far can another one come ahead that is late: entity_late_for(). */
struct entity *entity_best_for(unsigned leader)
{
	uint64_t most = 2 * entity_us(SCHED_SLICE_US), second = UINT64_MAX;
	struct entity *best = NULL;

	for (struct entity *e = first(); e; e = after(e)) {
		uint64_t time = e->time;

		if (e->state == ENTITY_ASLEEP || !entity_may_run_on(e, leader))
			continue;
		if (e->state == ENTITY_READY && (!best || time < best->time)) {
			time = best ? best->time : UINT64_MAX;
			best = e;
		}
		if (time < second)
			second = time;
	}
	if (best && second != UINT64_MAX && best->time + most < second)
		best->time = second - most;
	return best;
}

static bool is_candidate(const struct entity *e, unsigned leader)
{
	return e->state == ENTITY_READY && entity_may_run_on(e, leader);
}

struct entity *entity_late_for(unsigned leader, const struct entity *current)
{
	uint64_t earliest = rdtsc(), most = current->time;
	struct entity *late = NULL;

	for (struct entity *e = first(); e; e = after(e))
		if (is_candidate(e, leader) && e->time < most)
			most = e->time;
	most += entity_us(SCHED_SLICE_US);
	for (struct entity *e = first(); e; e = after(e))
		if (is_candidate(e, leader) && e->time < most && deadline(e) - 1 < earliest) {
			earliest = deadline(e) - 1;
			late = e;
		}
	return late;
}

/* How many want core @leader, those that are bound to none in equal parts. */
static unsigned contenders(unsigned leader)
{
	unsigned bound = 0, any = 0, cores = 1;

	for (struct entity *e = first(); e; e = after(e)) {
		if (e->state == ENTITY_ASLEEP || !entity_may_run_on(e, leader))
			continue;
		any += e->leader == ENTITY_ANY_CORE;
		bound += e->leader != ENTITY_ANY_CORE;
	}
	for (unsigned i = 1; i < cpu_count; i++)
		cores += cpus[i].leader == i;
	return bound + (any + cores - 1) / cores;
}

static uint64_t slice_among(unsigned n)
{
	uint64_t slice = n > 2 ? SCHED_ROUND_US / n : SCHED_SLICE_US;

	return entity_us(slice < SCHED_MIN_SLICE_US ? SCHED_MIN_SLICE_US : slice);
}

uint64_t entity_slice(const struct entity *than, unsigned leader)
{
	bool rivals = false;

	for (struct entity *e = first(); e; e = after(e))
		rivals |= e != than && entity_may_run_on(e, leader);
	return rivals ? slice_among(contenders(leader)) : 0;
}

/* The ready one that has waited for core @leader for longest; NULL: none. */
static struct entity *longest_waiting(unsigned leader)
{
	struct entity *longest = NULL;

	for (struct entity *e = first(); e; e = after(e))
		if (is_candidate(e, leader) && (!longest || e->ready_since < longest->ready_since))
			longest = e;
	return longest;
}

/* Among two the turns take the other one's slice. Among more there is one to spare, for him who is
 * late: entity_late_for(). */
static uint64_t patience(unsigned leader)
{
	unsigned n = contenders(leader);

	return slice_among(n) * (n > 2 ? n : 1);
}

struct entity *entity_overdue(unsigned leader, uint64_t ahead)
{
	struct entity *e = longest_waiting(leader);

	return e && rdtsc() + ahead - e->ready_since >= patience(leader) ? e : NULL;
}

uint64_t entity_overdue_at(unsigned leader)
{
	const struct entity *e = longest_waiting(leader);

	return e ? e->ready_since + patience(leader) : 0;
}

uint64_t entity_next_timer(unsigned leader)
{
	uint64_t earliest = 0;

	for (struct entity *e = first(); e; e = after(e))
		if (e->state == ENTITY_ASLEEP && e->home == leader)
			earliest = timer_earlier(earliest, deadline(e));
	return earliest;
}

/* model: wanted: wake_set_wanted() */
void entity_publish(void)
{
	uint64_t wanted[WAKE_CPU_WORDS] = { 0 };

	for (struct entity *e = first(); e; e = after(e)) {
		if (e->state != ENTITY_READY || entity_is_held(e->vm))
			continue;
		if (e->leader == ENTITY_ANY_CORE)
			memset(wanted, 0xff, sizeof(wanted));
		else
			wanted[e->leader / 64] |= BIT(e->leader % 64);
	}
	wake_set_wanted(wanted);
}

/* model: take: wake_pending(); ready: entity_make_ready(); publish: entity_publish(); done:
 * wake_done() */
void entity_take_woken(void)
{
	uint64_t taken[WAKE_VCPU_WORDS], now = rdtsc();
	bool any = false;

	for (unsigned i = 0; i < WAKE_VCPU_WORDS; i++)
		taken[i] = wake_pending(i);
	for (struct entity *e = first(); e; e = after(e)) {
		unsigned bit = e->vm * CONFIG_MAX_VCPUS;
		uint64_t since;

		if (e->state != ENTITY_ASLEEP)
			continue;
		since = deadline(e);
		if (since - 1 >= now && !(taken[bit / 64] >> (bit % 64) & e->mask))
			continue;
		entity_make_ready(e);
		/* Not only since somebody looked, which may be a turn of the least length later. */
		if (since - 1 >= now)
			since = now - entity_us(SCHED_MIN_SLICE_US);
		e->ready_since = since > e->tsc_begin ? since : e->tsc_begin;
		any = true;
	}
	if (any)
		entity_publish();
	/* Not before: who finds no bit has to find the core wanted. */
	for (unsigned i = 0; i < WAKE_VCPU_WORDS; i++)
		if (taken[i])
			wake_done(i, taken[i]);
}

/* The slot of VM @index for a vCPU that is bound to CPU @id: its core's first without one. */
static struct entity *slot_for(unsigned index, unsigned id)
{
	struct entity *e = entities[index];

	while (e->mask && (e->leader != (int)cpus[id].leader || entity_vcpu_on(e, id) >= 0))
		e++;
	return e;
}

void entity_make(unsigned index)
{
	struct vm_record *record = &vm_records[index];
	struct vm_sched *s = &record->vm->sched;
	bool share = record->config->share;

	memset(entities[index], 0, sizeof(entities[index]));
	note_existence(index, true);
	for (unsigned i = 0; i < record->config->vcpus; i++) {
		unsigned id = share ? VM_NO_CPU : record->places[!parked][i];
		struct entity *e = share ? &entities[index][i / threads] : slot_for(index, id);

		e->vm = (uint8_t)index;
		e->mask |= (uint8_t)(1U << i);
		e->leader = share ? ENTITY_ANY_CORE : (int)cpus[id].leader;
		e->time = had[index];
		e->home = cpus[share ? 0 : id].leader;
		record->cpu[i] = id;
		s->cpu[i] = share ? SCHED_ANYWHERE : (int16_t)id;
	}
	for (struct entity *e = entities[index]; e < entities[index] + CONFIG_MAX_VCPUS; e++) {
		for (unsigned mask = e->mask; mask; mask &= mask - 1)
			s->group[__builtin_ctz(mask)] = e->mask;
		if (e->mask && !sleeps(e))
			entity_make_ready(e);
	}
}

void entity_remove(unsigned index)
{
	for (unsigned i = 0; i < CONFIG_MAX_VCPUS; i++)
		if (entities[index][i].time > had[index])
			had[index] = entities[index][i].time;
	memset(entities[index], 0, sizeof(entities[index]));
	note_existence(index, false);
}

void entity_renew_claim(unsigned index)
{
	for (struct entity *e = entities[index]; e < entities[index] + CONFIG_MAX_VCPUS; e++)
		if (e->mask && e->state == ENTITY_READY)
			entity_make_ready(e);
}

void entity_park(bool parks)
{
	parked = parks;
	threads = CONFIG_MAX_VCPUS;
	memset(core_time, 0, sizeof(core_time));
	memset(had, 0, sizeof(had));
	for (unsigned i = 0; i < cpu_count; i++) {
		unsigned count = threads_below(cpus[i].leader, cpu_count);

		if (count && count < threads)
			threads = count;
	}
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++)
		if (exists[i])
			entity_make(i);
}
