/* SPDX-License-Identifier: MIT */
/* Bring-up of the processors. Full map, boot processor, once. */
#ifndef HV_SMP_H
#define HV_SMP_H

#include "boot/boot_info.h"
#include "drivers/host/acpi.h"

/** Fills cpus[] with every processor that firmware lists; the boot processor is number 0. Needs
 * lapic_init(). */
FULL void smp_discover(const struct boot_info *bi);

/**
 * Starts all other processors; @boot_cr3 are the loader's tables (below 4 GiB, identity-mapped).
 * Those that do not answer are reported and left out.
 */
FULL void smp_start(uint64_t boot_cr3);

/** Runs on every CPU once its map is in use: APIC, VMX. The sentence that vmx_enable() gives, or
 * NULL. */
FULL const char *smp_init_cpu(unsigned id);

#endif
