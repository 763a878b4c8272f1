/* unit-sources: drivers/guest/irq/[a-z]*.c drivers/guest/net/[a-z]*.c drivers/guest/virtio/[a-z]*.c drivers/guest/legacy/[a-z]*.c hv/base/print.c hv/base/string.c guest-tests/unit/fake_platform.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/fake_platform.h"
#include "guest-tests/unit/unit.h"

enum {
	ID = 0x02,
	VERSION = 0x03,
	TPR = 0x08,
	PPR = 0x0a,
	EOI = 0x0b,
	LDR = 0x0d,
	DFR = 0x0e,
	SVR = 0x0f,
	ISR = 0x10,
	TMR = 0x18,
	IRR = 0x20,
	ESR = 0x28,
	ICR = 0x30,
	ICR_HIGH = 0x31,
	LVT_TIMER = 0x32,
	LVT_THERMAL = 0x33,
	LVT_PERF = 0x34,
	LVT_LINT0 = 0x35,
	LVT_LINT1 = 0x36,
	LVT_ERROR = 0x37,
	INITIAL = 0x38,
	CURRENT = 0x39,
	DIVIDE = 0x3e,
	SELF_IPI = 0x3f,
};

#define APIC_BASE 0x1b
#define DEADLINE 0x6e0
#define MASKED 0x10000
#define PERIODIC 0x20000
#define BY_DEADLINE 0x40000

static struct vm *vm;
static struct vcpu *cpu;

static bool wr(unsigned reg, uint64_t value)
{
	return vlapic_msr_write(cpu, 0x800 + reg, value);
}

static uint64_t rd(unsigned reg)
{
	uint64_t value = 0;

	CHECK(vlapic_msr_read(cpu, 0x800 + reg, &value));
	return value;
}

static bool readable(unsigned reg)
{
	uint64_t value;

	return vlapic_msr_read(cpu, 0x800 + reg, &value);
}

static void start(unsigned vcpus)
{
	vm = fake_vm(vcpus, true);
	cpu = &vm->vcpu[0];
	for (unsigned i = 0; i < vcpus; i++)
		CHECK(vlapic_msr_write(&vm->vcpu[i], 0x800 + SVR, 0x1ff));
}

/* The same in xAPIC mode, where registers are memory. */
static void start_mmio(unsigned vcpus)
{
	vm = fake_vm(vcpus, false);
	cpu = &vm->vcpu[0];
	for (unsigned i = 0; i < vcpus; i++)
		vlapic_mmio_write(&vm->vcpu[i], SVR << 4, 0x1ff);
}

static bool irr(unsigned index, uint8_t vector)
{
	return vm->vcpu[index].apic_page[(0x20 + vector / 32) * 4] >> vector % 32 & 1;
}

TEST(lapic_after_reset)
{
	uint64_t base = 0;

	vm = fake_vm(2, true);
	cpu = &vm->vcpu[1];
	CHECK(vlapic_msr_read(cpu, APIC_BASE, &base) && base == 0xfee00c00);
	cpu = &vm->vcpu[0];
	CHECK(vlapic_msr_read(cpu, APIC_BASE, &base) && base == 0xfee00d00);
	CHECK(rd(ID) == 0 && rd(TPR) == 0 && rd(PPR) == 0 && rd(SVR) == 0xff);
	CHECK((rd(VERSION) & 0xff) == 0x14 && rd(VERSION) >> 16 == 5);
	for (unsigned reg = LVT_TIMER; reg <= LVT_ERROR; reg++)
		CHECK(rd(reg) == MASKED);
	for (unsigned reg = ISR; reg < ESR; reg++)
		CHECK(rd(reg) == 0);
	CHECK(rd(ESR) == 0 && rd(ICR) == 0 && rd(INITIAL) == 0 && rd(CURRENT) == 0);
	CHECK(vlapic_pending(cpu) == -1);
}

