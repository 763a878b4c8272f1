/* SPDX-License-Identifier: MIT */
#ifndef HV_BASE_BOOT_H
#define HV_BASE_BOOT_H

/**
 * A function that nothing calls once guests run. Its code is unmapped and its memory given away
 * before that (hv/core/release.h), as are whole files that linker.ld names; tools/check-boot proves
 * that nothing else refers to it. The UEFI loader, which is a program of its own, has no such part.
 */
#ifdef CLOISTER_LOADER
#define BOOT
#else
#define BOOT __attribute__((section(".boot.text")))
#endif

#endif
