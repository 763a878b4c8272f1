// SPDX-License-Identifier: MIT
#include "mm/space.h"

#include "hv/base/boot.h"
#include "hv/base/errno.h"
#include "hv/base/layout.h"
#include "mm/frames.h"

/* Of firmware's memory that the memory map does not call ACPI tables: what is mapped of it. */
#define MAX_FIRMWARE MIB(16)

/* What one PML4 entry covers. */
#define SLOT_SPAN GIB(512)

/* The subtrees that all pairs share; two root tables serve as their owners. */
static struct pgtable shared_restricted; /* global; image without .data and .bss */
static struct pgtable shared_full;	 /* physmap, full-only devices, global, whole image */

static struct space_image the_image;
static uint64_t global_next, mmio_next, full_mmio_next;
static uint64_t firmware_added; /* to the physmap: space_reach_firmware() */

static const unsigned restricted_slots[] = { PML4_SLOT(GLOBAL_BASE), PML4_SLOT(IMAGE_BASE) };
static const unsigned full_slots[] = { PML4_SLOT(PHYSMAP_BASE), PML4_SLOT(GLOBAL_BASE),
				       PML4_SLOT(FULL_MMIO_BASE), PML4_SLOT(IMAGE_BASE) };

static BOOT int map_image(struct pgtable *pt, const struct space_image *image, uint64_t start,
			  uint64_t end, unsigned prot)
{
	if (start == end)
		return 0;
	return pgtable_map(pt, image->link_base + start, HPA(image->load_base.v + start),
			   end - start, prot);
}

/* The image: one line a region. */
static BOOT int build_image(const struct space_image *image)
{
	struct pgtable *r = &shared_restricted, *f = &shared_full;
	int err = 0;

	err = err ? err : map_image(r, image, image->text_start, image->text_end, PG_EXEC);
	err = err ? err : map_image(r, image, image->rodata_start, image->rodata_end, 0);
	err = err ? err : map_image(r, image, image->global_start, image->global_end, PG_WRITE);

	err = err ? err : map_image(f, image, image->text_start, image->text_end, PG_EXEC);
	err = err ? err : map_image(f, image, image->rodata_start, image->rodata_end, 0);
	err = err ? err : map_image(f, image, image->global_start, image->global_end, PG_WRITE);
	err = err ? err : map_image(f, image, image->data_start, image->data_end, PG_WRITE);

	err = err ? err
		  : map_image(f, image, image->boot_text_start, image->boot_text_end, PG_EXEC);
	err = err ? err : map_image(f, image, image->boot_rodata_start, image->boot_rodata_end, 0);
	err = err ? err
		  : map_image(f, image, image->boot_data_start, image->boot_data_end, PG_WRITE);
#ifdef BREAK_map_sensitive
	err = err ? err : map_image(r, image, image->data_start, image->data_end, PG_WRITE);
#endif
	return err;
}

static BOOT bool range_is_mapped(const struct boot_range *range)
{
	return range->type == BOOT_RANGE_RAM || range->type == BOOT_RANGE_ACPI ||
	       range->type == BOOT_RANGE_HYPERVISOR || range->type == BOOT_RANGE_FILE;
}

/*
 * All memory, never executable. The image's code and constants are left out: the physmap would be a
 * writable alias of them.
 */
