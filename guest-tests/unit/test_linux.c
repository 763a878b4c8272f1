/* unit-sources: drivers/guest/loader/loader.c drivers/guest/loader/linux.c drivers/guest/loader/elf.c drivers/guest/loader/pvh.c drivers/guest/loader/multiboot.c hv/base/print.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "drivers/guest/loader/loader.h"
#include "guest-tests/unit/unit.h"
#include "hv/base/errno.h"

#include <sys/mman.h>

#define RAM MIB(64)
#define SETUP (5 * 512)
#define PAYLOAD 0x5000
#define CMDLINE "console=ttyS0 quiet"

/* A guest's memory, of which nothing beyond @low can be touched. */
static uint8_t *memory;

static struct loader_ram make_ram(uint64_t low)
{
	if (memory)
		munmap(memory, RAM);
	memory = mmap(NULL, RAM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(memory, low, PROT_READ | PROT_WRITE);
	return (struct loader_ram){ memory, low, 0 };
}

static void put(uint8_t *p, uint64_t value, unsigned size)
{
	memcpy(p, &value, size);
}

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, p, size);
	return value;
}

/* A kernel as the build of Linux 6.1 makes it, but for its code. */
static uint8_t *make_kernel(uint64_t *size)
{
	uint8_t *k = calloc(1, SETUP + PAYLOAD);

	k[0x1f1] = SETUP / 512 - 1;
	put(k + 0x1f4, PAYLOAD / 16, 4);
	put(k + 0x1fe, 0xaa55, 2);
	put(k + 0x200, 0x6aeb, 2);
	memcpy(k + 0x202, "HdrS", 4);
	put(k + 0x206, 0x020f, 2);
	put(k + 0x22c, 0x7fffffff, 4);
	put(k + 0x230, 0x200000, 4);
	k[0x234] = 1;
	put(k + 0x236, 0x7f, 2);
	put(k + 0x238, 2047, 4);
	put(k + 0x258, MIB(16), 8);
	put(k + 0x260, MIB(8), 4);
	for (unsigned i = 0; i < PAYLOAD; i++)
		k[SETUP + i] = (uint8_t)(i * 7 + 1);
	*size = SETUP + PAYLOAD;
	return k;
}

static char why[160];

static int load(const struct loader_ram *ram, const uint8_t *kernel, uint64_t size,
		const uint8_t *initrd, uint64_t initrd_size, const char *cmdline,
		struct loader_entry *entry)
{
	/* A copy of exactly this size, so that ASan sees a read too far. */
	uint8_t *exact = malloc(size ? size : 1);
	struct loader_input in = {
		exact, size, initrd, initrd_size, cmdline, GPA(0xe0000), NULL, 0
	};
	int err;

	memcpy(exact, kernel, size);
	memset(why, 0, sizeof(why));
	memset(entry, 0, sizeof(*entry));
	err = loader_load(LOADER_LINUX, ram, &in, entry, why, sizeof(why));
	CHECK((err == 0) == (why[0] == '\0'));
	CHECK(strlen(why) < sizeof(why) - 1);
	free(exact);
	return err;
}

/* One field changed; what becomes of it. */
static int load_with(unsigned offset, uint64_t value, unsigned size, uint64_t low)
{
	struct loader_ram ram = make_ram(low);
	struct loader_entry entry;
	uint64_t file_size;
	uint8_t *k = make_kernel(&file_size);
	int err;

	put(k + offset, value, size);
	err = load(&ram, k, file_size, NULL, 0, CMDLINE, &entry);
	free(k);
	return err;
}

struct e820 {
	uint64_t base, size;
	uint32_t type;
} __attribute__((packed));

