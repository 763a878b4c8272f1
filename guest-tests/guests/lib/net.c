// SPDX-License-Identifier: MIT
#include "guest-tests/guests/lib/net.h"

/* struct virtio_pci_common_cfg, virtio 1.2, 4.1.4.3. */
enum {
	OFFERED_SELECT = 0x00,
	OFFERED = 0x04,
	ACCEPTED_SELECT = 0x08,
	ACCEPTED = 0x0c,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_VECTOR = 0x1a,
	QUEUE_ENABLE = 0x1c,
	QUEUE_DESC = 0x20,
	QUEUE_AVAIL = 0x28,
	QUEUE_USED = 0x30,
};

static uint32_t pci_read(unsigned device, unsigned offset)
{
	outl(0xcf8, 0x80000000U | device << 11 | offset);
	return inl(0xcfc);
}

/* Offset of the capability of virtio's type @type, or of @id, in configuration space. */
static unsigned capability(unsigned device, unsigned id, unsigned type)
{
	unsigned at = pci_read(device, 0x34) & 0xfc;

	for (; at; at = pci_read(device, at) >> 8 & 0xfc)
		if ((pci_read(device, at) & 0xff) == id &&
		    (id != 9 || pci_read(device, at) >> 24 == type))
			return at;
	return 0;
}

static volatile uint8_t *memory_of(unsigned device, unsigned at, unsigned bar, uint32_t offset)
{
	(void)at;
	return (volatile uint8_t *)((uint64_t)(pci_read(device, 0x10 + 4 * bar) & ~0xfU) + offset);
}

static volatile uint8_t *structure(unsigned device, unsigned type)
{
	unsigned at = capability(device, 9, type);

	return memory_of(device, at, pci_read(device, at + 4) & 0xff, pci_read(device, at + 8));
}

static void set_vector(unsigned device, unsigned entry, unsigned vector)
{
	unsigned at = capability(device, 0x11, 0);
	uint32_t table = pci_read(device, at + 4);
	volatile uint32_t *slot =
		(volatile uint32_t *)memory_of(device, at, table & 7, table & ~7U) + 4 * entry;

	slot[0] = 0xfee00000;
	slot[1] = 0;
	slot[2] = vector;
	slot[3] = 0;
	outl(0xcf8, 0x80000000U | device << 11 | at);
	outl(0xcfc, pci_read(device, at) | 0x80000000U);
}

static void add(struct net_queue *queue, unsigned id)
{
	queue->avail.ring[queue->avail.idx % NET_ENTRIES] = (uint16_t)id;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	queue->avail.idx++;
}

static void open_queue(struct net *net, unsigned device, unsigned index, bool has_vector)
{
	struct net_queue *queue = &net->queue[index];
	unsigned at = capability(device, 9, 2);
	unsigned bar = pci_read(device, at + 4) & 0xff;

	memset(queue, 0, sizeof(*queue));
	NET_REG16(net, QUEUE_SELECT) = (uint16_t)index;
	NET_REG16(net, QUEUE_SIZE) = NET_ENTRIES;
	NET_REG16(net, QUEUE_VECTOR) = has_vector ? 0 : 0xffff;
	NET_REG32(net, QUEUE_DESC) = (uint32_t)(uint64_t)queue->desc;
	NET_REG32(net, QUEUE_AVAIL) = (uint32_t)(uint64_t)&queue->avail;
	NET_REG32(net, QUEUE_USED) = (uint32_t)(uint64_t)&queue->used;
	NET_REG16(net, QUEUE_ENABLE) = 1;
	queue->port = (uint16_t)((pci_read(device, 0x10 + 4 * bar) & ~3U) +
				 pci_read(device, at + 8) + index * pci_read(device, at + 16));
	for (unsigned i = 0; i < NET_ENTRIES; i++)
		queue->desc[i] = (struct net_desc){ (uint64_t)queue->buffers[i], NET_BUFFER,
						    index == NET_RX ? 2 : 0, 0 };
}

