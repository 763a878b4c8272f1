// SPDX-License-Identifier: MIT
/* Control registers (SDM volume 3, 2.5), CR8, and every mode that a processor passes through on its
 * way up. */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "cr";

#define CR4_LA57 BIT(12)
#define CR4_SMXE BIT(14)
#define CR4_PKE BIT(22)
#define CR4_CET BIT(23)

/* Where the tour through the modes runs: lib/modes.asm. */
#define TOUR_CODE 0x8000
#define TOUR_RESULTS 0xa000

extern const char modes_start[], modes_end[];

static void set_cr0(uint64_t value)
{
	write_cr0(value);
}

static void set_cr4(uint64_t value)
{
	write_cr4(value);
}

static void set_cr8(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr8" : : "r"(value) : "memory");
}

static uint64_t get_cr8(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr8, %0" : "=r"(value));
	return value;
}

static void do_clts(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("clts" : : : "memory");
}

static void do_lmsw(uint64_t value)
{
	__asm__ volatile("lmsw %w0" : : "r"(value) : "memory");
}

static void touch_fpu(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("fnop");
}

static void toggle_wp(uint64_t unused)
{
	(void)unused;
	write_cr0(read_cr0() ^ CR0_WP);
}

static void test_cr0(void)
{
	uint64_t cr0 = read_cr0();

	check_eq("CR0 at power-on: PE, ET, NE, PG", cr0, CR0_PE | CR0_ET | CR0_NE | CR0_PG);
	expect_fault("CR0: bit 32 faults", VECTOR_GP, 0, set_cr0, cr0 | BIT(32));
	expect_fault("CR0: bit 63 faults", VECTOR_GP, 0, set_cr0, cr0 | BIT(63));
	expect_fault("CR0: NW without CD faults", VECTOR_GP, 0, set_cr0, cr0 | CR0_NW);
	expect_fault("CR0: PG without PE faults", VECTOR_GP, 0, set_cr0, cr0 & ~CR0_PE);
	expect_fault("CR0: PG cannot be cleared in 64-bit mode", VECTOR_GP, 0, set_cr0,
		     cr0 & ~CR0_PG);
	expect_fault("nor with a bit that the hypervisor looks at", VECTOR_GP, 0, set_cr0,
		     (cr0 & ~CR0_PG) | CR0_CD);
	check_eq("CR0 is as before", read_cr0(), cr0);

	set_cr0(cr0 | CR0_CD);
	check_eq("CR0.CD reads back", read_cr0(), cr0 | CR0_CD);
	set_cr0(cr0 | CR0_CD | CR0_NW);
	check_eq("CR0.CD and NW read back", read_cr0(), cr0 | CR0_CD | CR0_NW);
	expect_exits("clearing them is one exit", EXIT_CR_ACCESS, 1, set_cr0, cr0);
	set_cr0(cr0 & ~CR0_NE);
	check_eq("CR0.NE can be clear", read_cr0(), cr0 & ~CR0_NE);
	set_cr0(cr0 & ~CR0_ET);
	check_eq("CR0.ET is always set", read_cr0(), cr0);
	expect_exits("WP is the guest's own: no exit", ANY_REASON, 0, toggle_wp, 0);
	check_eq("and it is set", read_cr0(), cr0 | CR0_WP);
	set_cr0(cr0 | CR0_WP | CR0_AM | CR0_MP);
	check_eq("with AM and MP", read_cr0(), cr0 | CR0_WP | CR0_AM | CR0_MP);
	set_cr0(cr0);
}

static void test_ts(void)
{
	uint64_t cr0 = read_cr0();

	set_cr0(cr0 | CR0_TS);
	expect_fault("CR0.TS: the FPU is not available", VECTOR_NM, 0, touch_fpu, 0);
	do_clts(0);
	check_eq("CLTS clears it", read_cr0(), cr0);
	expect_fault("and the FPU is", NO_FAULT, 0, touch_fpu, 0);
	do_lmsw(0xf);
	check_eq("LMSW sets PE, MP, EM, TS", read_cr0(), cr0 | 0xf);
	do_lmsw(0);
	check_eq("and cannot clear PE", read_cr0(), cr0);
	set_cr0(cr0 | CR0_CD);
	do_lmsw(0x8);
	check_eq("LMSW leaves the rest alone", read_cr0(), cr0 | CR0_CD | CR0_TS);
	do_clts(0);
	check_eq("CLTS too", read_cr0(), cr0 | CR0_CD);
	set_cr0(cr0);
}

static void toggle_pge(uint64_t unused)
{
	(void)unused;
	write_cr4(read_cr4() ^ CR4_PGE);
}

static void toggle_pcide(uint64_t pcid)
{
	write_cr3(read_cr3() | pcid);
	write_cr4(read_cr4() | CR4_PCIDE);
}

