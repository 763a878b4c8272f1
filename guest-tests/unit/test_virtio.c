/* unit-sources: drivers/guest/irq/[a-z]*.c drivers/guest/net/[a-z]*.c drivers/guest/virtio/[a-z]*.c drivers/guest/legacy/[a-z]*.c hv/base/print.c hv/base/string.c guest-tests/unit/fake_platform.c */
/* SPDX-License-Identifier: MIT */
/* The virtio devices as a driver sees them: by configuration space, BARs and memory. */
#include "guest-tests/unit/fake_virtio.h"
#include "guest-tests/unit/unit.h"

#include "hv/base/errno.h"

#define FEATURES (VIRTIO_F_VERSION_1 | VRING_F_EVENT_IDX | DISK_FEATURES)
#define DISK_FEATURES (BIT(1) | BIT(2) | BIT(6) | BIT(9) | BIT(13) | BIT(14))

static uint8_t image[64 * 512 + 100];
static bool flat; /* RAM is there as a whole: the short way through a chain */

static void boot_disk(bool read_only)
{
	for (unsigned i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i / 512 + i);
	fv_boot(1);
	fv->flat = flat;
	CHECK(vblk_add(fv, image, sizeof(image), read_only, "a-disk"));
}

/* A request as blk drivers make it; the status, or 0xff if none came back. */
static uint8_t request(uint32_t type, uint64_t sector, uint64_t data, uint32_t len, bool in)
{
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header = { type, 0, sector };
	unsigned n = 0;

	memcpy(fv->ram + 0x8000, &header, sizeof(header));
	fv->ram[0x8010] = 0xff;
	fv_desc(n++, 0x8000, 16, FV_NEXT, 1);
	if (len) {
		fv_desc(n, data, len, FV_NEXT | (in ? FV_WRITE : 0), n + 1U);
		n++;
	}
	fv_desc(n, 0x8010, 1, FV_WRITE, 0);
	fv_offer(0);
	fv_notify(1, 0);
	return fv->ram[0x8010];
}

TEST(pci_devices_show_themselves)
{
	boot_disk(false);
	CHECK(fv_config(1, 0x00, 4) == 0x10441af4 && fv_config(2, 0x00, 4) == 0x10421af4);
	CHECK(fv_config(3, 0x00, 4) == UINT32_MAX);
	CHECK(fv_config(1, 0x08, 1) == 1 && fv_config(2, 0x0a, 2) == 0x0100);
	CHECK(fv_config(1, 0x06, 2) & 0x10);
	/* Sizing, by ports as by memory. */
	fv_set_config(2, 0x14, 4, UINT32_MAX);
	CHECK(fv_config(2, 0x14, 4) == ~(VIRTIO_BAR_SIZE - 1U));
	fv_set_config(2, 0x14, 4, 0xd0000000);
	CHECK(fv_config(2, 0x14, 4) == 0xd0000000);
	CHECK(fv_read(0xd0000000 + 0x12, 2) == 1); /* it has moved: one queue */
	fv_set_config(2, 0x10, 4, UINT32_MAX);
	CHECK(fv_config(2, 0x10, 4) == (~(VPCI_NOTIFY_SIZE - 1U) | 1));
	fv_set_config(2, 0x04, 2, 0);
	CHECK(fv_read(0xd0000000 + 0x12, 2) == 0xffff);
	/* Bytes of a register leave the others alone. */
	fv_set_config(2, 0x16, 1, 0x12);
	CHECK(fv_config(2, 0x14, 4) == 0xd0120000);
	/* No other function, no other bus. */
	CHECK(fv_ecam(2 << 15 | 1 << 12, 4) == UINT32_MAX);
}

TEST(capabilities_lead_to_all_structures)
{
	unsigned at, types = 0, seen = 0;

	boot_disk(false);
	for (at = fv_config(2, 0x34, 1); at && seen < 10; at = fv_config(2, at + 1, 1), seen++) {
		if (fv_config(2, at, 1) == 0x11) {
			CHECK(fv_config(2, at + 2, 2) == VMSIX_VECTORS - 1);
			continue;
		}
		CHECK(fv_config(2, at, 1) == 9);
		types |= 1U << fv_config(2, at + 3, 1);
	}
	CHECK(seen == 6 && types == 0x3e);
	/* The window of the last one reads the number of queues. */
	fv_set_config(2, 0x98, 1, VPCI_BAR_MEMORY);
	fv_set_config(2, 0x9c, 4, 0x12);
	fv_set_config(2, 0xa0, 4, 2);
	CHECK(fv_config(2, 0xa4, 4) == 1);
	fv_set_config(2, 0x9c, 4, 0x13); /* not aligned */
	CHECK(fv_config(2, 0xa4, 4) == UINT32_MAX);
}

