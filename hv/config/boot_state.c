// SPDX-License-Identifier: MIT
#include "hv/config/boot_state.h"

#include "hv/base/layout.h"
#include "hv/base/string.h"

static const struct boot_info *boot_info;
static struct config config;
static enum vm_timer vm_timer;
static bool vm_apicv;

void boot_state_init(const struct boot_info *info)
{
	boot_info = info;
}

const struct boot_info *boot_state_info(void)
{
	return boot_info;
}

const struct boot_file *boot_state_file(const char *name)
{
	for (unsigned i = 0; i < boot_info->file_count; i++)
		if (!strcmp(boot_info->files[i].name, name))
			return &boot_info->files[i];
	return NULL;
}

const struct config *boot_state_parse(void)
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

void boot_state_choose(enum vm_timer timer, bool apicv)
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
