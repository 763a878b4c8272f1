/* unit-sources: drivers/guest/loader/acpi.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "drivers/guest/loader/acpi.h"
#include "drivers/guest/legacy/machine.h"
#include "guest-tests/unit/unit.h"

/* Offsets by ACPI 6.4. */
enum {
	RSDP_REVISION = 15,
	RSDP_LENGTH = 20,
	RSDP_XSDT = 24,
	TABLE_LENGTH = 4,
	TABLE_REVISION = 8,
	TABLE_HEADER = 36,
	FADT_FIRMWARE_CTRL = 36,
	FADT_DSDT = 40,
	FADT_SCI = 46,
	FADT_CENTURY = 108,
	FADT_BOOT_ARCH = 109,
	FADT_FLAGS = 112,
	FADT_RESET = 116,
	FADT_RESET_VALUE = 128,
	FADT_X_DSDT = 140,
	FADT_SLEEP_CONTROL = 244,
	FADT_SLEEP_STATUS = 256,
	FADT_SIZE = 276,
	MADT_LAPIC = 36,
	MADT_FLAGS = 40,
	MADT_ENTRIES = 44,
	MCFG_BASE = 44,
	MCFG_BUSES = 54,
	MCFG_SIZE = 60,
};

static uint8_t *memory;

static uint64_t get(uint64_t at, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, memory + at, size);
	return value;
}

static bool sums_to_zero(uint64_t at, uint64_t size)
{
	uint8_t sum = 0;

	while (size-- > 0)
		sum = (uint8_t)(sum + memory[at++]);
	return sum == 0;
}

static uint64_t build(unsigned vcpus)
{
	struct loader_ram ram = { .low = MIB(2) };

	free(memory);
	memory = malloc(MIB(1)); /* nothing may be written beyond */
	memset(memory, 0xee, MIB(1));
	ram.base = memory;
	return acpi_build(&ram, vcpus).v;
}

/* Address of the table with this signature in the XSDT; 0: none. */
static uint64_t find(uint64_t rsdp, const char *signature)
{
	uint64_t xsdt = get(rsdp + RSDP_XSDT, 8), length = get(xsdt + TABLE_LENGTH, 4);

	for (uint64_t i = TABLE_HEADER; i < length; i += 8)
		if (!memcmp(memory + get(xsdt + i, 8), signature, 4))
			return get(xsdt + i, 8);
	return 0;
}

static void check_table(uint64_t at, const char *signature, unsigned revision)
{
	uint64_t length = get(at + TABLE_LENGTH, 4);

	CHECK(at >= 0x9fc00 && at + length <= 0xffff0); /* reserved in e820, below the reset code */
	CHECK(at % 4 == 0);
	CHECK(!memcmp(memory + at, signature, 4));
	CHECK(memory[at + TABLE_REVISION] == revision);
	CHECK(length >= TABLE_HEADER && sums_to_zero(at, length));
}

TEST(acpi_root)
{
	uint64_t rsdp = build(1), xsdt = get(rsdp + RSDP_XSDT, 8);

	CHECK(rsdp % 16 == 0 && rsdp >= 0xe0000 && rsdp < MIB(1)); /* where a search finds it */
	CHECK(!memcmp(memory + rsdp, "RSD PTR ", 8));
	CHECK(memory[rsdp + RSDP_REVISION] == 2 && get(rsdp + RSDP_LENGTH, 4) == 36);
	CHECK(sums_to_zero(rsdp, 20) && sums_to_zero(rsdp, 36));
	check_table(xsdt, "XSDT", 1);
	CHECK((get(xsdt + TABLE_LENGTH, 4) - TABLE_HEADER) % 8 == 0);
	CHECK(find(rsdp, "FACP") && find(rsdp, "APIC") && find(rsdp, "MCFG"));
}

static void check_port(uint64_t gas, uint16_t port)
{
	CHECK(memory[gas] == 1 && memory[gas + 1] == 8 && memory[gas + 2] == 0 &&
	      memory[gas + 3] == 1);
	CHECK(get(gas + 4, 8) == port);
}

