// SPDX-License-Identifier: MIT
#include "mm/frames.h"

#include "hv/base/boot.h"
#include "hv/base/errno.h"
#include "hv/base/layout.h"
#include "hv/base/panic.h"
#include "hv/base/spinlock.h"
#include "mm/zero.h"

#define LOW_MEMORY_END MIB(1)
#define BOOT_MAP_END GIB(4)
#define NIL UINT32_MAX
/* More is left alone: frame numbers must fit into 32 bits. */
#define FRAMES_LIMIT (1ULL << 43)

/* One per 4 KiB frame from address 0 to the end of RAM. */
struct frame {
	uint32_t next, prev; /* free list, by frame number; heads only */
	uint16_t owner;
	uint8_t class;	   /* enum mem_class */
	uint8_t order : 4; /* of the block that this frame heads */
	uint8_t head : 1;  /* first frame of a free block */
	uint8_t dirty : 1; /* holds something: to be zeroed before it is handed out */
	uint8_t unused : 2;
};
static_assert(sizeof(struct frame) == 12, "0.3 % of RAM");

/*
 * One per 2 MiB. A chunk that was handed out as a whole says class and owner for all of its frames,
 * so that taking it costs the same as taking a page.
 */
struct chunk {
	uint16_t owner;
	uint16_t dirty; /* how many of its frames are */
	uint8_t class;
	bool whole;
	uint16_t unused;
};
static_assert(sizeof(struct chunk) == 8, "a trifle beside the frames");

#define CHUNK_FRAMES (1U << FRAMES_MAX_ORDER)

static struct frame *frames;
static struct chunk *chunks; /* behind the frames, in the same table */
static uint64_t frame_count;
/* Blocks of 2 MiB of which some frame is dirty have a list of their own, behind those that are not.
 */
enum { CLEAN = FRAMES_MAX_ORDER, DIRTY, LISTS };
static uint32_t free_heads[LISTS];
static uint64_t total_frames, free_frames;
/* Blocks of 2 MiB: in the pool, and those of them that are promised, never fewer than these. Clean
 * ones are kept for the promised and for those that are expected to be taken besides. */
static uint64_t free_chunks, pledged_chunks, clean_chunks, expected_chunks;
static hpa_t trampoline;
static struct spinlock lock = SPINLOCK(LOCK_FRAMES);

/* What lies in the pool keeps its dirty frames. */
static unsigned list_of(uint32_t n, unsigned order)
{
	return order == FRAMES_MAX_ORDER && chunks[n / CHUNK_FRAMES].dirty ? DIRTY : order;
}

static void list_push(uint32_t n, unsigned order)
{
	unsigned list = list_of(n, order);
	struct frame *f = &frames[n];

	spinlock_assert(&lock);
	f->head = 1;
	f->order = order & 15;
	f->prev = NIL;
	f->next = free_heads[list];
	if (f->next != NIL)
		frames[f->next].prev = n;
	free_heads[list] = n;
	free_chunks += order == FRAMES_MAX_ORDER;
	clean_chunks += list == CLEAN;
}

static void list_remove(uint32_t n)
{
	struct frame *f = &frames[n];
	unsigned list = list_of(n, f->order);

	spinlock_assert(&lock);
	if (f->prev != NIL)
		frames[f->prev].next = f->next;
	else
		free_heads[list] = f->next;
	if (f->next != NIL)
		frames[f->next].prev = f->prev;
	f->head = 0;
	free_chunks -= f->order == FRAMES_MAX_ORDER;
	clean_chunks -= list == CLEAN;
}

/* Returns a block to the free lists, merging it with its buddy as long as that is free and whole.
 */
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

