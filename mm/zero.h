/* SPDX-License-Identifier: MIT */
#ifndef MM_ZERO_H
#define MM_ZERO_H

#include "hv/base/types.h"

/**
 * Zeroes @size bytes (a multiple of 4 KiB) at the 16-byte-aligned @ptr past the caches, so that
 * scrubbing neither evicts what is in use nor leaves the area cached. XMM0 is preserved: it may be
 * the guest's. Map: that of @ptr.
 */
ANY void zero_pages(void *ptr, uint64_t size);

#endif
