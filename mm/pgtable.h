/* SPDX-License-Identifier: MIT */
/*
 * 4-level page tables, for the host (SDM 4.5) and for guests (EPT, SDM 28.3): mapping and
 * walking. The table pages come from the frame allocator as MEM_SENSITIVE and are only ever reached
 * through the physmap. Full map only. Callers serialise.
 */
#ifndef MM_PGTABLE_H
#define MM_PGTABLE_H

#include "hv/base/types.h"

/* Attributes of a mapping, format-independent. */
enum pg_prot {
	PG_WRITE = 1 << 0,
	PG_EXEC = 1 << 1,
	PG_UC = 1 << 2, /* device memory; otherwise write-back */
	PG_WC = 1 << 3, /* framebuffer: write-combining (host: PAT entry 1; EPT: type 1) */
};

enum pg_format { PG_HOST, PG_EPT };

struct pgtable {
	hpa_t root;
	enum pg_format format;
	unsigned max_level; /* largest leaf: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB */
	/* the same for one that is executable: what the audit holds its users to */
	unsigned max_exec_level;
};

/** A leaf as the walker sees it. */
struct pg_leaf {
	hpa_t hpa;	/* of the byte at the walked address */
	unsigned level; /* 1, 2, 3 */
	unsigned prot;	/* enum pg_prot */
};

/** A page for a table, zeroed; HPA_NONE if there is no memory. */
FULL hpa_t pgtable_alloc_table(void);

FULL int pgtable_create(struct pgtable *pt, enum pg_format format, unsigned max_level);

/**
 * Makes the tables that mapping [@va, @va + @size) to [@hpa, ...) needs, and nothing that shows: no
 * pgtable_map() of the same range that follows lacks memory. Errors as there.
 */
FULL int pgtable_prepare(struct pgtable *pt, uint64_t va, hpa_t hpa, uint64_t size);

/**
 * Maps [@va, @va + @size) to [@hpa, ...), with the largest leaves that alignment allows. An empty,
 * unaligned or overflowing range is -E_INVAL, one that overlaps an existing leaf -E_EXIST, no
 * memory for tables -E_NOMEM; whatever the error, nothing of the range has been mapped, not for a
 * moment. What was mapped stays so until its tables go as a whole, when no processor uses them; but
 * for pgtable_unmap().
 */
FULL int pgtable_map(struct pgtable *pt, uint64_t va, hpa_t hpa, uint64_t size, unsigned prot);

/**
 * Takes back what maps [@va, @va + @size); the tables stay. Processors go on by what they know: the
 * caller makes them forget it before the memory is used otherwise. -E_NOENT: a part is not mapped,
 * or by a leaf that reaches beyond; nothing is done then.
 */
FULL int pgtable_unmap(struct pgtable *pt, uint64_t va, uint64_t size);

/**
 * The large leaf that maps @va becomes leaves of the next smaller size in @table, which was
 * allocated for that, with @prot, which gives no less than it had; nothing is absent meanwhile. No
 * processor has to drop what it knows: that leads to the same frames, and what it does not allow
 * yet is looked up anew. -E_NOENT: no large leaf is there, and @table is still the caller's.
 */
FULL int pgtable_split(struct pgtable *pt, uint64_t va, unsigned prot, hpa_t table);

/** Finds the leaf that maps @va; false if none does. */
FULL bool pgtable_walk(const struct pgtable *pt, uint64_t va, struct pg_leaf *leaf);

/**
 * The table page under root slot @slot, as a new reference for sharing between roots: creates it if
 * absent.
 */
FULL int pgtable_slot_create(struct pgtable *pt, unsigned slot, hpa_t *table);
/** Points root slot @slot at @table (HPA_NONE: clears it). */
FULL void pgtable_slot_set(struct pgtable *pt, unsigned slot, hpa_t table);

/** Frees every table page below the root slots in @own_slots[0..count) and the root itself; calls
 * @breathe before each, if it is not NULL. */
FULL void pgtable_destroy(struct pgtable *pt, const unsigned *own_slots, unsigned count,
			  void (*breathe)(void));

/** Whom a walk calls, in address order. Each stops it by a return that is not 0. */
struct pgtable_visitor {
	int (*leaf)(uint64_t va, uint64_t size, const struct pg_leaf *leaf, void *context);
	/* Before a table's entries; it translates from @va on, and @depth are above it. Or NULL. */
	int (*table)(hpa_t table, uint64_t va, unsigned depth, void *context);
};

/** Where a walk goes on: what begins before @va was visited, and so were @tables of those that
 * begin there, from the root downwards. Zeroes: nothing yet. */
struct pgtable_place {
	uint64_t va;
	unsigned tables;
};

/**
 * Visits each table and each leaf from @from on, also a leaf that begins before and ends behind it;
 * gives back what stopped it, or 0. Between pieces the tables may change.
 */
FULL int pgtable_go_on(const struct pgtable *pt, const struct pgtable_place *from,
		       const struct pgtable_visitor *visitor, void *context);

/**
 * The first address other than 0 that an entry of @table names without being present: by L1TF it
 * could be read all the same. 0 if there is none. Any software bits that an absent entry may carry
 * one day lie outside the address.
 */
FULL hpa_t pgtable_absent_names(hpa_t table);

#endif
