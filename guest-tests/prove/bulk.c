/* SPDX-License-Identifier: MIT */
/* Large copies, for modules that make them: hv/base/string.c has them in assembly. */
#include "hv/base/string.h"

void copy_bulk(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
}
