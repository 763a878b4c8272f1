// SPDX-License-Identifier: MIT
/*
 * Proofs about the address spaces, by walking them (docs/ASI.md, invariants 4 and 5). Two rules
 * that know nothing of each other judge each page of restricted: whose the frame is (forbidden()),
 * and what belongs at the address (misplaced()).
 */
#include "hv/base/layout.h"
#include "mm/frames.h"
#include "mm/space.h"

struct check {
	struct space_audit *audit;
	const struct pgtable *full; /* NULL: a window by itself */
	uint16_t cpu, vm_id;
	unsigned max_exec_level; /* of an EPT */
};

static void violation(const struct check *check, uint64_t va, hpa_t hpa, const char *what)
{
	struct space_audit *audit = check->audit;
	struct space_violation v = { what, va, hpa, check->cpu, check->vm_id };

	audit->violations++;
	if (audit->report)
		audit->report(&v, audit->context);
}

/* May the frame be seen at all, at whatever address? NULL if so. */
static const char *forbidden(const struct check *check, hpa_t hpa)
{
	uint16_t owner = frames_owner(hpa);

	switch (frames_class(hpa)) {
	case MEM_VM:
		return owner == check->vm_id ? NULL : "a frame of another VM";
	case MEM_SHARED:
		return check->vm_id < 16 && owner >> check->vm_id & 1
			       ? NULL
			       : "a file that other VMs may read";
	case MEM_CPU:
		return owner == check->cpu ? NULL : "a frame of another CPU";
	case MEM_SENSITIVE:
		return owner == PURPOSE_PAGE_TABLE ? "a page table" : "a sensitive frame";
	case MEM_BOOT:
		return space_image_shows(hpa) ? NULL
					      : "sensitive data of the image, or a boot file";
	case MEM_FREE:
		return "a free frame";
	default:
		return NULL;
	}
}

static const char *misplaced_global(uint64_t va, const struct pg_leaf *leaf, hpa_t hpa)
{
	if (va >= GLOBAL_MMIO_BASE) {
		if (frames_class(hpa) != MEM_NONE)
			return "RAM where device registers belong";
		return leaf->prot & PG_UC ? NULL : "device registers that may be cached";
	}
	return frames_class(hpa) == MEM_GLOBAL ? NULL : "not a frame of class global";
}

/* What may lie behind a page of each region; NULL if the frame is right. */
static const char *misplaced(uint64_t va, const struct pg_leaf *leaf, hpa_t hpa)
{
	enum mem_class class = frames_class(hpa);

	switch (PML4_SLOT(va)) {
	case PML4_SLOT(WINDOW_BASE):
		if (va >= VM_DISK_BASE && class == MEM_SHARED)
			return leaf->prot & PG_WRITE ? "a shared file that can be written" : NULL;
		return class == MEM_VM ? NULL : "not a frame of the current VM";
	case PML4_SLOT(CPU_BASE):
		return class == MEM_CPU ? NULL : "not a frame of this CPU";
	case PML4_SLOT(GLOBAL_BASE):
		return misplaced_global(va, leaf, hpa);
	case PML4_SLOT(IMAGE_BASE):
		return hpa.v == space_image_frame(va).v ? NULL
							: "not a frame of the image at its place";
	default:
		return "outside every region that restricted may show";
	}
}

/* The named reason why restricted shows the page; REASON_COUNT: there is none. */
static enum mem_reason reason_of(uint64_t va, hpa_t hpa)
{
	switch (PML4_SLOT(va)) {
	case PML4_SLOT(WINDOW_BASE):
		if (va >= VM_DISK_BASE)
			return REASON_DISK;
		return va < VM_PRIV_BASE ? REASON_GUEST_RAM : REASON_VM_PRIVATE;
	case PML4_SLOT(CPU_BASE):
		return REASON_CPU_LOCAL;
	case PML4_SLOT(GLOBAL_BASE):
		if (va >= GLOBAL_MMIO_BASE)
			return REASON_MMIO;
		return frames_owner(hpa) < REASON_COUNT ? (enum mem_reason)frames_owner(hpa)
							: REASON_COUNT;
	case PML4_SLOT(IMAGE_BASE):
		return space_image_reason(va);
	default:
		return REASON_COUNT;
	}
}

