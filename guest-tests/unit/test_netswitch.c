/* unit-sources: hv/net/netswitch.c drivers/guest/net/frame_queue.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "hv/net/netswitch.h"
#include "guest-tests/unit/unit.h"

#define BROADCAST FRAME_MAC_MASK
#define PORTS 6
#define AGE 1000

static struct frame_queue outbox[PORTS], inbox[PORTS];
static uint64_t now;

void netswitch_wait(void)
{
	CHECK(false); /* there is one CPU */
}

static uint64_t mac_of(unsigned port)
{
	return 0x020000000002ULL + (port << 8);
}

/* Ports 0 to 3 on one network, 4 and 5 on another. */
static void set_up(void)
{
	memset(outbox, 0, sizeof(outbox));
	memset(inbox, 0, sizeof(inbox));
	netswitch_set_age(AGE);
	now = 5000;
	for (unsigned i = 0; i < PORTS; i++) {
		struct config_nic nic = { i < 4 ? 1 : 7, mac_of(i) };

		netswitch_connect(i, &nic, &outbox[i], &inbox[i]);
	}
	for (unsigned i = 0; i < PORTS; i++)
		netswitch_set_up(i, true);
}

static void put(unsigned from, uint64_t dst, uint64_t src, uint32_t length, uint8_t mark)
{
	struct net_frame *frame = frame_queue_room(&outbox[from], length);

	CHECK(frame != NULL);
	memset(frame->data, mark, length);
	memcpy(frame->data, &dst, 6);
	memcpy(frame->data + 6, &src, 6);
	memset(&frame->header, mark, sizeof(frame->header));
	frame_queue_add(&outbox[from], frame);
}

static uint64_t forward(unsigned from)
{
	uint64_t reached = 0;

	while (netswitch_forward(from, now, &reached))
		;
	return reached;
}

/* One frame goes into the switch; who got exactly it? */
static uint64_t send(unsigned from, uint64_t dst, uint64_t src)
{
	static uint8_t mark;
	uint64_t got = 0, said;

	put(from, dst, src, 100, ++mark);
	said = forward(from);
	for (unsigned i = 0; i < PORTS; i++) {
		const struct net_frame *frame = frame_queue_first(&inbox[i]);

		if (!frame)
			continue;
		got |= BIT(i);
		CHECK(frame->length == 100 && frame->data[99] == mark &&
		      frame->header.flags == mark && frame_mac(frame, 0) == dst &&
		      frame_mac(frame, 6) == src);
		frame_queue_remove(&inbox[i]);
		CHECK(!frame_queue_first(&inbox[i]));
	}
	CHECK(said == got && !frame_queue_first(&outbox[from]));
	return got;
}

TEST(queue_keeps_order_and_content)
{
	static struct frame_queue queue;
	uint64_t random = 3;
	uint32_t in = 0, out = 0;

	memset(&queue, 0, sizeof(queue));
	for (unsigned i = 0; i < 300000; i++) {
		/* Runs of either, so that it is full and empty at times. */
		if ((i / 700 + unit_random(&random) % 4) % 2) {
			uint32_t length = 8 + (uint32_t)(unit_random(&random) % 1600);
			struct net_frame *frame = frame_queue_room(&queue, length);

			if (!frame) {
				CHECK(frame_queue_used(&queue) > FRAME_QUEUE_SIZE / 2);
				continue;
			}
			CHECK(frame->data + length <= queue.bytes + FRAME_QUEUE_SIZE);
			memset(frame->data, (int)in, length);
			memcpy(frame->data, &in, 4);
			frame_queue_add(&queue, frame);
			in++;
		} else {
			const struct net_frame *frame = frame_queue_first(&queue);

			CHECK(!frame == (in == out) && !frame == !frame_queue_used(&queue));
			if (!frame)
				continue;
			CHECK(!memcmp(frame->data, &out, 4));
			CHECK(frame->data[frame->length - 1] == (uint8_t)out);
			frame_queue_remove(&queue);
			out++;
		}
	}
	CHECK(in > 100000 && out > 100000 && queue.frames == in);
}

TEST(queue_gets_full)
{
	static struct frame_queue queue;
	unsigned n = 0;
	struct net_frame *frame;

	memset(&queue, 0, sizeof(queue));
	while ((frame = frame_queue_room(&queue, FRAME_MAX)) != NULL) {
		frame_queue_add(&queue, frame);
		n++;
	}
	CHECK(n == (FRAME_QUEUE_SIZE - 1) / ALIGN_UP(sizeof(*frame) + FRAME_MAX, 8));
	while (frame_queue_first(&queue)) {
		frame_queue_remove(&queue);
		n--;
	}
	CHECK(n == 0 && frame_queue_used(&queue) == 0);
	/* Larger than half of it: only where head and tail happen to lie right. */
	CHECK(!frame_queue_room(&queue, FRAME_QUEUE_SIZE));
}

