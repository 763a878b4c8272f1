// SPDX-License-Identifier: MIT
#include "drivers/host/ioapic.h"

#include "drivers/hw/ioapic.h"
#include "hv/base/boot.h"
#include "hv/base/errno.h"
#include "mm/space.h"

static volatile uint32_t *registers;
static unsigned pins;

static uint32_t read_register(unsigned index)
{
	registers[IOAPIC_INDEX / 4] = index;
	return registers[IOAPIC_WINDOW / 4];
}

static void write_register(unsigned index, uint32_t value)
{
	registers[IOAPIC_INDEX / 4] = index;
	registers[IOAPIC_WINDOW / 4] = value;
}

BOOT int ioapic_init(hpa_t base)
{
	uint32_t version;

	registers = space_full_mmio(base, PAGE_SIZE, false);
	if (!registers)
		return -E_NOMEM;
	version = read_register(IOAPIC_VERSION);
	if (version == UINT32_MAX || version == 0) {
		registers = NULL;
		return -E_NOENT;
	}
	pins = (version >> 16 & 0xff) + 1;
	for (unsigned pin = 0; pin < pins; pin++)
		write_register(IOAPIC_REDIRECTION + 2 * pin, IOAPIC_ENTRY_MASKED);
	return 0;
}

int ioapic_route(const struct acpi_line *line, uint8_t vector, uint32_t apic_id)
{
	if (!registers || line->gsi >= pins)
		return -E_NOENT;
	write_register(IOAPIC_REDIRECTION + 2 * line->gsi + 1, apic_id << 24);
	write_register(IOAPIC_REDIRECTION + 2 * line->gsi,
		       (uint32_t)(vector | (line->level ? IOAPIC_ENTRY_LEVEL : 0) |
				  (line->low ? IOAPIC_ENTRY_LOW : 0)));
	return 0;
}

void ioapic_mask(const struct acpi_line *line)
{
	if (registers && line->gsi < pins)
		write_register(IOAPIC_REDIRECTION + 2 * line->gsi, IOAPIC_ENTRY_MASKED);
}
