/* SPDX-License-Identifier: MIT */
/* Formatted output into a buffer; no state, any map. */
#ifndef HV_LIB_PRINT_H
#define HV_LIB_PRINT_H

#include "hv/base/types.h"

#include <stdarg.h>

/**
 * Formats like snprintf: %d %u %x %llx-style lengths (l, ll, z), %s, %c, %p, %%, with width, 0 and
 * - flags and precision for %s. Returns the length that the whole text has; writes at most @size -
 * 1 bytes and a zero.
 */
ANY int fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
ANY int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list args);

#endif