TEST(acpi_fixed_description)
{
	uint64_t rsdp = build(1), fadt = find(rsdp, "FACP"), flags = get(fadt + FADT_FLAGS, 4);

	check_table(fadt, "FACP", 6);
	CHECK(get(fadt + TABLE_LENGTH, 4) == FADT_SIZE);
	CHECK(flags >> 20 & 1); /* hardware-reduced */
	CHECK(flags >> 10 & 1); /* reset register */
	CHECK((flags & 1) && (flags >> 4 & 1) && (flags >> 5 & 1));
	CHECK(get(fadt + FADT_BOOT_ARCH, 2) == 4); /* no VGA, no 8042; there is a CMOS clock */
	CHECK(get(fadt + FADT_FIRMWARE_CTRL, 4) == 0 && get(fadt + FADT_SCI, 2) == 0);
	CHECK(memory[fadt + FADT_CENTURY] == 0x32);
	check_port(fadt + FADT_RESET, VPOWER_RESET);
	CHECK(memory[fadt + FADT_RESET_VALUE] == VPOWER_RESET_VALUE);
	check_port(fadt + FADT_SLEEP_CONTROL, VPOWER_SLEEP_CONTROL);
	check_port(fadt + FADT_SLEEP_STATUS, VPOWER_SLEEP_STATUS);
	CHECK(get(fadt + FADT_X_DSDT, 8) == get(fadt + FADT_DSDT, 4));
	check_table(get(fadt + FADT_X_DSDT, 8), "DSDT", 2);
}

TEST(acpi_interrupt_controllers)
{
	static const unsigned counts[] = { 1, 2, 7, 64 };

	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		uint64_t rsdp = build(counts[i]), madt = find(rsdp, "APIC");
		uint64_t end = madt + get(madt + TABLE_LENGTH, 4);
		unsigned lapics = 0, ioapics = 0;

		check_table(madt, "APIC", 5);
		CHECK(get(madt + MADT_LAPIC, 4) == MACHINE_LAPIC_BASE);
		CHECK(get(madt + MADT_FLAGS, 4) == 0); /* no 8259 */
		for (uint64_t at = madt + MADT_ENTRIES; at < end; at += memory[at + 1]) {
			CHECK(memory[at + 1] >= 8);
			if (memory[at] == 0) {
				CHECK(memory[at + 1] == 8 && memory[at + 3] == lapics);
				CHECK(get(at + 4, 4) == 1);
				lapics++;
			} else {
				CHECK(memory[at] == 1 && memory[at + 1] == 12);
				CHECK(get(at + 4, 4) == MACHINE_IOAPIC_BASE);
				CHECK(get(at + 8, 4) == 0);
				ioapics++;
			}
		}
		CHECK(lapics == counts[i] && ioapics == 1);
	}
}

TEST(acpi_pci_configuration)
{
	uint64_t rsdp = build(1), mcfg = find(rsdp, "MCFG");

	check_table(mcfg, "MCFG", 1);
	CHECK(get(mcfg + TABLE_LENGTH, 4) == MCFG_SIZE);
	CHECK(get(mcfg + MCFG_BASE, 8) == VPCI_ECAM_BASE);
	CHECK(memory[mcfg + MCFG_BUSES] == 0 && memory[mcfg + MCFG_BUSES + 1] == 0);
	CHECK(VPCI_ECAM_SIZE == MIB(1)); /* a bus */
}

/* Nothing lies in another's bytes, and nothing outside the tables is touched. */
TEST(acpi_tables_do_not_overlap)
{
	uint64_t rsdp = build(64), fadt = find(rsdp, "FACP");
	uint64_t at[] = { rsdp,
			  get(rsdp + RSDP_XSDT, 8),
			  fadt,
			  find(rsdp, "APIC"),
			  find(rsdp, "MCFG"),
			  get(fadt + FADT_X_DSDT, 8) };
	uint64_t length[ARRAY_SIZE(at)];

	for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
		length[i] = i ? get(at[i] + TABLE_LENGTH, 4) : 36;
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
		for (unsigned j = 0; j < i; j++)
			CHECK(at[i] + length[i] <= at[j] || at[j] + length[j] <= at[i]);
	for (uint64_t a = 0; a < MIB(1); a++) {
		bool ours = false;

		for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
			ours |= a >= at[i] && a < at[i] + length[i];
		if (!ours && memory[a] != 0xee) {
			CHECK(!"a byte outside the tables changed");
			return;
		}
	}
}

UNIT_MAIN
