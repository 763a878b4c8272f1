/* SPDX-License-Identifier: MIT */
/*
 * The address-space pair. Every CPU has two roots: restricted (what may leak to the running VM
 * without harm) and full. Both are lists of PML4 slots, see hv/base/layout.h:
 *
 *   slot       restricted            full
 *   physmap    -                     all RAM
 *   window     current VM            the same subtree
 *   CPU        own                   the same subtree
 *   global     global                the same subtree
 *   image      text, rodata, .data.global      all
 *
 * What of the image only the boot needs is in full alone, until space_boot_unmap().
 *
 * All functions: full map only (or before the maps are live).
 */
#ifndef MM_SPACE_H
#define MM_SPACE_H

#include "boot/boot_info.h"
#include "mm/pgtable.h"

/** Why a page may be seen in the restricted map: ROW(name, name in the records, the reason). */
#define SPACE_REASONS(ROW)                                                                         \
	ROW(TEXT, "text", "code of the hypervisor: public")                                        \
	ROW(RODATA, "rodata", "constants and symbols of the hypervisor: public")                   \
	ROW(DATA_GLOBAL, "data_global",                                                            \
	    "variables annotated GLOBAL_DATA, each with its reason in the source")                 \
	ROW(STATISTICS, "statistics",                                                              \
	    "counters of events, which the guests may read by hypercall anyway")                   \
	ROW(TOPOLOGY, "topology",                                                                  \
	    "cores, siblings and their run state, which timing shows anyway")                      \
	ROW(VM_DIRECTORY, "vm_directory", "names and states of the VMs: the console shows them")   \
	ROW(FLUSH_BUFFER, "flush_buffer", "zeroes that the software L1D flush reads")              \
	ROW(MMIO, "mmio", "registers of interrupt controllers: uncached, hold no data")            \
	ROW(GUEST_RAM, "guest_ram", "memory of the VM that runs here: its own")                    \
	ROW(VM_PRIVATE, "vm_private",                                                              \
	    "registers, stacks and device state of the VM that runs here: its own")                \
	ROW(DISK, "disk", "disk images of the VM that runs here: its own, or given to it to read") \
	ROW(CPU_LOCAL, "cpu_local",                                                                \
	    "descriptor tables and stacks of this CPU, which never hold guest data")

#define SPACE_REASON_NUMBER(name, text, why) REASON_##name,
enum mem_reason { SPACE_REASONS(SPACE_REASON_NUMBER) REASON_COUNT };
#define SPACE_REASON_IS_WRITTEN(name, text, why) static_assert(sizeof(why) > 10, #name);
SPACE_REASONS(SPACE_REASON_IS_WRITTEN)

/** The two roots of one CPU. */
struct space_pair {
	struct pgtable restricted;
	struct pgtable full;
};

/** One VM's window subtree: what goes into slot WINDOW of the CPU that runs it. */
struct space_window {
	struct pgtable table; /* a root of its own, only slot PML4_SLOT(WINDOW_BASE) is in use */
	uint16_t vm_id;
};

/** Linker-defined pieces of the image; offsets from IMAGE link start, page-aligned. */
struct space_image {
	uint64_t link_base; /* virtual address of the image's first byte */
	hpa_t load_base;
	uint64_t text_start, text_end;
	uint64_t rodata_start, rodata_end;
	uint64_t global_start, global_end; /* .data.global */
	uint64_t data_start, data_end;	   /* .data and .bss */
	/* What only the boot needs: its constants lie right behind its code. */
	uint64_t boot_text_start, boot_text_end;
	uint64_t boot_rodata_start, boot_rodata_end;
	uint64_t boot_data_start, boot_data_end; /* variables */
};

/**
 * Builds the shared subtrees: physmap (every RAM, ACPI and file range; 1 GiB/2 MiB pages, NX;
 * @has_1g as CPUID says), image (both views), global (empty).
 */
FULL int space_init(const struct boot_info *bi, const struct space_image *image, bool has_1g);

/** Why restricted may show @va of the image slot; REASON_COUNT if it may not (.data, .bss,
 * outside). */
FULL enum mem_reason space_image_reason(uint64_t va);

/** Does [@va, @va + @size) of the image slot lie in one part of the image that the full map shows,
 * or in one of its two with code? Those of the boot do as long as they are mapped. */
FULL bool space_image_has(uint64_t va, uint64_t size);
FULL bool space_image_is_code(uint64_t va, uint64_t size);

/**
 * Takes out of all pairs what of the image only the boot needs. Every CPU has to forget it then,
 * and space_boot_free() zeroes the memory and gives it to the pool; it returns the bytes. Once, in
 * this order, with one CPU at work. -E_NOMEM: nothing is done, all stays as it is.
 */
FULL int space_boot_unmap(void);
FULL uint64_t space_boot_free(void);

/** True if @hpa is a frame of the image that restricted may show. */
FULL bool space_image_shows(hpa_t hpa);

/** Where the image's byte at @va lies in memory. */
FULL hpa_t space_image_frame(uint64_t va);

/** True if [@hpa, @hpa + @size) touches the image's code or constants: nothing may map them
 * writable. */
FULL bool space_image_is_constant(hpa_t hpa, uint64_t size);

/** Makes a CPU's pair; its CPU slot is empty yet. */
FULL int space_pair_create(struct space_pair *pair, uint16_t cpu);

