/* fuzz-sources: drivers/guest/irq/[a-z]*.c drivers/guest/net/[a-z]*.c drivers/guest/virtio/[a-z]*.c drivers/guest/legacy/[a-z]*.c hv/base/print.c hv/base/string.c guest-tests/unit/fake_platform.c */
/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer on the PCI bus and the virtio devices: the input is what a hostile guest does. Memory
 * changes while requests are served too: at each look into it some bytes of the input are thrown
 * in.
 */
#include "drivers/guest/net/segment.h"
#include "guest-tests/unit/fake_virtio.h"

#define IMAGE 0x1000

static uint8_t image[2][IMAGE];
static const uint8_t untouched[IMAGE];
static const uint8_t *next, *end;

static uint64_t take(unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- && next < end)
		value = value << 8 | *next++;
	return value;
}

/* Another vCPU writes into rings and buffers meanwhile. */
static void meddle(struct vm *vm)
{
	uint64_t at = take(2);

	if (at & 0x8000)
		vm->ram[(FV_DESC + (at & 0x7fff)) % FAKE_RAM] = (uint8_t)take(1);
}

/* TCP over IPv4 behind the header of virtio-net, as a driver that agreed on large frames has it. */
static const uint8_t tcp_frame[12 + 54] = {
	1, 1, [4] = 100, [6] = 34, [8] = 16, [24] = 8, [26] = 0x45, [35] = 6, [58] = 0x50
};

/* A frame for the guest, large or not, as another VM's card would have let it pass. */
static void arrive(uint32_t length, bool checksum, bool large)
{
	struct net_frame *frame = frame_queue_room(&fv->inbox[0], length);

	if (!frame)
		return;
	memset(frame->data, (int)length, length);
	frame->header = (struct frame_header){ .num_buffers = 1 };
	frame->packets = 1;
	if (checksum) {
		frame->header.flags = 1;
		frame->header.csum_start = FRAME_MIN - 2;
	}
	if (large && length >= 54) {
		memcpy(&frame->header, tcp_frame, sizeof(frame->header));
		memcpy(frame->data, tcp_frame + sizeof(frame->header), 54);
		frame->header.gso_size = (uint16_t)take(2);
		if (!segment_check(frame, length))
			return;
	}
	if (frame->header.gso_type != GSO_NONE || length <= FRAME_MAX)
		frame_queue_add(&fv->inbox[0], frame);
}

static void step(void)
{
	unsigned what = (unsigned)take(1), device = 1 + (what >> 4) % 5,
		 size = 1U << (what >> 2 & 3);
	uint64_t at, ignored;
	uint32_t narrow;

	switch (what & 3 ? what & 3 : 4 + take(1) % 8) {
	case 1: /* memory as it likes */
		at = take(3) % (FAKE_RAM - 8);
		ignored = take(size);
		memcpy(fv->ram + at, &ignored, size);
		break;
	case 2: /* a descriptor that may be good */
		at = take(1);
		fv_desc(at % FV_SIZE, 0x8000 + take(2), (uint32_t)take(2), take(1) & 7,
			(unsigned)take(1) % (FV_SIZE + 1));
		break;
	case 3: /* a request */
		fv_offer((unsigned)take(1) % (FV_SIZE + 1));
		fv_notify(device - 1, (what >> 2) % 3);
		break;
	case 4:
		fv_set_config(device, take(1) & 0xff, size, (uint32_t)take(size));
		break;
	case 5:
		fv_set_bar(device, take(2) % VIRTIO_BAR_SIZE, size, take(size));
		break;
	case 6:
		fv_bar(device, take(2) % VIRTIO_BAR_SIZE, size);
		break;
	case 7: /* no port is wider than 4 bytes */
		size = size < 4 ? size : 4;
		machine_pio_write(&fv->vcpu[0], (uint16_t)take(2), size, (uint32_t)take(size));
		break;
	case 8:
		machine_pio_read(&fv->vcpu[0], (uint16_t)take(2), size < 4 ? size : 4, &narrow);
		break;
	case 10: /* a frame for the guest, and time for those that it sends */
		at = take(2);
		arrive(FRAME_MIN + (uint32_t)at % (FRAME_LARGE + 1 - FRAME_MIN), what & 0x80,
		       what & 0x20);
		for (unsigned i = 0; i < VNET_MAX; i++) {
			vnet_receive(fv, i);
			vnet_send_on(fv, i, what & 0x40);
		}
		frame_queue_clear(&fv->outbox[0]);
		break;
	case 9:
		vconsole_receive(fv, (uint8_t)take(1));
		break;
	default:
		fv_start_queue(device, (what >> 2) % 3, VIRTIO_F_VERSION_1 | (uint64_t)take(4));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	next = data;
	end = data + size;
	fv_boot(2);
	virtio_add(fv, VIRTIO_CONSOLE, 0);
	vnet_add(fv, 0, 2);
	vblk_add(fv, image[0], IMAGE, false, "a disk");
	vblk_add(fv, image[1], IMAGE, true, "a disk whose name is long");
	fv->meddle = meddle;
	fv->flat = size % 2;
	memcpy(fv->ram + 0x9000, tcp_frame, sizeof(tcp_frame));
	while (next < end)
		step();
	if (memcmp(image[1], untouched, IMAGE)) /* nobody writes what is to be read only */
		__builtin_trap();
	return 0;
}
