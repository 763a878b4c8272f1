/* prove: drivers/guest/virtio/pci.c drivers/guest/virtio/msix.c */
/* prove-with: guest-tests/prove/platform.c */
/* prove-options: precision=3 coverage=98 quick */
/* SPDX-License-Identifier: MIT */
/* Configuration space, BARs and MSI-X tables of a full bus: any accesses, in any order. */
#include "guest-tests/prove/platform.h"

/* The devices' own registers: prove_virtio.c. */
uint32_t virtio_read(struct virtio *device, unsigned offset, unsigned size)
{
	/*@ assert in_the_bar: offset < VIRTIO_BAR_SIZE; */
	/*@ assert aligned: size == 1 || size == 2 || size == 4; */
	if (offset >= VIRTIO_BAR_MSIX)
		return vmsix_read(&device->msix, offset - VIRTIO_BAR_MSIX);
	return any32;
}

void virtio_write(struct vm *vm, struct virtio *device, unsigned offset, unsigned size,
		  uint32_t value)
{
	/*@ assert in_the_bar: offset < VIRTIO_BAR_SIZE; */
	if (offset >= VIRTIO_BAR_MSIX)
		vmsix_write(vm, &device->msix, offset - VIRTIO_BAR_MSIX, value);
	else
		vmsix_raise(vm, &device->msix, any16);
}

void virtio_notify(struct vm *vm, struct virtio *device, unsigned queue)
{
}

void virtio_reset(struct virtio *device)
{
}

uint32_t virtio_class(const struct virtio *device)
{
	return any32;
}

void vlapic_deliver(struct vm *vm, uint32_t dest, bool logical, unsigned mode, uint8_t vector,
		    bool level)
{
}

void prove(void)
{
	struct vm *vm = any_vm();

	vm->machine.pci.count = any_within(0, VPCI_FUNCTIONS);
	vpci_reset(vm);
	while (any8) {
		uint16_t port = VPCI_ADDRESS_PORT + (any8 & 7);
		uint32_t value = any32;

		vpci_read(vm, port, any_size(4));
		vpci_write(vm, port, any_size(4), any32);
		vpci_ecam_read(vm, any64 % VPCI_ECAM_SIZE);
		vpci_ecam_write(vm, any64 % VPCI_ECAM_SIZE, any_size(4), any32);
		vpci_io(vm, any16, any8 & 1, &value);
		vpci_memory(vm, any64, any8 & 1, any_size(4), &value);
	}
}
