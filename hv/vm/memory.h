/* SPDX-License-Identifier: MIT */
/* A VM's RAM: who has its frames, when it gets them, and how it gives them back. */
#ifndef HV_VM_MEMORY_H
#define HV_VM_MEMORY_H

#include "hv/vm/record.h"

/** Does guest memory at @gpa have its frame? The current VM, any map. */
ANY bool vm_is_populated(const struct vm *vm, uint64_t gpa);

/** Takes a frame from the pool for the chunk around @gpa, if it has none; and if the guest is
 * @to_execute from there, lets it. Leaves the restricted map. 0, -E_RANGE or -E_NOMEM. */
ANY int vm_populate(struct vm *vm, gpa_t gpa, bool to_execute);

/** Zeroes free memory, with vm_breathe() in between, until as much is zero as is promised and
 * expected (mm/frames.h). @pledged: some of it to the caller. */
FULL void vm_zero_ahead(bool pledged);

/** Zeroes a piece of the memory of VM @record that @at stands before, and gives it back if it
 * @ends; false: there is none. Nobody runs the VM. */
FULL bool vm_scrub_piece(struct vm_record *record, uint64_t *at, bool ends);

/** Gives VM @record, while it is built, its tables for all of its RAM, and the frames too unless it
 * is lazy. The record's EPT and window are there. 0 or -E_NOMEM. */
FULL int vm_memory_create(struct vm_record *record);

/** Gives back all that vm_memory_create() and vm_populate() took, scrubbed, with vm_breathe() in
 * between. Copes with what is half there. Nobody uses it any more. */
FULL void vm_memory_destroy(struct vm_record *record);

#endif
