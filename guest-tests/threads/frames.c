/* threads-sources: mm/frames.c */
/* SPDX-License-Identifier: MIT */
/* The frame allocator by several threads at once. */
#include <pthread.h>

#include "guest-tests/unit/fake_memory.h"

#define THREADS 4
#define ROUNDS 3000
#define KEPT 24

static struct {
	hpa_t base;
	unsigned order;
} kept[THREADS][KEPT];

static void *work(void *argument)
{
	unsigned self = (unsigned)(uintptr_t)argument;
	uint64_t seed = self + 1;
	struct frames_stats stats;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t r = unit_random(&seed);
		unsigned slot = r % KEPT;
		unsigned order = r >> 16 & 1 ? FRAMES_MAX_ORDER : r >> 17 & 3;
		hpa_t hpa = kept[self][slot].base;

		if (!hpa_is_none(hpa)) {
			CHECK(frames_class(hpa) == MEM_VM && frames_owner(hpa) == self);
			CHECK(*(uint64_t *)hpa_to_ptr(hpa) == self + 1);
			frames_free(hpa, kept[self][slot].order);
		}
		hpa = frames_alloc(order, MEM_VM, (uint16_t)self);
		kept[self][slot].base = hpa;
		kept[self][slot].order = order;
		if (!hpa_is_none(hpa)) {
			CHECK(*(uint64_t *)hpa_to_ptr(hpa) == 0);
			*(uint64_t *)hpa_to_ptr(hpa) = self + 1;
		}
		frames_stats(&stats);
		if (i % 64 == 0) {
			struct frames_preparation p = { .pledged = false };

			frames_expect(2);
			while (frames_prepare_piece(&p))
				;
			frames_unexpect(2);
		}
	}
	return NULL;
}

TEST(frames_by_several_threads)
{
	pthread_t threads[THREADS];
	struct frames_stats before, after;

	fake_memory_reset();
	CHECK(frames_init(&fake_boot) == 0);
	frames_stats(&before);
	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned i = 0; i < KEPT; i++)
			kept[t][i].base = HPA_NONE;
	for (unsigned t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, work, (void *)(uintptr_t)t);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned i = 0; i < KEPT; i++)
			if (!hpa_is_none(kept[t][i].base))
				frames_free(kept[t][i].base, kept[t][i].order);
	frames_stats(&after);
	CHECK(before.free_bytes == after.free_bytes);
}

UNIT_MAIN
