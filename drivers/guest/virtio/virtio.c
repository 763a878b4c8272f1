// SPDX-License-Identifier: MIT
#include "drivers/guest/legacy/machine.h"
#include "drivers/guest/virtio/serve.h"

#include "hv/base/string.h"

enum {
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
	STATUS_NEEDS_RESET = 0x40,
};
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

/* struct virtio_pci_common_cfg, 4.1.4.3. */
enum {
	COMMON_OFFERED_SELECT = 0x00,
	COMMON_OFFERED = 0x04,
	COMMON_ACCEPTED_SELECT = 0x08,
	COMMON_ACCEPTED = 0x0c,
	COMMON_CONFIG_VECTOR = 0x10,
	COMMON_QUEUES = 0x12,
	COMMON_STATUS = 0x14,
	COMMON_GENERATION = 0x15,
	COMMON_QUEUE_SELECT = 0x16,
	COMMON_QUEUE_SIZE = 0x18,
	COMMON_QUEUE_VECTOR = 0x1a,
	COMMON_QUEUE_ENABLE = 0x1c,
	COMMON_QUEUE_NOTIFY = 0x1e,
	COMMON_QUEUE_ADDRESSES = 0x20, /* descriptors, driver area, device area: 64 bits each */
};

#define KIND(name, number, text, class, queues, most) [number] = { text, class, queues },
static const struct {
	const char *name;
	uint32_t class;
	uint8_t queues;
} kinds[] = { VIRTIO_KINDS(KIND) };

uint32_t virtio_class(const struct virtio *device)
{
	return kinds[device->kind].class;
}

struct virtio *virtio_add(struct vm *vm, enum virtio_kind kind, uint64_t features)
{
	struct vpci *pci = &vm_machine(vm)->pci;
	struct virtio *device;

	if (pci->count == VPCI_FUNCTIONS)
		return NULL;
	device = &pci->function[pci->count++].device;
	device->kind = (uint8_t)kind;
	device->queues = kinds[kind].queues;
	device->offered = features | VIRTIO_F_VERSION_1 | VRING_F_EVENT_IDX;
	/* A disk's requests are done when their notification is: the ring has room for more than
	 * there ever are, and a chain in it costs less than one in a table elsewhere. */
	if (kind != VIRTIO_BLK)
		device->offered |= VRING_F_INDIRECT_DESC;
	vpci_reset(vm);
	return device;
}

void virtio_reset(struct virtio *device)
{
	device->status = device->isr = 0;
	device->queue_select = 0;
	device->config_vector = VMSIX_NO_VECTOR;
	device->offered_select = device->accepted_select = 0;
	device->accepted = 0;
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		device->queue[i] = (struct vring){ .size = i < device->queues ? VRING_MAX : 0,
						   .vector = VMSIX_NO_VECTOR };
	if (device->kind == VIRTIO_CONSOLE)
		device->console = (struct vconsole){ 0 };
	else if (device->kind == VIRTIO_NET)
		device->arrival = (struct vnet_arrival){ 0 };
}

static void interrupt(struct vm *vm, struct virtio *device, uint8_t isr, uint16_t vector)
{
	device->isr |= isr;
	if (vector != VMSIX_NO_VECTOR)
		vmsix_raise(vm, &device->msix, vector);
}

void virtio_config_changed(struct vm *vm, struct virtio *device)
{
	device->generation++;
	if (device->status & STATUS_DRIVER_OK)
		interrupt(vm, device, ISR_CONFIG, device->config_vector);
}

void virtio_fail(struct vm *vm, struct virtio *device, const char *why)
{
	if (device->status & STATUS_NEEDS_RESET)
		return;
	device->status |= STATUS_NEEDS_RESET;
	if (device->status & STATUS_DRIVER_OK)
		interrupt(vm, device, ISR_CONFIG, device->config_vector);
	if (!device->complained)
		vm_complain(vm, kinds[device->kind].name, why);
	device->complained = true;
}

void virtio_signal(struct vm *vm, struct virtio *device, struct vring *queue)
{
	if (vring_wants_interrupt(queue))
		interrupt(vm, device, ISR_QUEUE, queue->vector);
}

