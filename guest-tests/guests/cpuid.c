// SPDX-License-Identifier: MIT
/* CPUID: what the guest may know of the processor (SDM volume 2, CPUID), and what each question
 * costs. */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "cpuid";

#define XCR0_AVX 7
#define XCR0_AVX512 0xe7

static void repeat_cpuid(uint64_t n)
{
	while (n--)
		cpuid(0, 0);
}

static void one_leaf(uint64_t leaf)
{
	cpuid((uint32_t)leaf, 0);
}

static void check_zero(const char *name, uint32_t leaf)
{
	struct cpuid_regs r = cpuid(leaf, 0);

	check_eq(name, r.eax | r.ebx | r.ecx | r.edx, 0);
}

static void test_basic(void)
{
	struct cpuid_regs r = cpuid(0, 0);

	check_eq("leaf 0: highest basic leaf", r.eax, 0x16);
	check("leaf 0: GenuineIntel",
	      r.ebx == 0x756e6547 && r.edx == 0x49656e69 && r.ecx == 0x6c65746e);

	r = cpuid(1, 0);
	check_eq("leaf 1: no MONITOR, DS-CPL, VMX, SMX, EST, TM2, PDCM", r.ecx & 0x81f8, 0);
	check_eq("leaf 1: x2APIC, TSC-deadline and hypervisor", r.ecx & 0x81200000, 0x81200000);
	check_eq("leaf 1: no DS, ACPI, HTT, TM, PBE", r.edx & 0xb0600000, 0);
	check_eq("leaf 1: FPU, TSC, MSR, PAE, APIC, PAT, SSE2", r.edx & 0x4010271, 0x4010271);
	check_eq("leaf 1: APIC id 0, one logical processor", r.ebx >> 16, 1);

	r = cpuid(7, 0);
	check_eq("leaf 7: no SGX, TSX, RDT, MPX, PT", r.ebx & 0x0200d814, 0);
	check_eq("leaf 7: no PKU, WAITPKG, CET, LA57", r.ecx & 0x000100a8, 0);
	check_eq("leaf 7: no speculation controls, no flush command", r.edx & 0xbc000000, 0);
	check_eq("leaf 7: no subleaf 1", r.eax, 0);
	check_zero("leaf 5: MONITOR is empty", 5);
	check_zero("leaf 0xa: no performance counter", 0xa);
	check_zero("leaf 0x12: no SGX", 0x12);
	check_zero("leaf 0x14: no PT", 0x14);
}

static void test_topology(void)
{
	struct cpuid_regs r = cpuid(0xb, 0);

	check_eq("leaf 0xb: x2APIC id 0", r.edx, 0);
	check_eq("leaf 0xb.0: type thread, one of them", (r.ecx & 0xff00) | (r.ebx & 0xff), 0x101);
	r = cpuid(0xb, 1);
	check_eq("leaf 0xb.1: type core, one of them", (r.ecx & 0xff00) | (r.ebx & 0xff), 0x201);
	check_eq("leaf 0xb.1: the subleaf comes back", r.ecx & 0xff, 1);
	r = cpuid(0xb, 2);
	check_eq("leaf 0xb.2: there is no further level", r.ebx & 0xffff, 0);
}

static void test_frequency(void)
{
	struct cpuid_regs r = cpuid(0x15, 0), f = cpuid(0x16, 0);

	check("leaf 0x15: the TSC's frequency is there", r.eax && r.ebx && r.ecx);
	check_eq("leaf 0x16: the same in MHz", f.eax, (uint64_t)r.ecx * r.ebx / r.eax / 1000000);
}

static void test_hypervisor(void)
{
	struct cpuid_regs r = cpuid(0x40000000, 0);
	char name[13] = { 0 };

	memcpy(name, &r.ebx, 4);
	memcpy(name + 4, &r.ecx, 4);
	memcpy(name + 8, &r.edx, 4);
	check("leaf 0x40000000: CloisterHV", !memcmp(name, "CloisterHV\0\0", 12));
	check_eq("leaf 0x40000000: highest leaf", r.eax, 0x40000001);
	check_eq("leaf 0x40000001: ABI version", cpuid(0x40000001, 0).eax, HYPERCALL_ABI_VERSION);
	check_eq("the same version by hypercall", (uint64_t)hypercall(HYPERCALL_VERSION, 0, 0, 0),
		 HYPERCALL_ABI_VERSION);
}

