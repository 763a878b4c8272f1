/* SPDX-License-Identifier: MIT */
/*
 * A queue of Ethernet frames with one producer and one consumer, which need no lock between them.
 * Each network card has two, in its VM's window: an outbox, which the card fills and the switch
 * empties, and an inbox, the other way round. Zeroes are an empty queue. Any map that maps it.
 */
#ifndef DRIVERS_GUEST_FRAME_QUEUE_H
#define DRIVERS_GUEST_FRAME_QUEUE_H

#include "hv/base/types.h"

#define FRAME_QUEUE_SIZE (KIB(512) - 128) /* with what precedes it a power of two */
#define FRAME_MIN 14			  /* Ethernet header */
#define FRAME_MAX (FRAME_MIN + 4 + 1500)  /* a VLAN tag more, and what an Ethernet frame holds */
/* The longest IP packet: what is many TCP segments (segment.h). */
#define FRAME_LARGE (FRAME_MIN + 4 + 65535)
#define FRAME_MAC_MASK 0xffffffffffffULL
#define FRAME_MAC_GROUP BIT(0) /* multicast or broadcast, where the first byte is the lowest */

/** What precedes each frame in a guest's buffers, virtio 1.2, 5.1.6. */
struct frame_header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
} __attribute__((packed));
static_assert(sizeof(struct frame_header) == 12, "virtio 1.2, 5.1.6");

/** A frame in a queue, its header checked by whoever put it there. */
struct net_frame {
	uint32_t length;  /* of data[] */
	uint32_t end;	  /* offset of what follows it in the queue */
	uint16_t packets; /* that it would be on a wire */
	uint16_t next;	  /* its consumer's: how many of them are taken in */
	struct frame_header header;
	uint8_t data[];
};

struct frame_queue {
	/* The consumer's. */
	uint32_t head __attribute__((aligned(64))); /* offset into bytes[] */
	uint64_t refused;			    /* frames that it took and dropped */
	/* The producer's. */
	uint32_t tail __attribute__((aligned(64)));
	uint32_t end; /* of the frame that there was room for */
	uint64_t frames, packets;
	uint64_t dropped; /* frames that did not come in */
	uint8_t bytes[FRAME_QUEUE_SIZE] __attribute__((aligned(64)));
};

/** Producer: room for a frame of @length bytes, or NULL. Nobody sees it before frame_queue_add()
 * adds what there was room for last, when its data, header and packets are there. */
ANY struct net_frame *frame_queue_room(struct frame_queue *queue, uint32_t length);
ANY void frame_queue_add(struct frame_queue *queue, struct net_frame *frame);

/** Consumer: the oldest frame, which stays until it is removed; NULL: none. */
ANY struct net_frame *frame_queue_first(struct frame_queue *queue);
ANY void frame_queue_remove(struct frame_queue *queue);

/** Consumer: removes all that were there when it was called. */
ANY void frame_queue_clear(struct frame_queue *queue);

/** Bytes in use, for either side: no more than that. */
ANY uint32_t frame_queue_used(const struct frame_queue *queue);

/** Destination (@at 0) and source (6) of a frame. */
static inline uint64_t frame_mac(const struct net_frame *frame, unsigned at)
{
	uint64_t mac = 0;

	__builtin_memcpy(&mac, frame->data + at, 6);
	return mac;
}

#endif
