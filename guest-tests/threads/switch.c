/* threads-sources: hv/net/netswitch.c drivers/guest/net/frame_queue.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
/* The switch between networks' ports, each with a thread that sends and takes; ports go down and up
 * meanwhile. */
#include <pthread.h>
#include <sched.h>

#include "guest-tests/unit/unit.h"
#include "hv/net/netswitch.h"
#include "hv/base/panic.h"

#define PORTS 4
#define FRAMES 4000
#define LENGTH 60

static struct frame_queue outbox[PORTS], inbox[PORTS];
static uint64_t taken[PORTS], torn[PORTS];

_Noreturn void panic(const char *fmt, ...)
{
	puts(fmt);
	abort();
}

void netswitch_wait(void)
{
	sched_yield();
}

static uint64_t mac_of(unsigned port)
{
	return 0x020000000002ULL + (port << 8);
}

static void take(unsigned self)
{
	struct net_frame *frame;

	while ((frame = frame_queue_first(&inbox[self]))) {
		for (unsigned i = 12; i < LENGTH; i++)
			torn[self] += frame->data[i] != frame->data[12];
		taken[self]++;
		frame_queue_remove(&inbox[self]);
	}
}

static void *work(void *argument)
{
	unsigned self = (unsigned)(uintptr_t)argument;
	uint64_t from = mac_of(self), reached = 0;

	for (unsigned i = 0; i < FRAMES; i++) {
		uint64_t to = mac_of((self + 1 + i % (PORTS - 1)) % PORTS);
		struct net_frame *frame = frame_queue_room(&outbox[self], LENGTH);

		if (frame) {
			memset(frame->data, (int)i, LENGTH);
			memcpy(frame->data, &to, 6);
			memcpy(frame->data + 6, &from, 6);
			frame_queue_add(&outbox[self], frame);
		}
		while (netswitch_forward(self, i, &reached))
			;
		take(self);
		if (i % 500 == 499) {
			netswitch_set_up(self, false);
			netswitch_set_up(self, true);
		}
	}
	return NULL;
}

TEST(the_switch_by_several_threads)
{
	pthread_t threads[PORTS];
	uint64_t all = 0;

	netswitch_set_age(FRAMES);
	for (unsigned i = 0; i < PORTS; i++) {
		struct config_nic nic = { 1, mac_of(i) };

		netswitch_connect(i, &nic, &outbox[i], &inbox[i]);
		netswitch_set_up(i, true);
	}
	for (unsigned i = 0; i < PORTS; i++)
		pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < PORTS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < PORTS; i++) {
		take(i);
		CHECK(torn[i] == 0);
		all += taken[i];
	}
	CHECK(all > FRAMES);
}

UNIT_MAIN
