// SPDX-License-Identifier: MIT
#include "drivers/guest/virtio_ring.h"

#include "hv/errno.h"
#include "hv/lib/string.h"

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
	ring->event_idx = features & VRING_F_EVENT_IDX;
	ring->indirect = features & VRING_F_INDIRECT_DESC;
	ring->next_avail = ring->known_avail = ring->next_used = ring->signalled = 0;
	ring->enabled = true;
	return 0;
}

static bool add_piece(struct vm *vm, struct vring_chain *chain, uint64_t addr, uint32_t len,
		      bool write)
{
	struct vring_piece *piece = &chain->piece[chain->count];

	if (!write && chain->in_bytes) /* what is read comes first */
		return false;
	if (!len)
		return true;
	piece->base = vm_ram(vm, GPA(addr), len);
	piece->len = len;
	if (!piece->base)
		return false;
	chain->count++;
	if (write) {
		chain->in_bytes += len;
	} else {
		chain->out_bytes += len;
		chain->out = chain->count;
	}
	return true;
}

static int walk(struct vm *vm, const struct vring *ring, struct vring_chain *chain)
{
	const volatile struct vring_desc *table = ring->desc;
	unsigned limit = ring->size, at = chain->head, length = 0;
	bool indirect = false;

	for (;;) {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;

		if (at >= limit || length > ring->size)
			return -E_INVAL;
		addr = table[at].addr;
		len = table[at].len;
		flags = table[at].flags;
		if (flags & DESC_INDIRECT) {
			if (indirect || !ring->indirect || (flags & DESC_NEXT) || !len ||
			    len % sizeof(*table))
				return -E_INVAL;
			table = vm_ram(vm, GPA(addr), len);
			if (!table)
				return -E_INVAL;
			limit = len / sizeof(*table);
			indirect = true;
			at = 0;
			continue;
		}
		/* So a loop ends, and the pieces have room. */
		if (++length > ring->size || !add_piece(vm, chain, addr, len, flags & DESC_WRITE))
			return -E_INVAL;
		if (!(flags & DESC_NEXT))
			return 1;
		at = table[at].next;
	}
}

int vring_pop(struct vm *vm, struct vring *ring, struct vring_chain *chain)
{
	if (ring->next_avail == ring->known_avail) {
		uint16_t idx = ring->avail[1];

		if ((uint16_t)(idx - ring->next_avail) > ring->size)
			return -E_INVAL;
		ring->known_avail = idx;
		if (idx == ring->next_avail)
			return 0;
	}
	chain->head = ring->avail[2 + (ring->next_avail & (ring->size - 1))];
	chain->next = chain->out = chain->count = 0;
	chain->out_bytes = chain->in_bytes = 0;
	ring->next_avail++;
	return walk(vm, ring, chain);
}

void vring_unpop(struct vring *ring)
{
	ring->next_avail--;
}

void vring_put(struct vring *ring, unsigned ahead, uint16_t head, uint32_t written)
{
	unsigned at = (ring->next_used + ahead) & (ring->size - 1U);
	volatile uint32_t *element = &ring->used[1 + 2 * at];

	element[0] = head;
	element[1] = written;
}

void vring_publish(struct vring *ring, unsigned count)
{
	ring->next_used += (uint16_t)count;
	((volatile uint16_t *)ring->used)[1] = ring->next_used;
}

void vring_push(struct vring *ring, uint16_t head, uint32_t written)
{
	vring_put(ring, 0, head, written);
	vring_publish(ring, 1);
}

void vring_quiet(struct vring *ring, uint16_t count)
{
	if (ring->event_idx)
		*avail_event(ring) = (uint16_t)(ring->next_avail + count - 1);
	else
		*(volatile uint16_t *)ring->used = USED_NO_NOTIFY;
}

bool vring_rearm(struct vring *ring)
{
	if (ring->event_idx)
		*avail_event(ring) = ring->next_avail;
	else
		*(volatile uint16_t *)ring->used = 0;
	store_before_load();
	return ring->avail[1] != ring->next_avail;
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
	uint64_t *left = write ? &chain->in_bytes : &chain->out_bytes;
	struct vring_piece *piece;
	uint8_t *base;

	if (write && chain->next < chain->out)
		chain->next = chain->out;
	if (!*left || !max)
		return NULL;
	piece = &chain->piece[chain->next];
	base = piece->base;
	*len = piece->len < max ? piece->len : (uint32_t)max;
	*left -= *len;
	piece->base += *len;
	piece->len -= *len;
	chain->next += piece->len == 0;
	return base;
}

bool vring_read(struct vring_chain *chain, void *to, uint32_t len)
{
	uint8_t *at = to;

	if (chain->out_bytes < len)
		return false;
	while (len) {
		uint32_t n = 0;
		const uint8_t *from = vring_next(chain, false, len, &n);

		memcpy(at, from, n);
		at += n;
		len -= n;
	}
	return true;
}

uint8_t *vring_last_byte(struct vring_chain *chain)
{
	struct vring_piece *piece;

	if (!chain->in_bytes)
		return NULL;
	piece = &chain->piece[chain->count - 1];
	chain->in_bytes--;
	piece->len--;
	chain->count -= piece->len == 0;
	return piece->base + piece->len;
}
