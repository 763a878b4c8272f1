// SPDX-License-Identifier: MIT
/*
 * Disks: files of the boot medium, mapped into the windows of the VMs that have them, so that
 * requests are served in the restricted map. What a VM writes is in frames of its own: in the
 * file's if nothing else of the configuration names it, else in a copy. Files that are only read
 * are mapped read-only wherever they are named. Contents outlast the VM's restart.
 */
#include "hv/life/disk.h"

#include "boot/boot_info.h"
#include "drivers/guest/virtio/virtio.h"
#include "hv/base/errno.h"
#include "hv/base/layout.h"
#include "hv/base/string.h"
#include "hv/config/boot_state.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/life/load.h"
#include "hv/vm/breathe.h"
#include "hv/vm/memory.h"
#include "mm/frames.h"
#include "mm/space.h"

#define SECTOR 512
#define SIZE_MAX_GIB 31 /* with its place within 2 MiB it fits into VM_DISK_SPAN */
#define CHUNK_ORDER 9
#define COPIES_ORDER 5
#define COPY_PIECE KIB(32) /* between two looks at who waits */
static_assert((PAGE_SIZE << COPIES_ORDER) / sizeof(hpa_t) >= VM_DISK_SPAN / PAGE_SIZE_2M,
	      "a chunk of a copy is an entry of its list");
static_assert(CONFIG_MAX_VMS <= 16, "a bit for each in the owner of a shared frame");

/* How often the configuration names the file, for whatever. */
static unsigned uses(const char *name)
{
	const struct config *config = boot_state_config();
	unsigned count = 0;

	for (unsigned i = 0; i < config->vm_count; i++) {
		const struct config_vm *vm = &config->vms[i];

		count += !strcmp(vm->kernel, name) + !strcmp(vm->initrd, name);
		for (unsigned d = 0; d < vm->disk_count; d++)
			count += !strcmp(vm->disks[d].file, name);
		for (unsigned m = 0; m < vm->module_count; m++)
			count += !strcmp(vm->modules[m].name, name);
	}
	return count;
}

/* Maps the file itself, chunk by chunk of physical memory. Its address keeps the place within 2
 * MiB, so that large pages fit. */
static int map_file(struct vm_record *record, const struct boot_file *file, bool writable,
		    uint64_t *va)
{
	uint16_t id = record->window.vm_id;
	uint64_t base = file->base.v, end = base + ALIGN_UP(file->size, PAGE_SIZE), next;
	enum mem_class class = writable ? MEM_VM : MEM_SHARED;
	int err = 0;

	*va += base % PAGE_SIZE_2M;
	for (uint64_t at = base; at < end && !err; at = next) {
		next = ALIGN_DOWN(at, PAGE_SIZE_2M) + PAGE_SIZE_2M;
		if (next > end)
			next = end;
		err = frames_claim(HPA(at), next - at, class, writable ? id : (uint16_t)BIT(id));
		if (!err)
			err = space_window_map_disk(&record->window, *va + (at - base), HPA(at),
						    next - at, writable);
		vm_breathe();
	}
	if (!err)
		memset((uint8_t *)hpa_to_ptr(file->base) + file->size, 0, end - base - file->size);
	return err;
}

/* The list of a copy's chunks; what is not there yet is zero. A list has room for the largest disk.
 */
static hpa_t *copies_of(struct vm_record *record, unsigned index)
{
	hpa_t list;

	if (record->disk_copies[index])
		return record->disk_copies[index];
	list = frames_alloc(COPIES_ORDER, MEM_SENSITIVE, PURPOSE_OTHER);
	if (!hpa_is_none(list))
		record->disk_copies[index] = hpa_to_ptr(list);
	return record->disk_copies[index];
}

static void copy_chunk(hpa_t to, hpa_t from, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += COPY_PIECE) {
		copy_bulk((uint8_t *)hpa_to_ptr(to) + at, (const uint8_t *)hpa_to_ptr(from) + at,
			  size - at < COPY_PIECE ? size - at : COPY_PIECE);
		vm_breathe();
	}
}

static int make_copies(struct vm_record *record, hpa_t *chunk, const struct boot_file *file)
{
	for (uint64_t at = 0; at < file->size; at += PAGE_SIZE_2M, chunk++) {
		uint64_t n = file->size - at < PAGE_SIZE_2M ? file->size - at : PAGE_SIZE_2M;
		hpa_t hpa;

		if (chunk->v)
			continue;
		hpa = frames_alloc(CHUNK_ORDER, MEM_VM, record->window.vm_id);
		if (hpa_is_none(hpa))
			return -E_NOMEM;
		copy_chunk(hpa, HPA(file->base.v + at), n);
		*chunk = hpa;
	}
	return 0;
}

/* Made once, when the VM is built first. */
static int map_copy(struct vm_record *record, unsigned index, const struct boot_file *file,
		    uint64_t va)
{
	uint64_t count = ALIGN_UP(file->size, PAGE_SIZE_2M) / PAGE_SIZE_2M;
	hpa_t *chunk = copies_of(record, index);
	int err = 0;

	if (!chunk)
		return -E_NOMEM;
	if (!chunk[count - 1].v) { /* they are made in order */
		frames_expect(count);
		vm_zero_ahead(false);
		err = make_copies(record, chunk, file);
		frames_unexpect(count);
	}
	for (uint64_t i = 0; i < count && !err; i++) {
		err = space_window_map_disk(&record->window, va + i * PAGE_SIZE_2M, chunk[i],
					    PAGE_SIZE_2M, true);
		vm_breathe();
	}
	return err;
}

static bool add_disk(struct vm_record *record, unsigned index)
{
	const struct config_disk *disk = &record->config->disks[index];
	const struct boot_file *file = vm_find_file(record->config, "disk", disk->file, disk->line);
	uint64_t va = VM_DISK_BASE + index * VM_DISK_SPAN;
	const char *why = NULL;
	struct frames_stats stats;

	if (!file)
		return false;
	frames_stats(&stats);
	if (file->size < SECTOR || file->size > GIB(SIZE_MAX_GIB))
		why = "is no disk image: it must have 512 bytes to 31 GiB";
	else if (disk->read_only || uses(disk->file) == 1)
		why = map_file(record, file, !disk->read_only, &va) ? "cannot be mapped" : NULL;
	else if ((!record->disk_copies[index] && file->size > stats.free_bytes) ||
		 map_copy(record, index, file, va))
		why = "is named more than once, and there is no memory for a copy: write ,ro";
	if (!why && !vblk_add(record->vm, (uint8_t *)va, ALIGN_UP(file->size, SECTOR),
			      disk->read_only, disk->file))
		why = "finds no place on the VM's bus";
	if (!why)
		return true;
	console_error("cloister.conf:%u: [vm %s] disk = %s %s", disk->line, record->config->name,
		      disk->file, why);
	return false;
}

int vm_add_disks(struct vm_record *record)
{
	for (unsigned i = 0; i < record->config->disk_count; i++)
		if (!add_disk(record, i))
			return -E_NOENT;
	return 0;
}
