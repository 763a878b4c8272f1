// SPDX-License-Identifier: MIT
/* Console device (virtio 1.2, 5.3) with one port: the VM's console by another way. */
#include "drivers/guest/virtio/virtio.h"

enum { QUEUE_INPUT = 0 };
/* Bytes of output in one exit: the machine's own line may be slow. */
#define OUTPUT_MOST 64
/* What it takes to move a byte of input, in bytes that are copied eight to an instruction; and how
 * many one buffer gets. */
#define INPUT_COST 128
#define INPUT_MOST 256

bool vconsole_fill(struct vm *vm, struct virtio *device)
{
	struct vring_chain *chain = virtio_chain(vm);
	struct vring *queue = &device->queue[QUEUE_INPUT];
	struct vconsole *console = &device->console;
	uint64_t cost = 0;

	if (!virtio_is_live(device, QUEUE_INPUT))
		return false;
	/* Bounded: there may be buffers without room, and more of them all the time. */
	while (console->count && virtio_affords(cost, VIRTIO_REQUEST_COST)) {
		uint32_t written = 0, len;
		int got = vring_pop(vm, queue, chain);
		uint8_t *to;

		if (got < 0)
			virtio_fail(vm, device, VIRTIO_BROKEN_QUEUE);
		if (got < 0 || (got == 0 && !vring_rearm(queue)))
			break;
		cost += VIRTIO_REQUEST_COST;
		if (got == 0)
			continue;
		cost += VIRTIO_PIECE_COST * (uint64_t)(chain->end - chain->piece);
		while (console->count && written < INPUT_MOST &&
		       (to = vring_next(chain, true, 1, &len))) {
			*to = console->fifo[console->head++ % VCONSOLE_FIFO];
			console->count--;
			written++;
		}
		cost += INPUT_COST * written;
		vring_push(queue, chain->head, written);
	}
	virtio_signal(vm, device, queue);
	return console->count && !virtio_affords(cost, VIRTIO_REQUEST_COST);
}

bool vconsole_receive(struct vm *vm, uint8_t byte)
{
	struct virtio *device = virtio_find(vm, VIRTIO_CONSOLE);
	struct vconsole *console;

	vm_assert_locked(vm);
	if (!device || !virtio_is_live(device, QUEUE_INPUT))
		return false;
	console = &device->console;
	if (console->count == VCONSOLE_FIFO)
		return true; /* lost, as on a line that nobody reads */
	console->fifo[(console->head + console->count++) % VCONSOLE_FIFO] = byte;
	vconsole_fill(vm, device);
	return true;
}

bool vconsole_serve(struct vm *vm, struct virtio *device, struct vring_chain *chain)
{
	uint64_t skip = device->console.sent, left = OUTPUT_MOST;
	const uint8_t *from;
	uint32_t len;

	for (; skip && vring_next(chain, false, skip, &len); skip -= len)
		;
	for (; (from = vring_next(chain, false, left, &len)); left -= len) {
		for (uint32_t i = 0; i < len; i++, device->console.sent++) {
			/* What is left goes when the notification is made again. */
			if (!vm_console_ready(vm))
				return false;
			vm_console_write(vm, from[i]);
		}
	}
	if (chain->out_bytes)
		return false;
	device->console.sent = 0;
	return true;
}