static BOOT int build_physmap(const struct boot_info *bi, const struct space_image *image)
{
	uint64_t hole_start = image->load_base.v;
	uint64_t hole_end = image->load_base.v + image->rodata_end;

	for (unsigned i = 0; i < bi->range_count;) {
		uint64_t start = ALIGN_DOWN(bi->ranges[i].base, PAGE_SIZE);
		uint64_t end = ALIGN_UP(bi->ranges[i].base + bi->ranges[i].size, PAGE_SIZE);
		int err = 0;

		if (!range_is_mapped(&bi->ranges[i])) {
			i++;
			continue;
		}
		/* Neighbours become one mapping, so that large pages span them. */
		for (i++; i < bi->range_count && range_is_mapped(&bi->ranges[i]) &&
			  bi->ranges[i].base <= end;
		     i++)
			if (bi->ranges[i].base + bi->ranges[i].size > end)
				end = ALIGN_UP(bi->ranges[i].base + bi->ranges[i].size, PAGE_SIZE);
		if (start < hole_end && hole_start < end) {
			if (start < hole_start)
				err = pgtable_map(&shared_full, PHYSMAP_BASE + start, HPA(start),
						  hole_start - start, PG_WRITE);
			start = hole_end;
		}
		if (!err && start < end)
			err = pgtable_map(&shared_full, PHYSMAP_BASE + start, HPA(start),
					  end - start, PG_WRITE);
		if (err)
			return err;
	}
	return 0;
}

BOOT int space_init(const struct boot_info *bi, const struct space_image *image, bool has_1g)
{
	hpa_t table = HPA_NONE;
	int err;

	the_image = *image;
	global_next = GLOBAL_BASE;
	mmio_next = GLOBAL_MMIO_BASE;
	full_mmio_next = FULL_MMIO_BASE;
	firmware_added = 0;
	err = pgtable_create(&shared_restricted, PG_HOST, 2);
	if (!err)
		err = pgtable_create(&shared_full, PG_HOST, has_1g ? 3 : 2);
	for (unsigned i = 0; i < ARRAY_SIZE(full_slots) && !err; i++)
		err = pgtable_slot_create(&shared_full, full_slots[i], &table);
	if (!err)
		err = pgtable_slot_create(&shared_restricted, PML4_SLOT(IMAGE_BASE), &table);
	/* One global subtree for both. */
	if (!err)
		err = pgtable_slot_create(&shared_full, PML4_SLOT(GLOBAL_BASE), &table);
	if (!err)
		pgtable_slot_set(&shared_restricted, PML4_SLOT(GLOBAL_BASE), table);
	if (!err)
		err = build_image(image);
	if (!err)
		err = build_physmap(bi, image);
	return err;
}

/* Does [va, va + size) lie in [base, end)? Says no to overflow. */
static bool is_within(uint64_t va, uint64_t size, uint64_t base, uint64_t end)
{
	return va >= base && va < end && size <= end - va;
}

static enum mem_reason reason_of_offset(uint64_t offset)
{
	if (offset >= the_image.text_start && offset < the_image.text_end)
		return REASON_TEXT;
	if (offset >= the_image.rodata_start && offset < the_image.rodata_end)
		return REASON_RODATA;
	if (offset >= the_image.global_start && offset < the_image.global_end)
		return REASON_DATA_GLOBAL;
	return REASON_COUNT;
}

enum mem_reason space_image_reason(uint64_t va)
{
	return reason_of_offset(va - the_image.link_base);
}

/* Does [@va, @va + @size) lie in the part of the image from @start to @end? */
static bool lies_in(uint64_t va, uint64_t size, uint64_t start, uint64_t end)
{
	return is_within(va - the_image.link_base, size, start, end);
}

bool space_image_is_code(uint64_t va, uint64_t size)
{
	const struct space_image *i = &the_image;

	return lies_in(va, size, i->text_start, i->text_end) ||
	       lies_in(va, size, i->boot_text_start, i->boot_text_end);
}

bool space_image_has(uint64_t va, uint64_t size)
{
	const struct space_image *i = &the_image;

	return space_image_is_code(va, size) || lies_in(va, size, i->rodata_start, i->rodata_end) ||
	       lies_in(va, size, i->global_start, i->global_end) ||
	       lies_in(va, size, i->data_start, i->data_end) ||
	       lies_in(va, size, i->boot_rodata_start, i->boot_rodata_end) ||
	       lies_in(va, size, i->boot_data_start, i->boot_data_end);
}

