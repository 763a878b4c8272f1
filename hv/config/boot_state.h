/* SPDX-License-Identifier: MIT */
/* What is kept from the boot: the configuration, its files, and what follows from them for all VMs.
 * Sensitive; full map only. Set once by hv/core/main.c. */
#ifndef HV_BOOT_STATE_H
#define HV_BOOT_STATE_H

#include "boot/boot_info.h"
#include "hv/config/config.h"

enum vm_timer { VM_TIMER_DEADLINE, VM_TIMER_PREEMPTION };

/** What the loader leaves besides the files, until hv/core/release.h gives it away: the record of
 * its hand-off and page tables. */
#define BOOT_STATE_MAX_LEFT 4

/** What remains known of the loader. */
struct boot_state_loader {
	enum boot_source source;
	uint64_t tsc_start, tsc_handover, tsc_file_ticks; /* as in struct boot_info */
	unsigned left_count;
	struct boot_range left[BOOT_STATE_MAX_LEFT]; /* more stay where they are */
};

/** Keeps what is needed later of the hand-off record @info, which must be of this version. */
FULL void boot_state_init(const struct boot_info *info);
FULL const struct boot_state_loader *boot_state_loader(void);

/** What only the boot needed was given away, so many bytes of it. */
FULL void boot_state_note_freed(uint64_t bytes);
FULL uint64_t boot_state_freed(void);

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
