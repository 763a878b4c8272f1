// SPDX-License-Identifier: MIT
#include "hv/asi/stun.h"

#include "drivers/host/lapic.h"
#include "hv/asi/flush.h"
#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/global.h"
#include "hv/base/histogram.h"
#include "hv/base/panic.h"
#include "hv/base/patience.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/vcpu.h"

/*
 * An acknowledgement takes a VM exit, some hundred nanoseconds, as interrupts exit whatever the
 * guest's flag says. The bound is far beyond what an SMI takes, and on time that this CPU has seen
 * pass (hv/base/patience.h). Under another hypervisor the sibling may be kept from running
 * meanwhile, for as long as that one's scheduler, a quota or its swapping take; to wait is safe,
 * and to close a core is for good.
 */
#define LET_PASS_US 50
#define ACK_BOUND_US 200000
#define ACK_BOUND_NESTED_US 30000000
#define ACK_GRAIN_US 100

static struct stun_gate gates[PERCPU_MAX] GLOBAL_DATA("who runs a guest: what stunning is about");
static uint64_t ticks_per_us GLOBAL_DATA("the clock's frequency");
static uint64_t ack_bound_us GLOBAL_DATA("a bound that the source tells");

struct stun_gate *stun_gate(unsigned id)
{
	return &gates[id];
}

BOOT void stun_init_cpu(void)
{
	struct percpu *cpu = this_cpu();

	ticks_per_us = cpu_facts.tsc_hz / 1000000 + 1;
	ack_bound_us = cpu_facts.hypervisor ? ACK_BOUND_NESTED_US : ACK_BOUND_US;
	for (unsigned i = 0; i < cpu_count && cpu->sibling_count < PERCPU_MAX_SIBLINGS; i++)
		if (cpus[i].core == cpu->core && i != cpu->id)
			cpu->siblings[cpu->sibling_count++] =
				(struct percpu_sibling){ i, cpus[i].apic_id };
	stun_hold(cpu);
}

static bool in_guest(const struct stun_gate *gate)
{
	return __atomic_load_n(&gate->word, __ATOMIC_ACQUIRE) & STUN_IN_GUEST;
}

/*
 * The gates stay shut for ever, so no guest runs on this core again. Nothing sensitive was touched,
 * nor may it be while this is told: the silent sibling may still be in its guest.
 */
/* model: closed: closed = true; halt: halt_forever() */
static _Noreturn void fail_closed(unsigned sibling)
{
	this_cpu()->closed = true;
	panic_tell_closed(sibling);
	halt_forever();
}

/* One that is idle takes this too, and nothing happens. */
static void interrupt_sibling(const struct percpu_sibling *sibling)
{
#ifndef BREAK_deaf
	lapic_send(sibling->apic_id, HOST_VECTOR_STUN);
#else
	(void)sibling;
#endif
}

/* Until @sibling is out of its guest; false: it is silent. */
/* model: out: in_guest(); bound: patience_is_over() */
static bool wait_for_ack(const struct percpu_sibling *sibling)
{
#ifndef BREAK_skip_ack
	struct patience patience =
		patience_of(ack_bound_us * ticks_per_us, ACK_GRAIN_US * ticks_per_us);

	while (in_guest(&gates[sibling->id])) {
		if (patience_is_over(&patience))
			return false;
		cpu_relax();
	}
#else
	(void)sibling;
	(void)in_guest;
#endif
	return true;
}

/*
 * Whoever goes to full again and again at the pace of the other's polling would keep its gate shut
 * for ever: one that waits comes first. Bounded, since a third thread may hold that gate too; a
 * clock that leaps ends only this courtesy.
 */
static void let_pass(const struct stun_gate *gate)
{
	uint64_t start = rdtsc();

	while (__atomic_load_n(&gate->waited_for, __ATOMIC_ACQUIRE) &&
	       rdtsc() - start < LET_PASS_US * ticks_per_us)
		cpu_relax();
}

