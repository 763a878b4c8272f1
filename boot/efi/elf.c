// SPDX-License-Identifier: MIT
#include "boot/efi/elf.h"

#include "hv/base/string.h"

#define ELF_MAGIC 0x464c457f
#define LINK_FLOOR 0xffffffff80000000ULL

/* System V ABI, chapter 4 "ELF header" and chapter 5 "Program header". */
struct elf_header {
	uint32_t magic;
	uint8_t class, data, version, abi, pad[8];
	uint16_t type, machine;
	uint32_t version2;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_size, program_size, program_count;
	uint16_t section_size, section_count, section_names;
};
static_assert(sizeof(struct elf_header) == 64, "System V ABI");

struct elf_program {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, file_size, memory_size, align;
};
static_assert(sizeof(struct elf_program) == 56, "System V ABI");

enum { ELF_CLASS_64 = 2, ELF_LITTLE_ENDIAN = 1, ELF_EXECUTABLE = 2, ELF_X86_64 = 62, ELF_LOAD = 1 };

/* The file may lie at any address, so headers are copied out of it. */
static struct elf_program program_at(const uint8_t *file, const struct elf_header *header,
				     unsigned i)
{
	struct elf_program program;

	memcpy(&program, file + header->program_offset + i * sizeof(program), sizeof(program));
	return program;
}

static bool check_program(const struct elf_program *p, uint64_t size, uint64_t floor)
{
	return p->memory_size >= p->file_size && p->file_size <= size &&
	       p->offset <= size - p->file_size && p->vaddr % PAGE_SIZE == 0 && p->vaddr >= floor &&
	       p->memory_size <= UINT64_MAX - p->vaddr;
}

bool elf_check(const void *file, uint64_t size, struct elf_image *image)
{
	struct elf_header header;
	uint64_t end = LINK_FLOOR;

	if (size < sizeof(header))
		return false;
	memcpy(&header, file, sizeof(header));
	if (header.magic != ELF_MAGIC || header.class != ELF_CLASS_64 ||
	    header.data != ELF_LITTLE_ENDIAN || header.type != ELF_EXECUTABLE ||
	    header.machine != ELF_X86_64 || header.program_size != sizeof(struct elf_program) ||
	    header.program_offset > size ||
	    header.program_count > (size - header.program_offset) / sizeof(struct elf_program))
		return false;
	*image = (struct elf_image){ .entry = header.entry };
	for (unsigned i = 0; i < header.program_count; i++) {
		struct elf_program program = program_at(file, &header, i);

		if (program.type != ELF_LOAD || program.memory_size == 0)
			continue;
		if (!check_program(&program, size, end))
			return false;
		if (!image->link_base)
			image->link_base = program.vaddr;
		end = program.vaddr + program.memory_size;
	}
	image->size = end - image->link_base;
	return image->link_base && image->link_base % PAGE_SIZE_2M == 0 &&
	       image->entry >= image->link_base && image->entry < end;
}

void elf_unpack(const void *file, const struct elf_image *image, void *to)
{
	struct elf_header header;

	memcpy(&header, file, sizeof(header));
	memset(to, 0, image->size);
	for (unsigned i = 0; i < header.program_count; i++) {
		struct elf_program program = program_at(file, &header, i);

		if (program.type == ELF_LOAD && program.file_size)
			copy_bulk((uint8_t *)to + (program.vaddr - image->link_base),
				  (const uint8_t *)file + program.offset, program.file_size);
	}
}
