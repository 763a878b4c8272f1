/* SPDX-License-Identifier: MIT */
/*
 * Who has which turn, on a clock that the test sets (so hv/sched/entity.c is included here): one
 * core of two threads, VMs of one vCPU.
 */
#include "guest-tests/unit/unit.h"

#define rdtsc real_rdtsc
#include "hv/base/asm.h"
#undef rdtsc
static uint64_t clock_now;
static uint64_t rdtsc(void)
{
	return clock_now;
}
#include "hv/sched/entity.c"

#define US 100 /* ticks */
#define SLICE ((uint64_t)SCHED_SLICE_US * US)
#define VMS 3

uint8_t *host_test_physmap;
struct vm_record vm_records[CONFIG_MAX_VMS];
struct cpu_record cpus[PERCPU_MAX];
struct cpu_facts cpu_facts = { .tsc_hz = US * 1000000ULL };
unsigned cpu_count = 2;

static const struct config_vm config = { .vcpus = 1, .share = true };
static struct vm vms[VMS];
static struct entity *a, *b, *c;
static uint64_t ran[VMS], woken[WAKE_VCPU_WORDS];

unsigned sched_primary(unsigned id)
{
	return cpus[id].leader;
}

uint64_t vm_run_ticks(const struct vm *vm, unsigned vcpu)
{
	(void)vcpu;
	return ran[vm - vms];
}

uint64_t wake_pending(unsigned word)
{
	return woken[word];
}

void wake_done(unsigned word, uint64_t bits)
{
	woken[word] &= ~bits;
}

void wake_set_wanted(const uint64_t bits[WAKE_CPU_WORDS])
{
	(void)bits;
}

static struct entity *begin(unsigned index)
{
	memset(&vms[index].sched, 0, sizeof(vms[index].sched));
	vm_records[index].vm = &vms[index];
	vm_records[index].config = &config;
	entity_make(index);
	return entity_of(index, 0);
}

static void start(void)
{
	for (unsigned i = 0; i < VMS; i++)
		entity_remove(i);
	cpus[0].online = cpus[1].online = true;
	memset(vm_records, 0, sizeof(vm_records));
	memset(ran, 0, sizeof(ran));
	clock_now = 1000 * SLICE;
	entity_park(false);
}

static void start_three(void)
{
	start();
	a = begin(0);
	b = begin(1);
	c = begin(2);
}

/* It has the core for @ticks, then sleeps, with a timer @nap ticks ahead, or (0) wants more. */
static void turn(struct entity *e, uint64_t ticks, uint64_t nap)
{
	struct vm_sched *s = &vms[e->vm].sched;

	entity_begin(e, 0);
	s->asleep = 0;
	clock_now += ticks;
	ran[e->vm] += ticks;
	s->asleep = nap != 0;
	s->deadline[0] = nap ? clock_now + nap : 0;
	entity_end(e, 0);
}

TEST(whoever_had_least_is_next)
{
	start_three();
	CHECK(entity_slice(a, 0) == (uint64_t)SCHED_ROUND_US * US / 3);
	for (unsigned i = 0; i < 300; i++)
		turn(entity_best_for(0), SLICE / (1 + i % 3), 0);
	CHECK(a->time + SLICE > b->time && b->time + SLICE > a->time);
	CHECK(a->time + SLICE > c->time && c->time + SLICE > a->time);
	CHECK(ran[0] + ran[1] + ran[2] == a->time + b->time + c->time);
}

TEST(a_timer_makes_ready_and_awake)
{
	start();
	a = begin(0);
	turn(a, US, 50 * US);
	CHECK(a->state == ENTITY_ASLEEP && entity_waits(a));
	CHECK(entity_next_timer(0) == clock_now + 50 * US);
	clock_now += 50 * US - 1;
	entity_take_woken();
	CHECK(a->state == ENTITY_ASLEEP);
	clock_now++;
	entity_take_woken();
	/* A thread that is not to run it looks before the other one has come to do so. */
	CHECK(a->state == ENTITY_READY && !entity_waits(a));
	entity_begin(a, 0);
	CHECK(!entity_waits(a));
	/* And if its turn ends so early, it is not forgotten. */
	entity_end(a, 0);
	CHECK(a->state == ENTITY_READY);
}

TEST(a_late_one_goes_first)
{
	start_three();
	turn(a, SLICE / 2, SLICE / 10);
	turn(b, SLICE / 5, 0);
	entity_take_woken();
	/* Though both others have had less. */
	CHECK(entity_late_for(0, b) == a && entity_best_for(0) == c);
	turn(a, SLICE, SLICE / 10);
	turn(b, SLICE / 5, 0);
	entity_take_woken();
	CHECK(a->state == ENTITY_READY && !entity_late_for(0, b));
}

/* As sched.c does it when somebody asks: a turn of the least length, unless the current one is to
 * go on. */
static void compete(struct entity *worker, struct entity *greedy)
{
	uint64_t least = (uint64_t)SCHED_MIN_SLICE_US * US;

	turn(worker, least, 0);
	entity_take_woken();
	if (entity_overdue(0, 0) == greedy || entity_late_for(0, worker) == greedy ||
	    entity_best_for(0) == greedy)
		turn(greedy, SLICE - 10, 1);
}

TEST(nobody_waits_while_another_catches_up)
{
	start();
	a = begin(0);
	for (unsigned i = 0; i < 10; i++)
		turn(a, SLICE, 0);
	b = begin(1);
	b->time = a->time - 2 * SLICE;
	turn(b, SLICE, 0);
	/* It would go on, having had less. */
	CHECK(entity_best_for(0) == b && entity_overdue(0, 0) == a);
	turn(a, SLICE / 2, 0);
	CHECK(!entity_overdue(0, 0) && !entity_overdue(0, SLICE / 2 - 1));
	CHECK(entity_overdue(0, SLICE / 2) == b);
	CHECK(entity_overdue_at(0) == clock_now + SLICE / 2);
	clock_now += SLICE / 2;
	CHECK(entity_overdue(0, 0) == b && entity_overdue_at(0) == clock_now);
	/* Among three, turns take a round and one slice more. */
	c = begin(2);
	turn(c, US, 0);
	CHECK(!entity_overdue(0, 0));
	clock_now += (uint64_t)SCHED_ROUND_US * US;
	CHECK(entity_overdue(0, 0) == b);
	turn(b, US, 0);
	CHECK(entity_overdue(0, 0) == a);
}

TEST(who_sleeps_before_its_slice_is_over_gains_nothing)
{
	struct entity *worker, *greedy;

	start();
	worker = begin(0);
	greedy = begin(1);
	for (unsigned i = 0; i < 2000; i++)
		compete(worker, greedy);
	CHECK(ran[0] + 3 * SLICE > ran[1]);
}

TEST(nor_who_reboots)
{
	struct entity *worker, *greedy;

	start();
	worker = begin(0);
	greedy = begin(1);
	for (unsigned i = 0; i < 2000; i++) {
		compete(worker, greedy);
		if (greedy->state != ENTITY_ASLEEP)
			continue;
		entity_remove(1);
		greedy = begin(1);
	}
	CHECK(ran[0] + 3 * SLICE > ran[1]);
	/* Another clock for everybody. */
	entity_park(true);
	CHECK(entity_of(0, 0)->time == entity_of(1, 0)->time);
	entity_remove(1);
	CHECK(begin(1)->time == entity_of(0, 0)->time);
}

UNIT_MAIN
