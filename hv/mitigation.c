// SPDX-License-Identifier: MIT
#include "hv/mitigation.h"

#include "drivers/host/lapic.h"
#include "hv/errno.h"
#include "hv/flush.h"
#include "hv/global.h"
#include "hv/interrupt.h"
#include "hv/percpu.h"
#include "hv/record.h"
#include "hv/sched.h"
#include "hv/spinlock.h"

static uint32_t generation GLOBAL_DATA("how often the policy has changed");
static bool changing GLOBAL_DATA("whether all CPUs follow it");

static struct spinlock lock;
static struct policy_actions wanted;
static struct policy_reason reasons[VULN_COUNT];
static unsigned adopters; /* CPUs that have adopted the newest generation */
static bool smt_possible, is_paranoid;

static void print_record(void)
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
	record_bool("smt", cpu_facts.smt);
	record_bool("paranoid", is_paranoid);
	/* What the CPU is does not change. */
	for (unsigned i = 0; i < VULN_COUNT && generation == 0; i++) {
		record_object(reasons[i].name);
		record_bool("affected", reasons[i].affected);
		record_str("action", reasons[i].action);
		record_str("why", reasons[i].why);
		record_object_end();
	}
	record_end();
}

static void resolve(enum config_mitigation mode, bool paranoid)
{
	is_paranoid = paranoid;
	policy_resolve(&cpu_facts, mode, smt_possible, paranoid, &wanted, reasons);
}

void mitigation_init(const struct config *config, bool smt)
{
	smt_possible = smt;
	resolve(config->mitigation, config->paranoid);
	print_record();
}

static unsigned online_count(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < cpu_count; i++)
		count += cpus[i].online;
	return count;
}

bool mitigation_is_changing(void)
{
	return __atomic_load_n(&changing, __ATOMIC_ACQUIRE);
}

bool mitigation_is_stale(void)
{
	return __atomic_load_n(&generation, __ATOMIC_ACQUIRE) != this_cpu()->policy_generation;
}

int mitigation_request(enum config_mitigation mode, bool paranoid)
{
	if ((unsigned)mode > CONFIG_MITIGATION_ASI_STUN)
		return -E_INVAL;
	spinlock_acquire(&lock);
	if (mitigation_is_changing()) {
		spinlock_release(&lock);
		return -E_BUSY;
	}
	resolve(mode, paranoid);
	adopters = 0;
	changing = true;
	__atomic_store_n(&generation, generation + 1, __ATOMIC_RELEASE);
	spinlock_release(&lock);
	for (unsigned i = 0; i < cpu_count; i++) {
		sched_kick(i);
		if (cpus[i].online)
			lapic_send(cpus[i].apic_id, HOST_VECTOR_KICK);
	}
	return 0;
}

void mitigation_adopt(void)
{
	spinlock_acquire(&lock);
	this_cpu()->actions = wanted;
	this_cpu()->policy_generation = generation;
	flush_init_cpu();
	/* Before the next change can begin. */
	if (++adopters == online_count() && changing) {
		print_record();
		__atomic_store_n(&changing, false, __ATOMIC_RELEASE);
	}
	spinlock_release(&lock);
}
