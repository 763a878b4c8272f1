/* SPDX-License-Identifier: MIT */
/* Counts durations in buckets an eighth of a power of two wide: any size, constant memory. Pure. */
#ifndef HV_LIB_HISTOGRAM_H
#define HV_LIB_HISTOGRAM_H

#include "hv/base/types.h"

#define HISTOGRAM_BUCKETS 240 /* up to 2^32 - 1; what is longer counts as that */

struct histogram {
	uint32_t buckets[HISTOGRAM_BUCKETS];
	uint32_t count;
	uint32_t min, max;
};

/** Adds one value. */
ANY void histogram_add(struct histogram *h, uint64_t value);

/** Adds all of @from to @h. */
ANY void histogram_merge(struct histogram *h, const struct histogram *from);

/** The value that @percent of all do not exceed, to the bucket's width and never above the largest;
 * 0 if there is none. */
ANY uint32_t histogram_percentile(const struct histogram *h, unsigned percent);

#endif
