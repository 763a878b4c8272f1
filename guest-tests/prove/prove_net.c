/* prove: drivers/guest/virtio/net.c */
/* prove-with: guest-tests/prove/platform.c guest-tests/prove/bulk.c */
/* prove-before: guest-tests/prove/requests.h */
/* prove-options: precision=0 coverage=95 quick -eva-plevel=200 -eva-slevel=4 -eva-auto-loop-unroll=16 */
/* SPDX-License-Identifier: MIT */
/* Any requests to a network card, and any frames for it that segment_check() may have let pass. */
#include "guest-tests/prove/platform.h"
#include "guest-tests/prove/ring.h"
#include "drivers/guest/net/segment.h"
#include "hv/base/string.h"

/* Eva knows where a copy begins and how long a piece may be, not where it ends. */
static union {
	struct net_frame frame;
	uint8_t room[sizeof(struct net_frame) + FRAME_LARGE + PROVE_RAM];
} sent, received;

struct net_frame *frame_queue_room(struct frame_queue *queue, uint32_t length)
{
	return any8 ? &sent.frame : NULL;
}

void frame_queue_add(struct frame_queue *queue, struct net_frame *frame)
{
}

struct net_frame *frame_queue_first(struct frame_queue *queue)
{
	any_bytes(&received, sizeof(received));
	received.frame.length = any_within(FRAME_MIN, FRAME_LARGE);
	received.frame.header.csum_start = any_within(FRAME_MIN, FRAME_MAX);
	received.frame.header.csum_offset = any_within(0, FRAME_MAX);
	return any8 ? &received.frame : NULL;
}

void frame_queue_remove(struct frame_queue *queue)
{
}

void frame_queue_clear(struct frame_queue *queue)
{
}

bool segment_check(struct net_frame *frame, uint32_t length)
{
	frame->packets = any16;
	return any8 & 1;
}

void segment_cut(const struct net_frame *large, uint32_t k, struct net_frame *packet)
{
	packet->length = any_within(FRAME_MIN, FRAME_MAX);
	packet->packets = 1;
	packet->header.csum_start = any_within(FRAME_MIN, FRAME_MAX - 2);
	packet->header.csum_offset = 0;
}

uint16_t segment_sum(const uint8_t *bytes, uint32_t length)
{
	return any16;
}

struct virtio *virtio_add(struct vm *vm, enum virtio_kind kind, uint64_t features)
{
	return any8 ? &vm->machine.pci.function[0].device : NULL;
}

struct vring_chain *virtio_chain(struct vm *vm)
{
	return &vm->machine.pci.chain;
}

bool virtio_is_live(const struct virtio *device, unsigned queue)
{
	return any8 & 1;
}

void virtio_fail(struct vm *vm, struct virtio *device, const char *why)
{
}

void virtio_signal(struct vm *vm, struct virtio *device, struct vring *queue)
{
}

void prove(void)
{
	struct vm *vm = any_vm();
	struct virtio *card = &vm->machine.pci.function[0].device;

	prepare_requests();
	vnet_add(vm, any_within(0, VNET_MAX - 1), any64);
	card->kind = VIRTIO_NET;
	vm->machine.pci.count = 1;
	while (any8) {
		card->accepted = any64;
		card->queue[0].size = any_within(1, VRING_MAX);
		vnet_notify(vm, card, any8 & 1);
		vnet_receive(vm, any8);
		vnet_send_on(vm, any8, any8 & 1);
	}
}
