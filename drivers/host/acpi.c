// SPDX-License-Identifier: MIT
#include "drivers/host/acpi.h"

#include "hv/layout.h"
#include "hv/lib/string.h"

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
} __attribute__((packed));
static_assert(offsetof(struct acpi_rsdp, xsdt) == 24, "ACPI 5.2.5.3");

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));
static_assert(sizeof(struct acpi_header) == 36, "ACPI 5.2.6");

#define MAX_TABLE MIB(1)
#define MADT_ENTRIES 44

enum madt_type { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_X2APIC = 9 };
#define MADT_CPU_ENABLED 1

typedef bool (*mapped_t)(hpa_t hpa, uint64_t size);

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static const struct acpi_header *table_at(uint64_t address, mapped_t mapped)
{
	const struct acpi_header *t;

	if (!address || !mapped(HPA(address), sizeof(*t)))
		return NULL;
	t = hpa_to_ptr(HPA(address));
	if (t->length < sizeof(*t) || t->length > MAX_TABLE || !mapped(HPA(address), t->length))
		return NULL;
	return t;
}

static void add_cpu(struct acpi_facts *facts, uint32_t id, uint32_t flags)
{
	if ((flags & MADT_CPU_ENABLED) && facts->cpu_count < ACPI_MAX_CPUS)
		facts->apic_ids[facts->cpu_count++] = id;
}

static void add_override(struct acpi_facts *facts, const uint8_t *e)
{
	if (e[3] < ARRAY_SIZE(facts->isa)) {
		facts->isa[e[3]].gsi = get32(e + 4);
		facts->isa[e[3]].level_low = (e[8] & 15) == 15;
	}
}

static void read_madt(const struct acpi_header *madt, struct acpi_facts *facts)
{
	const uint8_t *base = (const uint8_t *)madt;

	for (uint32_t at = MADT_ENTRIES; at + 2 <= madt->length;) {
		const uint8_t *e = base + at;

		if (e[1] < 2 || at + e[1] > madt->length)
			return;
		if (e[0] == MADT_LAPIC && e[1] >= 8)
			add_cpu(facts, e[3], get32(e + 4));
		else if (e[0] == MADT_X2APIC && e[1] >= 16)
			add_cpu(facts, get32(e + 4), get32(e + 8));
		else if (e[0] == MADT_IOAPIC && e[1] >= 12 && !facts->ioapic.v)
			facts->ioapic = HPA(get32(e + 4));
		else if (e[0] == MADT_OVERRIDE && e[1] >= 10)
			add_override(facts, e);
		at += e[1];
	}
}

void acpi_read(hpa_t rsdp, mapped_t mapped, struct acpi_facts *facts)
{
	const struct acpi_rsdp *root;
	const struct acpi_header *list;
	bool wide;
	unsigned size;

	memset(facts, 0, sizeof(*facts));
	for (unsigned i = 0; i < ARRAY_SIZE(facts->isa); i++)
		facts->isa[i].gsi = i;
	if (!rsdp.v || !mapped(rsdp, sizeof(*root)))
		return;
	root = hpa_to_ptr(rsdp);
	wide = root->revision >= 2 && root->xsdt;
	size = wide ? 8 : 4;
	list = table_at(wide ? root->xsdt : root->rsdt, mapped);
	if (!list)
		return;
	for (uint32_t at = sizeof(*list); at + size <= list->length; at += size) {
		const struct acpi_header *t;
		uint64_t address = 0;

		memcpy(&address, (const uint8_t *)list + at, size);
		t = table_at(address, mapped);
		if (t && !memcmp(t->signature, "APIC", 4))
			read_madt(t, facts);
	}
}
