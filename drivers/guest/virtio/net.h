/* SPDX-License-Identifier: MIT */
/*
 * virtio-net (virtio 1.2, 5.1): a card between the rings of a guest and its two frame queues
 * (frame_queue.h). Frames leave the VM in batches, since each batch costs an escalation: all that
 * come within a window, up to a number, or until the guest rests, go together. Called with the VM's
 * devices locked; all of it works in restricted.
 */
#ifndef DRIVERS_GUEST_VIRTIO_NET_H
#define DRIVERS_GUEST_VIRTIO_NET_H

#include "drivers/guest/net/frame_queue.h"
#include "drivers/guest/platform.h"

#define VNET_MAX 4    /* cards of a VM */
#define VNET_BATCH 64 /* packets that do not wait for others */

/* Room for a frame that is one packet: checksums are summed by words. */
#define VNET_PACKET (sizeof(struct net_frame) + FRAME_MAX + 6)

struct virtio;

struct vnet_card {
	bool batching;	 /* notifications are off, and the ring is polled */
	bool more;	 /* it has more than an exit may take */
	uint16_t queued; /* packets put into the outbox since it was last sent */
	uint64_t sent;	 /* when that was, vm_tsc() */
};

/** Gives the VM card @unit with address @mac. While the VM is built. False: the bus is full. */
ANY bool vnet_add(struct vm *vm, unsigned unit, uint64_t mac);

/** Its driver has something in ring @queue. */
ANY void vnet_notify(struct vm *vm, struct virtio *device, unsigned queue);

/** Something came into an inbox, or the time of vm_net_poll_in() is over: what there is for card
 * @unit of the VM goes into its driver's buffers, and what its driver has queued to the switch.
 * @rests: the vCPU is about to do nothing for a while, so nothing more can come that were worth
 * waiting for. True: there is more to send than an exit may take. */
ANY void vnet_receive(struct vm *vm, unsigned unit);
ANY bool vnet_send_on(struct vm *vm, unsigned unit, bool rests);

#endif
