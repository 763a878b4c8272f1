/* fuzz-sources: boot/ranges.c */
/* SPDX-License-Identifier: MIT */
/*
 * Claims on memory anywhere, as many as there are: the map is well-formed, and what it says to be
 * RAM was claimed as such last.
 */
#include "boot/ranges.h"

#include <stdlib.h>
#include <string.h>

#define CLAIMS 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct boot_info bi;
static struct {
	uint64_t first, last; /* bytes */
	bool ram;
} claims[CLAIMS];
static unsigned count;

/* Near other claims, or at either end of all addresses. */
static uint64_t number(const uint8_t *data)
{
	uint64_t value = (uint64_t)data[1] << 8 | data[2];

	return data[0] & 1 ? value << 4 | data[0] >> 4
			   : value << (data[0] >> 4 << 2) | (data[0] & 2 ? UINT64_MAX << 16 : 0);
}

static void claim(uint64_t base, uint64_t length, enum boot_range_type type)
{
	ranges_claim(&bi, base, length, type);
	if (!length)
		return;
	claims[count].first = base;
	claims[count].last = length - 1 < UINT64_MAX - base ? base + length - 1 : UINT64_MAX;
	claims[count].ram = type == BOOT_RANGE_RAM;
	count++;
}

static bool was_ram(uint64_t page)
{
	for (unsigned i = count; i-- > 0;) {
		if (claims[i].ram && claims[i].first <= page && page + 0xfff <= claims[i].last)
			return true;
		if (!claims[i].ram && claims[i].first <= page + 0xfff && page <= claims[i].last)
			return false;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t end = 0;

	bi.range_count = count = 0;
	for (; size >= 6 && count < CLAIMS; size -= 6, data += 6)
		claim(number(data), number(data + 3),
		      (enum boot_range_type)(1 + (data[0] >> 2 & 3) % 3));
	if (bi.range_count > BOOT_MAX_RANGES)
		abort();
	for (uint32_t i = 0; i < bi.range_count; i++) {
		const struct boot_range *r = &bi.ranges[i];

		if (r->base < end || !r->size || (r->base | r->size) % PAGE_SIZE ||
		    r->size > UINT64_MAX - r->base)
			abort();
		end = r->base + r->size;
		if (r->type == BOOT_RANGE_RAM && (!was_ram(r->base) || !was_ram(end - PAGE_SIZE)))
			abort();
	}
	return 0;
}
