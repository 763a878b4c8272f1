// SPDX-License-Identifier: MIT
/* The statistics of a VM as records. Everything read here is the VM's own, so that it runs in
 * either map. */
#include "hv/life/stats.h"

#include "drivers/guest/net/frame_queue.h"
#include "drivers/guest/platform.h"
#include "hv/asi/actions.h"
#include "hv/asi/asi.h"
#include "hv/asi/flush.h"
#include "hv/asi/object.h"
#include "hv/asi/policy.h"
#include "hv/base/histogram.h"
#include "hv/base/hypercall_abi.h"
#include "hv/base/string.h"
#include "hv/base/symbols.h"
#include "hv/console/record.h"
#include "hv/cpu/stack.h"
#include "hv/sched/wake.h"
#include "hv/vm/breathe.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "vmx/exit_reason.h"

/* Meanwhile the stack may have been zeroed, whose depth is the caller's again. */
static inline void pause(void)
{
	vm_breathe();
	stack_goes_deep();
}

/* So many members of a record between two looks at what else is to be done. */
#define MEMBERS_A_PIECE 8

static void print_counters(const char *key, const uint64_t *counters, const uint64_t *present)
{
	unsigned members = 0;

	stack_goes_deep();
	record_object(key);
	for (unsigned i = 0; i < HYPERCALL_STATS_REASONS; i++) {
		if (!present[i])
			continue;
		record_u64(exit_reason_name(i), counters[i]);
		if (++members % MEMBERS_A_PIECE == 0)
			pause();
	}
	record_object_end();
}

static void print_site(const struct vm *vm, const struct vcpu *vcpu,
		       const struct escalation_site *site)
{
	char symbol[96], object[96];

	symbols_format(site->rip, symbol, sizeof(symbol));
	object_name(site, object, sizeof(object));
	record_begin("escalation");
	record_str("vm", vm->name);
	if (vm->vcpu_count > 1)
		record_u64("vcpu", vcpu->id);
	record_str("cause", asi_cause_name((enum asi_cause)site->cause));
	record_str("exit", exit_reason_name(site->exit_reason));
	record_str("site", symbol);
	record_hex("rip", site->rip);
	record_hex("address", site->address);
	record_str("class", object_class(site));
	record_str("object", object);
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

#define ADD(name, how, whom) sum->name += s->name;

/* Over all vCPUs; those that run meanwhile may be a few exits ahead. */
static void sum_up(const struct vm *vm, struct vcpu_stats *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		const struct vcpu_stats *s = &vcpu_here(i)->stats;

		for (unsigned j = 0; j < HYPERCALL_STATS_REASONS; j++) {
			sum->exits[j] += s->exits[j];
			sum->ticks[j] += s->ticks[j];
		}
		VCPU_COUNTERS(ADD)
		histogram_merge(&sum->stun_wait, &s->stun_wait);
	}
}

static uint64_t run_ticks(const struct vm *vm)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < vm->vcpu_count; i++)
		sum += vm_run_ticks(vm, i);
	return sum;
}

static uint64_t restricted(const struct vcpu_stats *stats)
{
	return flush_actions()->restricts ? total_exits(stats) - stats->exits_full : 0;
}

static void print_stun(const struct vcpu_stats *stats)
{
	record_object("stun");
	record_u64("sent", stats->stuns_sent);
	record_u64("wait_min", stats->stun_wait.min);
	record_u64("wait_median", histogram_percentile(&stats->stun_wait, 50));
	record_u64("wait_p99", histogram_percentile(&stats->stun_wait, 99));
	record_u64("stunned", stats->stunned);
	record_u64("stunned_ticks", stats->stunned_ticks);
	record_object_end();
}

