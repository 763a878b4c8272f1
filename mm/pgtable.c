// SPDX-License-Identifier: MIT
#include "mm/pgtable.h"

#include "hv/base/errno.h"
#include "hv/base/layout.h"
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
		entry |= HOST_PWT; /* PAT entry 1, hv/cpu/cpu.h */
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

hpa_t pgtable_alloc_table(void)
{
	return frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE);
}

int pgtable_create(struct pgtable *pt, enum pg_format format, unsigned max_level)
{
	pt->format = format;
	pt->max_level = pt->max_exec_level = max_level;
	pt->root = pgtable_alloc_table();
	return hpa_is_none(pt->root) ? -E_NOMEM : 0;
}

/* The level of the leaf that covers the most of [@va, @end) from its beginning on. */
static unsigned leaf_level(const struct pgtable *pt, uint64_t va, uint64_t hpa, uint64_t end)
{
	unsigned level = 1;

	while (level < pt->max_level && !((va | hpa) & (level_size(level + 1) - 1)) &&
	       level_size(level + 1) <= end - va)
		level++;
	return level;
}

/* The entry for the largest leaf that may begin at @va, *@level at most, which is brought down
 * where a table is in its place. Tables above it are made where there are none. NULL: no memory, or
 * *@err is -E_EXIST. */
static uint64_t *entry_at(const struct pgtable *pt, uint64_t va, unsigned *level, int *err)
{
	uint64_t *table = hpa_to_ptr(pt->root);

	for (unsigned at = ROOT_LEVEL;; at--) {
		uint64_t *entry = &table[level_index(va, at)];

		if (at <= *level && !entry_present(*entry)) {
			*level = at;
			return entry;
		}
		*err = entry_present(*entry) && entry_is_leaf(*entry, at) ? -E_EXIST : 0;
		if (*err)
			return NULL;
		if (!entry_present(*entry)) {
			hpa_t sub = pgtable_alloc_table();

			*err = hpa_is_none(sub) ? -E_NOMEM : 0;
			if (*err)
				return NULL;
			*entry = entry_table(pt->format, sub);
		}
		table = table_of(*entry);
	}
}

/* Whole pages, none of them beyond the last address or beyond what an entry can hold. */
static bool is_valid(uint64_t va, uint64_t hpa, uint64_t size)
{
	uint64_t end = hpa + size;

	return !((va | hpa | size) & (PAGE_SIZE - 1)) && va + size > va && end > hpa &&
	       end <= ENTRY_ADDRESS + PAGE_SIZE;
}

int pgtable_prepare(struct pgtable *pt, uint64_t va, hpa_t hpa, uint64_t size)
{
	uint64_t end = va + size;
	int err = is_valid(va, hpa.v, size) ? 0 : -E_INVAL;

	while (!err && va < end) {
		unsigned level = leaf_level(pt, va, hpa.v, end);
		const uint64_t *entry = entry_at(pt, va, &level, &err);

		if (!entry)
			break;
		/* What the same table has is seen without a walk. */
		do {
			va += level_size(level);
			hpa.v += level_size(level);
		} while (level == 1 && va < end && level_index(va, 1) && !entry_present(*++entry));
	}
	return err;
}

int pgtable_map(struct pgtable *pt, uint64_t va, hpa_t hpa, uint64_t size, unsigned prot)
{
	uint64_t end = va + size;
	int err = pgtable_prepare(pt, va, hpa, size);

	while (!err && va < end) {
		unsigned level = leaf_level(pt, va, hpa.v, end);
		uint64_t *entry = entry_at(pt, va, &level, &err);

		if (!entry) /* cannot be, behind pgtable_prepare() */
			break;
		do {
			*entry++ = entry_leaf(pt->format, hpa, prot, level);
			va += level_size(level);
			hpa.v += level_size(level);
		} while (level == 1 && va < end && level_index(va, 1));
	}
	return err;
}

/* The leaf that begins at @va and ends by @end, and its size; NULL: there is none. */
static uint64_t *whole_leaf(const struct pgtable *pt, uint64_t va, uint64_t end, uint64_t *size)
{
	uint64_t *table = hpa_to_ptr(pt->root);

	for (unsigned level = ROOT_LEVEL; level > 0; level--) {
		uint64_t *entry = &table[level_index(va, level)];

		if (!entry_present(*entry))
			return NULL;
		*size = level_size(level);
		if (entry_is_leaf(*entry, level))
			return !(va & (*size - 1)) && *size <= end - va ? entry : NULL;
		table = table_of(*entry);
	}
	return NULL;
}

int pgtable_unmap(struct pgtable *pt, uint64_t va, uint64_t size)
{
	uint64_t end = va + size, step = 0;

	for (uint64_t at = va; at < end; at += step)
		if (!whole_leaf(pt, at, end, &step))
			return -E_NOENT;
	for (uint64_t at = va; at < end; at += step) {
		uint64_t *entry = whole_leaf(pt, at, end, &step);

		if (entry) /* as above */
			__atomic_store_n(entry, 0, __ATOMIC_RELEASE);
	}
	return 0;
}

