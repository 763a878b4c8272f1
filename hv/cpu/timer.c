// SPDX-License-Identifier: MIT
#include "hv/cpu/timer.h"

#include "drivers/guest/platform.h"
#include "drivers/host/lapic.h"
#include "hv/config/boot_state.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"

/*
 * The guest's clock runs behind the host's by a start time (or, if it was set forward, ahead of
 * it). A sum that wraps is a time that never comes; a difference that wraps one that is over.
 */
static uint64_t host_deadline(const struct vcpu *vcpu, uint64_t guest_tsc)
{
	uint64_t host = guest_tsc - vcpu->tsc_offset;

	if (likely((int64_t)vcpu->tsc_offset <= 0))
		return unlikely(host < guest_tsc) ? UINT64_MAX : host;
	return host > guest_tsc ? 1 : host;
}

void vcpu_timer_arm(struct vcpu *vcpu, uint64_t guest_tsc)
{
	uint64_t deadline = guest_tsc ? host_deadline(vcpu, guest_tsc) : 0;

	vcpu->timer_deadline = deadline;
	if (likely(vcpu->vm->timer == VM_TIMER_DEADLINE))
		lapic_arm(timer_earlier(timer_earlier(deadline, vcpu->net_deadline),
					this_cpu()->slice_end));
}

void timer_program(const struct vcpu *vcpu)
{
	uint64_t deadline = 0;

	/* The preemption timer counts in guest mode only: while halted, this one stands in. */
	if (vcpu && (vcpu->vm->timer == VM_TIMER_DEADLINE || (vcpu->work & WORK_HALT)))
		deadline = vcpu->timer_deadline;
	if (vcpu)
		deadline = timer_earlier(deadline, vcpu->net_deadline);
	lapic_arm(timer_earlier(deadline, this_cpu()->slice_end));
}

/* model: soon: cpu->slice_last = true */
void timer_by(uint64_t time)
{
	struct percpu *cpu = this_cpu();

	if (!time)
		return;
	cpu->slice_end = timer_earlier(cpu->slice_end, time);
	cpu->slice_last = true;
	if (cpu->vcpu)
		timer_program(cpu->vcpu);
}
