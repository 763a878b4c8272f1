// SPDX-License-Identifier: MIT
#include "vmx/cpuid.h"

#include "hv/base/asm.h"
#include "hv/base/global.h"
#include "hv/base/hypercall_abi.h"
#include "hv/base/string.h"
#include "hv/cpu/cpu.h"
#include "vmx/caps.h"

/*
 * What passes, feature by feature (SDM volume 2, CPUID). Left out on purpose: VMX, SMX,
 * MONITOR/MWAIT, performance counters, PDCM, TSX (TAA), MPX, SGX, RDT, PT, PKU, LA57, CET, WAITPKG,
 * XSAVES, and the speculation controls that a guest would own (they need a swap on every exit).
 */
#define LEAF1_ECX                                                                                  \
	(BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(17) | BIT(19) | BIT(20) | BIT(22) |    \
	 BIT(23) | BIT(25) | BIT(26) | BIT(28) | BIT(29) | BIT(30))
#define LEAF1_ECX_FORCED (BIT(21) | BIT(24) | BIT(31)) /* x2APIC, TSC-deadline, hypervisor */
#define LEAF1_EDX 0x0f8bfbffU			       /* without DS, ACPI, HTT, TM, PBE */
#define LEAF7_EBX                                                                                  \
	(BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9) | BIT(10) | BIT(16) | BIT(17) |       \
	 BIT(18) | BIT(19) | BIT(20) | BIT(21) | BIT(23) | BIT(24) | BIT(26) | BIT(27) | BIT(28) | \
	 BIT(29) | BIT(30) | BIT(31))
#define LEAF7_EBX_FORCED BIT(1) /* TSC_ADJUST: Linux then needs no watchdog over the TSC */
#define LEAF7_ECX                                                                                  \
	(BIT(1) | BIT(2) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14) |      \
	 BIT(22))
#define LEAF7_EDX (BIT(2) | BIT(3) | BIT(4) | BIT(8) | BIT(10))
#define LEAFD1_EAX (BIT(0) | BIT(1) | BIT(2)) /* XSAVEOPT, XSAVEC, XGETBV_1 */
#define EXT1_ECX (BIT(0) | BIT(5) | BIT(8))
#define EXT1_EDX (BIT(11) | BIT(20) | BIT(26) | BIT(27) | BIT(29))
#define XCR0_ALLOWED 0xe7ULL /* x87, SSE, AVX, AVX-512 */

struct cpuid_table cpuid_table GLOBAL_DATA("what CPUID says to any program");

static void add(uint32_t leaf, uint32_t subleaf, struct cpuid_regs r, uint8_t flags)
{
	struct cpuid_table *table = &cpuid_table;
	uint8_t at = table->count;

	if (at == CPUID_ENTRIES)
		return;
	table->entries[at] =
		(struct cpuid_entry){ leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx, flags };
	if (leaf < ARRAY_SIZE(table->basic) && table->basic[leaf] == CPUID_NO_ENTRY)
		table->basic[leaf] = at;
	if (leaf - 0x80000000 < ARRAY_SIZE(table->ext) &&
	    table->ext[leaf - 0x80000000] == CPUID_NO_ENTRY)
		table->ext[leaf - 0x80000000] = at;
	table->count++;
}

static void add_features(uint32_t max)
{
	struct cpuid_regs r = cpuid(1, 0);

	r.ebx = (r.ebx & 0xff00) | 1U << 16;
	r.ecx = (r.ecx & LEAF1_ECX) | LEAF1_ECX_FORCED;
	if (!vmx_caps.invpcid && !cpu_facts.pcid)
		r.ecx &= ~(uint32_t)BIT(17);
	r.edx &= LEAF1_EDX;
	add(1, 0, r, CPUID_DYNAMIC);
	add(2, 0, cpuid(2, 0), 0);

	if (max >= 4) {
		for (uint32_t i = 0; i < 8; i++) {
			r = cpuid(4, i);
			if (!(r.eax & 31))
				break;
			r.eax &= 0x3fff; /* one core, and it shares with nobody */
			add(4, i, r, CPUID_SUBLEAVES);
		}
	}
	add(6, 0, (struct cpuid_regs){ .eax = BIT(2) }, 0); /* ARAT: the timer never stops */
	if (max >= 7) {
		r = cpuid(7, 0);
		r.eax = 0;
		r.ebx = (r.ebx & LEAF7_EBX) | LEAF7_EBX_FORCED;
		r.ecx &= LEAF7_ECX;
		r.edx &= LEAF7_EDX;
		if (!vmx_caps.invpcid)
			r.ebx &= ~(uint32_t)BIT(10);
		if (!vmx_caps.rdtscp)
			r.ecx &= ~(uint32_t)BIT(22);
		add(7, 0, r, CPUID_SUBLEAVES);
	}
}

static void add_topology(void)
{
	/* One thread a core, one core: EAX is the shift to the next level, ECX[15:8] the level's
	 * type. */
	add(0xb, 0, (struct cpuid_regs){ 0, 1, 1U << 8, 0 }, CPUID_SUBLEAVES | CPUID_DYNAMIC);
	add(0xb, 1, (struct cpuid_regs){ 3, 0, 2U << 8, 0 }, CPUID_SUBLEAVES | CPUID_DYNAMIC);
}

