// SPDX-License-Identifier: MIT
#include "hv/sched/wake.h"

#include "drivers/host/lapic.h"
#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/global.h"
#include "hv/config/config.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/timer.h"
#include "hv/health/mce.h"
#include "hv/vm/vcpu.h"

static uint64_t woken[WAKE_VCPU_WORDS] GLOBAL_DATA("that a vCPU has something to do, not what");
static uint64_t resting[WAKE_CPU_WORDS] GLOBAL_DATA("CPUs that have nothing to do");
static uint64_t wanted[WAKE_CPU_WORDS] GLOBAL_DATA("cores that some VM waits for");
static struct {
	uint32_t apic_id;
	uint16_t leader;
} topology[PERCPU_MAX] GLOBAL_DATA("the machine's topology");
static uint64_t slice GLOBAL_DATA("the clock's frequency");
static uint64_t min_slice GLOBAL_DATA("the clock's frequency");

static void set_bit(uint64_t *bits, unsigned bit)
{
	__atomic_fetch_or(&bits[bit / 64], BIT(bit % 64), __ATOMIC_SEQ_CST);
}

static void clear_bit(uint64_t *bits, unsigned bit)
{
	__atomic_fetch_and(&bits[bit / 64], ~BIT(bit % 64), __ATOMIC_SEQ_CST);
}

BOOT void wake_init_cpu(unsigned id, uint32_t apic_id, unsigned leader)
{
	topology[id].apic_id = apic_id;
	topology[id].leader = (uint16_t)leader;
	slice = cpu_facts.tsc_hz / 1000000 * SCHED_SLICE_US;
	min_slice = cpu_facts.tsc_hz / 1000000 * SCHED_MIN_SLICE_US;
}

static bool is_wanted(unsigned cpu)
{
	unsigned leader = topology[cpu].leader;

	for (unsigned i = 0; i < WAKE_VCPU_WORDS; i++)
		if (__atomic_load_n(&woken[i], __ATOMIC_SEQ_CST))
			return true;
	return __atomic_load_n(&wanted[leader / 64], __ATOMIC_SEQ_CST) >> (leader % 64) & 1;
}

/* All vCPUs that run with this one wait, or have not come yet. */
static bool all_wait(const struct vcpu *vcpu)
{
	const struct vm_sched *s = &vcpu->vm->sched;
	unsigned wait = __atomic_load_n(&s->waiting, __ATOMIC_SEQ_CST) |
			__atomic_load_n(&s->asleep, __ATOMIC_SEQ_CST);

	return !(s->group[vcpu->id] & ~wait);
}

void wake_attach(struct vcpu *vcpu)
{
	struct vm_sched *s = &vcpu->vm->sched;

	wake_start_clock(vcpu->vm, vcpu->id);
	__atomic_store_n(&vcpu->attached, true, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&s->asleep, (uint8_t) ~(1U << vcpu->id), __ATOMIC_SEQ_CST);
}

uint64_t vm_run_ticks(const struct vm *vm, unsigned vcpu)
{
	const struct vm_sched *s = &vm->sched;
	uint64_t ticks = __atomic_load_n(&s->run_ticks[vcpu], __ATOMIC_ACQUIRE);
	uint64_t start = __atomic_load_n(&s->run_start[vcpu], __ATOMIC_ACQUIRE), now = rdtsc();

	return ticks + (start && now > start ? now - start : 0);
}

/* model:
 * asleep: __atomic_fetch_or(&s->asleep; attached: __atomic_store_n(&vcpu->attached;
 * remote: __atomic_load_n(&vcpu->remote; awake: __atomic_fetch_and(&s->asleep
 */
void wake_detach(struct vcpu *vcpu)
{
	struct vm_sched *s = &vcpu->vm->sched;
	uint8_t bit = (uint8_t)(1U << vcpu->id);
	bool waits = (vcpu->work & (WORK_HALT | WORK_SIPI)) && !vcpu->sipi_pending &&
		     !(vcpu->work & (WORK_IRQ | WORK_INIT));

	wake_stop_clock(vcpu->vm, vcpu->id);
	/* What it was interrupted before is due already. */
	s->deadline[vcpu->id] = (vcpu->work & WORK_IRQ) ? rdtsc() : vcpu->timer_deadline;
	if (waits)
		__atomic_fetch_or(&s->asleep, bit, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vcpu->attached, false, __ATOMIC_SEQ_CST);
	/* Who posted before saw it attached, and its interrupt is too late. */
	if (__atomic_load_n(&vcpu->remote, __ATOMIC_SEQ_CST))
		__atomic_fetch_and(&s->asleep, (uint8_t)~bit, __ATOMIC_SEQ_CST);
}

/* model: kicked: cpu->kicked = true; switch: cpu->vcpu->work |= WORK_SWITCH */
void wake_call_scheduler(void)
{
	struct percpu *cpu = this_cpu();

	cpu->asked = true;
	cpu->kicked = true;
	if (cpu->vcpu)
		cpu->vcpu->work |= WORK_SWITCH;
}

/* If this CPU's core is wanted it goes to the scheduler: at once if its VM only waits, else when
 * that has had a slice of the least length. */
/* model: wanted: is_wanted(); schedule: wake_call_scheduler() */
static void give_up_soon(void)
{
	struct percpu *cpu = this_cpu();

	if (!is_wanted(cpu->id))
		return;
	if (!cpu->vcpu || all_wait(cpu->vcpu)) {
		wake_call_scheduler();
		return;
	}
	timer_by(cpu->turn_begin + min_slice);
}

/* model: soon: give_up_soon() */
void wake_interrupt(void)
{
	give_up_soon();
}

