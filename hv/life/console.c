// SPDX-License-Identifier: MIT
/* Whose the console is: all VMs' line by line, with the input to one of them; or one VM's alone. */
#include "hv/base/spinlock.h"
#include "hv/config/config.h"
#include "hv/console/input.h"
#include "hv/life/life.h"
#include "hv/vm/record.h"
#include "hv/vm/vm.h"

/* Sensitive; the monitor's lock guards it. */
static int attached = -1; /* has the console to itself; -1: nobody */

/* Of a VM that has memory: the lock keeps it there. */
static void assign(const struct vm_record *record)
{
	int index = (int)(record - vm_records);
	struct vm *vm = record->vm;

	vm->has_console = input_vm() == index;
	vm->console_view = vm_is_single() ? VM_VIEW_RAW : VM_VIEW_LINES;
	if (attached >= 0)
		vm->console_view = attached == index ? VM_VIEW_RAW : VM_VIEW_HIDDEN;
}

void vm_console_assign(struct vm_record *record)
{
	spinlock_acquire(&record->lock);
	assign(record);
	spinlock_release(&record->lock);
}

void vm_console_give(int index)
{
	__atomic_store_n(&attached, index, __ATOMIC_SEQ_CST);
	if (index >= 0)
		input_give_to_vm(index);
	vm_console_refresh();
	/* Its CPU reads, and may run it for a long time without a change. */
	if (index >= 0 && vm_records[index].cpu[0] != VM_NO_CPU)
		input_route(vm_records[index].cpu[0]);
}

void vm_console_refresh(void)
{
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
		struct vm_record *record = &vm_records[i];

		spinlock_acquire(&record->lock);
		if (record->state >= VM_READY)
			assign(record);
		spinlock_release(&record->lock);
	}
}
