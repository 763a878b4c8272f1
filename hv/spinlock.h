/* SPDX-License-Identifier: MIT */
/* Ticket-free test-and-set lock: held for a few hundred instructions at most, with interrupts off.
 */
#ifndef HV_SPINLOCK_H
#define HV_SPINLOCK_H

#include "hv/types.h"

struct spinlock {
	uint32_t held;
};

/** Takes the lock, spinning. Any map that maps the lock. */
static inline void spinlock_acquire(struct spinlock *lock)
{
	while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

/** Releases the lock. */
static inline void spinlock_release(struct spinlock *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif
