/* unit-sources: drivers/guest/irq/[a-z]*.c drivers/guest/net/[a-z]*.c drivers/guest/virtio/[a-z]*.c drivers/guest/legacy/[a-z]*.c hv/base/print.c hv/base/string.c guest-tests/unit/fake_platform.c */
/* SPDX-License-Identifier: MIT */
/* A network card between its rings and its queues of frames: what it takes, what it gives, and when
 * frames leave. */
#include "guest-tests/unit/fake_platform.h"
#include "guest-tests/unit/unit.h"

#define CSUM BIT(0)
#define GUEST_CSUM BIT(1)
#define GUEST_TSO4 BIT(7)
#define HOST_TSO4 BIT(11)
#define HOST_TSO6 BIT(12)
#define LARGE (BIT(7) | BIT(8) | BIT(11) | BIT(12))
#define MRG BIT(15)
#define EVENT VRING_F_EVENT_IDX
#define NOISE_FEATURES (CSUM | GUEST_CSUM | LARGE | MRG | EVENT | VRING_F_INDIRECT_DESC)
#define SIZE 64U
#define RING(q) (0x1000U + (q)*0x2000U) /* descriptors; available 0x800, used 0x1000 behind */
#define DATA 0x8000U
#define STRIDE 64U
#define MAC 0x020304050602ULL

enum { RX, TX, NEXT = 1, WRITE = 2 };

static struct vm *vm;
static struct virtio *card;

static uint16_t *half(unsigned at)
{
	return (uint16_t *)(vm->ram + at);
}

#define AVAIL(q) (RING(q) + 0x800)
#define USED(q) (RING(q) + 0x1000)
#define avail_idx(q) (*half(AVAIL(q) + 2))
#define used_idx(q) (*half(USED(q) + 2))
#define used_flags(q) (*half(USED(q)))
#define avail_event(q) (*half(USED(q) + 4 + 8 * SIZE))

static void reg(unsigned at, unsigned size, uint32_t value)
{
	virtio_write(vm, card, at, size, value);
}

/* The driver: rings of its own choice, empty. */
static void begin(uint64_t features)
{
	features |= VIRTIO_F_VERSION_1;
	memset(vm->ram + RING(0), 0, RING(2) - RING(0));
	reg(0x14, 1, 3);
	for (unsigned i = 0; i < 2; i++) {
		reg(0x08, 4, i);
		reg(0x0c, 4, (uint32_t)(features >> 32 * i));
	}
	reg(0x14, 1, 11);
	for (unsigned q = 0; q < 2; q++) {
		reg(0x16, 2, q);
		reg(0x18, 2, SIZE);
		reg(0x20, 4, RING(q));
		reg(0x28, 4, AVAIL(q));
		reg(0x30, 4, USED(q));
		reg(0x1c, 2, 1);
	}
	reg(0x14, 1, 15);
	CHECK(virtio_read(card, 0x14, 1) == 15 && virtio_is_live(card, RX) &&
	      virtio_is_live(card, TX));
}

static void start(uint64_t features)
{
	vm = fake_vm(1, true);
	CHECK(vnet_add(vm, 0, MAC));
	card = &vm->machine.pci.function[0].device;
	begin(features);
	vm->tsc = 10 * FAKE_WINDOW;
}

static void run_card(bool rests)
{
	vnet_receive(vm, 0);
	vnet_send_on(vm, 0, rests);
}

/* As long as there is more than an exit may do. */
static void run_on(void)
{
	do {
		vm->poll_in = 0;
		run_card(false);
	} while (vm->poll_in == 1);
}

static void desc(unsigned q, unsigned n, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
	struct vring_desc d = { addr, len, (uint16_t)flags, (uint16_t)next };

	memcpy(vm->ram + RING(q) + n * sizeof(d), &d, sizeof(d));
}

static void offer(unsigned q, unsigned head)
{
	*half(AVAIL(q) + 4 + 2 * (avail_idx(q) % SIZE)) = (uint16_t)head;
	avail_idx(q)++;
}

/* A request to send: header and @length bytes, all one buffer. */
static void queue_frame(const struct frame_header *header, uint32_t length)
{
	memcpy(vm->ram + DATA, header, sizeof(*header));
	for (unsigned i = 0; i < length; i++)
		vm->ram[DATA + sizeof(*header) + i] = (uint8_t)(i + length);
	desc(TX, avail_idx(TX) % SIZE, DATA, (uint32_t)sizeof(*header) + length, 0, 0);
	offer(TX, avail_idx(TX) % SIZE);
}

static void queue_some(unsigned count)
{
	const struct frame_header none = { 0 };

	while (count--)
		queue_frame(&none, 60);
}

static bool sent(struct frame_header header, uint32_t length)
{
	const struct net_frame *frame;
	bool right;

	queue_frame(&header, length);
	virtio_notify(vm, card, TX);
	vm->tsc += FAKE_WINDOW;
	CHECK(used_idx(TX) == avail_idx(TX));
	frame = frame_queue_first(&vm->outbox[0]);
	if (!frame)
		return false;
	right = frame->length == length && frame->header.num_buffers == 1 &&
		frame->header.flags == header.flags && frame->header.gso_type == 0 &&
		frame->header.hdr_len == 0 && frame->data[length - 1] == (uint8_t)(2 * length - 1);
	if (header.flags)
		right &= frame->header.csum_start == header.csum_start &&
			 frame->header.csum_offset == header.csum_offset;
	frame_queue_remove(&vm->outbox[0]);
	CHECK(!frame_queue_first(&vm->outbox[0]));
	return right;
}

static void arrive(uint32_t length, struct frame_header header)
{
	struct net_frame *frame = frame_queue_room(&vm->inbox[0], length);

	CHECK(frame != NULL);
	frame->header = header;
	frame->packets = 1;
	for (unsigned i = 0; i < length; i++)
		frame->data[i] = (uint8_t)(3 * i + length);
	frame_queue_add(&vm->inbox[0], frame);
}

static const struct frame_header plain = { .num_buffers = 1 };

TEST(configuration)
{
	start(0);
	for (unsigned i = 0; i < 6; i++)
		CHECK(virtio_read(card, VIRTIO_BAR_DEVICE + i, 1) == (uint8_t)(MAC >> 8 * i));
	CHECK(virtio_read(card, VIRTIO_BAR_DEVICE + 6, 2) == 1);
	/* No UDP segmentation, no control queue. */
	CHECK((card->offered & 0xfffffff) ==
	      (BIT(0) | BIT(1) | BIT(5) | BIT(15) | BIT(16) | LARGE));
}

TEST(frames_and_headers)
{
	start(CSUM);
	for (uint32_t length = 0; length < 1700; length++)
		CHECK(sent(plain, length) == (length >= FRAME_MIN && length <= FRAME_MAX));
	/* What was not agreed on: segments, of any kind. */
	for (unsigned type = 1; type < 256; type++)
		CHECK(!sent((struct frame_header){ .gso_type = (uint8_t)type, .gso_size = 100 },
			    200));
	/* A checksum: behind the Ethernet header, and its field within the frame. */
	for (unsigned at = 0; at < 110; at++)
		for (unsigned offset = 0; offset < 110; offset++)
			CHECK(sent((struct frame_header){ .flags = 1,
							  .csum_start = (uint16_t)at,
							  .csum_offset = (uint16_t)offset },
				   100) == (at >= FRAME_MIN && at + offset + 2 <= 100));
	CHECK(!sent(
		(struct frame_header){ .flags = 1, .csum_start = 0xffff, .csum_offset = 0xffff },
		100));
	/* What means nothing is not passed on. */
	CHECK(sent((struct frame_header){ .hdr_len = 99, .gso_size = 99, .num_buffers = 99 }, 100));
	start(0);
	CHECK(!sent((struct frame_header){ .flags = 1, .csum_start = 20 }, 100));
	CHECK(vm->outbox[0].dropped == 1 && vm->outbox[0].frames == 0);
}

