/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls as C functions: for kernels and, in a VM with `user-hypercalls = on`, for programs.
 * Self-contained but for the ABI; GCC or Clang, x86-64. Results below zero are -errno of
 * hv/base/errno.h. Executing VMCALL where nothing answers raises #UD: ask cloister_is_here() first.
 */
#ifndef HV_HYPERCALL_GUEST_H
#define HV_HYPERCALL_GUEST_H

#include "hypercall_abi.h"

#define CLOISTER_CPUID_LEAF 0x40000000U

static inline int64_t cloister_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	int64_t result = (int64_t)number;

	__asm__ volatile("vmcall" : "+a"(result) : "D"(a), "S"(b), "d"(c) : "memory");
	return result;
}

/** Is this a guest of Cloister? CPUID tells, at any privilege. */
static inline int cloister_is_here(void)
{
	uint32_t eax = CLOISTER_CPUID_LEAF, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx == 0x696f6c43 && ecx == 0x72657473 && edx == 0x5648;
}

/** HYPERCALL_ABI_VERSION of the hypervisor. */
static inline int64_t cloister_version(void)
{
	return cloister_call(HYPERCALL_VERSION, 0, 0, 0);
}

/** Word @index of struct hypercall_stats, as it is now. */
static inline int64_t cloister_stats_word(uint64_t index)
{
	return cloister_call(HYPERCALL_STATS_WORD, index, 0, 0);
}

/** A `bench` record: up to 32 characters of @label, and a number. */
static inline int64_t cloister_mark(const char *label, uint64_t value)
{
	uint64_t words[4] = { 0 };
	int64_t result = HYPERCALL_MARK_WORDS;
	register uint64_t r8 __asm__("r8");
	register uint64_t r9 __asm__("r9");

	for (unsigned i = 0; i < sizeof(words) && label[i]; i++)
		words[i / 8] |= (uint64_t)(uint8_t)label[i] << (i % 8 * 8);
	r8 = words[2];
	r9 = words[3];
	__asm__ volatile("vmcall"
			 : "+a"(result)
			 : "D"(value), "S"(words[0]), "d"(words[1]), "r"(r8), "r"(r9)
			 : "memory");
	return result;
}

/** The policy in force: enum hypercall_policy and flags. */
static inline int64_t cloister_policy(void)
{
	return cloister_call(HYPERCALL_POLICY, HYPERCALL_POLICY_GET, 0, 0);
}

/** Asks for another one. */
static inline int64_t cloister_set_policy(uint64_t policy)
{
	return cloister_call(HYPERCALL_POLICY, policy, 0, 0);
}

#endif
