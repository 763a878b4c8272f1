// SPDX-License-Identifier: MIT
#include "drivers/guest/machine.h"

#include "hv/lib/string.h"

/* Feature bits, 5.1.3. */
#define F_CSUM BIT(0)
#define F_GUEST_CSUM BIT(1)
#define F_MAC BIT(5)
#define F_MRG_RXBUF BIT(15)
#define F_STATUS BIT(16)

enum { QUEUE_RX, QUEUE_TX };
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6, STATUS_LINK_UP = 1 };
enum { HEADER_NEEDS_CSUM = 1, HEADER_GSO_NONE = 0 };

/* The guest's buffers that are looked at in one exit, whether they hold a frame or not: what does
 * not come with it comes with the next one. */
#define RX_BURST 256

bool vnet_attach(struct vm *vm, unsigned unit, uint64_t mac)
{
	struct virtio *device = virtio_attach(
		vm, VIRTIO_NET, F_CSUM | F_GUEST_CSUM | F_MAC | F_MRG_RXBUF | F_STATUS);

	if (!device)
		return false;
	device->unit = (uint8_t)unit;
	memcpy(&device->config[CONFIG_MAC], &mac, 6);
	device->config[CONFIG_STATUS] = STATUS_LINK_UP;
	return true;
}

static struct vnet_card *card_of(struct vm *vm, const struct virtio *device)
{
	return &vm_machine(vm)->card[device->unit];
}

/* The guest's header becomes one that every receiver may trust; false: it asks for what was not
 * agreed on, or for a checksum outside the frame. */
static bool check_header(struct frame_header *header, uint64_t features, uint64_t length)
{
	struct frame_header clean = { .num_buffers = 1 };

	if (header->gso_type != HEADER_GSO_NONE)
		return false;
	if (header->flags & HEADER_NEEDS_CSUM) {
		uint64_t end = (uint64_t)header->csum_start + header->csum_offset + 2;

		if (!(features & F_CSUM) || header->csum_start < FRAME_MIN || end > length)
			return false;
		clean.flags = HEADER_NEEDS_CSUM;
		clean.csum_start = header->csum_start;
		clean.csum_offset = header->csum_offset;
	}
	*header = clean;
	return true;
}

/* One request into the outbox, or dropped if it is no frame; false: there is no room. */
static bool take(struct vm *vm, const struct virtio *device, struct vring_chain *chain)
{
	struct frame_queue *outbox = vm_net_outbox(vm, device->unit);
	struct frame_header header;
	struct frame *frame;
	const uint8_t *from;
	uint32_t length, n, done = 0;

	if (!vring_read(chain, &header, sizeof(header)) || chain->out_bytes < FRAME_MIN ||
	    chain->out_bytes > FRAME_MAX ||
	    !check_header(&header, device->accepted, chain->out_bytes)) {
		outbox->dropped++;
		return true;
	}
	length = (uint32_t)chain->out_bytes;
	frame = frame_queue_room(outbox, length);
	if (!frame)
		return false;
	for (; (from = vring_next(chain, false, length, &n)) != NULL; done += n)
		copy_bulk(frame->data + done, from, n);
	frame->header = header;
	frame_queue_add(outbox, frame, length);
	card_of(vm, device)->queued++;
	return true;
}

/* What the driver has queued goes into the outbox, until that is full; the driver gets its buffers
 * back at once, whoever may or may not receive them. */
static void transmit(struct vm *vm, struct virtio *device)
{
	struct vring_chain *chain = &vm_machine(vm)->pci.chain;
	struct vring *ring = &device->queue[QUEUE_TX];
	int got = 0;

	for (unsigned i = 0; i < VRING_MAX && (got = vring_pop(vm, ring, chain)) > 0; i++) {
		if (!take(vm, device, chain)) {
			vring_unpop(ring);
			break;
		}
		vring_push(ring, chain->head, 0);
	}
	if (unlikely(got < 0))
		virtio_fail(vm, device, "its driver broke the rules for queues");
	virtio_signal(vm, device, ring);
}

static void send(struct vm *vm, struct vnet_card *card, uint64_t now)
{
	card->queued = 0;
	card->sent = now;
	vm_net_send(vm);
}

/* From now on the ring is looked at when a whole batch is in it, or the window is over. */
static void batch(struct vm *vm, struct virtio *device, struct vnet_card *card, uint64_t now)
{
	uint64_t passed = now - card->sent;

	card->batching = true;
	vring_quiet(&device->queue[QUEUE_TX], VNET_BATCH);
	vm_net_poll_in(vm, passed < vm_net_window(vm) ? vm_net_window(vm) - passed : 1);
}

static void notify_tx(struct vm *vm, struct virtio *device)
{
	struct vnet_card *card = card_of(vm, device);
	uint64_t now = vm_tsc(vm);

	/* A window begins. Most guests rest when they wait for an answer, which ends it at once. */
	if (!card->batching)
		card->sent = now;
	transmit(vm, device);
	if (card->queued >= VNET_BATCH)
		send(vm, card, now);
	batch(vm, device, card, now);
}

static void poll_tx(struct vm *vm, struct virtio *device, bool rests)
{
	struct vnet_card *card = card_of(vm, device);
	uint64_t now = vm_tsc(vm);

	if (!card->batching)
		return;
	if (rests || now - card->sent >= vm_net_window(vm)) {
		transmit(vm, device);
		if (card->queued)
			send(vm, card, now);
		else
			card->batching = vring_rearm(&device->queue[QUEUE_TX]);
	}
	if (card->batching)
		batch(vm, device, card, now);
}