TEST(pieces)
{
	const struct frame_header none = { 0 };
	const struct net_frame *frame;

	start(0);
	/* The header in two, the frame in three. */
	for (unsigned i = 0; i < 60; i++)
		vm->ram[DATA + 12 + i] = (uint8_t)i;
	memcpy(vm->ram + DATA, &none, sizeof(none));
	desc(TX, 0, DATA, 5, NEXT, 1);
	desc(TX, 1, DATA + 5, 8, NEXT, 2);
	desc(TX, 2, DATA + 13, 20, NEXT, 3);
	desc(TX, 3, DATA + 33, 39, 0, 0);
	offer(TX, 0);
	virtio_notify(vm, card, TX);
	frame = frame_queue_first(&vm->outbox[0]);
	CHECK(frame && frame->length == 60);
	for (unsigned i = 0; frame && i < 60; i++)
		CHECK(frame->data[i] == i);
	/* Not even a header. */
	desc(TX, 0, DATA, 11, 0, 0);
	offer(TX, 0);
	virtio_notify(vm, card, TX);
	CHECK(used_idx(TX) == 2 && vm->outbox[0].dropped == 1);
}

static void check_batching(bool event)
{
	start(event ? EVENT : 0);
	/* The first one begins a window, in which no notification is wanted. */
	queue_some(1);
	virtio_notify(vm, card, TX);
	CHECK(vm->sends == 0 && vm->poll_in == FAKE_WINDOW && used_idx(TX) == 1);
	CHECK(event ? avail_event(TX) == 1 + VNET_BATCH - 1 : used_flags(TX) == 1);
	/* Looked at too early: nothing. */
	vm->tsc += 1000;
	vm->poll_in = 0;
	run_card(false);
	CHECK(vm->sends == 0 && vm->poll_in == FAKE_WINDOW - 1000);
	/* Its end: what has come goes, and another one begins. */
	vm->tsc += FAKE_WINDOW - 1000;
	queue_some(5);
	vm->poll_in = 0;
	run_card(false);
	CHECK(vm->sends == 1 && used_idx(TX) == 6 && vm->poll_in == FAKE_WINDOW);
	/* Nothing came: back to notifications. */
	vm->tsc += FAKE_WINDOW;
	vm->poll_in = 0;
	run_card(false);
	CHECK(vm->sends == 1 && vm->poll_in == 0);
	CHECK(event ? avail_event(TX) == 6 : used_flags(TX) == 0);
	/* A whole batch does not wait, but for there being more of it than an exit may take. */
	queue_some(VNET_BATCH);
	virtio_notify(vm, card, TX);
	CHECK(vm->sends == 1 && vm->poll_in == 1 && used_idx(TX) < 6 + VNET_BATCH);
	while (vm->poll_in == 1) {
		vm->poll_in = 0;
		run_card(false);
	}
	CHECK(vm->sends == 2 && used_idx(TX) == 6 + VNET_BATCH);
	/* Nor does anything whose guest rests. */
	queue_some(3);
	run_card(true);
	CHECK(vm->sends == 3 && used_idx(TX) == 9 + VNET_BATCH);
	/* A VM that starts anew, and its clock with it, waits for no longer than a window. */
	machine_reset(vm);
	CHECK(!vm->machine.card[0].batching);
	begin(event ? EVENT : 0);
	vm->tsc = 0;
	queue_some(1);
	virtio_notify(vm, card, TX);
	CHECK(vm->poll_in == FAKE_WINDOW);
}

TEST(batches_by_event_index)
{
	check_batching(true);
}

TEST(batches_by_flag)
{
	check_batching(false);
}

