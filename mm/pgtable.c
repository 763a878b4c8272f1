// SPDX-License-Identifier: MIT
#include "mm/pgtable.h"

#include "hv/errno.h"
#include "hv/layout.h"
#include "mm/frames.h"

#define ENTRIES 512
#define ROOT_LEVEL 4

#define HOST_WRITE BIT(1)
#define HOST_PWT BIT(3)
#define HOST_PCD BIT(4)
#define HOST_ACCESSED BIT(5)
#define HOST_DIRTY BIT(6)
#define HOST_NX BIT(63)

#define EPT_WRITE BIT(1)
#define EPT_EXEC BIT(2)
#define EPT_TYPE_SHIFT 3
#define EPT_TYPE_MASK (7ULL << EPT_TYPE_SHIFT)
enum { EPT_TYPE_UC = 0, EPT_TYPE_WC = 1, EPT_TYPE_WB = 6 };

/*
 * What both formats share: the address, "large leaf", and the bit that is "present" for the host
 * and "readable" for EPT, where every mapping of ours is readable.
 */
#define ENTRY_PRESENT BIT(0)
#define ENTRY_LARGE BIT(7)
#define ENTRY_ADDRESS 0x000ffffffffff000ULL

static uint64_t level_size(unsigned level)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): levels begin at 1 */
	return PAGE_SIZE << (9 * (level - 1));
}

static unsigned level_index(uint64_t va, unsigned level)
{
	return (unsigned)(va >> (PAGE_SHIFT + 9 * (level - 1))) & (ENTRIES - 1);
}

static bool entry_present(uint64_t entry)
{
	return entry & ENTRY_PRESENT;
}

static bool entry_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (level < ROOT_LEVEL && (entry & ENTRY_LARGE));
}

static uint64_t entry_leaf(enum pg_format format, hpa_t hpa, unsigned prot, unsigned level)
{
	uint64_t entry = hpa.v | (level > 1 ? ENTRY_LARGE : 0);

	if (format == PG_EPT) {
		uint64_t type = prot & PG_UC   ? EPT_TYPE_UC
				: prot & PG_WC ? EPT_TYPE_WC
					       : EPT_TYPE_WB;

		return entry | ENTRY_PRESENT | (prot & PG_WRITE ? EPT_WRITE : 0) |
		       (prot & PG_EXEC ? EPT_EXEC : 0) | type << EPT_TYPE_SHIFT;
	}
	/* Accessed and dirty are set in advance: the processor then never writes to a table. */
	entry |= ENTRY_PRESENT | HOST_ACCESSED | HOST_DIRTY;
	if (prot & PG_WRITE)
		entry |= HOST_WRITE;
	if (!(prot & PG_EXEC))
		entry |= HOST_NX;
	if (prot & PG_UC)
		entry |= HOST_PCD | HOST_PWT;
	if (prot & PG_WC)
		entry |= HOST_PWT; /* PAT entry 1, hv/cpu.h */
	return entry;
}

static unsigned entry_prot(enum pg_format format, uint64_t entry)
{
	unsigned prot = 0;

	if (format == PG_EPT) {
		uint64_t type = (entry & EPT_TYPE_MASK) >> EPT_TYPE_SHIFT;

		prot |= entry & EPT_WRITE ? PG_WRITE : 0;
		prot |= entry & EPT_EXEC ? PG_EXEC : 0;
		prot |= type == EPT_TYPE_UC ? PG_UC : type == EPT_TYPE_WC ? PG_WC : 0;
		return prot;
	}
	prot |= entry & HOST_WRITE ? PG_WRITE : 0;
	prot |= entry & HOST_NX ? 0 : PG_EXEC;
	prot |= entry & HOST_PCD ? PG_UC : entry & HOST_PWT ? PG_WC : 0;
	return prot;
}

static uint64_t entry_table(enum pg_format format, hpa_t table)
{
	return table.v | (format == PG_HOST ? ENTRY_PRESENT | HOST_WRITE | HOST_ACCESSED
					    : ENTRY_PRESENT | EPT_WRITE | EPT_EXEC);
}

static uint64_t *table_of(uint64_t entry)
{
	return hpa_to_ptr(HPA(entry & ENTRY_ADDRESS));
}

static uint64_t leaf_address(uint64_t entry, unsigned level)
{
	return entry & ENTRY_ADDRESS & ~(level_size(level) - 1);
}

static hpa_t alloc_table(void)
{
	return frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE);
}

