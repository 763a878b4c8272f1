/* SPDX-License-Identifier: MIT */
/* ACPI tables as bytes that nobody trusts; only for drivers/host/acpi*.c. Full map. */
#ifndef DRIVERS_HOST_ACPI_TABLE_H
#define DRIVERS_HOST_ACPI_TABLE_H

#include "hv/base/string.h"
#include "hv/base/types.h"

struct acpi_facts;

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));
static_assert(sizeof(struct acpi_header) == 36, "ACPI 5.2.6");

typedef bool (*acpi_reach_t)(hpa_t hpa, uint64_t size);

static inline uint64_t acpi_get(const void *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

/* No table is longer. */
#define ACPI_MAX_TABLE MIB(1)

/** What acpi_table_at() has seen of the table's length, whatever is said now. */
static inline uint32_t acpi_length(const struct acpi_header *table)
{
	uint32_t length = table->length;

	if (length < sizeof(*table))
		return sizeof(*table);
	return length < ACPI_MAX_TABLE ? length : (uint32_t)ACPI_MAX_TABLE;
}

/** The table at physical @address, all of it readable; NULL if there cannot be one. */
FULL const struct acpi_header *acpi_table_at(uint64_t address, acpi_reach_t reach);

/** Table @index (from 0) of the root table @list, whose entries have @size bytes; NULL: not
 * readable. Sets @end behind the last entry. */
FULL const struct acpi_header *acpi_table(const struct acpi_header *list, unsigned size,
					  unsigned index, acpi_reach_t reach, bool *end);

/** Reads the FADT @fadt into facts->power but for the line, which the MADT tells; looks for S5 in
 * the DSDT and in the SSDTs of @list. */
FULL void acpi_read_fadt(const struct acpi_header *fadt, const struct acpi_header *list,
			 unsigned size, acpi_reach_t reach, struct acpi_facts *facts);

/** Finds the name \_S5 in @size bytes of AML and takes its first two numbers; false: it is not
 * there, or no package of constants. Any bytes are legal. */
FULL bool acpi_find_s5(const uint8_t *aml, uint64_t size, uint8_t type[2]);

#endif