TEST(a_full_outbox)
{
	start(EVENT);
	while (frame_queue_room(&vm->outbox[0], 60))
		frame_queue_add(&vm->outbox[0], frame_queue_room(&vm->outbox[0], 60));
	queue_some(3);
	virtio_notify(vm, card, TX);
	/* It is sent, and the ring looked at again at once. */
	CHECK(used_idx(TX) == 0 && vm->sends == 1 && vm->poll_in == 1);
	frame_queue_clear(&vm->outbox[0]);
	run_card(false);
	CHECK(used_idx(TX) == 3 && vm->sends == 2);
}

static void buffers(unsigned count, uint32_t size)
{
	while (count--) {
		unsigned n = avail_idx(RX) % SIZE;

		desc(RX, n, DATA + n * STRIDE * 8, size, WRITE, 0);
		offer(RX, n);
	}
}

static uint32_t used_len(unsigned n)
{
	return *(uint32_t *)(vm->ram + USED(RX) + 8 + 8 * (n % SIZE));
}

TEST(delivery)
{
	start(EVENT);
	arrive(60, plain);
	run_card(false);
	CHECK(used_idx(RX) == 0 && frame_queue_first(&vm->inbox[0]));
	CHECK(avail_event(RX) == 0); /* the first buffer is waited for */
	buffers(2, 500);
	virtio_notify(vm, card, RX);
	CHECK(used_idx(RX) == 1 && used_len(0) == 72 && !frame_queue_first(&vm->inbox[0]));
	CHECK(*half(DATA + 10) == 1 && vm->ram[DATA + 12 + 59] == (uint8_t)(3 * 59 + 60));
	/* From now on buffers are no news. */
	CHECK((uint16_t)(avail_event(RX) - avail_idx(RX)) > 1000);
	/* One that runs out of them is not waited for one by one. */
	for (unsigned i = 0; i < 3; i++)
		arrive(60, plain);
	vm->poll_in = 0;
	run_card(false);
	CHECK(used_idx(RX) == 2 && vm->poll_in == FAKE_WINDOW);
	CHECK(avail_event(RX) == 2 + SIZE / 4 - 1);
	vm->poll_in = 0;
	run_card(false);
	CHECK(vm->poll_in == 0 && avail_event(RX) == 2);
	/* Without merging a frame has to fit. */
	buffers(1, 71);
	virtio_notify(vm, card, RX);
	CHECK(used_idx(RX) == 2 && vm->inbox[0].refused == 2);
	CHECK(!frame_queue_first(&vm->inbox[0]));
	arrive(59, plain);
	run_card(false);
	CHECK(used_idx(RX) == 3 && used_len(2) == 71);
	/* A driver that is not there loses what comes. */
	arrive(60, plain);
	reg(0x14, 1, 0);
	run_card(false);
	CHECK(!frame_queue_first(&vm->inbox[0]));
}

TEST(merging)
{
	for (uint32_t size = 1; size < 130; size++) {
		unsigned want = (12 + 100 + size - 1) / size, total = 0;

		start(MRG | EVENT);
		arrive(100, plain);
		buffers(want < SIZE ? want - 1 : SIZE, size);
		run_on();
		CHECK(used_idx(RX) == 0);
		if (want > SIZE) { /* never */
			CHECK(vm->inbox[0].refused == 1 && !frame_queue_first(&vm->inbox[0]));
			continue;
		}
		buffers(1, size);
		virtio_notify(vm, card, RX);
		run_on();
		CHECK(used_idx(RX) == want);
		for (unsigned i = 0; i < used_idx(RX); i++) {
			uint32_t n = used_len(i);

			for (unsigned j = 0; j < n; j++, total++) {
				uint8_t got = vm->ram[DATA + i * STRIDE * 8 + j];

				if (total >= 12)
					CHECK(got == (uint8_t)(3 * (total - 12) + 100));
				else if (total >= 10)
					CHECK(got == (total == 10 ? want : 0));
			}
		}
		CHECK(total == 112);
	}
}

