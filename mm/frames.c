// SPDX-License-Identifier: MIT
#include "mm/frames.h"

#include "hv/errno.h"
#include "hv/layout.h"
#include "hv/lib/string.h"
#include "hv/spinlock.h"
#include "mm/zero.h"

#define LOW_MEMORY_END MIB(1)
#define BOOT_MAP_END GIB(4)
#define NIL UINT32_MAX
/* All managed memory lies below this; more is left alone. */
#define FRAMES_LIMIT (1ULL << 46)

/* One per 4 KiB frame from address 0 to the end of RAM. */
struct frame {
	uint32_t next, prev; /* free list, by frame number; heads only */
	uint16_t owner;
	uint8_t class;	     /* enum mem_class */
	uint8_t order : 4;   /* of the block that this frame heads */
	uint8_t head : 1;    /* first frame of a free block */
	uint8_t dirty : 1;   /* holds something: to be zeroed before it is handed out */
	uint8_t unused : 2;
};
static_assert(sizeof(struct frame) == 12, "0.3 % of RAM");

static struct frame *frames;
static uint64_t frame_count;
static uint32_t free_heads[FRAMES_MAX_ORDER + 1];
static uint64_t total_frames, free_frames;
static hpa_t trampoline;
static struct spinlock lock;

static void list_push(uint32_t n, unsigned order)
{
	struct frame *f = &frames[n];

	f->head = 1;
	f->order = order & 15;
	f->prev = NIL;
	f->next = free_heads[order];
	if (f->next != NIL)
		frames[f->next].prev = n;
	free_heads[order] = n;
}

static void list_remove(uint32_t n)
{
	struct frame *f = &frames[n];

	if (f->prev != NIL)
		frames[f->prev].next = f->next;
	else
		free_heads[f->order] = f->next;
	if (f->next != NIL)
		frames[f->next].prev = f->prev;
	f->head = 0;
}

/* Returns a block to the free lists, merging it with its buddy as long as that is free and whole. */
static void release(uint32_t n, unsigned order)
{
	while (order < FRAMES_MAX_ORDER) {
		uint32_t buddy = n ^ (1U << order);

		if ((uint64_t)buddy + (1U << order) > frame_count || !frames[buddy].head ||
		    frames[buddy].order != order)
			break;
		list_remove(buddy);
		n &= ~(1U << order);
		order++;
	}
	list_push(n, order);
}

static void add_range(uint64_t first, uint64_t end)
{
	for (uint64_t n = first; n < end; n++) {
		frames[n].class = MEM_FREE;
		frames[n].dirty = 1;
	}
	total_frames += end - first;
	free_frames += end - first;
	while (first < end) {
		unsigned order = 0;

		while (order < FRAMES_MAX_ORDER && !(first & ((2ULL << order) - 1)) && first + (2ULL << order) <= end)
			order++;
		release((uint32_t)first, order);
		first += 1ULL << order;
	}
}

static void mark_boot(const struct boot_range *range)
{
	uint64_t end = ALIGN_UP(range->base + range->size, PAGE_SIZE) >> PAGE_SHIFT;

	for (uint64_t n = range->base >> PAGE_SHIFT; n < end && n < frame_count; n++)
		if (frames[n].class == MEM_NONE)
			frames[n].class = MEM_BOOT;
}

static uint64_t end_of_ram(const struct boot_info *bi)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < bi->range_count; i++) {
		const struct boot_range *r = &bi->ranges[i];

		if ((r->type == BOOT_RANGE_RAM || r->type == BOOT_RANGE_HYPERVISOR || r->type == BOOT_RANGE_FILE) &&
		    r->base + r->size > end && r->base + r->size <= FRAMES_LIMIT)
			end = r->base + r->size;
	}
	return end;
}

/* The first RAM range below 4 GiB that has room for the table; it is cut off from the range's start. */
static uint64_t place_table(const struct boot_info *bi, uint64_t size)
{
	for (unsigned i = 0; i < bi->range_count; i++) {
		uint64_t base = ALIGN_UP(bi->ranges[i].base, PAGE_SIZE);
		uint64_t end = bi->ranges[i].base + bi->ranges[i].size;

		if (bi->ranges[i].type != BOOT_RANGE_RAM)
			continue;
		if (base < LOW_MEMORY_END)
			base = LOW_MEMORY_END;
		if (base + size <= end && base + size <= BOOT_MAP_END)
			return base;
	}
	return 0;
}

static void find_trampoline(const struct boot_range *range)
{
	uint64_t page = ALIGN_UP(range->base, PAGE_SIZE);

	if (page == 0)
		page = PAGE_SIZE;
	if (hpa_is_none(trampoline) && page + PAGE_SIZE <= range->base + range->size &&
	    page + PAGE_SIZE <= LOW_MEMORY_END)
		trampoline = HPA(page);
}

