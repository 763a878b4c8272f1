/* fuzz-sources: drivers/host/acpi.c drivers/host/acpi_power.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
/* The firmware's tables, of any bytes, the root pointer at the beginning. */
#include "drivers/host/acpi.h"
#include "hv/base/layout.h"

#include <stdlib.h>
#include <string.h>

#define RSDP 16 /* 0 is no address */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

uint8_t *host_test_physmap;
static size_t memory_size;

static bool reach(hpa_t hpa, uint64_t size)
{
	return hpa.v < memory_size && size <= memory_size - hpa.v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct acpi_facts facts;

	memory_size = RSDP + size;
	host_test_physmap = calloc(memory_size, 1);
	memcpy(host_test_physmap + RSDP, data, size);
	acpi_read(HPA(RSDP), reach, &facts);
	if (facts.cpu_count > ACPI_MAX_CPUS || facts.nmi_lint > 1)
		abort();
	free(host_test_physmap);
	return 0;
}
