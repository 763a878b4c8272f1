/* SPDX-License-Identifier: MIT */
/* The machine's I/O APIC: routes the console's interrupt lines. Full map. */
#ifndef DRIVERS_HOST_IOAPIC_H
#define DRIVERS_HOST_IOAPIC_H

#include "drivers/host/acpi.h"
#include "hv/base/types.h"

/** Maps the I/O APIC at @base, masks its lines. 0, or -E_NOENT if none answers there. */
FULL int ioapic_init(hpa_t base);

/** Sends @line as @vector to @apic_id; -E_NOENT: the I/O APIC lacks it. */
FULL int ioapic_route(const struct acpi_line *line, uint8_t vector, uint32_t apic_id);

/** Lets nothing through from @line any more. */
FULL void ioapic_mask(const struct acpi_line *line);

#endif