/* Frames since the VM was built; what is lost came in vain. */
static void print_net(const struct vm *vm)
{
	uint64_t sent = 0, packets = 0, refused = 0, received = 0, lost = 0;

	for (unsigned i = 0; i < vm->nic_count; i++) {
		const struct frame_queue *outbox = vm_net_outbox(VM_HERE, i);
		const struct frame_queue *inbox = vm_net_inbox(VM_HERE, i);

		sent += outbox->frames;
		packets += outbox->packets;
		refused += outbox->dropped + outbox->refused;
		received += inbox->frames;
		lost += inbox->dropped + inbox->refused;
	}
	record_object("net");
	record_u64("sent", sent);
	record_u64("packets", packets);
	record_u64("refused", refused);
	record_u64("received", received);
	record_u64("lost", lost);
	record_object_end();
}

#define PRINT_PLAIN(name) record_u64(#name, stats.name);
#define PRINT_APART(name)
#define PRINT(name, how, whom) PRINT_##how(name)

static void print_summary(const struct vm *vm)
{
	struct vcpu_stats stats;
	uint64_t dropped = 0;

	stack_goes_deep();
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		dropped += vcpu_here(i)->sites_dropped;
	sum_up(vm, &stats);
	pause();
	record_begin("stats");
	record_str("vm", vm->name);
	record_str("policy", policy_mode_name(flush_actions()->mode));
	record_u64("total", total_exits(&stats));
	record_u64("restricted", restricted(&stats));
	VCPU_COUNTERS(PRINT)
	record_u64("run_ticks", run_ticks(vm));
	pause();
	if (flush_actions()->stun)
		print_stun(&stats);
	if (vm->nic_count)
		print_net(vm);
	if (dropped)
		record_u64("sites_dropped", dropped);
	print_counters("exits", stats.exits, stats.exits);
	stack_goes_deep();
	print_counters("ticks", stats.ticks, stats.exits);
	stack_goes_deep();
	record_end();
}

bool vm_print_stats_piece(const struct vm *vm, unsigned *at)
{
	unsigned id = *at / VM_MAX_ESCALATION_SITES, site = *at % VM_MAX_ESCALATION_SITES;

	while (id < vm->vcpu_count && site >= vcpu_here(id)->site_count) {
		id++;
		site = 0;
	}
	*at = id * VM_MAX_ESCALATION_SITES + site + 1;
	if (id < vm->vcpu_count)
		print_site(vm, vcpu_here(id), &vcpu_here(id)->sites[site]);
	else
		print_summary(vm);
	return id == vm->vcpu_count;
}

void vm_print_stats(const struct vm *vm)
{
	unsigned at = 0;
	bool done;

	do {
		done = vm_print_stats_piece(vm, &at);
		vm_breathe();
	} while (!done);
}

#define COPY_GUEST(name) out->name = stats.name;
#define COPY_OWN(name)
#define COPY(name, how, whom) COPY_##whom(name)

void vm_copy_stats(const struct vm *vm, struct hypercall_stats *out)
{
	struct vcpu_stats stats;

	sum_up(vm, &stats);
	out->version = HYPERCALL_ABI_VERSION;
	out->size = sizeof(*out);
	out->exits = total_exits(&stats);
	out->exits_restricted = restricted(&stats);
	VCPU_COUNTERS(COPY)
	for (unsigned i = 0; i < HYPERCALL_STATS_REASONS; i++) {
		out->exits_by_reason[i] = stats.exits[i];
		out->ticks_by_reason[i] = stats.ticks[i];
	}
	out->stun_wait_min = stats.stun_wait.min;
	out->stun_wait_median = histogram_percentile(&stats.stun_wait, 50);
	out->stun_wait_p99 = histogram_percentile(&stats.stun_wait, 99);
	out->run_ticks = run_ticks(vm);
}

void vcpu_reset_stats(struct vcpu *vcpu)
{
	memset(&vcpu->stats, 0, sizeof(vcpu->stats));
	vcpu->site_count = 0;
	vcpu->sites_dropped = 0;
	vcpu->printed = 0;
}
