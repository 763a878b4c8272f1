/* unit-sources: drivers/host/acpi.c drivers/host/acpi_power.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "drivers/host/acpi.h"
#include "drivers/host/acpi_table.h"
#include "guest-tests/unit/unit.h"
#include "hv/base/layout.h"

/* The firmware's memory: tables one behind the other, each on an address of its own; nothing may be
 * read outside of it. */
#define MEMORY KIB(64)
#define RSDP 0x100
#define FIRST 0x1000

uint8_t *host_test_physmap;
static struct acpi_facts facts;
static uint64_t next;	  /* where the next table goes */
static uint64_t roots[8]; /* addresses for the root table */
static unsigned root_count;
static uint64_t out_of_reach; /* a page that may not be read; 0: none */

static bool reach(hpa_t hpa, uint64_t size)
{
	if (hpa.v >= MEMORY || size > MEMORY - hpa.v)
		return false;
	return !out_of_reach || hpa.v + size <= out_of_reach || hpa.v >= out_of_reach + PAGE_SIZE;
}

static void put(uint64_t at, uint64_t value, unsigned size)
{
	memcpy(host_test_physmap + at, &value, size);
}

static void seal(uint64_t at, uint64_t length)
{
	uint8_t sum = 0;

	put(at + 4, length, 4);
	host_test_physmap[at + 9] = 0;
	for (uint64_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + host_test_physmap[at + i]);
	host_test_physmap[at + 9] = (uint8_t)-sum;
}

/* An empty table, named in the root table if @listed. */
static uint64_t table(const char *signature, uint64_t length, bool listed)
{
	uint64_t at = next;

	next += ALIGN_UP(length, 16);
	memset(host_test_physmap + at, 0, length);
	memcpy(host_test_physmap + at, signature, 4);
	if (listed)
		roots[root_count++] = at;
	seal(at, length);
	return at;
}

static void start(void)
{
	free(host_test_physmap);
	host_test_physmap = malloc(MEMORY);
	memset(host_test_physmap, 0xee, MEMORY);
	next = FIRST;
	root_count = 0;
	out_of_reach = 0;
}

/* Writes the root pointer and the root table, and reads. */
static void read_all(bool wide)
{
	unsigned size = wide ? 8 : 4;
	uint64_t list = table(wide ? "XSDT" : "RSDT", 36 + size * root_count, false);

	for (unsigned i = 0; i < root_count; i++)
		put(list + 36 + size * i, roots[i], size);
	seal(list, 36 + size * root_count);
	memset(host_test_physmap + RSDP, 0, 36);
	memcpy(host_test_physmap + RSDP, "RSD PTR ", 8);
	host_test_physmap[RSDP + 15] = wide ? 2 : 0;
	put(RSDP + (wide ? 24 : 16), list, wide ? 8 : 4);
	acpi_read(HPA(RSDP), reach, &facts);
}

/* A MADT of these entries. */
static uint64_t madt(const uint8_t *entries, unsigned size)
{
	uint64_t at = table("APIC", 44 + size, true);

	memcpy(host_test_physmap + at + 44, entries, size);
	seal(at, 44 + size);
	return at;
}

static const uint8_t four_cpus[] = {
	1, 12, 0,   0, 0,  0, 0xc0, 0xfe, 0,  0, 0, 0, /* I/O APIC at 0xfec00000, lines from 0 */
	0, 8,  0,   0, 1,  0, 0,    0,		       /* processors 0, 2, */
	0, 8,  1,   2, 1,  0, 0,    0,		       /* */
	0, 8,  2,   4, 0,  0, 0,    0,		       /* 4 is not usable, */
	0, 8,  3,   6, 1,  0, 0,    0,		       /* 6 */
	9, 16, 0,   0, 44, 1, 0,    0,	  1,  0, 0, 0, 4, 0, 0, 0, /* and 300 */
	2, 10, 0,   4, 17, 0, 0,    0,	  15, 0,		   /* COM1: level, low */
	2, 10, 0,   9, 9,  0, 0,    0,	  13, 0,		   /* SCI: level, high */
	4, 6,  255, 0, 0,  0,					   /* NMIs by LINT0 */
};

/* The FADT of QEMU's q35, as far as we read it, with @aml for its DSDT. */
static uint64_t fadt(const void *aml, unsigned aml_size, unsigned length)
{
	uint64_t dsdt = table("DSDT", 36 + aml_size, false), at = table("FACP", length, true);

	memcpy(host_test_physmap + dsdt + 36, aml, aml_size);
	seal(dsdt, 36 + aml_size);
	put(at + 40, dsdt, 4);
	put(at + 46, 9, 2);
	put(at + 48, 0xb2, 4);
	put(at + 52, 2, 1);
	put(at + 56, 0x600, 4);
	put(at + 64, 0x604, 4);
	put(at + 80, 0x620, 4);
	put(at + 88, 4, 1);
	put(at + 89, 2, 1);
	put(at + 92, 16, 1);
	seal(at, length);
	return at;
}