static int unmap_image(uint64_t start, uint64_t end)
{
	return pgtable_unmap(&shared_full, the_image.link_base + start, end - start);
}

/* The boot's code and constants, which the physmap lacked so far. */
static hpa_t boot_constants(uint64_t *size)
{
	*size = the_image.boot_rodata_end - the_image.boot_text_start;
	return HPA(the_image.load_base.v + the_image.boot_text_start);
}

int space_boot_unmap(void)
{
	const struct space_image *i = &the_image;
	uint64_t size;
	hpa_t constants = boot_constants(&size);
	int err = pgtable_prepare(&shared_full, PHYSMAP_BASE + constants.v, constants, size);

	err = err ? err : unmap_image(i->boot_text_start, i->boot_text_end);
	err = err ? err : unmap_image(i->boot_rodata_start, i->boot_rodata_end);
	return err ? err : unmap_image(i->boot_data_start, i->boot_data_end);
}

uint64_t space_boot_free(void)
{
	struct space_image *i = &the_image;
	hpa_t variables = HPA(i->load_base.v + i->boot_data_start);
	uint64_t size, freed;
	hpa_t constants = boot_constants(&size);

	/* Its tables are there, space_boot_unmap() made them. */
	if (pgtable_map(&shared_full, PHYSMAP_BASE + constants.v, constants, size, PG_WRITE))
		return 0;
	freed = frames_give_boot(constants, size) +
		frames_give_boot(variables, i->boot_data_end - i->boot_data_start);
	i->boot_text_start = i->boot_text_end = 0;
	i->boot_rodata_start = i->boot_rodata_end = 0;
	i->boot_data_start = i->boot_data_end = 0;
	return freed;
}

bool space_image_shows(hpa_t hpa)
{
	return reason_of_offset(hpa.v - the_image.load_base.v) != REASON_COUNT;
}

hpa_t space_image_frame(uint64_t va)
{
	return HPA(the_image.load_base.v + (va - the_image.link_base));
}

static bool touches(hpa_t hpa, uint64_t size, uint64_t start, uint64_t end)
{
	return start < end && hpa.v < the_image.load_base.v + end &&
	       the_image.load_base.v + start < hpa.v + size;
}

bool space_image_is_constant(hpa_t hpa, uint64_t size)
{
	return touches(hpa, size, the_image.text_start, the_image.text_end) ||
	       touches(hpa, size, the_image.rodata_start, the_image.rodata_end) ||
	       touches(hpa, size, the_image.boot_text_start, the_image.boot_text_end) ||
	       touches(hpa, size, the_image.boot_rodata_start, the_image.boot_rodata_end);
}

static BOOT int share(struct pgtable *to, struct pgtable *from, const unsigned *slots,
		      unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		hpa_t table = HPA_NONE;
		int err = pgtable_slot_create(from, slots[i], &table);

		if (err)
			return err;
		pgtable_slot_set(to, slots[i], table);
	}
	return 0;
}

BOOT int space_pair_create(struct space_pair *pair, uint16_t cpu)
{
	static const unsigned own_slot = PML4_SLOT(CPU_BASE);
	hpa_t table = HPA_NONE;
	int err;

	(void)cpu;
	err = pgtable_create(&pair->restricted, PG_HOST, 2);
	if (err)
		return err;
	err = pgtable_create(&pair->full, PG_HOST, shared_full.max_level);
	if (err) {
		pgtable_destroy(&pair->restricted, NULL, 0, NULL);
		return err;
	}
	err = share(&pair->restricted, &shared_restricted, restricted_slots,
		    ARRAY_SIZE(restricted_slots));
	if (!err)
		err = share(&pair->full, &shared_full, full_slots, ARRAY_SIZE(full_slots));
	if (!err)
		err = pgtable_slot_create(&pair->full, own_slot, &table);
	if (err) {
		pgtable_destroy(&pair->restricted, NULL, 0, NULL);
		pgtable_destroy(&pair->full, NULL, 0, NULL);
		return err;
	}
	pgtable_slot_set(&pair->restricted, own_slot, table);
	return 0;
}

