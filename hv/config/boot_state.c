// SPDX-License-Identifier: MIT
#include "hv/config/boot_state.h"

#include "hv/base/boot.h"
#include "hv/base/layout.h"
#include "hv/base/string.h"

static struct boot_file files[BOOT_MAX_FILES];
static unsigned file_count;
static struct boot_state_loader loader;
static struct config config;
static enum vm_timer vm_timer;
static bool vm_apicv;
static uint64_t freed;

static BOOT void add_left(uint64_t start, uint64_t end)
{
	if (start < end && loader.left_count < BOOT_STATE_MAX_LEFT)
		loader.left[loader.left_count++] =
			(struct boot_range){ start, end - start, BOOT_RANGE_HYPERVISOR, 0 };
}

/* Without the image, with which they may be one range. */
static BOOT void keep_left(const struct boot_info *info)
{
	uint64_t image = info->image_base.v, image_end = image + info->image_size;

	for (unsigned i = 0; i < info->range_count; i++) {
		const struct boot_range *range = &info->ranges[i];
		uint64_t end = range->base + range->size;

		if (range->type != BOOT_RANGE_HYPERVISOR)
			continue;
		add_left(range->base, end < image ? end : image);
		add_left(range->base > image_end ? range->base : image_end, end);
	}
}

BOOT void boot_state_init(const struct boot_info *info)
{
	loader.source = (enum boot_source)info->source;
	loader.tsc_start = info->tsc_start;
	loader.tsc_handover = info->tsc_handover;
	loader.tsc_file_ticks = info->tsc_file_ticks;
	keep_left(info);
	for (; file_count < info->file_count && file_count < BOOT_MAX_FILES; file_count++)
		files[file_count] = info->files[file_count];
}

const struct boot_state_loader *boot_state_loader(void)
{
	return &loader;
}

const struct boot_file *boot_state_file(const char *name)
{
	for (unsigned i = 0; i < file_count; i++)
		if (!strcmp(files[i].name, name))
			return &files[i];
	return NULL;
}

BOOT const struct config *boot_state_parse(void)
{
	const struct boot_file *file = boot_state_file("cloister.conf");

	if (!file || file->status != BOOT_FILE_OK)
		return NULL;
	config_parse(&config, hpa_to_ptr(file->base), file->size);
	return &config;
}

const struct config *boot_state_config(void)
{
	return &config;
}

BOOT void boot_state_choose(enum vm_timer timer, bool apicv)
{
	vm_timer = timer;
	vm_apicv = apicv;
}

enum vm_timer boot_state_timer(void)
{
	return vm_timer;
}

bool boot_state_apicv(void)
{
	return vm_apicv;
}

void boot_state_note_freed(uint64_t bytes)
{
	freed = bytes;
}

uint64_t boot_state_freed(void)
{
	return freed;
}
