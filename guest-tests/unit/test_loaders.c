/* unit-sources: drivers/guest/loader/loader.c drivers/guest/loader/linux.c drivers/guest/loader/elf.c drivers/guest/loader/pvh.c drivers/guest/loader/multiboot.c hv/base/print.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
/* PVH and multiboot kernels, the modules, and what the magic of a file says. */
#include "drivers/guest/loader/loader.h"
#include "guest-tests/unit/unit.h"
#include "hv/base/errno.h"

#include <sys/mman.h>

#define RAM MIB(16)
#define FILE_MAX 0x4000
#define CODE 0x1000 /* where the code lies in the file */
#define CODE_SIZE 0x800
#define BSS_SIZE 0x3000
#define NOTE 0x900

static uint8_t *memory;
static char why[160];

/* Nothing beyond @low can be touched. */
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

static uint64_t get(uint64_t gpa, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, memory + gpa, size);
	return value;
}

static uint8_t file[FILE_MAX];
static uint64_t file_size;

/* An ELF file of one segment for 1 MiB, entry 0x10 behind its begin, code linked at @virt. */
static void make_elf(bool wide, uint64_t virt)
{
	static const uint8_t word[] = { 4, 8 };
	unsigned w = word[wide], table = wide ? 64 : 52, stride = wide ? 56 : 32;
	uint8_t *p = file + table;

	memset(file, 0, sizeof(file));
	memcpy(file, "\177ELF", 4);
	file[4] = wide ? 2 : 1;
	file[5] = file[6] = 1;
	put(file + 16, 2, 2);
	put(file + 18, wide ? 62 : 3, 2);
	put(file + 24, virt + 0x10, w);
	put(file + (wide ? 32 : 28), table, w);
	put(file + (wide ? 54 : 42), stride, 2);
	put(file + (wide ? 56 : 44), 2, 2);
	put(p, 1, 4);
	put(p + (wide ? 8 : 4), CODE, w);
	put(p + (wide ? 16 : 8), virt, w);
	put(p + (wide ? 24 : 12), MIB(1), w);
	put(p + (wide ? 32 : 16), CODE_SIZE, w);
	put(p + (wide ? 40 : 20), BSS_SIZE, w);
	p += stride;
	put(p, 4, 4);
	put(p + (wide ? 8 : 4), NOTE, w);
	put(p + (wide ? 32 : 16), 48, w);
	put(p + (wide ? 48 : 28), 4, w);
	/* A note of somebody else's first. */
	put(file + NOTE, 4, 4);
	put(file + NOTE + 4, 5, 4);
	put(file + NOTE + 8, 18, 4);
	memcpy(file + NOTE + 12, "GNU", 4);
	put(file + NOTE + 24, 4, 4);
	put(file + NOTE + 28, wide ? 8 : 4, 4);
	put(file + NOTE + 32, 18, 4);
	memcpy(file + NOTE + 36, "Xen", 4);
	put(file + NOTE + 40, MIB(1) + 0x20, w);
	for (unsigned i = 0; i < CODE_SIZE; i++)
		file[CODE + i] = (uint8_t)(i * 3 + 1);
	file_size = CODE + CODE_SIZE;
}

static void put_multiboot(unsigned at, uint32_t flags)
{
	put(file + at, 0x1badb002, 4);
	put(file + at + 4, flags, 4);
	put(file + at + 8, 0U - 0x1badb002U - flags, 4);
}

/* Not an ELF file: code from the header on at 1 MiB, with some more cleared behind it. */
static void make_addresses(void)
{
	memset(file, 0, sizeof(file));
	file_size = CODE + CODE_SIZE;
	put_multiboot(0x100, 1 << 16 | 3);
	put(file + 0x10c, MIB(1) + 0x40, 4);  /* header */
	put(file + 0x110, MIB(1), 4);	      /* load */
	put(file + 0x114, MIB(1) + 0x500, 4); /* end of load */
	put(file + 0x118, MIB(1) + 0x5000, 4);
	put(file + 0x11c, MIB(1) + 0x77, 4);
	for (unsigned i = 0x120; i < file_size; i++)
		file[i] = (uint8_t)(i * 5);
}

static const uint8_t first[5000] = { 1, 2, 3 }, second[1] = { 9 }, disk[4096] = { 7 };
static const struct loader_module two[] = { { first, sizeof(first), "a text" },
					    { second, sizeof(second), "b" } };