TEST(linux_is_loaded_by_the_protocol)
{
	struct loader_ram ram = make_ram(RAM);
	struct loader_entry entry;
	uint64_t size;
	uint8_t *k = make_kernel(&size), *initrd = malloc(12345), *zp;
	const struct e820 *map;
	uint64_t at;

	memset(initrd, 0x5a, 12345);
	CHECK(load(&ram, k, size, initrd, 12345, CMDLINE, &entry) == 0);
	CHECK(entry.rip == MIB(16) + 0x200);
	CHECK(!memcmp(memory + MIB(16), k + SETUP, PAYLOAD));
	zp = memory + entry.rsi;
	CHECK(entry.rsi % 16 == 0 && entry.rsi + PAGE_SIZE <= 0x9fc00);
	CHECK(!memcmp(zp + 0x1f1, k + 0x1f1, 0x1f)); /* the header goes along */
	CHECK(get(zp + 0x258, 8) == MIB(16) && get(zp + 0x260, 4) == MIB(8));
	CHECK(zp[0x210] == 0xff && (zp[0x211] & 1));
	CHECK(get(zp + 0x070, 8) == 0xe0000);
	CHECK(!strcmp((char *)memory + get(zp + 0x228, 4), CMDLINE));

	at = get(zp + 0x218, 4);
	CHECK(get(zp + 0x21c, 4) == 12345 && at % PAGE_SIZE == 0);
	CHECK(at + 12345 <= RAM && at + 12345 > RAM - 2 * PAGE_SIZE && at >= MIB(24));
	CHECK(!memcmp(memory + at, initrd, 12345));

	map = (const struct e820 *)(zp + 0x2d0);
	CHECK(zp[0x1e8] == 4);
	CHECK(map[0].base == 0 && map[0].size == 0x9fc00 && map[0].type == 1);
	CHECK(map[1].base == 0x9fc00 && map[1].base + map[1].size == MIB(1) && map[1].type == 2);
	CHECK(map[2].base == MIB(1) && map[2].base + map[2].size == RAM && map[2].type == 1);
	free(k);
	free(initrd);
}

TEST(linux_knows_of_memory_above_4_gib)
{
	struct loader_ram ram = make_ram(RAM);
	struct loader_entry entry;
	const struct e820 *map;
	uint64_t size;
	uint8_t *k = make_kernel(&size), *zp;

	ram.high = GIB(2);
	CHECK(load(&ram, k, size, NULL, 0, "", &entry) == 0);
	zp = memory + entry.rsi;
	map = (const struct e820 *)(zp + 0x2d0);
	CHECK(zp[0x1e8] == 5);
	CHECK(map[4].base == GIB(4) && map[4].size == GIB(2) && map[4].type == 1);
	for (unsigned i = 1; i < 5; i++) /* sorted, none overlaps */
		CHECK(map[i].base >= map[i - 1].base + map[i - 1].size);
	CHECK(get(zp + 0x218, 4) == 0 && get(zp + 0x21c, 4) == 0); /* no initrd */
	free(k);
}

/* What the processor will find: walks the page tables and reads the descriptors. */
TEST(linux_starts_in_an_environment_that_works)
{
	struct loader_ram ram = make_ram(RAM);
	struct loader_entry entry;
	uint64_t size;
	uint8_t *k = make_kernel(&size);

	CHECK(load(&ram, k, size, NULL, 0, CMDLINE, &entry) == 0);
	CHECK(entry.cr3 % PAGE_SIZE == 0);
	for (uint64_t va = 0; va < GIB(4); va += PAGE_SIZE_2M) {
		uint64_t e4 = get(memory + entry.cr3 + 8 * (va >> 39), 8);
		uint64_t e3 = get(memory + ALIGN_DOWN(e4, PAGE_SIZE) + 8 * (va >> 30 & 511), 8);
		uint64_t e2 = get(memory + ALIGN_DOWN(e3, PAGE_SIZE) + 8 * (va >> 21 & 511), 8);

		CHECK((e4 & 3) == 3 && (e3 & 3) == 3 && e2 == (va | 0x83));
	}
	CHECK(entry.cs + 7u <= entry.gdt_limit && entry.ds + 7u <= entry.gdt_limit);
	CHECK(entry.cs == 0x10 && entry.ds == 0x18);
	CHECK(get(memory + entry.gdt_base, 8) == 0);
	CHECK((get(memory + entry.gdt_base + entry.cs, 8) >> 40 & 0xff) == 0x9b);
	CHECK(get(memory + entry.gdt_base + entry.cs, 8) >> 53 & 1);
	CHECK((get(memory + entry.gdt_base + entry.ds, 8) >> 40 & 0xff) == 0x93);
	CHECK(entry.rsp > PAGE_SIZE && entry.rsp < 0x9fc00);
	free(k);
}

TEST(linux_files_that_are_none)
{
	static const uint8_t elf[64] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
	struct loader_ram ram = make_ram(RAM);
	struct loader_entry entry;
	uint8_t zeros[8192] = { 0 };

	CHECK(load(&ram, elf, sizeof(elf), NULL, 0, "", &entry) == -E_INVAL);
	CHECK(strstr(why, "ELF") && strstr(why, "bzImage"));
	for (unsigned size = 0; size < sizeof(zeros); size += 97)
		CHECK(load(&ram, zeros, size, NULL, 0, "", &entry) == -E_INVAL);
	CHECK(strstr(why, "is not a Linux kernel"));
}