int frames_init(const struct boot_info *bi)
{
	uint64_t table, table_size;

	frame_count = end_of_ram(bi) >> PAGE_SHIFT;
	table_size = ALIGN_UP(frame_count * sizeof(struct frame), PAGE_SIZE);
	table = place_table(bi, table_size);
	if (!table)
		return -E_NOMEM;
	frames = hpa_to_ptr(HPA(table));
	zero_pages(frames, table_size);
	for (unsigned i = 0; i <= FRAMES_MAX_ORDER; i++)
		free_heads[i] = NIL;
	total_frames = 0;
	free_frames = 0;
	trampoline = HPA_NONE;

	for (unsigned i = 0; i < bi->range_count; i++) {
		const struct boot_range *r = &bi->ranges[i];
		uint64_t first = ALIGN_UP(r->base, PAGE_SIZE), end = ALIGN_DOWN(r->base + r->size, PAGE_SIZE);

		if (r->type == BOOT_RANGE_HYPERVISOR || r->type == BOOT_RANGE_FILE)
			mark_boot(r);
		if (r->type != BOOT_RANGE_RAM)
			continue;
		find_trampoline(r);
		if (first < LOW_MEMORY_END)
			first = LOW_MEMORY_END;
		if (end > FRAMES_LIMIT)
			end = FRAMES_LIMIT;
		if (first <= table && table < end) {
			if (first < table)
				add_range(first >> PAGE_SHIFT, table >> PAGE_SHIFT);
			first = table + table_size;
		}
		if (first < end)
			add_range(first >> PAGE_SHIFT, end >> PAGE_SHIFT);
	}
	for (uint64_t n = table >> PAGE_SHIFT; n < (table + table_size) >> PAGE_SHIFT; n++)
		frames[n].class = MEM_SENSITIVE;
	return 0;
}

hpa_t frames_alloc(unsigned order, enum mem_class class, uint16_t owner)
{
	unsigned from = order;
	uint32_t n;

	spinlock_acquire(&lock);
	while (from <= FRAMES_MAX_ORDER && free_heads[from] == NIL)
		from++;
	if (from > FRAMES_MAX_ORDER) {
		spinlock_release(&lock);
		return HPA_NONE;
	}
	n = free_heads[from];
	list_remove(n);
	while (from > order) {
		from--;
		list_push(n + (1U << from), from);
	}
	free_frames -= 1ULL << order;
	for (uint32_t i = n; i < n + (1U << order); i++) {
		frames[i].class = (uint8_t)class;
		frames[i].owner = owner;
	}
	spinlock_release(&lock);

	for (uint32_t i = n; i < n + (1U << order); i++) {
		if (frames[i].dirty) {
			zero_pages(hpa_to_ptr(HPA((uint64_t)i << PAGE_SHIFT)), PAGE_SIZE);
			frames[i].dirty = 0;
		}
	}
	return HPA((uint64_t)n << PAGE_SHIFT);
}

void frames_free(hpa_t base, unsigned order)
{
	uint32_t n = (uint32_t)(base.v >> PAGE_SHIFT);

	zero_pages(hpa_to_ptr(base), PAGE_SIZE << order);
	spinlock_acquire(&lock);
	for (uint32_t i = n; i < n + (1U << order); i++) {
		frames[i].class = MEM_FREE;
		frames[i].owner = 0;
		frames[i].dirty = 0;
	}
	free_frames += 1ULL << order;
	release(n, order);
	spinlock_release(&lock);
}

void frames_reclaim(hpa_t base, uint64_t size)
{
	uint64_t first = ALIGN_UP(base.v, PAGE_SIZE), end = ALIGN_DOWN(base.v + size, PAGE_SIZE);

	spinlock_acquire(&lock);
	if (first < end && end <= frame_count << PAGE_SHIFT)
		add_range(first >> PAGE_SHIFT, end >> PAGE_SHIFT);
	spinlock_release(&lock);
}

hpa_t frames_trampoline(void)
{
	if (!hpa_is_none(trampoline))
		zero_pages(hpa_to_ptr(trampoline), PAGE_SIZE);
	return trampoline;
}

enum mem_class frames_class(hpa_t hpa)
{
	uint64_t n = hpa.v >> PAGE_SHIFT;

	return n < frame_count ? (enum mem_class)frames[n].class : MEM_NONE;
}

uint16_t frames_owner(hpa_t hpa)
{
	uint64_t n = hpa.v >> PAGE_SHIFT;

	return n < frame_count ? frames[n].owner : 0;
}

void frames_stats(struct frames_stats *stats)
{
	stats->total_bytes = total_frames << PAGE_SHIFT;
	stats->free_bytes = free_frames << PAGE_SHIFT;
}
