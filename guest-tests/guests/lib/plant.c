// SPDX-License-Identifier: MIT
/* A number in every register that a guest may write, for tools/witness to look for elsewhere. */
#include "guest-tests/guests/lib/guest.h"

#define XSAVE_SIZE 4096
#define XSAVE_X87 32 /* eight registers of 16 bytes, 10 of them in use */
#define XSAVE_XMM 160
#define XSAVE_XMM_END 416
#define XSAVE_HEADER 512
#define XSAVE_EXTENDED 576
#define LEAF_1_ECX_XSAVE BIT(26)
#define MSR_MTRR_FIRST 0x200
#define MSR_MTRR_LAST 0x20f
#define SPIN 20000

static const uint32_t wide_msrs[] = { MSR_STAR,	   MSR_LSTAR,	       MSR_CSTAR,
				      MSR_FS_BASE, MSR_KERNEL_GS_BASE, MSR_SYSENTER_ESP,
				      MSR_GS_BASE, MSR_SYSENTER_EIP };
static const uint32_t narrow_msrs[] = { MSR_FMASK, MSR_SYSENTER_CS, MSR_TSC_AUX };

static uint64_t tag;

/* Canonical, and each half of it can be told. */
static uint64_t wide(uint32_t number)
{
	return (uint64_t)(number & 0x7fff) << 32 | number;
}

static bool has_xsave(void)
{
	return cpuid(1, 0).ecx & LEAF_1_ECX_XSAVE;
}

static uint64_t xcr0_all(void)
{
	return has_xsave() ? cpuid(0xd, 0).eax : 3;
}

static void allow_vectors(void)
{
	write_cr4(read_cr4() | CR4_OSFXSR | (has_xsave() ? CR4_OSXSAVE : 0));
	if (has_xsave())
		xsetbv(0, xcr0_all());
}

static uint32_t area_size(void)
{
	return has_xsave() ? cpuid(0xd, 0).ebx : XSAVE_HEADER;
}

static void load_vectors(uint32_t number)
{
	static uint8_t area[XSAVE_SIZE] __attribute__((aligned(64)));
	uint32_t *words = (uint32_t *)area;

	memset(area, 0, sizeof(area));
	*(uint16_t *)area = 0x37f;
	words[24 / 4] = 0x1f80;
	for (unsigned at = XSAVE_X87; at < area_size(); at += 4)
		if (at < XSAVE_XMM_END || at >= XSAVE_EXTENDED)
			words[at / 4] = number;
	*(uint64_t *)(area + XSAVE_HEADER) = xcr0_all();
	if (has_xsave())
		__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

static bool vectors_hold(uint32_t number)
{
	static uint8_t area[XSAVE_SIZE] __attribute__((aligned(64)));
	const uint32_t *words = (const uint32_t *)area;
	bool hold = true;

	/* What is not in use of the area stays as it is. */
	for (unsigned i = 0; i < XSAVE_SIZE / 4; i++)
		((uint32_t *)area)[i] = number;
	memset(area + XSAVE_HEADER, 0, XSAVE_EXTENDED - XSAVE_HEADER);
	if (has_xsave())
		__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
	for (unsigned i = 0; i < 8; i++)
		hold &= *(const uint64_t *)(area + XSAVE_X87 + 16 * i) ==
			((uint64_t)number << 32 | number);
	for (unsigned at = XSAVE_XMM; at < area_size(); at += 4)
		if (at < XSAVE_XMM_END || at >= XSAVE_EXTENDED)
			hold &= words[at / 4] == number;
	return hold;
}

void plant_registers(uint32_t number)
{
	tag = wide(number);
	allow_vectors();
	load_vectors(number);
	for (unsigned i = 0; i < ARRAY_SIZE(wide_msrs); i++)
		wrmsr(wide_msrs[i], tag);
	for (unsigned i = 0; i < ARRAY_SIZE(narrow_msrs); i++)
		wrmsr(narrow_msrs[i], number);
	for (uint32_t msr = MSR_MTRR_FIRST; msr <= MSR_MTRR_LAST; msr++)
		wrmsr(msr, tag);
	__asm__ volatile("mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3; mov %0, %%cr2"
			 :
			 : "r"(tag));
}

bool registers_hold(uint32_t number)
{
	uint64_t want = wide(number), dr[4];
	bool hold;

	allow_vectors();
	hold = vectors_hold(number);
	for (unsigned i = 0; i < ARRAY_SIZE(wide_msrs); i++)
		hold &= rdmsr(wide_msrs[i]) == want;
	for (unsigned i = 0; i < ARRAY_SIZE(narrow_msrs); i++)
		hold &= rdmsr(narrow_msrs[i]) == number;
	__asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
			 : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
	for (unsigned i = 0; i < 4; i++)
		hold &= dr[i] == want;
	return hold;
}

/* @text with the number in every register but those that it needs: RAX, RCX, RDX. */
#define TAGGED(text, a, c, d)                                                                      \
	do {                                                                                       \
		uint64_t rax = (a), rcx = (c), rdx = (d);                                          \
                                                                                                   \
		__asm__ volatile("push %%rbp\n"                                                    \
				 "mov %[tag], %%rbx\n"                                             \
				 "mov %%rbx, %%rbp\n"                                              \
				 "mov %%rbx, %%rsi\n"                                              \
				 "mov %%rbx, %%rdi\n"                                              \
				 "mov %%rbx, %%r8\n"                                               \
				 "mov %%rbx, %%r9\n"                                               \
				 "mov %%rbx, %%r10\n"                                              \
				 "mov %%rbx, %%r11\n"                                              \
				 "mov %%rbx, %%r12\n"                                              \
				 "mov %%rbx, %%r13\n"                                              \
				 "mov %%rbx, %%r14\n"                                              \
				 "mov %%rbx, %%r15\n" text "\n"                                    \
				 "pop %%rbp"                                                       \
				 : "+a"(rax), "+c"(rcx), "+d"(rdx)                                 \
				 : [tag] "m"(tag)                                                  \
				 : "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",    \
				   "r14", "r15", "cc", "memory");                                  \
	} while (0)

void spin_with_registers(void)
{
	TAGGED("1: dec %%rcx; jnz 1b", tag, SPIN, tag);
}

void exit_with_registers(void)
{
	TAGGED("cpuid", 1, tag, tag);
	TAGGED("rdmsr", tag, MSR_MISC_ENABLE, tag);
	TAGGED("wrmsr", (uint32_t)tag, MSR_TSC_DEADLINE, tag >> 32);
	TAGGED("in %%dx, %%al", tag, tag, CMOS_DATA);
	TAGGED("out %%eax, %%dx", (uint32_t)tag, tag, 0xcf8);
	TAGGED("mov %%r8d, (%%rax)", IOAPIC_BASE, tag, tag);
	TAGGED("mov (%%rax), %%r9d", 0xe0000000, tag, tag);
	TAGGED("mov %%rax, %%cr0", read_cr0() ^ BIT(18), tag, tag);
	TAGGED("wbinvd", tag, tag, tag);
	TAGGED("vmcall", HYPERCALL_VERSION, tag, tag);
	TAGGED("vmcall", HYPERCALL_CONSOLE_WRITE, tag, tag);
	TAGGED("vmcall", tag, tag, tag);
	TAGGED("vmcall", HYPERCALL_DEBUG_TOUCH_SENSITIVE, tag, tag);
	spin_with_registers();
}
