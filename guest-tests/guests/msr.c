// SPDX-License-Identifier: MIT
/* RDMSR and WRMSR: which are the guest's own, which are answered, which fault (SDM volume 4). */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "msr";

#define APIC_BASE_BSP BIT(8)
#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_ADDRESS 0xfee00000ULL
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MSR_MTRR_PHYSBASE0 0x200
#define MSR_MCG_CAP 0x179
#define LVT_MASKED (1U << 16)

static uint64_t write_value;

static void read_msr(uint64_t msr)
{
	rdmsr((uint32_t)msr);
}

static void write_msr(uint64_t msr)
{
	wrmsr((uint32_t)msr, write_value);
}

static void read_gp(const char *name, uint32_t msr)
{
	expect_fault(name, VECTOR_GP, 0, read_msr, msr);
}

static void write_gp(const char *name, uint32_t msr, uint64_t value)
{
	write_value = value;
	expect_fault(name, VECTOR_GP, 0, write_msr, msr);
}

static void write_read(uint64_t msr)
{
	write_value = 0x00007f0012345000;
	write_msr(msr);
	if (rdmsr((uint32_t)msr) != write_value)
		check_eq("the MSR keeps its value", rdmsr((uint32_t)msr), write_value);
}

static void test_own(void)
{
	static const struct {
		const char *name;
		uint32_t msr;
	} own[] = {
		{ "LSTAR is the guest's own: no exit", MSR_LSTAR },
		{ "CSTAR", MSR_CSTAR },
		{ "FS_BASE", MSR_FS_BASE },
		{ "GS_BASE", MSR_GS_BASE },
		{ "KERNEL_GS_BASE", MSR_KERNEL_GS_BASE },
		{ "SYSENTER_ESP", MSR_SYSENTER_ESP },
		{ "SYSENTER_EIP", MSR_SYSENTER_EIP },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
		expect_exits(own[i].name, ANY_REASON, 0, write_read, own[i].msr);
	write_gp("LSTAR takes canonical addresses only", MSR_LSTAR, 0x0000800000000000);
	wrmsr(MSR_STAR, 0x0023001000000000);
	check_eq("STAR", rdmsr(MSR_STAR), 0x0023001000000000);
	wrmsr(MSR_FMASK, 0x47700);
	check_eq("FMASK", rdmsr(MSR_FMASK), 0x47700);
	/* What a guest wrote must survive exits: nothing in the hypervisor may use these registers.
	 */
	wrmsr(MSR_GS_BASE, 0x1234000);
	cpuid(0, 0);
	check_eq("GS_BASE survives an exit", rdmsr(MSR_GS_BASE), 0x1234000);
	check_eq("LSTAR survives an exit", rdmsr(MSR_LSTAR), 0x00007f0012345000);
	check_eq("KERNEL_GS_BASE survives an exit", rdmsr(MSR_KERNEL_GS_BASE), 0x00007f0012345000);
}

static void test_pat(void)
{
	uint64_t pat = rdmsr(MSR_PAT);

	check_eq("PAT at power-on", pat, 0x0007040600070406);
	wrmsr(MSR_PAT, 0x0007010600070106);
	cpuid(0, 0);
	check_eq("PAT keeps its value over an exit", rdmsr(MSR_PAT), 0x0007010600070106);
	wrmsr(MSR_PAT, pat);
	write_gp("PAT refuses the reserved type 2", MSR_PAT, 0x0002040600070406);
}

static void test_efer(void)
{
	uint64_t efer = rdmsr(MSR_EFER);

	check_eq("EFER: long mode on and active, no more", efer, EFER_LME | EFER_LMA);
	wrmsr(MSR_EFER, efer | EFER_SCE | EFER_NX);
	cpuid(0, 0);
	check_eq("EFER.SCE and NXE can be set and stay", rdmsr(MSR_EFER),
		 efer | EFER_SCE | EFER_NX);
	wrmsr(MSR_EFER, efer);
	write_gp("EFER.LME cannot be cleared while paging", MSR_EFER, efer & ~EFER_LME);
	write_gp("EFER: reserved bits fault", MSR_EFER, efer | BIT(1));
	write_gp("EFER: SVME faults", MSR_EFER, efer | BIT(12));
	write_gp("EFER: a high bit faults", MSR_EFER, efer | BIT(40));
	check_eq("EFER is as before", rdmsr(MSR_EFER), efer);
}

static void test_apic_base(void)
{
	uint64_t want = APIC_BASE_ADDRESS | APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE;

	check_eq("APIC_BASE: boot processor, x2APIC, at its usual place", rdmsr(MSR_APIC_BASE),
		 want);
	expect_exits("reading APIC_BASE is one exit", EXIT_MSR_READ, 1, read_msr, MSR_APIC_BASE);
	write_gp("from x2APIC back to xAPIC is illegal", MSR_APIC_BASE, want & ~APIC_BASE_X2APIC);
	write_gp("x2APIC without enable is illegal", MSR_APIC_BASE, want & ~APIC_BASE_ENABLE);
	write_gp("APIC_BASE: reserved bits fault", MSR_APIC_BASE, want | 1);
	write_gp("APIC_BASE: an address beyond the processor's faults", MSR_APIC_BASE,
		 want | BIT(60));
	check_eq("APIC_BASE is as before", rdmsr(MSR_APIC_BASE), want);
}

static void test_deadline(void)
{
	wrmsr(X2APIC_LVT_TIMER, LVT_MASKED | 0xef);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000000000);
	check_eq("TSC_DEADLINE reads 0 outside its mode", rdmsr(MSR_TSC_DEADLINE), 0);
	wrmsr(X2APIC_LVT_TIMER, LVT_DEADLINE | LVT_MASKED | 0xef);
	write_value = rdtsc() + 100000000000;
	expect_exits("writing TSC_DEADLINE is one exit", EXIT_MSR_WRITE, 1, write_msr,
		     MSR_TSC_DEADLINE);
	check_eq("TSC_DEADLINE keeps what was written", rdmsr(MSR_TSC_DEADLINE), write_value);
	wrmsr(MSR_TSC_DEADLINE, 0);
	check_eq("0 disarms it", rdmsr(MSR_TSC_DEADLINE), 0);
}

