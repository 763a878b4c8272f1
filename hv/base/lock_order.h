/* SPDX-License-Identifier: MIT */
/*
 * The order in which one CPU takes locks. Builds with -DDEBUG_LOCKS hold each CPU to it, and panic
 * with both names when it takes a lock whose rank is not above those of all that it holds.
 */
#ifndef HV_LOCK_ORDER_H
#define HV_LOCK_ORDER_H

#include "hv/base/types.h"

/** Lowest first. What each lock guards, and in which map it may be taken: docs/ARCHITECTURE.md. */
enum lock_rank {
	LOCK_UNRANKED, /* none: builds that check refuse it */
	LOCK_MONITOR,
	LOCK_POWER,
	LOCK_POLICY,
	LOCK_RUN,
	LOCK_DEVICES,
	LOCK_SCHEDULER,
	LOCK_VM,
	LOCK_WINDOW,
	LOCK_NETWORK,
	LOCK_FRAMES,
	LOCK_CONSOLE,
	LOCK_RANKS,
};

#ifdef DEBUG_LOCKS
/** This CPU takes a lock of @rank, or gives it back. hv/cpu/lock_order.c. */
ANY void lock_order_take(enum lock_rank rank);
ANY void lock_order_drop(enum lock_rank rank);
#endif

#endif
