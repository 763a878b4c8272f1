// SPDX-License-Identifier: MIT
#include "hv/asi/asi.h"

#include "hv/asi/flush.h"
#include "hv/asi/object.h"
#include "hv/asi/stun.h"
#include "hv/base/asm.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/vm/vcpu.h"
#include "mm/pgtable.h"

#define CAUSE_TEXT(name, text, object) text,
static const char *const cause_names[] = { ASI_CAUSES(CAUSE_TEXT) };

#define PF_PRESENT BIT(0)
#define PF_RESERVED BIT(3)

const char *asi_cause_name(enum asi_cause cause)
{
	return cause_names[cause];
}

/* Everything written here lies in the running VM's own window. Full map: what is found out about a
 * new site is sensitive. */
static void account(struct vcpu *vcpu, enum asi_cause cause, uint64_t rip, uint64_t address)
{
	struct escalation_site *site = NULL;

	vcpu->stats.escalations++;
	if (!vcpu->escalated) {
		vcpu->escalated = true;
		vcpu->stats.exits_full++;
	}
	for (unsigned i = 0; i < vcpu->site_count && !site; i++) {
		if (vcpu->sites[i].rip == rip && vcpu->sites[i].cause == cause &&
		    vcpu->sites[i].exit_reason == vcpu->exit_reason)
			site = &vcpu->sites[i];
	}
	if (!site && vcpu->site_count == VM_MAX_ESCALATION_SITES) {
		vcpu->sites_dropped++;
		return;
	}
	if (!site) {
		site = &vcpu->sites[vcpu->site_count++];
		site->rip = rip;
		site->cause = cause;
		site->exit_reason = vcpu->exit_reason;
		site->address = address;
		site->count = 0;
		object_identify(site, this_cpu()->id);
	}
	site->count++;
}

/* model: hold: stun_hold(); root: cr3_full; work: cpu->vcpu->work |= WORK_ASI */
static void leave(struct percpu *cpu, enum asi_cause cause, uint64_t rip, uint64_t address)
{
	bool defended = flush_predictor();

	if (flush_actions()->stun)
		stun_hold(cpu);
	write_cr3(cpu->cr3_full);
	cpu->asi_state = ASI_FULL;
	/* Where exits land in full, this only ends a wait, and the next entry is made from there.
	 */
	if (cpu->vcpu && flush_actions()->restricts) {
		cpu->vcpu->work |= WORK_ASI;
		cpu->vcpu->stats.predictor += defended;
		account(cpu->vcpu, cause, rip, address);
	}
}

/* model: leave: leave() */
void asi_exit(enum asi_cause cause)
{
	struct percpu *cpu = this_cpu();

	stack_look();
	if (cpu->asi_state == ASI_RESTRICTED)
		leave(cpu, cause, (uint64_t)__builtin_return_address(0), 0);
	else if (cpu->vcpu && flush_actions()->conditional)
		cpu->vcpu->work |= WORK_FLUSH;
}

/* One place, where tools stop to look. */
/* model:
 * root: cr3_restricted; flush: flush_core(); release: stun_release();
 * work: vcpu->work &= ~(uint32_t)WORK_ASI
 */
__attribute__((noinline)) void asi_enter(void)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = cpu->vcpu;

#ifdef BREAK_release_first
	stun_release(cpu);
#endif
	/* While speculation may bring it back, it is not there any more. */
	stack_scrub();
	/* The root goes first: what the flush leaves in the caches must come from restricted memory
	 * only. */
	write_cr3(cpu->cr3_restricted);
#ifndef BREAK_skip_flush
	flush_core(vcpu ? &vcpu->stats : NULL);
#endif
	cpu->asi_state = ASI_RESTRICTED;
	/* From here on a sibling may run its guest. */
	stun_release(cpu);
	if (vcpu)
		vcpu->work &= ~(uint32_t)WORK_ASI;
}

/* model: enter: asi_enter() */
void asi_rest(void)
{
	struct percpu *cpu = this_cpu();

	if (!flush_actions()->restricts && !flush_actions()->stun)
		stun_release(cpu);
	else if (cpu->asi_state == ASI_FULL)
		asi_enter();
}

void asi_wake(void)
{
	if (!flush_actions()->restricts)
		asi_exit(ASI_CAUSE_SCHEDULE);
}

/* The page-walk code and the tables are sensitive, so this runs in full. */
static bool full_maps(unsigned cpu, uint64_t address)
{
	struct pg_leaf leaf;

	return pgtable_walk(&cpus[cpu].pair.full, address, &leaf);
}

bool asi_handle_fault(const struct exception_frame *frame)
{
	struct percpu *cpu = this_cpu();
	uint64_t address = read_cr2();

	if (cpu->asi_state != ASI_RESTRICTED || cpu->in_nmi ||
	    (frame->error & (PF_PRESENT | PF_RESERVED)))
		return false;
	stack_look();
	leave(cpu, ASI_CAUSE_FAULT, frame->rip, address);
	if (cpu->vcpu)
		cpu->vcpu->work |= WORK_CR2;
	return full_maps(cpu->id, address);
}