static int load(enum loader_format format, uint64_t low, const struct loader_module *modules,
		unsigned count, const uint8_t *initrd, struct loader_entry *entry)
{
	struct loader_ram ram = make_ram(low);
	uint8_t *exact = malloc(file_size ? file_size : 1);
	struct loader_input in = { exact, file_size,	initrd,	 initrd ? sizeof(disk) : 0,
				   "x y", GPA(0xe0000), modules, count };
	int err;

	memcpy(exact, file, file_size);
	memset(why, 0, sizeof(why));
	memset(entry, 0xee, sizeof(*entry));
	err = loader_load(format, &ram, &in, entry, why, sizeof(why));
	CHECK((err == 0) == (why[0] == '\0'));
	CHECK(strlen(why) < sizeof(why) - 1);
	free(exact);
	return err;
}

static int load_plain(enum loader_format format)
{
	struct loader_entry entry;

	return load(format, RAM, NULL, 0, NULL, &entry);
}

/* One field of a 64-bit ELF file changed, or of the file with addresses. */
static bool refuses(enum loader_format format, unsigned at, uint64_t value, unsigned size, int err,
		    const char *words)
{
	uint8_t saved[8];
	int got;

	memcpy(saved, file + at, 8);
	put(file + at, value, size);
	got = load_plain(format);
	memcpy(file + at, saved, 8);
	if (got != -err || !strstr(why, words))
		printf("got %d: %s\n", got, why);
	return got == -err && strstr(why, words);
}

static void check_entry(const struct loader_entry *entry)
{
	CHECK(entry->protected_mode && entry->cr3 == 0 && entry->rsi == 0);
	CHECK(entry->cs == 0x10 && entry->ds == 0x18 && entry->gdt_limit >= 31);
	CHECK(get(entry->gdt_base + 0x10, 8) == 0x00cf9b000000ffffULL);
	CHECK(get(entry->gdt_base + 0x18, 8) == 0x00cf93000000ffffULL);
}

static void check_module(uint64_t start, uint64_t end, uint64_t text,
			 const struct loader_module *want)
{
	CHECK(start % PAGE_SIZE == 0 && start >= MIB(1) + BSS_SIZE && end - start == want->size);
	CHECK(!memcmp(memory + start, want->data, want->size));
	CHECK(!strcmp((char *)memory + text, want->text));
}

TEST(loaders_know_their_files)
{
	make_elf(true, MIB(1));
	CHECK(loader_detect(file, file_size) == LOADER_PVH);
	put_multiboot(0x400, 0);
	CHECK(loader_detect(file, file_size) == LOADER_PVH);
	put(file + NOTE + 32, 17, 4);
	CHECK(loader_detect(file, file_size) == LOADER_MULTIBOOT);
	put(file + 0x408, 0, 4);			     /* the checksum */
	CHECK(loader_detect(file, file_size) == LOADER_PVH); /* which says what is missing */
	CHECK(load_plain(LOADER_AUTO) == -E_INVAL && strstr(why, "no PVH entry point"));
	make_elf(false, MIB(1));
	CHECK(loader_detect(file, file_size) == LOADER_PVH);
	make_addresses();
	CHECK(loader_detect(file, file_size) == LOADER_MULTIBOOT);
	put(file + 0x1fe, 0xaa55, 2);
	put(file + 0x202, 0x53726448, 4);
	CHECK(loader_detect(file, file_size) == LOADER_LINUX);
	memset(file, 0, sizeof(file));
	CHECK(loader_detect(file, file_size) == LOADER_AUTO);
	CHECK(load_plain(LOADER_AUTO) == -E_INVAL && strstr(why, "format = flat"));
	CHECK(loader_detect(file, 0) == LOADER_AUTO);
}

TEST(loaders_pvh)
{
	struct loader_entry entry;
	uint64_t info, at;

	for (unsigned wide = 0; wide < 2; wide++) {
		make_elf(wide, wide ? 0xffffffff81000000ULL : MIB(1));
		CHECK(load(LOADER_AUTO, RAM, two, 2, disk, &entry) == 0);
		check_entry(&entry);
		CHECK(entry.rip == MIB(1) + 0x20 && entry.eax == 0);
		CHECK(!memcmp(memory + MIB(1), file + CODE, CODE_SIZE));
		CHECK(get(MIB(1) + CODE_SIZE, 8) == 0 && get(MIB(1) + BSS_SIZE - 8, 8) == 0);
		info = entry.ebx;
		CHECK(get(info, 4) == 0x336ec578 && get(info + 4, 4) == 1 && get(info + 8, 4) == 0);
		CHECK(!strcmp((char *)memory + get(info + 24, 8), "x y"));
		CHECK(get(info + 32, 8) == 0xe0000);
		CHECK(get(info + 12, 4) == 3);
		at = get(info + 16, 8);
		check_module(get(at, 8), get(at, 8) + get(at + 8, 8), get(at + 16, 8),
			     &(struct loader_module){ disk, sizeof(disk), "" });
		for (unsigned i = 0; i < 2; i++) {
			at += 32;
			check_module(get(at, 8), get(at, 8) + get(at + 8, 8), get(at + 16, 8),
				     &two[i]);
			CHECK(get(at, 8) >= get(at - 32, 8) + get(at - 24, 8));
		}
		at = get(info + 40, 8);
		CHECK(get(info + 48, 4) == 4);
		CHECK(get(at, 8) == 0 && get(at + 16, 4) == 1);
		CHECK(get(at + 48, 8) == MIB(1) && get(at + 56, 8) == RAM - MIB(1) &&
		      get(at + 64, 4) == 1);
	}
	CHECK(load(LOADER_PVH, RAM, NULL, 0, NULL, &entry) == 0);
	CHECK(get(entry.ebx + 12, 4) == 0 && get(entry.ebx + 16, 8) == 0);
}

