/* unit-sources: drivers/guest/irq/[a-z]*.c drivers/guest/net/[a-z]*.c drivers/guest/virtio/[a-z]*.c drivers/guest/legacy/[a-z]*.c hv/base/print.c hv/base/string.c guest-tests/unit/fake_platform.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/fake_platform.h"
#include "guest-tests/unit/unit.h"

#define MASKED 0x10000
#define LEVEL 0x8000
#define REMOTE_IRR 0x4000
#define LOGICAL 0x800

static struct vm *vm;

static uint32_t get(unsigned index)
{
	uint64_t value = 0;

	CHECK(machine_mmio_write(&vm->vcpu[0], GPA(0xfec00000), 4, index));
	CHECK(machine_mmio_read(&vm->vcpu[0], GPA(0xfec00010), 4, &value));
	return (uint32_t)value;
}

static void set(unsigned index, uint32_t value)
{
	CHECK(machine_mmio_write(&vm->vcpu[0], GPA(0xfec00000), 4, index));
	CHECK(machine_mmio_write(&vm->vcpu[0], GPA(0xfec00010), 4, value));
}

static void route(unsigned line, uint32_t low, uint8_t destination)
{
	set(0x11 + 2 * line, (uint32_t)destination << 24);
	set(0x10 + 2 * line, low);
}

/* Every APIC software-enabled, as an operating system leaves it. */
static void start(unsigned vcpus)
{
	vm = fake_vm(vcpus, true);
	for (unsigned i = 0; i < vcpus; i++)
		CHECK(vlapic_msr_write(&vm->vcpu[i], 0x80f, 0x1ff));
}

static bool has(unsigned cpu, uint8_t vector)
{
	return vm->vcpu[cpu].apic_page[(0x20 + vector / 32) * 4] >> vector % 32 & 1;
}

/* The CPU takes the vector and ends it. */
static void serve(unsigned cpu, uint8_t vector)
{
	CHECK(vlapic_pending(&vm->vcpu[cpu]) == vector);
	vlapic_take(&vm->vcpu[cpu], vector);
	CHECK(vlapic_msr_write(&vm->vcpu[cpu], 0x80b, 0));
}

TEST(ioapic_after_reset)
{
	start(1);
	CHECK(get(0) == 0);
	CHECK((get(1) & 0xff) == 0x20);
	CHECK((get(1) >> 16 & 0xff) == 23);
	for (unsigned i = 0; i < 24; i++)
		CHECK(get(0x10 + 2 * i) == MASKED && get(0x11 + 2 * i) == 0);
	CHECK(get(0x10 + 2 * 24) == 0 && get(0xff) == 0);
}

TEST(ioapic_registers_keep_what_they_may)
{
	start(1);
	set(0, 0xffffffff);
	CHECK(get(0) == 0x0f000000);
	set(1, 0);
	CHECK((get(1) & 0xff) == 0x20);
	set(0x12, 0xffffffff);
	set(0x13, 0xffffffff);
	CHECK(get(0x12) == 0x1afff); /* without delivery status and remote IRR */
	CHECK(get(0x13) == 0xff000000);
	set(0x40, 0xffffffff); /* beyond the last line: nothing */
	CHECK(get(0x40) == 0);
}

TEST(ioapic_index_is_a_byte_register_too)
{
	uint64_t value = 0;

	start(1);
	CHECK(machine_mmio_write(&vm->vcpu[0], GPA(0xfec00000), 1, 1));
	CHECK(machine_mmio_read(&vm->vcpu[0], GPA(0xfec00010), 4, &value));
	CHECK((value & 0xff) == 0x20);
	/* A byte of the window is no write. */
	set(0x10, MASKED | 0x40);
	CHECK(machine_mmio_write(&vm->vcpu[0], GPA(0xfec00010), 1, 0));
	CHECK(get(0x10) == (MASKED | 0x40));
}

TEST(ioapic_edge_is_the_change)
{
	start(1);
	route(5, 0x45, 0);
	machine_set_irq(vm, 5, true);
	CHECK(has(0, 0x45));
	serve(0, 0x45);
	machine_set_irq(vm, 5, true); /* still up */
	CHECK(!has(0, 0x45));
	machine_set_irq(vm, 5, false);
	machine_set_irq(vm, 5, true);
	CHECK(has(0, 0x45));
	CHECK(!(get(0x10 + 2 * 5) & REMOTE_IRR));
}

TEST(ioapic_mask_holds_back)
{
	start(1);
	route(5, MASKED | 0x45, 0);
	machine_set_irq(vm, 5, true);
	CHECK(!has(0, 0x45));
	machine_set_irq(vm, 5, false);
	route(5, 0x45, 0);
	CHECK(!has(0, 0x45)); /* the edge is lost */
	machine_set_irq(vm, 5, true);
	CHECK(has(0, 0x45));
}