/* Windows are counted by themselves, whatever shows them; the slots that all CPUs share once. */
static void account(const struct check *check, uint64_t va, enum mem_reason reason, uint64_t bytes)
{
	struct space_audit *audit = check->audit;
	uint64_t slot = PML4_SLOT(va);

	audit->pages += bytes / PAGE_SIZE;
	if (reason == REASON_COUNT || (check->full && slot == PML4_SLOT(WINDOW_BASE)) ||
	    (audit->shared_counted && slot != PML4_SLOT(CPU_BASE) &&
	     slot != PML4_SLOT(WINDOW_BASE)))
		return;
	audit->bytes[reason] += bytes;
}

static void judge(const struct check *check, uint64_t va, const struct pg_leaf *leaf, hpa_t hpa,
		  uint64_t bytes)
{
	enum mem_reason reason = reason_of(va, hpa);
	const char *what = forbidden(check, hpa);

	if (what)
		check->audit->sensitive_bytes += bytes;
	if (!what)
		what = misplaced(va, leaf, hpa);
	if (!what && reason == REASON_COUNT)
		what = "no written reason";
	if (what)
		violation(check, va, hpa, what);
	account(check, va, reason, bytes);
}

/* Restricted is within full. Returns for how many bytes from @va on the answer holds. */
static uint64_t compare(const struct check *check, uint64_t va, const struct pg_leaf *leaf,
			hpa_t hpa)
{
	struct pg_leaf full;
	uint64_t size;

	if (!pgtable_walk(check->full, va, &full)) {
		violation(check, va, hpa, "absent from full");
		return PAGE_SIZE;
	}
	if (full.hpa.v != hpa.v)
		violation(check, va, hpa, "full translates it differently");
	else if (full.prot != leaf->prot)
		violation(check, va, hpa, "full has other attributes");
	size = PAGE_SIZE << (9 * (full.level - 1));
	return size - (va & (size - 1));
}

/* What a table costs in looks at a page: all its entries are read. */
#define TABLE_COST 8

/* Is this piece of the audit over now? */
static bool spend(struct space_audit *audit, unsigned cost)
{
	audit->spent += cost;
	return space_audit_is_spent(audit);
}

/* W^X, for both hierarchies: by address, and by frame so that no alias undoes it. */
static void check_rights(const struct check *check, uint64_t va, uint64_t size,
			 const struct pg_leaf *leaf)
{
	bool writable = leaf->prot & PG_WRITE, executable = leaf->prot & PG_EXEC;

	if (writable && executable)
		violation(check, va, leaf->hpa, "writable and executable");
	else if (executable &&
		 !(PML4_SLOT(va) == PML4_SLOT(IMAGE_BASE) && space_image_is_code(va, size)))
		violation(check, va, leaf->hpa, "executable outside the image's code");
	else if (writable && space_image_is_constant(leaf->hpa, size))
		violation(check, va, leaf->hpa, "writable alias of code or constants");
}

/* From where the audit has come to. A large leaf has steps in which nothing changes: neither the
 * frames' class and owner nor full's leaf. */
static int check_leaf(uint64_t va, uint64_t size, const struct pg_leaf *leaf, void *context)
{
	const struct check *check = context;
	struct pgtable_place *place = &check->audit->place;
	uint64_t step, at = place->va > va ? place->va - va : 0;

	if (!at)
		check_rights(check, va, size, leaf);
	for (; at < size; at += step) {
		hpa_t hpa = HPA(leaf->hpa.v + at);

		step = frames_span(hpa);
		if (step > size - at)
			step = size - at;
		if (check->full) {
			uint64_t same = compare(check, va + at, leaf, hpa);

			step = same < step ? same : step;
		}
		judge(check, va + at, leaf, hpa, step);
		*place = (struct pgtable_place){ va + at + step, 0 };
		if (spend(check->audit, 1))
			return 1;
	}
	return 0;
}

/* What of the image only the boot needed is shown no more, at no address of its slot, once it is in
 * the pool. Judged by the address, and by the frame. */
static void check_image(const struct check *check, uint64_t va, uint64_t size,
			const struct pg_leaf *leaf)
{
	if (!space_image_has(va, size))
		violation(check, va, leaf->hpa, "in no part of the image");
	for (uint64_t at = 0; at < size; at += PAGE_SIZE)
		if (frames_class(HPA(leaf->hpa.v + at)) != MEM_BOOT)
			violation(check, va + at, HPA(leaf->hpa.v + at),
				  "not a frame of the image, at an address of it");
}