static void check_multiboot(const struct loader_entry *entry)
{
	uint64_t info = entry->ebx, at = get(info + 24, 4);

	check_entry(entry);
	CHECK(entry->eax == 0x2badb002);
	CHECK((get(info, 4) & 0x4d) == 0x4d && !(get(info, 4) & ~0x24dULL));
	CHECK(get(info + 4, 4) == 639 && get(info + 8, 4) == (RAM >> 10) - 1024);
	CHECK(!strcmp((char *)memory + get(info + 16, 4), "x y"));
	CHECK(get(info + 20, 4) == 2);
	for (unsigned i = 0; i < 2; i++, at += 16)
		check_module(get(at, 4), get(at + 4, 4), get(at + 8, 4), &two[i]);
	at = get(info + 48, 4);
	CHECK(get(info + 44, 4) == 4 * 24);
	for (unsigned i = 0; i < 4; i++)
		CHECK(get(at + 24 * i, 4) == 20);
	CHECK(get(at + 48 + 4, 8) == MIB(1) && get(at + 48 + 12, 8) == RAM - MIB(1) &&
	      get(at + 48 + 20, 4) == 1);
}

TEST(loaders_multiboot)
{
	struct loader_entry entry;

	for (unsigned wide = 0; wide < 2; wide++) {
		make_elf(wide, wide ? 0xffffffff81000000ULL : 0xc0000000);
		put(file + NOTE + 32, 17, 4);
		put_multiboot(0x800, 2);
		CHECK(load(LOADER_AUTO, RAM, two, 2, NULL, &entry) == 0);
		CHECK(entry.rip == MIB(1) + 0x10);
		CHECK(!memcmp(memory + MIB(1), file + CODE, CODE_SIZE));
		check_multiboot(&entry);
	}
	make_addresses();
	CHECK(load(LOADER_MULTIBOOT, RAM, two, 2, NULL, &entry) == 0);
	CHECK(entry.rip == MIB(1) + 0x77);
	CHECK(!memcmp(memory + MIB(1), file + 0xc0, 0x500));
	CHECK(get(MIB(1) + 0x500, 8) == 0 && get(MIB(1) + 0x4ff8, 8) == 0);
	check_multiboot(&entry);
	/* Neither end given: all of the file, nothing cleared. */
	put(file + 0x114, 0, 8);
	CHECK(load(LOADER_MULTIBOOT, RAM, two, 2, NULL, &entry) == 0);
	CHECK(!memcmp(memory + MIB(1), file + 0xc0, file_size - 0xc0));
}

