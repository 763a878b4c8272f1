/* unit-sources: drivers/guest/irq/[a-z]*.c drivers/guest/net/[a-z]*.c drivers/guest/virtio/[a-z]*.c drivers/guest/legacy/[a-z]*.c hv/base/print.c hv/base/string.c guest-tests/unit/fake_platform.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/fake_platform.h"
#include "guest-tests/unit/unit.h"

static struct vm *vm;

static uint32_t in(uint16_t port, unsigned size, bool owned)
{
	uint32_t value = 0x5a5a5a5a;

	CHECK(machine_pio_read(&vm->vcpu[0], port, size, &value) == owned);
	return size == 4 ? value : value & ((1U << 8 * size) - 1);
}

static void out(uint16_t port, unsigned size, uint32_t value, bool owned)
{
	CHECK(machine_pio_write(&vm->vcpu[0], port, size, value) == owned);
}

TEST(machine_ports_without_owner_read_as_ones)
{
	static const uint16_t ports[] = { 0,	 0x20,	0x40,  0x60,  0x61,
					  0x2f8, 0x3f7, 0x400, 0xcf7, 0xffff };

	vm = fake_vm(1, true);
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		for (unsigned size = 1; size <= 4; size *= 2) {
			CHECK(in(ports[i], size, false) ==
			      (size == 4 ? UINT32_MAX : (1U << 8 * size) - 1));
			out(ports[i], size, 0x12345678, false);
		}
	CHECK(vm->request == 0);
}

TEST(power_off_is_sleep_type_5_with_enable)
{
	vm = fake_vm(1, true);
	out(VPOWER_SLEEP_CONTROL, 1, 5 << 2, true);	   /* no enable */
	out(VPOWER_SLEEP_CONTROL, 1, 0x20 | 3 << 2, true); /* another type */
	out(VPOWER_SLEEP_STATUS, 1, 0x80, true);	   /* the wake bit is cleared before */
	CHECK(vm->request == 0);
	CHECK(in(VPOWER_SLEEP_CONTROL, 1, true) == 0 && in(VPOWER_SLEEP_STATUS, 1, true) == 0);
	out(VPOWER_SLEEP_CONTROL, 1, 0x20 | 5 << 2, true);
	CHECK(vm->request == VM_REQUEST_POWEROFF);
}

TEST(power_resets)
{
	vm = fake_vm(1, true);
	out(VPOWER_RESET, 1, 2, true);
	CHECK(vm->request == 0);
	out(VPOWER_RESET, 1, 1, true);
	CHECK(vm->request == VM_REQUEST_REBOOT);

	vm = fake_vm(1, true);
	out(0xcf9, 1, 0x02, true); /* what kind of reset; not yet the reset */
	CHECK(vm->request == 0 && in(0xcf9, 1, true) == 0x02);
	out(0xcf9, 1, 0x06, true);
	CHECK(vm->request == VM_REQUEST_REBOOT);

	vm = fake_vm(1, true);
	out(0x64, 1, 0xd1, true); /* another command of the keyboard controller */
	CHECK(vm->request == 0);
	out(0x64, 1, 0xfe, true);
	CHECK(vm->request == VM_REQUEST_REBOOT);
}

static uint32_t config(uint32_t address, unsigned offset, unsigned size)
{
	out(0xcf8, 4, address, true);
	return in((uint16_t)(0xcfc + offset), size, true);
}

TEST(pci_host_bridge)
{
	uint32_t id, class;

	vm = fake_vm(1, true);
	/* How Linux probes the mechanism. */
	out(0xcfb, 1, 0x01, true);
	out(0xcf8, 4, 0x80000000, true);
	CHECK(in(0xcf8, 4, true) == 0x80000000);
	id = config(0x80000000, 0, 4);
	class = config(0x80000008, 0, 4);
	CHECK(id != UINT32_MAX && (id & 0xffff) != 0 && (id & 0xffff) != 0xffff);
	CHECK(class >> 16 == 0x0600);
	CHECK(config(0x80000000, 0, 2) == (id & 0xffff) && config(0x80000000, 2, 2) == id >> 16);
	CHECK(config(0x80000008, 3, 1) == 0x06 && config(0x80000008, 2, 1) == 0x00);
	CHECK(config(0x8000000c, 2, 1) == 0); /* header type: plain, one function */
	for (uint32_t bar = 0x10; bar < 0x28; bar += 4) {
		config(0x80000000 | bar, 0, 4);
		out(0xcfc, 4, UINT32_MAX, true);
		CHECK(config(0x80000000 | bar, 0, 4) == 0); /* no window to place */
	}
	CHECK(config(0x80000034, 0, 1) == 0); /* no capabilities */
}

