// SPDX-License-Identifier: MIT
#include "drivers/guest/loader/acpi.h"

#include "drivers/guest/legacy/machine.h"
#include "gen/dsdt.h"
#include "hv/base/string.h"

#define TABLES 0xe0000 /* where a PC's firmware keeps the RSDP */
#define TABLE_ALIGN 64

struct gas {
	uint8_t space, width, offset, access;
	uint64_t address;
} __attribute__((packed));
#define GAS_PORT(p) ((struct gas){ 1, 8, 0, 1, (p) })

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} __attribute__((packed));
static_assert(sizeof(struct rsdp) == 36, "ACPI 5.2.5.3");

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} __attribute__((packed));
static_assert(sizeof(struct header) == 36, "ACPI 5.2.6");

struct fadt {
	struct header header;
	uint32_t firmware_ctrl, dsdt;
	uint8_t reserved0, profile;
	uint16_t sci;
	uint8_t legacy0[60];
	uint8_t century; /* index of the century in the CMOS clock */
	uint16_t boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct gas reset;
	uint8_t reset_value;
	uint16_t arm_boot;
	uint8_t minor;
	uint64_t x_firmware_ctrl, x_dsdt;
	struct gas legacy1[8];
	struct gas sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));
static_assert(offsetof(struct fadt, century) == 108, "ACPI 5.2.9");
static_assert(offsetof(struct fadt, x_dsdt) == 140, "ACPI 5.2.9");
static_assert(sizeof(struct fadt) == 276, "ACPI 5.2.9");

#define FADT_NO_VGA BIT(2)
#define FADT_WBINVD BIT(0)
#define FADT_C1 BIT(2)
#define FADT_NO_POWER_BUTTON BIT(4)
#define FADT_NO_SLEEP_BUTTON BIT(5)
#define FADT_RESET BIT(10)
#define FADT_HEADLESS BIT(12)
#define FADT_HW_REDUCED BIT(20)
#define CMOS_CENTURY 0x32

struct madt {
	struct header header;
	uint32_t lapic, flags;
} __attribute__((packed));
static_assert(sizeof(struct madt) == 44, "ACPI 5.2.12");

struct madt_lapic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
};

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
};
static_assert(sizeof(struct madt_lapic) == 8 && sizeof(struct madt_ioapic) == 12, "ACPI 5.2.12");

struct mcfg {
	struct header header;
	uint64_t reserved0, base;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint32_t reserved1;
} __attribute__((packed));
static_assert(sizeof(struct mcfg) == 60, "PCI firmware specification 4.1.2");

static uint8_t checksum(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (size-- > 0)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)(0 - sum);
}

static void fill_header(struct header *h, const char *signature, uint8_t revision, uint32_t length)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->signature, signature, 4);
	h->length = length;
	h->revision = revision;
	memcpy(h->oem, "CLOIST", 6);
	memcpy(h->oem_table, "CLOISTER", 8);
	h->oem_revision = 1;
	memcpy(h->creator, "CLST", 4);
	h->creator_revision = 1;
}

/* Copies a finished table behind the others; returns its address. */
static uint64_t place(const struct loader_ram *ram, uint64_t *next, void *table, uint32_t length)
{
	struct header *h = table;
	uint64_t at = *next;

	h->checksum = 0;
	h->checksum = checksum(table, length);
	memcpy(ram->base + at, table, length);
	*next = ALIGN_UP(at + length, TABLE_ALIGN);
	return at;
}

static uint64_t place_fadt(const struct loader_ram *ram, uint64_t *next, uint64_t dsdt)
{
	struct fadt f;

	memset(&f, 0, sizeof(f));
	fill_header(&f.header, "FACP", 6, sizeof(f));
	f.dsdt = (uint32_t)dsdt;
	f.x_dsdt = dsdt;
	f.century = CMOS_CENTURY;
	f.boot_arch = FADT_NO_VGA;
	f.flags = FADT_WBINVD | FADT_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON | FADT_RESET |
		  FADT_HEADLESS | FADT_HW_REDUCED;
	f.reset = GAS_PORT(VPOWER_RESET);
	f.reset_value = VPOWER_RESET_VALUE;
	f.minor = 4;
	f.sleep_control = GAS_PORT(VPOWER_SLEEP_CONTROL);
	f.sleep_status = GAS_PORT(VPOWER_SLEEP_STATUS);
	memcpy(&f.hypervisor, "Cloister", 8);
	return place(ram, next, &f, sizeof(f));
}

static uint64_t place_madt(const struct loader_ram *ram, uint64_t *next, unsigned vcpus)
{
	uint8_t buf[sizeof(struct madt) + 64 * sizeof(struct madt_lapic) +
		    sizeof(struct madt_ioapic)];
	struct madt *m = (struct madt *)buf;
	uint32_t length = sizeof(*m);
	struct madt_ioapic io = { 1, sizeof(io), 0, 0, MACHINE_IOAPIC_BASE, 0 };

	m->lapic = MACHINE_LAPIC_BASE;
	m->flags = 0; /* no 8259 */
	for (unsigned i = 0; i < vcpus && i < 64; i++) {
		struct madt_lapic cpu = { 0, sizeof(cpu), (uint8_t)i, (uint8_t)i, 1 };

		memcpy(buf + length, &cpu, sizeof(cpu));
		length += sizeof(cpu);
	}
	memcpy(buf + length, &io, sizeof(io));
	length += sizeof(io);
	fill_header(&m->header, "APIC", 5, length);
	return place(ram, next, buf, length);
}

static uint64_t place_mcfg(const struct loader_ram *ram, uint64_t *next)
{
	struct mcfg m = { .base = VPCI_ECAM_BASE };

	fill_header(&m.header, "MCFG", 1, sizeof(m));
	return place(ram, next, &m, sizeof(m));
}

gpa_t acpi_build(const struct loader_ram *ram, unsigned vcpus)
{
	struct rsdp rsdp = {
		.signature = "RSD PTR ", .oem = "CLOIST", .revision = 2, .length = sizeof(rsdp)
	};
	uint64_t next = TABLES + TABLE_ALIGN, dsdt, tables[3];
	uint8_t xsdt[sizeof(struct header) + sizeof(tables)];

	dsdt = next;
	memcpy(ram->base + dsdt, dsdt_aml, sizeof(dsdt_aml));
	next = ALIGN_UP(next + sizeof(dsdt_aml), TABLE_ALIGN);
	tables[0] = place_fadt(ram, &next, dsdt);
	tables[1] = place_madt(ram, &next, vcpus);
	tables[2] = place_mcfg(ram, &next);
	fill_header((struct header *)xsdt, "XSDT", 1, sizeof(xsdt));
	memcpy(xsdt + sizeof(struct header), tables, sizeof(tables));
	rsdp.xsdt = place(ram, &next, xsdt, sizeof(xsdt));
	rsdp.checksum = checksum(&rsdp, 20);
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(ram->base + TABLES, &rsdp, sizeof(rsdp));
	return GPA(TABLES);
}