/* The ones' complement sum from csum_start on, over a field that holds the pseudo header's; 0 is
 * written as its other form, which means "none" nowhere. Behind every frame the queue has more
 * bytes.
 */
static void complete_checksum(struct frame *frame)
{
	uint32_t at = frame->header.csum_start;
	uint8_t *field = frame->data + at + frame->header.csum_offset;
	uint64_t sum = 0;
	uint32_t word;

	for (; at < frame->length; at += 4) {
		uint32_t left = frame->length - at;

		__builtin_memcpy(&word, frame->data + at, 4);
		sum += left < 4 ? word & ((1U << 8 * left) - 1) : word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	word = sum == 0xffff ? 0xffff : ~(uint32_t)sum;
	__builtin_memcpy(field, &word, 2);
	memset(&frame->header, 0, sizeof(frame->header));
}

/* How many requests hold @bytes, the first of which is taken; 0: there are too few yet; the count
 * beyond the ring's size: they never will. *looked counts those that were looked at. */
static unsigned gather(struct vm *vm, struct virtio *device, struct vring_chain *chain,
		       uint64_t bytes, unsigned *looked)
{
	struct vring *ring = &device->queue[QUEUE_RX];
	unsigned limit = device->accepted & F_MRG_RXBUF ? ring->size : 1, n = 0;
	uint64_t have = 0;
	int got = 0;

	while (have < bytes && n < limit && (got = vring_pop(vm, ring, chain)) > 0) {
		have += chain->in_bytes;
		n++;
	}
	*looked += n;
	if (likely(n == 1 && have >= bytes))
		return 1;
	for (unsigned i = 0; i < n; i++)
		vring_unpop(ring);
	if (unlikely(got < 0)) {
		virtio_fail(vm, device, "its driver broke the rules for queues");
		return 0;
	}
	if (have < bytes)
		return n == limit ? UINT32_MAX : 0;
	return vring_pop(vm, ring, chain) > 0 ? n : 0;
}

static void fill(struct vring_chain *chain, const uint8_t **from, uint64_t *left, uint32_t *written)
{
	uint8_t *to;
	uint32_t n;

	while (*left && (to = vring_next(chain, true, *left, &n)) != NULL) {
		copy_bulk(to, *from, n);
		*from += n;
		*left -= n;
		*written += n;
	}
}

/* One frame for the guest; false: it has no buffers yet. */
static bool receive(struct vm *vm, struct virtio *device, struct frame *frame, unsigned *looked)
{
	struct vring_chain *chain = &vm_machine(vm)->pci.chain;
	struct vring *ring = &device->queue[QUEUE_RX];
	uint64_t header_left = sizeof(frame->header), left = frame->length;
	const uint8_t *header = (const uint8_t *)&frame->header, *data = frame->data;
	unsigned count = gather(vm, device, chain, header_left + left, looked);

	if (!count)
		return false;
	if (count > ring->size) {
		vm_net_inbox(vm, device->unit)->refused++;
		return true;
	}
	if (frame->header.flags && !(device->accepted & F_GUEST_CSUM))
		complete_checksum(frame);
	frame->header.num_buffers = (uint16_t)count;
	/* All of them appear to the driver at once. */
	for (unsigned i = 0; i < count; i++) {
		uint32_t written = 0;

		if (i && vring_pop(vm, ring, chain) <= 0) {
			virtio_fail(vm, device, "its driver took buffers back");
			return false;
		}
		fill(chain, &header, &header_left, &written);
		fill(chain, &data, &left, &written);
		vring_put(ring, i, chain->head, written);
	}
	vring_publish(ring, count);
	return true;
}

/* The inbox into the guest's buffers. Without buffers the frames stay there, and whatever finds no
 * room in it any more is lost. */
static void deliver(struct vm *vm, struct virtio *device)
{
	struct frame_queue *inbox = vm_net_inbox(vm, device->unit);
	struct vring *ring = &device->queue[QUEUE_RX];
	struct frame *frame;
	unsigned i, looked = 0;

	if (!virtio_is_live(device, QUEUE_RX)) {
		frame_queue_clear(inbox);
		return;
	}
	for (i = 0; (frame = frame_queue_first(inbox)) != NULL && looked < RX_BURST; i++) {
		if (!receive(vm, device, frame, &looked))
			break;
		frame_queue_remove(inbox);
	}
	if (!frame) {
		vring_quiet(ring, INT16_MAX);
	} else if (i && looked < RX_BURST) {
		/* It is at work: not a notification for each buffer that comes back. */
		vring_quiet(ring, ring->size / 4);
		vm_net_poll_in(vm, vm_net_window(vm));
	} else if (i || vring_rearm(ring)) {
		vm_net_poll_in(vm, 1);
	}
	virtio_signal(vm, device, ring);
}

void vnet_notify(struct vm *vm, struct virtio *device, unsigned queue)
{
	if (queue == QUEUE_RX)
		deliver(vm, device);
	else
		notify_tx(vm, device);
}

void vnet_run(struct vm *vm, bool rests)
{
	struct vpci *pci = &vm_machine(vm)->pci;

	for (unsigned i = 0; i < pci->count; i++) {
		struct virtio *device = &pci->function[i].device;

		if (device->kind != VIRTIO_NET)
			continue;
		deliver(vm, device);
		if (virtio_is_live(device, QUEUE_TX))
			poll_tx(vm, device, rests);
	}
}