int pgtable_create(struct pgtable *pt, enum pg_format format, unsigned max_level)
{
	pt->format = format;
	pt->max_level = max_level;
	pt->root = alloc_table();
	return hpa_is_none(pt->root) ? -E_NOMEM : 0;
}

/* Replaces a large leaf by a table of the next smaller ones that say the same. */
static int split(const struct pgtable *pt, uint64_t *entry, unsigned level)
{
	unsigned prot = entry_prot(pt->format, *entry);
	uint64_t base = leaf_address(*entry, level);
	hpa_t table = alloc_table();
	uint64_t *sub;

	if (hpa_is_none(table))
		return -E_NOMEM;
	sub = hpa_to_ptr(table);
	for (unsigned i = 0; i < ENTRIES; i++)
		sub[i] = entry_leaf(pt->format, HPA(base + i * level_size(level - 1)), prot,
				    level - 1);
	*entry = entry_table(pt->format, table);
	return 0;
}

/* Maps the largest leaf that may begin at @va, and says its size. Nothing is there, or -E_EXIST. */
static int map_leaf(const struct pgtable *pt, uint64_t va, uint64_t hpa, uint64_t end,
		    unsigned prot, uint64_t *size)
{
	uint64_t *table = hpa_to_ptr(pt->root);
	unsigned level = ROOT_LEVEL;

	for (;; level--) {
		uint64_t *entry = &table[level_index(va, level)];

		*size = level_size(level);
		if (entry_present(*entry)) {
			if (entry_is_leaf(*entry, level))
				return -E_EXIST;
		} else if (level <= pt->max_level && !((va | hpa) & (*size - 1)) &&
			   *size <= end - va) {
			*entry = entry_leaf(pt->format, HPA(hpa), prot, level);
			return 0;
		} else {
			hpa_t sub = alloc_table();

			if (hpa_is_none(sub))
				return -E_NOMEM;
			*entry = entry_table(pt->format, sub);
		}
		table = table_of(*entry);
	}
}

static bool is_empty(const uint64_t *table)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		if (table[i])
			return false;
	return true;
}

static int unmap_level(const struct pgtable *pt, uint64_t *table, unsigned level, uint64_t va,
		       uint64_t end)
{
	while (va < end) {
		uint64_t *entry = &table[level_index(va, level)];
		uint64_t next = ALIGN_DOWN(va, level_size(level)) + level_size(level);
		bool whole = !(va & (level_size(level) - 1)) && next != 0 && next <= end;
		int err = 0;

		if (next > end || next == 0)
			next = end;
		if (!entry_present(*entry)) {
			va = next;
			continue;
		}
		if (entry_is_leaf(*entry, level) && whole) {
			*entry = 0;
			va = next;
			continue;
		}
		if (entry_is_leaf(*entry, level))
			err = split(pt, entry, level);
		if (!err)
			err = unmap_level(pt, table_of(*entry), level - 1, va, next);
		if (err)
			return err;
		/* The tables right below the root are shared between hierarchies and stay. */
		if (level < ROOT_LEVEL && is_empty(table_of(*entry))) {
			hpa_t table_hpa = HPA(*entry & ENTRY_ADDRESS);

			*entry = 0;
			frames_free(table_hpa, 0);
		}
		va = next;
	}
	return 0;
}

/* Whole pages, none of them beyond the last address or beyond what an entry can hold. */
static bool is_valid(uint64_t va, uint64_t hpa, uint64_t size)
{
	uint64_t end = hpa + size;

	return !((va | hpa | size) & (PAGE_SIZE - 1)) && va + size > va && end > hpa &&
	       end <= ENTRY_ADDRESS + PAGE_SIZE;
}

int pgtable_map(struct pgtable *pt, uint64_t va, hpa_t hpa, uint64_t size, unsigned prot)
{
	uint64_t done = 0, step;
	int err = is_valid(va, hpa.v, size) ? 0 : -E_INVAL;

	for (; !err && done < size; done += err ? 0 : step)
		err = map_leaf(pt, va + done, hpa.v + done, va + size, prot, &step);
	/*
	 * What was mapped goes again, and the empty tables made for the leaf that failed: where one
	 * was there before, none was made. All leaves are ours and whole, so this cannot fail.
	 */
	if (err == -E_NOMEM)
		done += PAGE_SIZE;
	if (err && done)
		unmap_level(pt, hpa_to_ptr(pt->root), ROOT_LEVEL, va, va + done);
	return err;
}

int pgtable_unmap(struct pgtable *pt, uint64_t va, uint64_t size)
{
	if (!is_valid(va, 0, size))
		return -E_INVAL;
	return unmap_level(pt, hpa_to_ptr(pt->root), ROOT_LEVEL, va, va + size);
}