TEST(loaders_elf_headers_that_lie)
{
	make_elf(true, MIB(1));
	CHECK(refuses(LOADER_PVH, 0, 0, 1, E_INVAL, "is not an ELF file"));
	CHECK(refuses(LOADER_PVH, 4, 3, 1, E_NOTSUP, "class 3"));
	CHECK(refuses(LOADER_PVH, 5, 2, 1, E_NOTSUP, "another machine"));
	CHECK(refuses(LOADER_PVH, 18, 183, 2, E_NOTSUP, "machine 183"));
	CHECK(refuses(LOADER_PVH, 18, 3, 2, E_NOTSUP, "another machine"));
	CHECK(refuses(LOADER_PVH, 16, 3, 2, E_NOTSUP, "type 3"));
	CHECK(refuses(LOADER_PVH, 56, 0, 2, E_INVAL, "without program headers"));
	CHECK(refuses(LOADER_PVH, 54, 55, 2, E_INVAL, "without program headers"));
	CHECK(refuses(LOADER_PVH, 56, 0xffff, 2, E_INVAL, "truncated"));
	CHECK(refuses(LOADER_PVH, 32, UINT64_MAX, 8, E_INVAL, "truncated"));
	CHECK(refuses(LOADER_PVH, 32, UINT64_MAX - 56, 8, E_INVAL, "truncated"));
	/* The segment's offset, address, sizes. */
	CHECK(refuses(LOADER_PVH, 72, CODE + 1, 8, E_INVAL, "truncated"));
	CHECK(refuses(LOADER_PVH, 72, UINT64_MAX, 8, E_INVAL, "truncated"));
	CHECK(refuses(LOADER_PVH, 88, 0x7000, 8, E_INVAL, "lies in no segment"));
	CHECK(refuses(LOADER_PVH, 96, UINT64_MAX, 8, E_INVAL, "truncated"));
	CHECK(refuses(LOADER_PVH, 104, CODE_SIZE - 1, 8, E_INVAL, "damaged"));
	CHECK(refuses(LOADER_PVH, 104, RAM - MIB(1) + 1, 8, E_NOMEM, "outside the VM's memory"));
	CHECK(refuses(LOADER_PVH, 104, UINT64_MAX, 8, E_NOMEM, "outside the VM's memory"));
	CHECK(refuses(LOADER_PVH, 104, 0, 8, E_INVAL, "damaged"));
	/* The note: where, how large, whose. */
	CHECK(refuses(LOADER_PVH, 128, file_size, 8, E_INVAL, "truncated"));
	CHECK(refuses(LOADER_PVH, NOTE, 0xffffffff, 4, E_INVAL, "no PVH entry"));
	CHECK(refuses(LOADER_PVH, NOTE + 4, 0xfffffffc, 4, E_INVAL, "no PVH entry"));
	CHECK(refuses(LOADER_PVH, NOTE + 28, 3, 4, E_INVAL, "no PVH entry"));
	CHECK(refuses(LOADER_PVH, NOTE + 36, 'Y', 1, E_INVAL, "no PVH entry"));
	CHECK(refuses(LOADER_PVH, NOTE + 40, MIB(1) + CODE_SIZE, 8, E_INVAL, "in no segment"));
	CHECK(refuses(LOADER_PVH, NOTE + 40, MIB(1) - 1, 8, E_INVAL, "in no segment"));
	/* The same file with the low megabyte as its goal, and with two segments on one place. */
	put(file + NOTE + 40, 0x7020, 8);
	CHECK(refuses(LOADER_PVH, 88, 0x7000, 8, E_RANGE, "below 1 MiB"));
	put(file + NOTE + 40, MIB(1) + 0x20, 8);
	put(file + 104, MIB(10), 8);
	memcpy(file + 0x200, file + 64, 112);
	memcpy(file + 0x200 + 112, file + 64, 56);
	put(file + 32, 0x200, 8);
	CHECK(refuses(LOADER_PVH, 56, 3, 2, E_INVAL, "overlap"));
}

TEST(loaders_multiboot_headers_that_lie)
{
	make_addresses();
	CHECK(refuses(LOADER_MULTIBOOT, 0x108, 0, 4, E_INVAL, "no multiboot header"));
	put_multiboot(0x100, 1 << 16 | 4);
	CHECK(refuses(LOADER_MULTIBOOT, 0, 0, 1, E_NOTSUP, "0x10004"));
	make_addresses();
	CHECK(refuses(LOADER_MULTIBOOT, 0x10c, MIB(1) - 1, 4, E_INVAL, "do not fit together"));
	CHECK(refuses(LOADER_MULTIBOOT, 0x10c, MIB(1) + 0x101, 4, E_INVAL, "do not fit together"));
	CHECK(refuses(LOADER_MULTIBOOT, 0x114, MIB(1) - 1, 4, E_INVAL, "do not fit together"));
	CHECK(refuses(LOADER_MULTIBOOT, 0x114, MIB(1) + 0x1741, 4, E_INVAL, "truncated"));
	CHECK(refuses(LOADER_MULTIBOOT, 0x114, 0xffffffff, 4, E_INVAL, "truncated"));
	CHECK(refuses(LOADER_MULTIBOOT, 0x118, 0xffffffff, 4, E_RANGE, "no free memory"));
	CHECK(refuses(LOADER_MULTIBOOT, 0x118, RAM + 1, 4, E_RANGE, "no free memory"));
	CHECK(refuses(LOADER_MULTIBOOT, 0x11c, MIB(1) + 0x500, 4, E_INVAL, "is not loaded"));
	CHECK(refuses(LOADER_MULTIBOOT, 0x11c, 0, 4, E_INVAL, "is not loaded"));
	put(file + 0x10c, 0x7040, 4);
	put(file + 0x110, 0x7000, 4);
	CHECK(refuses(LOADER_MULTIBOOT, 0x114, 0x7500, 4, E_RANGE, "no free memory"));
	/* Only the first 8192 bytes count, and all of the header must lie there. */
	memset(file, 0, sizeof(file));
	file_size = sizeof(file);
	put_multiboot(8192 - 12, 3);
	CHECK(loader_detect(file, file_size) == LOADER_MULTIBOOT);
	CHECK(load_plain(LOADER_AUTO) == -E_INVAL && strstr(why, "is not an ELF file"));
	put_multiboot(8192 - 12, 1 << 16);
	CHECK(loader_detect(file, file_size) == LOADER_AUTO);
	memset(file, 0, sizeof(file));
	put_multiboot(8192 - 8, 3);
	CHECK(loader_detect(file, file_size) == LOADER_AUTO);
}

