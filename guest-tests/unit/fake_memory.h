/* SPDX-License-Identifier: MIT */
/* "Physical memory" for unit tests: a buffer that plays RAM from address 0, full of garbage like a
 * real machine's. */
#ifndef FAKE_MEMORY_H
#define FAKE_MEMORY_H

#include <setjmp.h>
#include <stdarg.h>

#include "boot/boot_info.h"
#include "guest-tests/unit/unit.h"
#include "hv/base/layout.h"
#include "hv/base/panic.h"
#include "mm/frames.h"
#include "mm/zero.h"

#define FAKE_MEMORY_SIZE MIB(64)

uint8_t *host_test_physmap;
static struct boot_info fake_boot;

void zero_pages(void *ptr, uint64_t size)
{
	memset(ptr, 0, size);
}

static jmp_buf panic_expected;
static bool panic_is_expected;

_Noreturn void panic(const char *fmt, ...)
{
	va_list args;

	if (panic_is_expected)
		longjmp(panic_expected, 1);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	abort();
}

/* Does @call end in a panic? */
#define PANICS(call)                                                                               \
	({                                                                                         \
		volatile bool panicked = true;                                                     \
                                                                                                   \
		panic_is_expected = true;                                                          \
		if (!setjmp(panic_expected)) {                                                     \
			call;                                                                      \
			panicked = false;                                                          \
		}                                                                                  \
		panic_is_expected = false;                                                         \
		panicked;                                                                          \
	})

static void fake_range(uint64_t base, uint64_t size, enum boot_range_type type)
{
	fake_boot.ranges[fake_boot.range_count++] = (struct boot_range){ base, size, type, 0 };
}

/* 640 KiB, a hole, RAM with an image and a reserved page in it. */
static inline void fake_memory_reset(void)
{
	if (!host_test_physmap)
		host_test_physmap = aligned_alloc(MIB(2), FAKE_MEMORY_SIZE);
	memset(host_test_physmap, 0xa5, FAKE_MEMORY_SIZE);
	memset(&fake_boot, 0, sizeof(fake_boot));
	fake_range(0, KIB(640), BOOT_RANGE_RAM);
	fake_range(KIB(640), KIB(384), BOOT_RANGE_RESERVED);
	fake_range(MIB(1), MIB(15), BOOT_RANGE_RAM);
	fake_range(MIB(16), MIB(1), BOOT_RANGE_HYPERVISOR);
	fake_range(MIB(17), MIB(15), BOOT_RANGE_RAM);
	fake_range(MIB(32), PAGE_SIZE, BOOT_RANGE_RESERVED);
	fake_range(MIB(32) + PAGE_SIZE, FAKE_MEMORY_SIZE - MIB(32) - PAGE_SIZE, BOOT_RANGE_RAM);
}

#endif