static const uint8_t s5[] = { 0x10, 0x08, '_', 'S', '5', '_', 0x12, 0x06, 4, 0x0a, 5, 1, 0, 0 };

TEST(processors_and_lines)
{
	for (unsigned wide = 0; wide < 2; wide++) {
		start();
		madt(four_cpus, sizeof(four_cpus));
		read_all(wide);
		CHECK(!facts.fault && facts.cpu_count == 4);
		CHECK(facts.apic_ids[0] == 0 && facts.apic_ids[1] == 2);
		CHECK(facts.apic_ids[2] == 6 && facts.apic_ids[3] == 300);
		CHECK(facts.ioapic.v == 0xfec00000);
		CHECK(facts.isa[4].gsi == 17 && facts.isa[4].level && facts.isa[4].low);
		CHECK(facts.isa[9].gsi == 9 && facts.isa[9].level && !facts.isa[9].low);
		CHECK(facts.isa[3].gsi == 3 && !facts.isa[3].level && !facts.isa[3].low);
		CHECK(facts.nmi_lint == 0 && !facts.power.usable);
	}
}

TEST(the_io_apic_of_the_first_lines_is_taken)
{
	static const uint8_t entries[] = { 1, 12, 0, 0, 0, 0, 0xc1, 0xfe, 24, 0, 0, 0,
					   1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0,  0, 0, 0 };

	start();
	madt(entries, sizeof(entries));
	read_all(true);
	CHECK(facts.ioapic.v == 0xfec00000);
}

TEST(what_cannot_be_used_is_said)
{
	acpi_read(HPA(0), reach, &facts);
	CHECK(facts.fault && facts.cpu_count == 0 && facts.nmi_lint == 1 && facts.isa[4].gsi == 4);

	start();
	read_all(true);
	CHECK(facts.fault && strstr(facts.fault, "none of them"));

	start();
	madt(four_cpus, 12);
	read_all(true);
	CHECK(facts.fault && strstr(facts.fault, "none of them"));

	/* The tables lie where nothing may be read, */
	start();
	madt(four_cpus, sizeof(four_cpus));
	out_of_reach = FIRST;
	read_all(true);
	CHECK(facts.fault && strstr(facts.fault, "root table") && facts.cpu_count == 0);

	/* or nowhere at all. */
	start();
	memset(host_test_physmap + RSDP, 0xff, 36);
	acpi_read(HPA(RSDP), reach, &facts);
	CHECK(facts.fault && strstr(facts.fault, "root table"));
}

TEST(lengths_are_bounded)
{
	uint64_t at;

	/* A table that is longer than what can be read, one without its header, and a good one. */
	start();
	put(madt(four_cpus, sizeof(four_cpus)) + 4, MEMORY, 4);
	put(madt(four_cpus, sizeof(four_cpus)) + 4, 35, 4);
	read_all(true);
	CHECK(facts.fault && facts.cpu_count == 0);
	/* Entries that end behind the table, or have no length. */
	start();
	at = madt(four_cpus, 28);
	put(at + 4, 44 + 27, 4);
	read_all(true);
	CHECK(facts.cpu_count == 1);
	start();
	at = madt(four_cpus, sizeof(four_cpus));
	host_test_physmap[at + 44 + 13] = 0;
	read_all(true);
	CHECK(facts.cpu_count == 0);
}

TEST(power_button)
{
	for (unsigned wide = 0; wide < 2; wide++) {
		const struct acpi_power *p = &facts.power;

		start();
		fadt(s5, sizeof(s5), wide ? 244 : 116);
		madt(four_cpus, sizeof(four_cpus));
		read_all(wide);
		CHECK(p->usable && p->sci == 9 && p->smi_command == 0xb2 && p->acpi_enable == 2);
		CHECK(p->line.gsi == 9 && p->line.level && !p->line.low);
		CHECK(p->status[0] == 0x600 && p->enable[0] == 0x602 && p->control[0] == 0x604);
		CHECK(!p->status[1] && !p->enable[1] && !p->control[1]);
		CHECK(p->gpe[0].port == 0x620 && p->gpe[0].size == 16 && !p->gpe[1].port);
		CHECK(p->sleep_type[0] == 5 && p->sleep_type[1] == 1);
	}
}

TEST(power_button_without_an_override)
{
	start();
	fadt(s5, sizeof(s5), 116);
	read_all(false);
	CHECK(facts.power.usable && facts.fault);
	CHECK(facts.power.line.gsi == 9 && facts.power.line.level && facts.power.line.low);
}

TEST(power_button_at_wide_addresses)
{
	uint64_t at;

	start();
	at = fadt(s5, sizeof(s5), 276);
	put(at + 148, 0x1001002001, 6); /* ports, 32 bits wide */
	put(at + 152, 0x1800, 8);
	put(at + 172, 1, 1);
	put(at + 176, 0x1804, 8);
	put(at + 184, 1, 1);
	put(at + 188, 0x1904, 8);
	seal(at, 276);
	read_all(true);
	CHECK(facts.power.usable && facts.power.status[0] == 0x1800);
	CHECK(facts.power.control[0] == 0x1804 && facts.power.control[1] == 0x1904);
	/* In memory: that is not supported. */
	put(at + 148, 0, 1);
	seal(at, 276);
	acpi_read(HPA(RSDP), reach, &facts);
	CHECK(!facts.power.usable);
}

