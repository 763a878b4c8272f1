/* prove: drivers/guest/virtio/blk.c */
/* prove-with: guest-tests/prove/platform.c guest-tests/prove/bulk.c */
/* prove-before: guest-tests/prove/requests.h */
/* prove-options: precision=0 coverage=95 quick -eva-plevel=200 -eva-slevel=10 -eva-auto-loop-unroll=16 */
/* SPDX-License-Identifier: MIT */
/* Any requests to a disk that may be written, and to one that may not. */
#include "guest-tests/prove/platform.h"
#include "guest-tests/prove/ring.h"
#include "hv/base/string.h"

#define SECTORS 100

/* And room for the longest request, since Eva knows nothing of sums. */
static uint8_t image[512 * SECTORS + MIB(4)];

size_t str_copy(char *dst, const char *src, size_t size)
{
	any_bytes(dst, size);
	return any64;
}

struct virtio *virtio_add(struct vm *vm, enum virtio_kind kind, uint64_t features)
{
	return any8 ? &vm->machine.pci.function[0].device : NULL;
}

struct vring_chain *virtio_chain(struct vm *vm)
{
	return &vm->machine.pci.chain;
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
	struct virtio *disk = vblk_add(vm, image, 512 * SECTORS, any8 & 1, "a name");

	prepare_requests();
	if (!disk)
		return;
	while (any8) {
		disk->accepted = any64;
		vblk_notify(vm, disk);
	}
}