TEST(linux_truncated_anywhere_is_refused)
{
	struct loader_ram ram = make_ram(RAM);
	struct loader_entry entry;
	uint64_t size;
	uint8_t *k = make_kernel(&size);

	for (uint64_t n = 0; n < size - 15; n += n < 4096 ? 1 : 61) {
		CHECK(load(&ram, k, n, NULL, 0, "", &entry) == -E_INVAL);
		if (n >= SETUP)
			CHECK(strstr(why, "truncated"));
	}
	free(k);
}

TEST(linux_headers_that_lie)
{
	CHECK(load_with(0x1fe, 0xaa56, 2, RAM) == -E_INVAL);
	CHECK(load_with(0x202, 0, 4, RAM) == -E_INVAL);
	CHECK(load_with(0x206, 0x020b, 2, RAM) == -E_NOTSUP && strstr(why, "64-bit"));
	CHECK(load_with(0x236, 0, 2, RAM) == -E_NOTSUP && strstr(why, "64-bit"));
	CHECK(load_with(0x1f1, 255, 1, RAM) == -E_INVAL);
	CHECK(load_with(0x1f1, 0, 1, RAM) == 0); /* means 4 */
	CHECK(load_with(0x1f4, 0xffffffff, 4, RAM) == -E_INVAL && strstr(why, "truncated"));
	CHECK(load_with(0x258, 0, 8, RAM) == -E_INVAL && strstr(why, "damaged"));
	CHECK(load_with(0x258, 0xff000, 8, RAM) == -E_INVAL);
	CHECK(load_with(0x258, GIB(4), 8, RAM) == -E_INVAL);
	CHECK(load_with(0x258, UINT64_MAX, 8, RAM) == -E_INVAL);
	CHECK(load_with(0x258, UINT64_MAX - MIB(4), 8, RAM) == -E_INVAL);
	CHECK(load_with(0x258, MIB(57), 8, RAM) == -E_NOMEM);
	CHECK(load_with(0x258, RAM - 16, 8, RAM) == -E_NOMEM);
	CHECK(load_with(0x238, 5, 4, RAM) == -E_RANGE && strstr(why, "5 characters"));
	/* Says that it needs less than it brings: the whole of it is backed all the same. */
	CHECK(load_with(0x260, 16, 4, RAM) == 0);
	CHECK(load_with(0x201, 0xff, 1, RAM) == 0);
}

TEST(linux_wants_memory)
{
	CHECK(load_with(0x260, 0xffffffff, 4, RAM) == -E_NOMEM);
	CHECK(strstr(why, "needs 4112 MiB of memory, the VM has 64 MiB"));
	CHECK(load_with(0x260, MIB(8), 4, MIB(22)) == -E_NOMEM);
	CHECK(strstr(why, "needs 24 MiB of memory, the VM has 22 MiB"));
	CHECK(load_with(0x260, MIB(8), 4, MIB(24)) == 0);
	CHECK(load_with(0x260, MIB(8), 4, MIB(2)) == -E_NOMEM);
}

TEST(linux_initrd_has_to_fit)
{
	struct loader_entry entry;
	uint64_t size;
	uint8_t *k = make_kernel(&size), *initrd = calloc(1, MIB(41));
	struct loader_ram ram = make_ram(RAM);

	CHECK(load(&ram, k, size, initrd, MIB(40), CMDLINE, &entry) == 0); /* just */
	ram = make_ram(RAM);
	CHECK(load(&ram, k, size, initrd, MIB(40) + 1, CMDLINE, &entry) == -E_NOMEM);
	CHECK(strstr(why, "initrd") && strstr(why, "64 MiB"));
	put(k + 0x22c, MIB(32) - 1, 4); /* not above 32 MiB */
	ram = make_ram(RAM);
	CHECK(load(&ram, k, size, initrd, MIB(4), CMDLINE, &entry) == 0);
	CHECK(get(memory + entry.rsi + 0x218, 4) == MIB(28));
	ram = make_ram(RAM);
	CHECK(load(&ram, k, size, initrd, MIB(9), CMDLINE, &entry) == -E_NOMEM);
	put(k + 0x22c, 0, 4);
	ram = make_ram(RAM);
	CHECK(load(&ram, k, size, initrd, 1, CMDLINE, &entry) == -E_NOMEM);
	free(k);
	free(initrd);
}