static void add_xsave(void)
{
	struct cpuid_regs r;
	uint32_t size = 576;

	cpuid_table.xcr0_allowed = cpu_facts.xcr0_mask & XCR0_ALLOWED;
	for (uint32_t i = 2; i < 8; i++) {
		struct cpuid_regs part = cpuid(0xd, i);

		if ((cpuid_table.xcr0_allowed & BIT(i)) && part.ebx + part.eax > size)
			size = part.ebx + part.eax;
	}
	r = (struct cpuid_regs){ (uint32_t)cpuid_table.xcr0_allowed, size, size, 0 };
	add(0xd, 0, r, CPUID_SUBLEAVES | CPUID_DYNAMIC);
	r = cpuid(0xd, 1);
	r = (struct cpuid_regs){ r.eax & LEAFD1_EAX, 0, 0, 0 };
	add(0xd, 1, r, CPUID_SUBLEAVES | CPUID_DYNAMIC);
	for (uint32_t i = 2; i < 8; i++)
		if (cpuid_table.xcr0_allowed & BIT(i))
			add(0xd, i, cpuid(0xd, i), CPUID_SUBLEAVES);
}

static void add_hypervisor(void)
{
	struct cpuid_regs r = { .eax = 0x40000001 };

	memcpy(&r.ebx, "Cloi", 4);
	memcpy(&r.ecx, "ster", 4);
	memcpy(&r.edx, "HV\0", 4);
	add(0x40000000, 0, r, 0);
	add(0x40000001, 0, (struct cpuid_regs){ .eax = HYPERCALL_ABI_VERSION }, 0);
	/*
	 * A second interface that Linux knows, with no feature but one: Linux keeps the x2APIC on
	 * without interrupt remapping only under a hypervisor of its list.
	 */
	r.eax = 0x40000101;
	memcpy(&r.ebx, "KVMK", 4);
	memcpy(&r.ecx, "VMKV", 4);
	memcpy(&r.edx, "M\0\0", 4);
	add(0x40000100, 0, r, 0);
	add(0x40000101, 0, (struct cpuid_regs){ .eax = BIT(1) }, 0); /* no delay after port I/O */
}

static void add_extended(void)
{
	uint32_t max = cpuid(0x80000000, 0).eax;
	struct cpuid_regs r = { .eax = 0x80000008 };

	add(0x80000000, 0, r, 0);
	r = cpuid(0x80000001, 0);
	r.eax = r.ebx = 0;
	r.ecx &= EXT1_ECX;
	r.edx &= EXT1_EDX;
	r.edx |= BIT(11) |
		 BIT(29); /* SYSCALL: Intel shows it to 64-bit code only, and this code is */
	if (!vmx_caps.rdtscp)
		r.edx &= ~(uint32_t)BIT(27);
	add(0x80000001, 0, r, 0);
	for (uint32_t leaf = 0x80000002; leaf <= 0x80000006 && leaf <= max; leaf++)
		if (leaf != 0x80000005)
			add(leaf, 0, cpuid(leaf, 0), 0);
	add(0x80000007, 0, (struct cpuid_regs){ .edx = BIT(8) }, 0); /* invariant TSC */
	add(0x80000008, 0, (struct cpuid_regs){ .eax = cpu_facts.phys_bits | 48U << 8 }, 0);
}

/* CR4 bits follow the features; whatever is not here raises #GP as on a CPU without it. */
static void derive_cr4(void)
{
	uint32_t leaf1_ecx = cpuid_table.entries[cpuid_table.basic[1]].ecx;
	uint64_t cr4 = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE |
		       CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (leaf1_ecx & BIT(17))
		cr4 |= CR4_PCIDE;
	if (leaf1_ecx & BIT(26))
		cr4 |= CR4_OSXSAVE;
	if (cpuid_table.basic[7] != CPUID_NO_ENTRY) {
		const struct cpuid_entry *leaf7 = &cpuid_table.entries[cpuid_table.basic[7]];

		if (leaf7->ebx & BIT(0))
			cr4 |= CR4_FSGSBASE;
		if (leaf7->ebx & BIT(7))
			cr4 |= CR4_SMEP;
		if (leaf7->ebx & BIT(20))
			cr4 |= CR4_SMAP;
		if (leaf7->ecx & BIT(2))
			cr4 |= CR4_UMIP;
	}
	cpuid_table.cr4_allowed = cr4 & vmx_caps.cr4_fixed1 & ~CR4_VMXE;
}

void cpuid_build(void)
{
	struct cpuid_regs r = cpuid(0, 0);
	uint32_t max = r.eax;

	memset(cpuid_table.basic, CPUID_NO_ENTRY, sizeof(cpuid_table.basic));
	memset(cpuid_table.ext, CPUID_NO_ENTRY, sizeof(cpuid_table.ext));
	r.eax = 0x16;
	add(0, 0, r, 0);
	add_features(max);
	add_topology();
	if (cpu_facts.xsave)
		add_xsave();
	/* The crystal is the TSC itself, and the local APIC's timer counts at the same rate. */
	add(0x15, 0, (struct cpuid_regs){ 1, 1, (uint32_t)cpu_facts.tsc_hz, 0 }, 0);
	add(0x16, 0,
	    (struct cpuid_regs){ (uint32_t)(cpu_facts.tsc_hz / 1000000),
				 (uint32_t)(cpu_facts.tsc_hz / 1000000), 100, 0 },
	    0);
	add_hypervisor();
	add_extended();
	derive_cr4();
}
