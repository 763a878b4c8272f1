// SPDX-License-Identifier: MIT
/* The local APIC's timer: one-shot, periodic and by TSC deadline; SDM 10.5.4. */
#include "drivers/guest/irq/lapic_internal.h"

enum { TIMER_ONE_SHOT = 0, TIMER_PERIODIC = 1, TIMER_DEADLINE = 2 };

/* A period shorter than this would keep the vCPU in its timer handler for ever. */
#define MIN_PERIOD_TICKS 2000

static unsigned timer_mode(const struct vlapic *a)
{
	return VLAPIC(a, LAPIC_LVT_TIMER) >> 17 & 3;
}

/*
 * Ticks of the TSC for one of the timer: the bus clock is the TSC (CPUID leaf 15H says so),
 * divided.
 */
static unsigned divide_shift(const struct vlapic *a)
{
	unsigned code =
		(VLAPIC(a, LAPIC_TIMER_DIVIDE) & 3) | (VLAPIC(a, LAPIC_TIMER_DIVIDE) >> 1 & 4);

	return (code + 1) & 7;
}

static uint64_t period(const struct vlapic *a)
{
	uint64_t ticks = (uint64_t)VLAPIC(a, LAPIC_TIMER_INITIAL) << divide_shift(a);

	return ticks < MIN_PERIOD_TICKS && timer_mode(a) == TIMER_PERIODIC ? MIN_PERIOD_TICKS
									   : ticks;
}

void vlapic_timer_set_initial(struct vcpu *vcpu, uint32_t count)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	if (timer_mode(a) == TIMER_DEADLINE)
		return;
	VLAPIC(a, LAPIC_TIMER_INITIAL) = count;
	a->timer_start = vcpu_tsc(vcpu);
	vcpu_timer_arm(vcpu, count ? a->timer_start + period(a) : 0);
}

uint32_t vlapic_timer_current(struct vcpu *vcpu)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);
	uint64_t elapsed, count = VLAPIC(a, LAPIC_TIMER_INITIAL);

	if (!count)
		return 0;
	elapsed = (vcpu_tsc(vcpu) - a->timer_start) >> divide_shift(a);
	if (elapsed < count)
		return (uint32_t)(count - elapsed);
	return timer_mode(a) == TIMER_PERIODIC ? (uint32_t)(count - elapsed % count) : 0;
}

/* The new rate counts from the start of the current round. */
void vlapic_timer_set_divide(struct vcpu *vcpu, uint32_t divide)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	bool counting = vlapic_timer_current(vcpu) != 0;

	VLAPIC(a, LAPIC_TIMER_DIVIDE) = divide;
	if (counting)
		vcpu_timer_arm(vcpu, a->timer_start + period(a));
}

void vlapic_timer_set_lvt(struct vcpu *vcpu, uint32_t lvt)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	unsigned old = timer_mode(a);

	VLAPIC(a, LAPIC_LVT_TIMER) = lvt;
	if (timer_mode(a) != old && (timer_mode(a) == TIMER_DEADLINE || old == TIMER_DEADLINE)) {
		VLAPIC(a, LAPIC_TIMER_INITIAL) = 0;
		a->tsc_deadline = 0;
		vcpu_timer_arm(vcpu, 0);
	}
}

void vlapic_timer_expired(struct vcpu *vcpu)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	if (timer_mode(a) == TIMER_DEADLINE) {
		a->tsc_deadline = 0;
	} else if (timer_mode(a) == TIMER_PERIODIC && VLAPIC(a, LAPIC_TIMER_INITIAL)) {
		uint64_t step = period(a), now = vcpu_tsc(vcpu);

		/* Ticks that were missed are not made up for. */
		a->timer_start += step;
		if (now - a->timer_start >= step)
			a->timer_start = now;
		vcpu_timer_arm(vcpu, a->timer_start + step);
	}
	if (!(VLAPIC(a, LAPIC_LVT_TIMER) & LAPIC_LVT_MASKED))
		vlapic_accept(vcpu, (uint8_t)VLAPIC(a, LAPIC_LVT_TIMER), false);
}

void vlapic_write_tsc_deadline(struct vcpu *vcpu, uint64_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	if (unlikely(timer_mode(a) != TIMER_DEADLINE))
		return;
	a->tsc_deadline = value;
	vcpu_timer_arm(vcpu, value);
}

void vlapic_tsc_moved(struct vcpu *vcpu, uint64_t delta)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	a->timer_start += delta;
	if (a->tsc_deadline)
		vcpu_timer_arm(vcpu, a->tsc_deadline);
}
