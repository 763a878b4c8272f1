// SPDX-License-Identifier: MIT
#include "drivers/guest/legacy/machine.h"
#include "drivers/guest/net/segment.h"

#include "hv/base/string.h"

/* Feature bits, 5.1.3. */
#define F_CSUM BIT(0)
#define F_GUEST_CSUM BIT(1)
#define F_MAC BIT(5)
#define F_GUEST_TSO4 BIT(7)
#define F_GUEST_TSO6 BIT(8)
#define F_HOST_TSO4 BIT(11)
#define F_HOST_TSO6 BIT(12)
#define F_MRG_RXBUF BIT(15)
#define F_STATUS BIT(16)

enum { QUEUE_RX, QUEUE_TX };
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6, STATUS_LINK_UP = 1 };

/* Buffers that a frame may be spread over: the largest over pages by half. */
#define MERGE_MOST 64
/* What it costs to sum up a byte, in bytes that are copied: 5 instructions for four. */
#define SUM_COST 10ULL

bool vnet_add(struct vm *vm, unsigned unit, uint64_t mac)
{
	struct virtio *device =
		virtio_add(vm, VIRTIO_NET,
			   F_CSUM | F_GUEST_CSUM | F_MAC | F_GUEST_TSO4 | F_GUEST_TSO6 |
				   F_HOST_TSO4 | F_HOST_TSO6 | F_MRG_RXBUF | F_STATUS);

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

/* Has the driver agreed on large frames of this type, to send or to receive, and on checksums? */
static bool takes_large(const struct virtio *device, uint8_t gso_type, uint64_t v4, uint64_t v6,
			uint64_t csum)
{
	uint64_t want = gso_type == GSO_TCPV4 ? v4 | csum : gso_type == GSO_TCPV6 ? v6 | csum : 0;

	return want && (device->accepted & want) == want;
}

/* The guest's header becomes one that every receiver may trust; false: it asks for what was not
 * agreed on, or for a checksum outside the frame, or the frame is not what it says. */
static bool check_header(const struct virtio *device, struct net_frame *frame,
			 const struct frame_header *header, uint32_t length)
{
	struct frame_header clean = { .num_buffers = 1 };

	if (header->flags & HEADER_NEEDS_CSUM) {
		uint64_t end = (uint64_t)header->csum_start + header->csum_offset + 2;

		if (!(device->accepted & F_CSUM) || header->csum_start < FRAME_MIN || end > length)
			return false;
		clean.flags = HEADER_NEEDS_CSUM;
		clean.csum_start = header->csum_start;
		clean.csum_offset = header->csum_offset;
	}
	frame->header = clean;
	frame->packets = 1;
	if (header->gso_type == GSO_NONE)
		return length <= FRAME_MAX;
	frame->header.gso_type = header->gso_type;
	frame->header.gso_size = header->gso_size;
	return takes_large(device, header->gso_type, F_HOST_TSO4, F_HOST_TSO6, F_CSUM) &&
	       segment_check(frame, length);
}

/* One request into the outbox, or dropped if it is no frame; false: there is no room. */
static bool take(struct vm *vm, const struct virtio *device, struct vring_chain *chain,
		 uint64_t cost)
{
	struct frame_queue *outbox = vm_net_outbox(vm, device->unit);
	struct frame_header header;
	struct net_frame *frame;
	const uint8_t *from;
	uint32_t length, n;

	if (unlikely(cost > VIRTIO_MOST) || !vring_read(chain, &header, sizeof(header)) ||
	    chain->out_bytes < FRAME_MIN ||
	    chain->out_bytes > (header.gso_type == GSO_NONE ? FRAME_MAX : FRAME_LARGE)) {
		outbox->dropped++;
		return true;
	}
	length = (uint32_t)chain->out_bytes;
	frame = frame_queue_room(outbox, length);
	if (!frame)
		return false;
	for (uint32_t done = 0; done < length; done += n) {
		from = vring_next(chain, false, length - done, &n);
		if (unlikely(!from))
			break;
		copy_bulk(frame->data + done, from, n);
	}
	/* What is checked is the copy, which the guest does not reach. */
	if (!check_header(device, frame, &header, length)) {
		outbox->dropped++;
		return true;
	}
	frame_queue_add(outbox, frame);
	card_of(vm, device)->queued += frame->packets;
	return true;
}

enum taken { TAKEN_ALL, TAKEN_SOME, TAKEN_UNTIL_FULL };

/* What the driver has queued goes into the outbox, as much as an exit may take; the driver gets its
 * buffers back at once, whoever may or may not receive them. */
static enum taken transmit(struct vm *vm, struct virtio *device)
{
	struct vring_chain *chain = &vm_machine(vm)->pci.chain;
	struct vring *ring = &device->queue[QUEUE_TX];
	enum taken taken = TAKEN_ALL;
	uint64_t cost = 0;
	int got;

	while ((got = vring_pop(vm, ring, chain)) > 0) {
		uint64_t own = virtio_cost(chain);

		if (!virtio_affords(cost, own)) {
			taken = TAKEN_SOME;
		} else if (!take(vm, device, chain, own)) {
			taken = TAKEN_UNTIL_FULL;
		} else {
			vring_push(ring, chain->head, 0);
			cost += own;
			continue;
		}
		vring_unpop(ring);
		break;
	}
	if (unlikely(got < 0))
		virtio_fail(vm, device, VIRTIO_BROKEN_QUEUE);
	virtio_signal(vm, device, ring);
	return taken;
}

/* Takes what there is and sends it if it is @due and all, or enough; false: there was nothing. A
 * window begins; where the outbox was full it is over at once. */
static bool send(struct vm *vm, struct virtio *device, uint64_t now, bool due)
{
	struct vnet_card *card = card_of(vm, device);
	enum taken taken = transmit(vm, device);
	bool any = card->queued || taken != TAKEN_ALL;

	if (card->queued >= VNET_BATCH || taken == TAKEN_UNTIL_FULL ||
	    (due && any && taken == TAKEN_ALL)) {
		card->queued = 0;
		card->sent = taken == TAKEN_UNTIL_FULL ? now - vm_net_window(vm) : now;
		vm_net_send(vm);
	}
	card->more = taken == TAKEN_SOME;
	return any;
}

/* From now on the ring is looked at when a whole batch is in it, or the window is over. */
static void batch(struct vm *vm, struct virtio *device, struct vnet_card *card, uint64_t now)
{
	uint64_t passed = now - card->sent;

	card->batching = true;
	vring_quiet(&device->queue[QUEUE_TX], VNET_BATCH);
	vm_net_poll_in(vm,
		       !card->more && passed < vm_net_window(vm) ? vm_net_window(vm) - passed : 1);
}

static void notify_tx(struct vm *vm, struct virtio *device)
{
	struct vnet_card *card = card_of(vm, device);
	uint64_t now = vm_tsc(vm);

	/* A window begins. Most guests rest when they wait for an answer, which ends it at once. */
	if (!card->batching)
		card->sent = now;
	send(vm, device, now, false);
	batch(vm, device, card, now);
}

static void poll_tx(struct vm *vm, struct virtio *device, bool rests)
{
	struct vnet_card *card = card_of(vm, device);
	uint64_t now = vm_tsc(vm);
	bool due = rests || now - card->sent >= vm_net_window(vm);

	if (!card->batching)
		return;
	if ((due || card->more) && !send(vm, device, now, due))
		card->batching = vring_rearm(&device->queue[QUEUE_TX]);
	if (card->batching)
		batch(vm, device, card, now);
}

/* The field holds the pseudo header's sum; 0 is written as its other form, which means "none"
 * nowhere. Behind every frame the queue has more bytes. */
static void complete_checksum(struct net_frame *frame)
{
	uint32_t at = frame->header.csum_start;
	uint16_t sum = segment_sum(frame->data + at, frame->length - at);

	sum = sum == 0xffff ? 0xffff : (uint16_t)~sum;
	__builtin_memcpy(frame->data + at + frame->header.csum_offset, &sum, 2);
	memset(&frame->header, 0, sizeof(frame->header));
}

/* What became of a frame: it has gone (into buffers, or it never will); it has no buffers yet;
 * there is more to do than an exit may take. */
enum received { RECEIVED, RECEIVED_NOT_YET, RECEIVED_IN_PART };

static int next_buffer(struct vm *vm, struct virtio *device, uint64_t *cost)
{
	struct vring_chain *chain = virtio_chain(vm);
	int got = vring_pop(vm, &device->queue[QUEUE_RX], chain);

	if (got > 0)
		*cost += VIRTIO_REQUEST_COST +
			 VIRTIO_PIECE_COST * (uint64_t)(chain->end - chain->piece);
	return got;
}

/* Finds out how many buffers hold @bytes, and leaves it to be said in the arrival; *taken: it is
 * one, which is taken, else none are. */
static enum received gather(struct vm *vm, struct virtio *device, uint64_t bytes, uint64_t *cost,
			    bool *taken)
{
	struct vnet_arrival *d = &device->arrival;
	unsigned limit = device->accepted & F_MRG_RXBUF ? device->queue[QUEUE_RX].size : 1;
	int got = 1;

	if (limit > MERGE_MOST)
		limit = MERGE_MOST;
	for (; d->size < bytes && d->looked_at < limit; d->looked_at++) {
		if (!virtio_affords(*cost, VIRTIO_REQUEST_COST))
			return RECEIVED_IN_PART;
		got = next_buffer(vm, device, cost);
		if (got <= 0)
			break;
		d->size += virtio_chain(vm)->in_bytes;
	}
	if (likely(d->looked_at == 1 && d->size >= bytes)) {
		d->buffers = 1;
		*taken = true;
		return RECEIVED;
	}
	for (unsigned i = 0; i < d->looked_at; i++)
		vring_unpop(&device->queue[QUEUE_RX]);
	if (d->size >= bytes) {
		d->buffers = d->looked_at;
		return RECEIVED;
	}
	*d = (struct vnet_arrival){ 0 };
	if (unlikely(got < 0))
		virtio_fail(vm, device, VIRTIO_BROKEN_QUEUE);
	return got > 0 ? RECEIVED : RECEIVED_NOT_YET;
}

/* Of @size bytes that are to go out what is not done yet. */
static void fill(struct vring_chain *chain, const void *from, uint64_t size, uint64_t *done,
		 uint32_t *written)
{
	uint8_t *to;
	uint32_t n;

	while (*done < size && (to = vring_next(chain, true, size - *done, &n)) != NULL) {
		copy_bulk(to, (const uint8_t *)from + *done, n);
		*done += n;
		*written += n;
	}
}

/* The next buffer of those that @frame takes, before which the exit had cost @before; it may be
 * @taken already. */
static enum received fill_buffer(struct vm *vm, struct virtio *device,
				 const struct net_frame *frame, uint64_t before, bool taken,
				 uint64_t *cost)
{
	struct vnet_arrival *d = &device->arrival;
	struct vring_chain *chain = virtio_chain(vm);
	uint64_t bytes = frame->length - d->done;
	uint32_t written = 0;

	if (!taken && unlikely(next_buffer(vm, device, cost) <= 0)) {
		virtio_fail(vm, device, "its driver took buffers back");
		return RECEIVED_NOT_YET;
	}
	if (bytes > chain->in_bytes)
		bytes = chain->in_bytes;
	if (!virtio_affords(before, *cost - before + bytes)) {
		vring_unpop(&device->queue[QUEUE_RX]);
		return RECEIVED_IN_PART;
	}
	*cost += bytes;
	fill(chain, &frame->header, sizeof(frame->header), &d->header_done, &written);
	fill(chain, frame->data, frame->length, &d->done, &written);
	vring_put(&device->queue[QUEUE_RX], d->filled++, chain->head, written);
	return RECEIVED;
}

/* One frame into the guest's buffers as it is. */
static enum received put(struct vm *vm, struct virtio *device, struct net_frame *frame,
			 uint64_t *cost)
{
	bool sums = frame->header.flags && !(device->accepted & F_GUEST_CSUM), taken = false;
	struct vnet_arrival *d = &device->arrival;
	enum received how = RECEIVED;
	uint64_t before = *cost;

	if (sums && !virtio_affords(*cost, SUM_COST * frame->length))
		return RECEIVED_IN_PART;
	if (!d->buffers)
		how = gather(vm, device, sizeof(frame->header) + frame->length, cost, &taken);
	if (how != RECEIVED)
		return how;
	if (!d->buffers) {
		vm_net_inbox(vm, device->unit)->refused++;
		return RECEIVED;
	}
	if (sums) {
		complete_checksum(frame);
		*cost += SUM_COST * frame->length;
	}
	frame->header.num_buffers = d->buffers;
	/* All of them appear to the driver at once. */
	while (d->filled < d->buffers) {
		how = fill_buffer(vm, device, frame, before, taken, cost);
		if (how != RECEIVED)
			return how;
		before = *cost;
		taken = false;
	}
	vring_publish(&device->queue[QUEUE_RX], d->buffers);
	*d = (struct vnet_arrival){ 0 };
	return RECEIVED;
}

/* The oldest frame of the inbox, or if it is a large one that the driver does not take, its next
 * packet. */
static enum received receive(struct vm *vm, struct virtio *device, struct net_frame *frame,
			     uint64_t *cost)
{
	bool cut = frame->header.gso_type != GSO_NONE &&
		   !takes_large(device, frame->header.gso_type, F_GUEST_TSO4, F_GUEST_TSO6,
				F_GUEST_CSUM);
	struct net_frame *packet = cut ? (struct net_frame *)vm_machine(vm)->packet : frame;
	enum received how;

	if (cut) {
		segment_cut(frame, frame->next, packet);
		*cost += packet->length;
	}
	how = put(vm, device, packet, cost);
	if (how == RECEIVED && (!cut || ++frame->next == frame->packets))
		frame_queue_remove(vm_net_inbox(vm, device->unit));
	return how;
}

/* The inbox into the guest's buffers. Without buffers the frames stay there, and whatever finds no
 * room in it any more is lost. */
static void take_in(struct vm *vm, struct virtio *device)
{
	struct frame_queue *inbox = vm_net_inbox(vm, device->unit);
	struct vring *ring = &device->queue[QUEUE_RX];
	enum received how = RECEIVED;
	uint64_t cost = 0;
	struct net_frame *frame;
	bool any = false;

	if (!virtio_is_live(device, QUEUE_RX)) {
		frame_queue_clear(inbox);
		return;
	}
	while ((frame = frame_queue_first(inbox)) != NULL &&
	       (how = receive(vm, device, frame, &cost)) == RECEIVED)
		any = true;
	if (!frame) {
		vring_quiet(ring, INT16_MAX);
	} else if (any && how == RECEIVED_NOT_YET) {
		/* It is at work: not a notification for each buffer that comes back. */
		vring_quiet(ring, ring->size / 4);
		vm_net_poll_in(vm, vm_net_window(vm));
	} else if (how == RECEIVED_IN_PART || vring_want_more(ring)) {
		vm_net_poll_in(vm, 1);
	}
	virtio_signal(vm, device, ring);
}

void vnet_notify(struct vm *vm, struct virtio *device, unsigned queue)
{
	if (queue == QUEUE_RX)
		take_in(vm, device);
	else
		notify_tx(vm, device);
}

static struct virtio *device_of(struct vm *vm, unsigned unit)
{
	struct vpci *pci = &vm_machine(vm)->pci;

	vm_assert_locked(vm);
	for (unsigned i = 0; i < pci->count; i++) {
		struct virtio *device = &pci->function[i].device;

		if (device->kind == VIRTIO_NET && device->unit == unit)
			return device;
	}
	return NULL;
}

void vnet_receive(struct vm *vm, unsigned unit)
{
	struct virtio *device = device_of(vm, unit);

	if (device)
		take_in(vm, device);
}

bool vnet_send_on(struct vm *vm, unsigned unit, bool rests)
{
	struct virtio *device = device_of(vm, unit);

	if (!device)
		return false;
	if (virtio_is_live(device, QUEUE_TX))
		poll_tx(vm, device, rests);
	return card_of(vm, device)->more;
}