static int check_full_leaf(uint64_t va, uint64_t size, const struct pg_leaf *leaf, void *context)
{
	const struct check *check = context;

	check_rights(check, va, size, leaf);
	if (PML4_SLOT(va) == PML4_SLOT(IMAGE_BASE))
		check_image(check, va, size, leaf);
	check->audit->place = (struct pgtable_place){ va + size, 0 };
	return spend(check->audit, 1);
}

/*
 * That tables are of this class makes forbidden() keep them out of restricted. What an absent entry
 * names can be read by L1TF, so it names frame 0, which nobody is given.
 */
static int check_table(hpa_t table, uint64_t va, unsigned depth, void *context)
{
	const struct check *check = context;
	hpa_t named = pgtable_absent_names(table);

	if (named.v)
		violation(check, 0, named, "named by an entry that is not present");
	if (frames_class(table) != MEM_SENSITIVE || frames_owner(table) != PURPOSE_PAGE_TABLE)
		violation(check, 0, table, "used as a page table, but not allocated as one");
	check->audit->place = (struct pgtable_place){ va, depth + 1 };
	return spend(check->audit, TABLE_COST);
}

/* On from where the audit is: to the end of the tables, true, or to that of the piece. */
static bool walk(struct check *check, const struct pgtable *pt,
		 const struct pgtable_visitor *visitor)
{
	const struct pgtable_place from = check->audit->place;

	if (pgtable_go_on(pt, &from, visitor, check))
		return false;
	check->audit->place = (struct pgtable_place){ 0 };
	return true;
}

static const struct pgtable_visitor visible = { check_leaf, check_table },
				    full = { check_full_leaf, check_table };

bool space_audit_pair(struct space_audit *audit, const struct space_pair *pair, uint16_t cpu,
		      uint16_t vm_id)
{
	struct check check = { audit, &pair->full, cpu, vm_id, 0 };

	if (!audit->in_full && !walk(&check, &pair->restricted, &visible))
		return false;
	audit->in_full = true;
	if (!walk(&check, &pair->full, &full))
		return false;
	audit->in_full = false;
	if (!audit->shared_counted && frames_class(HPA(0)) != MEM_NONE)
		violation(&check, 0, HPA(0), "in use, but entries that are not present name it");
	audit->shared_counted = true;
	return true;
}

bool space_audit_window(struct space_audit *audit, const struct space_window *window)
{
	struct check check = { audit, NULL, SPACE_NOBODY, window->vm_id, 0 };

	return walk(&check, &window->table, &visible);
}

/* Its own memory, and files that it may read, without a right to write; NULL if so. */
static const char *out_of_reach(const struct check *check, const struct pg_leaf *leaf, hpa_t hpa,
				uint64_t bytes)
{
	uint16_t owner = frames_owner(hpa);

	switch (frames_class(hpa)) {
	case MEM_VM:
		if (owner == check->vm_id)
			return NULL;
		break;
	case MEM_SHARED:
		if (!(owner >> check->vm_id & 1))
			break;
		return leaf->prot & PG_WRITE ? "the guest can write a shared file" : NULL;
	default:
		break;
	}
	check->audit->sensitive_bytes += bytes;
	return "the guest reaches a frame that is not its own";
}

static int check_guest_leaf(uint64_t gpa, uint64_t size, const struct pg_leaf *leaf, void *context)
{
	const struct check *check = context;
	struct pgtable_place *place = &check->audit->place;
	uint64_t step, at = place->va > gpa ? place->va - gpa : 0;

	if (!at && (leaf->prot & PG_EXEC) && leaf->level > check->max_exec_level)
		violation(check, gpa, leaf->hpa,
			  "executable in one piece, on a CPU with iTLB multihit");
	for (; at < size; at += step) {
		hpa_t hpa = HPA(leaf->hpa.v + at);
		const char *what;

		step = frames_span(hpa) < size - at ? frames_span(hpa) : size - at;
		check->audit->pages += step / PAGE_SIZE;
		what = out_of_reach(check, leaf, hpa, step);
		if (what)
			violation(check, gpa + at, hpa, what);
		*place = (struct pgtable_place){ gpa + at + step, 0 };
		if (spend(check->audit, 1))
			return 1;
	}
	return 0;
}

bool space_audit_ept(struct space_audit *audit, const struct pgtable *ept, uint16_t vm_id)
{
	static const struct pgtable_visitor guest = { check_guest_leaf, check_table };
	struct check check = { audit, NULL, SPACE_NOBODY, vm_id, ept->max_exec_level };

	return walk(&check, ept, &guest);
}
