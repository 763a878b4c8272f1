/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues as the device sees them (virtio 1.2, 2.7), with EVENT_IDX and indirect
 * descriptors. All of a ring is the guest's and may change at any moment: each field is read once,
 * and whatever it says is checked before it is used.
 */
#ifndef DRIVERS_GUEST_VIRTIO_RING_H
#define DRIVERS_GUEST_VIRTIO_RING_H

#include "drivers/guest/platform.h"

/* A power of two; no chain is longer than its queue (2.7.5.3.1). */
#define VRING_MAX 128

#define VRING_F_INDIRECT_DESC BIT(28)
#define VRING_F_EVENT_IDX BIT(29)

/** 2.7.5; indirect tables may lie at any address. */
struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
} __attribute__((packed));
static_assert(sizeof(struct vring_desc) == 16, "virtio 1.2, 2.7.5");

struct vring {
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t size;
	uint16_t vector; /* of MSI-X */
	bool enabled;
	bool event_idx, indirect;
	/* Valid while enabled: checked to be guest RAM. */
	uint8_t *flat; /* vm_ram_flat() */
	uint64_t flat_size;
	const volatile struct vring_desc *desc;
	const volatile uint16_t *avail;	  /* flags, idx, ring[size], used_event */
	volatile uint32_t *used;	  /* flags and idx, {id, len}[size], avail_event */
	uint16_t next_avail, known_avail; /* up to where: taken, said to be there */
	uint16_t next_used, signalled;	  /* up to where: given back, looked at for interrupts */
};

/** A piece of guest RAM. */
struct vring_piece {
	uint8_t *base;
	uint32_t len; /* not 0 */
};

/** A request: first what the device reads, then what it writes. */
struct vring_chain {
	uint16_t head;
	struct vring_piece *next;      /* the first that is not used up */
	struct vring_piece *out, *end; /* behind those that are read, behind all */
	uint64_t out_bytes;	       /* what is left to read */
	uint64_t in_bytes;	       /* what is left to write */
	struct vring_piece piece[VRING_MAX];
};

/** The driver has written addresses and size: 0, or -E_INVAL if they cannot be used. @features: as
 * negotiated. */
ANY int vring_enable(struct vm *vm, struct vring *ring, uint64_t features);

/** Takes the next request: 1, 0 if there is none, -E_INVAL if the ring is broken. */
ANY int vring_pop(struct vm *vm, struct vring *ring, struct vring_chain *chain);

/** Puts the last request taken back, to be taken again. */
ANY void vring_unpop(struct vring *ring);

/** Gives requests back in two steps, for several that the driver is to see at once: @written bytes
 * of the one @ahead of the next one are filled; then @count of them are there. */
static inline void vring_put(struct vring *ring, unsigned ahead, uint16_t head, uint32_t written)
{
	unsigned at = (ring->next_used + ahead) & (ring->size - 1U);
	volatile uint32_t *element = &ring->used[1 + 2 * at];

	element[0] = head;
	element[1] = written;
}

static inline void vring_publish(struct vring *ring, unsigned count)
{
	ring->next_used += (uint16_t)count;
	((volatile uint16_t *)ring->used)[1] = ring->next_used;
}

/** Gives a request back, @written bytes of it filled. */
static inline void vring_push(struct vring *ring, uint16_t head, uint32_t written)
{
	vring_put(ring, 0, head, written);
	vring_publish(ring, 1);
}

/** Asks not to be notified before there are @count more requests (without EVENT_IDX: at all), until
 * the next vring_rearm(). */
ANY void vring_quiet(struct vring *ring, uint16_t count);

/** Asks to be notified of the next request; true if there is one already. */
ANY bool vring_rearm(struct vring *ring);

/** The same where what there is does not suffice: to be notified of one behind those looked at. */
ANY bool vring_want_more(struct vring *ring);

/** Does the driver want an interrupt for what was given back since it was last asked? */
ANY bool vring_wants_interrupt(struct vring *ring);

/** The next piece of at most @max bytes to read (@write false) or to write, used up by this;
 * NULL if there is none left. */
ANY uint8_t *vring_next(struct vring_chain *chain, bool write, uint64_t max, uint32_t *len);

/** vring_read() for all cases. */
ANY bool vring_read_pieces(struct vring_chain *chain, void *to, uint32_t len);

/** Copies @len bytes out of the readable part and uses them up; false, nothing done, if there are
 * fewer. */
static inline bool vring_read(struct vring_chain *chain, void *to, uint32_t len)
{
	struct vring_piece *piece = chain->next;

	if (unlikely(piece >= chain->out || piece->len != len))
		return vring_read_pieces(chain, to, len);
	__builtin_memcpy(to, piece->base, len);
	/* It was read once: the compiler must not look there again. */
	__asm__ volatile("" : : : "memory");
	chain->next = piece + 1;
	chain->out_bytes -= len;
	return true;
}

/** Takes the last byte of the writable part away, which must not be empty. */
static inline uint8_t *vring_last_byte(struct vring_chain *chain)
{
	struct vring_piece *piece = chain->end - 1;
	uint32_t left = piece->len - 1;

	chain->in_bytes--;
	piece->len = left;
	if (likely(!left))
		chain->end = piece;
	return piece->base + left;
}

#endif
