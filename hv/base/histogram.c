// SPDX-License-Identifier: MIT
#include "hv/base/histogram.h"

/* Values below 16 have a bucket each; above, the three bits behind the leading one choose. */
static unsigned bucket_of(uint32_t value)
{
	unsigned shift = 28 - (unsigned)__builtin_clz(value | 8);

	return 8 * shift + (value >> shift);
}

/* The largest value of a bucket. */
static uint32_t bucket_end(unsigned bucket)
{
	unsigned shift = bucket < 16 ? 0 : bucket / 8 - 1;

	return (uint32_t)(((uint64_t)(bucket - 8 * shift + 1) << shift) - 1);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	uint32_t v = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;

	h->buckets[bucket_of(v)]++;
	if (!h->count || v < h->min)
		h->min = v;
	if (v > h->max)
		h->max = v;
	h->count++;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
	if (!from->count)
		return;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->buckets[i] += from->buckets[i];
	if (!h->count || from->min < h->min)
		h->min = from->min;
	if (from->max > h->max)
		h->max = from->max;
	h->count += from->count;
}

uint32_t histogram_percentile(const struct histogram *h, unsigned percent)
{
	uint64_t seen = 0, wanted = ((uint64_t)h->count * percent + 99) / 100;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->count; i++) {
		seen += h->buckets[i];
		if (seen >= wanted && seen)
			return bucket_end(i) < h->max ? bucket_end(i) : h->max;
	}
	return 0;
}
