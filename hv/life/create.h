/* SPDX-License-Identifier: MIT */
/* VMs are built, and their memory given back. */
#ifndef HV_CREATE_H
#define HV_CREATE_H

#include "hv/vm/record.h"

/** Builds VM @index of the configuration: memory, tables, devices. Its record's places[][] are set.
 * Its state is the caller's until sched_add(). Says itself what is wrong: -E_NOENT, a disk;
 * -E_INVAL, its kernel's files; -E_NOMEM. */
FULL int vm_create(unsigned index, const struct config_vm *config);

/** Gives all that VM @record has back to the pool, which scrubs it: memory, tables, VMCSs. Nobody
 * uses it any more. Copes with one that is half built. */
FULL void vm_destroy(struct vm_record *record);

#endif