TEST(status_and_features)
{
	boot_disk(false);
	CHECK(fv_common(2, 0x18, 2) == VRING_MAX);
	fv_set_common(2, 0x14, 1, 3);
	fv_set_common(2, 0x08, 4, 0);
	fv_set_common(2, 0x0c, 4, 1U << 31); /* was not offered */
	fv_set_common(2, 0x08, 4, 1);
	fv_set_common(2, 0x0c, 4, 1);
	fv_set_common(2, 0x14, 1, 11);
	CHECK(fv_common(2, 0x14, 1) == 3);
	fv_set_common(2, 0x08, 4, 0);
	fv_set_common(2, 0x0c, 4, 0);
	fv_set_common(2, 0x14, 1, 11);
	CHECK(fv_common(2, 0x14, 1) == 11);
	fv_set_common(2, 0x0c, 4, 0x40); /* too late */
	CHECK(fv_common(2, 0x0c, 4) == 0);
	fv_set_common(2, 0x14, 1, 0);
	CHECK(fv_common(2, 0x14, 1) == 0);
	CHECK(fv_start(2, FEATURES));
	CHECK(fv_common(2, 0x1c, 2) == 1 && fv_common(2, 0x14, 1) == 15);
	/* A running queue stays where it is. */
	fv_set_common(2, 0x20, 4, 0x123000);
	CHECK(fv_common(2, 0x20, 4) == FV_DESC);
}

static void moves_data(void)
{
	boot_disk(false);
	CHECK(fv_start(2, FEATURES));
	CHECK(request(0, 3, 0x9000, 1024, true) == 0);
	CHECK(!memcmp(fv->ram + 0x9000, image + 3 * 512, 1024));
	CHECK(fv_used(0).id == 0 && fv_used(0).len == 1025);
	memset(fv->ram + 0x9000, 0x77, 512);
	CHECK(request(1, 63, 0x9000, 512, false) == 0);
	CHECK(image[63 * 512] == 0x77 && image[63 * 512 + 511] == 0x77);
	CHECK(fv_used(1).len == 1);
	CHECK(request(4, 0, 0, 0, false) == 0);
	CHECK(request(8, 0, 0x9000, 20, true) == 0 && !strcmp((char *)fv->ram + 0x9000, "a-disk"));
	CHECK(request(99, 0, 0, 0, false) == 2);
	/* Beyond the end, in parts of sectors, around the end of numbers. */
	CHECK(request(0, 64, 0x9000, 512, true) == 1);
	CHECK(request(0, 63, 0x9000, 1024, true) == 1);
	CHECK(request(0, 0, 0x9000, 100, true) == 1);
	CHECK(request(1, UINT64_MAX, 0x9000, 512, false) == 1);
	CHECK(request(0, UINT64_MAX / 512, 0x9000, 1024, true) == 1);
	CHECK(fv->complaints == 0);
}

TEST(blk_moves_data)
{
	moves_data();
	flat = true;
	moves_data();
	flat = false;
}

static uint8_t zero_request(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	struct {
		uint64_t sector;
		uint32_t count, flags;
	} range = { sector, count, flags };

	memcpy(fv->ram + 0x9000, &range, sizeof(range));
	return request(type, 0, 0x9000, sizeof(range), false);
}

TEST(blk_zeroes_and_discards)
{
	boot_disk(false);
	CHECK(fv_start(2, FEATURES));
	image[5 * 512 - 1] = image[7 * 512] = 0x55;
	CHECK(zero_request(13, 5, 2, 1) == 0);
	for (unsigned i = 0; i < 1024; i++)
		CHECK(image[5 * 512 + i] == 0);
	CHECK(image[5 * 512 - 1] == 0x55 && image[7 * 512] == 0x55);
	CHECK(zero_request(11, 7, 1, 0) == 0 && image[7 * 512] == 0);
	CHECK(zero_request(11, 7, 1, 1) == 2);
	CHECK(zero_request(13, 7, 1, 2) == 2);
	CHECK(zero_request(13, 63, 2, 0) == 1);
	CHECK(zero_request(13, 0, UINT32_MAX, 0) == 1);
	CHECK(zero_request(13, UINT64_MAX, 1, 0) == 1);
	CHECK(fv_start(2, VIRTIO_F_VERSION_1)); /* without the features */
	CHECK(zero_request(13, 5, 2, 0) == 2);
}

