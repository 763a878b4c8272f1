/* SPDX-License-Identifier: MIT */
/* The image's own symbol table, made by the build: code and variables, in the order of their
 * addresses. Constants, so any map. */
#ifndef HV_SYMBOLS_H
#define HV_SYMBOLS_H

#include "hv/base/types.h"

struct symbol {
	uint32_t offset; /* from image_start */
	uint32_t name;	 /* into symtab_names */
};

extern const struct symbol symtab[];
extern const uint32_t symtab_count;
extern const char symtab_names[];
extern const char image_start[], image_end[], text_start[], text_end[], global_start[];

/** May @address lie in code? The boot's counts, which comes first in the image: its names stay when
 * it is gone. */
ANY bool symbols_is_code(uint64_t address);

/** Writes "function+0x12" (or the bare address outside the code) for @address into @buf. */
ANY void symbols_format(uint64_t address, char *buf, size_t size);

/** Writes the variable that @address lies in ("cpus", "cpus+0x40") into @buf; false if it lies in
 * none. */
ANY bool symbols_variable(uint64_t address, char *buf, size_t size);

#endif