bool pgtable_walk(const struct pgtable *pt, uint64_t va, struct pg_leaf *leaf)
{
	const uint64_t *table = hpa_to_ptr(pt->root);

	for (unsigned level = ROOT_LEVEL; level > 0; level--) {
		uint64_t entry = table[level_index(va, level)];

		if (!entry_present(entry))
			return false;
		if (entry_is_leaf(entry, level)) {
			leaf->hpa =
				HPA(leaf_address(entry, level) | (va & (level_size(level) - 1)));
			leaf->level = level;
			leaf->prot = entry_prot(pt->format, entry);
			return true;
		}
		table = table_of(entry);
	}
	return false;
}

int pgtable_slot_create(struct pgtable *pt, unsigned slot, hpa_t *table)
{
	uint64_t *root = hpa_to_ptr(pt->root);

	if (!entry_present(root[slot])) {
		hpa_t sub = alloc_table();

		if (hpa_is_none(sub))
			return -E_NOMEM;
		root[slot] = entry_table(pt->format, sub);
	}
	*table = HPA(root[slot] & ENTRY_ADDRESS);
	return 0;
}

void pgtable_slot_set(struct pgtable *pt, unsigned slot, hpa_t table)
{
	uint64_t *root = hpa_to_ptr(pt->root);

	root[slot] = hpa_is_none(table) ? 0 : entry_table(pt->format, table);
}

static void free_level(const struct pgtable *pt, uint64_t entry, unsigned level)
{
	const uint64_t *table = table_of(entry);

	for (unsigned i = 0; i < ENTRIES; i++)
		if (level > 1 && entry_present(table[i]) && !entry_is_leaf(table[i], level))
			free_level(pt, table[i], level - 1);
	frames_free(HPA(entry & ENTRY_ADDRESS), 0);
}

void pgtable_destroy(struct pgtable *pt, const unsigned *own_slots, unsigned count)
{
	const uint64_t *root = hpa_to_ptr(pt->root);

	for (unsigned i = 0; i < count; i++)
		if (entry_present(root[own_slots[i]]))
			free_level(pt, root[own_slots[i]], ROOT_LEVEL - 1);
	frames_free(pt->root, 0);
	pt->root = HPA_NONE;
}

typedef int (*visit_t)(uint64_t va, uint64_t size, const struct pg_leaf *leaf, void *context);

static int visit_level(const struct pgtable *pt, const uint64_t *table, unsigned level, uint64_t va,
		       visit_t visit, void *context)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		uint64_t entry = table[i], at = va + i * level_size(level);
		int result = 0;

		if (!entry_present(entry))
			continue;
		/* Canonical addresses: bit 47 is copied upwards. Guest-physical ones have no sign.
		 */
		if (level == ROOT_LEVEL && i >= ENTRIES / 2 && pt->format == PG_HOST)
			at |= 0xffff000000000000ULL;
		if (entry_is_leaf(entry, level)) {
			struct pg_leaf leaf = { HPA(leaf_address(entry, level)), level,
						entry_prot(pt->format, entry) };

			result = visit(at, level_size(level), &leaf, context);
		} else {
			result = visit_level(pt, table_of(entry), level - 1, at, visit, context);
		}
		if (result)
			return result;
	}
	return 0;
}

int pgtable_for_each(const struct pgtable *pt, visit_t visit, void *context)
{
	return visit_level(pt, hpa_to_ptr(pt->root), ROOT_LEVEL, 0, visit, context);
}

static void visit_tables(hpa_t hpa, unsigned level, void (*visit)(hpa_t table, void *context),
			 void *context)
{
	const uint64_t *table = hpa_to_ptr(hpa);

	visit(hpa, context);
	for (unsigned i = 0; level > 1 && i < ENTRIES; i++)
		if (entry_present(table[i]) && !entry_is_leaf(table[i], level))
			visit_tables(HPA(table[i] & ENTRY_ADDRESS), level - 1, visit, context);
}

hpa_t pgtable_absent_names(hpa_t table)
{
	const uint64_t *entries = hpa_to_ptr(table);

	for (unsigned i = 0; i < ENTRIES; i++)
		if (!entry_present(entries[i]) && (entries[i] & ENTRY_ADDRESS))
			return HPA(entries[i] & ENTRY_ADDRESS);
	return HPA(0);
}

void pgtable_for_each_table(const struct pgtable *pt, void (*visit)(hpa_t table, void *context),
			    void *context)
{
	visit_tables(pt->root, ROOT_LEVEL, visit, context);
}
