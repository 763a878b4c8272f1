/* SPDX-License-Identifier: MIT */
/* What the firmware's ACPI tables say about processors, interrupt controllers (ACPI 6.4, 5.2.12)
 * and the power button (4.8.3). Full map. */
#ifndef DRIVERS_HOST_ACPI_H
#define DRIVERS_HOST_ACPI_H

#include "hv/base/types.h"

#define ACPI_MAX_CPUS 256

/** A line of the I/O APIC and how it signals. */
struct acpi_line {
	uint32_t gsi;
	bool level, low; /* else edge, active high */
};

/** Ports of the fixed power hardware (PM1, ACPI 6.4 4.8.3) and what goes there; 0: absent. */
struct acpi_power {
	bool usable; /* there is a fixed power button, and the machine can be switched off */
	uint8_t sci; /* its ISA interrupt */
	struct acpi_line line; /* and where that arrives */
	uint16_t smi_command;  /* where acpi_enable is written; 0: ACPI mode is always on */
	uint8_t acpi_enable;
	uint16_t status[2], enable[2], control[2];
	struct {
		uint16_t port, size;
	} gpe[2];	       /* general-purpose events: half status, half enable, bytes */
	uint8_t sleep_type[2]; /* of S5, for each control register */
};

struct acpi_facts {
	const char *fault;  /* why there is no list of processors; NULL: there is one */
	unsigned cpu_count; /* usable processors */
	uint32_t apic_ids[ACPI_MAX_CPUS];
	hpa_t ioapic;		  /* of the first lines; 0: none listed */
	struct acpi_line isa[16]; /* where the legacy interrupt lines go */
	uint8_t nmi_lint;	  /* the pin of the local APICs that NMIs come by */
	struct acpi_power power;
};

/** What acpi_read() found of this machine. */
extern struct acpi_facts acpi_facts;

/**
 * Reads the tables below @rsdp (0: none). @reach tells whether memory at an address may be read,
 * and sees to it that it can: tables are not trusted. Always fills @facts with at least the
 * defaults.
 */
FULL void acpi_read(hpa_t rsdp, bool (*reach)(hpa_t hpa, uint64_t size), struct acpi_facts *facts);

#endif