TEST(loaders_modules)
{
	struct loader_entry entry;
	const struct loader_module huge = { file, MIB(3), "huge" }, empty = { second, 0, "empty" };

	make_elf(true, MIB(1));
	CHECK(load(LOADER_FLAT, RAM, two, 2, NULL, &entry) == -E_INVAL);
	CHECK(strstr(why, "takes no modules"));
	CHECK(load(LOADER_LINUX, RAM, two, 1, NULL, &entry) == -E_INVAL);
	CHECK(load(LOADER_PVH, MIB(4), &huge, 1, NULL, &entry) == -E_NOMEM);
	CHECK(strstr(why, "modules need 5 MiB of memory, the VM has 4 MiB"));
	CHECK(load(LOADER_PVH, RAM, &empty, 1, NULL, &entry) == 0);
}

TEST(a_large_module_lies_whole)
{
	static uint8_t big[MIB(5)];
	const struct loader_module module = { big, sizeof(big), "" };
	struct loader_entry entry;

	for (unsigned i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i / 1000);
	make_elf(true, MIB(1));
	CHECK(load(LOADER_PVH, RAM, &module, 1, NULL, &entry) == 0);
	for (uint64_t at = MIB(1); at < RAM - sizeof(big); at += PAGE_SIZE)
		if (memcmp(memory + at, big, sizeof(big)) == 0)
			return;
	CHECK(!"the module is nowhere");
}

TEST(loaders_truncated_anywhere)
{
	for (unsigned kind = 0; kind < 3; kind++) {
		uint64_t full;

		if (kind < 2)
			make_elf(kind, MIB(1));
		else
			make_addresses();
		for (full = file_size, file_size = 0; file_size < full; file_size++) {
			int err = load_plain(LOADER_AUTO);

			/* What lies behind the last loaded byte may be missing. */
			CHECK(err || (kind == 2 && file_size >= 0xc0 + 0x500));
			load_plain(LOADER_PVH);
			load_plain(LOADER_MULTIBOOT);
		}
	}
}

/* Any damage: an error, or an entry that lies in memory. */
TEST(loaders_survive_any_file)
{
	static const uint64_t interesting[] = { 0,	    1,		3,	    0xff,
						0xffff,	    0x7fffffff, 0xffffffff, MIB(1) - 1,
						MIB(1),	    RAM - 1,	RAM,	    GIB(4),
						UINT64_MAX, 1ULL << 63, NOTE,	    CODE };
	uint64_t seed = 77;
	unsigned loaded = 0;

	for (unsigned i = 0; i < 12000; i++) {
		struct loader_entry entry;
		unsigned kind = i % 3;

		if (kind < 2)
			make_elf(kind, MIB(1));
		else
			make_addresses();
		if (i & 4)
			put_multiboot(0x800, 3);
		for (unsigned n = 1 + unit_random(&seed) % 3; n > 0; n--) {
			uint64_t r = unit_random(&seed);
			unsigned at = kind == 2	    ? 0x100 + r % 32
				      : r >> 40 & 1 ? NOTE + r % 48
						    : r % 176;

			put(file + at, r >> 20 & 1 ? unit_random(&seed) : interesting[r >> 11 & 15],
			    1U << (r >> 8 & 3));
		}
		if (unit_random(&seed) % 8 == 0)
			file_size = unit_random(&seed) % file_size;
		if (!load(i & 8 ? LOADER_MULTIBOOT : LOADER_AUTO, RAM, two, i & 1 ? 2 : 0, NULL,
			  &entry)) {
			loaded++;
			CHECK(entry.rip >= MIB(1) && entry.rip < RAM);
		}
	}
	CHECK(loaded > 500 && loaded < 11500);
}

UNIT_MAIN
