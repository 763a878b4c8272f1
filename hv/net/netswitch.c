// SPDX-License-Identifier: MIT
#include "hv/net/netswitch.h"

#include "hv/base/spinlock.h"
#include "hv/base/string.h"

static struct port {
	uint64_t mac;
	struct frame_queue *outbox, *inbox;
	uint64_t to; /* ports that the oldest frame of the outbox is still to go to, */
	bool looked; /* if it has been looked at */
	bool up;
	uint8_t network;
} ports[NETSWITCH_PORTS];

/* Of each port. */
static struct learned {
	uint64_t mac; /* 0: none */
	uint64_t seen;
} learned[NETSWITCH_PORTS][NETSWITCH_LEARNED];

/* The lock is that of the addresses, and of the producers of inboxes and the consumers of outboxes.
 */
static struct network {
	uint64_t members;
	unsigned count; /* of them */
	struct spinlock lock;
} networks[CONFIG_MAX_NETWORKS];

static uint64_t max_age;

/* @port runs through the members of @set. */
#define FOR_EACH_PORT(port, set)                                                                   \
	for (uint64_t left_ = (set); left_ && ((port) = (unsigned)__builtin_ctzll(left_), true);   \
	     left_ &= left_ - 1)

/* It is held for as long as frames are copied: nobody waits for that with interrupts off. */
static void acquire(struct network *network)
{
	while (!spinlock_try(&network->lock))
		netswitch_wait();
}

void netswitch_set_age(uint64_t ticks)
{
	max_age = ticks;
}

void netswitch_connect(unsigned port, const struct config_nic *nic, struct frame_queue *outbox,
		       struct frame_queue *inbox)
{
	struct network *network = &networks[nic->network];
	unsigned i;

	spinlock_set_rank(&network->lock, LOCK_NETWORK);
	acquire(network);
	ports[port] = (struct port){
		.network = nic->network, .mac = nic->mac, .outbox = outbox, .inbox = inbox
	};
	network->count += !(network->members & BIT(port));
	network->members |= BIT(port);
	/* The address may have been learned elsewhere. */
	FOR_EACH_PORT (i, network->members)
		memset(learned[i], 0, sizeof(learned[i]));
	spinlock_release(&network->lock);
}

void netswitch_set_up(unsigned port, bool up)
{
	struct network *network = &networks[ports[port].network];

	acquire(network);
	ports[port].up = up;
	ports[port].looked = false; /* its outbox is empty */
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

static bool hand_over(struct frame_queue *inbox, const struct net_frame *frame)
{
	struct net_frame *copy = frame_queue_room(inbox, frame->length);

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

/* What holds the lock at a time, in bytes that are copied, eight to an instruction: the largest
 * frame to one port, at least. A frame costs as much as so many, each copy of it too, and each port
 * whose addresses are looked through: for a source whose address is not the configured one, and for
 * a destination. */
#define BUDGET KIB(72)
#define FRAME_COST 1024
#define LOOK_COST 256
static_assert(LOOK_COST * 2 * NETSWITCH_PORTS + 2 * FRAME_COST + FRAME_MAX < BUDGET &&
		      2 * FRAME_COST + FRAME_LARGE < BUDGET,
	      "each piece gets on");

static uint64_t cost_of_look(const struct port *from, const struct net_frame *frame)
{
	unsigned looks =
		(frame_mac(frame, 6) != from->mac) + !(frame_mac(frame, 0) & FRAME_MAC_GROUP);

	return FRAME_COST + LOOK_COST * (uint64_t)looks * networks[from->network].count;
}

static bool affords(uint64_t *cost, uint64_t more)
{
	if (*cost && *cost + more > BUDGET)
		return false;
	*cost += more;
	return true;
}

/* Finds out where the oldest frame of @port goes. */
static void look(unsigned port, const struct net_frame *frame, uint64_t now)
{
	struct port *from = &ports[port];
	uint64_t others = networks[from->network].members & ~BIT(port);

	from->looked = true;
	from->to = 0;
	if (from->up && learn(port, others, frame_mac(frame, 6), now))
		from->to = destinations(port, others, frame_mac(frame, 0), now);
	else
		from->outbox->refused++;
}

/* Takes the frame on to the first port of @to. */
static void hand_on(struct port *from, uint64_t to, const struct net_frame *frame,
		    uint64_t *reached)
{
	unsigned i = (unsigned)__builtin_ctzll(to);

	from->to = to & (to - 1);
	if (ports[i].up && hand_over(ports[i].inbox, frame))
		*reached |= BIT(i);
}

/* The oldest frame of @port, or what is left of it; false: that would take too long. */
static bool forward(unsigned port, struct net_frame *frame, uint64_t now, uint64_t *reached,
		    uint64_t *cost)
{
	struct port *from = &ports[port];
	uint64_t to;

	if (!from->looked) {
		if (!affords(cost, cost_of_look(from, frame)))
			return false;
		look(port, frame, now);
	}
	while ((to = from->to) != 0) {
		if (!affords(cost, FRAME_COST + frame->length))
			return false;
		hand_on(from, to, frame, reached);
	}
	from->looked = false;
	frame_queue_remove(from->outbox);
	return true;
}

bool netswitch_forward(unsigned port, uint64_t now, uint64_t *reached)
{
	struct network *network = &networks[ports[port].network];
	struct net_frame *frame;
	uint64_t cost = 0;

	acquire(network);
	while ((frame = frame_queue_first(ports[port].outbox)) != NULL &&
	       forward(port, frame, now, reached, &cost))
		;
	spinlock_release(&network->lock);
	return frame != NULL;
}
