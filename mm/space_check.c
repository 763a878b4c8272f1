// SPDX-License-Identifier: MIT
/* Proofs about an address-space pair, by walking it (docs/ASI.md, invariants 4 and 5). */
#include "hv/layout.h"
#include "mm/frames.h"
#include "mm/space.h"

struct check {
	const struct space_pair *pair;
	uint16_t cpu, vm_id;
	void (*report)(uint64_t va, const struct pg_leaf *leaf, const char *what, void *context);
	void *context;
	unsigned violations;
};

static void violation(struct check *check, uint64_t va, const struct pg_leaf *leaf,
		      const char *what)
{
	check->violations++;
	if (check->report)
		check->report(va, leaf, what, check->context);
}

/* What may lie behind a page of each region; NULL if the frame is right. */
static const char *misplaced(const struct check *check, uint64_t va, hpa_t hpa)
{
	enum mem_class class = frames_class(hpa);
	uint16_t owner = frames_owner(hpa);

	switch (PML4_SLOT(va)) {
	case PML4_SLOT(WINDOW_BASE):
		return class == MEM_VM && owner == check->vm_id ? NULL
								: "not a frame of the current VM";
	case PML4_SLOT(CPU_BASE):
		return class == MEM_CPU && owner == check->cpu ? NULL : "not a frame of this CPU";
	case PML4_SLOT(GLOBAL_BASE):
		if (va >= GLOBAL_MMIO_BASE)
			return class == MEM_NONE ? NULL : "RAM where device registers belong";
		return class == MEM_GLOBAL ? NULL : "not a frame of class global";
	case PML4_SLOT(IMAGE_BASE):
		if (!space_image_may_show(va))
			return "sensitive data of the image";
		return class == MEM_BOOT ? NULL : "not a frame of the image";
	default:
		return "outside every region that restricted may show";
	}
}

static int check_leaf(uint64_t va, uint64_t size, const struct pg_leaf *leaf, void *context)
{
	struct check *check = context;

	for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
		hpa_t hpa = HPA(leaf->hpa.v + at);
		const char *what = misplaced(check, va + at, hpa);
		struct pg_leaf full;

		if (what)
			violation(check, va + at, leaf, what);
		if (!pgtable_walk(&check->pair->full, va + at, &full))
			violation(check, va + at, leaf, "absent from full");
		else if (full.hpa.v != hpa.v)
			violation(check, va + at, leaf, "full translates it differently");
		else if (full.prot != leaf->prot)
			violation(check, va + at, leaf, "full has other attributes");
	}
	return 0;
}

/* W^X, for both hierarchies: by address, and by frame so that no alias undoes it. */
static int check_rights(uint64_t va, uint64_t size, const struct pg_leaf *leaf, void *context)
{
	bool writable = leaf->prot & PG_WRITE, executable = leaf->prot & PG_EXEC;

	if (writable && executable)
		violation(context, va, leaf, "writable and executable");
	else if (executable && !(space_image_is_code(va) && space_image_is_code(va + size - 1)))
		violation(context, va, leaf, "executable outside the image's code");
	else if (writable && space_image_is_constant(leaf->hpa, size))
		violation(context, va, leaf, "writable alias of code or constants");
	return 0;
}

unsigned space_check(const struct space_pair *pair, uint16_t cpu, uint16_t vm_id,
		     void (*report)(uint64_t va, const struct pg_leaf *leaf, const char *what,
				    void *context),
		     void *context)
{
	struct check check = { pair, cpu, vm_id, report, context, 0 };

	pgtable_for_each(&pair->restricted, check_leaf, &check);
	pgtable_for_each(&pair->restricted, check_rights, &check);
	pgtable_for_each(&pair->full, check_rights, &check);
	return check.violations;
}

static enum mem_reason reason_of(uint64_t va, const struct pg_leaf *leaf)
{
	switch (PML4_SLOT(va)) {
	case PML4_SLOT(WINDOW_BASE):
		return va < VM_PRIV_BASE ? REASON_GUEST_RAM : REASON_VM_PRIVATE;
	case PML4_SLOT(CPU_BASE):
		return REASON_CPU_LOCAL;
	case PML4_SLOT(GLOBAL_BASE):
		if (va >= GLOBAL_MMIO_BASE || frames_owner(leaf->hpa) >= REASON_COUNT)
			return REASON_MMIO;
		return (enum mem_reason)frames_owner(leaf->hpa);
	default:
		return leaf->prot & PG_EXEC    ? REASON_TEXT
		       : leaf->prot & PG_WRITE ? REASON_DATA_GLOBAL
					       : REASON_RODATA;
	}
}

static int account_leaf(uint64_t va, uint64_t size, const struct pg_leaf *leaf, void *context)
{
	uint64_t *bytes = context;

	bytes[reason_of(va, leaf)] += size;
	return 0;
}

void space_account(const struct space_pair *pair, uint64_t bytes[REASON_COUNT])
{
	for (unsigned i = 0; i < REASON_COUNT; i++)
		bytes[i] = 0;
	pgtable_for_each(&pair->restricted, account_leaf, bytes);
}
