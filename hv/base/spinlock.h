/* SPDX-License-Identifier: MIT */
/* Ticket-free test-and-set lock: held for a few hundred instructions at most, with interrupts off.
 */
#ifndef HV_SPINLOCK_H
#define HV_SPINLOCK_H

#include "hv/base/lock_order.h"
#include "hv/base/panic.h"
#include "hv/base/types.h"

struct spinlock {
	uint32_t held;
#ifdef DEBUG_LOCKS
	enum lock_rank rank;
#endif
};

/* A lock that nobody holds; and what is done to hold CPUs to the order. */
#ifdef DEBUG_LOCKS
#define SPINLOCK(lock_rank)                                                                        \
	{                                                                                          \
		.rank = (lock_rank)                                                                \
	}
#define SPINLOCK_TAKE(lock) lock_order_take((lock)->rank)
#define SPINLOCK_DROP(lock) lock_order_drop((lock)->rank)
#else
#define SPINLOCK(lock_rank)                                                                        \
	{                                                                                          \
		0                                                                                  \
	}
#define SPINLOCK_TAKE(lock) ((void)0)
#define SPINLOCK_DROP(lock) ((void)0)
#endif

/** The rank of a lock in memory that begins as zeroes, which is one that nobody holds. */
static inline void spinlock_set_rank(struct spinlock *lock, enum lock_rank rank)
{
#ifdef DEBUG_LOCKS
	lock->rank = rank;
#else
	(void)lock;
	(void)rank;
#endif
}

/** Takes the lock, spinning. Any map that maps the lock. */
static inline void spinlock_acquire(struct spinlock *lock)
{
	/* `make UNLOCKED=file` takes a file's locks away, which tests have to notice. */
#ifdef BREAK_unlocked
	(void)lock;
#else
	SPINLOCK_TAKE(lock);
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
	if (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
		return false;
	SPINLOCK_TAKE(lock);
	return true;
#endif
}

/** Releases the lock. */
static inline void spinlock_release(struct spinlock *lock)
{
#ifdef BREAK_unlocked
	(void)lock;
#else
	SPINLOCK_DROP(lock);
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
