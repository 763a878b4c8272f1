/* SPDX-License-Identifier: MIT */
/* What prove_print.c proves of hv/base/print.c: text that ends within its room, however long. */
#include "hv/base/print.h"

int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	any_bytes(buf, size);
	if (size)
		buf[size - 1] = '\0';
	return (int)any_within(0, INT32_MAX);
}

int fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	any_bytes(buf, size);
	if (size)
		buf[size - 1] = '\0';
	return (int)any_within(0, INT32_MAX);
}
