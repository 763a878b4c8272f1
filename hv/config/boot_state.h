/* SPDX-License-Identifier: MIT */
/* What is kept from the boot: the configuration, its files, and what follows from them for all VMs.
 * Sensitive; full map only. Set once by hv/core/main.c. */
#ifndef HV_BOOT_STATE_H
#define HV_BOOT_STATE_H

#include "boot/boot_info.h"
#include "hv/config/config.h"

enum vm_timer { VM_TIMER_DEADLINE, VM_TIMER_PREEMPTION };

/** The loader's hand-off record, which everything else follows from. */
FULL void boot_state_init(const struct boot_info *info);
FULL const struct boot_info *boot_state_info(void);

/** The file that cloister.conf names @name, or NULL. */
FULL const struct boot_file *boot_state_file(const char *name);

/** Parses cloister.conf; the result, or NULL: there is no such file. */
FULL const struct config *boot_state_parse(void);
/** The configuration as parsed. */
FULL const struct config *boot_state_config(void);

/** The timer that all VMs use; and whether their local APICs are virtualised by the processor where
 * their mode allows it. */
FULL void boot_state_choose(enum vm_timer timer, bool apicv);
FULL enum vm_timer boot_state_timer(void);
FULL bool boot_state_apicv(void);

#endif
