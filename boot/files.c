// SPDX-License-Identifier: MIT
#include "boot/files.h"

#include "hv/config/config.h"
#include "hv/base/string.h"

static_assert(CONFIG_FILE_LEN <= BOOT_NAME_LEN,
	      "every name of the configuration fits into the record");
static_assert(CONFIG_MAX_VMS * (2 + CONFIG_MAX_MODULES + CONFIG_MAX_DISKS) + 1 <= BOOT_MAX_FILES,
	      "and so do all of them together");

struct boot_file *files_find(struct boot_info *bi, const char *name)
{
	for (uint32_t i = 0; i < bi->file_count; i++)
		if (!strcmp(bi->files[i].name, name))
			return &bi->files[i];
	return NULL;
}

static void expect(struct boot_info *bi, const char *name)
{
	struct boot_file file = { .status = BOOT_FILE_MISSING };

	if (!*name || files_find(bi, name) || bi->file_count >= BOOT_MAX_FILES)
		return;
	str_copy(file.name, name, sizeof(file.name));
	bi->files[bi->file_count++] = file;
}

void files_expect_config(struct boot_info *bi)
{
	expect(bi, BOOT_CONFIG_NAME);
}

void files_expect_named(struct boot_info *bi)
{
	static struct config config; /* too large for a stack */
	const struct boot_file *file = files_find(bi, BOOT_CONFIG_NAME);

	if (!file || file->status != BOOT_FILE_OK)
		return;
	config_parse(&config, (const char *)file->base.v, file->size);
	for (unsigned i = 0; i < config.vm_count; i++) {
		expect(bi, config.vms[i].kernel);
		expect(bi, config.vms[i].initrd);
		for (unsigned d = 0; d < config.vms[i].disk_count; d++)
			expect(bi, config.vms[i].disks[d].file);
		for (unsigned j = 0; j < config.vms[i].module_count; j++)
			expect(bi, config.vms[i].modules[j].name);
	}
}