TEST(blk_read_only)
{
	boot_disk(true);
	CHECK(!(fv_offered(2) & (BIT(13) | BIT(14))) && (fv_offered(2) & BIT(5)));
	CHECK(fv_start(2, VIRTIO_F_VERSION_1 | BIT(5)));
	CHECK(request(0, 0, 0x9000, 512, true) == 0);
	memset(fv->ram + 0x9000, 0x77, 512);
	CHECK(request(1, 0, 0x9000, 512, false) == 1 && image[0] == 0);
	CHECK(zero_request(13, 0, 1, 0) == 2 && image[1] == 1);
}

/* What a driver does wrong breaks its device until it is reset, and nothing else. */
static void expect_broken(const char *what)
{
	if (fv_common(2, 0x14, 1) != (15 | 0x40))
		printf("%s: status 0x%x\n", what, fv_common(2, 0x14, 1));
	CHECK(fv_common(2, 0x14, 1) == (15 | 0x40));
	CHECK(fv->complaints == 1);
	boot_disk(false);
	CHECK(fv_start(2, FEATURES));
	CHECK(request(0, 0, 0x9000, 512, true) == 0);
	CHECK(fv_start(2, FEATURES));
}

static void broken_queues(void)
{
	boot_disk(false);
	CHECK(fv_start(2, FEATURES));
	fv_offer(FV_SIZE); /* no such descriptor */
	fv_notify(1, 0);
	expect_broken("head");
	*fv_avail_idx() = FV_SIZE + 1; /* more than there can be */
	fv_notify(1, 0);
	expect_broken("index");
	fv_desc(0, 0x8000, 16, FV_NEXT, 1);
	fv_desc(1, 0x9000, 16, FV_NEXT, 0);
	fv_offer(0);
	fv_notify(1, 0);
	expect_broken("loop");
	fv_desc(0, 0x8000, 0, FV_NEXT, 0);
	fv_offer(0);
	fv_notify(1, 0);
	expect_broken("loop of nothing");
	fv_desc(0, FAKE_RAM - 8, 16, 0, 0);
	fv_offer(0);
	fv_notify(1, 0);
	expect_broken("outside RAM");
	fv_desc(0, UINT64_MAX - 8, 16, 0, 0);
	fv_offer(0);
	fv_notify(1, 0);
	expect_broken("around the end");
	fv_desc(0, 0x8000, 1, FV_WRITE | FV_NEXT, 1);
	fv_desc(1, 0x8000, 16, 0, 0);
	fv_offer(0);
	fv_notify(1, 0);
	expect_broken("to read behind to write");
	fv_desc(0, 0x8000, 16, 0, 0);
	fv_offer(0);
	fv_notify(1, 0);
	expect_broken("no status");
	fv_desc(0, 0xa000, 48, FV_INDIRECT, 0);
	fv_offer(0);
	fv_notify(1, 0);
	expect_broken("a table without the feature");
}

TEST(broken_queues_are_noticed)
{
	broken_queues();
	flat = true;
	broken_queues();
	flat = false;
}

static uint64_t random_state = 1;

static unsigned random_below(unsigned limit)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(random_state >> 33) % limit;
}

/* A chain that may be good, now and then with an edge of RAM, an empty piece, a table, a loop. */
static void random_chain(void)
{
	static const uint32_t lengths[] = { 0, 1, 16, 512, 4096, FAKE_RAM, UINT32_MAX };
	unsigned pieces = 1 + random_below(6), write_from = random_below(pieces + 1);

	for (unsigned i = 0; i < FV_SIZE; i++) {
		unsigned flags = (i + 1 < pieces ? FV_NEXT : 0) | (i >= write_from ? FV_WRITE : 0);
		uint64_t addr = 0x8000 + random_below(0x4000);
		uint32_t len = 1 + random_below(100);

		if (!random_below(12))
			len = lengths[random_below(ARRAY_SIZE(lengths))];
		if (!random_below(12))
			addr = FAKE_RAM - random_below(40);
		if (!random_below(24))
			addr = UINT64_MAX - random_below(40);
		if (!random_below(24))
			flags ^= 1U << random_below(3);
		fv_desc(i, addr, len, flags, random_below(24) ? i + 1 : random_below(FV_SIZE + 1));
	}
}