/* Hands the frames of [first, end) that nobody has claimed to the pool. */
static BOOT void add_frames(uint64_t first, uint64_t end)
{
	if (end > frame_count)
		end = frame_count;
	while (first < end) {
		uint64_t stop = first;

		for (; stop < end && frames[stop].class == MEM_NONE; stop++) {
			frames[stop].class = MEM_FREE;
			frames[stop].dirty = 1;
			chunks[stop / CHUNK_FRAMES].dirty++;
		}
		total_frames += stop - first;
		free_frames += stop - first;
		while (first < stop) {
			unsigned order = 0;

			while (order < FRAMES_MAX_ORDER && !(first & ((2ULL << order) - 1)) &&
			       first + (2ULL << order) <= stop)
				order++;
			release((uint32_t)first, order);
			first += 1ULL << order;
		}
		first = stop + 1;
	}
}

/* A page-aligned piece of physical memory. */
struct span {
	uint64_t start, end;
};

/* RAM shrinks to whole pages, everything else grows. */
static BOOT struct span span_of(const struct boot_range *range)
{
	uint64_t end = range->base + range->size;

	if (end < range->base || end > FRAMES_LIMIT)
		end = FRAMES_LIMIT;
	if (range->type == BOOT_RANGE_RAM)
		return (struct span){ ALIGN_UP(range->base, PAGE_SIZE),
				      ALIGN_DOWN(end, PAGE_SIZE) };
	return (struct span){ ALIGN_DOWN(range->base, PAGE_SIZE), ALIGN_UP(end, PAGE_SIZE) };
}

/*
 * The first piece of [from, end) that nothing but RAM claims. The loaders' maps do not overlap;
 * should one do so nevertheless, memory is lost but never given away twice.
 */
static BOOT bool next_piece(const struct boot_info *bi, uint64_t from, uint64_t end,
			    struct span *piece)
{
	bool moved = true;

	while (moved && from < end) {
		moved = false;
		for (unsigned i = 0; i < bi->range_count; i++) {
			struct span claim = span_of(&bi->ranges[i]);

			if (bi->ranges[i].type != BOOT_RANGE_RAM && claim.start <= from &&
			    from < claim.end) {
				from = claim.end;
				moved = true;
			}
		}
	}
	if (from >= end)
		return false;
	*piece = (struct span){ from, end };
	for (unsigned i = 0; i < bi->range_count; i++) {
		struct span claim = span_of(&bi->ranges[i]);

		if (bi->ranges[i].type != BOOT_RANGE_RAM && claim.start > from &&
		    claim.start < piece->end)
			piece->end = claim.start;
	}
	return true;
}

static BOOT void mark_boot(const struct boot_range *range)
{
	struct span span = span_of(range);

	for (uint64_t n = span.start >> PAGE_SHIFT; n < span.end >> PAGE_SHIFT && n < frame_count;
	     n++) {
		frames[n].class = MEM_BOOT;
		frames[n].owner =
			range->type == BOOT_RANGE_FILE ? BOOT_OWNER_FILE : BOOT_OWNER_IMAGE;
	}
}

static BOOT uint64_t end_of_ram(const struct boot_info *bi)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < bi->range_count; i++) {
		enum boot_range_type type = bi->ranges[i].type;
		struct span span = span_of(&bi->ranges[i]);

		if ((type == BOOT_RANGE_RAM || type == BOOT_RANGE_HYPERVISOR ||
		     type == BOOT_RANGE_FILE) &&
		    span.end > end)
			end = span.end;
	}
	return end;
}

/* The first RAM between 1 MiB and 4 GiB that has room for the table; an empty span if there is
 * none. */
static BOOT struct span place_table(const struct boot_info *bi, uint64_t size)
{
	for (unsigned i = 0; i < bi->range_count; i++) {
		struct span ram = span_of(&bi->ranges[i]), piece;

		if (bi->ranges[i].type != BOOT_RANGE_RAM)
			continue;
		if (ram.start < LOW_MEMORY_END)
			ram.start = LOW_MEMORY_END;
		if (ram.end > BOOT_MAP_END)
			ram.end = BOOT_MAP_END;
		for (; next_piece(bi, ram.start, ram.end, &piece); ram.start = piece.end)
			if (piece.end - piece.start >= size)
				return (struct span){ piece.start, piece.start + size };
	}
	return (struct span){ 0, 0 };
}

