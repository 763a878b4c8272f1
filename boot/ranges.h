/* SPDX-License-Identifier: MIT */
/*
 * The memory map of boot_info: built up claim by claim, always sorted, page-granular and without
 * overlap. Pure.
 */
#ifndef BOOT_RANGES_H
#define BOOT_RANGES_H

#include "boot/boot_info.h"

/**
 * Gives [@base, @base + @size) the type @type, whatever was there. RAM shrinks to whole pages,
 * everything else grows. Later claims win: add RAM first, then what is reserved, then what the
 * loader itself uses. If the table is full, the claim for RAM is dropped and any other one swallows
 * its neighbour, so memory may be lost but never misused.
 */
ANY void ranges_claim(struct boot_info *bi, uint64_t base, uint64_t size,
		      enum boot_range_type type);

#endif
