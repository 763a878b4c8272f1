/* prove: boot/files.c */
/* prove-with: hv/base/string.c */
/* prove-options: precision=0 coverage=98 quick -eva-plevel=200 -eva-slevel=20 -eva-auto-loop-unroll=32 */
/* SPDX-License-Identifier: MIT */
/* Any files of any names, and any configuration that prove_config.c says there may be. */
#include "boot/files.h"
#include "hv/config/config.h"
#include "hv/base/string.h"

static struct boot_info info;

void config_parse(struct config *config, const char *from, size_t size)
{
	any_bytes(config, sizeof(*config));
	config->vm_count = any_within(0, CONFIG_MAX_VMS);
	//@ loop unroll CONFIG_MAX_VMS;
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
		struct config_vm *vm = &config->vms[i];

		vm->kernel[CONFIG_FILE_LEN - 1] = vm->initrd[CONFIG_FILE_LEN - 1] = '\0';
		vm->disk_count = any_within(0, CONFIG_MAX_DISKS);
		vm->module_count = any_within(0, CONFIG_MAX_MODULES);
		//@ loop unroll CONFIG_MAX_DISKS;
		for (unsigned d = 0; d < CONFIG_MAX_DISKS; d++)
			vm->disks[d].file[CONFIG_FILE_LEN - 1] = '\0';
		//@ loop unroll CONFIG_MAX_MODULES;
		for (unsigned m = 0; m < CONFIG_MAX_MODULES; m++)
			vm->modules[m].name[CONFIG_FILE_LEN - 1] = '\0';
	}
}

void prove(void)
{
	any_bytes(&info.files, sizeof(info.files));
	info.file_count = any_within(0, BOOT_MAX_FILES);
	//@ loop unroll BOOT_MAX_FILES;
	for (unsigned i = 0; i < BOOT_MAX_FILES; i++) {
		info.files[i].name[BOOT_NAME_LEN - 1] = '\0';
	}
	files_expect_config(&info);
	files_expect_named(&info);
	/*@ assert as_many_as_there_may_be: info.file_count <= BOOT_MAX_FILES; */
}