/* The short way through a chain finds what the long one does. */
TEST(both_walks_agree)
{
	static struct vring_chain chains[2];
	unsigned good = 0;

	boot_disk(false);
	fv_prepare(2, FEATURES);
	for (unsigned round = 0; round < 200000; round++) {
		int got[2];

		random_chain();
		*fv_avail_idx() = 0;
		fv_offer(0);
		for (unsigned i = 0; i < 2; i++) {
			struct vring ring = { .size = FV_SIZE,
					      .desc_gpa = FV_DESC,
					      .avail_gpa = FV_AVAIL,
					      .used_gpa = FV_USED };

			fv->flat = i;
			memset(chains[i].piece, 0, sizeof(chains[i].piece));
			CHECK(vring_enable(fv, &ring, 0) == 0);
			got[i] = vring_pop(fv, &ring, &chains[i]);
		}
		CHECK(got[0] == got[1]);
		if (got[0] != 1)
			continue;
		good++;
		CHECK(chains[0].end - chains[0].piece == chains[1].end - chains[1].piece);
		CHECK(chains[0].out - chains[0].piece == chains[1].out - chains[1].piece);
		CHECK(chains[1].next == chains[1].piece && chains[0].next == chains[0].piece);
		CHECK(chains[0].out_bytes == chains[1].out_bytes);
		CHECK(chains[0].in_bytes == chains[1].in_bytes);
		for (long i = 0; i < chains[0].end - chains[0].piece; i++)
			CHECK(chains[0].piece[i].base == chains[1].piece[i].base &&
			      chains[0].piece[i].len == chains[1].piece[i].len);
	}
	CHECK(good > 50000 && good < 190000);
}

#define RNG_FEATURES (VIRTIO_F_VERSION_1 | VRING_F_INDIRECT_DESC)

static bool rng_breaks(uint32_t len, unsigned flags)
{
	fv_boot(1);
	CHECK(fv_start(1, RNG_FEATURES));
	fv_desc(0, 0xa000, len, flags, 1);
	memcpy(fv->ram + 0xa000, fv->ram + FV_DESC, 16); /* a table within itself */
	fv_offer(0);
	fv_notify(0, 0);
	return fv_common(1, 0x14, 1) == (15 | 0x40);
}

TEST(indirect_descriptors)
{
	struct vring_desc table[3] = { { 0x9000, 16, FV_NEXT | FV_WRITE, 2 },
				       { 0x9040, 8, FV_WRITE, 0 },
				       { 0x9020, 16, FV_NEXT | FV_WRITE, 1 } };

	fv_boot(1);
	CHECK(fv_start(1, RNG_FEATURES));
	memcpy(fv->ram + 0xa001, table, sizeof(table)); /* aligned as it likes */
	fv_desc(5, 0xa001, sizeof(table), FV_INDIRECT | FV_WRITE, 0);
	fv_offer(5);
	fv_notify(0, 0);
	CHECK(fv_used(0).id == 5 && fv_used(0).len == 40);
	CHECK(rng_breaks(24, FV_INDIRECT));
	CHECK(rng_breaks(0, FV_INDIRECT));
	CHECK(rng_breaks(16, FV_INDIRECT | FV_NEXT));
	CHECK(rng_breaks(16, FV_INDIRECT));
}

TEST(queues_only_where_they_fit)
{
	static const uint64_t bad[] = { 1, FAKE_RAM - 16, FAKE_RAM, UINT64_MAX & ~15ULL };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		boot_disk(false);
		fv_prepare(2, FEATURES);
		fv_set_common(2, 0x20, 4, (uint32_t)bad[i]);
		fv_set_common(2, 0x24, 4, (uint32_t)(bad[i] >> 32));
		fv_set_common(2, 0x1c, 2, 1);
		CHECK(fv_common(2, 0x1c, 2) == 0 && (fv_common(2, 0x14, 1) & 0x40));
	}
	boot_disk(false);
	fv_prepare(2, FEATURES);
	fv_set_common(2, 0x18, 2, 24); /* no power of two */
	fv_set_common(2, 0x1c, 2, 1);
	CHECK(fv_common(2, 0x1c, 2) == 0);
	fv_set_common(2, 0x16, 2, 7); /* a queue that does not exist */
	CHECK(fv_common(2, 0x18, 2) == 0);
	fv_set_common(2, 0x1c, 2, 1);
	fv_notify(1, 7);
	fv_notify(1, 3);
}

