/* SPDX-License-Identifier: MIT */
/* The flush primitives: what empties the core's L1D and its fill, store and load buffers. */
#ifndef HV_FLUSH_H
#define HV_FLUSH_H

#include "hv/policy.h"
#include "hv/types.h"

/** Allocates the buffer that the software L1D flush reads; publishes @resolved. Full map, once.
 * Returns 0 or -E_NOMEM. */
int flush_init(const struct policy_actions *resolved);

/** What the policy resolved to; visible everywhere. */
const struct policy_actions *flush_actions(void);

struct vcpu_stats;

/**
 * Flushes what the actions name, L1D first and the buffers last, and counts it in @stats (may be
 * NULL). Either map (in restricted, what it reads is harmless and is what remains cached).
 */
void flush_core(struct vcpu_stats *stats);

#endif
