/* SPDX-License-Identifier: MIT */
/* The machine's I/O APIC: routes the console's interrupt lines. Full map. */
#ifndef DRIVERS_HOST_IOAPIC_H
#define DRIVERS_HOST_IOAPIC_H

#include "hv/types.h"

/** Maps the I/O APIC at @base, masks its lines. 0, or -E_NOENT if none answers there. */
int ioapic_init(hpa_t base);

/** Sends line @pin as @vector to @apic_id. Edge, active high, like ISA lines, unless @level_low. */
void ioapic_route(unsigned pin, uint8_t vector, uint32_t apic_id, bool level_low);

#endif