TEST(lapic_x2apic_msrs_that_fault)
{
	start(1);
	/* No such register. */
	for (unsigned reg = 0; reg < 0x100; reg++) {
		bool exists = reg == ID || reg == VERSION || reg == TPR || reg == PPR ||
			      reg == LDR || reg == SVR || (reg >= ISR && reg <= ESR) ||
			      reg == ICR || (reg >= LVT_TIMER && reg <= CURRENT) || reg == DIVIDE;
		bool writable = reg == TPR || reg == EOI || reg == SVR || reg == ESR ||
				reg == ICR || (reg >= LVT_TIMER && reg <= INITIAL) ||
				reg == DIVIDE || reg == SELF_IPI;

		CHECK(readable(reg) == exists);
		if (reg != ICR && reg != SELF_IPI)
			CHECK(wr(reg, reg == SVR ? 0x1ff : 0) == writable);
		/* Nothing but the ICR has an upper half. */
		if (reg != ICR)
			CHECK(!wr(reg, 1ULL << 32));
	}
	/* Reserved bits, and a write that faults changes nothing. */
	CHECK(!wr(TPR, 0x150) && rd(TPR) == 0);
	CHECK(!wr(EOI, 1) && !wr(ESR, 1));
	CHECK(!wr(SVR, 0x11ff | 1U << 16) && rd(SVR) == 0x1ff);
	CHECK(!wr(LVT_TIMER, 1U << 19) && !wr(LVT_TIMER, 0x100) && rd(LVT_TIMER) == 0);
	CHECK(!wr(LVT_LINT0, 1U << 17) && !wr(LVT_ERROR, 0x100) && !wr(LVT_PERF, 1U << 15));
	CHECK(!wr(DIVIDE, 4) && !wr(DIVIDE, 0x10) && rd(DIVIDE) == 0);
	CHECK(!wr(ICR, 1U << 20) && !wr(ICR, 1U << 13));
	CHECK(!wr(SELF_IPI, 0x100));
}

TEST(lapic_priorities)
{
	start(1);
	vlapic_accept(cpu, 0x31, false);
	vlapic_accept(cpu, 0x62, false);
	vlapic_accept(cpu, 0x65, false);
	CHECK(cpu->notified >= 3);
	CHECK(vlapic_pending(cpu) == 0x65);
	vlapic_take(cpu, 0x65);
	CHECK(rd(PPR) == 0x60);
	CHECK(vlapic_pending(cpu) == -1); /* 0x62 is of the same class */
	vlapic_accept(cpu, 0x70, false);
	CHECK(vlapic_pending(cpu) == 0x70);
	vlapic_take(cpu, 0x70);
	CHECK(rd(PPR) == 0x70);
	CHECK(rd(ISR + 3) == ((1U << 16) | (1U << 5)));
	CHECK(wr(EOI, 0));
	CHECK(rd(PPR) == 0x60 && vlapic_pending(cpu) == -1);
	CHECK(wr(EOI, 0));
	CHECK(vlapic_pending(cpu) == 0x62);
	CHECK(wr(TPR, 0x6f));
	CHECK(vlapic_pending(cpu) == -1 && rd(PPR) == 0x6f);
	CHECK(wr(TPR, 0x5f));
	CHECK(vlapic_pending(cpu) == 0x62);
	vlapic_take(cpu, 0x62);
	CHECK(wr(EOI, 0) && wr(TPR, 0x2f));
	CHECK(vlapic_pending(cpu) == 0x31);
	vlapic_take(cpu, 0x31);
	CHECK(wr(EOI, 0));
	CHECK(vlapic_pending(cpu) == -1 && rd(PPR) == 0x2f);
	CHECK(wr(EOI, 0)); /* nothing in service: nothing happens */
}

TEST(lapic_cr8_is_the_upper_half_of_tpr)
{
	start(1);
	for (uint8_t i = 0; i < 16; i++) {
		vlapic_set_cr8(cpu, i);
		CHECK(rd(TPR) == (uint64_t)i << 4 && vlapic_get_cr8(cpu) == i);
	}
	CHECK(wr(TPR, 0x57) && vlapic_get_cr8(cpu) == 5);
}

TEST(lapic_software_disabled_takes_nothing)
{
	start(1);
	CHECK(wr(LVT_TIMER, 0x40) && wr(LVT_ERROR, 0x41));
	CHECK(wr(SVR, 0xff));
	CHECK(rd(LVT_TIMER) == (MASKED | 0x40) && rd(LVT_ERROR) == (MASKED | 0x41));
	CHECK(wr(LVT_TIMER, 0x40) && rd(LVT_TIMER) == (MASKED | 0x40)); /* the mask cannot go */
	vlapic_accept(cpu, 0x50, false);
	CHECK(vlapic_pending(cpu) == -1 && !irr(0, 0x50));
	CHECK(wr(SVR, 0x1ff) && wr(LVT_TIMER, 0x40) && rd(LVT_TIMER) == 0x40);
	vlapic_accept(cpu, 0x50, false);
	CHECK(vlapic_pending(cpu) == 0x50);
}

