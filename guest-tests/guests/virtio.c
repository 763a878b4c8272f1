// SPDX-License-Identifier: MIT
/*
 * The entropy device and a disk of 64 KiB or more, each sector of which begins with its number (or,
 * "again", with what an earlier life of this VM wrote): reading, writing, interrupts, what a
 * request costs, and drivers that break the rules. With "lives=X" it counts its lives on the disk
 * instead, signs with X, and waits for the operator; with "load" it reads and writes without end,
 * and with "naps" too lets another VM have the CPU now and then.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "virtio";

enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };
enum { SIZE = 64, DEPTH = 16, VECTOR = 0x60, ROUNDS = 64 };
#define ECAM 0xe0000000ULL
#define FEATURES (1ULL << 32 | 1U << 29)
#define NO_STATUS 0xee
#define UNUSED 0xd1d1d1d1d1d1d1d1 /* all of the image for "lives" */
#define NAP 2000000
#define SHORT_NAP 10000
#define RESET_PORT 0x64
#define RESET_VALUE 0xfe

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct device {
	volatile uint8_t *common;
	uint16_t port; /* of queue 0's notifications */
	uint16_t seen; /* used entries */
	struct desc desc[SIZE] __attribute__((aligned(4096)));
	volatile uint16_t avail[3 + SIZE];
	volatile uint32_t used[2 + 2 * SIZE] __attribute__((aligned(4096)));
};

struct request {
	uint32_t type, reserved;
	uint64_t sector;
	volatile uint8_t status;
};

static struct device rng, disk;
static struct request requests[DEPTH];
static uint8_t data[DEPTH][4096] __attribute__((aligned(4096)));
static volatile unsigned interrupts;

#define COMMON(d, offset, type) (*(volatile type *)((d)->common + (offset)))

static volatile uint32_t *config(unsigned device, unsigned at)
{
	return (volatile uint32_t *)(ECAM + (device << 15) + at);
}

/* The first device of @kind; its BARs lie where the firmware put them. */
static bool find(struct device *d, unsigned kind)
{
	for (unsigned i = 1; i < 32; i++)
		if (*config(i, 0) == (0x1af4U | (0x1040U + kind) << 16)) {
			d->port = (uint16_t)(*config(i, 0x10) & ~3U);
			d->common = (volatile uint8_t *)(uint64_t)*config(i, 0x14);
			*config(i, 0x40) |= 1U << 31; /* MSI-X */
			return true;
		}
	return false;
}

static bool start(struct device *d)
{
	memset(d->desc, 0, sizeof(d->desc));
	memset((void *)d->avail, 0, sizeof(d->avail));
	memset((void *)d->used, 0, sizeof(d->used));
	d->seen = 0;
	COMMON(d, 0x14, uint8_t) = 0;
	COMMON(d, 0x14, uint8_t) = 3;
	for (unsigned i = 0; i < 2; i++) {
		COMMON(d, 0x08, uint32_t) = i;
		COMMON(d, 0x0c, uint32_t) = (uint32_t)(FEATURES >> 32 * i);
	}
	COMMON(d, 0x14, uint8_t) = 11;
	COMMON(d, 0x16, uint16_t) = 0;
	COMMON(d, 0x18, uint16_t) = SIZE;
	COMMON(d, 0x1a, uint16_t) = 1;
	COMMON(d, 0x20, uint64_t) = (uint64_t)d->desc;
	COMMON(d, 0x28, uint64_t) = (uint64_t)d->avail;
	COMMON(d, 0x30, uint64_t) = (uint64_t)d->used;
	COMMON(d, 0x1c, uint16_t) = 1;
	COMMON(d, 0x14, uint8_t) = 15;
	return COMMON(d, 0x14, uint8_t) == 15;
}

static void set_msix(const struct device *d, uint32_t control)
{
	volatile uint32_t *entry = (volatile uint32_t *)(d->common + 0x1010);

	entry[0] = 0xfee00000;
	entry[1] = 0;
	entry[2] = VECTOR;
	entry[3] = control;
}

static void offer(struct device *d, unsigned head)
{
	d->avail[2 + d->avail[1] % SIZE] = (uint16_t)head;
	d->avail[1]++;
}

static void notify(uint64_t d)
{
	outw(((struct device *)d)->port, 0);
}

static uint16_t used(const struct device *d)
{
	return (uint16_t)(d->used[0] >> 16);
}

