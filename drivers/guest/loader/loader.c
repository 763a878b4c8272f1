// SPDX-License-Identifier: MIT
#include "drivers/guest/loader/elf.h"
#include "drivers/guest/virtio/pci.h"
#include "hv/base/errno.h"
#include "hv/base/print.h"

/* Where a PC's processor starts, ffff:0 in real mode. */
#define RESET_VECTOR 0xffff0
#define FLAT_BASE MIB(1)

int loader_fail(const struct loader_job *job, int err, const char *fmt, uint64_t a, uint64_t b)
{
	fmt_snprintf(job->why, job->why_size, fmt, (unsigned long long)a, (unsigned long long)b);
	return err;
}

unsigned loader_map(const struct loader_ram *ram, struct loader_range map[LOADER_MAX_RANGES])
{
	const struct loader_range all[LOADER_MAX_RANGES] = {
		{ 0, LOW_USABLE_END, LOADER_RANGE_RAM },
		{ LOW_USABLE_END, MIB(1) - LOW_USABLE_END, LOADER_RANGE_RESERVED },
		{ MIB(1), ram->low - MIB(1), LOADER_RANGE_RAM },
		{ VPCI_ECAM_BASE, VPCI_ECAM_SIZE, LOADER_RANGE_RESERVED },
		{ GIB(4), ram->high, LOADER_RANGE_RAM },
	};
	unsigned count = 0;

	for (unsigned i = 0; i < LOADER_MAX_RANGES; i++)
		if (all[i].size)
			map[count++] = all[i];
	return count;
}

void loader_environment(const struct loader_job *job, bool protected_mode, uint64_t rip)
{
	uint8_t *base = job->ram->base, *gdt = base + LOW_GDT;
	uint64_t *tables = (uint64_t *)(base + LOW_PAGE_TABLES);
	uint64_t pointers = LOW_PAGE_TABLES + PAGE_SIZE, directories = pointers + PAGE_SIZE;

	/*
	 * mov al, 0xfe; out 0x64, al; hlt: asks for a reset. With reduced-hardware ACPI Linux
	 * reboots by jumping there, once EFI has turned out to be absent.
	 */
	static const uint8_t reset_code[] = { 0xb0, 0xfe, 0xe6, 0x64, 0xf4 };

	memcpy(base + RESET_VECTOR, reset_code, sizeof(reset_code));
	/* The selectors that Linux expects. */
	loader_put(gdt, 0, 8);
	loader_put(gdt + 8, 0, 8);
	loader_put(gdt + 16, protected_mode ? 0x00cf9b000000ffffULL : 0x00af9b000000ffffULL, 8);
	loader_put(gdt + 24, 0x00cf93000000ffffULL, 8);
	*job->entry = (struct loader_entry){ .rip = rip,
					     .rsp = LOW_STACK_TOP,
					     .gdt_base = LOW_GDT,
					     .gdt_limit = 31,
					     .cs = 0x10,
					     .ds = 0x18,
					     .protected_mode = protected_mode };
	if (protected_mode)
		return;
	memset(tables, 0, 6 * PAGE_SIZE);
	tables[0] = pointers | 3;
	for (unsigned i = 0; i < 4; i++)
		tables[512 + i] = (directories + i * PAGE_SIZE) | 3;
	for (unsigned i = 0; i < 4 * 512; i++)
		tables[2 * 512 + i] = (uint64_t)i << 21 | 0x83;
	job->entry->cr3 = LOW_PAGE_TABLES;
}

int loader_put_cmdline(const struct loader_job *job, uint64_t limit)
{
	uint64_t length = strlen(job->in->cmdline);

	if (limit > LOADER_MAX_TEXT - 1)
		limit = LOADER_MAX_TEXT - 1;
	if (length > limit)
		return loader_fail(job, -E_RANGE,
				   "takes a command line of %llu characters, cmdline = has %llu",
				   limit, length);
	memcpy(job->ram->base + LOW_CMDLINE, job->in->cmdline, length + 1);
	return 0;
}

