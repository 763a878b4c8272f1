// SPDX-License-Identifier: MIT
#include "drivers/host/acpi.h"

#include "drivers/host/acpi_table.h"
#include "hv/base/layout.h"

struct acpi_facts acpi_facts;

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

#define MADT_ENTRIES 44

enum madt_type {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_NMI = 4,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};
#define MADT_CPU_ENABLED 1

/* MPS INTI flags, ACPI 6.4 table 5.26: polarity and trigger, two bits each; 0 is as the bus has it.
 */
enum { INTI_MASK = 3, INTI_TRIGGER_SHIFT = 2 };
enum { INTI_HIGH = 1, INTI_LOW = 3, INTI_EDGE = 1, INTI_LEVEL = 3 };

const struct acpi_header *acpi_table_at(uint64_t address, acpi_reach_t reach)
{
	const struct acpi_header *t;

	if (!address || !reach(HPA(address), sizeof(*t)))
		return NULL;
	t = hpa_to_ptr(HPA(address));
	if (t->length < sizeof(*t) || t->length > ACPI_MAX_TABLE || !reach(HPA(address), t->length))
		return NULL;
	return t;
}

const struct acpi_header *acpi_table(const struct acpi_header *list, unsigned size, unsigned index,
				     acpi_reach_t reach, bool *end)
{
	uint64_t at = sizeof(*list) + (uint64_t)index * size;

	*end = true;
	if (at + size > acpi_length(list))
		return NULL;
	*end = false;
	return acpi_table_at(acpi_get((const uint8_t *)list + at, size), reach);
}

static void add_cpu(struct acpi_facts *facts, uint32_t id, uint32_t flags)
{
	if ((flags & MADT_CPU_ENABLED) && facts->cpu_count < ACPI_MAX_CPUS)
		facts->apic_ids[facts->cpu_count++] = id;
}

/* The power button's interrupt is one of these lines, but level and low where nothing is said. */
static void add_override(struct acpi_facts *facts, const uint8_t *e)
{
	unsigned polarity = e[8] & INTI_MASK, trigger = e[8] >> INTI_TRIGGER_SHIFT & INTI_MASK;
	uint32_t gsi = (uint32_t)acpi_get(e + 4, 4);

	if (e[3] < ARRAY_SIZE(facts->isa))
		facts->isa[e[3]] =
			(struct acpi_line){ gsi, trigger == INTI_LEVEL, polarity == INTI_LOW };
	if (facts->power.usable && e[3] == facts->power.sci)
		facts->power.line =
			(struct acpi_line){ gsi, trigger != INTI_EDGE, polarity != INTI_HIGH };
}

static void read_madt(const struct acpi_header *madt, struct acpi_facts *facts)
{
	const uint8_t *base = (const uint8_t *)madt;
	uint32_t length = acpi_length(madt);

	for (uint32_t at = MADT_ENTRIES; at + 2 <= length;) {
		const uint8_t *e = base + at;

		if (e[1] < 2 || at + e[1] > length)
			return;
		if (e[0] == MADT_LAPIC && e[1] >= 8)
			add_cpu(facts, e[3], (uint32_t)acpi_get(e + 4, 4));
		else if (e[0] == MADT_X2APIC && e[1] >= 16)
			add_cpu(facts, (uint32_t)acpi_get(e + 4, 4), (uint32_t)acpi_get(e + 8, 4));
		else if (e[0] == MADT_IOAPIC && e[1] >= 12 &&
			 (!facts->ioapic.v || !acpi_get(e + 8, 4)))
			facts->ioapic = HPA(acpi_get(e + 4, 4));
		else if (e[0] == MADT_OVERRIDE && e[1] >= 10)
			add_override(facts, e);
		else if (e[0] == MADT_LAPIC_NMI && e[1] >= 6)
			facts->nmi_lint = e[5] & 1;
		else if (e[0] == MADT_X2APIC_NMI && e[1] >= 9)
			facts->nmi_lint = e[8] & 1;
		at += e[1];
	}
}

/* The list of tables, whose entries have @size bytes; NULL, and facts->fault says why not. */
static const struct acpi_header *read_root(hpa_t rsdp, acpi_reach_t reach, unsigned *size,
					   struct acpi_facts *facts)
{
	const struct acpi_rsdp *root;
	const struct acpi_header *list;
	bool wide;

	facts->fault = "there are none";
	if (!rsdp.v || !reach(rsdp, sizeof(*root)))
		return NULL;
	root = hpa_to_ptr(rsdp);
	wide = root->revision >= 2 && root->xsdt;
	*size = wide ? 8 : 4;
	list = acpi_table_at(wide ? root->xsdt : root->rsdt, reach);
	facts->fault = list ? "none of them lists the processors"
			    : "their root table is no table, or lies in memory that is in use";
	return list;
}

void acpi_read(hpa_t rsdp, acpi_reach_t reach, struct acpi_facts *facts)
{
	const struct acpi_header *list, *madt = NULL;
	unsigned size;
	bool end = false;

	memset(facts, 0, sizeof(*facts));
	facts->nmi_lint = 1;
	for (unsigned i = 0; i < ARRAY_SIZE(facts->isa); i++)
		facts->isa[i].gsi = i;
	list = read_root(rsdp, reach, &size, facts);
	if (!list)
		return;
	for (unsigned i = 0; !end; i++) {
		const struct acpi_header *t = acpi_table(list, size, i, reach, &end);

		if (t && !memcmp(t->signature, "APIC", 4))
			madt = t;
		else if (t && !memcmp(t->signature, "FACP", 4))
			acpi_read_fadt(t, list, size, reach, facts);
	}
	if (!madt)
		return;
	read_madt(madt, facts);
	if (facts->cpu_count)
		facts->fault = NULL;
}
