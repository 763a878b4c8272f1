/* unit-sources: drivers/guest/irq/[a-z]*.c drivers/guest/net/[a-z]*.c drivers/guest/virtio/[a-z]*.c drivers/guest/legacy/[a-z]*.c hv/base/print.c hv/base/string.c guest-tests/unit/fake_platform.c */
/* SPDX-License-Identifier: MIT */
/*
 * The local APIC served in three ways must have one history: by software; by software that gives
 * other vCPUs' interrupts to the guest at once where it can; and by the processor, which a model of
 * SDM 29.2 plays on the page of registers. They live side by side and everything happens to all of
 * them.
 */
#include "guest-tests/unit/fake_platform.h"
#include "guest-tests/unit/unit.h"

enum {
	TPR = 0x08,
	PPR = 0x0a,
	EOI = 0x0b,
	SVR = 0x0f,
	ISR = 0x10,
	TMR = 0x18,
	IRR = 0x20,
	SELF = 0x3f
};
enum { SOFTWARE, AT_ONCE, PROCESSOR, WAYS };

static struct vm *vm;
static uint8_t rvi, svi; /* the processor's own */

static uint32_t *reg(unsigned way, unsigned number)
{
	return &vm->vcpu[way].apic_page[number * 4];
}

static bool get(unsigned way, unsigned first, uint8_t vector)
{
	return *reg(way, first + vector / 32U) >> vector % 32 & 1;
}

static void put(unsigned first, uint8_t vector, bool value)
{
	uint32_t *at = reg(PROCESSOR, first + vector / 32U);

	*at = value ? *at | 1U << vector % 32 : *at & ~(1U << vector % 32);
}

static uint8_t highest(unsigned way, unsigned first)
{
	for (unsigned v = 255; v > 0; v--)
		if (get(way, first, (uint8_t)v))
			return (uint8_t)v;
	return 0;
}

/* PPR virtualisation. */
static void processor_ppr(void)
{
	uint32_t tpr = *reg(PROCESSOR, TPR);

	*reg(PROCESSOR, PPR) = tpr >> 4 >= (uint32_t)svi >> 4 ? tpr : svi & 0xf0U;
}

static bool assisted(void)
{
	return vm->vcpu[PROCESSOR].lapic.assisted;
}

/* Virtual-interrupt delivery. */
static void processor_deliver(int vector)
{
	CHECK(rvi == vector);
	put(ISR, rvi, true);
	put(IRR, rvi, false);
	svi = rvi;
	rvi = highest(PROCESSOR, IRR);
	processor_ppr();
}

/* What the hypervisor does for WORK_IRQ, and VM entry. */
static void enter(void)
{
	if (!assisted())
		return;
	rvi = vlapic_requesting(&vm->vcpu[PROCESSOR].lapic, rvi, svi);
	processor_ppr();
	CHECK(rvi == highest(PROCESSOR, IRR));
}

static void put_down_eoi(uint8_t vector)
{
	if (vector && get(PROCESSOR, TMR, vector))
		vlapic_after_eoi(&vm->vcpu[PROCESSOR], vector);
}

static void processor_eoi(void)
{
	uint8_t vector = svi;

	put(ISR, vector, false);
	svi = highest(PROCESSOR, ISR);
	processor_ppr();
	put_down_eoi(vector);
}

static bool write_all(unsigned number, uint64_t value)
{
	bool ok = true;

	for (unsigned way = 0; way < WAYS; way++)
		if (way != PROCESSOR || !assisted())
			ok &= vlapic_msr_write(&vm->vcpu[way], 0x800 + number, value);
	if (!assisted())
		return ok;
	if (number == EOI) {
		processor_eoi();
	} else if (number == TPR) {
		*reg(PROCESSOR, TPR) = (uint32_t)value;
	} else if (number == SELF) {
		put(IRR, (uint8_t)value, true);
		rvi = (uint8_t)value > rvi ? (uint8_t)value : rvi;
	} else {
		ok &= vlapic_msr_write(&vm->vcpu[PROCESSOR], 0x800 + number, value);
	}
	return ok;
}