/* model:
 * closed: if (cpu->closed); again: if (cpu->holding); holding: cpu->holding = true;
 * count: __atomic_fetch_sub(&gates[cpu->siblings[i].id].word; interrupt: interrupt_sibling();
 * wait: wait_for_ack()
 */
void stun_hold(struct percpu *cpu)
{
	struct vcpu *vcpu = cpu->vcpu;
	uint32_t running = 0;
	unsigned sent = 0;
	uint64_t start;

	/* On the way to full once more, from within the report: held, but not acknowledged. */
	if (cpu->closed)
		halt_forever();
	if (cpu->holding)
		return;
	for (unsigned i = 0; i < cpu->sibling_count; i++)
		let_pass(&gates[cpu->siblings[i].id]);
	cpu->holding = true;
	/* The subtraction is a fence too: what follows it is seen by nobody before it. */
	for (unsigned i = 0; i < cpu->sibling_count; i++)
		if (__atomic_fetch_sub(&gates[cpu->siblings[i].id].word, STUN_HOLD,
				       __ATOMIC_SEQ_CST) &
		    STUN_IN_GUEST)
			running |= 1U << i;
	if (likely(!running))
		return;
	start = rdtsc();
	for (unsigned i = 0; i < cpu->sibling_count; i++)
		if (running >> i & 1) {
			interrupt_sibling(&cpu->siblings[i]);
			sent++;
		}
	for (unsigned i = 0; i < cpu->sibling_count; i++)
		if ((running >> i & 1) && !wait_for_ack(&cpu->siblings[i]))
			fail_closed(cpu->siblings[i].id);
	if (vcpu) {
		histogram_add(&vcpu->stats.stun_wait, rdtsc() - start);
		vcpu->stats.stuns_sent += sent;
	}
}

bool stun_keeps_waiting(const struct percpu *cpu)
{
	for (unsigned i = 0; i < cpu->sibling_count; i++)
		if (__atomic_load_n(&gates[cpu->siblings[i].id].waited_for, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

/* model:
 * not: if (!cpu->holding); count: __atomic_fetch_add(&gates[cpu->siblings[i].id].word;
 * holding: cpu->holding = false
 */
void stun_release(struct percpu *cpu)
{
	if (!cpu->holding)
		return;
	for (unsigned i = 0; i < cpu->sibling_count; i++)
		__atomic_fetch_add(&gates[cpu->siblings[i].id].word, STUN_HOLD, __ATOMIC_SEQ_CST);
	cpu->holding = false;
}

bool stun_for_good(struct percpu *cpu)
{
	if (!flush_actions()->stun)
		return true;
	for (unsigned i = 0; i < cpu->sibling_count; i++) {
		__atomic_fetch_sub(&gates[cpu->siblings[i].id].word, STUN_HOLD, __ATOMIC_SEQ_CST);
		interrupt_sibling(&cpu->siblings[i]);
	}
	for (unsigned i = 0; i < cpu->sibling_count; i++)
		if (!wait_for_ack(&cpu->siblings[i])) {
			cpu->closed = true;
			return false;
		}
	return true;
}

/* model: out: __atomic_store_n((uint32_t *)&vcpu->gate->word */
void stun_left_guest(struct vcpu *vcpu)
{
	/* The low half only: siblings change the high one meanwhile. */
	__atomic_store_n((uint32_t *)&vcpu->gate->word, 0, __ATOMIC_RELEASE);
}

/* model: out: stun_left_guest(); shut: __atomic_compare_exchange_n(&gate->word */
void stun_wait(struct vcpu *vcpu)
{
	struct stun_gate *gate = vcpu->gate;
	uint64_t start = rdtsc();
	int64_t open = 0;

	stun_left_guest(vcpu);
	__atomic_store_n(&gate->waited_for, true, __ATOMIC_SEQ_CST);
	while (!__atomic_compare_exchange_n(&gate->word, &open, STUN_IN_GUEST, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		open = 0;
		cpu_relax();
	}
	__atomic_store_n(&gate->waited_for, false, __ATOMIC_RELEASE);
	vcpu->stats.stunned++;
	vcpu->stats.stunned_ticks += rdtsc() - start;
}