TEST(ioapic_level_repeats_until_the_line_falls)
{
	start(1);
	route(9, LEVEL | 0x59, 0);
	machine_set_irq(vm, 9, true);
	CHECK(get(0x10 + 2 * 9) & REMOTE_IRR);
	machine_set_irq(vm, 9, true);
	vlapic_take(&vm->vcpu[0], 0x59);
	CHECK(!has(0, 0x59));
	CHECK(vlapic_msr_write(&vm->vcpu[0], 0x80b, 0)); /* the broadcast finds the line up */
	CHECK(has(0, 0x59));
	machine_set_irq(vm, 9, false);
	serve(0, 0x59);
	CHECK(!has(0, 0x59));
	CHECK(!(get(0x10 + 2 * 9) & REMOTE_IRR));
}

TEST(ioapic_masked_level_comes_when_unmasked)
{
	start(1);
	route(9, MASKED | LEVEL | 0x59, 0);
	machine_set_irq(vm, 9, true);
	CHECK(!has(0, 0x59));
	set(0x10 + 2 * 9, LEVEL | 0x59);
	CHECK(has(0, 0x59));
}

TEST(ioapic_has_an_eoi_register)
{
	start(1);
	route(9, LEVEL | 0x59, 0);
	machine_set_irq(vm, 9, true);
	machine_set_irq(vm, 9, false);
	CHECK(get(0x10 + 2 * 9) & REMOTE_IRR);
	CHECK(machine_mmio_write(&vm->vcpu[0], GPA(0xfec00040), 4, 0x58));
	CHECK(get(0x10 + 2 * 9) & REMOTE_IRR);
	CHECK(machine_mmio_write(&vm->vcpu[0], GPA(0xfec00040), 4, 0x59));
	CHECK(!(get(0x10 + 2 * 9) & REMOTE_IRR));
}

/* The older way of an operating system to end one: to edge and back. */
TEST(ioapic_switch_to_edge_clears_remote_irr)
{
	start(1);
	route(9, LEVEL | 0x59, 0);
	machine_set_irq(vm, 9, true);
	set(0x10 + 2 * 9, MASKED | 0x59);
	CHECK(get(0x10 + 2 * 9) == (MASKED | 0x59));
	set(0x10 + 2 * 9, MASKED | LEVEL | 0x59);
	CHECK(!(get(0x10 + 2 * 9) & REMOTE_IRR));
}

TEST(ioapic_destinations)
{
	start(4);
	route(1, 0x41, 2); /* physical */
	machine_set_irq(vm, 1, true);
	CHECK(!has(0, 0x41) && !has(1, 0x41) && has(2, 0x41) && !has(3, 0x41));
	route(2, LOGICAL | 0x42, 0x0a); /* logical: 1 and 3 */
	machine_set_irq(vm, 2, true);
	CHECK(!has(0, 0x42) && has(1, 0x42) && !has(2, 0x42) && has(3, 0x42));
	route(3, LOGICAL | 0x100 | 0x43, 0x0c); /* lowest priority: one of 2 and 3 */
	machine_set_irq(vm, 3, true);
	CHECK(!has(0, 0x43) && !has(1, 0x43) && has(2, 0x43) + has(3, 0x43) == 1);
	route(4, 0x44, 0xff); /* everybody */
	machine_set_irq(vm, 4, true);
	CHECK(has(0, 0x44) && has(1, 0x44) && has(2, 0x44) && has(3, 0x44));
	route(5, 0x400, 3); /* NMI */
	machine_set_irq(vm, 5, true);
	CHECK(vm->vcpu[3].nmis == 1 && vm->vcpu[0].nmis == 0);
	route(6, 0x46, 9); /* nobody */
	machine_set_irq(vm, 6, true);
	for (unsigned i = 0; i < 4; i++)
		CHECK(!has(i, 0x46));
}

TEST(ioapic_ignores_lines_that_it_lacks)
{
	start(1);
	machine_set_irq(vm, 24, true);
	machine_set_irq(vm, 255, true);
	machine_set_irq(vm, UINT32_MAX, true);
	CHECK(vm->machine.ioapic.levels == 0);
}

TEST(ioapic_survives_anything)
{
	uint64_t seed = 11, value;

	start(4);
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t r = unit_random(&seed);
		struct vcpu *v = &vm->vcpu[r & 3];
		gpa_t gpa = GPA(0xfec00000 + (r >> 8 & (r & 64 ? 0x50 : 0xfff)));
		unsigned size = 1U << (r >> 4 & 3);

		switch (r >> 2 & 3) {
		case 0:
			machine_set_irq(vm, r >> 32 & 31, r >> 40 & 1);
			break;
		case 1:
			machine_mmio_read(v, gpa, size, &value);
			break;
		default:
			machine_mmio_write(v, gpa, size, r >> 24);
			break;
		}
		if (vlapic_pending(v) >= 0) {
			vlapic_take(v, (uint8_t)vlapic_pending(v));
			vlapic_msr_write(v, 0x80b, 0);
		}
		for (unsigned j = 0; j < 24; j++)
			CHECK((vm->machine.ioapic.redirection[j] & ~0xff0000000001ffffULL) == 0);
	}
}

UNIT_MAIN