TEST(pci_has_nothing_else)
{
	vm = fake_vm(1, true);
	for (uint32_t function = 1; function < 0x10000; function++)
		CHECK(config(0x80000000 | function << 8, 0, 4) == UINT32_MAX);
	CHECK(config(0x00000000, 0, 4) == UINT32_MAX); /* mechanism not enabled */
}

TEST(pci_ecam_shows_the_same)
{
	uint64_t value = 0;

	vm = fake_vm(1, true);
	for (unsigned offset = 0; offset < 0x100; offset += 4) {
		CHECK(machine_mmio_read(&vm->vcpu[0], GPA(VPCI_ECAM_BASE + offset), 4, &value));
		CHECK((uint32_t)value == config(0x80000000 | offset, 0, 4));
	}
	CHECK(machine_mmio_read(&vm->vcpu[0], GPA(VPCI_ECAM_BASE + 2), 2, &value));
	CHECK((value & 0xffff) == config(0x80000000, 2, 2));
	CHECK(machine_mmio_read(&vm->vcpu[0], GPA(VPCI_ECAM_BASE + 0x100), 4, &value));
	CHECK((uint32_t)value == 0); /* no extended capabilities */
	for (uint64_t at = 0x1000; at < VPCI_ECAM_SIZE; at += 0x1000) {
		CHECK(machine_mmio_read(&vm->vcpu[0], GPA(VPCI_ECAM_BASE + at), 4, &value));
		CHECK((uint32_t)value == UINT32_MAX);
	}
	CHECK(machine_mmio_write(&vm->vcpu[0], GPA(VPCI_ECAM_BASE), 4, 0));
	CHECK(!machine_mmio_read(&vm->vcpu[0], GPA(VPCI_ECAM_BASE + VPCI_ECAM_SIZE), 4, &value));
}

static void put_bar(unsigned bar, uint32_t base)
{
	machine_mmio_write(&vm->vcpu[0], GPA(VPCI_ECAM_BASE + 0x8000 + 0x10 + 4 * bar), 4, base);
}

/* A BAR decodes within what the bus has, and over nothing else of the machine. */
TEST(bars_lie_over_no_other_device)
{
	static const uint64_t elsewhere[] = { 0,
					      MACHINE_RAM_LOW_END - VIRTIO_BAR_SIZE,
					      VPCI_ECAM_BASE,
					      MACHINE_IOAPIC_BASE,
					      MACHINE_LAPIC_BASE,
					      0xfffff000 };
	uint64_t value;
	uint32_t port;

	vm = fake_vm(1, true);
	virtio_add(vm, VIRTIO_RNG, 0);
	machine_reset(vm);
	CHECK(machine_mmio_read(&vm->vcpu[0], GPA(VPCI_MEMORY_BASE), 4, &value));
	for (unsigned i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		uint32_t unused;

		put_bar(1, (uint32_t)elsewhere[i]);
		CHECK(!vpci_memory(vm, elsewhere[i], false, 4, &unused));
		CHECK(!vpci_memory(vm, elsewhere[i] + VIRTIO_BAR_SIZE - 4, false, 4, &unused));
	}
	/* In x2APIC mode nobody answers at the local APIC's page. */
	put_bar(1, MACHINE_LAPIC_BASE);
	CHECK(!machine_mmio_read(&vm->vcpu[0], GPA(MACHINE_LAPIC_BASE), 4, &value));
	CHECK(!machine_mmio_write(&vm->vcpu[0], GPA(MACHINE_LAPIC_BASE), 4, 0));
	put_bar(1, VPCI_MEMORY_END - VIRTIO_BAR_SIZE);
	CHECK(machine_mmio_read(&vm->vcpu[0], GPA(VPCI_MEMORY_END - 4), 4, &value));

	CHECK(machine_pio_read(&vm->vcpu[0], VPCI_IO_BASE, 2, &port));
	put_bar(0, VUART_BASE & ~15U);
	CHECK(!vpci_io(vm, VUART_BASE, false, &port));
	put_bar(0, VPCI_IO_FIRST - VPCI_NOTIFY_SIZE);
	CHECK(!vpci_io(vm, VPCI_IO_FIRST - 1, false, &port));
	put_bar(0, VPCI_IO_END - VPCI_NOTIFY_SIZE);
	CHECK(machine_pio_read(&vm->vcpu[0], VPCI_IO_END - 2, 2, &port));
}