int pgtable_split(struct pgtable *pt, uint64_t va, unsigned prot, hpa_t table)
{
	uint64_t *at = hpa_to_ptr(pt->root), *parts = hpa_to_ptr(table), *entry, part;
	unsigned level = ROOT_LEVEL;

	for (;; at = table_of(*entry), level--) {
		entry = &at[level_index(va, level)];
		if (!entry_present(*entry) || level == 1)
			return -E_NOENT;
		if (entry_is_leaf(*entry, level))
			break;
	}
	part = entry_leaf(pt->format, HPA(leaf_address(*entry, level)), prot, level - 1);
	for (unsigned i = 0; i < ENTRIES; i++, part += level_size(level - 1))
		parts[i] = part;
	__atomic_store_n(entry, entry_table(pt->format, table), __ATOMIC_RELEASE);
	return 0;
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
		hpa_t sub = pgtable_alloc_table();

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

/* Are four entries from @entries[@i] on without any of @bits? Tables are sparse, and this is what a
 * walk over all of them does most. */
static bool four_lack(const uint64_t *entries, unsigned i, uint64_t bits)
{
	return i + 4 <= ENTRIES &&
	       !((entries[i] | entries[i + 1] | entries[i + 2] | entries[i + 3]) & bits);
}

/* The first entry from @i on that is present; ENTRIES: none. */
static unsigned find_present(const uint64_t *entries, unsigned i)
{
	while (four_lack(entries, i, ENTRY_PRESENT))
		i += 4;
	while (i < ENTRIES && !entry_present(entries[i]))
		i++;
	return i;
}

static void free_level(const struct pgtable *pt, uint64_t entry, unsigned level,
		       void (*breathe)(void))
{
	const uint64_t *table = table_of(entry);

	for (unsigned i = 0; level > 1; i++) {
		i = find_present(table, i);
		if (i >= ENTRIES)
			break;
		if (!entry_is_leaf(table[i], level))
			free_level(pt, table[i], level - 1, breathe);
	}
	if (breathe)
		breathe();
	frames_free(HPA(entry & ENTRY_ADDRESS), 0);
}

void pgtable_destroy(struct pgtable *pt, const unsigned *own_slots, unsigned count,
		     void (*breathe)(void))
{
	const uint64_t *root = hpa_to_ptr(pt->root);

	for (unsigned i = 0; i < count; i++)
		if (entry_present(root[own_slots[i]]))
			free_level(pt, root[own_slots[i]], ROOT_LEVEL - 1, breathe);
	frames_free(pt->root, 0);
	pt->root = HPA_NONE;
}

static int visit_level(const struct pgtable *pt, hpa_t hpa, unsigned level, uint64_t va,
		       const struct pgtable_place *from, const struct pgtable_visitor *visitor,
		       void *context)
{
	const uint64_t *table = hpa_to_ptr(hpa);
	bool begun = va < from->va || (va == from->va && ROOT_LEVEL - level < from->tables);
	int result = 0;

	if (!begun && visitor->table)
		result = visitor->table(hpa, va, ROOT_LEVEL - level, context);
	for (unsigned i = va < from->va ? level_index(from->va, level) : 0; !result; i++) {
		uint64_t entry, at;

		i = find_present(table, i);
		if (i >= ENTRIES)
			break;
		entry = table[i];
		at = va + i * level_size(level);
		/* Canonical addresses: bit 47 is copied upwards. Guest-physical ones have no sign.
		 */
		if (level == ROOT_LEVEL && i >= ENTRIES / 2 && pt->format == PG_HOST)
			at |= 0xffff000000000000ULL;
		if (entry_is_leaf(entry, level)) {
			struct pg_leaf leaf = { HPA(leaf_address(entry, level)), level,
						entry_prot(pt->format, entry) };

			result = visitor->leaf(at, level_size(level), &leaf, context);
		} else {
			result = visit_level(pt, HPA(entry & ENTRY_ADDRESS), level - 1, at, from,
					     visitor, context);
		}
	}
	return result;
}

int pgtable_go_on(const struct pgtable *pt, const struct pgtable_place *from,
		  const struct pgtable_visitor *visitor, void *context)
{
	return visit_level(pt, pt->root, ROOT_LEVEL, 0, from, visitor, context);
}

hpa_t pgtable_absent_names(hpa_t table)
{
	const uint64_t *entries = hpa_to_ptr(table);

	for (unsigned i = 0; i < ENTRIES; i += 4) {
		if (four_lack(entries, i, ENTRY_ADDRESS))
			continue;
		for (unsigned j = i; j < i + 4; j++)
			if (!entry_present(entries[j]) && (entries[j] & ENTRY_ADDRESS))
				return HPA(entries[j] & ENTRY_ADDRESS);
	}
	return HPA(0);
}