bool virtio_is_live(const struct virtio *device, unsigned queue)
{
	return (device->status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) == STATUS_DRIVER_OK &&
	       queue < device->queues && device->queue[queue].enabled;
}

struct virtio *virtio_find(struct vm *vm, enum virtio_kind kind)
{
	struct vpci *pci = &vm_machine(vm)->pci;

	for (unsigned i = 0; i < pci->count; i++)
		if (pci->function[i].device.kind == kind)
			return &pci->function[i].device;
	return NULL;
}

struct vring_chain *virtio_chain(struct vm *vm)
{
	return &vm_machine(vm)->pci.chain;
}

/* Of devices whose bytes are slow: one request an exit. False: it is to be served again. */
static bool serve_one(struct vm *vm, struct virtio *device, struct vring_chain *chain,
		      uint32_t *written, uint64_t *cost)
{
	(void)cost;
	if (device->kind == VIRTIO_RNG)
		*written = vrng_serve(chain);
	else if (device->kind == VIRTIO_CONSOLE)
		return vconsole_serve(vm, device, chain);
	return true;
}

static void refill(struct vm *vm, struct virtio *device, unsigned queue)
{
	if (vconsole_fill(vm, device))
		vm_again(vm, device, queue);
}

void virtio_notify(struct vm *vm, struct virtio *device, unsigned queue)
{
	if (unlikely(!virtio_is_live(device, queue)))
		return;
	if (device->kind == VIRTIO_NET)
		vnet_notify(vm, device, queue);
	else if (device->kind == VIRTIO_CONSOLE && queue == 0)
		refill(vm, device, queue);
	else if (likely(device->kind == VIRTIO_BLK))
		vblk_notify(vm, device);
	else
		virtio_serve(vm, device, &device->queue[queue], VIRTIO_BUDGET, serve_one);
}

static void set_status(struct vm *vm, struct virtio *device, uint8_t status)
{
	if (status == 0) {
		virtio_reset(device);
		return;
	}
	/* Features that do not go together are refused by not taking the bit (3.1.1). */
	if ((device->accepted & ~device->offered) || !(device->accepted & VIRTIO_F_VERSION_1))
		status &= (uint8_t)~STATUS_FEATURES_OK;
	device->status = (device->status & STATUS_NEEDS_RESET) | status;
	if ((status & STATUS_DRIVER_OK) && !(status & STATUS_FEATURES_OK))
		virtio_fail(vm, device, "its driver starts without agreeing on features");
}

static void accept_features(struct virtio *device, uint32_t value)
{
	unsigned shift;

	if (device->accepted_select >= 2 || (device->status & STATUS_FEATURES_OK))
		return;
	shift = device->accepted_select * 32;
	device->accepted = (device->accepted & ~(0xffffffffULL << shift)) | (uint64_t)value
										    << shift;
}

static uint16_t valid_vector(uint32_t vector)
{
	return vector < VMSIX_VECTORS ? (uint16_t)vector : VMSIX_NO_VECTOR;
}

static uint64_t *queue_address(struct vring *queue, unsigned offset)
{
	switch (offset & ~7U) {
	case COMMON_QUEUE_ADDRESSES:
		return &queue->desc_gpa;
	case COMMON_QUEUE_ADDRESSES + 8:
		return &queue->avail_gpa;
	default:
		return &queue->used_gpa;
	}
}

static void queue_write(struct vm *vm, struct virtio *device, struct vring *queue, unsigned offset,
			uint32_t value)
{
	uint64_t *address;
	unsigned shift;

	if (offset == COMMON_QUEUE_VECTOR) {
		queue->vector = valid_vector(value);
		return;
	}
	if (queue->enabled) /* nothing else may change any more */
		return;
	switch (offset) {
	case COMMON_QUEUE_SIZE:
		queue->size = (uint16_t)value;
		break;
	case COMMON_QUEUE_ENABLE:
		if (value == 1 && vring_enable(vm, queue, device->accepted))
			virtio_fail(vm, device, "its driver put a queue where it cannot be");
		break;
	default:
		if (offset < COMMON_QUEUE_ADDRESSES)
			return;
		address = queue_address(queue, offset);
		shift = offset & 4 ? 32 : 0;
		*address = (*address & ~(0xffffffffULL << shift)) | (uint64_t)value << shift;
		break;
	}
}