/* Contiguous zeroed frames for @pages pages; the tail of the power of two goes back, so that no
 * page that nobody asked for gets the class. */
static hpa_t alloc_run(unsigned pages, enum mem_class class, uint16_t owner)
{
	unsigned order = 0;
	hpa_t base;

	while ((1U << order) < pages)
		order++;
	if (order > FRAMES_MAX_ORDER)
		return HPA_NONE;
	base = frames_alloc(order, class, owner);
	if (!hpa_is_none(base))
		for (unsigned i = pages; i < 1U << order; i++)
			frames_free(HPA(base.v + i * PAGE_SIZE), 0);
	return base;
}

static int alloc_and_map(struct pgtable *pt, uint64_t va, unsigned pages, enum mem_class class,
			 uint16_t owner, void **first)
{
	hpa_t base = alloc_run(pages, class, owner);
	int err;

	if (hpa_is_none(base))
		return -E_NOMEM;
	err = pgtable_map(pt, va, base, pages * PAGE_SIZE, PG_WRITE);
	for (unsigned i = 0; err && i < pages; i++)
		frames_free(HPA(base.v + i * PAGE_SIZE), 0);
	*first = hpa_to_ptr(base);
	return err;
}

BOOT int space_cpu_alloc(struct space_pair *pair, uint16_t cpu, uint64_t va, unsigned pages,
			 void **first)
{
	if (!is_within(va, pages * PAGE_SIZE, CPU_BASE, CPU_BASE + SLOT_SPAN))
		return -E_RANGE;
	return alloc_and_map(&pair->full, va, pages, MEM_CPU, cpu, first);
}

BOOT void *space_global_alloc(uint64_t size, enum mem_reason reason)
{
	unsigned pages = (unsigned)(ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE);
	uint64_t va = global_next;
	void *unused;

	if (!is_within(va, size, GLOBAL_BASE, GLOBAL_MMIO_BASE))
		return NULL;
	if (alloc_and_map(&shared_full, va, pages, MEM_GLOBAL, (uint16_t)reason, &unused))
		return NULL;
	global_next += (pages + 1) * PAGE_SIZE; /* a guard page in between */
	return (void *)va;
}

/* Whatever the firmware's tables say: memory that we manage is no device. */
static BOOT bool holds_ram(uint64_t first, uint64_t end)
{
	for (; first < end; first += PAGE_SIZE)
		if (frames_class(HPA(first)) != MEM_NONE)
			return true;
	return false;
}

static BOOT volatile void *map_device(uint64_t *next, hpa_t hpa, uint64_t size, unsigned prot)
{
	uint64_t first = ALIGN_DOWN(hpa.v, PAGE_SIZE), end = ALIGN_UP(hpa.v + size, PAGE_SIZE);
	uint64_t va = *next;

	if (holds_ram(first, end) ||
	    pgtable_map(&shared_full, va, HPA(first), end - first, PG_WRITE | prot))
		return NULL;
	*next += end - first + PAGE_SIZE;
	return (volatile void *)(va + (hpa.v - first));
}

BOOT volatile void *space_global_mmio(hpa_t hpa, uint64_t size)
{
	return map_device(&mmio_next, hpa, size, PG_UC);
}

BOOT volatile void *space_full_mmio(hpa_t hpa, uint64_t size, bool wc)
{
	return map_device(&full_mmio_next, hpa, size, wc ? PG_WC : PG_UC);
}

