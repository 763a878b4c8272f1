// SPDX-License-Identifier: MIT
#include "boot/ranges.h"

static void remove_at(struct boot_info *bi, uint32_t i)
{
	bi->range_count--;
	for (; i < bi->range_count; i++) {
		struct boot_range next = bi->ranges[i + 1];

		bi->ranges[i] = next;
	}
}

static void insert_at(struct boot_info *bi, uint32_t i, struct boot_range range)
{
	bi->range_count++;
	for (; i < bi->range_count; i++) {
		struct boot_range here = bi->ranges[i];

		bi->ranges[i] = range;
		range = here;
	}
}

/* Takes [base, end) out of every range; false if a split found no room. */
static bool cut(struct boot_info *bi, uint64_t base, uint64_t end)
{
	for (uint32_t i = 0; i < bi->range_count;) {
		struct boot_range *r = &bi->ranges[i];
		uint64_t r_end = r->base + r->size;

		if (r_end <= base || r->base >= end) {
			i++;
		} else if (r->base < base && r_end > end) {
			struct boot_range tail = *r;

			if (bi->range_count >= BOOT_MAX_RANGES)
				return false;
			tail.base = end;
			tail.size = r_end - end;
			r->size = base - r->base;
			insert_at(bi, i + 1, tail);
			i += 2;
		} else if (r->base < base) {
			r->size = base - r->base;
			i++;
		} else if (r_end > end) {
			r->size = r_end - end;
			r->base = end;
			i++;
		} else {
			remove_at(bi, i);
		}
	}
	return true;
}

static bool mergeable(const struct boot_range *a, const struct boot_range *b)
{
	return a->type == b->type && a->base + a->size == b->base;
}

void ranges_claim(struct boot_info *bi, uint64_t base, uint64_t size, enum boot_range_type type)
{
	/* Nothing of the last page: its end is no number. */
	const uint64_t top = ALIGN_DOWN(UINT64_MAX, PAGE_SIZE);
	uint64_t end;
	uint32_t i = 0;

	if (!size || base >= top)
		return;
	end = size < top - base ? base + size : top;
	if (type == BOOT_RANGE_RAM) {
		base = ALIGN_UP(base, PAGE_SIZE);
		end = ALIGN_DOWN(end, PAGE_SIZE);
	} else {
		base = ALIGN_DOWN(base, PAGE_SIZE);
		end = ALIGN_UP(end, PAGE_SIZE);
	}
	if (base >= end)
		return;
	if (type == BOOT_RANGE_RAM && bi->range_count + 2 >= BOOT_MAX_RANGES)
		return;
	if (!cut(bi, base, end) || bi->range_count >= BOOT_MAX_RANGES) {
		/* No room to split: the whole range that surrounds the claim is given up. */
		for (i = 0; i < bi->range_count; i++)
			if (bi->ranges[i].base < end &&
			    base < bi->ranges[i].base + bi->ranges[i].size)
				bi->ranges[i].type = BOOT_RANGE_RESERVED;
		return;
	}
	while (i < bi->range_count && bi->ranges[i].base < base)
		i++;
	insert_at(bi, i, (struct boot_range){ base, end - base, type, 0 });
	if (i + 1 < bi->range_count && mergeable(&bi->ranges[i], &bi->ranges[i + 1])) {
		bi->ranges[i].size += bi->ranges[i + 1].size;
		remove_at(bi, i + 1);
	}
	if (i > 0 && mergeable(&bi->ranges[i - 1], &bi->ranges[i])) {
		bi->ranges[i - 1].size += bi->ranges[i].size;
		remove_at(bi, i);
	}
}