static void test_cr4(void)
{
	static const struct {
		const char *name;
		uint64_t bit;
	} refused[] = {
		{ "CR4.VMXE is hidden: setting it faults", CR4_VMXE },
		{ "CR4.SMXE faults", CR4_SMXE },
		{ "CR4.LA57 faults", CR4_LA57 },
		{ "CR4.PKE faults", CR4_PKE },
		{ "CR4.CET faults", CR4_CET },
		{ "CR4: bit 15 faults", BIT(15) },
		{ "CR4: bit 19 faults", BIT(19) },
		{ "CR4: bit 31 faults", BIT(31) },
		{ "CR4: bit 32 faults", BIT(32) },
		{ "CR4: bit 63 faults", BIT(63) },
	};
	uint64_t cr4 = read_cr4();

	check_eq("CR4 at power-on: PAE, no VMXE to be seen", cr4, CR4_PAE);
	for (unsigned i = 0; i < ARRAY_SIZE(refused); i++)
		expect_fault(refused[i].name, VECTOR_GP, 0, set_cr4, cr4 | refused[i].bit);
	expect_fault("CR4.PAE cannot be cleared in 64-bit mode", VECTOR_GP, 0, set_cr4,
		     cr4 & ~CR4_PAE);
	check_eq("CR4 is as before", read_cr4(), cr4);
	expect_exits("PGE is the guest's own: no exit", ANY_REASON, 0, toggle_pge, 0);
	check_eq("and it is set", read_cr4(), cr4 | CR4_PGE);
	set_cr4(cr4 | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_MCE | CR4_TSD);
	check_eq("CR4: DE, OSFXSR, OSXMMEXCPT, MCE, TSD", read_cr4(),
		 cr4 | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_MCE | CR4_TSD);
	set_cr4(cr4);
}

/* A feature's CR4 bit is there if, and only if, CPUID shows the feature. */
static void test_cr4_features(void)
{
	struct cpuid_regs one = cpuid(1, 0), seven = cpuid(7, 0);
	const struct {
		const char *name;
		uint64_t bit;
		bool shown;
	} features[] = {
		{ "CR4.OSXSAVE follows CPUID", CR4_OSXSAVE, one.ecx & BIT(26) },
		{ "CR4.FSGSBASE follows CPUID", CR4_FSGSBASE, seven.ebx & BIT(0) },
		{ "CR4.UMIP follows CPUID", CR4_UMIP, seven.ecx & BIT(2) },
	};
	uint64_t cr4 = read_cr4();

	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		expect_fault(features[i].name, features[i].shown ? NO_FAULT : VECTOR_GP, 0, set_cr4,
			     cr4 | features[i].bit);
		check_eq("  and reads back", read_cr4(),
			 features[i].shown ? cr4 | features[i].bit : cr4);
		set_cr4(cr4);
	}
	if (one.ecx & BIT(17)) {
		uint64_t cr3 = read_cr3();

		expect_fault("CR4.PCIDE with a PCID already in CR3 faults", VECTOR_GP, 0,
			     toggle_pcide, 5);
		write_cr3(cr3);
		expect_fault("CR4.PCIDE", NO_FAULT, 0, toggle_pcide, 0);
		check_eq("  and reads back", read_cr4(), cr4 | CR4_PCIDE);
		expect_fault("CR0.PG cannot be cleared then", VECTOR_GP, 0, set_cr0,
			     read_cr0() & ~CR0_PG);
		set_cr4(cr4);
	}
}

static void test_cr8(void)
{
	expect_exits("writing CR8 is one exit", EXIT_CR_ACCESS, 1, set_cr8, 5);
	check_eq("CR8 reads back", get_cr8(), 5);
	check_eq("it is the upper half of TPR", rdmsr(X2APIC_TPR), 0x50);
	wrmsr(X2APIC_TPR, 0x9a);
	check_eq("and follows it", get_cr8(), 9);
	expect_fault("CR8: reserved bits fault", VECTOR_GP, 0, set_cr8, 16);
	expect_fault("CR8: high reserved bits fault", VECTOR_GP, 0, set_cr8, BIT(63));
	check_eq("CR8 is as before", get_cr8(), 9);
	set_cr8(0);
	check_eq("TPR is 0 again", rdmsr(X2APIC_TPR), 0);
}

static void move_cr3(uint64_t unused)
{
	(void)unused;
	for (unsigned i = 0; i < 100; i++)
		write_cr3(read_cr3());
}

static void test_modes(void)
{
	volatile uint32_t *r = (volatile uint32_t *)TOUR_RESULTS;
	uint32_t ioapic_data;

	memset((void *)TOUR_RESULTS, 0, 64);
	memcpy((void *)TOUR_CODE, modes_start, (size_t)(modes_end - modes_start));
	ioapic_write(0, 0x05000000);
	ioapic_data = ioapic_read(0);
	stats_begin();
	((void (*)(uint64_t))TOUR_CODE)(TOUR_RESULTS);
	check("the tour through the modes came back", stats_end()->escalations == 0);
	check_eq("compatibility mode: CPUID", r[0], 0x696f6c43);
	check_eq("compatibility mode: MMIO", r[1], ioapic_data);
	check_eq("paging off: EFER.LMA is gone, LME is not", r[2], EFER_LME);
	check_eq("32-bit mode: CPUID", r[3], 0x72657473);
	check_eq("32-bit mode: MMIO", r[4], ioapic_data);
	check_eq("32-bit paging: MMIO", r[5], ioapic_data);
	check_eq("32-bit paging: CPUID", r[6], 0x5648);
	check_eq("real mode: CPUID", r[7], 0x696f6c43);
	check_eq("real mode: a port", r[8], 0xa7);
	check_eq("real mode: #GP pushes 6 bytes, no error code", r[9], 6);
	check_eq("real mode: #UD pushes 6 bytes", r[10] & 0xffff, 6);
	check_eq("real mode: INT", r[11], 0x50);
	check_eq("an impossible PDPTE: #GP", r[14], VECTOR_GP);
	check_eq("real mode: CR0 without PE and PG", r[12] & (uint32_t)(CR0_PE | CR0_PG), 0);
	check_eq("back in 64-bit mode: EFER", r[13], EFER_LME | EFER_LMA);
}

void guest_main(void)
{
	test_cr0();
	test_ts();
	test_cr4();
	test_cr4_features();
	test_cr8();
	expect_exits("100 moves to and from CR3 take no exit", ANY_REASON, 0, move_cr3, 0);
	test_modes();
}