BOOT bool space_reach_firmware(hpa_t hpa, uint64_t size)
{
	uint64_t last = hpa.v + size - 1;
	struct pg_leaf leaf;

	if (!size || last < hpa.v || last >= SLOT_SPAN)
		return false;
	for (uint64_t at = ALIGN_DOWN(hpa.v, PAGE_SIZE); at <= last; at += PAGE_SIZE) {
		if (pgtable_walk(&shared_full, PHYSMAP_BASE + at, &leaf))
			continue;
		if (holds_ram(at, at + PAGE_SIZE) || firmware_added >= MAX_FIRMWARE ||
		    pgtable_map(&shared_full, PHYSMAP_BASE + at, HPA(at), PAGE_SIZE, 0))
			return false;
		firmware_added += PAGE_SIZE;
	}
	return true;
}

int space_window_create(struct space_window *window, uint16_t vm_id)
{
	hpa_t table = HPA_NONE;
	int err;

	window->vm_id = vm_id;
	err = pgtable_create(&window->table, PG_HOST, 2);
	if (err)
		return err;
	err = pgtable_slot_create(&window->table, PML4_SLOT(WINDOW_BASE), &table);
	if (err)
		pgtable_destroy(&window->table, NULL, 0, NULL);
	return err;
}

int space_window_prepare_ram(struct space_window *window, gpa_t gpa, uint64_t size)
{
	if (!is_within(gpa.v, size, 0, GUEST_SPAN))
		return -E_RANGE;
	return pgtable_prepare(&window->table, GUEST_BASE + gpa.v, HPA(0), size);
}

int space_window_map_ram(struct space_window *window, gpa_t gpa, hpa_t hpa, uint64_t size)
{
	/* Beyond the span begins what the hypervisor keeps about the VM. */
	if (!is_within(gpa.v, size, 0, GUEST_SPAN))
		return -E_RANGE;
	return pgtable_map(&window->table, GUEST_BASE + gpa.v, hpa, size, PG_WRITE);
}

int space_window_map_disk(struct space_window *window, uint64_t va, hpa_t hpa, uint64_t size,
			  bool writable)
{
	if (!is_within(va, size, VM_DISK_BASE, WINDOW_BASE + SLOT_SPAN))
		return -E_RANGE;
	return pgtable_map(&window->table, va, hpa, size, writable ? PG_WRITE : 0);
}

int space_window_alloc(struct space_window *window, uint64_t va, unsigned pages, void **first)
{
	if (!is_within(va, pages * PAGE_SIZE, VM_PRIV_BASE, VM_DISK_BASE))
		return -E_RANGE;
	return alloc_and_map(&window->table, va, pages, MEM_VM, window->vm_id, first);
}

/* One leaf, and stops behind it. */
static int free_private(uint64_t va, uint64_t size, const struct pg_leaf *leaf, void *context)
{
	for (uint64_t i = 0; va < VM_DISK_BASE && i < size; i += PAGE_SIZE)
		frames_free(HPA(leaf->hpa.v + i), 0);
	*(struct pgtable_place *)context = (struct pgtable_place){ va + size, 0 };
	return 1;
}

void space_window_destroy(struct space_window *window, void (*breathe)(void))
{
	static const struct pgtable_visitor visitor = { .leaf = free_private };
	static const unsigned slot = PML4_SLOT(WINDOW_BASE);
	struct pgtable_place place = { VM_PRIV_BASE, 0 }, from = place;

	/* The guest's memory and the disks beside it may have leaves without number. */
	while (place.va < VM_DISK_BASE && pgtable_go_on(&window->table, &from, &visitor, &place)) {
		from = place;
		if (breathe)
			breathe();
	}
	pgtable_destroy(&window->table, &slot, 1, breathe);
}

void space_window_set(struct space_pair *pair, const struct space_window *window)
{
	hpa_t table = HPA_NONE;

	if (window) {
		struct pgtable source = window->table;

		/* The slot exists since space_window_create(). */
		if (pgtable_slot_create(&source, PML4_SLOT(WINDOW_BASE), &table))
			table = HPA_NONE;
	}
	pgtable_slot_set(&pair->restricted, PML4_SLOT(WINDOW_BASE), table);
	pgtable_slot_set(&pair->full, PML4_SLOT(WINDOW_BASE), table);
}
