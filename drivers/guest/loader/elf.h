/* SPDX-License-Identifier: MIT */
/* A guest's kernel as an ELF file, 32 or 64 bits wide (System V ABI, chapters 4 and 5). */
#ifndef DRIVERS_GUEST_ELF_H
#define DRIVERS_GUEST_ELF_H

#include "drivers/guest/loader/loader_internal.h"

struct velf {
	const uint8_t *file;
	uint64_t size;
	bool wide;	/* ELF64 */
	uint64_t entry; /* virtual */
	uint64_t table; /* of the program headers, all of which lie in the file */
	unsigned count, stride;
};

/** Does the file begin as an ELF file does? */
bool velf_is(const uint8_t *file, uint64_t size);

/** Reads the headers; what they name lies in the file then. Fails with a sentence: no ELF file,
 * another machine's, truncated. */
int velf_open(const struct loader_job *job, struct velf *elf);

/**
 * The contents of the note @type of @owner, *size bytes; NULL if no program header of notes holds
 * one. Damaged notes are none.
 */
const uint8_t *velf_note(const struct velf *elf, const char *owner, uint32_t type, uint32_t *size);

/** Copies the segments to their physical addresses and clears what the file does not hold; *end is
 * behind the last one. Fails with a sentence if one lies where the guest has no free RAM. */
int velf_load(const struct loader_job *job, const struct velf *elf, uint64_t *end);

/** Physical address of virtual address @entry, or of physical @entry itself, if loaded code from
 * the file lies there; else fails with a sentence. */
int velf_entry(const struct loader_job *job, const struct velf *elf, uint64_t entry, bool physical,
	       uint64_t *address);

#endif