static int place(const struct loader_job *job, const struct loader_module *module, uint64_t *end,
		 struct loader_placed *placed, uint64_t text)
{
	const struct loader_ram *ram = job->ram;
	uint64_t start = ALIGN_UP(*end, PAGE_SIZE);

	if (start > ram->low || module->size > ram->low - start)
		return loader_fail(job, -E_NOMEM,
				   "and its modules need %llu MiB of memory, the VM has %llu MiB: "
				   "raise memory =",
				   (start + module->size + MIB(1) - 1) >> 20,
				   (ram->low + ram->high) >> 20);
	copy_bulk(ram->base + start, module->data, module->size);
	str_copy((char *)ram->base + text, module->text, LOADER_MAX_TEXT);
	*placed = (struct loader_placed){ start, module->size, text };
	*end = start + module->size;
	return 0;
}

int loader_place_extras(const struct loader_job *job, uint64_t end,
			struct loader_placed placed[LOADER_MAX_PLACED], unsigned *count)
{
	const struct loader_input *in = job->in;
	const struct loader_module initrd = { in->initrd, in->initrd_size, "" };
	uint64_t text = LOW_CMDLINE + LOADER_MAX_TEXT;
	int err = loader_put_cmdline(job, LOADER_MAX_TEXT - 1);

	*count = 0;
	if (in->initrd && !err)
		err = place(job, &initrd, &end, &placed[(*count)++], text);
	for (unsigned i = 0; i < in->module_count && !err; i++) {
		text += LOADER_MAX_TEXT;
		err = place(job, &in->modules[i], &end, &placed[(*count)++], text);
	}
	return err;
}

/* Raw 64-bit code: copied to 1 MiB and entered there, RSI = address of the command line. */
static int flat_load(const struct loader_job *job)
{
	const struct loader_input *in = job->in;
	const struct loader_ram *ram = job->ram;
	int err;

	if (in->kernel_size == 0 || ram->low < FLAT_BASE || in->kernel_size > ram->low - FLAT_BASE)
		return loader_fail(job, -E_NOMEM,
				   "is a flat image of %llu bytes, which does not fit into %llu "
				   "MiB: raise memory =",
				   in->kernel_size, ram->low >> 20);
	err = loader_put_cmdline(job, LOADER_MAX_TEXT - 1);
	if (err)
		return err;
	copy_bulk(ram->base + FLAT_BASE, in->kernel, in->kernel_size);
	loader_environment(job, false, FLAT_BASE);
	job->entry->rsi = LOW_CMDLINE;
	return 0;
}

enum loader_format loader_detect(const uint8_t *kernel, uint64_t size)
{
	if (linux_is(kernel, size))
		return LOADER_LINUX;
	if (pvh_is(kernel, size))
		return LOADER_PVH;
	if (multiboot_is(kernel, size))
		return LOADER_MULTIBOOT;
	/* An ELF file of neither kind: the PVH loader says what is wrong with it. */
	return velf_is(kernel, size) ? LOADER_PVH : LOADER_AUTO;
}

int loader_load(enum loader_format format, const struct loader_ram *ram,
		const struct loader_input *in, struct loader_entry *entry, char *why,
		size_t why_size)
{
	const struct loader_job job = { ram, in, entry, why, why_size };

	if (format == LOADER_AUTO)
		format = loader_detect(in->kernel, in->kernel_size);
	if (in->module_count && (format == LOADER_LINUX || format == LOADER_FLAT))
		return loader_fail(&job, -E_INVAL,
				   "takes no modules: modules = is for PVH and multiboot kernels",
				   0, 0);
	switch (format) {
	case LOADER_LINUX:
		return linux_load(&job);
	case LOADER_FLAT:
		return flat_load(&job);
	case LOADER_PVH:
		return pvh_load(&job);
	case LOADER_MULTIBOOT:
		return multiboot_load(&job);
	default:
		return loader_fail(&job, -E_INVAL,
				   "is no kernel that Cloister knows: give a bzImage "
				   "(/boot/vmlinuz-*), an ELF "
				   "file with a PVH note, a multiboot one, or say format = flat",
				   0, 0);
	}
}
