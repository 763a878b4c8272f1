/* SPDX-License-Identifier: MIT */
/*
 * The networks that VMs are on: learning Ethernet switches. A port is a VM's network card. Frames
 * come from its outbox and go into the inboxes of others (drivers/guest/net/frame_queue.h); nothing
 * here looks at a guest's memory, and a receiver that takes nothing only loses its own frames.
 *
 * A configured address belongs to its port for good: whoever else sends from it is not forwarded.
 * Any other address (of what is behind a guest that bridges) belongs to the port that sent from it
 * last, a bounded number to each port, so that nobody can push out what others have.
 *
 * Everything here is sensitive: full map only.
 */
#ifndef HV_NETSWITCH_H
#define HV_NETSWITCH_H

#include "drivers/guest/net/frame_queue.h"
#include "hv/config/config.h"

#define NETSWITCH_PORTS 64 /* sets of them are 64-bit masks */
#define NETSWITCH_LEARNED 8
#define NETSWITCH_AGE_S 300
static_assert(CONFIG_MAX_VMS * CONFIG_MAX_NICS <= NETSWITCH_PORTS, "each card has its port");

/** Connects port @port to its network, down at first. @outbox and @inbox are as the full map of
 * every CPU sees them. */
FULL void netswitch_connect(unsigned port, const struct config_nic *nic, struct frame_queue *outbox,
			    struct frame_queue *inbox);

/** A port that is down neither gives nor gets a frame; once this has returned nobody uses its
 * queues. */
FULL void netswitch_set_up(unsigned port, bool up);

/** How long an address is remembered, in ticks of what @now means below. */
FULL void netswitch_set_age(uint64_t ticks);

/** Forwards what is in @port's outbox, some 10,000 instructions' worth. Adds to @reached the ports
 * that got something; false: there is no more. */
FULL bool netswitch_forward(unsigned port, uint64_t now, uint64_t *reached);

/** For whoever uses these to define: another CPU is at work on the network, and others may have
 * their turn meanwhile. */
FULL void netswitch_wait(void);

#endif
