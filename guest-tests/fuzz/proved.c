/* SPDX-License-Identifier: MIT */
/*
 * The prover's drivers under libFuzzer: that what they call comes to its end, and that the
 * processor agrees with Frama-C. tools/fuzz.mk puts all that they and the modules remember into
 * sections of its own, which are as at the beginning for each input.
 */
#include "guest-tests/fuzz/any.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void prove(void);

extern uint8_t __start_proved_data[] __attribute__((weak)),
	__stop_proved_data[] __attribute__((weak)), __start_proved_bss[] __attribute__((weak)),
	__stop_proved_bss[] __attribute__((weak));

static const uint8_t *next, *end;
static jmp_buf out;

uint64_t any_number(unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- && next < end)
		value = value << 8 | *next++;
	return value;
}

/* All of what is small; else some places, most of them at the beginning. */
void any_bytes(void *bytes, size_t size)
{
	uint8_t *to = bytes;
	size_t left = (size_t)(end - next);

	if (size <= 64) {
		size = size < left ? size : left;
		memcpy(to, next, size);
		next += size;
		return;
	}
	for (unsigned n = (unsigned)any_number(1) % 32; n; n--) {
		uint64_t at = any_number(1);

		to[(at < 192 ? at : any_number(3)) % size] = (uint8_t)any_number(1);
	}
}

_Noreturn void prove_end(void)
{
	longjmp(out, 1);
}

/* By instructions that the address sanitizer does not see: between variables lies what is its. */
static void copy(uint8_t *to, const uint8_t *from, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void clear(uint8_t *to, size_t n)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

/* Whole pages come back as zeroes; most of them nobody has touched. */
static void clear_all(void)
{
	uint8_t *from = __start_proved_bss, *to = __stop_proved_bss;
	uint8_t *page = (uint8_t *)(((uintptr_t)from + 4095) & ~4095UL);
	size_t pages = to < page ? 0 : (size_t)(to - page) / 4096;

	if (pages < 16) {
		clear(from, (size_t)(to - from));
		return;
	}
	clear(from, (size_t)(page - from));
	madvise(page, pages * 4096, MADV_DONTNEED);
	clear(page + pages * 4096, (size_t)(to - page) % 4096);
}

static void begin_anew(void)
{
	static uint8_t *first;
	size_t size = (size_t)(__stop_proved_data - __start_proved_data);

	if (!first) {
		first = malloc(size + 1);
		copy(first, __start_proved_data, size);
	}
	copy(__start_proved_data, first, size);
	clear_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	next = data;
	end = data + size;
	begin_anew();
	if (!setjmp(out))
		prove();
	return 0;
}
