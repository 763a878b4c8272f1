/* SPDX-License-Identifier: MIT */
/* A VM's disks: boot files, and copies of them. */
#ifndef HV_DISK_H
#define HV_DISK_H

#include "hv/vm/record.h"

/** Maps the disks that its configuration names into its window and puts them on its bus. 0, or
 * -E_NOENT and it has said what is wrong. While the VM is built, full map. */
FULL int vm_add_disks(struct vm_record *record);

#endif