/* A request as Linux makes it; @n is its place everywhere. */
static void prepare(unsigned n, uint32_t type, uint64_t sector, uint32_t len)
{
	struct request *r = &requests[n];

	r->type = type;
	r->sector = sector;
	r->status = NO_STATUS;
	disk.desc[3 * n] = (struct desc){ (uint64_t)r, 16, NEXT, (uint16_t)(3 * n + 1) };
	disk.desc[3 * n + 1] =
		(struct desc){ (uint64_t)data[n], len, NEXT | (type == 1 ? 0 : WRITE),
			       (uint16_t)(3 * n + 2) };
	disk.desc[3 * n + 2] = (struct desc){ (uint64_t)&r->status, 1, WRITE, 0 };
	offer(&disk, 3 * n);
}

static uint8_t transfer(uint32_t type, uint64_t sector, uint32_t len)
{
	prepare(0, type, sector, len);
	notify((uint64_t)&disk);
	return requests[0].status;
}

static void count_interrupt(struct frame *frame)
{
	(void)frame;
	interrupts++;
	apic_eoi();
}

static void test_rng(void)
{
	uint64_t *numbers = (uint64_t *)data[0];

	check("there is an entropy device", find(&rng, 4) && start(&rng));
	rng.desc[0] = (struct desc){ (uint64_t)numbers, 64, WRITE, 0 };
	offer(&rng, 0);
	expect_exits("random numbers are one exit", EXIT_IO, 1, notify, (uint64_t)&rng);
	check_eq("all of them came", rng.used[2], 64);
	for (unsigned i = 1; i < 8; i++)
		check("no two are the same", numbers[i] != numbers[i - 1]);
}

static void test_data(void)
{
	uint64_t capacity = *(volatile uint64_t *)(disk.common + 0x200);
	uint64_t first = guest_option("again") ? 0x600d : 0;

	check("the disk has sectors", capacity >= 128);
	check_eq("it can be read", transfer(0, 8, 1024), 0);
	check_eq("sector 8 is there", *(uint64_t *)data[0], 8);
	check_eq("sector 9 is there", *(uint64_t *)(data[0] + 512), 9);
	check_eq("sector 0", transfer(0, 0, 512), 0);
	announce(*(uint64_t *)data[0] == 0x600d ? "the disk is the one of before" : "a new disk");
	check("it holds what was written last", *(uint64_t *)data[0] == 0 || first);
	if (guest_option("read-only")) {
		check_eq("writing fails", transfer(1, 0, 512), 1);
		return;
	}
	*(uint64_t *)data[0] = 0x600d;
	check_eq("it can be written", transfer(1, 0, 512), 0);
	memset(data[0], 0, 512);
	check_eq("and read again", transfer(0, 0, 512), 0);
	check_eq("what was written", *(uint64_t *)data[0], 0x600d);
	check_eq("not behind its end", transfer(0, capacity, 512), 1);
	check_eq("not across it", transfer(0, capacity - 1, 1024), 1);
}

static void test_interrupts(void)
{
	apic_enable();
	set_handler(VECTOR, count_interrupt);
	interrupts_on();
	set_msix(&disk, 0);
	check_eq("what was asked for before it had a handler comes now", interrupts, 1);
	interrupts = 0;
	disk.avail[2 + SIZE] = used(&disk); /* used_event: the next one */
	check_eq("a read", transfer(0, 8, 4096), 0);
	check_eq("one interrupt", interrupts, 1);
	set_msix(&disk, 1);
	disk.avail[2 + SIZE] = used(&disk);
	transfer(0, 8, 4096);
	check_eq("none while it is masked", interrupts, 1);
	check_eq("but it is pending", disk.common[0x1800], 2);
	set_msix(&disk, 0);
	check_eq("and comes then", interrupts, 2);
	disk.avail[2 + SIZE] = (uint16_t)(used(&disk) + 15);
	for (unsigned i = 0; i < 16; i++)
		prepare(i, 0, 8 * i % 120, 4096);
	notify((uint64_t)&disk);
	check_eq("one for a batch of 16", interrupts, 3);
	set_handler(VECTOR, NULL);
	set_msix(&disk, 1);
	disk.avail[2 + SIZE] = (uint16_t)(used(&disk) - 1); /* none from now on */
}

/* Ticks for ROUNDS copies of @words words. */
static uint64_t copy_pages(uint64_t words)
{
	uint64_t start = rdtsc();

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t count = words, from = (uint64_t)data[i % 8],
			 to = (uint64_t)data[8 + i % 8];

		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	}
	return rdtsc() - start;
}

/* What the hypervisor does for a request of 4 KiB, in @depth at a time; copying is the same here.
 */
