/* prove: drivers/guest/virtio/virtio.c drivers/guest/virtio/console.c drivers/guest/virtio/rng.c */
/* prove-with: guest-tests/prove/platform.c */
/* prove-before: guest-tests/prove/instructions.h guest-tests/prove/requests.h */
/* prove-options: precision=1 coverage=95 quick */
/* SPDX-License-Identifier: MIT */
/* Any accesses to the registers of a console and of an entropy device, and any requests. */
#include "guest-tests/prove/platform.h"
#include "guest-tests/prove/ring.h"

void vmsix_raise(struct vm *vm, struct vmsix *msix, unsigned vector)
{
	/*@ assert one_that_exists: vector < VMSIX_VECTORS; */
}

uint32_t vmsix_read(const struct vmsix *msix, unsigned offset)
{
	return any32;
}

void vmsix_write(struct vm *vm, struct vmsix *msix, unsigned offset, uint32_t value)
{
}

void vpci_reset(struct vm *vm)
{
}

void vnet_notify(struct vm *vm, struct virtio *device, unsigned queue)
{
}

void vblk_notify(struct vm *vm, struct virtio *device)
{
}

static void use(struct vm *vm, struct virtio *device)
{
	virtio_reset(device);
	//@ loop widen_hints "all", 1024;
	while (any8) {
		virtio_read(device, any_within(0, VIRTIO_BAR_SIZE - 1), any_size(4));
		virtio_write(vm, device, any_within(0, VIRTIO_BAR_SIZE - 1), any_size(4), any32);
		virtio_notify(vm, device, any32);
		vconsole_receive(vm, any8);
		virtio_config_changed(vm, device);
		virtio_class(device);
	}
}

void prove(void)
{
	struct vm *vm = any_vm();
	struct virtio *console = virtio_add(vm, VIRTIO_CONSOLE, 0);
	struct virtio *entropy = virtio_add(vm, VIRTIO_RNG, any64);

	vrng_exists();
	prepare_requests();
	if (console)
		use(vm, console);
	if (entropy)
		use(vm, entropy);
}
