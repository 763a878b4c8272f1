/* SPDX-License-Identifier: MIT */
/* What the firmware's ACPI tables say about processors and interrupt controllers
 * (ACPI 6.4, 5.2.12). Full map. */
#ifndef DRIVERS_HOST_ACPI_H
#define DRIVERS_HOST_ACPI_H

#include "hv/types.h"

#define ACPI_MAX_CPUS 256

struct acpi_facts {
	unsigned cpu_count; /* usable processors; 0: there is no MADT */
	uint32_t apic_ids[ACPI_MAX_CPUS];
	hpa_t ioapic; /* 0: none listed */
	struct {
		uint32_t gsi;
		bool level_low;
	} isa[16]; /* where the legacy interrupt lines go */
};

/**
 * Reads the tables below @rsdp (0: none). @mapped tells whether memory at an address may be touched
 * at all: tables are not trusted. Always fills @facts with at least the defaults.
 */
void acpi_read(hpa_t rsdp, bool (*mapped)(hpa_t hpa, uint64_t size), struct acpi_facts *facts);

#endif
