/* SPDX-License-Identifier: MIT */
/*
 * guest-tests/prove/prove.h for fuzzing the prover's drivers: what is unknown there comes out of
 * the input, and is 0 once that is used up.
 */
#ifndef FUZZ_ANY_H
#define FUZZ_ANY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** The next bytes of the input, as a number. */
uint64_t any_number(unsigned bytes);

/** Throws some of the input into @bytes. */
void any_bytes(void *bytes, size_t size);

#define any8 ((uint8_t)any_number(1))
#define any16 ((uint16_t)any_number(2))
#define any32 ((uint32_t)any_number(4))
#define any64 any_number(8)

/** Any number from @min to @max. */
static inline uint32_t any_within(uint32_t min, uint32_t max)
{
	uint64_t span = (uint64_t)max - min + 1;
	unsigned bytes = span <= 256 ? 1 : span <= 65536 ? 2 : 4;

	return min + (uint32_t)(any_number(bytes) % span);
}

/** Any of the sizes of an access: 1, 2, 4 and, up to @max, 8 bytes. */
static inline uint32_t any_size(uint32_t max)
{
	uint32_t size = 1U << (any8 & 3);

	return size > max ? 1 : size;
}

/** Nothing follows. */
_Noreturn void prove_end(void);

#endif
