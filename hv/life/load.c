// SPDX-License-Identifier: MIT
/* Loads a VM's kernel: finds the files that the configuration names and hands them to the loaders.
 */
#include "hv/life/load.h"

#include "drivers/guest/firmware/acpi.h"
#include "drivers/guest/firmware/loader.h"
#include "drivers/guest/platform.h"
#include "hv/base/errno.h"
#include "hv/base/layout.h"
#include "hv/config/boot_state.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/vm/breathe.h"
#include "hv/vm/memory.h"
#include "hv/vm/vm.h"

static_assert((int)CONFIG_FORMAT_AUTO == (int)LOADER_AUTO &&
		      (int)CONFIG_FORMAT_MULTIBOOT == (int)LOADER_MULTIBOOT,
	      "same numbers");
static_assert(CONFIG_MAX_MODULES <= LOADER_MAX_MODULES && CONFIG_MODULE_LEN <= LOADER_MAX_TEXT,
	      "what the configuration takes can be loaded");

static int populate_for_loader(void *context, gpa_t gpa, uint64_t size)
{
	return vm_ram(context, gpa, size) ? 0 : -E_RANGE;
}

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

/* The files beside the kernel; false if one is missing. */
static bool find_files(const struct config_vm *config, struct loader_input *in,
		       struct loader_module *modules)
{
	const struct boot_file *file;

	if (config->initrd[0]) {
		file = vm_find_file(config, "initrd", config->initrd, config->initrd_line);
		if (!file)
			return false;
		in->initrd = hpa_to_ptr(file->base);
		in->initrd_size = file->size;
	}
	for (unsigned i = 0; i < config->module_count; i++) {
		const struct config_module *module = &config->modules[i];

		file = vm_find_file(config, "modules", module->name, config->modules_line);
		if (!file)
			return false;
		modules[i] =
			(struct loader_module){ hpa_to_ptr(file->base), file->size, module->text };
	}
	in->modules = modules;
	in->module_count = config->module_count;
	return true;
}

int vm_load_kernel(const struct vm_record *record, struct loader_entry *entry)
{
	const struct config_vm *config = record->config;
	const struct boot_file *kernel;
	struct loader_ram ram = { (uint8_t *)GUEST_BASE,
				  record->vm->ram_low,
				  record->vm->ram_high,
				  populate_for_loader,
				  VM_HERE,
				  vm_breathe };
	struct loader_input in = { .cmdline = config->cmdline };
	struct loader_module modules[CONFIG_MAX_MODULES];
	char why[160];
	int err;

	kernel = vm_find_file(config, "kernel", config->kernel, config->kernel_line);
	if (!kernel || !find_files(config, &in, modules))
		return -E_NOENT;
	in.kernel = hpa_to_ptr(kernel->base);
	in.kernel_size = kernel->size;
	if (!vm_ram(VM_HERE, GPA(0), LOADER_LOW_SIZE))
		return -E_NOMEM;
	in.rsdp = acpi_build(&ram, record->vm->vcpu_count);
	vm_breathe();
	err = loader_load((enum loader_format)config->format, &ram, &in, entry, why, sizeof(why));
	if (err)
		console_error("cloister.conf:%u: [vm %s] kernel = %s %s", config->kernel_line,
			      config->name, config->kernel, why);
	/* It executes there for sure; an entry outside memory is its own trouble. */
	else if (vm_populate(VM_HERE, GPA(entry->rip), true) == -E_NOMEM)
		err = -E_NOMEM;
	return err;
}
