/* prove: drivers/guest/net/segment.c */
/* prove-with: guest-tests/prove/bulk.c */
/* prove-options: precision=2 coverage=98 quick */
/* SPDX-License-Identifier: MIT */
/* A frame of any bytes and any length, and any packet of it. */
#include "drivers/guest/net/segment.h"
#include "hv/base/string.h"

static uint8_t large[sizeof(struct net_frame) + 2 * FRAME_LARGE];
static uint8_t packet[sizeof(struct net_frame) + 2 * FRAME_MAX];

void prove(void)
{
	struct net_frame *frame = (struct net_frame *)large;
	uint32_t length = any_within(FRAME_MIN, FRAME_LARGE);

	any_bytes(large, sizeof(large));
	frame->length = length;
	if (segment_check(frame, length))
		segment_cut(frame, any_within(0, frame->packets - 1U), (struct net_frame *)packet);
}
