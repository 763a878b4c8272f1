/* prove: hv/net/netswitch.c */
/* prove-with: guest-tests/prove/bulk.c */
/* prove-options: precision=0 coverage=98 quick -eva-plevel=200 -eva-slevel=10 -eva-auto-loop-unroll=16 */
/* SPDX-License-Identifier: MIT */
/* Any cards on any networks, any frames, at any time, ports that go up and down. */
#include "hv/base/string.h"
#include "hv/net/netswitch.h"

/* Eva keeps the two lengths apart: how long a frame is and how much is copied. */
static union {
	struct net_frame frame;
	uint8_t room[sizeof(struct net_frame) + FRAME_LARGE];
} sent, received;
static struct frame_queue outbox, inbox;

void netswitch_wait(void)
{
}

struct net_frame *frame_queue_room(struct frame_queue *queue, uint32_t length)
{
	/*@ assert an_inbox: queue == &inbox && length <= FRAME_LARGE; */
	return any8 ? &received.frame : NULL;
}

void frame_queue_add(struct frame_queue *queue, struct net_frame *frame)
{
	/*@ assert there_is_room: queue == &inbox && frame == &received.frame; */
}

struct net_frame *frame_queue_first(struct frame_queue *queue)
{
	/*@ assert an_outbox: queue == &outbox; */
	any_bytes(&sent, sizeof(sent));
	sent.frame.length = any_within(FRAME_MIN, FRAME_LARGE);
	return any8 ? &sent.frame : NULL;
}

void frame_queue_remove(struct frame_queue *queue)
{
	/*@ assert an_outbox: queue == &outbox; */
}

void prove(void)
{
	uint64_t reached = 0;

	netswitch_set_age(any64);
	//@ loop unroll NETSWITCH_PORTS;
	for (unsigned port = 0; port < NETSWITCH_PORTS; port++) {
		const struct config_nic nic = { (uint8_t)any_within(0, CONFIG_MAX_NETWORKS - 1),
						any64 };

		netswitch_connect(port, &nic, &outbox, &inbox);
	}
	while (any8) {
		netswitch_set_up(any_within(0, NETSWITCH_PORTS - 1), any8 & 1);
		netswitch_forward(any_within(0, NETSWITCH_PORTS - 1), any64, &reached);
	}
}
