/* fuzz-sources: drivers/guest/loader/loader.c drivers/guest/loader/linux.c drivers/guest/loader/elf.c drivers/guest/loader/pvh.c drivers/guest/loader/multiboot.c hv/base/print.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
/*
 * A kernel file of any bytes, loaded in any format: the first byte chooses format, memory and
 * modules. Nothing beyond the memory can be touched, and an entry lies in it.
 */
#include "drivers/guest/loader/loader.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RAM MIB(8)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *memory;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t text[5000];
	static const struct loader_module modules[] = { { text, sizeof(text), "a b" },
							{ text, 1, "c" } };
	uint8_t choice = size ? data[0] : 0;
	uint64_t low = choice & 8 ? RAM : MIB(2);
	struct loader_ram ram = { NULL, low, 0 };
	struct loader_input in = { .cmdline = "console=ttyS0" };
	struct loader_entry entry = { 0 };
	char why[160] = "";
	int err;

	if (size < 1)
		return 0;
	in.kernel = data + 1;
	in.kernel_size = size - 1;
	in.modules = modules;
	in.module_count = choice & 16 ? 2 : 0;
	if (choice & 32) {
		in.initrd = text;
		in.initrd_size = sizeof(text);
	}
	memory = mmap(NULL, RAM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(memory, low, PROT_READ | PROT_WRITE);
	ram.base = memory;
	err = loader_load((enum loader_format)((choice & 7) % (LOADER_MULTIBOOT + 1)), &ram, &in,
			  &entry, why, sizeof(why));
	if ((err == 0) != (why[0] == '\0') || strlen(why) >= sizeof(why) - 1)
		abort();
	if (!err && (entry.rip < LOADER_LOW_SIZE || entry.rip >= low))
		abort();
	munmap(memory, RAM);
	return 0;
}
