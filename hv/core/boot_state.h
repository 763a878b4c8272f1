/* SPDX-License-Identifier: MIT */
/* What is kept from the boot: the configuration and the files. Sensitive; full map only. */
#ifndef HV_BOOT_STATE_H
#define HV_BOOT_STATE_H

#include "boot/boot_info.h"
#include "hv/config/config.h"
#include "hv/vm/vm.h"

/** The configuration as parsed. */
const struct config *boot_state_config(void);
/** The file that cloister.conf names @name, or NULL. */
const struct boot_file *boot_state_file(const char *name);
/** The timer that all VMs use. */
enum vm_timer boot_state_timer(void);

/** Are the VMs' local APICs virtualised by the processor where their mode allows it? */
bool boot_state_apicv(void);
/** Index of the VM that gets the console's input; -1: none. True if it is the only VM. */
int boot_state_console_vm(void);
void boot_state_set_console_vm(int index);
bool boot_state_single_vm(void);
/** When the first guest is about to run: prints the `boot` record. Does nothing afterwards. */
void boot_state_first_entry(void);

#endif
