// SPDX-License-Identifier: MIT
#include "drivers/guest/loader/elf.h"

#include "hv/base/errno.h"

enum { ELF32 = 1, ELF64 = 2, LITTLE_ENDIAN_DATA = 1, TYPE_EXEC = 2, I386 = 3, X86_64 = 62 };
enum { SEGMENT_LOAD = 1, SEGMENT_NOTE = 4 };

/* Where the fields are and how wide, in ELF32 and in ELF64. */
struct field {
	uint8_t at[2], size[2];
};
static const struct field header_entry = { { 24, 24 }, { 4, 8 } };
static const struct field header_table = { { 28, 32 }, { 4, 8 } };
static const struct field header_stride = { { 42, 54 }, { 2, 2 } };
static const struct field header_count = { { 44, 56 }, { 2, 2 } };
static const struct field segment_offset = { { 4, 8 }, { 4, 8 } };
static const struct field segment_vaddr = { { 8, 16 }, { 4, 8 } };
static const struct field segment_paddr = { { 12, 24 }, { 4, 8 } };
static const struct field segment_filesz = { { 16, 32 }, { 4, 8 } };
static const struct field segment_memsz = { { 20, 40 }, { 4, 8 } };
static const struct field segment_align = { { 28, 48 }, { 4, 8 } };
static const uint8_t header_sizes[] = { 52, 64 }, segment_sizes[] = { 32, 56 };

struct segment {
	uint32_t type;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

static uint64_t field(const uint8_t *p, bool wide, const struct field *f)
{
	return loader_get(p + f->at[wide], f->size[wide]);
}

bool velf_is(const uint8_t *file, uint64_t size)
{
	return size >= 4 && !memcmp(file, "\177ELF", 4);
}

static struct segment segment_get(const struct velf *elf, unsigned index)
{
	const uint8_t *p = elf->file + elf->table + (uint64_t)index * elf->stride;
	bool wide = elf->wide;