static void test_extended(void)
{
	struct cpuid_regs r = cpuid(0x80000000, 0);
	unsigned bits;

	check_eq("leaf 0x80000000: highest extended leaf", r.eax, 0x80000008);
	r = cpuid(0x80000001, 0);
	check_eq("leaf 0x80000001: SYSCALL, NX, long mode", r.edx & 0x20100800, 0x20100800);
	check_eq("leaf 0x80000001: no SVM", r.ecx & 4, 0);
	check("leaf 0x80000007: the TSC is invariant", cpuid(0x80000007, 0).edx & BIT(8));
	bits = cpuid(0x80000008, 0).eax & 0xff;
	check("leaf 0x80000008: physical address width", bits >= 36 && bits <= 52);
	check_zero("leaf 0x80000009 is empty", 0x80000009);
	check_zero("leaf 0x17 is empty", 0x17);
	check_zero("leaf 0x1f is empty", 0x1f);
	check_zero("leaf 0x20 is empty", 0x20);
	check_zero("leaf 0x12345678 is empty", 0x12345678);
	check_zero("leaf 0xffffffff is empty", 0xffffffff);
	check_zero("leaf 0x40000002 is empty", 0x40000002);
}

/* The size of the XSAVE area follows XCR0 (SDM volume 1, 13.2). */
static void test_xsave(void)
{
	uint32_t allowed, max;

	check_eq("OSXSAVE is clear while CR4 says so", cpuid(1, 0).ecx & BIT(27), 0);
	if (!(cpuid(1, 0).ecx & BIT(26)))
		return;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	check("OSXSAVE follows CR4", cpuid(1, 0).ecx & BIT(27));
	allowed = cpuid(0xd, 0).eax;
	max = cpuid(0xd, 0).ecx;
	check_eq("XCR0: x87 and SSE are offered, nothing but AVX and AVX-512 beside",
		 (allowed & 3) | (allowed & ~(uint32_t)XCR0_AVX512), 3);
	check_eq("XSAVES is not offered", cpuid(0xd, 1).eax & 8, 0);
	xsetbv(0, 1);
	check_eq("x87 alone: 576 bytes", cpuid(0xd, 0).ebx, 576);
	xsetbv(0, 3);
	check_eq("with SSE: 576 bytes", cpuid(0xd, 0).ebx, 576);
	if (allowed & 4) {
		struct cpuid_regs avx = cpuid(0xd, 2);

		xsetbv(0, XCR0_AVX);
		check_eq("with AVX: its own offset and size more", cpuid(0xd, 0).ebx,
			 avx.eax + avx.ebx);
		check_eq("AVX: 256 bytes at 576", avx.eax << 16 | avx.ebx, 256 << 16 | 576);
	}
	if ((allowed & XCR0_AVX512) == XCR0_AVX512) {
		xsetbv(0, XCR0_AVX512);
		check_eq("with AVX-512: the largest", cpuid(0xd, 0).ebx, max);
	}
	xsetbv(0, allowed);
	check_eq("everything on: EBX is ECX", cpuid(0xd, 0).ebx, max);
	check_eq("the maximum does not follow XCR0", cpuid(0xd, 0).ecx, max);
}

static void test_registers(void)
{
	uint64_t in[10], out[10], *from = in, *to = out;

	for (unsigned i = 0; i < 10; i++)
		in[i] = 0x1111111111111111ULL * (i + 1) ^ 0xa5;
	/* RBP is the frame pointer of this build: it is checked by the function's getting on at
	 * all. */
	__asm__ volatile(
		"mov 0(%0), %%rsi; mov 8(%0), %%rdi; mov 16(%0), %%r8; mov 24(%0), %%r9;"
		"mov 32(%0), %%r10; mov 40(%0), %%r11; mov 48(%0), %%r12; mov 56(%0), %%r13;"
		"mov 64(%0), %%r14; push %0; push %1; mov $0x1234567800000001, %%rax;"
		"mov $-1, %%rbx; mov $0xffffffff00000000, %%rcx; mov $-1, %%rdx; cpuid;"
		"pop %%r15;"
		"mov %%rsi, 0(%%r15); mov %%rdi, 8(%%r15); mov %%r8, 16(%%r15); mov %%r9, "
		"24(%%r15);"
		"mov %%r10, 32(%%r15); mov %%r11, 40(%%r15); mov %%r12, 48(%%r15); mov %%r13, "
		"56(%%r15);"
		"mov %%r14, 64(%%r15); or %%rbx, %%rax; or %%rcx, %%rax; or %%rdx, %%rax;"
		"mov %%rax, 72(%%r15); pop %%r15"
		: "+a"(from), "+d"(to)
		:
		: "rbx", "rcx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
		  "memory", "cc");
	check("CPUID leaves the other registers alone", !memcmp(in, out, 9 * 8));
	check_eq("CPUID clears the upper halves of its four", out[9] >> 32, 0);
}

void guest_main(void)
{
	test_basic();
	test_topology();
	test_frequency();
	test_hypervisor();
	test_extended();
	test_registers();
	expect_exits("one CPUID is one exit", EXIT_CPUID, 1, repeat_cpuid, 1);
	expect_exits("1000 CPUIDs are 1000 exits", EXIT_CPUID, 1000, repeat_cpuid, 1000);
	expect_exits("an unknown leaf is one exit", EXIT_CPUID, 1, one_leaf, 0x7fffffff);
	test_xsave();
}
