/* SPDX-License-Identifier: MIT */
/* A driver for virtio-net: one receive and one transmit queue, polled, or with one interrupt. */
#ifndef NET_H
#define NET_H

#include "guest-tests/guests/lib/guest.h"

enum {
	NET_CSUM = 1 << 0,
	NET_GUEST_CSUM = 1 << 1,
	NET_MAC = 1 << 5,
	NET_GUEST_TSO4 = 1 << 7,
	NET_HOST_TSO4 = 1 << 11,
	NET_MRG_RXBUF = 1 << 15,
	NET_STATUS = 1 << 16,
	NET_INDIRECT = 1 << 28,
	NET_EVENT_IDX = 1 << 29,
};
#define NET_ENTRIES 128 /* of a queue */
#define NET_BUFFER 2048
#define NET_HEADER 12

struct net_header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
} __attribute__((packed));

struct net_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct net_queue {
	struct net_desc desc[NET_ENTRIES] __attribute__((aligned(4096)));
	struct {
		volatile uint16_t flags, idx, ring[NET_ENTRIES], used_event;
	} avail;
	struct {
		volatile uint16_t flags, idx;
		volatile struct {
			uint32_t id, len;
		} ring[NET_ENTRIES];
		volatile uint16_t avail_event;
	} used __attribute__((aligned(4096)));
	uint8_t buffers[NET_ENTRIES][NET_BUFFER];
	uint16_t seen; /* of used */
	uint16_t told; /* avail.idx when the device was told last */
	uint16_t port; /* of notifications */
};

struct net {
	struct net_queue queue[2]; /* receive, transmit */
	volatile uint8_t *regs;
	uint64_t offered, features;
	uint64_t mac;
	uint64_t notifications;
};
enum { NET_RX, NET_TX };

/* Registers of the common structure. */
#define NET_REG8(net, at) (*(volatile uint8_t *)((net)->regs + (at)))
#define NET_REG16(net, at) (*(volatile uint16_t *)((net)->regs + (at)))
#define NET_REG32(net, at) (*(volatile uint32_t *)((net)->regs + (at)))
enum { NET_DEVICE_STATUS = 0x14, NET_NEEDS_RESET = 0x40 };

/* Brings up the @index-th card with those of @features that it has; false: there is none. @vector:
 * for received frames, 0: none. Receive buffers are given if @buffers. */
bool net_open(struct net *net, unsigned index, uint64_t features, unsigned vector, bool buffers);

/* The next free transmit buffer: header, then frame; NULL: all are in use. */
uint8_t *net_buffer(struct net *net);
/* Sends it, with a frame of @length; tells the device if it wants to hear of it. */
void net_send(struct net *net, unsigned length);
/* Tells the device of all there is, whether it wants to hear it or not. */
void net_kick(struct net *net, unsigned queue);

/* The oldest received frame with its header and its length; NULL: none. One buffer each. */
uint8_t *net_receive(struct net *net, unsigned *length);
/* Asks for an interrupt for the next one; true if there is one already. */
bool net_arm(struct net *net);
/* Gives its buffer back. */
void net_received(struct net *net);

#endif