/* Everything of @piece but the first MiB, of which one page is kept for the trampoline. */
static BOOT void add_piece(struct span piece)
{
	uint64_t low = piece.start ? piece.start : PAGE_SIZE;

	if (hpa_is_none(trampoline) && low + PAGE_SIZE <= piece.end &&
	    low + PAGE_SIZE <= LOW_MEMORY_END) {
		trampoline = HPA(low);
		frames[low >> PAGE_SHIFT].class = MEM_SENSITIVE;
	}
	if (piece.start < LOW_MEMORY_END)
		piece.start = LOW_MEMORY_END;
	add_frames(piece.start >> PAGE_SHIFT, piece.end >> PAGE_SHIFT);
}

static BOOT uint64_t table_size(uint64_t count)
{
	return ALIGN_UP(count * sizeof(struct frame) +
				(count / CHUNK_FRAMES + 1) * sizeof(struct chunk) + 8,
			PAGE_SIZE);
}

BOOT int frames_init(const struct boot_info *bi)
{
	struct span table, piece;

	/* A machine with more memory than a table below 4 GiB can describe keeps the rest idle. */
	frame_count = end_of_ram(bi) >> PAGE_SHIFT;
	do {
		table = place_table(bi, table_size(frame_count));
	} while (!table.end && (frame_count /= 2) > LOW_MEMORY_END >> PAGE_SHIFT);
	if (!table.end)
		return -E_NOMEM;
	frames = hpa_to_ptr(HPA(table.start));
	chunks = (struct chunk *)ALIGN_UP((uint64_t)(frames + frame_count), 8);
	zero_pages(frames, table.end - table.start);
	for (unsigned i = 0; i < LISTS; i++)
		free_heads[i] = NIL;
	total_frames = free_frames = 0;
	free_chunks = pledged_chunks = clean_chunks = expected_chunks = 0;
	trampoline = HPA_NONE;

	for (uint64_t n = table.start >> PAGE_SHIFT; n < table.end >> PAGE_SHIFT && n < frame_count;
	     n++) {
		frames[n].class = MEM_SENSITIVE;
		frames[n].owner = PURPOSE_FRAME_TABLE;
	}
	for (unsigned i = 0; i < bi->range_count; i++)
		if (bi->ranges[i].type == BOOT_RANGE_HYPERVISOR ||
		    bi->ranges[i].type == BOOT_RANGE_FILE)
			mark_boot(&bi->ranges[i]);
	spinlock_acquire(&lock);
	for (unsigned i = 0; i < bi->range_count; i++) {
		struct span ram = span_of(&bi->ranges[i]);

		if (bi->ranges[i].type == BOOT_RANGE_RAM)
			for (; next_piece(bi, ram.start, ram.end, &piece); ram.start = piece.end)
				add_piece(piece);
	}
	spinlock_release(&lock);
	return 0;
}

/* Was any frame of a block dirty? None is from now on: whoever asks zeroes them, without the lock.
 */
static bool take_dirty(uint32_t n, unsigned order)
{
	struct chunk *c = &chunks[n / CHUNK_FRAMES];
	bool dirty = false;

	spinlock_assert(&lock);
	if (!c->dirty)
		return false;
	for (uint32_t i = n; i < n + (1U << order); i++) {
		dirty |= frames[i].dirty;
		c->dirty -= frames[i].dirty;
		frames[i].dirty = 0;
	}
	return dirty;
}

static void zero_block(uint32_t n, unsigned order)
{
	zero_pages(hpa_to_ptr(HPA((uint64_t)n << PAGE_SHIFT)), PAGE_SIZE << order);
}