TEST(lapic_errors)
{
	start(1);
	CHECK(wr(LVT_ERROR, 0xfe));
	CHECK(wr(SELF_IPI, 3));
	CHECK(rd(ESR) == 0); /* until it is written */
	CHECK(wr(ESR, 0) && rd(ESR) == 0x20);
	CHECK(vlapic_pending(cpu) == 0xfe);
	CHECK(wr(ESR, 0) && rd(ESR) == 0);
	vlapic_accept(cpu, 7, false);
	CHECK(wr(ESR, 0) && rd(ESR) == 0x40);
	CHECK(wr(ICR, 0x0f)); /* fixed, vector 15 */
	CHECK(wr(ESR, 0) && rd(ESR) == 0x20);
	/* An error vector that is an error itself must not go round in circles. */
	CHECK(wr(LVT_ERROR, 0x05));
	CHECK(wr(SELF_IPI, 3));
	CHECK(wr(ESR, 0) && rd(ESR) == 0x60);
}

TEST(lapic_ipis_by_x2apic)
{
	start(4);
	cpu = &vm->vcpu[1];
	CHECK(wr(ICR, 2ULL << 32 | 0x51)); /* fixed, physical 2 */
	CHECK(!irr(0, 0x51) && !irr(1, 0x51) && irr(2, 0x51) && !irr(3, 0x51));
	CHECK(rd(ICR) == (2ULL << 32 | 0x51));
	CHECK(wr(ICR, 0xdULL << 32 | 0x800 | 0x52)); /* logical cluster 0: 0, 2, 3 */
	CHECK(irr(0, 0x52) && !irr(1, 0x52) && irr(2, 0x52) && irr(3, 0x52));
	CHECK(wr(ICR, 0x1000dULL << 32 | 0x800 | 0x53)); /* another cluster */
	for (unsigned i = 0; i < 4; i++)
		CHECK(!irr(i, 0x53));
	CHECK(wr(ICR, 0xffffffffULL << 32 | 0x54)); /* all */
	CHECK(irr(0, 0x54) && irr(1, 0x54) && irr(2, 0x54) && irr(3, 0x54));
	CHECK(wr(ICR, 0x40055)); /* self */
	CHECK(!irr(0, 0x55) && irr(1, 0x55) && !irr(2, 0x55) && !irr(3, 0x55));
	CHECK(wr(ICR, 0x80056)); /* all including self */
	CHECK(irr(0, 0x56) && irr(1, 0x56) && irr(2, 0x56) && irr(3, 0x56));
	CHECK(wr(ICR, 0xc0057)); /* all but self */
	CHECK(irr(0, 0x57) && !irr(1, 0x57) && irr(2, 0x57) && irr(3, 0x57));
	CHECK(wr(ICR, 3ULL << 32 | 0x400)); /* NMI */
	CHECK(vm->vcpu[3].nmis == 1 && vm->vcpu[1].nmis == 0);
	CHECK(wr(ICR, 3ULL << 32 | 0x4500) && wr(ICR, 3ULL << 32 | 0x0500)); /* INIT; de-assert */
	CHECK(vm->vcpu[3].inits == 1);
	CHECK(wr(ICR, 3ULL << 32 | 0x4608)); /* SIPI */
	CHECK(vm->vcpu[3].sipis == 1 && vm->vcpu[3].sipi_vector == 8);
	CHECK(wr(SELF_IPI, 0x58) && irr(1, 0x58) && !irr(0, 0x58));
}

TEST(lapic_x2apic_logical_id)
{
	start(4);
	for (unsigned i = 0; i < 4; i++) {
		cpu = &vm->vcpu[i];
		CHECK(rd(ID) == i && rd(LDR) == 1U << i);
	}
	vlapic_reset(cpu, 0x25, true);
	CHECK(rd(LDR) == (2U << 16 | 1U << 5));
}

