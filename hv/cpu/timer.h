/* SPDX-License-Identifier: MIT */
/*
 * This CPU's one timer, and all that wants to be woken by it: the guest's deadline
 * (vcpu_timer_arm() of drivers/guest/platform.h), its network cards' (vcpu.net_deadline), and the
 * scheduler's (percpu.slice_end).
 */
#ifndef HV_TIMER_H
#define HV_TIMER_H

#include "hv/base/types.h"

struct vcpu;

/** Of two times the earlier one, where 0 is never. */
static inline uint64_t timer_earlier(uint64_t a, uint64_t b)
{
	return a - 1 < b - 1 ? a : b;
}

/** Arms this CPU's timer for the vCPU's deadline (if the LAPIC is to fire it) and the end of the
 * core's time slice. */
ANY void timer_program(const struct vcpu *vcpu);

/** This CPU comes to the scheduler at @time, TSC, if not before. Any map; a time of 0 is none. */
ANY void timer_by(uint64_t time);

#endif