TEST(configured_addresses_are_known)
{
	set_up();
	CHECK(send(0, mac_of(1), mac_of(0)) == BIT(1));
	CHECK(send(1, mac_of(0), mac_of(1)) == BIT(0));
	CHECK(send(3, mac_of(2), mac_of(3)) == BIT(2));
	/* To itself: nowhere. */
	CHECK(send(0, mac_of(0), mac_of(0)) == 0);
}

TEST(floods)
{
	set_up();
	CHECK(send(0, BROADCAST, mac_of(0)) == (BIT(1) | BIT(2) | BIT(3)));
	CHECK(send(2, 0x5e0001, mac_of(2)) == (BIT(0) | BIT(1) | BIT(3)));
	CHECK(send(1, 0xaa0000000002, mac_of(1)) == (BIT(0) | BIT(2) | BIT(3)));
}

TEST(networks_are_isolated)
{
	set_up();
	CHECK(send(4, BROADCAST, mac_of(4)) == BIT(5));
	CHECK(send(4, mac_of(5), mac_of(4)) == BIT(5));
	/* An address of the other network is unknown here. */
	CHECK(send(4, mac_of(1), mac_of(4)) == BIT(5));
	/* Even one that somebody there used. */
	CHECK(send(0, mac_of(1), 0xaa0000000002) == BIT(1));
	CHECK(send(4, 0xaa0000000002, mac_of(4)) == BIT(5));
}

TEST(learns_and_forgets)
{
	const uint64_t far = 0xaa0000000002;

	set_up();
	CHECK(send(1, mac_of(0), far) == BIT(0));
	CHECK(send(2, far, mac_of(2)) == BIT(1));
	CHECK(send(1, far, mac_of(1)) == 0);
	now += AGE;
	CHECK(send(2, far, mac_of(2)) == BIT(1));
	now += 1;
	CHECK(send(2, far, mac_of(2)) == (BIT(0) | BIT(1) | BIT(3)));
	/* Seen again and again it stays. */
	for (unsigned i = 0; i < 5; i++) {
		CHECK(send(1, mac_of(0), far) == BIT(0));
		now += AGE - 1;
	}
	CHECK(send(2, far, mac_of(2)) == BIT(1));
	/* It moves to the port where it was seen last. */
	CHECK(send(3, mac_of(0), far) == BIT(0));
	CHECK(send(2, far, mac_of(2)) == BIT(3));
	/* Nor is it lost where a CPU that read its clock first comes to the switch second. */
	now -= 10;
	CHECK(send(1, mac_of(0), far) == BIT(0));
	CHECK(send(2, far, mac_of(2)) == BIT(1));
	now += 10;
	CHECK(send(3, mac_of(0), far) == BIT(0));
	now -= 10;
	CHECK(send(2, far, mac_of(2)) == BIT(3));
	now += 10;
	/* A port that went down knows nothing any more. */
	netswitch_set_up(3, false);
	netswitch_set_up(3, true);
	CHECK(send(2, far, mac_of(2)) == (BIT(0) | BIT(1) | BIT(3)));
}

TEST(nobody_takes_what_is_another_s)
{
	const uint64_t far = 0xaa0000000002;

	set_up();
	/* A configured address: neither while its port is up nor while it is down. */
	CHECK(send(3, BROADCAST, mac_of(1)) == 0 && outbox[3].refused == 1);
	CHECK(send(0, mac_of(1), mac_of(0)) == BIT(1));
	netswitch_set_up(1, false);
	CHECK(send(3, BROADCAST, mac_of(1)) == 0 && outbox[3].refused == 2);
	CHECK(send(0, mac_of(1), mac_of(0)) == 0);
	netswitch_set_up(1, true);
	/* A thousand addresses of one port push out only its own. */
	CHECK(send(1, mac_of(0), far) == BIT(0));
	for (unsigned i = 0; i < 1000; i++, now += i % 2)
		CHECK(send(3, mac_of(0), 0xbb0000000002 + (i << 8)) == BIT(0));
	CHECK(send(2, far, mac_of(2)) == BIT(1));
	CHECK(send(2, 0xbb0000000002 + (999 << 8), mac_of(2)) == BIT(3));
	CHECK(send(2, 0xbb0000000002, mac_of(2)) == (BIT(0) | BIT(1) | BIT(3)));
	/* Nobody is a group, or nothing. */
	CHECK(send(3, mac_of(0), BROADCAST) == 0);
	CHECK(send(3, mac_of(0), 0) == 0);
}