/** Maps @pages zeroed MEM_CPU frames at @va in the CPU slot of @pair (both roots share the
 * subtree). A page left out between two calls is a guard. Returns the frames' physmap pointers one
 * by one through @first (physmap pointer of the first page; the pages are contiguous). */
FULL int space_cpu_alloc(struct space_pair *pair, uint16_t cpu, uint64_t va, unsigned pages,
			 void **first);

/** Allocates @size bytes of zeroed global memory (rounded up to pages), seen by all CPUs in both
 * maps; returns its address or NULL. */
FULL void *space_global_alloc(uint64_t size, enum mem_reason reason);

/** Maps device registers for all CPUs in both maps, uncached; returns the address of @hpa or NULL.
 */
FULL volatile void *space_global_mmio(hpa_t hpa, uint64_t size);

/** Maps the framebuffer or other memory outside RAM into the full map only (write-combining if
 * @wc); returns the address or NULL. */
FULL volatile void *space_full_mmio(hpa_t hpa, uint64_t size, bool wc);

/**
 * Can [@hpa, @hpa + @size) be read through the physmap? Firmware's memory that this lacks, because
 * the memory map calls it reserved or does not know it, is added to it a page at a time, read-only;
 * memory that we manage never is, nor more than a few MiB. On the boot processor, before others
 * run.
 */
FULL bool space_reach_firmware(hpa_t hpa, uint64_t size);

FULL int space_window_create(struct space_window *window, uint16_t vm_id);
/** Makes the tables for guest RAM at @gpa: space_window_map_ram() of it cannot fail then. */
FULL int space_window_prepare_ram(struct space_window *window, gpa_t gpa, uint64_t size);
/** Maps guest RAM at GUEST_BASE + gpa (RW, NX). */
FULL int space_window_map_ram(struct space_window *window, gpa_t gpa, hpa_t hpa, uint64_t size);
/** Maps a disk image at @va of the window's part for them (NX; read-only unless @writable). */
FULL int space_window_map_disk(struct space_window *window, uint64_t va, hpa_t hpa, uint64_t size,
			       bool writable);
/** Allocates @pages zeroed MEM_VM frames (contiguous) at @va of the window's private part; *first
 * is their physmap pointer. */
FULL int space_window_alloc(struct space_window *window, uint64_t va, unsigned pages, void **first);
/** Frees tables and private pages (RAM frames belong to the caller); calls @breathe before each, if
 * it is not NULL. */
FULL void space_window_destroy(struct space_window *window, void (*breathe)(void));

/** Makes @window (or none, NULL) the current one in both roots of @pair. The caller flushes the
 * window's TLB entries. */
FULL void space_window_set(struct space_pair *pair, const struct space_window *window);

#define SPACE_NOBODY UINT16_MAX

/** What the audit found wrong about one page. */
struct space_violation {
	const char *what;
	uint64_t va; /* in a VM's EPT: guest-physical */
	hpa_t hpa;
	uint16_t cpu;	/* whose pair it is; SPACE_NOBODY: a VM's window or EPT by itself */
	uint16_t vm_id; /* whose window it is, or the one current in the pair; SPACE_NOBODY: none */
};

/**
 * The sum of what was audited, and what to do about a violation; starts as zeroes. With
 * @pause_after it is made in pieces: a step that has done so much (in looks at a page) returns
 * false, and goes on where it was when it is called again. What changes meanwhile is judged as it
 * is when its turn comes.
 */
struct space_audit {
	uint64_t bytes[REASON_COUNT]; /* visible in restricted; what all CPUs share counts once */
	uint64_t pages;		      /* looked at: 4 KiB each, in every hierarchy again */
	uint64_t sensitive_bytes;     /* in reach, and may not be, whatever their address */
	unsigned violations;
	bool shared_counted;
	unsigned pause_after;	    /* 0: never */
	unsigned spent;		    /* of that, in this piece; the caller sets it to 0 */
	bool in_full;		    /* of a pair restricted is done */
	struct pgtable_place place; /* in the tables under way */
	void (*report)(const struct space_violation *violation, void *context); /* or NULL */
	void *context;
};

/** Is this piece over? */
static inline bool space_audit_is_spent(const struct space_audit *audit)
{
	return audit->pause_after && audit->spent >= audit->pause_after;
}

/**
 * Proves invariants 4 and 5 of docs/ASI.md and W^X for CPU @cpu, whose pair shows the window of VM
 * @vm_id (SPACE_NOBODY: none), by walking both roots page by page: each page of restricted is in
 * full with the same translation and attributes; its frame may be seen by this CPU and VM, and is
 * of the kind that belongs at its address; it has a reason; all page tables are frames that
 * restricted never shows. Adds to @audit. The caller keeps the window from changing meanwhile.
 * Returns whether it is done.
 */
FULL bool space_audit_pair(struct space_audit *audit, const struct space_pair *pair, uint16_t cpu,
			   uint16_t vm_id);

/** The same for a window, current somewhere or not; its bytes are counted here. */
FULL bool space_audit_window(struct space_audit *audit, const struct space_window *window);

/** What VM @vm_id reaches by itself through @ept: its own frames, and files that it may only read;
 * nothing else. */
FULL bool space_audit_ept(struct space_audit *audit, const struct pgtable *ept, uint16_t vm_id);

#endif