	return (struct segment){
		(uint32_t)loader_get(p, 4),	 field(p, wide, &segment_offset),
		field(p, wide, &segment_vaddr),	 field(p, wide, &segment_paddr),
		field(p, wide, &segment_filesz), field(p, wide, &segment_memsz),
		field(p, wide, &segment_align),
	};
}

static bool in_file(const struct velf *elf, const struct segment *s)
{
	return s->offset <= elf->size && s->filesz <= elf->size - s->offset;
}

int velf_open(const struct loader_job *job, struct velf *elf)
{
	const uint8_t *file = job->in->kernel;
	uint64_t size = job->in->kernel_size, machine;

	if (!velf_is(file, size))
		return loader_fail(job, -E_INVAL, "is not an ELF file", 0, 0);
	if (size < header_sizes[0] || (file[4] == ELF64 && size < header_sizes[1]))
		return loader_fail(job, -E_INVAL,
				   "is truncated within its ELF header; copy it again", 0, 0);
	machine = loader_get(file + 18, 2);
	if ((file[4] != ELF32 && file[4] != ELF64) || file[5] != LITTLE_ENDIAN_DATA ||
	    (machine != X86_64 && (machine != I386 || file[4] == ELF64)))
		return loader_fail(job, -E_NOTSUP,
				   "is an ELF file for another machine (class %llu, machine %llu): "
				   "an x86 kernel is needed",
				   file[4], machine);
	if (loader_get(file + 16, 2) != TYPE_EXEC)
		return loader_fail(
			job, -E_NOTSUP,
			"is an ELF file that is not executable as it is (type %llu): link "
			"it statically, at a fixed address",
			loader_get(file + 16, 2), 0);
	elf->file = file;
	elf->size = size;
	elf->wide = file[4] == ELF64;
	elf->entry = field(file, elf->wide, &header_entry);
	elf->table = field(file, elf->wide, &header_table);
	elf->stride = (unsigned)field(file, elf->wide, &header_stride);
	elf->count = (unsigned)field(file, elf->wide, &header_count);
	if (elf->count == 0 || elf->stride < segment_sizes[elf->wide])
		return loader_fail(job, -E_INVAL,
				   "is an ELF file without program headers: nothing to "
				   "load",
				   0, 0);
	if (elf->table > size || (uint64_t)elf->count * elf->stride > size - elf->table)
		return loader_fail(
			job, -E_INVAL,
			"is truncated: its program headers end at %llu, the file has %llu "
			"bytes; copy it again",
			elf->table + (uint64_t)elf->count * elf->stride, size);
	for (unsigned i = 0; i < elf->count; i++) {
		struct segment s = segment_get(elf, i);

		if ((s.type == SEGMENT_LOAD || s.type == SEGMENT_NOTE) && !in_file(elf, &s))
			return loader_fail(
				job, -E_INVAL,
				"is truncated: a segment of %llu bytes at offset %llu is "
				"not all in the file; copy it again",
				s.filesz, s.offset);
	}
	return 0;
}

/* One segment of notes: three words, then name and contents, each padded. */
static const uint8_t *find_note(const uint8_t *p, uint64_t size, uint64_t align, const char *owner,
				uint32_t type, uint32_t *found)
{
	uint64_t name_size = strlen(owner) + 1;

	while (size >= 12) {
		uint32_t names = (uint32_t)loader_get(p, 4), bytes = (uint32_t)loader_get(p + 4, 4);
		uint64_t at = 12 + ALIGN_UP((uint64_t)names, align);
		uint64_t next = at + ALIGN_UP((uint64_t)bytes, align);

		if (at + bytes > size)
			break;
		if (names == name_size && loader_get(p + 8, 4) == type &&
		    !memcmp(p + 12, owner, name_size)) {
			*found = bytes;
			return p + at;
		}
		if (next > size)
			break;
		p += next;
		size -= next;
	}
	return NULL;
}

const uint8_t *velf_note(const struct velf *elf, const char *owner, uint32_t type, uint32_t *size)
{
	for (unsigned i = 0; i < elf->count; i++) {
		struct segment s = segment_get(elf, i);
		const uint8_t *note;

		if (s.type != SEGMENT_NOTE)
			continue;
		note = find_note(elf->file + s.offset, s.filesz, s.align == 8 ? 8 : 4, owner, type,
				 size);
		if (note)
			return note;
	}
	return NULL;
}

static int load_segment(const struct loader_job *job, const struct velf *elf,
			const struct segment *s, uint64_t *end)
{
	const struct loader_ram *ram = job->ram;

	if (s->filesz > s->memsz)
		return loader_fail(job, -E_INVAL,
				   "is damaged: a segment has %llu bytes in the file and %llu in "
				   "memory",
				   s->filesz, s->memsz);
	if (s->paddr < LOADER_LOW_SIZE)
		return loader_fail(
			job, -E_RANGE,
			"wants a segment at address 0x%llx, below 1 MiB, where the loader "
			"keeps its tables: link it higher",
			s->paddr, 0);
	if (s->paddr > ram->low || s->memsz > ram->low - s->paddr)
		return loader_fail(
			job, -E_NOMEM,
			"wants a segment of %llu bytes at address 0x%llx, outside the VM's "
			"memory: raise memory =",
			s->memsz, s->paddr);
	copy_bulk(ram->base + s->paddr, elf->file + s->offset, s->filesz);
	memset(ram->base + s->paddr + s->filesz, 0, s->memsz - s->filesz);
	if (*end < s->paddr + s->memsz)
		*end = s->paddr + s->memsz;
	return 0;
}

int velf_load(const struct loader_job *job, const struct velf *elf, uint64_t *end)
{
	uint64_t left = job->ram->low;

	*end = 0;
	for (unsigned i = 0; i < elf->count; i++) {
		struct segment s = segment_get(elf, i);
		int err;

		if (s.type != SEGMENT_LOAD || !(s.memsz | s.filesz))
			continue;
		err = load_segment(job, elf, &s, end);
		if (err)
			return err;
		/* Thousands of segments over each other would take for ever. */
		if (s.memsz > left)
			return loader_fail(job, -E_INVAL, "is damaged: its segments overlap", 0, 0);
		left -= s.memsz;
	}
	return 0;
}

int velf_entry(const struct loader_job *job, const struct velf *elf, uint64_t entry, bool physical,
	       uint64_t *address)
{
	for (unsigned i = 0; i < elf->count; i++) {
		struct segment s = segment_get(elf, i);
		uint64_t offset = entry - (physical ? s.paddr : s.vaddr);

		if (s.type != SEGMENT_LOAD || offset >= s.filesz)
			continue;
		*address = s.paddr + offset;
		return 0;
	}
	return loader_fail(job, -E_INVAL, "is damaged: its entry point 0x%llx lies in no segment",
			   entry, 0);
}
