// SPDX-License-Identifier: MIT
#include "hv/vm/memory.h"

#include "hv/asi/asi.h"
#include "hv/base/errno.h"
#include "hv/base/layout.h"
#include "hv/base/panic.h"
#include "hv/base/spinlock.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/audit.h"
#include "hv/vm/breathe.h"
#include "hv/vm/vm.h"
#include "mm/frames.h"
#include "mm/pgtable.h"
#include "mm/space.h"
#include "mm/zero.h"

#define CHUNK_ORDER 9
static_assert((PAGE_SIZE << CHUNK_ORDER) == VM_POPULATE_CHUNK, "a chunk is one allocation");

void vm_zero_ahead(bool pledged)
{
	struct frames_preparation p = { .pledged = pledged };

	while (frames_prepare_piece(&p))
		vm_breathe();
}

/* vm_breathe() between short pieces, which are counted. */
static void breathe_now_and_then(uint64_t pieces)
{
	if (pieces % 8 == 7)
		vm_breathe();
}

/* What the VM was promised comes first; a lazy one may have been promised less than all. */
static hpa_t take_chunk(struct vm_record *record)
{
	if (!record->pledged) {
		hpa_t hpa = frames_alloc(CHUNK_ORDER, MEM_VM, record->window.vm_id);

		if (!hpa_is_none(hpa)) {
			record->expected--;
			frames_unexpect(1);
		}
		return hpa;
	}
	record->pledged--;
	return frames_alloc_pledged(MEM_VM, record->window.vm_id);
}

/* So that a first touch lacks nothing but the chunk. Any aligned frame will do for the tables to be
 * the right ones. */
static int prepare_tables(struct vm_record *record, uint64_t gpa)
{
	int err = pgtable_prepare(&record->ept, gpa, HPA(0), VM_POPULATE_CHUNK);

	return err ? err : space_window_prepare_ram(&record->window, GPA(gpa), VM_POPULATE_CHUNK);
}

/*
 * Other vCPUs of the VM use both hierarchies meanwhile. So all that can fail is done before the
 * frame shows in one of them: from then on it is the VM's for good.
 */
static int give_chunk(struct vm_record *record, uint64_t gpa)
{
	bool executable = record->ept.max_exec_level == record->ept.max_level;
	uint64_t chunk = gpa / VM_POPULATE_CHUNK;
	hpa_t hpa;
	int err;

	if (record->state >= VM_READY)
		spinlock_assert(&record->lock);
	err = prepare_tables(record, gpa);
	if (err)
		return err;
	hpa = take_chunk(record);
	if (hpa_is_none(hpa))
		return -E_NOMEM;
	if (space_window_map_ram(&record->window, GPA(gpa), hpa, VM_POPULATE_CHUNK) ||
	    pgtable_map(&record->ept, gpa, hpa, VM_POPULATE_CHUNK,
			PG_WRITE | (executable ? PG_EXEC : 0)))
		panic("guest memory at 0x%llx cannot be mapped, though its tables are there",
		      (unsigned long long)gpa);
	record->vm->populated[chunk / 8] |= (uint8_t)(1U << (chunk % 8));
	record->memory_used += VM_POPULATE_CHUNK;
	return 0;
}

/* A table for each chunk that the VM was promised: it may execute from all. */
static int make_spare_tables(struct vm_record *record)
{
	for (uint64_t i = 0; i < record->pledged; i++) {
		hpa_t table = pgtable_alloc_table();

		if (hpa_is_none(table))
			return -E_NOMEM;
		*(hpa_t *)hpa_to_ptr(table) = record->spare_tables;
		record->spare_tables = table;
		breathe_now_and_then(i);
	}
	return 0;
}

static hpa_t take_spare_table(struct vm_record *record)
{
	hpa_t table = record->spare_tables;

	if (hpa_is_none(table))
		return pgtable_alloc_table();
	record->spare_tables = *(hpa_t *)hpa_to_ptr(table);
	return table;
}

/* Fetches may lie wherever the guest likes: at most once for each chunk. */
static int let_execute(struct vm_record *record, uint64_t gpa)
{
	struct pg_leaf leaf;
	hpa_t table;

	if (!pgtable_walk(&record->ept, gpa, &leaf) || leaf.prot & PG_EXEC)
		return 0;
	table = take_spare_table(record);
	if (hpa_is_none(table))
		return -E_NOMEM;
	if (pgtable_split(&record->ept, gpa, PG_WRITE | PG_EXEC, table))
		panic("guest memory at 0x%llx is in small pages that are not executable",
		      (unsigned long long)gpa);
	return 0;
}

