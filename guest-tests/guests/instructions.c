// SPDX-License-Identifier: MIT
/* Single instructions that virtualisation touches: hidden ones, harmless ones, and XSETBV. */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "instructions";

static uint64_t operand[2] __attribute__((aligned(16)));

static void do_vmxon(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("vmxon %0" : : "m"(operand[0]) : "cc", "memory");
}

static void do_vmclear(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("vmclear %0" : : "m"(operand[0]) : "cc", "memory");
}

static void do_vmptrld(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("vmptrld %0" : : "m"(operand[0]) : "cc", "memory");
}

static void do_vmptrst(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("vmptrst %0" : "=m"(operand[0]) : : "cc", "memory");
}

static void do_vmlaunch(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("vmlaunch" : : : "cc", "memory");
}

static void do_vmresume(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("vmresume" : : : "cc", "memory");
}

static void do_vmxoff(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("vmxoff" : : : "cc", "memory");
}

static void do_vmread(uint64_t field)
{
	uint64_t value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
}

static void do_vmwrite(uint64_t field)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(0ULL) : "cc");
}

static void do_invept(uint64_t type)
{
	__asm__ volatile("invept %0, %1" : : "m"(operand), "r"(type) : "cc", "memory");
}

static void do_invvpid(uint64_t type)
{
	__asm__ volatile("invvpid %0, %1" : : "m"(operand), "r"(type) : "cc", "memory");
}

static void do_getsec(uint64_t leaf)
{
	__asm__ volatile(".byte 0x0f, 0x37" : : "a"(leaf), "b"(0ULL) : "memory");
}

static void do_monitor(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("monitor" : : "a"(operand), "c"(0ULL), "d"(0ULL));
}

static void do_mwait(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("mwait" : : "a"(0ULL), "c"(0ULL));
}

static void do_rdpmc(uint64_t counter)
{
	__asm__ volatile("rdpmc" : : "c"(counter) : "rax", "rdx");
}

static void do_invd(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("invd" : : : "memory");
}

static void do_wbinvd(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("wbinvd" : : : "memory");
}

/* Each is unknown to this processor: one exit, then #UD. */
static void test_hidden(void)
{
	expect_fault_exits("VMXON", VECTOR_UD, EXIT_VMXON, 1, do_vmxon, 0);
	expect_fault_exits("VMCLEAR", VECTOR_UD, EXIT_VMCLEAR, 1, do_vmclear, 0);
	expect_fault_exits("VMPTRLD", VECTOR_UD, EXIT_VMPTRLD, 1, do_vmptrld, 0);
	expect_fault_exits("VMPTRST", VECTOR_UD, EXIT_VMPTRST, 1, do_vmptrst, 0);
	expect_fault_exits("VMLAUNCH", VECTOR_UD, EXIT_VMLAUNCH, 1, do_vmlaunch, 0);
	expect_fault_exits("VMRESUME", VECTOR_UD, EXIT_VMRESUME, 1, do_vmresume, 0);
	expect_fault_exits("VMXOFF", VECTOR_UD, EXIT_VMXOFF, 1, do_vmxoff, 0);
	expect_fault_exits("VMREAD", VECTOR_UD, EXIT_VMREAD, 1, do_vmread, 0x4402);
	expect_fault_exits("VMWRITE", VECTOR_UD, EXIT_VMWRITE, 1, do_vmwrite, 0x681e);
	expect_fault_exits("INVEPT", VECTOR_UD, EXIT_INVEPT, 1, do_invept, 2);
	expect_fault_exits("INVVPID", VECTOR_UD, EXIT_INVVPID, 1, do_invvpid, 2);
	expect_fault_exits("MONITOR", VECTOR_UD, EXIT_MONITOR, 1, do_monitor, 0);
	expect_fault_exits("MWAIT", VECTOR_UD, EXIT_MWAIT, 1, do_mwait, 0);
	expect_fault("GETSEC", VECTOR_UD, 0, do_getsec, 0);
	expect_fault_exits("RDPMC: no counter 0, #GP", VECTOR_GP, EXIT_RDPMC, 1, do_rdpmc, 0);
	expect_fault_exits("RDPMC: no counter at all, #GP", VECTOR_GP, EXIT_RDPMC, 1, do_rdpmc,
			   0x40000000);
}

static void test_caches(void)
{
	volatile uint64_t word = 0x1122334455667788;

	expect_exits("INVD is one exit", EXIT_INVD, 1, do_invd, 0);
	check_eq("and drops no data", word, 0x1122334455667788);
	do_wbinvd(0);
	stats_begin();
	do_wbinvd(0);
	check("WBINVD takes one exit, or none where the CPU lacks that control",
	      stats_end()->exits <= 1);
}