static void test_x2apic(void)
{
	check_eq("x2APIC id 0", rdmsr(X2APIC_ID), 0);
	check_eq("x2APIC version: integrated, 6 or 7 LVT entries",
		 rdmsr(X2APIC_VERSION) & 0xfe00ff00, 0);
	check_eq("x2APIC logical id", rdmsr(X2APIC_LDR), 1);
	write_gp("the id cannot be written", X2APIC_ID, 0);
	write_gp("the version cannot be written", X2APIC_VERSION, 0);
	write_gp("the logical id cannot be written", X2APIC_LDR, 0);
	write_gp("PPR cannot be written", X2APIC_PPR, 0);
	write_gp("ISR cannot be written", X2APIC_ISR, 0);
	write_gp("EOI takes 0 only", X2APIC_EOI, 1);
	read_gp("EOI cannot be read", X2APIC_EOI);
	read_gp("SELF_IPI cannot be read", X2APIC_SELF_IPI);
	read_gp("DFR does not exist in x2APIC mode", 0x80e);
	read_gp("ICR2 does not exist in x2APIC mode", 0x831);
	read_gp("a hole among the x2APIC registers faults", 0x840);
	write_gp("ESR takes 0 only", X2APIC_ESR, 1);
	write_gp("TPR: reserved bits fault", X2APIC_TPR, 0x100);
	write_gp("SVR: reserved bits fault", X2APIC_SVR, 0x100000);
	write_gp("the current count cannot be written", X2APIC_TIMER_CURRENT, 1);
	wrmsr(X2APIC_TPR, 0x20);
	check_eq("TPR keeps its value", rdmsr(X2APIC_TPR), 0x20);
	wrmsr(X2APIC_TPR, 0);
}