TEST(a_port_that_is_down)
{
	set_up();
	netswitch_set_up(2, false);
	CHECK(send(0, BROADCAST, mac_of(0)) == (BIT(1) | BIT(3)));
	CHECK(send(2, BROADCAST, mac_of(2)) == 0);
	netswitch_set_up(2, true);
	CHECK(send(0, BROADCAST, mac_of(0)) == (BIT(1) | BIT(2) | BIT(3)));
}

TEST(a_stalled_receiver_loses_its_own_only)
{
	unsigned sent = 0, got = 0;

	set_up();
	for (unsigned i = 0; i < 1000; i++) {
		put(0, BROADCAST, mac_of(0), FRAME_MAX, 1);
		sent++;
		forward(0);
		CHECK(!frame_queue_first(&outbox[0]));
		for (; frame_queue_first(&inbox[1]); got++)
			frame_queue_remove(&inbox[1]);
	}
	CHECK(got == sent && inbox[1].dropped == 0);
	CHECK(inbox[2].dropped > 0 && inbox[2].frames + inbox[2].dropped == sent);
	CHECK(inbox[2].frames == inbox[3].frames && inbox[2].frames > 100);
}

/* Many in one go, in order, and no more than the queue's size even if somebody goes on filling it.
 */
TEST(batches)
{
	set_up();
	for (uint8_t i = 0; i < 100; i++)
		put(0, mac_of(1), mac_of(0), 60 + i, i);
	CHECK(forward(0) == BIT(1));
	for (uint8_t i = 0; i < 100; i++) {
		const struct net_frame *frame = frame_queue_first(&inbox[1]);

		CHECK(frame && frame->length == 60U + i && frame->data[20] == i);
		frame_queue_remove(&inbox[1]);
	}
	CHECK(forward(0) == 0);
}

/* The lock is held for so much at a time, by frames as by bytes. */
TEST(pieces)
{
	static const struct {
		uint64_t dst, src;
		uint32_t length;
		unsigned most;
	} kinds[] = { { 1, 0, 60, 50 },
		      { 1, 0, FRAME_MAX, 30 },
		      { 1, 0, FRAME_LARGE, 2 },
		      { BROADCAST, 0, 60, 25 },
		      { 1, 0xaa0000000076, 60, 24 } };

	for (unsigned kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		unsigned put_in = 0, pieces = 1;
		uint64_t reached = 0;

		set_up();
		for (; put_in < 300 && frame_queue_room(&outbox[0], kinds[kind].length); put_in++)
			put(0, kinds[kind].dst == 1 ? mac_of(1) : kinds[kind].dst,
			    kinds[kind].src ? kinds[kind].src : mac_of(0), kinds[kind].length, 1);
		while (netswitch_forward(0, now, &reached))
			pieces++;
		CHECK(reached && !frame_queue_first(&outbox[0]));
		CHECK(pieces >= put_in / kinds[kind].most && pieces > 1);
	}
}

/* A port at a time where a frame is that long; what changes in between is seen. */
TEST(large_to_everybody)
{
	uint64_t reached = 0;

	for (unsigned down = 0; down < 4; down++) {
		set_up();
		put(0, BROADCAST, mac_of(0), FRAME_LARGE, 1);
		CHECK(netswitch_forward(0, now, &reached) && inbox[1].frames == 1);
		CHECK(inbox[2].frames == 0);
		if (down)
			netswitch_set_up(down, false);
		CHECK(netswitch_forward(0, now, &reached) && inbox[3].frames == 0);
		CHECK(inbox[2].frames == (down != 2));
		put(0, mac_of(1), mac_of(0), 60, 2);
		while (netswitch_forward(0, now, &reached))
			;
		CHECK(inbox[1].frames == (down == 1 ? 1 : 2) && inbox[3].frames == (down != 3));
	}
	/* Its own VM starts anew: what was left of it is nobody's. */
	set_up();
	put(0, BROADCAST, mac_of(0), FRAME_LARGE, 1);
	CHECK(netswitch_forward(0, now, &reached));
	frame_queue_clear(&outbox[0]);
	netswitch_set_up(0, true);
	put(0, mac_of(2), mac_of(0), 60, 2);
	CHECK(forward(0) == BIT(2) && inbox[1].frames == 1 && inbox[3].frames == 0);
}

TEST(a_network_card_that_comes_later)
{
	struct config_nic nic = { 1, 0xaa0000000002 };
	static struct frame_queue in, out;

	set_up();
	CHECK(send(1, mac_of(0), nic.mac) == BIT(0));
	netswitch_connect(9, &nic, &out, &in);
	CHECK(send(2, nic.mac, mac_of(2)) == 0);
	netswitch_set_up(9, true);
	put(2, nic.mac, mac_of(2), 60, 1);
	CHECK(forward(2) == BIT(9) && frame_queue_first(&in));
	CHECK(send(1, mac_of(0), nic.mac) == 0);
	netswitch_set_up(9, false);
}

UNIT_MAIN
