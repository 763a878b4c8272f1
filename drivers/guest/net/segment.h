/* SPDX-License-Identifier: MIT */
/*
 * Large frames: what is many TCP segments goes as one until somebody must have them singly (TSO,
 * virtio 1.2, 5.1.6.2). A sender's card checks them, so that all behind it may trust what their
 * headers say; they are cut up only by the card of a receiver that does not take them whole. Pure.
 */
#ifndef DRIVERS_GUEST_SEGMENT_H
#define DRIVERS_GUEST_SEGMENT_H

#include "drivers/guest/net/frame_queue.h"

/* Of struct frame_header. */
enum { HEADER_NEEDS_CSUM = 1 };
enum { GSO_NONE = 0, GSO_TCPV4 = 1, GSO_TCPV6 = 4 };

/* A large frame is no more packets than that: what it may cost a receiver is bounded. */
#define SEGMENT_MOST 256

/**
 * Is @frame, whose data is there, @length bytes of TCP over IP that can be cut up as its header
 * (gso_type of the two above, gso_size, csum_start, csum_offset) says? Sets packets and
 * header.hdr_len, which is what the frame's own headers say.
 */
ANY bool segment_check(struct net_frame *frame, uint32_t length);

/** Packet @k (below @large->packets) of a frame that segment_check() liked; @packet has room for
 * FRAME_MAX bytes. Its checksum is still to be completed. */
ANY void segment_cut(const struct net_frame *large, uint32_t k, struct net_frame *packet);

/** The ones' complement sum of @length bytes, in the byte order that they have; up to three bytes
 * behind them are read and ignored. */
ANY uint16_t segment_sum(const uint8_t *bytes, uint32_t length);

#endif
