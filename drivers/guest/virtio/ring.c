// SPDX-License-Identifier: MIT
#include "drivers/guest/virtio/ring.h"

#include "hv/base/errno.h"
#include "hv/base/string.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };

/* Guest memory is ordered as x86 orders it: only a load may pass an earlier store. */
static void store_before_load(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static const volatile uint16_t *used_event(const struct vring *ring)
{
	return &ring->avail[2 + ring->size];
}

static volatile uint16_t *avail_event(const struct vring *ring)
{
	return (volatile uint16_t *)&ring->used[1 + 2 * ring->size];
}

int vring_enable(struct vm *vm, struct vring *ring, uint64_t features)
{
	uint64_t n = ring->size;

	if (n == 0 || n > VRING_MAX || (n & (n - 1)) || ring->desc_gpa % 16 ||
	    ring->avail_gpa % 2 || ring->used_gpa % 4)
		return -E_INVAL;
	ring->desc = vm_ram(vm, GPA(ring->desc_gpa), n * sizeof(struct vring_desc));
	ring->avail = vm_ram(vm, GPA(ring->avail_gpa), 6 + 2 * n);
	ring->used = vm_ram(vm, GPA(ring->used_gpa), 6 + 8 * n);
	if (!ring->desc || !ring->avail || !ring->used)
		return -E_INVAL;
	ring->flat = vm_ram_flat(vm, &ring->flat_size);
	ring->event_idx = features & VRING_F_EVENT_IDX;
	ring->indirect = features & VRING_F_INDIRECT_DESC;
	ring->next_avail = ring->known_avail = ring->next_used = ring->signalled = 0;
	ring->enabled = true;
	return 0;
}

/* The descriptor at @at, if it is a piece of RAM that is there as a whole. */
static inline bool flat_piece(const struct vring *ring, uint32_t at, struct vring_piece *piece,
			      uint32_t *control)
{
	const volatile struct vring_desc *desc;
	uint64_t addr, end;
	uint32_t len;

	if (unlikely(at >= ring->size))
		return false;
	desc = &ring->desc[at];
	addr = desc->addr;
	len = desc->len;
	*control = ((const volatile uint32_t *)desc)[3]; /* flags, and next above them */
	end = addr + len;
	/* Not above its beginning: it is empty, or runs over the end of all addresses. */
	if (unlikely(end > ring->flat_size || end <= addr))
		return false;
	piece->base = ring->flat + addr;
	piece->len = len;
	return true;
}

/*
 * What nearly all drivers ask for, in few instructions: pieces that are not empty, in RAM that is
 * there as a whole. False: something else, and walk() reads it anew to say what.
 */
static inline bool walk_flat(const struct vring *ring, struct vring_chain *chain, uint32_t at)
{
	struct vring_piece *piece = chain->piece, *limit = piece + ring->size;
	uint64_t bytes = 0;
	uint32_t control = 0;

	for (;;) {
		if (!flat_piece(ring, at, piece, &control))
			return false;
		if (control & (DESC_WRITE | DESC_INDIRECT))
			break;
		bytes += piece->len;
		piece++;
		if (unlikely(!(control & DESC_NEXT))) {
			chain->next = chain->piece;
			chain->out = chain->end = piece;
			chain->out_bytes = bytes;
			chain->in_bytes = 0;
			return true;
		}
		if (unlikely(piece >= limit))
			return false;
		at = control >> 16;
	}
	if (unlikely(control & DESC_INDIRECT))
		return false;
	chain->next = chain->piece;
	chain->out = piece;
	chain->out_bytes = bytes;
	bytes = piece->len;
	piece++;
	while (control & DESC_NEXT) {
		at = control >> 16;
		if (unlikely(piece >= limit || !flat_piece(ring, at, piece, &control) ||
			     (control & (DESC_WRITE | DESC_INDIRECT)) != DESC_WRITE))
			return false;
		bytes += piece->len;
		piece++;
	}
	chain->end = piece;
	chain->in_bytes = bytes;
	return true;
}

/* How far walk() has come. */
struct walk {
	struct vring_piece *piece, *end; /* the next one's place, and behind the last one's */
	uint64_t bytes;
	unsigned left, direction;
	const volatile struct vring_desc *indirect; /* this table takes the ring's place */
	unsigned entries;
};

/* A piece of RAM; NULL: some of it is none. */
static inline uint8_t *piece_base(struct vm *vm, const struct vring *ring, uint64_t addr,
				  uint32_t len)
{
	if (likely(addr <= ring->flat_size && len <= ring->flat_size - addr))
		return ring->flat + addr;
	return vm_ram(vm, GPA(addr), len);
}

/* Collects the pieces of @table, from entry @at on; 0, or -E_INVAL. */
static inline int walk_table(struct vm *vm, const struct vring *ring, struct vring_chain *chain,
			     struct walk *w, const volatile struct vring_desc *table,
			     unsigned limit, unsigned at)
{
	unsigned flags;

	do {
		const volatile struct vring_desc *desc;
		uint8_t *base;
		uint64_t addr;
		uint32_t len;

		/* So a loop ends, and the pieces have room. */
		if (unlikely(at >= limit || !w->left || w->piece >= w->end))
			return -E_INVAL;
		desc = &table[at];
		addr = desc->addr;
		len = desc->len;
		flags = desc->flags;
		at = desc->next;
		base = piece_base(vm, ring, addr, len);
		if (unlikely(!base)) {
			if (len)
				return -E_INVAL;
			base = ring->flat; /* what is empty may lie anywhere */
		}
		if (unlikely(flags & DESC_INDIRECT)) {
			if (w->indirect || !ring->indirect || (flags & DESC_NEXT) || !len ||
			    len % sizeof(*table))
				return -E_INVAL;
			w->indirect = (const volatile struct vring_desc *)base;
			w->entries = len / sizeof(*table);
			return 0; /* it is not part of the chain */
		}
		w->left--;
		if ((flags & DESC_WRITE) != w->direction) {
			if (unlikely(w->direction)) /* what is read comes first */
				return -E_INVAL;
			w->direction = DESC_WRITE;
			chain->out = w->piece;
			chain->out_bytes = w->bytes;
			w->bytes = 0;
		}
		if (likely(len)) {
			w->piece->base = base;
			w->piece->len = len;
			w->piece++;
			w->bytes += len;
		}
	} while (flags & DESC_NEXT);
	return 0;
}

/*
 * Collects the pieces: first all that are read, then all that are written. An indirect table takes
 * the ring's place for the rest of the chain.
 */
static __attribute__((noinline)) int walk(struct vm *vm, const struct vring *ring,
					  struct vring_chain *chain, unsigned at)
{
	struct walk w = { .piece = chain->piece,
			  .end = chain->piece + ring->size,
			  .left = ring->size };
	int err;

	chain->out = chain->piece;
	err = walk_table(vm, ring, chain, &w, ring->desc, ring->size, at);
	if (!err && w.indirect)
		err = walk_table(vm, ring, chain, &w, w.indirect, w.entries, 0);
	if (unlikely(err))
		return err;
	chain->next = chain->piece;
	chain->end = w.piece;
	chain->in_bytes = w.bytes;
	if (unlikely(!w.direction)) {
		chain->out = w.piece;
		chain->out_bytes = w.bytes;
		chain->in_bytes = 0;
	}
	return 1;
}

int vring_pop(struct vm *vm, struct vring *ring, struct vring_chain *chain)
{
	unsigned head;

	if (ring->next_avail == ring->known_avail) {
		uint16_t idx = ring->avail[1];

		if ((uint16_t)(idx - ring->next_avail) > ring->size)
			return -E_INVAL;
		ring->known_avail = idx;
		if (idx == ring->next_avail)
			return 0;
	}
	head = ring->avail[2 + (ring->next_avail & (ring->size - 1U))];
	ring->next_avail++;
	chain->head = (uint16_t)head;
	return likely(walk_flat(ring, chain, head)) ? 1 : walk(vm, ring, chain, head);
}

void vring_unpop(struct vring *ring)
{
	ring->next_avail--;
}

void vring_quiet(struct vring *ring, uint16_t count)
{
	if (ring->event_idx)
		*avail_event(ring) = (uint16_t)(ring->known_avail + count - 1);
	else
		*(volatile uint16_t *)ring->used = USED_NO_NOTIFY;
}

static bool notify_behind(struct vring *ring, uint16_t idx)
{
	if (ring->event_idx)
		*avail_event(ring) = idx;
	else
		*(volatile uint16_t *)ring->used = 0;
	store_before_load();
	return ring->avail[1] != idx;
}

bool vring_rearm(struct vring *ring)
{
	return notify_behind(ring, ring->next_avail);
}

bool vring_want_more(struct vring *ring)
{
	return notify_behind(ring, ring->known_avail);
}

bool vring_wants_interrupt(struct vring *ring)
{
	uint16_t now = ring->next_used, before = ring->signalled;

	ring->signalled = now;
	if (now == before)
		return false;
	store_before_load();
	if (!ring->event_idx)
		return !(ring->avail[0] & AVAIL_NO_INTERRUPT);
	/* Has used_event been passed? (2.7.7) */
	return (uint16_t)(now - *used_event(ring) - 1) < (uint16_t)(now - before);
}

uint8_t *vring_next(struct vring_chain *chain, bool write, uint64_t max, uint32_t *len)
{
	const struct vring_piece *behind = write ? chain->end : chain->out;
	struct vring_piece *piece = chain->next;
	uint8_t *base;
	uint32_t n;

	if (write && piece < chain->out)
		piece = chain->out;
	if (piece >= behind || !max)
		return NULL;
	base = piece->base;
	n = piece->len;
	if (n <= max) {
		piece++;
	} else {
		n = (uint32_t)max;
		piece->base += n;
		piece->len -= n;
	}
	chain->next = piece;
	if (write)
		chain->in_bytes -= n;
	else
		chain->out_bytes -= n;
	*len = n;
	return base;
}

bool vring_read_pieces(struct vring_chain *chain, void *to, uint32_t len)
{
	uint32_t n;

	if (chain->out_bytes < len)
		return false;
	for (uint32_t done = 0; done < len; done += n) {
		const uint8_t *from = vring_next(chain, false, len - done, &n);

		if (!from)
			return false;
		memcpy((uint8_t *)to + done, from, n);
	}
	return true;
}
