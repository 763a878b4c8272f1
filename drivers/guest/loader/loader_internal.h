/* SPDX-License-Identifier: MIT */
/* What the loaders of the several formats share; only for them and their tests. */
#ifndef DRIVERS_GUEST_LOADER_INTERNAL_H
#define DRIVERS_GUEST_LOADER_INTERNAL_H

#include "drivers/guest/loader/loader.h"
#include "hv/base/string.h"

/* Where things are in low memory; the guest's own map calls it RAM, as every boot loader does. */
enum {
	LOW_GDT = 0x1000,
	LOW_STACK_TOP = 0x6ff0,
	LOW_INFO = 0x7000, /* zero page, start info or multiboot information: one page */
	LOW_PAGE_TABLES = 0x9000,
	LOW_CMDLINE = 0x20000, /* and the modules' texts behind it */
	LOW_USABLE_END = 0x9fc00,
};
static_assert(LOW_CMDLINE + (LOADER_MAX_MODULES + 2) * LOADER_MAX_TEXT <= LOW_USABLE_END,
	      "all texts fit");

/** One load: where from, where to, and what to say if it fails. */
struct loader_job {
	const struct loader_ram *ram;
	const struct loader_input *in;
	struct loader_entry *entry;
	char *why;
	size_t why_size;
};

enum { LOADER_RANGE_RAM = 1, LOADER_RANGE_RESERVED = 2 };

/** One line of the memory map that the guest is given; types as in e820. */
struct loader_range {
	uint64_t base, size;
	uint32_t type;
};
#define LOADER_MAX_RANGES 5

/** The guest's memory map, sorted; returns the number of lines. */
unsigned loader_map(const struct loader_ram *ram, struct loader_range map[LOADER_MAX_RANGES]);

/** GDT, stack, reset code and, for 64-bit mode, an identity map of 4 GiB; fills *job->entry, at
 * @rip, but for the general registers. */
void loader_environment(const struct loader_job *job, bool protected_mode, uint64_t rip);

/** Puts a sentence with up to two numbers (as %llu, %llx) into job->why; returns @err. */
int loader_fail(const struct loader_job *job, int err, const char *fmt, uint64_t a, uint64_t b);

/** Copies the command line of at most @limit characters to LOW_CMDLINE. */
int loader_put_cmdline(const struct loader_job *job, uint64_t limit);

/** A module as it lies in guest memory. */
struct loader_placed {
	uint64_t start, size, text; /* guest-physical */
};
#define LOADER_MAX_PLACED (LOADER_MAX_MODULES + 1)

/** What comes with a kernel that takes modules: copies the command line, and the initrd and the
 * modules to pages from @end on, their texts to low memory; *count of @placed. */
int loader_place_extras(const struct loader_job *job, uint64_t end,
			struct loader_placed placed[LOADER_MAX_PLACED], unsigned *count);

int linux_load(const struct loader_job *job); /* drivers/guest/loader/linux.c */
bool linux_is(const uint8_t *kernel, uint64_t size);
int pvh_load(const struct loader_job *job); /* drivers/guest/loader/pvh.c */
bool pvh_is(const uint8_t *kernel, uint64_t size);
int multiboot_load(const struct loader_job *job); /* drivers/guest/loader/multiboot.c */
bool multiboot_is(const uint8_t *kernel, uint64_t size);

/* Little-endian fields of files and tables. */
static inline uint64_t loader_get(const uint8_t *p, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, p, size);
	return value;
}

static inline void loader_put(uint8_t *p, uint64_t value, unsigned size)
{
	memcpy(p, &value, size);
}

#endif