/* Does a FADT with @value of @size bytes at @offset give no button? */
static bool refused_with(unsigned offset, uint64_t value, unsigned size)
{
	uint64_t at;

	start();
	at = fadt(s5, sizeof(s5), 244);
	put(at + offset, value, size);
	seal(at, 244);
	read_all(true);
	return !facts.power.usable;
}

TEST(no_power_button)
{
	CHECK(!refused_with(112, 0, 4));
	CHECK(refused_with(112, 1 << 4, 4));  /* the button is a device */
	CHECK(refused_with(112, 1 << 20, 4)); /* there is no fixed hardware */
	CHECK(refused_with(88, 2, 1));
	CHECK(refused_with(89, 1, 1));
	CHECK(refused_with(56, 0, 4));
	CHECK(refused_with(64, 0x10000, 4));
	CHECK(refused_with(40, 0, 4));
	CHECK(refused_with(40, MEMORY - 8, 4));
	/* A sum that is not right. */
	start();
	put(fadt(s5, sizeof(s5), 244) + 200, 1, 1);
	read_all(true);
	CHECK(!facts.power.usable);
	/* A table that is too short. */
	start();
	fadt(s5, sizeof(s5), 112);
	read_all(true);
	CHECK(!facts.power.usable);
}

TEST(s5_is_in_an_ssdt)
{
	uint64_t at;

	start();
	fadt("none", 4, 244);
	at = table("SSDT", 36 + sizeof(s5), true);
	memcpy(host_test_physmap + at + 36, s5, sizeof(s5));
	seal(at, 36 + sizeof(s5));
	read_all(true);
	CHECK(facts.power.usable && facts.power.sleep_type[0] == 5);
}

/* The values found in a copy of @aml with nothing behind it; 0x100: none. */
static unsigned found(const void *aml, unsigned size)
{
	uint8_t *copy = malloc(size), type[2] = { 0x55, 0x55 };
	bool is = (memcpy(copy, aml, size), acpi_find_s5(copy, size, type));

	free(copy);
	return is ? type[0] * 16U + type[1] : 0x100;
}

#define FOUND(text) found(text, sizeof(text) - 1)

TEST(s5_in_aml)
{
	CHECK(FOUND("\x10\x08_S5_\x12\x06\x04\x0a\x05\x0a\x06\x00\x00") == 0x56);
	CHECK(FOUND("\x08\\_S5_\x12\x06\x04\x00\x00\x00\x00") == 0);
	CHECK(FOUND("\x10\x08_S5_\x12\x46\x00\x04\x01\x0a\x07") == 0x17); /* a longer length */
	CHECK(FOUND("\x10\x08_S5_\x12\x06\x01\x0b\x03\xff") == 0x30);
	CHECK(FOUND("\x10\x08_S5_\x12\x06\x02\x0c\x02\x00\x00\x00\x01") == 0x21);
	CHECK(FOUND("\x10\x08_S5_\x12\x06\x02\x0a\xff\x0a\x0f") == 0x77);
	/* A mention before the definition. */
	CHECK(FOUND("xx_S5_\x12\x06\x01\x01\x10\x08_S5_\x12\x06\x01\x0a\x02") == 0x20);
	CHECK(FOUND("\x10\x08_S5_\x12\x06\x00\x01\x01") == 0x100);
	CHECK(FOUND("\x10\x08_S5_\x12\x06\x02\x01NAME") == 0x100);
	CHECK(FOUND("\x10\x08_S4_\x12\x06\x02\x01\x01") == 0x100);
	CHECK(FOUND("\x10\x14_S5_\x12\x06\x02\x01\x01") == 0x100);
}

TEST(s5_is_cut_off)
{
	static const char whole[] = "\x10\x08_S5_\x12\x06\x04\x0a\x05\x0c\x06\x00\x00\x00";

	for (unsigned size = 0; size < sizeof(whole) - 1; size++)
		CHECK(found(whole, size) == 0x100);
	CHECK(found(whole, sizeof(whole) - 1) == 0x56);
}

/* Any bytes, whole tables of them too: nothing is read that may not be. */
TEST(garbage)
{
	uint64_t seed = 11;

	for (unsigned i = 0; i < 3000; i++) {
		start();
		fadt(s5, sizeof(s5), 244);
		madt(four_cpus, sizeof(four_cpus));
		for (unsigned n = 0; n < 8; n++)
			host_test_physmap[FIRST + unit_random(&seed) % (next - FIRST)] =
				(uint8_t)unit_random(&seed);
		if (i % 2) { /* with sums that are right */
			seal(roots[0], acpi_get(host_test_physmap + roots[0] + 4, 4) % 300);
			seal(roots[1], acpi_get(host_test_physmap + roots[1] + 4, 4) % 300);
		}
		read_all(i % 3);
		CHECK(facts.cpu_count <= 16);
	}
}

UNIT_MAIN