static void measure(const char *label, unsigned depth)
{
	const struct hypercall_stats *stats;
	uint64_t copy;

	copy_pages(0);
	copy = (copy_pages(512) - copy_pages(0)) / ROUNDS;
	mark("virtio-copy-4k", copy);
	stats_begin();
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned n = 0; n < depth; n++)
			prepare(n, 0, 8 * n % 120, 4096);
		notify((uint64_t)&disk);
	}
	stats = stats_end();
	check_eq("a notification is one exit", stats->exits_by_reason[EXIT_IO], ROUNDS);
	check_eq("and stays restricted", stats->escalations, 0);
	check_eq("all are done", requests[depth - 1].status, 0);
	mark(label, stats->ticks_by_reason[EXIT_IO] / (ROUNDS * depth) - copy);
}

static void expect_broken(const char *name)
{
	notify((uint64_t)&disk);
	check_eq(name, COMMON(&disk, 0x14, uint8_t), 15 | 0x40);
	check("it starts again", start(&disk));
	check_eq("and works", transfer(0, 8, 512), 0);
	start(&disk);
}

static void test_broken(void)
{
	start(&disk);
	disk.avail[1] = 0x4000;
	expect_broken("more requests than there can be");
	offer(&disk, SIZE);
	expect_broken("a descriptor that does not exist");
	disk.desc[0] = (struct desc){ 0, 16, NEXT, 0 };
	offer(&disk, 0);
	expect_broken("a loop");
	disk.desc[0] = (struct desc){ ECAM, 4096, WRITE, 0 };
	offer(&disk, 0);
	expect_broken("a buffer that is no memory");
	disk.desc[0] = (struct desc){ ~0ULL - 15, 16, WRITE, 0 };
	offer(&disk, 0);
	expect_broken("a buffer around the end of everything");
	disk.desc[0] = (struct desc){ (uint64_t)disk.desc, 16, INDIRECT, 0 };
	offer(&disk, 0);
	expect_broken("a table that is its own");
	COMMON(&disk, 0x14, uint8_t) = 0;
	COMMON(&disk, 0x14, uint8_t) = 11;
	COMMON(&disk, 0x20, uint64_t) = 0xc0000000;
	COMMON(&disk, 0x1c, uint16_t) = 1;
	check_eq("a queue that is no memory", COMMON(&disk, 0x1c, uint16_t), 0);
	check("the device is sound", start(&disk) && transfer(0, 8, 512) == 0);
}

/*
 * The first and the last sector say how many lives of this VM there were, and nobody else writes
 * them; the one in the middle stays as the image has it. The first life ends itself.
 */
static _Noreturn void live(char name)
{
	uint64_t capacity = *(volatile uint64_t *)(disk.common + 0x200);
	uint64_t *words = (uint64_t *)data[0], lives = 0;

	check_eq("the middle is read", transfer(0, capacity / 2, 512), 0);
	check_eq("the middle is the image's", words[0], UNUSED);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t sector = i ? capacity - 1 : 0, seen;

		check_eq("it is read", transfer(0, sector, 512), 0);
		seen = words[0] == UNUSED ? 0 : words[0];
		check("its first and last sector agree", !i || seen == lives);
		check("no other VM's", !seen || words[1] == (uint64_t)name);
		lives = seen;
		words[0] = lives + 1;
		words[1] = (uint64_t)name;
		check_eq("it is written", transfer(1, sector, 512), 0);
	}
	print("life %u of %c\n", lives + 1, name);
	if (!lives)
		outb(RESET_PORT, RESET_VALUE);
	nap_init();
	for (;;)
		nap(NAP);
}

/* Nothing but requests: the policy is to see no reason for an escalation in them. */
static _Noreturn void load(void)
{
	bool naps = guest_option("naps");

	if (naps)
		nap_init();
	for (unsigned i = 0;; i++) {
		if (naps && i % 4 == 0)
			nap(SHORT_NAP);
		prepare(i % DEPTH, i & 1, 8 * i % 120, 4096);
		notify((uint64_t)&disk);
	}
}

void guest_main(void)
{
	const char *name = guest_value("lives");

	if (!name && !guest_option("load"))
		test_rng();
	check("there is a disk", find(&disk, 2) && start(&disk));
	if (name)
		live(*name);
	if (guest_option("load"))
		load();
	test_data();
	if (!guest_option("read-only") && !guest_option("again")) {
		test_interrupts();
		if (!guest_option("poweroff")) { /* nobody else takes the core in between */
			measure("virtio-blk-4k-depth-1", 1);
			measure("virtio-blk-4k-depth-16", 16);
		}
		test_broken();
	}
	finish();
}