TEST(lapic_ipis_by_xapic)
{
	start_mmio(4);
	for (unsigned i = 0; i < 4; i++) {
		vlapic_mmio_write(&vm->vcpu[i], LDR << 4, (1U << i) << 24);
		CHECK(vlapic_mmio_read(&vm->vcpu[i], ID << 4) == i << 24);
	}
	vlapic_mmio_write(cpu, ICR_HIGH << 4, 2U << 24);
	CHECK(vlapic_mmio_read(cpu, ICR_HIGH << 4) == 2U << 24);
	vlapic_mmio_write(cpu, ICR << 4, 0x51);
	CHECK(!irr(0, 0x51) && !irr(1, 0x51) && irr(2, 0x51) && !irr(3, 0x51));
	CHECK(vlapic_mmio_read(cpu, ICR << 4) == 0x51); /* delivery status: idle */
	vlapic_mmio_write(cpu, ICR_HIGH << 4, 0x0aU << 24);
	vlapic_mmio_write(cpu, ICR << 4, 0x852); /* flat logical: 1 and 3 */
	CHECK(!irr(0, 0x52) && irr(1, 0x52) && !irr(2, 0x52) && irr(3, 0x52));
	vlapic_mmio_write(cpu, ICR_HIGH << 4, 0xffU << 24);
	vlapic_mmio_write(cpu, ICR << 4, 0x53);
	CHECK(irr(0, 0x53) && irr(1, 0x53) && irr(2, 0x53) && irr(3, 0x53));
	/* Clusters: 0 and 1 in cluster 1, 2 and 3 in cluster 2. */
	for (unsigned i = 0; i < 4; i++) {
		vlapic_mmio_write(&vm->vcpu[i], DFR << 4, 0);
		CHECK(vlapic_mmio_read(&vm->vcpu[i], DFR << 4) == 0x0fffffff);
		vlapic_mmio_write(&vm->vcpu[i], LDR << 4,
				  (i < 2 ? 0x10U : 0x20U) << 24 | (1U << (i & 1)) << 24);
	}
	vlapic_mmio_write(cpu, ICR_HIGH << 4, 0x22U << 24);
	vlapic_mmio_write(cpu, ICR << 4, 0x854);
	CHECK(!irr(0, 0x54) && !irr(1, 0x54) && !irr(2, 0x54) && irr(3, 0x54));
	vlapic_mmio_write(cpu, ICR_HIGH << 4, 0x13U << 24);
	vlapic_mmio_write(cpu, ICR << 4, 0x855);
	CHECK(irr(0, 0x55) && irr(1, 0x55) && !irr(2, 0x55) && !irr(3, 0x55));
}

TEST(lapic_mmio_masks_what_a_register_does_not_take)
{
	start_mmio(1);
	vlapic_mmio_write(cpu, TPR << 4, 0xffffff20);
	CHECK(vlapic_mmio_read(cpu, TPR << 4) == 0x20);
	vlapic_mmio_write(cpu, LVT_TIMER << 4, 0xfff00040);
	CHECK(vlapic_mmio_read(cpu, LVT_TIMER << 4) == 0x40);
	vlapic_mmio_write(cpu, LVT_LINT0 << 4, 0xffff0700);
	CHECK(vlapic_mmio_read(cpu, LVT_LINT0 << 4) == 0x10700);
	vlapic_mmio_write(cpu, SVR << 4, 0xfffff1ff);
	CHECK(vlapic_mmio_read(cpu, SVR << 4) == 0x1ff);
	vlapic_mmio_write(cpu, DIVIDE << 4, 0xffffffff);
	CHECK(vlapic_mmio_read(cpu, DIVIDE << 4) == 0xb);
	vlapic_accept(cpu, 0x77, false);
	vlapic_take(cpu, 0x77);
	vlapic_mmio_write(cpu, EOI << 4, 0x12345678); /* any value ends it */
	CHECK(vlapic_mmio_read(cpu, (ISR + 3) << 4) == 0);
	vlapic_mmio_write(cpu, VERSION << 4, 0xff);
	CHECK((vlapic_mmio_read(cpu, VERSION << 4) & 0xff) == 0x14);
	CHECK(vlapic_mmio_read(cpu, 0xff0) == 0 && vlapic_mmio_read(cpu, 0) == 0);
}

static bool set_base(uint64_t value)
{
	return vlapic_msr_write(cpu, APIC_BASE, value);
}

