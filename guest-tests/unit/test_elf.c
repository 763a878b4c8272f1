/* unit-sources: boot/efi/elf.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "boot/efi/elf.h"
#include "guest-tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define BASE 0xffffffff81000000ULL

/* Offsets as in the System V ABI, written out so that a mistake in the module's structs shows. */
static void put(uint8_t *file, unsigned at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		file[at + i] = (uint8_t)(value >> (8 * i));
}

static void put_program(uint8_t *file, unsigned i, uint64_t offset, uint64_t vaddr, uint64_t size,
			uint64_t memory)
{
	unsigned at = 64 + i * 56;

	put(file, at, 1, 4);
	put(file, at + 8, offset, 8);
	put(file, at + 16, vaddr, 8);
	put(file, at + 32, size, 8);
	put(file, at + 40, memory, 8);
}

#define SIZE 0x400

/*
 * Two segments: 0x100 bytes of 0xaa at BASE, 0x80 bytes of 0xbb and 0x1000 of .bss at BASE +
 * 0x2000.
 */
static uint8_t *make(void)
{
	uint8_t *file = calloc(1, SIZE);

	memcpy(file, "\177ELF\2\1\1", 7);
	put(file, 16, 2, 2);
	put(file, 18, 62, 2);
	put(file, 24, BASE + 0x10, 8);
	put(file, 32, 64, 8);
	put(file, 54, 56, 2);
	put(file, 56, 2, 2);
	put_program(file, 0, 0x200, BASE, 0x100, 0x100);
	put_program(file, 1, 0x300, BASE + 0x2000, 0x80, 0x1080);
	memset(file + 0x200, 0xaa, 0x100);
	memset(file + 0x300, 0xbb, 0x80);
	return file;
}

TEST(elf_accepts_and_unpacks)
{
	uint8_t *file = make();
	struct elf_image image;

	CHECK(elf_check(file, SIZE, &image));
	CHECK(image.link_base == BASE && image.entry == BASE + 0x10 && image.size == 0x3080);

	uint8_t *memory = malloc(image.size);

	memset(memory, 0x55, image.size);
	elf_unpack(file, &image, memory);
	for (uint64_t i = 0; i < image.size; i++)
		CHECK(memory[i] == (i < 0x100 ? 0xaa : i >= 0x2000 && i < 0x2080 ? 0xbb : 0));
	free(memory);
	free(file);
}

static bool refused_with(unsigned at, uint64_t value, unsigned bytes)
{
	uint8_t *file = make();
	struct elf_image image;
	bool ok;

	put(file, at, value, bytes);
	ok = elf_check(file, SIZE, &image);
	free(file);
	return !ok;
}

TEST(elf_refuses_what_is_damaged)
{
	CHECK(!refused_with(8, 0, 1));			   /* padding: the control */
	CHECK(refused_with(0, 0, 1));			   /* magic */
	CHECK(refused_with(4, 1, 1));			   /* 32 bits */
	CHECK(refused_with(5, 2, 1));			   /* big-endian */
	CHECK(refused_with(16, 3, 2));			   /* position-independent */
	CHECK(refused_with(18, 3, 2));			   /* i386 */
	CHECK(refused_with(24, BASE - 1, 8));		   /* entry below */
	CHECK(refused_with(24, BASE + 0x3080, 8));	   /* entry behind */
	CHECK(refused_with(32, SIZE - 50, 8));		   /* program headers reach out */
	CHECK(refused_with(32, UINT64_MAX - 8, 8));	   /* even around */
	CHECK(refused_with(54, 55, 2));			   /* strange header size */
	CHECK(refused_with(56, 0, 2));			   /* no segment */
	CHECK(refused_with(56, 40, 2));			   /* more than the file holds */
	CHECK(refused_with(64 + 8, SIZE - 0xff, 8));	   /* segment reaches out */
	CHECK(refused_with(64 + 8, UINT64_MAX - 0x10, 8)); /* even around */
	CHECK(refused_with(64 + 16, 0x1000000, 8));	   /* linked low */
	CHECK(refused_with(64 + 16, BASE + 0x1000, 8));	   /* not at 2 MiB */
	CHECK(refused_with(64 + 16, BASE + 0x3000, 8));	   /* out of order */
	CHECK(refused_with(64 + 32, SIZE + 1, 8));	   /* larger than the file */
	CHECK(refused_with(64 + 40, 0x80, 8));		   /* less memory than bytes */
	CHECK(refused_with(64 + 40, 0x2001, 8));	   /* overlap */
	CHECK(refused_with(120 + 16, BASE + 0x2008, 8));   /* not page-aligned */
	CHECK(refused_with(120 + 40, UINT64_MAX, 8));	   /* past the end of everything */
}

/*
 * Whatever the bytes: checking reads inside the file only, and what it accepts unpacks inside the
 * image.
 */
TEST(elf_survives_any_damage)
{
	srand(4);
	for (unsigned i = 0; i < 50000; i++) {
		uint8_t *file = make();
		struct elf_image image;
		uint64_t size = rand() % 8 ? SIZE : (unsigned)rand() % SIZE;
		uint8_t *exact = malloc(size + !size);

		for (int n = rand() % 3; n >= 0; n--)
			file[rand() % 200] = (uint8_t)rand();
		memcpy(exact, file, size);
		if (elf_check(exact, size, &image) && image.size < MIB(1)) {
			uint8_t *memory = malloc(image.size);

			elf_unpack(exact, &image, memory);
			free(memory);
		}
		free(exact);
		free(file);
	}
}

UNIT_MAIN