static unsigned irr(unsigned vector)
{
	return fv->vcpu[0].apic_page[(0x20 + vector / 32) * 4] >> vector % 32 & 1;
}

TEST(msix_masks_and_remembers)
{
	boot_disk(false);
	fv->vcpu[0].apic_page[0xf * 4] = 0x1ff;
	fv_set_config(2, 0x42, 2, 0x8000);
	fv_msix(2, 1, 0xfee00000, 0x51, 0);
	fv_set_common(2, 0x16, 2, 0);
	CHECK(fv_start(2, FEATURES));
	fv_set_common(2, 0x1a, 2, 1);
	CHECK(fv_common(2, 0x1a, 2) == 1);
	CHECK(request(0, 0, 0x9000, 512, true) == 0 && irr(0x51));
	fv->vcpu[0].apic_page[(0x20 + 2) * 4] = 0;
	/* Masked by itself, then with its function. */
	fv_msix(2, 1, 0xfee00000, 0x51, 1);
	*fv_used_event() = 1;
	CHECK(request(0, 0, 0x9000, 512, true) == 0 && !irr(0x51));
	CHECK(fv_bar(2, VIRTIO_BAR_PBA, 4) == 2);
	fv_msix(2, 1, 0xfee00000, 0x52, 0);
	CHECK(irr(0x52) && fv_bar(2, VIRTIO_BAR_PBA, 4) == 0);
	fv_set_config(2, 0x42, 2, 0xc000);
	*fv_used_event() = 2;
	fv->vcpu[0].apic_page[(0x20 + 2) * 4] = 0;
	CHECK(request(0, 0, 0x9000, 512, true) == 0 && !irr(0x52));
	fv_set_config(2, 0x42, 2, 0x8000);
	CHECK(irr(0x52));
	/* No vector, or one that does not exist. */
	fv_set_common(2, 0x1a, 2, VMSIX_VECTORS);
	CHECK(fv_common(2, 0x1a, 2) == 0xffff);
	CHECK(fv_bar(2, VIRTIO_BAR_ISR, 1) == 1 && fv_bar(2, VIRTIO_BAR_ISR, 1) == 0);
}

TEST(one_interrupt_a_batch_and_when_asked)
{
	boot_disk(false);
	fv->vcpu[0].apic_page[0xf * 4] = 0x1ff;
	fv_set_config(2, 0x42, 2, 0x8000);
	fv_msix(2, 1, 0xfee00000, 0x51, 0);
	CHECK(fv_start(2, FEATURES));
	fv_set_common(2, 0x1a, 2, 1);
	*fv_used_event() = 5; /* not before six are done */
	for (unsigned i = 0; i < 5; i++)
		CHECK(request(0, 0, 0x9000, 512, true) == 0 && !irr(0x51));
	CHECK(request(0, 0, 0x9000, 512, true) == 0 && irr(0x51));
	CHECK(*fv_avail_event() == 6);
	fv->vcpu[0].apic_page[(0x20 + 2) * 4] = 0;
	*fv_used_event() = 6;
	fv_offer(0); /* the same request again, as often */
	fv_offer(0);
	fv_offer(0);
	fv->vcpu[0].notified = 0;
	fv_notify(1, 0);
	CHECK(irr(0x51) && fv->vcpu[0].notified == 1 && fv_used(8).len == 513);
}

/* A batch that would take long is cut, and goes on when the notification is made again. */
TEST(long_batches_are_cut)
{
	static uint8_t large[MIB(4)];
	unsigned i;

	fv_boot(1);
	CHECK(vblk_add(fv, large, sizeof(large), false, "large"));
	CHECK(fv_start(2, FEATURES));
	for (i = 0; i < FV_SIZE; i++)
		fv_desc(i, 0x10000, 9 * 512, FV_NEXT | FV_WRITE, i + 1U);
	memset(fv->ram + 0x8000, 0, 16);
	fv_desc(0, 0x8000, 16, FV_NEXT, 1);
	fv_desc(FV_SIZE - 1, 0x8010, 1, FV_WRITE, 0);
	for (i = 0; i < 8; i++)
		fv_offer(0);
	fv_notify(1, 0);
	CHECK(fv->agains == 1 && *fv_used_idx() < 8 && *fv_used_idx() > 0);
	for (i = 0; i < 8; i++)
		fv_notify(1, 0);
	CHECK(*fv_used_idx() == 8 && fv->complaints == 0);
}

