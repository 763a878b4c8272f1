/* SPDX-License-Identifier: MIT */
/*
 * The end of the boot: what only that needed is unmapped on all CPUs, zeroed and given to the pool.
 * That is the image's parts for the boot (linker.ld), the loader's page tables and its hand-off
 * record. What runs here is none of it. Full map.
 */
#ifndef HV_RELEASE_H
#define HV_RELEASE_H

#include "hv/base/types.h"

/** Another CPU will come to release_wait(): says so before the boot processor goes on. */
FULL void release_expect(void);

/** The end of another CPU's start, on its own stack: waits for the boot to be gone and goes on with
 * what a CPU does between two guests; or, if it @stays_unused, halts for good. */
FULL _Noreturn void release_wait(bool stays_unused);

/** The end of the boot, on the boot processor's idle stack, when all VMs are built: gives its
 * memory away, audits, and begins. */
FULL _Noreturn void release_boot(void);

#endif
