/* SPDX-License-Identifier: MIT */
/* The loop around the requests of a queue, for devices that answer each of them at once. */
#ifndef DRIVERS_GUEST_VIRTIO_SERVE_H
#define DRIVERS_GUEST_VIRTIO_SERVE_H

#include "drivers/guest/virtio/virtio.h"

/** Does a request, @written bytes of which it fills (0 before). *cost: of those before it in this
 * exit, to which it adds what cannot be seen from the request. False: it is to be served again. */
typedef bool virtio_serve_one(struct vm *vm, struct virtio *device, struct vring_chain *chain,
			      uint32_t *written, uint64_t *cost);

/*
 * All requests there are, more that come meanwhile too, and one interrupt for them. A driver that
 * adds some for ever, or large ones, gets its turn in between: its notification is made again.
 * @extra: what a request costs besides what can be seen. Inline, so that @one is no indirect call.
 */
static inline __attribute__((always_inline)) void virtio_serve(struct vm *vm, struct virtio *device,
							       struct vring *queue, uint64_t extra,
							       virtio_serve_one *one)
{
	struct vring_chain *chain = virtio_chain(vm);
	uint64_t cost = 0;
	bool again = false;
	int got;

	do {
		unsigned done = 0;

		while ((got = vring_pop(vm, queue, chain)) > 0) {
			uint64_t own = virtio_cost(chain) + extra;
			uint32_t written = 0;

			if (unlikely(!virtio_affords(cost, own) ||
				     !one(vm, device, chain, &written, &cost))) {
				vring_unpop(queue);
				again = true;
				break;
			}
			cost += own;
			vring_put(queue, done++, chain->head, written);
		}
		vring_publish(queue, done);
		if (unlikely(got < 0))
			virtio_fail(vm, device, VIRTIO_BROKEN_QUEUE);
	} while (unlikely(got >= 0 && !again && vring_rearm(queue)));
	if (unlikely(again))
		vm_again(vm, device, (unsigned)(queue - device->queue));
	else
		virtio_signal(vm, device, queue);
}

#endif
