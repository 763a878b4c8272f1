/* SPDX-License-Identifier: MIT */
/*
 * Base types. Host-physical and guest-physical addresses are distinct structs, so that the compiler
 * refuses to mix them with each other or with a pointer.
 */
#ifndef HV_TYPES_H
#define HV_TYPES_H

#include "hv/base/maps.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Host-physical address: what the machine's memory bus sees. */
typedef struct {
	uint64_t v;
} hpa_t;

/** Guest-physical address: what a guest believes to be its memory bus; EPT translates it. */
typedef struct {
	uint64_t v;
} gpa_t;

#define HPA(x) ((hpa_t){ (x) })
#define GPA(x) ((gpa_t){ (x) })

/** "No frame": never a valid frame address, since it is not page-aligned. */
#define HPA_NONE HPA(UINT64_MAX)

static inline bool hpa_is_none(hpa_t hpa)
{
	return hpa.v == UINT64_MAX;
}

#define KIB(x) ((uint64_t)(x) << 10)
#define MIB(x) ((uint64_t)(x) << 20)
#define GIB(x) ((uint64_t)(x) << 30)

#define PAGE_SHIFT 12
#define PAGE_SIZE KIB(4)
#define CACHE_LINE 64
#define PAGE_SIZE_2M MIB(2)
#define PAGE_SIZE_1G GIB(1)

#define BIT(n) (1ULL << (n))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + (a)-1) & ~((uint64_t)(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((uint64_t)(a)-1))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