static void common_write(struct vm *vm, struct virtio *device, unsigned offset, uint32_t value)
{
	switch (offset) {
	case COMMON_OFFERED_SELECT:
		device->offered_select = value;
		break;
	case COMMON_ACCEPTED_SELECT:
		device->accepted_select = value;
		break;
	case COMMON_ACCEPTED:
		accept_features(device, value);
		break;
	case COMMON_CONFIG_VECTOR:
		device->config_vector = valid_vector(value & 0xffff);
		break;
	case COMMON_STATUS:
		set_status(vm, device, (uint8_t)value);
		break;
	case COMMON_QUEUE_SELECT:
		device->queue_select = (uint16_t)value;
		break;
	default:
		if (offset >= COMMON_QUEUE_SIZE && device->queue_select < device->queues)
			queue_write(vm, device, &device->queue[device->queue_select], offset,
				    offset < COMMON_QUEUE_ADDRESSES ? value & 0xffff : value);
		break;
	}
}

static uint32_t queue_read(struct virtio *device, unsigned offset)
{
	struct vring *queue = &device->queue[device->queue_select];

	switch (offset) {
	case COMMON_QUEUE_SIZE:
		return queue->size;
	case COMMON_QUEUE_VECTOR:
		return queue->vector;
	case COMMON_QUEUE_ENABLE:
		return queue->enabled;
	case COMMON_QUEUE_NOTIFY:
		return device->queue_select;
	default:
		return (uint32_t)(*queue_address(queue, offset) >> (offset & 4 ? 32 : 0));
	}
}

static uint32_t common_read(struct virtio *device, unsigned offset)
{
	switch (offset) {
	case COMMON_OFFERED_SELECT:
		return device->offered_select;
	case COMMON_OFFERED:
		return device->offered_select < 2
			       ? (uint32_t)(device->offered >> 32 * device->offered_select)
			       : 0;
	case COMMON_ACCEPTED_SELECT:
		return device->accepted_select;
	case COMMON_ACCEPTED:
		return device->accepted_select < 2
			       ? (uint32_t)(device->accepted >> 32 * device->accepted_select)
			       : 0;
	case COMMON_CONFIG_VECTOR:
		return device->config_vector;
	case COMMON_QUEUES:
		return device->queues;
	case COMMON_STATUS:
		return device->status;
	case COMMON_GENERATION:
		return device->generation;
	case COMMON_QUEUE_SELECT:
		return device->queue_select;
	default:
		/* A queue that does not exist has size 0. */
		return offset >= COMMON_QUEUE_SIZE && device->queue_select < device->queues
			       ? queue_read(device, offset)
			       : 0;
	}
}

uint32_t virtio_read(struct virtio *device, unsigned offset, unsigned size)
{
	uint32_t value = 0;

	if (offset >= VIRTIO_BAR_PBA)
		return offset == VIRTIO_BAR_PBA ? device->msix.pending : 0;
	if (offset >= VIRTIO_BAR_MSIX)
		return vmsix_read(&device->msix, offset - VIRTIO_BAR_MSIX);
	if (offset >= VIRTIO_BAR_DEVICE) {
		offset -= VIRTIO_BAR_DEVICE;
		if (offset + size <= VIRTIO_CONFIG_SIZE)
			memcpy(&value, &device->config[offset], size);
		return value;
	}
	if (offset == VIRTIO_BAR_ISR) {
		value = device->isr; /* reading acknowledges */
		device->isr = 0;
		return value;
	}
	return offset < VIRTIO_COMMON_SIZE ? common_read(device, offset) : 0;
}

void virtio_write(struct vm *vm, struct virtio *device, unsigned offset, unsigned size,
		  uint32_t value)
{
	if (offset < VIRTIO_COMMON_SIZE)
		common_write(vm, device, offset, value);
	else if (offset >= VIRTIO_BAR_MSIX && offset < VIRTIO_BAR_PBA && size == 4)
		vmsix_write(vm, &device->msix, offset - VIRTIO_BAR_MSIX, value);
}
