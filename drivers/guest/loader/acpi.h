/* SPDX-License-Identifier: MIT */
/* The ACPI tables of a guest: RSDP, XSDT, FADT (hardware-reduced), MADT, DSDT; ACPI 6.4. */
#ifndef DRIVERS_GUEST_ACPI_H
#define DRIVERS_GUEST_ACPI_H

#include "drivers/guest/loader/loader.h"

/** Writes the tables for @vcpus processors below 1 MiB; returns the RSDP's address. */
gpa_t acpi_build(const struct loader_ram *ram, unsigned vcpus);

#endif