/* What does not fit into all of a small ring's buffers never will, and holds nobody up. */
TEST(merging_in_a_small_ring)
{
	start(MRG);
	card->queue[RX].size = 16;
	arrive(100, plain);
	buffers(16, 1);
	run_card(false);
	CHECK(vm->inbox[0].refused == 1 && !frame_queue_first(&vm->inbox[0]));
}

/* A ring full of buffers that hold no frame is looked at for each frame; one exit has only so much
 * of that. */
TEST(work_of_one_exit)
{
	unsigned refused, exits = 0;

	start(MRG | EVENT);
	buffers(SIZE, 1);
	for (unsigned i = 0; i < 40; i++)
		arrive(100, plain);
	do {
		refused = (unsigned)vm->inbox[0].refused;
		vm->poll_in = 0;
		run_card(false);
		CHECK(vm->inbox[0].refused - refused <= 1 && ++exits <= 40 * 3);
		CHECK(vm->poll_in == (frame_queue_first(&vm->inbox[0]) != NULL));
	} while (frame_queue_first(&vm->inbox[0]));
	CHECK(vm->inbox[0].refused == 40 && used_idx(RX) == 0 && exits > 40);
}

static uint16_t checksum(const uint8_t *data, unsigned from, unsigned to)
{
	uint64_t sum = 0;

	for (unsigned i = from; i < to; i++)
		sum += (uint64_t)data[i] << ((i - from) % 2 ? 8 : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

TEST(checksums)
{
	uint64_t random = 7;

	for (unsigned i = 0; i < 2000; i++) {
		uint32_t length = 60 + (uint32_t)(unit_random(&random) % 300);
		uint16_t at = (uint16_t)(14 + unit_random(&random) % 30);
		uint16_t offset = (uint16_t)(2 * (unit_random(&random) % 6));
		struct frame_header header = {
			.flags = 1, .csum_start = at, .csum_offset = offset, .num_buffers = 1
		};
		uint8_t *field, old[2];

		start(i % 2 ? GUEST_CSUM : 0);
		buffers(1, 500);
		arrive(length, header);
		run_card(false);
		CHECK(used_idx(RX) == 1);
		field = vm->ram + DATA + 12 + at + offset;
		old[0] = (uint8_t)(3 * (at + offset) + length);
		old[1] = (uint8_t)(3 * (at + offset + 1) + length);
		if (i % 2) { /* passed on as it was */
			CHECK(!memcmp(vm->ram + DATA, &header, sizeof(header)));
			CHECK(!memcmp(field, old, 2));
			continue;
		}
		/* The field's old content is the pseudo header's sum: with it the whole is ~0. */
		CHECK(vm->ram[DATA] == 0);
		{
			uint32_t sum = checksum(vm->ram + DATA + 12, at, length) +
				       (old[0] | (uint32_t)old[1] << 8);

			sum = (sum & 0xffff) + (sum >> 16);
			CHECK(sum == 0xffff && (field[0] || field[1]));
		}
	}
}

#define TSO_HEADERS 54U

/* A large frame in one buffer at DATA: TCP over IPv4, @length bytes in segments of @size. */
static void queue_large(uint32_t length, uint16_t size)
{
	const struct frame_header header = { .flags = 1,
					     .gso_type = 1,
					     .hdr_len = 7, /* means nothing */
					     .gso_size = size,
					     .csum_start = 34,
					     .csum_offset = 16 };
	uint8_t *data = vm->ram + DATA + sizeof(header);

	queue_frame(&header, length);
	memset(data, 2, TSO_HEADERS);
	data[12] = 8;
	data[13] = 0;
	data[14] = 0x45;
	data[20] = data[21] = 0;
	data[23] = 6;
	data[46] = 0x50;
	virtio_notify(vm, card, TX);
}

TEST(large_frames_are_agreed_on)
{
	static const uint64_t without[] = { 0, CSUM, HOST_TSO4, CSUM | HOST_TSO6 };
	const struct net_frame *frame;

	for (unsigned i = 0; i < ARRAY_SIZE(without); i++) {
		start(without[i]);
		queue_large(3000, 1000);
		CHECK(vm->outbox[0].dropped == 1 && vm->outbox[0].frames == 0);
	}
	start(CSUM | HOST_TSO4 | EVENT);
	queue_large(3000, 1000);
	frame = frame_queue_first(&vm->outbox[0]);
	CHECK(frame && frame->length == 3000 && frame->packets == 3);
	CHECK(frame->header.hdr_len == TSO_HEADERS && frame->header.num_buffers == 1);
	CHECK(frame->header.gso_type == 1 && frame->header.gso_size == 1000);
	CHECK(vm->outbox[0].frames == 1 && vm->outbox[0].packets == 3);
	queue_large(3000, 1465); /* its packets would be too long */
	CHECK(vm->outbox[0].dropped == 1);
	/* Packets make a batch, not frames. */
	CHECK(vm->sends == 0);
	queue_large(TSO_HEADERS + 61 * 20, 20);
	CHECK(vm->sends == 1);
}

/* Moves the frames of the outbox into the inbox, as the switch does. */
static void loop_back(void)
{
	const struct net_frame *frame;

	while ((frame = frame_queue_first(&vm->outbox[0])) != NULL) {
		struct net_frame *copy = frame_queue_room(&vm->inbox[0], frame->length);

		copy->packets = frame->packets;
		copy->header = frame->header;
		memcpy(copy->data, frame->data, frame->length);
		frame_queue_add(&vm->inbox[0], copy);
		frame_queue_remove(&vm->outbox[0]);
	}
}

TEST(large_frames_arrive_whole)
{
	start(CSUM | HOST_TSO4 | GUEST_TSO4 | GUEST_CSUM | MRG | EVENT);
	queue_large(3000, 1000);
	loop_back();
	/* Seven buffers are needed. That there are six is no reason to look again and again. */
	buffers(6, 500);
	vm->poll_in = 0;
	virtio_notify(vm, card, RX);
	CHECK(used_idx(RX) == 0 && vm->poll_in == 0 && avail_event(RX) == 6);
	buffers(1, 500);
	virtio_notify(vm, card, RX);
	CHECK(used_idx(RX) == 7 && *half(DATA + 10) == 7);
	CHECK(vm->ram[DATA + 1] == 1 && *half(DATA + 4) == 1000 && *half(DATA + 2) == TSO_HEADERS);
	CHECK(!frame_queue_first(&vm->inbox[0]));
}

/* One that takes 59 buffers, in as many exits as that takes; false: not all came. */
static bool arrives_in_exits(unsigned least)
{
	static uint8_t data[30000];
	unsigned exits = 0;

	memcpy(data, frame_queue_first(&vm->inbox[0])->data, sizeof(data));
	do {
		CHECK(used_idx(RX) == 0 && exits < 20);
		vm->poll_in = 0;
		vnet_receive(vm, 0);
		exits++;
		CHECK(vm->poll_in == (frame_queue_first(&vm->inbox[0]) != NULL));
	} while (vm->poll_in);
	return exits >= least && used_idx(RX) == 59 && *half(DATA + 10) == 59 &&
	       !memcmp(vm->ram + DATA + 12, data, sizeof(data));
}

TEST(large_frames_arrive_in_pieces)
{
	const uint64_t features = CSUM | HOST_TSO4 | GUEST_TSO4 | GUEST_CSUM | MRG | EVENT;

	start(features);
	queue_large(30000, 1000);
	loop_back();
	buffers(60, 512);
	CHECK(arrives_in_exits(5));
	/* Wherever its driver starts anew, it gets all of it. */
	for (unsigned exits = 1; exits < 6; exits++) {
		start(features);
		queue_large(30000, 1000);
		loop_back();
		buffers(60, 512);
		for (unsigned i = 0; i < exits; i++)
			vnet_receive(vm, 0);
		CHECK(used_idx(RX) == 0 && frame_queue_first(&vm->inbox[0]));
		reg(0x14, 1, 0);
		begin(features);
		buffers(60, 512);
		CHECK(arrives_in_exits(5) && vm->complaints == 0);
	}
	/* Or takes back what was offered. */
	reg(0x14, 1, 0);
	begin(features);
	queue_large(30000, 1000);
	loop_back();
	buffers(60, 512);
	for (unsigned i = 0; i < 4; i++)
		vnet_receive(vm, 0);
	avail_idx(RX) = card->queue[RX].next_avail;
	card->queue[RX].known_avail = card->queue[RX].next_avail;
	vnet_receive(vm, 0);
	CHECK(vm->complaints == 1 && used_idx(RX) == 0);
}

/* As long as a frame may be, but in so many pieces that an exit would take too long. */
TEST(sent_in_very_many_pieces)
{
	start(CSUM | HOST_TSO4 | EVENT);
	for (unsigned i = 0; i < SIZE; i++)
		desc(TX, i, DATA, 1000, i < SIZE - 1 ? NEXT : 0, i + 1);
	offer(TX, 0);
	virtio_notify(vm, card, TX);
	CHECK(used_idx(TX) == 1 && vm->outbox[0].dropped == 1 && !vm->complaints);
}

/* Who did not agree on them gets packets, as many as he has buffers for. */
TEST(large_frames_arrive_cut)
{
	static const uint64_t without[] = { 0, GUEST_CSUM, GUEST_TSO4, GUEST_CSUM | BIT(8) };

	for (unsigned i = 0; i < ARRAY_SIZE(without); i++) {
		start(without[i] | CSUM | HOST_TSO4 | EVENT);
		queue_large(TSO_HEADERS + 900, 400);
		loop_back();
		buffers(2, 500);
		run_card(false);
		CHECK(used_idx(RX) == 2 && used_len(0) == 12 + TSO_HEADERS + 400);
		CHECK(used_len(1) == used_len(0) && frame_queue_first(&vm->inbox[0]));
		buffers(1, 500);
		vm->tsc += FAKE_WINDOW;
		run_card(false);
		CHECK(used_idx(RX) == 3 && used_len(2) == 12 + TSO_HEADERS + 100);
		CHECK(!frame_queue_first(&vm->inbox[0]));
		CHECK(vm->ram[DATA] == (without[i] & GUEST_CSUM ? 1 : 0) && !vm->ram[DATA + 1]);
	}
}

/* Rings of noise: the sanitizers watch, and the card starts again. */
TEST(noise)
{
	uint64_t random = 11;

	for (unsigned round = 0; round < 3000; round++) {
		start(unit_random(&random) & NOISE_FEATURES);
		for (unsigned at = RING(0); at < RING(2); at += 8) {
			uint64_t value = unit_random(&random);

			if (value & 3) /* mostly small numbers */
				value &= 0x7000f7fff;
			memcpy(vm->ram + at, &value, 8);
		}
		for (unsigned i = 0; i < 20; i++) {
			if (frame_queue_room(&vm->inbox[0], 1000))
				arrive(14 + (uint32_t)(unit_random(&random) % 1500), plain);
			if (i % 7 == 0) {
				queue_large((uint32_t)(unit_random(&random) % 3000),
					    (uint16_t)unit_random(&random));
				loop_back();
			}
			avail_idx(i & 1) = (uint16_t)(card->queue[i & 1].next_avail +
						      unit_random(&random) % (SIZE + 2));
			virtio_notify(vm, card, i & 1);
			run_card(i % 3 == 0);
			while (i % 5 == 0 && frame_queue_first(&vm->outbox[0]))
				frame_queue_remove(&vm->outbox[0]);
		}
		CHECK(vm->complaints <= 1);
	}
}

UNIT_MAIN
