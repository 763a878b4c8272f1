// SPDX-License-Identifier: MIT
#include "hv/sched/mitigation.h"

#include "drivers/host/lapic.h"
#include "hv/asi/actions.h"
#include "hv/asi/flush.h"
#include "hv/asi/stun.h"
#include "hv/asi/vulnerability.h"
#include "hv/base/boot.h"
#include "hv/base/errno.h"
#include "hv/base/global.h"
#include "hv/base/spinlock.h"
#include "hv/console/record.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"
#include "hv/sched/sched.h"

bool mitigation_changing GLOBAL_DATA("whether CPUs are waited for to follow a new policy");

static struct spinlock lock = SPINLOCK(LOCK_POLICY);
static uint32_t generation; /* how often the policy has changed */
static struct mitigation_choice chosen;
static struct policy_actions wanted;
/* What each choice resolves to, and why at boot: what the processor is does not change. */
static struct policy_actions resolved[HYPERCALL_POLICY_COUNT][2][2]; /* [mode][smt][paranoid] */
static struct policy_reason reasons[VULN_COUNT];

void mitigation_report(void)
{
	record_begin("policy");
	record_str("mode", policy_mode_name(wanted.mode));
	record_u64("generation", generation);
	record_str("l1d", policy_l1d_name(wanted.l1d));
	record_str("buffers", policy_buffers_name(wanted.buffers));
	record_bool("ibpb", wanted.ibpb);
	record_bool("rsb_fill", wanted.rsb_fill);
	record_str("bhb", policy_bhb_name(wanted.bhb));
	record_hex("spec_ctrl", wanted.spec_ctrl_host);
	record_bool("spec_ctrl_swap", wanted.spec_ctrl_swap);
	record_bool("stun", wanted.stun);
	record_bool("smt_unsafe", wanted.smt_unsafe);
	record_bool("smt", cpu_facts.smt && !wanted.parked);
	record_bool("paranoid", wanted.paranoid);
	for (unsigned i = 0; i < VULN_COUNT && generation == 0; i++) {
		record_object(reasons[i].name);
		record_bool("affected", reasons[i].affected);
		record_str("action", reasons[i].action);
		record_str("why", reasons[i].why);
		record_object_end();
	}
	record_end();
}

static void choose(const struct mitigation_choice *choice)
{
	chosen = *choice;
	wanted = resolved[choice->mode][choice->smt][choice->paranoid];
}

BOOT void mitigation_init(const struct config *config)
{
	struct policy_actions unused;

	for (unsigned i = 0; i < 4 * HYPERCALL_POLICY_COUNT; i++)
		policy_resolve(&cpu_facts, (enum hypercall_policy)(i / 4), cpu_facts.smt && (i & 2),
			       i & 1, &resolved[i / 4][i >> 1 & 1][i & 1], NULL);
	policy_resolve(&cpu_facts, config->mitigation, cpu_facts.smt && !config->smt_off,
		       config->paranoid, &unused, reasons);
	choose(&(struct mitigation_choice){ config->mitigation, config->paranoid,
					    !config->smt_off });
	mitigation_report();
}

const struct mitigation_choice *mitigation_chosen(void)
{
	return &chosen;
}

const struct policy_actions *mitigation_wants(void)
{
	return &wanted;
}

/* Flags are set and interrupts sent: the one for those that are about to sleep, the other for those
 * that sleep or run a guest. */
static void call_everybody(void)
{
	for (unsigned i = 0; i < cpu_count; i++) {
		sched_kick(i);
		if (cpus[i].online && i != this_cpu()->id)
			lapic_send(cpus[i].apic_id, HOST_VECTOR_KICK);
	}
}

int mitigation_request(const struct mitigation_choice *choice)
{
	int err = 0;

	if ((unsigned)choice->mode >= HYPERCALL_POLICY_COUNT)
		return -E_INVAL;
	spinlock_acquire(&lock);
	if (mitigation_is_changing()) {
		err = -E_BUSY;
	} else {
		choose(choice);
		generation++;
		__atomic_store_n(&mitigation_changing, true, __ATOMIC_SEQ_CST);
	}
	spinlock_release(&lock);
	if (!err)
		call_everybody();
	return err;
}

void mitigation_adopt(void)
{
	this_cpu()->actions = wanted;
	this_cpu()->policy_generation = generation;
	flush_init_cpu();
}

/* A core that has failed closed runs no guest under any policy. */
static bool follows(unsigned id)
{
	return !cpus[id].online || cpus[id].percpu->policy_generation == generation ||
	       percpu_core_is_closed(id);
}

static bool all_follow(void)
{
	for (unsigned i = 0; i < cpu_count; i++)
		if (!follows(i))
			return false;
	return true;
}

void mitigation_follow(void)
{
	struct percpu *cpu = this_cpu();
	bool over = false;

	if (!mitigation_is_changing())
		return;
	spinlock_acquire(&lock);
	mitigation_adopt();
	if (mitigation_is_changing() && all_follow()) {
		over = true;
		sched_replace(chosen.smt);
		mitigation_report();
		__atomic_store_n(&mitigation_changing, false, __ATOMIC_SEQ_CST);
	}
	spinlock_release(&lock);
	if (flush_actions()->stun)
		stun_hold(cpu);
	else
		stun_release(cpu);
	if (over)
		call_everybody();
}
