// SPDX-License-Identifier: MIT
/* Builds a VM: its window, its memory and tables, its vCPU. Boot processor or the VM's own, full
 * map. */
#include "hv/base/asm.h"
#include "hv/vm/audit.h"
#include "hv/cpu/cpu.h"
#include "hv/console/console.h"
#include "hv/base/errno.h"
#include "hv/base/string.h"
#include "hv/sched/mitigation.h"
#include "hv/base/panic.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/vm/vm.h"
#include "hv/life/cpuid.h"
#include "mm/frames.h"
#include "mm/zero.h"
#include "vmx/caps.h"
#include "vmx/vcpu.h"

struct vm_record vm_records[CONFIG_MAX_VMS];

#define CHUNK_ORDER 9
static_assert((PAGE_SIZE << CHUNK_ORDER) == VM_POPULATE_CHUNK, "a chunk is one allocation");

static bool others_run;

void vm_others_run(void)
{
	others_run = true;
}

static void let_others(void)
{
	bool siblings_wait = others_run && stun_keeps_waiting(this_cpu());

	if (siblings_wait) {
		asi_rest();
		stack_goes_deep(); /* once more: it was zeroed */
	}
	if (others_run)
		interrupts_take();
	if (siblings_wait)
		asi_exit(ASI_CAUSE_SCHEDULE);
}

void vm_breathe(void)
{
	stack_goes_deep(); /* interrupts may */
	if (this_cpu()->loads)
		vm_loading_breathe();
	else
		let_others();
	stack_goes_deep(); /* for those who look: nothing zeroes it behind this */
}

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

/* A vCPU's stack with its record on top, the area for XSAVE, and the APIC's registers. */
static int create_vcpu_private(struct vm_record *record, unsigned index)
{
	uint64_t stack =
		(uint64_t)vcpu_here(index) + VCPU_RECORD_SIZE - VCPU_STACK_PAGES * PAGE_SIZE;
	struct vcpu *vcpu;
	void *first;
	int err;

	err = space_window_alloc(&record->window, (uint64_t)vcpu_xsave_area(index), 1, &first);
	if (err)
		return err;
	err = space_window_alloc(&record->window, (uint64_t)vcpu_apic_page(index), 1, &first);
	if (err)
		return err;
	record->apic_page[index] = ptr_to_hpa(first);
	err = space_window_alloc(&record->window, stack, VCPU_STACK_PAGES, &first);
	if (err)
		return err;
	vcpu = (struct vcpu *)((uint8_t *)first + VCPU_STACK_PAGES * PAGE_SIZE - VCPU_RECORD_SIZE);
	record->vcpus[index] = vcpu;
	vcpu->vm = VM_HERE;
	vcpu->id = (uint16_t)index;
	vcpu->lapic.page = vcpu_apic_page(index);
	return 0;
}

/* struct vm and the vCPUs, in the private part of the window. */
static int create_private(struct vm_record *record)
{
	void *first;
	int err;

	err = space_window_alloc(&record->window, VM_PRIV_BASE,
				 ALIGN_UP(sizeof(struct vm), PAGE_SIZE) / PAGE_SIZE, &first);
	record->vm = first;
	for (unsigned i = 0; i < record->config->vcpus && !err; i++) {
		vm_breathe();
		err = create_vcpu_private(record, i);
	}
	return err;
}

static void describe(struct vm_record *record, const struct config_vm *config, uint16_t id)
{
	struct vm *vm = record->vm;

	str_copy(vm->name, config->name, sizeof(vm->name));
	vm->id = id;
	vm->vcpu_count = (uint16_t)config->vcpus;
	vm->lazy = config->populate == CONFIG_POPULATE_LAZY;
	vm->ram_low = config->memory < MACHINE_RAM_LOW_END ? config->memory : MACHINE_RAM_LOW_END;
	vm->ram_high = config->memory - vm->ram_low;
	vm->tsc_hz = cpu_facts.tsc_hz;
	vm->phys_bits = (uint8_t)cpu_facts.phys_bits;
	vm->preemption_shift = vmx_caps.preemption_shift;
	vm_cpuid_build(vm);
}

/* The VM's devices on its PCI bus. */
static int attach_devices(struct vm_record *record)
{
	if (vrng_exists())
		virtio_attach(record->vm, VIRTIO_RNG, 0);
	else
		console_printf("[vm %s] has no virtio-rng: this CPU lacks RDRAND",
			       record->vm->name);
	if (record->config->virtio_console)
		virtio_attach(record->vm, VIRTIO_CONSOLE, 0);
	return vm_attach_disks(record);
}

