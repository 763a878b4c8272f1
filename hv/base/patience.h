/* SPDX-License-Identifier: MIT */
/*
 * A bound on waiting that counts only what this CPU has itself seen pass. The TSC also counts what
 * nobody here saw: an SMI, a virtual machine that is stopped for seconds or whose CPU the outer
 * hypervisor gives to others. So of the time between two looks no more than a grain is charged. Any
 * map.
 */
#ifndef HV_PATIENCE_H
#define HV_PATIENCE_H

#include "hv/base/asm.h"

struct patience {
	uint64_t left, grain, last; /* ticks, ticks, TSC */
};

/** Begins to wait for @ticks; who looks less often than every @grain ticks waits longer. */
static inline struct patience patience_of(uint64_t ticks, uint64_t grain)
{
	return (struct patience){ ticks, grain, rdtsc() };
}

/** Has the time gone by? To be asked again and again. */
static inline bool patience_is_over(struct patience *p)
{
	uint64_t now = rdtsc(), passed = now - p->last;

	p->last = now;
	if (passed > p->grain)
		passed = p->grain;
	p->left -= passed < p->left ? passed : p->left;
	return !p->left;
}

#endif