/* The guest's interrupts are on: all take the same one, or none. */
static int take_all(void)
{
	int vector = vlapic_pending(&vm->vcpu[SOFTWARE]);

	CHECK(vlapic_pending(&vm->vcpu[AT_ONCE]) == vector);
	CHECK(vlapic_pending(&vm->vcpu[PROCESSOR]) == vector);
	enter();
	for (unsigned way = 0; way < WAYS && vector >= 0; way++)
		if (way != PROCESSOR || !assisted())
			vlapic_take(&vm->vcpu[way], (uint8_t)vector);
	if (!assisted())
		return vector;
	CHECK((rvi >> 4 > *reg(PROCESSOR, PPR) >> 4) == (vector >= 0));
	if (vector >= 0)
		processor_deliver(vector);
	return vector;
}

/* From another vCPU, with the guest's interrupts on. */
static void accept_at_once(uint8_t vector)
{
	int taken = vlapic_accept_and_take(&vm->vcpu[AT_ONCE], vector / 32U, 1U << vector % 32);

	vlapic_accept(&vm->vcpu[SOFTWARE], vector, false);
	vlapic_accept(&vm->vcpu[PROCESSOR], vector, false);
	enter();
	if (taken < 0)
		return;
	CHECK(taken == vector && vlapic_pending(&vm->vcpu[SOFTWARE]) == vector);
	vlapic_take(&vm->vcpu[SOFTWARE], vector);
	if (!assisted()) {
		vlapic_take(&vm->vcpu[PROCESSOR], vector);
	} else {
		enter();
		processor_deliver(vector);
	}
}

static void compare(void)
{
	for (unsigned way = 0; way < WAYS; way++) {
		uint64_t ppr, want;

		for (unsigned i = 0; i < 8; i++) {
			CHECK(*reg(way, ISR + i) == *reg(SOFTWARE, ISR + i));
			CHECK(*reg(way, IRR + i) == *reg(SOFTWARE, IRR + i));
			CHECK(*reg(way, TMR + i) == *reg(SOFTWARE, TMR + i));
		}
		CHECK(*reg(way, TPR) == *reg(SOFTWARE, TPR));
		if (way == PROCESSOR && assisted()) {
			processor_ppr();
			ppr = *reg(PROCESSOR, PPR);
		} else {
			CHECK(vlapic_msr_read(&vm->vcpu[way], 0x800 + PPR, &ppr));
		}
		CHECK(vlapic_msr_read(&vm->vcpu[SOFTWARE], 0x800 + PPR, &want) && ppr == want);
	}
}

static void start(void)
{
	vm = fake_vm(WAYS, true);
	vm->assists = false;
	rvi = svi = 0;
	for (unsigned way = 0; way < WAYS; way++) {
		vm->assists = way == PROCESSOR;
		CHECK(vlapic_msr_write(&vm->vcpu[way], 0x800 + SVR, 0x1ff));
	}
	CHECK(assisted() && !vm->vcpu[SOFTWARE].lapic.assisted);
}

/* SVR takes the page from the processor, or gives it back. */
static void switch_all(bool on)
{
	for (unsigned way = 0; way < WAYS; way++) {
		vm->assists = way == PROCESSOR;
		CHECK(vlapic_msr_write(&vm->vcpu[way], 0x800 + SVR, on ? 0x1ff : 0xff));
	}
	CHECK(assisted() == on);
	rvi = 0;
	svi = highest(PROCESSOR, ISR);
	CHECK(vm->vcpu[PROCESSOR].lapic.isrv == (svi ? svi : -1));
}

TEST(apicv_one_interrupt)
{
	start();
	for (unsigned way = 0; way < WAYS; way++)
		vlapic_accept(&vm->vcpu[way], 0x61, false);
	CHECK(take_all() == 0x61 && svi == 0x61 && rvi == 0);
	compare();
	CHECK(write_all(EOI, 0) && svi == 0);
	compare();
	CHECK(take_all() == -1);
}