TEST(linux_command_line_length)
{
	struct loader_entry entry;
	uint64_t size;
	uint8_t *k = make_kernel(&size);
	struct loader_ram ram = make_ram(RAM);
	char line[2100];

	memset(line, 'x', sizeof(line));
	line[2047] = '\0';
	CHECK(load(&ram, k, size, NULL, 0, line, &entry) == 0);
	CHECK(strlen((char *)memory + get(memory + entry.rsi + 0x228, 4)) == 2047);
	line[2047] = 'x';
	line[2048] = '\0';
	ram = make_ram(RAM);
	CHECK(load(&ram, k, size, NULL, 0, line, &entry) == -E_RANGE);
	CHECK(strstr(why, "2047 characters") && strstr(why, "2048"));
	free(k);
}

TEST(flat_image)
{
	struct loader_ram ram = make_ram(MIB(2));
	struct loader_entry entry;
	uint8_t *image = calloc(1, MIB(1) + 1);
	struct loader_input in = { image, 100, NULL, 0, "a b", GPA(0), NULL, 0 };

	memset(image, 0x90, 100);
	CHECK(loader_load(LOADER_FLAT, &ram, &in, &entry, why, sizeof(why)) == 0);
	CHECK(entry.rip == MIB(1) && !memcmp(memory + MIB(1), image, 100));
	CHECK(!strcmp((char *)memory + entry.rsi, "a b"));
	in.kernel_size = MIB(1);
	CHECK(loader_load(LOADER_FLAT, &ram, &in, &entry, why, sizeof(why)) == 0);
	in.kernel_size = MIB(1) + 1;
	CHECK(loader_load(LOADER_FLAT, &ram, &in, &entry, why, sizeof(why)) == -E_NOMEM);
	CHECK(strstr(why, "1048577 bytes") && strstr(why, "2 MiB"));
	in.kernel_size = 0;
	CHECK(loader_load(LOADER_FLAT, &ram, &in, &entry, why, sizeof(why)) == -E_NOMEM);
	in.kernel_size = 1;
	ram.low = KIB(512);
	CHECK(loader_load(LOADER_FLAT, &ram, &in, &entry, why, sizeof(why)) == -E_NOMEM);
	free(image);
}

/* Damaged headers, damaged lengths: an error or a kernel within its memory, never anything else. */
TEST(linux_survives_any_header)
{
	static const uint64_t interesting[] = { 0,	    1,		0x7f,	    0xff,
						0x7fff,	    0xffff,	0x7fffffff, 0xffffffff,
						MIB(1) - 1, MIB(1),	RAM - 1,    RAM,
						GIB(4) - 1, UINT64_MAX, 1ULL << 63, MIB(16) };
	uint64_t seed = 31;
	unsigned loaded = 0;
	uint8_t initrd[5000] = { 0 };

	for (unsigned i = 0; i < 20000; i++) {
		struct loader_ram ram =
			make_ram(unit_random(&seed) % 4 ? RAM : MIB(2 * (1 + i % 32)));
		struct loader_entry entry;
		uint64_t size;
		uint8_t *k = make_kernel(&size);

		for (unsigned n = 1 + unit_random(&seed) % 3; n > 0; n--) {
			uint64_t r = unit_random(&seed);
			unsigned offset = 0x1f1 + r % (0x270 - 0x1f1), width = 1U << (r >> 8 & 3);
			uint64_t value =
				r >> 10 & 1 ? unit_random(&seed) : interesting[r >> 11 & 15];

			/* Magic and version mostly stay, or nothing else is ever looked at. */
			if (offset >= 0x1f7 && offset < 0x208 && r >> 20 & 7)
				continue;
			put(k + offset, value, width);
		}
		if (unit_random(&seed) % 4 == 0)
			size = unit_random(&seed) % size;
		if (!load(&ram, k, size, i & 1 ? initrd : NULL, i & 1 ? sizeof(initrd) : 0, CMDLINE,
			  &entry)) {
			loaded++;
			CHECK(entry.rip >= MIB(1) && entry.rip < ram.low);
		}
		free(k);
	}
	CHECK(loaded > 1000 && loaded < 19000);
}

UNIT_MAIN
