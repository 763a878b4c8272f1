/* SPDX-License-Identifier: MIT */
/* The few string functions that a freestanding program needs; no state, any map. */
#ifndef HV_LIB_STRING_H
#define HV_LIB_STRING_H

#include "hv/base/types.h"

#ifdef CLOISTER_HOST_TEST
#include <string.h>
#else
ANY void *memcpy(void *dst, const void *src, size_t n);
ANY void *memmove(void *dst, const void *src, size_t n);
ANY void *memset(void *dst, int c, size_t n);
ANY int memcmp(const void *a, const void *b, size_t n);
ANY size_t strlen(const char *s);
ANY int strcmp(const char *a, const char *b);
#endif

/** memcpy() of what may be large: by a name of its own, for which the prover has a stand-in. */
ANY void copy_bulk(void *dst, const void *src, size_t n);

/** Copies at most @size - 1 bytes and always terminates; returns the length of @src. */
ANY size_t str_copy(char *dst, const char *src, size_t size);

/** Puts @src behind the @at characters in @dst, as far as there is room; how many there are now. */
ANY size_t str_append(char *dst, size_t size, size_t at, const char *src);

#endif