/* A CPU that rests; -1: none. */
static int resting_cpu(void)
{
	for (unsigned i = 0; i < WAKE_CPU_WORDS; i++) {
		uint64_t word = __atomic_load_n(&resting[i], __ATOMIC_SEQ_CST);

		if (word)
			return (int)(64 * i + (unsigned)__builtin_ctzll(word));
	}
	return -1;
}

/* model:
 * awake: __atomic_fetch_and(&s->asleep; woken: set_bit(); look: cpu = resting_cpu();
 * interrupt: lapic_send(); soon: give_up_soon()
 */
void wake_vcpu(struct vm *vm, const struct vcpu *vcpu)
{
	struct vm_sched *s = &vm->sched;
	uint8_t bit = (uint8_t)(1U << vcpu->id), group = s->group[vcpu->id];
	uint8_t was = __atomic_fetch_and(&s->asleep, (uint8_t)~bit, __ATOMIC_SEQ_CST);
	int cpu = s->cpu[vcpu->id];

	/* Its turn comes by itself, or another poster has done this. */
	if (!(was & bit) || (group & ~was))
		return;
	set_bit(woken, vm->id * CONFIG_MAX_VCPUS + vcpu->id);
	/* If none rests, the poster's own VM pays. */
	if (cpu == SCHED_ANYWHERE)
		cpu = resting_cpu();
	if (cpu >= 0)
		lapic_send(topology[cpu].apic_id, HOST_VECTOR_WAKE);
	else
		give_up_soon();
}

/* model: resting: set_bit(); wanted: is_wanted() */
bool wake_begin_rest(void)
{
	unsigned id = this_cpu()->id;

	set_bit(resting, id);
	return is_wanted(id);
}

/* model: resting: clear_bit() */
void wake_end_rest(void)
{
	clear_bit(resting, this_cpu()->id);
}

/* model: waiting: __atomic_fetch_or(&s->waiting; rest: all_wait() */
bool wake_begin_wait(struct vcpu *vcpu)
{
	struct vm_sched *s = &vcpu->vm->sched;

	wake_stop_clock(vcpu->vm, vcpu->id);
	__atomic_fetch_or(&s->waiting, (uint8_t)(1U << vcpu->id), __ATOMIC_SEQ_CST);
	return all_wait(vcpu) && wake_begin_rest();
}

void wake_end_wait(struct vcpu *vcpu)
{
	struct vm_sched *s = &vcpu->vm->sched;

	wake_end_rest();
	__atomic_fetch_and(&s->waiting, (uint8_t) ~(1U << vcpu->id), __ATOMIC_SEQ_CST);
	wake_start_clock(vcpu->vm, vcpu->id);
	/* wake_check_slice() stops the clock of those that wait. */
	if (this_cpu()->sliced &&
	    (!this_cpu()->slice_end || this_cpu()->slice_end == this_cpu()->mc_next)) {
		this_cpu()->slice_end =
			timer_earlier(s->run_start[vcpu->id] + slice, this_cpu()->mc_next);
		timer_program(vcpu);
	}
}

bool wake_check_slice(uint64_t now)
{
	struct percpu *cpu = this_cpu();
	bool idle = !cpu->vcpu || all_wait(cpu->vcpu);

	if (!cpu->slice_end || now < cpu->slice_end)
		return false;
	if (mce_look(now) || cpu->slice_last || cpu->resched ||
	    (cpu->wake_at && now >= cpu->wake_at) || is_wanted(cpu->id)) {
		cpu->slice_end = 0; /* a time that has come is not armed again */
		wake_call_scheduler();
	} else {
		cpu->slice_end =
			timer_earlier(idle || !cpu->sliced ? 0 : now + slice, cpu->wake_at);
		cpu->slice_end = timer_earlier(cpu->slice_end, cpu->mc_next);
	}
	return true;
}

void wake_directed_yield(struct vcpu *vcpu)
{
	const struct vm_sched *s = &vcpu->vm->sched;
	unsigned count = vcpu->vm->vcpu_count;
	unsigned leader = topology[this_cpu()->id].leader;

#ifdef BREAK_no_directed_yield
	count = 0;
#endif
	for (unsigned i = 1; i < count; i++) {
		unsigned other = (vcpu->id + i) % count;
		int cpu = s->cpu[other];

		if ((s->group[vcpu->id] | s->asleep) >> other & 1 ||
		    __atomic_load_n(&vcpu_here(other)->attached, __ATOMIC_RELAXED) ||
		    (cpu != SCHED_ANYWHERE && topology[cpu].leader != leader))
			continue;
		this_cpu()->yields_to = (uint8_t)(other + 1);
		wake_call_scheduler();
		return;
	}
}

uint64_t wake_pending(unsigned word)
{
	return __atomic_load_n(&woken[word], __ATOMIC_SEQ_CST);
}

/* model: done: __atomic_fetch_and(&woken[word] */
void wake_done(unsigned word, uint64_t bits)
{
	__atomic_fetch_and(&woken[word], ~bits, __ATOMIC_SEQ_CST);
}

/* model: wanted: __atomic_exchange_n(&wanted[i] */
void wake_set_wanted(const uint64_t bits[WAKE_CPU_WORDS])
{
	for (unsigned i = 0; i < WAKE_CPU_WORDS; i++)
		__atomic_exchange_n(&wanted[i], bits[i], __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < WAKE_CPU_WORDS; i++) {
		uint64_t rest = __atomic_load_n(&resting[i], __ATOMIC_SEQ_CST);

		for (; rest; rest &= rest - 1) {
			unsigned id = 64 * i + (unsigned)__builtin_ctzll(rest);
			unsigned leader = topology[id].leader;

			if (bits[leader / 64] >> (leader % 64) & 1)
				lapic_send(topology[id].apic_id, HOST_VECTOR_WAKE);
		}
	}
}
