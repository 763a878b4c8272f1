// SPDX-License-Identifier: MIT
/*
 * What a VM begins with. Its kernel is loaded by a program that is a part of the guest
 * (drivers/guest/loader): here are its memory, page by page in the guest's EPT and in no window,
 * and the files that it reads. Nothing in them is looked at.
 */
#include "hv/life/load.h"

#include "drivers/guest/loader/boot.h"
#include "hv/base/errno.h"
#include "hv/base/layout.h"
#include "hv/base/panic.h"
#include "hv/base/string.h"
#include "hv/config/boot_state.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/cpu/cpu.h"
#include "hv/vm/breathe.h"
#include "hv/vm/vm.h"
#include "mm/frames.h"
#include "mm/pgtable.h"

static_assert(CONFIG_MAX_MODULES <= LOADER_MAX_MODULES && CONFIG_MODULE_LEN <= LOADER_BOOT_TEXT &&
		      CONFIG_CMDLINE_LEN <= LOADER_BOOT_CMDLINE,
	      "what the configuration takes can be told");

#define PIECE KIB(256) /* some 6,000 instructions to claim it, and as many to map it */

/* hv/life/program.asm */
extern const uint8_t loader_program[];
extern const uint64_t loader_program_size;

const struct boot_file *vm_find_file(const struct config_vm *config, const char *what,
				     const char *name, unsigned line)
{
	const struct boot_file *file = boot_state_file(name);
	const char *why = NULL;

	if (!file || file->status == BOOT_FILE_MISSING)
		why = "is not on the boot medium: put it beside cloister.conf";
	else if (file->status == BOOT_FILE_UNREADABLE)
		why = "cannot be read: the boot medium fails";
	else if (file->status == BOOT_FILE_NO_MEMORY)
		why = "does not fit into this machine's memory";
	if (!why)
		return file;
	console_error("cloister.conf:%u: [vm %s] %s = %s %s", line, config->name, what, name, why);
	return NULL;
}

/* False if one is missing. */
static bool find_files(const struct config_vm *config)
{
	if (!vm_find_file(config, "kernel", config->kernel, config->kernel_line) ||
	    (config->initrd[0] &&
	     !vm_find_file(config, "initrd", config->initrd, config->initrd_line)))
		return false;
	for (unsigned i = 0; i < config->module_count; i++)
		if (!vm_find_file(config, "modules", config->modules[i].name, config->modules_line))
			return false;
	return true;
}

/* Behind what ends at *@end. It keeps its place within 2 MiB, so that large pages fit. */
static struct loader_file place(const char *name, uint64_t *end)
{
	const struct boot_file *file = boot_state_file(name);
	uint64_t at = ALIGN_UP(*end, PAGE_SIZE_2M) + file->base.v % PAGE_SIZE_2M;

	*end = at + file->size;
	return (struct loader_file){ at, file->size };
}

/* All that is the same at each start of the VM; the end of what is to be mapped. */
static uint64_t describe(const struct vm_record *record, struct loader_boot *boot)
{
	const struct config_vm *config = record->config;
	const struct vm *vm = record->vm;
	uint64_t end = GIB(4) + vm->ram_high;

	*boot = (struct loader_boot){ .vcpu_count = vm->vcpu_count,
				      .format = config->format,
				      .module_count = config->module_count,
				      .ram_low = vm->ram_low,
				      .ram_high = vm->ram_high };
	boot->kernel = place(config->kernel, &end);
	if (config->initrd[0])
		boot->initrd = place(config->initrd, &end);
	for (unsigned i = 0; i < config->module_count; i++) {
		boot->modules[i] = place(config->modules[i].name, &end);
		str_copy(boot->module_texts[i], config->modules[i].text, LOADER_BOOT_TEXT);
	}
	str_copy(boot->cmdline, config->cmdline, LOADER_BOOT_CMDLINE);
	boot->gib = (uint32_t)(ALIGN_UP(end, GIB(1)) / GIB(1));
	return end;
}

/* The page of the area at guest-physical @gpa; NULL: there is none. */
static void *area_page(const struct vm_record *record, uint64_t gpa)
{
	struct pg_leaf leaf;

	return pgtable_walk(&record->ept, gpa, &leaf) ? hpa_to_ptr(leaf.hpa) : NULL;
}

/* Page by page: nothing of it is executable in a larger piece. */
static int create_area(struct vm_record *record, uint64_t gpa, uint64_t end)
{
	int err = 0;

	for (; gpa < end && !err; gpa += PAGE_SIZE) {
		hpa_t hpa = frames_alloc(0, MEM_VM, record->window.vm_id);

		if (hpa_is_none(hpa))
			return -E_NOMEM;
		err = pgtable_map(&record->ept, gpa, hpa, PAGE_SIZE, PG_WRITE | PG_EXEC);
		if (err)
			frames_free(hpa, 0);
		vm_breathe();
	}
	return err;
}

