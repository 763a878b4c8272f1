// SPDX-License-Identifier: MIT
/*
 * The loader program: reads what the hypervisor has left for it, loads the kernel and enters it.
 * It runs in the guest, in 64-bit mode with an identity map of all that it touches.
 */
#include "drivers/guest/loader/acpi.h"
#include "drivers/guest/loader/boot.h"
#include "drivers/guest/loader/loader.h"
#include "hv/base/hypercall_guest.h"
#include "hv/base/string.h"

/* drivers/guest/loader/entry.asm */
_Noreturn void loader_main(void);
void loader_enter(const struct loader_entry *entry);

static_assert(LOADER_BASE == 0xfd000000 && LOADER_BOOT == 0xfd008000 &&
		      LOADER_TABLES == 0xfd009000 && offsetof(struct loader_boot, gib) == 0,
	      "entry.asm, loader.ld");
static_assert(HYPERCALL_LOADER_DONE == 11, "entry.asm");
static_assert(offsetof(struct loader_entry, rip) == 0 && offsetof(struct loader_entry, rsp) == 8 &&
		      offsetof(struct loader_entry, rsi) == 16 &&
		      offsetof(struct loader_entry, cr3) == 24 &&
		      offsetof(struct loader_entry, gdt_base) == 32 &&
		      offsetof(struct loader_entry, gdt_limit) == 40 &&
		      offsetof(struct loader_entry, cs) == 44 &&
		      offsetof(struct loader_entry, ds) == 46 &&
		      offsetof(struct loader_entry, protected_mode) == 48 &&
		      offsetof(struct loader_entry, eax) == 52 &&
		      offsetof(struct loader_entry, ebx) == 56,
	      "entry.asm");

static const uint8_t *file_data(const struct loader_file *file)
{
	return (const uint8_t *)file->at;
}

static int load(struct loader_boot *boot, struct loader_entry *entry)
{
	const struct loader_ram ram = { .low = boot->ram_low, .high = boot->ram_high };
	struct loader_module modules[LOADER_MAX_MODULES];
	const struct loader_input in = {
		.kernel = file_data(&boot->kernel),
		.kernel_size = boot->kernel.size,
		.initrd = file_data(&boot->initrd),
		.initrd_size = boot->initrd.size,
		.cmdline = boot->cmdline,
		.rsdp = acpi_build(&ram, boot->vcpu_count),
		.modules = modules,
		.module_count = boot->module_count,
	};

	for (unsigned i = 0; i < boot->module_count; i++)
		modules[i] = (struct loader_module){ file_data(&boot->modules[i]),
						     boot->modules[i].size, boot->module_texts[i] };
	return loader_load((enum loader_format)boot->format, &ram, &in, entry, boot->why,
			   sizeof(boot->why));
}

/* In a build with a defect: as a program that the files have taken over. */
static void defy(struct loader_boot *boot)
{
#ifdef BREAK_hostile_loader
	for (unsigned i = 0; i < sizeof(boot->why); i++)
		boot->why[i] = (char)(i * 7 + 3);
	cloister_call(HYPERCALL_LOADER_FAIL, 0, 0, 0);
#endif
	(void)boot;
}

_Noreturn void loader_main(void)
{
	struct loader_boot *boot = (struct loader_boot *)(uint64_t)LOADER_BOOT;
	struct loader_entry entry = { 0 };

	defy(boot);
	if (!load(boot, &entry)) {
		loader_enter(&entry);
		str_copy(boot->why, "does not fit: the machine's memory ran out",
			 sizeof(boot->why));
	}
	cloister_call(HYPERCALL_LOADER_FAIL, 0, 0, 0);
	for (;;)
		__asm__ volatile("hlt");
}
