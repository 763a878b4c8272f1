/* SPDX-License-Identifier: MIT */
/* The files that a VM begins with. */
#ifndef HV_LOAD_H
#define HV_LOAD_H

#include "drivers/guest/firmware/loader.h"
#include "boot/boot_info.h"
#include "hv/vm/record.h"

/** Finds a file of the configuration, named as @what in @line; says itself what is wrong with it.
 */
const struct boot_file *vm_find_file(const struct config_vm *config, const char *what,
				     const char *name, unsigned line);

/** Puts the VM's kernel and the files that go with it into its memory, which is current; *entry is
 * for its first vCPU. Says itself what is wrong. Full map. 0 or a negative error. */
int vm_load_kernel(const struct vm_record *record, struct loader_entry *entry);

#endif
