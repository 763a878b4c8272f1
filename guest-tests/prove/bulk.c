/* SPDX-License-Identifier: MIT */
/* Large copies, for modules that make them: hv/lib/string.c has them in assembly. */
#include "hv/lib/string.h"

void copy_bulk(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
}