static void set_class(uint32_t n, unsigned order, enum mem_class class, uint16_t owner)
{
	spinlock_assert(&lock);
	if (order == FRAMES_MAX_ORDER) {
		struct chunk *c = &chunks[n / CHUNK_FRAMES];

		c->whole = class != MEM_FREE;
		c->class = (uint8_t) class;
		c->owner = owner;
		return;
	}
	for (uint32_t i = n; i < n + (1U << order); i++) {
		frames[i].class = (uint8_t) class;
		frames[i].owner = owner;
	}
}

/* A part of a whole chunk goes back: from now on each frame speaks for itself. */
static void break_up(uint32_t n)
{
	struct chunk *c = &chunks[n / CHUNK_FRAMES];
	uint32_t first = n & ~(CHUNK_FRAMES - 1);

	if (!c->whole)
		return;
	c->whole = false;
	set_class(first, FRAMES_MAX_ORDER - 1, (enum mem_class)c->class, c->owner);
	set_class(first + CHUNK_FRAMES / 2, FRAMES_MAX_ORDER - 1, (enum mem_class)c->class,
		  c->owner);
}

/* May a block of 2 MiB be taken, or broken up? */
static bool chunk_is_left(bool pledged)
{
	spinlock_assert(&lock);
	if (pledged)
		pledged_chunks--;
	return free_chunks > pledged_chunks;
}

/* The list to take a block of 2^@order from, or LISTS. Small ones leave the clean chunks whole. */
static unsigned choose_list(unsigned order, bool pledged)
{
	unsigned list = order;

	while (list < FRAMES_MAX_ORDER && free_heads[list] == NIL)
		list++;
	if (list < FRAMES_MAX_ORDER)
		return list;
	if (!chunk_is_left(pledged))
		return LISTS;
	if (order < FRAMES_MAX_ORDER && free_heads[DIRTY] != NIL)
		return DIRTY;
	return free_heads[CLEAN] != NIL ? CLEAN : DIRTY;
}

static hpa_t alloc(unsigned order, enum mem_class class, uint16_t owner, bool pledged)
{
	unsigned list, from;
	bool dirty;
	uint32_t n;

	spinlock_acquire(&lock);
	list = choose_list(order, pledged);
	if (list == LISTS) {
		spinlock_release(&lock);
		return HPA_NONE;
	}
	n = free_heads[list];
	from = frames[n].order;
	list_remove(n);
	while (from > order) {
		from--;
		list_push(n + (1U << from), from);
	}
	free_frames -= 1ULL << order;
	set_class(n, order, class, owner);
	dirty = take_dirty(n, order);
	spinlock_release(&lock);

	if (dirty)
		zero_block(n, order);
	return HPA((uint64_t)n << PAGE_SHIFT);
}

hpa_t frames_alloc(unsigned order, enum mem_class class, uint16_t owner)
{
	return alloc(order, class, owner, false);
}

hpa_t frames_alloc_pledged(enum mem_class class, uint16_t owner)
{
	return alloc(FRAMES_MAX_ORDER, class, owner, true);
}

int frames_pledge(uint64_t count)
{
	int err = 0;

	spinlock_acquire(&lock);
	if (count > free_chunks - pledged_chunks)
		err = -E_NOMEM;
	else
		pledged_chunks += count;
	spinlock_release(&lock);
	return err;
}

void frames_unpledge(uint64_t count)
{
	spinlock_acquire(&lock);
	pledged_chunks -= count;
	spinlock_release(&lock);
}

void frames_expect(uint64_t count)
{
	spinlock_acquire(&lock);
	expected_chunks += count;
	spinlock_release(&lock);
}

void frames_unexpect(uint64_t count)
{
	spinlock_acquire(&lock);
	expected_chunks -= count;
	spinlock_release(&lock);
}

uint64_t frames_unpledged(void)
{
	uint64_t count;

	spinlock_acquire(&lock);
	count = free_chunks - pledged_chunks;
	spinlock_release(&lock);
	return count;
}