/* Neither a lazy VM's first touch, promised or not, nor what takes all chunks at once is to zero
 * them. */
static void prepare_memory(struct vm_record *record)
{
	record->expected = record->config->memory / VM_POPULATE_CHUNK - record->pledged;
	frames_expect(record->expected);
	vm_zero_ahead(record->pledged);
}

static int create(struct vm_record *record, const struct config_vm *config, uint16_t id)
{
	const char *why;
	int err;

	/* What is there of it, for vm_destroy(). */
	record->vm = NULL;
	record->window.table.root = record->ept.root = HPA_NONE;
	record->msr_bitmap = record->msr_area = record->spare_tables = HPA_NONE;
	record->loading_sp = 0;
	for (unsigned i = 0; i < CONFIG_MAX_VCPUS; i++)
		record->vmcs[i] = HPA_NONE;
	record->memory_used = record->expected = 0;
	record->scrubbed = 0;
	record->loading_stack = frames_alloc(VM_LOADING_STACK_ORDER, MEM_SENSITIVE, PURPOSE_OTHER);
	err = hpa_is_none(record->loading_stack) ? -E_NOMEM : 0;
	if (!err)
		err = space_window_create(&record->window, id);
	if (!err)
		err = create_private(record);
	if (err)
		return err;
	vm_breathe();
	describe(record, config, id);
	vm_breathe();
	err = attach_devices(record);
	if (!err)
		err = vm_net_create(record);
	if (err)
		return err;
	vm_breathe();
	err = pgtable_create(&record->ept, PG_EPT, vmx_caps.ept_2m ? 2 : 1);
	/* A guest that changes the size of a page it executes from could raise a machine check
	 * (CVE-2018-12207). */
	if (vulnerability_affects(&cpu_facts, VULN_ITLB_MULTIHIT, mitigation_chosen()->paranoid,
				  &why))
		record->ept.max_exec_level = 1;
	if (!err && record->ept.max_exec_level < record->ept.max_level)
		err = make_spare_tables(record);
	if (!err)
		err = for_each_chunk(record, prepare_tables);
	vm_breathe();
	if (!err)
		prepare_memory(record);
	if (!err && !record->vm->lazy)
		err = for_each_chunk(record, give_chunk);
	vm_breathe();
	return err ? err : vcpu_create(record);
}

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

/* Guest-physical addresses without memory are passed over, so many at a time. */
#define SCRUB_LOOKS 256

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

static void free_block(hpa_t *block, unsigned order)
{
	if (!hpa_is_none(*block))
		frames_free(*block, order);
	*block = HPA_NONE;
}

void vm_destroy(struct vm_record *record)
{
	static const unsigned ept_slot = 0;

	stack_goes_deep();
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
	for (unsigned i = 0; i < CONFIG_MAX_VCPUS; i++)
		free_block(&record->vmcs[i], 0);
	free_block(&record->msr_bitmap, VCPU_MSR_BITMAP_ORDER);
	free_block(&record->msr_area, 0);
	free_block(&record->loading_stack, VM_LOADING_STACK_ORDER);
	stack_goes_deep(); /* once more: meanwhile it may have been zeroed */
	if (!hpa_is_none(record->window.table.root))
		space_window_destroy(&record->window, vm_breathe);
	record->vm = NULL;
	record->memory_used = 0;
}

int vm_create(unsigned index, const struct config_vm *config)
{
	struct vm_record *record = &vm_records[index];
	bool all = config->populate == CONFIG_POPULATE_EAGER || config->reserve > config->memory;
	uint64_t promised = all ? config->memory : config->reserve;
	int err;

	record->config = config;
	if (frames_pledge(promised / VM_POPULATE_CHUNK)) {
		console_error("cloister.conf:%u: [vm %s] wants %llu MiB of memory, %llu MiB are "
			      "free: lower memory = or, for memory-mode = lazy, memory-reserve =",
			      config->memory_line ? config->memory_line : config->line,
			      config->name, (unsigned long long)(promised >> 20),
			      (unsigned long long)(frames_unpledged() * VM_POPULATE_CHUNK >> 20));
		return -E_NOMEM;
	}
	record->pledged = promised / VM_POPULATE_CHUNK;
	err = create(record, config, (uint16_t)index);
	if (err && err != -E_NOENT)
		console_error(
			"cloister.conf:%u: [vm %s] cannot be built, memory ran out: lower memory =",
			config->line, config->name);
	if (err)
		vm_destroy(record);
	return err;
}
