// SPDX-License-Identifier: MIT
#include "hv/netswitch.h"

#include "hv/lib/string.h"
#include "hv/spinlock.h"

static struct port {
	bool up;
	uint8_t network;
	uint64_t mac;
	struct frame_queue *outbox, *inbox;
} ports[NETSWITCH_PORTS];

/* Of each port. */
static struct learned {
	uint64_t mac; /* 0: none */
	uint64_t seen;
} learned[NETSWITCH_PORTS][NETSWITCH_LEARNED];

/* The lock is that of the addresses, and of the producers of inboxes and the consumers of outboxes.
 */
static struct network {
	struct spinlock lock;
	uint64_t members;
} networks[CONFIG_MAX_NETWORKS];

static uint64_t max_age;

/* @port runs through the members of @set. */
#define FOR_EACH_PORT(port, set)                                                                   \
	for (uint64_t left_ = (set); left_ && ((port) = (unsigned)__builtin_ctzll(left_), true);   \
	     left_ &= left_ - 1)

void netswitch_set_age(uint64_t ticks)
{
	max_age = ticks;
}

void netswitch_attach(unsigned port, const struct config_nic *nic, struct frame_queue *outbox,
		      struct frame_queue *inbox)
{
	struct network *network = &networks[nic->network];
	unsigned i;

	spinlock_acquire(&network->lock);
	ports[port] = (struct port){
		.network = nic->network, .mac = nic->mac, .outbox = outbox, .inbox = inbox
	};
	network->members |= BIT(port);
	/* The address may have been learned elsewhere. */
	FOR_EACH_PORT (i, network->members)
		memset(learned[i], 0, sizeof(learned[i]));
	spinlock_release(&network->lock);
}

void netswitch_set_up(unsigned port, bool up)
{
	struct network *network = &networks[ports[port].network];

	spinlock_acquire(&network->lock);
	ports[port].up = up;
	memset(learned[port], 0, sizeof(learned[port]));
	spinlock_release(&network->lock);
}

/* @port's entry for @mac; NULL: none that is young enough. */
static struct learned *find(unsigned port, uint64_t mac, uint64_t now)
{
	/* It may have been seen after @now: by a CPU that came to the lock first. */
	for (unsigned i = 0; i < NETSWITCH_LEARNED; i++)
		if (learned[port][i].mac == mac &&
		    (int64_t)(now - learned[port][i].seen) <= (int64_t)max_age)
			return &learned[port][i];
	return NULL;
}

/* Notes that @mac is at @from; false if it cannot be. */
static bool learn(unsigned from, uint64_t others, uint64_t mac, uint64_t now)
{
	struct learned *entry;
	unsigned i;

	spinlock_assert(&networks[ports[from].network].lock);
	entry = find(from, mac, now);
	if (mac == ports[from].mac)
		return true;
	if (!mac || (mac & FRAME_MAC_GROUP))
		return false;
	FOR_EACH_PORT (i, others) {
		struct learned *old = find(i, mac, now);

		if (ports[i].mac == mac)
			return false;
		if (old)
			old->mac = 0;
	}
	/* Its own oldest makes room. */
	if (!entry) {
		entry = &learned[from][0];
		for (i = 1; i < NETSWITCH_LEARNED && entry->mac; i++)
			if (!learned[from][i].mac || learned[from][i].seen < entry->seen)
				entry = &learned[from][i];
	}
	*entry = (struct learned){ mac, now };
	return true;
}

/* Who gets a frame for @mac. */
static uint64_t destinations(unsigned from, uint64_t others, uint64_t mac, uint64_t now)
{
	unsigned i;

	if (mac & FRAME_MAC_GROUP)
		return others;
	FOR_EACH_PORT (i, others | BIT(from))
		if (ports[i].mac == mac || find(i, mac, now))
			return BIT(i) & others;
	return others;
}

static bool deliver(struct frame_queue *inbox, const struct frame *frame)
{
	struct frame *copy = frame_queue_room(inbox, frame->length);

	if (!copy) {
		inbox->dropped++;
		return false;
	}
	copy->packets = frame->packets;
	copy->header = frame->header;
	copy_bulk(copy->data, frame->data, frame->length);
	frame_queue_add(inbox, copy);
	return true;
}

/* What holds the lock at a time, in bytes that are copied, eight to an instruction. A frame costs
 * as much as so many, each copy of it too, and a source whose address is not configured has many
 * ports' addresses looked through. */
#define BUDGET KIB(64)
#define FRAME_COST 1024
#define LOOK_COST 1024

bool netswitch_forward(unsigned port, uint64_t now, uint64_t *reached)
{
	struct port *from = &ports[port];
	struct network *network = &networks[from->network];
	struct frame *frame = NULL;
	uint64_t others, cost = 0;

	spinlock_acquire(&network->lock);
	others = network->members & ~BIT(port);
	while (cost < BUDGET && (frame = frame_queue_first(from->outbox)) != NULL) {
		uint64_t to = 0;
		unsigned i;

		cost += FRAME_COST;
		if (frame_mac(frame, 6) != from->mac)
			cost += LOOK_COST * NETSWITCH_PORTS / 4;
		if (from->up && learn(port, others, frame_mac(frame, 6), now))
			to = destinations(port, others, frame_mac(frame, 0), now);
		else
			from->outbox->refused++;
		FOR_EACH_PORT (i, to) {
			cost += FRAME_COST + frame->length;
			if (ports[i].up && deliver(ports[i].inbox, frame))
				*reached |= BIT(i);
		}
		frame_queue_remove(from->outbox);
	}
	spinlock_release(&network->lock);
	return frame != NULL;
}
