/* SPDX-License-Identifier: MIT */
/* The files that a VM begins with, and the program that puts its kernel in place. */
#ifndef HV_LOAD_H
#define HV_LOAD_H

#include "boot/boot_info.h"
#include "hv/vm/record.h"

/** Finds a file of the configuration, named as @what in @line; says itself what is wrong with it.
 */
FULL const struct boot_file *vm_find_file(const struct config_vm *config, const char *what,
					  const char *name, unsigned line);

/**
 * While VM @record is built: gives the guest its kernel and the files that go with it, read-only
 * behind its RAM, and an area of its own at LOADER_BASE. Its EPT is there. -E_INVAL: a file is no
 * good, which is said; -E_NOMEM.
 */
FULL int vm_loader_create(struct vm_record *record);

/** Puts the loader program there as it is before any start, and what it is told (struct
 * loader_boot). Nobody runs the VM. */
FULL void vm_loader_reset(struct vm_record *record);

/** What the program has said of its failure, as printable text. Nobody runs the VM. */
FULL void vm_loader_why(const struct vm_record *record, char *why, size_t size);

/** Gives the area back. Copes with one that is half there, or not at all. */
FULL void vm_loader_destroy(struct vm_record *record);

#endif