static void test_answered(void)
{
	expect_exits("MISC_ENABLE: one exit to read", EXIT_MSR_READ, 1, read_msr, MSR_MISC_ENABLE);
	check("MISC_ENABLE: fast strings", rdmsr(MSR_MISC_ENABLE) & 1);
	check_eq("MISC_ENABLE: no MONITOR", rdmsr(MSR_MISC_ENABLE) & BIT(18), 0);
	write_value = rdmsr(MSR_MISC_ENABLE);
	expect_exits("MISC_ENABLE: one exit to write", EXIT_MSR_WRITE, 1, write_msr,
		     MSR_MISC_ENABLE);
	check_eq("FEATURE_CONTROL: locked, VMX off", rdmsr(MSR_FEATURE_CONTROL), 1);
	write_gp("FEATURE_CONTROL is locked", MSR_FEATURE_CONTROL, 5);
	check("a microcode revision is told", rdmsr(MSR_UCODE_REV) != 0);
	check_eq("no machine-check bank", rdmsr(MSR_MCG_CAP), 0);
	write_gp("MCG_CAP is read-only", MSR_MCG_CAP, 0);
	check_eq("MTRRCAP: 8 variable ranges, fixed ones, WC", rdmsr(MSR_MTRRCAP), 0x508);
	write_gp("MTRRCAP is read-only", MSR_MTRRCAP, 0x508);
	wrmsr(MSR_MTRR_PHYSBASE0, 0x80000006);
	check_eq("an MTRR keeps its value", rdmsr(MSR_MTRR_PHYSBASE0), 0x80000006);
	wrmsr(MSR_MTRR_DEF_TYPE, 0xc00);
	check_eq("the default memory type keeps its value", rdmsr(MSR_MTRR_DEF_TYPE), 0xc00);
	write_gp("the default memory type refuses type 2", MSR_MTRR_DEF_TYPE, 0xc02);
	write_gp("the default memory type refuses reserved bits", MSR_MTRR_DEF_TYPE,
		 0xc06 | BIT(12));
	check_eq("DEBUGCTL is 0", rdmsr(MSR_DEBUGCTL), 0);
	write_gp("DEBUGCTL offers no branch trace", MSR_DEBUGCTL, 1);
}

static void test_absent(void)
{
	read_gp("an unknown low MSR faults", 0x1234);
	read_gp("an unknown high MSR faults", 0xc0001234);
	read_gp("an MSR outside both ranges faults", 0x40000000);
	read_gp("MSR 0xffffffff faults", 0xffffffff);
	write_gp("writing an unknown low MSR faults", 0x1234, 0);
	write_gp("writing an unknown high MSR faults", 0xc0001234, 0);
	write_gp("writing an MSR outside both ranges faults", 0x40000000, 0);
	for (uint32_t msr = 0x480; msr <= 0x491; msr++) {
		struct fault fault = try_call(read_msr, msr);

		if (fault.vector != VECTOR_GP)
			check_eq("a VMX capability MSR is hidden", msr, fault.vector);
	}
	write_gp("SPEC_CTRL is not offered", 0x48, 0);
	write_gp("PRED_CMD is not offered", 0x49, 1);
	read_gp("ARCH_CAPABILITIES is not offered", MSR_ARCH_CAPABILITIES);
	write_gp("FLUSH_CMD is not offered", MSR_FLUSH_CMD, 1);
	read_gp("PERF_GLOBAL_CTRL is not offered", 0x38f);
	read_gp("PMC0 is not offered", 0xc1);
	read_gp("SMI_COUNT is not offered", 0x34);
	read_gp("XSS is not offered", 0xda0);
	write_value = 0;
	expect_fault_exits("a fault costs one exit to read", VECTOR_GP, EXIT_MSR_READ, 1, read_msr,
			   0x1234);
	expect_fault_exits("and one to write", VECTOR_GP, EXIT_MSR_WRITE, 1, write_msr, 0x1234);
}

static void test_halves(void)
{
	uint64_t rax = ~0ULL, rdx = ~0ULL, rcx = 0xdeadbeef00000000 | MSR_MISC_ENABLE;

	__asm__ volatile("rdmsr" : "+a"(rax), "+d"(rdx) : "c"(rcx));
	check_eq("RDMSR ignores RCX's upper half and clears those of RAX and RDX",
		 (rax | rdx) >> 32, 0);
}

static void test_user(void)
{
	struct fault fault;
	uint64_t exits;

	stats_begin();
	fault = try_user(read_msr, MSR_MISC_ENABLE, 0);
	exits = stats_end()->exits;
	check_eq("RDMSR at CPL 3 faults", fault.vector, VECTOR_GP);
	check_eq("without an exit", exits, 0);
}

static void read_tsc(uint64_t unused)
{
	(void)unused;
	rdmsr(MSR_TSC);
}

static void test_tsc(void)
{
	uint64_t now;

	expect_exits("reading the TSC by MSR takes no exit", ANY_REASON, 0, read_tsc, 0);
	wrmsr(MSR_TSC, 0x123400000000);
	now = rdtsc();
	check("the TSC can be set", now >= 0x123400000000 && now < 0x123400000000 + 1000000);
	now = rdmsr(MSR_TSC);
	check("RDMSR agrees with RDTSC", now >= 0x123400000000 && now < 0x123400000000 + 1000000);
}

void guest_main(void)
{
	test_own();
	test_pat();
	test_efer();
	test_apic_base();
	test_x2apic();
	test_deadline();
	test_answered();
	test_absent();
	test_halves();
	test_user();
	test_tsc();
}