TEST(lapic_changes_of_mode)
{
	uint64_t base;

	start(1);
	CHECK(!vlapic_has_mmio(cpu));
	CHECK(!set_base(0xfee00900)); /* x2APIC to xAPIC: not without a detour */
	CHECK(!set_base(0xfee00500)); /* x2APIC without enable */
	CHECK(!set_base(0xfee00d01) && !set_base(0xfee01d00) && !set_base(0x1fee00d00));
	CHECK(set_base(0xfee00d00)); /* as it is */
	CHECK(rd(SVR) == 0x1ff);
	CHECK(wr(LVT_TIMER, BY_DEADLINE | 0x40));
	vlapic_write_tsc_deadline(cpu, 5000);
	CHECK(cpu->armed == 5000);
	CHECK(set_base(0xfee00100)); /* off */
	CHECK(cpu->armed == 0);
	CHECK(!vlapic_has_mmio(cpu) && !readable(ID) && !wr(EOI, 0));
	CHECK(!set_base(0xfee00d00)); /* off to x2APIC */
	CHECK(set_base(0xfee00900));  /* off to xAPIC */
	CHECK(vlapic_has_mmio(cpu) && !readable(ID));
	CHECK(vlapic_mmio_read(cpu, SVR << 4) == 0xff); /* registers are as after reset */
	CHECK(set_base(0xfee00d00));			/* and on */
	CHECK(rd(ID) == 0);
	CHECK(set_base(0xfee00c00)); /* the boot processor stays what it is */
	CHECK(vlapic_msr_read(cpu, APIC_BASE, &base) && base == 0xfee00d00);
}

TEST(lapic_timer_deadline)
{
	uint64_t value = 1;

	start(1);
	vlapic_write_tsc_deadline(cpu, 5000); /* not in that mode: ignored */
	CHECK(cpu->armed == 0);
	CHECK(vlapic_msr_read(cpu, DEADLINE, &value) && value == 0);
	CHECK(wr(LVT_TIMER, BY_DEADLINE | 0x40));
	CHECK(vlapic_msr_write(cpu, DEADLINE, 5000) && cpu->armed == 5000);
	CHECK(vlapic_msr_read(cpu, DEADLINE, &value) && value == 5000);
	CHECK(fake_run_until(vm, 4999) == 0 && vlapic_pending(cpu) == -1);
	CHECK(fake_run_until(vm, 5000) == 1 && vlapic_pending(cpu) == 0x40);
	CHECK(vlapic_msr_read(cpu, DEADLINE, &value) && value == 0);
	CHECK(vlapic_msr_write(cpu, DEADLINE, 9000) && vlapic_msr_write(cpu, DEADLINE, 0));
	CHECK(cpu->armed == 0); /* zero disarms */
	CHECK(wr(INITIAL, 100) && rd(INITIAL) == 0 && rd(CURRENT) == 0 && cpu->armed == 0);
	/* Leaving the mode disarms. */
	CHECK(vlapic_msr_write(cpu, DEADLINE, 20000) && wr(LVT_TIMER, 0x40));
	CHECK(cpu->armed == 0);
	CHECK(vlapic_msr_read(cpu, DEADLINE, &value) && value == 0);
	/* A masked timer expires silently. */
	vlapic_take(cpu, 0x40);
	CHECK(wr(EOI, 0) && wr(LVT_TIMER, BY_DEADLINE | MASKED | 0x40));
	CHECK(vlapic_msr_write(cpu, DEADLINE, 30000));
	CHECK(fake_run_until(vm, 30000) == 1 && vlapic_pending(cpu) == -1);
}

TEST(lapic_timer_one_shot)
{
	static const struct {
		uint8_t code;
		unsigned divisor;
	} divisors[] = { { 0xb, 1 }, { 0, 2 },	{ 1, 4 },  { 2, 8 },
			 { 3, 16 },  { 8, 32 }, { 9, 64 }, { 0xa, 128 } };

	for (unsigned i = 0; i < 8; i++) {
		uint64_t t0, d = divisors[i].divisor;

		start(1);
		t0 = vm->tsc;
		CHECK(wr(DIVIDE, divisors[i].code) && wr(LVT_TIMER, 0x40) && wr(INITIAL, 1000));
		CHECK(rd(CURRENT) == 1000);
		CHECK(fake_run_until(vm, t0 + 400 * d) == 0 && rd(CURRENT) == 600);
		CHECK(fake_run_until(vm, t0 + 1000 * d - 1) == 0 && rd(CURRENT) == 1);
		CHECK(fake_run_until(vm, t0 + 1000 * d) == 1 && rd(CURRENT) == 0);
		CHECK(vlapic_pending(cpu) == 0x40);
		CHECK(fake_run_until(vm, t0 + 100000 * d) == 0 && rd(CURRENT) == 0);
		CHECK(rd(INITIAL) == 1000);
		CHECK(wr(INITIAL, 500) && wr(INITIAL, 0) && cpu->armed == 0);
	}
}

