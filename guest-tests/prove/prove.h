/* SPDX-License-Identifier: MIT */
/*
 * What every driver of the prover has: values that nothing is known of, and bodies for those of
 * GCC's builtins that Frama-C does not know or knows too little of. Included in front of all files.
 */
#ifndef PROVE_H
#define PROVE_H

#include <__fc_builtin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Nobody ever writes them, and each look finds another value. */
extern volatile uint8_t any8;
extern volatile uint16_t any16;
extern volatile uint32_t any32;
extern volatile uint64_t any64;

/** Any number from @min to @max. */
static inline uint32_t any_within(uint32_t min, uint32_t max)
{
	return Frama_C_unsigned_int_interval(min, max);
}

/** Any of the sizes of an access: 1, 2, 4 and, up to @max, 8 bytes. */
static inline uint32_t any_size(uint32_t max)
{
	uint32_t size = any8 ? 1 : any8 ? 2 : any8 ? 4 : 8;

	return size > max ? 1 : size;
}

/** Fills @bytes with anything. */
static inline void any_bytes(void *bytes, size_t size)
{
	Frama_C_make_unknown((char *)bytes, size);
}

/** Nothing follows. */
_Noreturn static inline void prove_end(void)
{
	for (;;)
		;
}

/* The first shift by which nothing is left tells more than the builtins' own contracts, and those
 * of 0 are no value at all. */
static inline int prove_clz64(uint64_t x)
{
	/*@ assert bits_of_nothing: x != 0; */
	//@ loop unroll 64;
	for (int i = 0; i < 63; i++)
		if (x >> (63 - i))
			return i;
	return 63;
}

static inline int prove_ctz64(uint64_t x)
{
	/*@ assert bits_of_nothing: x != 0; */
	//@ loop unroll 64;
	for (int i = 0; i < 63; i++)
		if (x & 1ULL << i)
			return i;
	return 63;
}

#define __builtin_clz(x) (prove_clz64((uint32_t)(x)) - 32)
#define __builtin_clzll(x) prove_clz64(x)
#define __builtin_ctz(x) prove_ctz64((uint32_t)(x))
#define __builtin_ctzll(x) prove_ctz64(x)
#define __builtin_parityll(x) (any8 & 1)

/* One thread after another: what others do meanwhile, volatile memory stands for. */
#define __atomic_load_n(at, order) (*(at))
#define __atomic_thread_fence(order) ((void)0)
#define __atomic_exchange_n(at, value, order) (*(at) = (value), any32)
#define __atomic_store_n(at, value, order) (*(at) = (value))
#define __builtin_expect(value, expected) (value)
#define __builtin_memcpy memcpy
#define __builtin_ia32_pause() ((void)0)
#define __atomic_compare_exchange_n(at, expected, wanted, weak, success, failure)                  \
	(*(at) == *(expected) && any8 ? (*(at) = (wanted), 1) : (*(expected) = *(at), 0))

#endif