/* What a file's frames may have been before: a file's, or claimed by the same. */
static bool may_be_claimed(uint8_t was, uint16_t by, enum mem_class class, uint16_t owner)
{
	return (was == MEM_BOOT && by == BOOT_OWNER_FILE) ||
	       (was == class && (class == MEM_SHARED || by == owner));
}

/* From frame @n on: as many as one record speaks for, where all of them are asked for. */
static unsigned claim_order(uint32_t n, uint32_t end, bool whole)
{
	return !whole || n % CHUNK_FRAMES || end - n < CHUNK_FRAMES ? 0 : FRAMES_MAX_ORDER;
}

int frames_claim(hpa_t base, uint64_t size, enum mem_class class, uint16_t owner)
{
	uint32_t first = (uint32_t)(base.v >> PAGE_SHIFT);
	uint32_t end = (uint32_t)((base.v + size + PAGE_SIZE - 1) >> PAGE_SHIFT);
	int err = base.v % PAGE_SIZE || end > frame_count ? -E_INVAL : 0;

	spinlock_acquire(&lock);
	for (uint32_t n = first; n < end && !err;) {
		const struct chunk *c = &chunks[n / CHUNK_FRAMES];

		if (!may_be_claimed(c->whole ? c->class : frames[n].class,
				    c->whole ? c->owner : frames[n].owner, class, owner))
			err = -E_INVAL;
		n += 1U << claim_order(n, end, c->whole);
	}
	for (uint32_t n = first; n < end && !err;) {
		unsigned order = claim_order(n, end, true);
		hpa_t hpa = HPA((uint64_t)n << PAGE_SHIFT);

		/* All of a file has the same owners. */
		if (frames_class(hpa) == MEM_SHARED)
			owner |= frames_owner(hpa);
		set_class(n, order, class, owner);
		n += 1U << order;
	}
	spinlock_release(&lock);
	return err;
}

static bool is_in_use(hpa_t base, unsigned order)
{
	uint64_t size = PAGE_SIZE << order, step = PAGE_SIZE;
	bool used = true;

	/* Others may break up the chunk meanwhile. */
	spinlock_acquire(&lock);
	if (order == FRAMES_MAX_ORDER && chunks[(base.v >> PAGE_SHIFT) / CHUNK_FRAMES].whole)
		step = size;
	for (uint64_t at = 0; at < size; at += step) {
		enum mem_class class = frames_class(HPA(base.v + at));

		used &= class != MEM_FREE && class != MEM_NONE && class != MEM_BOOT &&
			class != MEM_SHARED;
	}
	spinlock_release(&lock);
	return used;
}

/* What is free already may be somebody else's by now. */
static void demand_in_use(hpa_t base, unsigned order)
{
	if (!is_in_use(base, order))
		panic("frame 0x%llx is freed, but not in use", (unsigned long long)base.v);
}

static void return_block(hpa_t base, unsigned order)
{
	uint32_t n = (uint32_t)(base.v >> PAGE_SHIFT);

	spinlock_acquire(&lock);
	if (order < FRAMES_MAX_ORDER)
		break_up(n);
	else if (!chunks[n / CHUNK_FRAMES].whole) /* was taken in parts */
		for (unsigned half = 0; half < 2; half++)
			set_class(n + half * CHUNK_FRAMES / 2, FRAMES_MAX_ORDER - 1, MEM_FREE, 0);
	set_class(n, order, MEM_FREE, 0);
	free_frames += 1ULL << order;
	release(n, order);
	spinlock_release(&lock);
}

void frames_free_zeroed(hpa_t base, unsigned order)
{
	demand_in_use(base, order);
	return_block(base, order);
}

void frames_free(hpa_t base, unsigned order)
{
	demand_in_use(base, order);
#ifndef BREAK_skip_free_scrub
	zero_pages(hpa_to_ptr(base), PAGE_SIZE << order);
#endif
	return_block(base, order);
}