TEST(apicv_what_waits_comes_behind_the_eoi_without_an_exit)
{
	start();
	CHECK(write_all(SELF, 0x61) && take_all() == 0x61);
	for (unsigned way = 0; way < WAYS; way++)
		vlapic_accept(&vm->vcpu[way], 0x62, false);
	enter();
	CHECK(rvi == 0x62);
	vm->vcpu[PROCESSOR].notified = 0;
	CHECK(write_all(EOI, 0) && vm->vcpu[PROCESSOR].notified == 0);
	CHECK(rvi >> 4 > *reg(PROCESSOR, PPR) >> 4);
	CHECK(take_all() == 0x62);
}

TEST(apicv_level_vectors_are_told_to_the_ioapic)
{
	struct vlapic *a;

	start();
	a = &vm->vcpu[PROCESSOR].lapic;
	a->tmr_changed = false;
	vlapic_accept(&vm->vcpu[PROCESSOR], 0x45, true);
	CHECK(a->tmr_changed && vlapic_level_vectors(a, 1) == 1ULL << 5);
	a->tmr_changed = false;
	vlapic_accept(&vm->vcpu[PROCESSOR], 0x45, true);
	CHECK(!a->tmr_changed);
	vlapic_accept(&vm->vcpu[PROCESSOR], 0x45, false);
	CHECK(a->tmr_changed && vlapic_level_vectors(a, 1) == 0);
	CHECK(vlapic_level_vectors(a, 0) == 0 && vlapic_level_vectors(a, 3) == 0);
}

/* What the processor reads from the page is what software would say. */
TEST(apicv_registers_lie_in_the_page)
{
	start();
	for (unsigned number = 0; number < 64; number++) {
		uint64_t value;

		if (!(VLAPIC_READABLE >> number & 1) || number == VLAPIC_CURRENT_COUNT)
			continue;
		CHECK(vlapic_msr_read(&vm->vcpu[PROCESSOR], 0x800 + number, &value));
		CHECK(value == (*reg(PROCESSOR, number) |
				(uint64_t)vm->vcpu[PROCESSOR].apic_page[number * 4 + 1] << 32));
	}
	CHECK(*reg(PROCESSOR, 0x02) == PROCESSOR && *reg(PROCESSOR, 0x0d) == 1U << PROCESSOR);
	CHECK(vlapic_msr_write(&vm->vcpu[PROCESSOR], 0x830, 0x0000007700000061));
	CHECK(*reg(PROCESSOR, 0x30) == 0x61 && vm->vcpu[PROCESSOR].apic_page[0x30 * 4 + 1] == 0x77);
}

TEST(apicv_one_history)
{
	uint64_t seed = 7;
	unsigned taken = 0;
	bool on = true;

	start();
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t r = unit_random(&seed);
		uint8_t vector = (uint8_t)(16 + (r >> 16) % 240);

		switch (r % 9) {
		case 0:
		case 1:
			for (unsigned way = 0; way < WAYS; way++)
				vlapic_accept(&vm->vcpu[way], vector, r >> 32 & 1);
			break;
		case 2:
			/* Of TMR the processor knows nothing: a vector of level kind keeps it. */
			if (!get(SOFTWARE, TMR, vector))
				CHECK(write_all(SELF, vector));
			break;
		case 3:
			CHECK(write_all(TPR, r >> 40 & 3 ? 0 : r >> 24 & 0xff));
			break;
		case 4:
		case 5:
			CHECK(write_all(EOI, 0));
			break;
		case 6:
			if (!(r >> 40 & 15))
				switch_all(on = !on);
			break;
		case 7:
			accept_at_once(vector);
			break;
		default:
			taken += take_all() >= 0;
			break;
		}
		if (r >> 50 & 1)
			enter();
		compare();
	}
	CHECK(taken > 1000);
}

UNIT_MAIN