TEST(lapic_timer_divisor_may_change_while_it_counts)
{
	uint64_t t0;

	start(1);
	t0 = vm->tsc;
	CHECK(wr(DIVIDE, 0xb) && wr(LVT_TIMER, 0x40) && wr(INITIAL, 100000));
	CHECK(wr(DIVIDE, 3));
	/* Whatever became of the part that had passed: the interrupt comes when the count is 0. */
	CHECK(fake_run_until(vm, t0 + 1600000 - 16) == 0 && rd(CURRENT) == 1);
	CHECK(fake_run_until(vm, t0 + 1600000) == 1 && rd(CURRENT) == 0);
}

TEST(lapic_timer_periodic)
{
	uint64_t t0;

	start(1);
	t0 = vm->tsc;
	CHECK(wr(DIVIDE, 0xb) && wr(LVT_TIMER, PERIODIC | 0x40) && wr(INITIAL, 10000));
	CHECK(fake_run_until(vm, t0 + 35000) == 3);
	CHECK(rd(CURRENT) == 5000);
	CHECK(cpu->armed == t0 + 40000); /* no drift */
	CHECK(fake_run_until(vm, t0 + 100000) == 7);
	/* A vCPU that was away for long finds one interrupt, and the next a period later. */
	cpu->armed = 0;
	vm->tsc += 1000000;
	vlapic_timer_expired(cpu);
	CHECK(cpu->armed > vm->tsc && cpu->armed <= vm->tsc + 10000);
	CHECK(wr(INITIAL, 0) && cpu->armed == 0);
}

/* A guest that asks for an interrupt each nanosecond does not hold the processor for ever. */
TEST(lapic_timer_period_has_a_floor)
{
	start(1);
	CHECK(wr(DIVIDE, 0xb) && wr(LVT_TIMER, PERIODIC | 0x40) && wr(INITIAL, 1));
	CHECK(fake_run_until(vm, vm->tsc + 1000000) <= 1000);
	CHECK(cpu->armed > vm->tsc);
}

TEST(lapic_level_interrupts_tell_the_ioapic_at_their_end)
{
	start(1);
	vlapic_accept(cpu, 0x61, true);
	CHECK(rd(TMR + 3) == 2);
	vlapic_accept(cpu, 0x61, false); /* the latest kind counts */
	CHECK(rd(TMR + 3) == 0);
}

TEST(lapic_survives_anything)
{
	uint64_t seed = 23, value;

	vm = fake_vm(FAKE_VCPUS, false);
	for (unsigned i = 0; i < 1000000; i++) {
		uint64_t r = unit_random(&seed), s = unit_random(&seed) >> (r >> 40 & 63);

		cpu = &vm->vcpu[r & 3];
		switch (r >> 2 & 7) {
		case 0:
			vlapic_msr_read(cpu, 0x800 + (r >> 8 & 0xff), &value);
			break;
		case 1:
		case 2:
			vlapic_msr_write(cpu, 0x800 + (r >> 8 & 0x3f), s);
			break;
		case 3:
			vlapic_mmio_write(cpu, r >> 8 & 0xfff, (uint32_t)s);
			break;
		case 4:
			vlapic_mmio_read(cpu, r >> 8 & 0xfff);
			break;
		case 5:
			vlapic_msr_write(cpu, r & 256 ? DEADLINE : APIC_BASE,
					 r & 256 ? s : 0xfee00000 | (s & 0xd00));
			break;
		case 6:
			fake_run_until(vm, vm->tsc + (s & 0xffff));
			break;
		default:
			vlapic_deliver(vm, (uint32_t)s, r & 32, r >> 8 & 7, (uint8_t)(r >> 11),
				       r & 64);
			break;
		}
		if (vlapic_pending(cpu) >= 0) {
			CHECK(vlapic_pending(cpu) >= 16);
			vlapic_take(cpu, (uint8_t)vlapic_pending(cpu));
		}
	}
}

UNIT_MAIN
