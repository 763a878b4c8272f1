/* SPDX-License-Identifier: MIT */
/*
 * Physical frames: a buddy allocator over the real memory map that knows, for every 4 KiB frame,
 * its allocation class and owner. Classes never share a frame. A freed frame is zeroed before it
 * can be handed out again. All functions: full map only; they take the allocator's own lock.
 */
#ifndef MM_FRAMES_H
#define MM_FRAMES_H

#include "boot/boot_info.h"
#include "hv/base/types.h"

enum mem_class {
	MEM_NONE = 0,  /* not RAM that we manage (firmware, MMIO) */
	MEM_FREE,      /* in the pool */
	MEM_SENSITIVE, /* the default: full map only */
	MEM_VM,	       /* visible in the restricted map while VM `owner` is current */
	MEM_CPU,       /* visible in the restricted map of CPU `owner` */
	MEM_GLOBAL,    /* visible everywhere; `owner` is an enum mem_reason (mm/space.h) */
	/* a file that VMs may read: visible while one of them is current; `owner` has a bit
	 * for each */
	MEM_SHARED,
	MEM_BOOT, /* the image, the hand-off record, boot files: sensitive until sorted out */
};

/* What a frame of class MEM_SENSITIVE is for, said as its owner: reports name it, nothing else
 * looks. */
enum mem_purpose {
	PURPOSE_OTHER,
	PURPOSE_PAGE_TABLE, /* host or EPT */
	PURPOSE_FRAME_TABLE,
	PURPOSE_VMX, /* VMCS, VMXON region, MSR bitmap and area */
};

/* Whose a frame of class MEM_BOOT is, said as its owner. */
enum mem_boot_owner { BOOT_OWNER_IMAGE, BOOT_OWNER_FILE };

#define FRAMES_MAX_ORDER 9 /* 2 MiB */
/* So much is zeroed at a time, in some ten microseconds, where others could have to wait for it. */
#define FRAMES_ZERO_PIECE KIB(64)

/**
 * Takes over every BOOT_RANGE_RAM range (the first MiB is left out but for CPU start-up, see
 * frames_trampoline()). The frame table itself is placed in RAM below 4 GiB. Frames start out dirty
 * and are zeroed when first handed out. Returns 0, or -E_NOMEM with too little memory.
 */
FULL int frames_init(const struct boot_info *bi);

/** 2^@order contiguous, naturally aligned, zeroed frames; HPA_NONE if there are none. */
FULL hpa_t frames_alloc(unsigned order, enum mem_class class, uint16_t owner);

/**
 * Promises @count blocks of 2 MiB that are free: from now on nobody gets them but by
 * frames_alloc_pledged(), which takes one and cannot fail as often as was promised. -E_NOMEM: there
 * are not so many. frames_unpledge() takes back what was not used of it.
 */
FULL int frames_pledge(uint64_t count);
FULL void frames_unpledge(uint64_t count);
FULL hpa_t frames_alloc_pledged(enum mem_class class, uint16_t owner);

/** @count more blocks of 2 MiB may be taken besides those that are promised: as far as there are so
 * many they are to be zero, too. frames_unexpect() for each that was taken, or will not be. */
FULL void frames_expect(uint64_t count);
FULL void frames_unexpect(uint64_t count);

/** How many blocks of 2 MiB could be promised now. */
FULL uint64_t frames_unpledged(void);

/** Zeroes and returns a block that frames_alloc() gave with the same order, or part of one. Panics
 * if any of it is not in use. */
FULL void frames_free(hpa_t base, unsigned order);
/** The same for one that is zero already. */
FULL void frames_free_zeroed(hpa_t base, unsigned order);

/**
 * Gives the frames of a boot file, [@base, @base + @size) with its last page as a whole, the class
 * MEM_VM or MEM_SHARED and @owner; again and again, for MEM_VM with the same owner only, while
 * MEM_SHARED adds @owner to those that there are. -E_INVAL if any of them is something else;
 * nothing is done then.
 */
FULL int frames_claim(hpa_t base, uint64_t size, enum mem_class class, uint16_t owner);

/**
 * Zeroes what lies in [@base, @base + @size) of the image or beside it for the boot, and gives it
 * to the pool, which has more than before from now on. Boot files and all else stay. Returns how
 * many bytes.
 */
FULL uint64_t frames_give_boot(hpa_t base, uint64_t size);

/** A free block that is being zeroed in advance; begins with zeroes but for the first. */
struct frames_preparation {
	bool pledged;	 /* the caller was promised some */
	hpa_t chunk;	 /* out of the pool meanwhile */
	uint64_t zeroed; /* bytes of it */
};

/** Zeroes a piece of a free 2 MiB block, so that as many as are promised and expected can be taken
 * without that; false: they can. Who begins goes on until then. */
FULL bool frames_prepare_piece(struct frames_preparation *p);

/** A page below 1 MiB for the processors' start-up code, or HPA_NONE. Zeroed, class MEM_SENSITIVE.
 */
FULL hpa_t frames_trampoline(void);

/** Class and owner of the frame at @hpa (MEM_NONE outside RAM). */
FULL enum mem_class frames_class(hpa_t hpa);
FULL uint16_t frames_owner(hpa_t hpa);

/** Bytes from @hpa on that have its class and owner for sure, because they were handed out as one
 * 2 MiB block; else what is left of the page. Never 0. */
FULL uint64_t frames_span(hpa_t hpa);

struct frames_stats {
	uint64_t total_bytes; /* managed RAM */
	uint64_t free_bytes;
};
FULL void frames_stats(struct frames_stats *stats);

#endif
