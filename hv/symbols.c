// SPDX-License-Identifier: MIT
#include "hv/symbols.h"

#include "hv/lib/print.h"

void symbols_format(uint64_t address, char *buf, size_t size)
{
	uint32_t low = 0, high = symtab_count;
	uint64_t offset = address - (uint64_t)image_start;

	if (address < (uint64_t)text_start || address >= (uint64_t)text_end || symtab_count == 0 ||
	    symtab[0].offset > offset) {
		fmt_snprintf(buf, size, "0x%llx", (unsigned long long)address);
		return;
	}
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (symtab[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	fmt_snprintf(buf, size, "%s+0x%llx", &symtab_names[symtab[low].name],
		     (unsigned long long)(offset - symtab[low].offset));
}
