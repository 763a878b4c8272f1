// SPDX-License-Identifier: MIT
/* A guest's RAM as device models and exit handlers reach it (drivers/guest/platform.h), in the
 * window. Restricted map. */
#include "drivers/guest/platform.h"
#include "hv/base/layout.h"
#include "hv/vm/memory.h"
#include "hv/vm/vm.h"

bool vm_is_populated(const struct vm *vm, uint64_t gpa)
{
	uint64_t chunk = gpa / VM_POPULATE_CHUNK;

	return vm->populated[chunk / 8] >> (chunk % 8) & 1;
}

/* A guest's pointer may lead to memory that it has not touched yet: it gets its frames now. */
static bool populate_range(struct vm *vm, uint64_t gpa, uint64_t len)
{
	for (uint64_t at = ALIGN_DOWN(gpa, VM_POPULATE_CHUNK); at < gpa + len;
	     at += VM_POPULATE_CHUNK)
		if (!vm_is_populated(vm, at) && vm_populate(vm, GPA(at), false))
			return false;
	return true;
}

void *vm_ram(struct vm *vm, gpa_t gpa, uint64_t len)
{
	uint64_t end = gpa.v + len;
	bool low = end <= vm->ram_low;
	bool high = gpa.v >= GIB(4) && end <= GIB(4) + vm->ram_high;

	if (unlikely(end < gpa.v || !(low || high)))
		return NULL;
	if (unlikely(vm->lazy) && !populate_range(vm, gpa.v, len))
		return NULL;
	return (void *)(GUEST_BASE + gpa.v);
}

uint8_t *vm_ram_flat(struct vm *vm, uint64_t *size)
{
	*size = vm->lazy ? 0 : vm->ram_low;
	return (uint8_t *)GUEST_BASE;
}
