/* SPDX-License-Identifier: MIT */
/* Ticket-free test-and-set lock: held for a few hundred instructions at most, with interrupts off.
 */
#ifndef HV_SPINLOCK_H
#define HV_SPINLOCK_H

#include "hv/base/panic.h"
#include "hv/base/types.h"

struct spinlock {
	uint32_t held;
};

/** Takes the lock, spinning. Any map that maps the lock. */
static inline void spinlock_acquire(struct spinlock *lock)
{
	/* `make UNLOCKED=file` takes a file's locks away, which tests have to notice. */
#ifdef BREAK_unlocked
	(void)lock;
#else
	while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
#endif
}

/** Takes the lock if nobody has it. For one that is held while interrupts are taken: whoever wants
 * it has something better to do than to wait. */
static inline bool spinlock_try(struct spinlock *lock)
{
#ifdef BREAK_unlocked
	(void)lock;
	return true;
#else
	return !__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE);
#endif
}

/** Releases the lock. */
static inline void spinlock_release(struct spinlock *lock)
{
#ifdef BREAK_unlocked
	(void)lock;
#else
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
#endif
}

/** What follows touches data that @lock guards: builds with -DDEBUG_LOCKS panic if nobody holds it.
 */
static inline void spinlock_assert(const struct spinlock *lock)
{
#ifdef DEBUG_LOCKS
	ASSERT(__atomic_load_n(&lock->held, __ATOMIC_RELAXED));
#else
	(void)lock;
#endif
}

#endif