static void do_rdtsc(uint64_t unused)
{
	(void)unused;
	rdtsc();
}

static uint64_t rdtscp(uint32_t *aux)
{
	uint32_t low, high;

	__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(*aux) : : "memory");
	return (uint64_t)high << 32 | low;
}

static void test_tsc(void)
{
	uint64_t last = rdtsc(), now;
	bool monotonic = true;
	uint32_t aux;

	expect_exits("RDTSC takes no exit", ANY_REASON, 0, do_rdtsc, 0);
	for (unsigned i = 0; i < 1000; i++) {
		if (i % 10 == 0)
			cpuid(0, 0);
		now = rdtsc();
		monotonic &= now > last;
		last = now;
	}
	check("RDTSC only grows, over exits too", monotonic);
	if (cpuid(0x80000001, 0).edx & BIT(27)) {
		wrmsr(MSR_TSC_AUX, 0x1234);
		now = rdtscp(&aux);
		check("RDTSCP continues RDTSC", now > last);
		check_eq("and returns TSC_AUX", aux, 0x1234);
	}
}

static void pause_loop(uint64_t n)
{
	while (n--)
		cpu_relax();
}

static void do_rdrand(uint64_t unused)
{
	uint64_t value;

	(void)unused;
	__asm__ volatile("rdrand %0" : "=r"(value) : : "cc");
}

static void do_invlpg(uint64_t address)
{
	invlpg(address);
}

static void do_invpcid(uint64_t type)
{
	__asm__ volatile("invpcid %0, %1" : : "m"(operand), "r"(type) : "memory");
}

static void test_free(void)
{
	expect_exits("10,000 PAUSEs take no exit", ANY_REASON, 0, pause_loop, 10000);
	expect_exits("INVLPG takes no exit", ANY_REASON, 0, do_invlpg, 0x200000);
	if (cpuid(1, 0).ecx & BIT(30))
		expect_exits("RDRAND takes no exit", ANY_REASON, 0, do_rdrand, 0);
	operand[0] = operand[1] = 0;
	if (cpuid(7, 0).ebx & BIT(10))
		expect_exits("INVPCID takes no exit", ANY_REASON, 0, do_invpcid, 2);
	else
		expect_fault("INVPCID is not there", VECTOR_UD, 0, do_invpcid, 2);
}

static uint64_t xcr0_value;

static void do_xsetbv(uint64_t index)
{
	xsetbv((uint32_t)index, xcr0_value);
}

static uint64_t xgetbv(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void refused(const char *name, uint64_t value)
{
	xcr0_value = value;
	expect_fault(name, VECTOR_GP, 0, do_xsetbv, 0);
}

static void test_xsetbv(void)
{
	uint64_t allowed = cpuid(0xd, 0).eax;

	if (!(cpuid(1, 0).ecx & BIT(26)))
		return;
	xcr0_value = 3;
	expect_fault("XSETBV without CR4.OSXSAVE", VECTOR_UD, 0, do_xsetbv, 0);
	write_cr4(read_cr4() | CR4_OSXSAVE);
	check_eq("XCR0 at power-on", xgetbv(), 1);
	expect_exits("a legal XSETBV is one exit", EXIT_XSETBV, 1, do_xsetbv, 0);
	check_eq("and takes effect", xgetbv(), 3);
	xcr0_value = 3;
	expect_fault("XCR1 does not exist", VECTOR_GP, 0, do_xsetbv, 1);
	refused("x87 cannot be turned off", 2);
	refused("AVX needs SSE", 5);
	refused("AVX-512 needs AVX", 0xe3);
	refused("a part of AVX-512 alone", 0x27);
	refused("MPX is not offered", 0x1b);
	refused("PKU is not offered", 0x203);
	refused("bit 63", BIT(63) | 3);
	expect_fault_exits("an illegal one is one exit too", VECTOR_GP, EXIT_XSETBV, 1, do_xsetbv,
			   0);
	check_eq("XCR0 is as before", xgetbv(), 3);
	xcr0_value = allowed;
	do_xsetbv(0);
	check_eq("all that is offered can be turned on", xgetbv(), allowed);
	check_eq("XSETBV at CPL 3 faults", try_user(do_xsetbv, 0, 0).vector, VECTOR_GP);
}

void guest_main(void)
{
	test_hidden();
	test_caches();
	test_tsc();
	test_free();
	test_xsetbv();
}