/* A frame that the pool never had. */
static void add_zeroed(uint32_t n)
{
	spinlock_acquire(&lock);
	set_class(n, 0, MEM_FREE, 0);
	total_frames++;
	free_frames++;
	release(n, 0);
	spinlock_release(&lock);
}

uint64_t frames_give_boot(hpa_t base, uint64_t size)
{
	uint64_t end = (base.v + size) >> PAGE_SHIFT, given = 0;

	for (uint64_t n = base.v >> PAGE_SHIFT; n < end && n < frame_count; n++) {
		hpa_t hpa = HPA(n << PAGE_SHIFT);

		/* Of this class nobody else takes or gives any. */
		if (frames_class(hpa) != MEM_BOOT || frames_owner(hpa) != BOOT_OWNER_IMAGE)
			continue;
		zero_block((uint32_t)n, 0);
		add_zeroed((uint32_t)n);
		given += PAGE_SIZE;
	}
	return given;
}

BOOT hpa_t frames_trampoline(void)
{
	if (!hpa_is_none(trampoline))
		zero_pages(hpa_to_ptr(trampoline), PAGE_SIZE);
	return trampoline;
}

/*
 * Takes a dirty chunk out of the pool for as long as it is zeroed, if one has to be: who was
 * promised one can spare it so long, as he is here; nobody else must miss it.
 */
static bool take_for_zeroing(struct frames_preparation *p)
{
	uint32_t n;
	bool taken;

	spinlock_acquire(&lock);
	n = free_heads[DIRTY];
	taken = clean_chunks < pledged_chunks + expected_chunks && n != NIL &&
		free_chunks + p->pledged > pledged_chunks;
	if (taken) {
		pledged_chunks -= p->pledged;
		list_remove(n);
		take_dirty(n, FRAMES_MAX_ORDER);
		p->chunk = HPA((uint64_t)n << PAGE_SHIFT);
	}
	spinlock_release(&lock);
	return taken;
}

static void give_back(struct frames_preparation *p)
{
	spinlock_acquire(&lock);
	list_push((uint32_t)(p->chunk.v >> PAGE_SHIFT), FRAMES_MAX_ORDER);
	pledged_chunks += p->pledged;
	spinlock_release(&lock);
	p->zeroed = 0;
}

bool frames_prepare_piece(struct frames_preparation *p)
{
	if (!p->zeroed && !take_for_zeroing(p))
		return false;
	zero_pages(hpa_to_ptr(HPA(p->chunk.v + p->zeroed)), FRAMES_ZERO_PIECE);
	p->zeroed += FRAMES_ZERO_PIECE;
	if (p->zeroed == PAGE_SIZE_2M)
		give_back(p);
	return true;
}

enum mem_class frames_class(hpa_t hpa)
{
	uint64_t n = hpa.v >> PAGE_SHIFT;

	if (n < frame_count && chunks[n / CHUNK_FRAMES].whole)
		return (enum mem_class)chunks[n / CHUNK_FRAMES].class;

	return n < frame_count ? (enum mem_class)frames[n].class : MEM_NONE;
}

uint16_t frames_owner(hpa_t hpa)
{
	uint64_t n = hpa.v >> PAGE_SHIFT;

	if (n < frame_count && chunks[n / CHUNK_FRAMES].whole)
		return chunks[n / CHUNK_FRAMES].owner;

	return n < frame_count ? frames[n].owner : 0;
}

uint64_t frames_span(hpa_t hpa)
{
	uint64_t n = hpa.v >> PAGE_SHIFT;
	uint64_t size =
		n < frame_count && chunks[n / CHUNK_FRAMES].whole ? PAGE_SIZE_2M : PAGE_SIZE;

	return size - (hpa.v & (size - 1));
}

void frames_stats(struct frames_stats *stats)
{
	spinlock_acquire(&lock);
	stats->total_bytes = total_frames << PAGE_SHIFT;
	stats->free_bytes = free_frames << PAGE_SHIFT;
	spinlock_release(&lock);
}