bool net_open(struct net *net, unsigned index, uint64_t features, unsigned vector, bool buffers)
{
	volatile uint8_t *config;
	unsigned device = 0;

	for (;; device++) {
		if (device == 32)
			return false;
		if (pci_read(device, 0) == 0x10411af4 && index-- == 0)
			break;
	}
	net->regs = structure(device, 1);
	net->notifications = 0;
	NET_REG8(net, NET_DEVICE_STATUS) = 0;
	NET_REG8(net, NET_DEVICE_STATUS) = 3;
	NET_REG32(net, OFFERED_SELECT) = 0;
	net->offered = NET_REG32(net, OFFERED);
	net->features = net->offered & features;
	NET_REG32(net, ACCEPTED_SELECT) = 0;
	NET_REG32(net, ACCEPTED) = (uint32_t)net->features;
	NET_REG32(net, ACCEPTED_SELECT) = 1;
	NET_REG32(net, ACCEPTED) = 1; /* VERSION_1 */
	NET_REG8(net, NET_DEVICE_STATUS) = 11;
	if (!(NET_REG8(net, NET_DEVICE_STATUS) & 8))
		return false;
	config = structure(device, 4);
	net->mac = 0;
	for (unsigned i = 0; i < 6; i++)
		net->mac |= (uint64_t)config[i] << 8 * i;
	if (vector)
		set_vector(device, 0, vector);
	open_queue(net, device, NET_RX, vector != 0);
	open_queue(net, device, NET_TX, false);
	net->queue[NET_TX].avail.flags = 1; /* no interrupts */
	net->queue[NET_RX].avail.flags = vector == 0;
	if (net->features & NET_EVENT_IDX) {
		net->queue[NET_TX].avail.used_event = 0x8000;
		net->queue[NET_RX].avail.used_event = vector ? 0 : 0x8000;
	}
	NET_REG8(net, NET_DEVICE_STATUS) = 15;
	for (unsigned i = 0; buffers && i < NET_ENTRIES; i++)
		add(&net->queue[NET_RX], i);
	if (buffers)
		net_kick(net, NET_RX);
	return true;
}

void net_kick(struct net *net, unsigned queue)
{
	net->queue[queue].told = net->queue[queue].avail.idx;
	net->notifications++;
	outw(net->queue[queue].port, (uint16_t)queue);
}

/* Does the device want to hear of what was added since it was told? */
static void tell(struct net *net, unsigned index)
{
	struct net_queue *queue = &net->queue[index];
	uint16_t now = queue->avail.idx;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (net->features & NET_EVENT_IDX) {
		if ((uint16_t)(now - queue->used.avail_event - 1) < (uint16_t)(now - queue->told))
			net_kick(net, index);
		else
			queue->told = now;
	} else if (!(queue->used.flags & 1)) {
		net_kick(net, index);
	}
}

uint8_t *net_buffer(struct net *net)
{
	struct net_queue *queue = &net->queue[NET_TX];

	/* Buffers come back in the order in which they went. */
	if ((uint16_t)(queue->avail.idx - queue->used.idx) == NET_ENTRIES)
		return NULL;
	return queue->buffers[queue->avail.idx % NET_ENTRIES];
}

void net_send(struct net *net, unsigned length)
{
	struct net_queue *queue = &net->queue[NET_TX];
	unsigned id = queue->avail.idx % NET_ENTRIES;

	queue->desc[id].len = NET_HEADER + length;
	add(queue, id);
	tell(net, NET_TX);
}

uint8_t *net_receive(struct net *net, unsigned *length)
{
	struct net_queue *queue = &net->queue[NET_RX];
	unsigned at = queue->seen % NET_ENTRIES;

	if (queue->seen == queue->used.idx)
		return NULL;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*length = queue->used.ring[at].len - NET_HEADER;
	return queue->buffers[queue->used.ring[at].id % NET_ENTRIES];
}

bool net_arm(struct net *net)
{
	struct net_queue *queue = &net->queue[NET_RX];

	queue->avail.used_event = queue->seen;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return queue->seen != queue->used.idx;
}

void net_received(struct net *net)
{
	struct net_queue *queue = &net->queue[NET_RX];

	add(queue, queue->used.ring[queue->seen++ % NET_ENTRIES].id);
	tell(net, NET_RX);
}