TEST(machine_memory_without_owner)
{
	uint64_t value = 0;

	vm = fake_vm(1, true);
	CHECK(!machine_mmio_read(&vm->vcpu[0], GPA(0xd0000000), 8, &value) && value == ~0ULL);
	CHECK(!machine_mmio_write(&vm->vcpu[0], GPA(0xd0000000), 8, 0));
	/* In x2APIC mode the registers have left their page. */
	CHECK(!machine_mmio_read(&vm->vcpu[0], GPA(0xfee00030), 4, &value));
	vm = fake_vm(1, false);
	CHECK(machine_mmio_read(&vm->vcpu[0], GPA(0xfee00030), 4, &value));
	CHECK((value & 0xff) == 0x14);
}

/* Whatever a guest does to ports, memory and MSRs, the models stay within their structs. */
TEST(machine_survives_anything)
{
	static const uint64_t bases[] = { 0xfec00000, 0xfee00000, VPCI_ECAM_BASE, 0xd0000000,
					  0xfffffffffffff000 };
	static const uint16_t ports[] = { 0x3f8, 0x70, 0x600, 0xcf8, 0x60, 0xfff8 };
	uint64_t seed = 17;

	vm = fake_vm(FAKE_VCPUS, false);
	for (unsigned i = 0; i < 1000000; i++) {
		uint64_t r = unit_random(&seed), s = unit_random(&seed), wide;
		struct vcpu *v = &vm->vcpu[r & 3];
		gpa_t gpa = GPA(bases[(r >> 3 & 7) % ARRAY_SIZE(bases)] + (s & 0xfff));
		uint16_t port = (uint16_t)(ports[(r >> 3 & 7) % ARRAY_SIZE(ports)] + (s & 7));
		uint32_t narrow;

		switch (r >> 6 & 7) {
		case 0:
			machine_pio_read(v, port, 1U << (r >> 10) % 3, &narrow);
			break;
		case 1:
			machine_pio_write(v, port, 1U << (r >> 10) % 3, (uint32_t)(s >> 8));
			break;
		case 2:
			machine_mmio_read(v, gpa, 1U << (r >> 10 & 3), &wide);
			break;
		case 3:
			machine_mmio_write(v, gpa, 1U << (r >> 10 & 3), s >> 12);
			break;
		case 4:
			vlapic_msr_read(v, 0x800 + (s & 0xff), &wide);
			break;
		case 5:
			vlapic_msr_write(
				v, s & 0x7000 ? 0x800 + (s & 0xff) : (s & 0x8000 ? 0x1b : 0x6e0),
				r & 0x100000 ? s >> 16 & 0x1ff : s >> 16);
			break;
		case 6:
			fake_run_until(vm, vm->tsc + (s & 0xfff));
			break;
		default:
			vuart_receive(vm, (uint8_t)s);
			machine_set_irq(vm, s >> 8 & 31, s >> 16 & 1);
			break;
		}
		if (vlapic_pending(v) >= 16) {
			vlapic_take(v, (uint8_t)vlapic_pending(v));
			if (r & 0x200000)
				vlapic_msr_write(v, 0x80b, 0);
		}
		CHECK(v->lapic.isrv < 256 && v->lapic.isrv >= -1);
	}
}

UNIT_MAIN