int vm_populate(struct vm *vm, gpa_t gpa, bool to_execute)
{
	uint64_t at = ALIGN_DOWN(gpa.v, VM_POPULATE_CHUNK);
	struct vm_record *record;
	int err = 0;

	if (at >= vm->ram_low && (at < GIB(4) || at - GIB(4) >= vm->ram_high))
		return -E_RANGE;
	asi_exit(to_execute && vm_is_populated(vm, at) ? ASI_CAUSE_SPLIT : ASI_CAUSE_POPULATE);
	record = &vm_records[vm->id];
	spinlock_acquire(&record->lock);
	/* Another vCPU may have been faster. */
	if (!vm_is_populated(vm, at))
		err = give_chunk(record, at);
	if (!err && to_execute)
		err = let_execute(record, at);
	spinlock_release(&record->lock);
	audit_changed();
	return err;
}

/* @each for every chunk of the guest's memory; the first error. */
static int for_each_chunk(struct vm_record *record,
			  int (*each)(struct vm_record *record, uint64_t gpa))
{
	const struct vm *vm = record->vm;
	int err = 0;

	for (uint64_t at = 0; at < vm->ram_low + vm->ram_high && !err; at += VM_POPULATE_CHUNK) {
		err = each(record, at < vm->ram_low ? at : GIB(4) + at - vm->ram_low);
		vm_breathe();
	}
	return err;
}

/* Neither a lazy VM's first touch, promised or not, nor what takes all chunks at once is to zero
 * them. */
static void prepare_memory(struct vm_record *record)
{
	record->expected = record->config->memory / VM_POPULATE_CHUNK - record->pledged;
	frames_expect(record->expected);
	vm_zero_ahead(record->pledged);
}

/* Guest-physical addresses without memory are passed over, so many at a time. */
#define SCRUB_LOOKS 256

/* Nobody frees what a processor may still reach: each leaves by vm_leave_window(), and is counted
 * until then. */
static void check_is_left(const struct vm_record *record)
{
	bool shown = record->joined;

	for (unsigned i = 0; i < cpu_count; i++)
		shown |= cpus[i].window == &record->window;
	if (shown)
		panic("memory of VM %u is freed while a CPU shows it", record->window.vm_id);
}

/* Not in builds with a defect, which tests have to notice. */
static bool is_scrubbed(bool ends)
{
#ifdef BREAK_skip_free_scrub
	if (ends)
		return false;
#endif
#ifdef BREAK_skip_restart_scrub
	if (!ends)
		return false;
#endif
	(void)ends;
	return true;
}

/* @at is behind a chunk's last piece. */
static void free_chunk(const struct vm_record *record, uint64_t at)
{
	struct pg_leaf leaf;

	check_is_left(record);
	if (!pgtable_walk(&record->ept, at - VM_POPULATE_CHUNK, &leaf))
		panic("guest memory at 0x%llx is not where it was", (unsigned long long)at);
	frames_free_zeroed(leaf.hpa, CHUNK_ORDER);
}

bool vm_scrub_piece(struct vm_record *record, uint64_t *at, bool ends)
{
	const struct vm *vm = record->vm;

	for (unsigned looks = 0; *at < GIB(4) + vm->ram_high; looks++) {
		struct pg_leaf leaf;

		if (looks == SCRUB_LOOKS)
			return true;
		if (*at >= vm->ram_low && *at < GIB(4)) {
			*at = GIB(4);
			continue;
		}
		if (!vm_is_populated(vm, *at) || !pgtable_walk(&record->ept, *at, &leaf)) {
			*at += VM_POPULATE_CHUNK;
			continue;
		}
		if (is_scrubbed(ends))
			zero_pages(hpa_to_ptr(leaf.hpa), FRAMES_ZERO_PIECE);
		*at += FRAMES_ZERO_PIECE;
		if (ends && *at % VM_POPULATE_CHUNK == 0)
			free_chunk(record, *at);
		return true;
	}
	return false;
}

int vm_memory_create(struct vm_record *record)
{
	int err = 0;

	if (record->ept.max_exec_level < record->ept.max_level)
		err = make_spare_tables(record);
	if (!err)
		err = for_each_chunk(record, prepare_tables);
	vm_breathe();
	if (!err)
		prepare_memory(record);
	if (!err && !record->vm->lazy)
		err = for_each_chunk(record, give_chunk);
	vm_breathe();
	return err;
}

void vm_memory_destroy(struct vm_record *record)
{
	static const unsigned ept_slot = 0;

	check_is_left(record);
	if (!hpa_is_none(record->ept.root)) {
		uint64_t at = record->scrubbed;

		while (vm_scrub_piece(record, &at, true))
			vm_breathe();
		pgtable_destroy(&record->ept, &ept_slot, 1, vm_breathe);
	}
	frames_unpledge(record->pledged);
	frames_unexpect(record->expected);
	record->pledged = record->expected = 0;
	for (unsigned i = 0; !hpa_is_none(record->spare_tables); i++) {
		frames_free(take_spare_table(record), 0);
		breathe_now_and_then(i);
	}
}