/* From @at on to a 2 MiB boundary at most; what is no large page in pieces, for others wait. */
static int map_chunk(struct vm_record *record, uint64_t gpa, uint64_t at, uint64_t size)
{
	bool large = size == PAGE_SIZE_2M && record->ept.max_level > 1;
	uint16_t bit = (uint16_t)BIT(record->window.vm_id);
	int err = 0;

	for (uint64_t done = 0; done < size && !err; done += PIECE) {
		uint64_t piece = size - done < PIECE ? size - done : PIECE;

		err = frames_claim(HPA(at + done), piece, MEM_SHARED, bit);
		vm_breathe();
		if (!err && !large)
			err = pgtable_map(&record->ept, gpa + done, HPA(at + done), piece, 0);
		vm_breathe();
	}
	if (!err && large)
		err = pgtable_map(&record->ept, gpa, HPA(at), size, 0);
	return err;
}

static int map_file(struct vm_record *record, const char *name, const struct loader_file *where)
{
	const struct boot_file *file = boot_state_file(name);
	uint64_t base = file->base.v, end = base + ALIGN_UP(file->size, PAGE_SIZE), next;
	int err = 0;

	for (uint64_t at = base; at < end && !err; at = next) {
		next = ALIGN_DOWN(at, PAGE_SIZE_2M) + PAGE_SIZE_2M;
		if (next > end)
			next = end;
		err = map_chunk(record, where->at + (at - base), at, next - at);
	}
	if (!err)
		memset((uint8_t *)hpa_to_ptr(file->base) + file->size, 0, end - base - file->size);
	return err;
}

static int map_files(struct vm_record *record, const struct loader_boot *boot)
{
	const struct config_vm *config = record->config;
	int err = map_file(record, config->kernel, &boot->kernel);

	if (config->initrd[0] && !err)
		err = map_file(record, config->initrd, &boot->initrd);
	for (unsigned i = 0; i < config->module_count && !err; i++)
		err = map_file(record, config->modules[i].name, &boot->modules[i]);
	return err;
}

int vm_loader_create(struct vm_record *record)
{
	const struct config_vm *config = record->config;
	unsigned bits = cpu_facts.phys_bits < LOADER_BITS ? cpu_facts.phys_bits : LOADER_BITS;
	struct loader_boot *boot;
	uint64_t end;
	int err;

	if (!find_files(config))
		return -E_INVAL;
	err = create_area(record, LOADER_BASE, LOADER_TABLES);
	if (err)
		return err;
	boot = area_page(record, LOADER_BOOT);
	end = describe(record, boot);
	if (end > BIT(bits)) {
		console_error("cloister.conf:%u: [vm %s] kernel = %s and what goes with it do not "
			      "fit behind its memory into %u address bits: lower memory =",
			      config->kernel_line, config->name, config->kernel, bits);
		return -E_INVAL;
	}
	err = create_area(record, LOADER_TABLES,
			  LOADER_TABLES + LOADER_TABLE_PAGES(boot->gib) * PAGE_SIZE);
	return err ? err : map_files(record, boot);
}

/* The one that begins @at bytes behind LOADER_BASE. */
static void reset_page(void *page, uint64_t at)
{
	uint64_t left = at < loader_program_size ? loader_program_size - at : 0;

	memset(page, 0, PAGE_SIZE);
	if (left)
		memcpy(page, loader_program + at, left < PAGE_SIZE ? left : PAGE_SIZE);
}

void vm_loader_reset(struct vm_record *record)
{
	void *page;

	for (uint64_t gpa = LOADER_BASE; (page = area_page(record, gpa)); gpa += PAGE_SIZE) {
		reset_page(page, gpa - LOADER_BASE);
		vm_breathe();
	}
	describe(record, area_page(record, LOADER_BOOT));
}

void vm_loader_why(const struct vm_record *record, char *why, size_t size)
{
	const struct loader_boot *boot = area_page(record, LOADER_BOOT);
	size_t n = 0;

	for (; n + 1 < size && n < sizeof(boot->why) && boot->why[n]; n++)
		why[n] = boot->why[n] >= ' ' && boot->why[n] <= '~' ? boot->why[n] : '?';
	why[n] = '\0';
}

void vm_loader_destroy(struct vm_record *record)
{
	void *page;

	if (hpa_is_none(record->ept.root))
		return;
	for (uint64_t gpa = LOADER_BASE; (page = area_page(record, gpa)); gpa += PAGE_SIZE) {
		frames_free(ptr_to_hpa(page), 0);
		vm_breathe();
	}
}
