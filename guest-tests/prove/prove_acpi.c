/* prove: drivers/host/acpi.c drivers/host/acpi_power.c */
/* prove-before: guest-tests/prove/physmap.h */
/* prove-options: precision=1 coverage=98 */
/* SPDX-License-Identifier: MIT */
/* Tables of any bytes at any addresses. */
#include "drivers/host/acpi.h"
#include "drivers/host/acpi_table.h"
#include "hv/base/layout.h"

#define MEMORY MIB(2)

/* Twice: Eva knows where a table begins and how long it may be, not where it ends. */
static uint8_t memory[2 * MEMORY];
static int reached;

static bool reach(hpa_t hpa, uint64_t size)
{
	reached = any8 ? 1 : 0;
	return reached;
}

/* Of hv/base/layout.h. */
void *prove_ptr(hpa_t hpa)
{
	/*@ assert reach_was_asked: reached == 1; */
	return memory + any_within(0, MEMORY - 1);
}

void prove(void)
{
	struct acpi_facts facts;

	any_bytes(memory, sizeof(memory));
	acpi_read(HPA(any64), reach, &facts);
}