/* What a request zeroes is no part of it, but of what it costs. */
TEST(long_discards_are_cut)
{
	static uint8_t large[MIB(1)];
	const struct {
		uint64_t sector;
		uint32_t count, flags;
	} range = { 0, 128, 0 };

	fv_boot(1);
	CHECK(vblk_add(fv, large, sizeof(large), false, "large"));
	CHECK(fv_start(2, FEATURES));
	memset(fv->ram + 0x8000, 0, 16);
	fv->ram[0x8000] = 13;
	memcpy(fv->ram + 0x9000, &range, sizeof(range));
	fv_desc(0, 0x8000, 16, FV_NEXT, 1);
	fv_desc(1, 0x9000, sizeof(range), FV_NEXT, 2);
	fv_desc(2, 0x8010, 1, FV_WRITE, 0);
	for (unsigned i = 0; i < 8; i++)
		fv_offer(0);
	for (unsigned i = 1; i <= 8; i++) {
		fv->ram[0x8010] = 0x55;
		fv_notify(1, 0);
		CHECK(*fv_used_idx() == i && fv->agains == (i < 8 ? i : 7));
		CHECK(fv->ram[0x8010] == 0);
	}
}

TEST(rng_gives_numbers)
{
	static const uint8_t nothing[64];

	if (!vrng_exists())
		return;
	boot_disk(false);
	CHECK(fv_start(1, VIRTIO_F_VERSION_1));
	fv_desc(0, 0x9000, 60, FV_WRITE, 0);
	fv_offer(0);
	fv_notify(0, 0);
	CHECK(fv_used(0).len == 60 && memcmp(fv->ram + 0x9000, nothing, 60) != 0);
	CHECK(fv->ram[0x9000 + 60] == 0);
	/* No more than 64 bytes a request, and one request an exit. */
	fv_desc(0, 0xa000, 1000, FV_WRITE, 0);
	for (unsigned i = 0; i < 3; i++)
		fv_offer(0);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(fv->agains == i && *fv_used_idx() == 1 + i);
		fv_notify(0, 0);
		CHECK(fv_used(1 + i).len == 64);
	}
	CHECK(fv->agains == 2 && *fv_used_idx() == 4);
}

TEST(console_both_ways)
{
	fv_boot(1);
	CHECK(virtio_add(fv, VIRTIO_CONSOLE, 0));
	CHECK(!vconsole_receive(fv, 'x')); /* no driver yet: the UART's */
	CHECK(fv_start(2, VIRTIO_F_VERSION_1));
	CHECK(vconsole_receive(fv, 'a') && vconsole_receive(fv, 'b'));
	fv_desc(0, 0x9000, 100, FV_WRITE, 0);
	fv_offer(0);
	fv_notify(1, 0);
	CHECK(fv_used(0).len == 2 && !memcmp(fv->ram + 0x9000, "ab", 2));
	fv_offer(0);
	CHECK(vconsole_receive(fv, 'c') && fv_used(1).len == 1 && fv->ram[0x9000] == 'c');
	for (unsigned i = 0; i < 1000; i++) /* nobody reads */
		CHECK(vconsole_receive(fv, 'd'));
	/* All of it, but not in one go. */
	fv_desc(0, 0x9000, 1000, FV_WRITE, 0);
	for (unsigned i = 0; i < 5; i++)
		fv_offer(0);
	fv_notify(1, 0);
	CHECK(*fv_used_idx() == 4 && fv->agains == 1 && fv_used(3).len == 256);
	fv_notify(1, 0);
	CHECK(*fv_used_idx() == 6 && fv->agains == 1 && fv_used(5).len == 1000 - 3 * 256);

	fv_boot(1);
	CHECK(virtio_add(fv, VIRTIO_CONSOLE, 0));
	CHECK(fv_start_queue(2, 1, VIRTIO_F_VERSION_1));
	memset(fv->ram + 0x9000, 'o', 1000);
	memcpy(fv->ram + 0x9000 + 990, "0123456789", 10);
	fv_desc(0, 0x9000, 600, FV_NEXT, 1);
	fv_desc(1, 0x9000 + 600, 400, 0, 0);
	fv_offer(0);
	fv_notify(1, 1);
	for (unsigned i = 0; i < 15; i++) {
		CHECK(fv->agains == i + 1 && *fv_used_idx() == 0);
		fv_notify(1, 1);
	}
	CHECK(*fv_used_idx() == 1 && fv->console_length == 1000);
	CHECK(!memcmp(fv->console + 989, "o0123456789", 11));
}

UNIT_MAIN
