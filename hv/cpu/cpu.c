// SPDX-License-Identifier: MIT
#include "hv/cpu/cpu.h"

#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/string.h"

struct cpu_facts cpu_facts;

/* CPUID bits, SDM volume 2, CPUID. */
#define CPUID_1_ECX_VMX BIT(5)
#define CPUID_1_ECX_PCID BIT(17)
#define CPUID_1_ECX_X2APIC BIT(21)
#define CPUID_1_ECX_TSC_DEADLINE BIT(24)
#define CPUID_1_ECX_XSAVE BIT(26)
#define CPUID_1_ECX_HYPERVISOR BIT(31)
#define CPUID_1_EDX_MCA BIT(14)
#define CPUID_7_EBX_SMEP BIT(7)
#define CPUID_7_EBX_INVPCID BIT(10)
#define CPUID_7_EBX_RTM BIT(11)
#define CPUID_7_EBX_SMAP BIT(20)
#define CPUID_7_ECX_UMIP BIT(2)
#define CPUID_7_EDX_MD_CLEAR BIT(10)
#define CPUID_7_EDX_HYBRID BIT(15)
#define CPUID_7_EDX_IBRS BIT(26)
#define CPUID_7_EDX_L1D_FLUSH BIT(28)
#define CPUID_7_EDX_ARCH_CAP BIT(29)
#define CPUID_72_EDX_BHI_CTRL BIT(4)
#define CPUID_D1_EAX_XSAVES BIT(3)
#define CPUID_EXT_EDX_NX BIT(20)
#define CPUID_EXT_EDX_1G BIT(26)
#define CPUID_EXT_EDX_RDTSCP BIT(27)

static BOOT unsigned detect_smt_shift(uint32_t max_leaf)
{
	if (max_leaf >= 0xb) {
		struct cpuid_regs r = cpuid(0xb, 0);

		/* EBX: threads of a core. With one there is no sibling, whatever the shift says. */
		if ((r.ecx >> 8 & 0xff) == 1 && (r.ebx & 0xffff) > 1)
			return r.eax & 31;
	}
	return 0;
}

static BOOT void detect_model(struct cpu_facts *f)
{
	/* SDM volume 2, CPUID, figure 3-6: the extended fields count for these families only. */
	f->family = f->signature >> 8 & 15;
	f->model = f->signature >> 4 & 15;
	f->stepping = f->signature & 15;
	if (f->family == 6 || f->family == 15)
		f->model |= f->signature >> 12 & 0xf0;
	if (f->family == 15)
		f->family = (uint8_t)(f->family + (f->signature >> 20 & 0xff));
}

static BOOT void detect_leaf7(struct cpu_facts *f)
{
	struct cpuid_regs r = cpuid(7, 0);
	uint32_t subleaves = r.eax;

	f->smep = r.ebx & CPUID_7_EBX_SMEP;
	f->invpcid = r.ebx & CPUID_7_EBX_INVPCID;
	f->rtm = r.ebx & CPUID_7_EBX_RTM;
	f->smap = r.ebx & CPUID_7_EBX_SMAP;
	f->umip = r.ecx & CPUID_7_ECX_UMIP;
	f->md_clear = r.edx & CPUID_7_EDX_MD_CLEAR;
	f->hybrid = r.edx & CPUID_7_EDX_HYBRID;
	f->ibrs = r.edx & CPUID_7_EDX_IBRS;
	f->l1d_flush = r.edx & CPUID_7_EDX_L1D_FLUSH;
	f->arch_capabilities = r.edx & CPUID_7_EDX_ARCH_CAP;
	if (f->arch_capabilities)
		f->arch_cap = rdmsr(MSR_ARCH_CAPABILITIES);
	f->bhi_ctrl = subleaves >= 2 && (cpuid(7, 2).edx & CPUID_72_EDX_BHI_CTRL);
}

BOOT void cpu_detect(void)
{
	struct cpu_facts *f = &cpu_facts;
	struct cpuid_regs r = cpuid(0, 0);
	uint32_t max_leaf = r.eax;
	uint32_t max_ext = cpuid(0x80000000, 0).eax;

	f->intel = r.ebx == 0x756e6547 && r.edx == 0x49656e69 && r.ecx == 0x6c65746e;
	r = cpuid(1, 0);
	f->signature = r.eax;
	detect_model(f);
	f->hypervisor = r.ecx & CPUID_1_ECX_HYPERVISOR;
	f->vmx = r.ecx & CPUID_1_ECX_VMX;
	f->pcid = r.ecx & CPUID_1_ECX_PCID;
	f->x2apic = r.ecx & CPUID_1_ECX_X2APIC;
	f->tsc_deadline = r.ecx & CPUID_1_ECX_TSC_DEADLINE;
	f->xsave = r.ecx & CPUID_1_ECX_XSAVE;
	f->mca = r.edx & CPUID_1_EDX_MCA;
	if (max_leaf >= 7)
		detect_leaf7(f);
	if (f->xsave) {
		r = cpuid(0xd, 0);
		f->xcr0_mask = (uint64_t)r.edx << 32 | r.eax;
		f->xsaves = cpuid(0xd, 1).eax & CPUID_D1_EAX_XSAVES;
	}
	f->smt_shift = detect_smt_shift(max_leaf);
	f->smt = f->smt_shift != 0;

	f->phys_bits = 36;
	if (max_ext >= 0x80000008)
		f->phys_bits = cpuid(0x80000008, 0).eax & 0xff;
	r = cpuid(0x80000001, 0);
	f->nx = r.edx & CPUID_EXT_EDX_NX;
	f->pages_1g = r.edx & CPUID_EXT_EDX_1G;
	f->rdtscp = r.edx & CPUID_EXT_EDX_RDTSCP;
	if (max_ext >= 0x80000004) {
		for (unsigned i = 0; i < 3; i++) {
			r = cpuid(0x80000002 + i, 0);
			memcpy(f->brand + i * sizeof(r), &r, sizeof(r));
		}
	}
}

BOOT void cpu_enable_features(void)
{
	const struct cpu_facts *f = &cpu_facts;
	uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	wrmsr(MSR_PAT, HOST_PAT);
	write_cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG);
	if (f->xsave)
		cr4 |= CR4_OSXSAVE;
	if (f->smep)
		cr4 |= CR4_SMEP;
	if (f->smap)
		cr4 |= CR4_SMAP;
	if (f->umip)
		cr4 |= CR4_UMIP;
	if (f->pcid)
		cr4 |= CR4_PCIDE;
	write_cr4(cr4);
}

BOOT uint32_t cpu_core_of(uint32_t apic_id)
{
	return apic_id >> cpu_facts.smt_shift;
}

void cpu_scrub_fpu(void)
{
	/* The 64-byte-aligned legacy area and header: XSTATE_BV = 0 asks for every component's
	 * initial state. */
	static uint8_t area[576] __attribute__((aligned(64)));
	static const uint32_t mxcsr = 0x1f80;

	memset(area, 0, sizeof(area));
	area[0] = 0x7f; /* FCW 0x037f */
	area[1] = 0x03;
	memcpy(area + 24, &mxcsr, sizeof(mxcsr));
	if (cpu_facts.xsave) {
		xsetbv(0, cpu_facts.xcr0_mask & 0xe7);
		__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
		xsetbv(0, 1);
	} else {
		__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
	}
}
