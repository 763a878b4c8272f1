// SPDX-License-Identifier: MIT
#include "hv/base/symbols.h"

#include "hv/base/print.h"

/* The last symbol at or below @offset, which lies in a part of the image that has symbols. */
static const struct symbol *find(uint64_t offset)
{
	uint32_t low = 0, high = symtab_count;

	if (symtab_count == 0 || symtab[0].offset > offset)
		return NULL;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (symtab[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	return &symtab[low];
}

static bool is_in(uint64_t address, const char *start, const char *end)
{
	return address >= (uint64_t)start && address < (uint64_t)end;
}

bool symbols_is_code(uint64_t address)
{
	return is_in(address, image_start, text_end);
}

void symbols_format(uint64_t address, char *buf, size_t size)
{
	uint64_t offset = address - (uint64_t)image_start;
	const struct symbol *symbol = symbols_is_code(address) ? find(offset) : NULL;

	if (symbol)
		fmt_snprintf(buf, size, "%s+0x%llx", &symtab_names[symbol->name],
			     (unsigned long long)(offset - symbol->offset));
	else
		fmt_snprintf(buf, size, "0x%llx", (unsigned long long)address);
}

bool symbols_variable(uint64_t address, char *buf, size_t size)
{
	uint64_t offset = address - (uint64_t)image_start;
	const struct symbol *symbol = is_in(address, global_start, image_end) ? find(offset) : NULL;

	if (!symbol || symbol->offset < (uint64_t)global_start - (uint64_t)image_start)
		return false;
	if (offset == symbol->offset)
		fmt_snprintf(buf, size, "%s", &symtab_names[symbol->name]);
	else
		fmt_snprintf(buf, size, "%s+0x%llx", &symtab_names[symbol->name],
			     (unsigned long long)(offset - symbol->offset));
	return true;
}
