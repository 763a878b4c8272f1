// SPDX-License-Identifier: MIT
/* The statistics of a VM as records. Everything read here is the VM's own, so it runs in either
 * map. */
#include "hv/flush.h"
#include "hv/record.h"
#include "hv/symbols.h"
#include "hv/vm.h"
#include "vmx/exit_reason.h"

static void print_counters(const char *key, const uint64_t *counters, const uint64_t *present)
{
	record_object(key);
	for (unsigned i = 0; i < HYPERCALL_STATS_REASONS; i++)
		if (present[i])
			record_u64(exit_reason_name(i), counters[i]);
	record_object_end();
}

static void print_site(const struct vm *vm, const struct escalation_site *site)
{
	char symbol[96];

	symbols_format(site->rip, symbol, sizeof(symbol));
	record_begin("escalation");
	record_str("vm", vm->name);
	record_str("cause", asi_cause_name((enum asi_cause)site->cause));
	record_str("exit", exit_reason_name(site->exit_reason));
	record_str("site", symbol);
	record_hex("rip", site->rip);
	record_hex("address", site->address);
	record_u64("count", site->count);
	record_end();
}

static uint64_t total_exits(const struct vcpu_stats *stats)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < HYPERCALL_STATS_REASONS; i++)
		total += stats->exits[i];
	return total;
}

void vm_print_stats(struct vm *vm)
{
	const struct vcpu_stats *stats = &vcpu_here(0)->stats;
	uint64_t total = total_exits(stats);
	bool restricts = flush_actions()->restricts;

	for (unsigned i = 0; i < vm->site_count; i++)
		print_site(vm, &vm->sites[i]);
	record_begin("stats");
	record_str("vm", vm->name);
	record_str("policy", policy_mode_name(flush_actions()->mode));
	record_u64("total", total);
	record_u64("restricted", restricts ? total - stats->exits_full : 0);
	record_u64("escalations", stats->escalations);
	record_u64("l1d_flush_msr", stats->l1d_flush[POLICY_L1D_MSR]);
	record_u64("l1d_flush_software", stats->l1d_flush[POLICY_L1D_SOFTWARE]);
	record_u64("verw", stats->verw);
	record_u64("predictor", stats->predictor);
	record_u64("ibpb", stats->ibpb);
	record_u64("injected", stats->injected);
	record_u64("halted_ticks", stats->halted_ticks);
	if (vm->sites_dropped)
		record_u64("sites_dropped", vm->sites_dropped);
	print_counters("exits", stats->exits, stats->exits);
	print_counters("ticks", stats->ticks, stats->exits);
	record_end();
}

void vm_copy_stats(const struct vcpu *vcpu, struct hypercall_stats *out)
{
	const struct vcpu_stats *stats = &vcpu->stats;
	uint64_t total = total_exits(stats);

	out->version = HYPERCALL_ABI_VERSION;
	out->size = sizeof(*out);
	out->exits = total;
	out->exits_restricted = flush_actions()->restricts ? total - stats->exits_full : 0;
	out->escalations = stats->escalations;
	out->l1d_flush_msr = stats->l1d_flush[POLICY_L1D_MSR];
	out->l1d_flush_software = stats->l1d_flush[POLICY_L1D_SOFTWARE];
	out->verw = stats->verw;
	out->injected = stats->injected;
	for (unsigned i = 0; i < HYPERCALL_STATS_REASONS; i++) {
		out->exits_by_reason[i] = stats->exits[i];
		out->ticks_by_reason[i] = stats->ticks[i];
	}
}
