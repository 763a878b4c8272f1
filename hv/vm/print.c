// SPDX-License-Identifier: MIT
#include "hv/vm/print.h"

#include "drivers/guest/platform.h"
#include "hv/console/console.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/vcpu.h"

static void flush_line(struct vm *vm)
{
	if (vm->console_view != VM_VIEW_HIDDEN)
		console_guest_line(&vm->console_out, vm->name, vm->id, vm->console_line,
				   vm->console_length);
	vm->console_length = 0;
}

void vm_leave_console(struct vm *vm, bool ends)
{
	vm_lock(vm);
	if (ends && vm->console_length)
		flush_line(vm);
	console_guest_leave(&vm->console_out, vm->id, ends);
	vm_unlock(vm);
}

void vm_console_write(struct vm *vm, uint8_t byte)
{
	if (vm->console_view == VM_VIEW_RAW) {
		if (likely(!vm->console_out.length) && console_guest_putc((char)byte))
			return;
		console_guest_add(&vm->console_out, vm->id, (char)byte);
		this_cpu()->vcpu->work |= WORK_PRINT;
		return;
	}
	if (byte == '\r')
		return;
	/* What would move the cursor, or the operator's eye, is shown as what it is. */
	if ((byte < ' ' && byte != '\n' && byte != '\t') || byte == 0x7f) {
		vm->console_line[vm->console_length++] = '^';
		byte ^= 0x40;
	}
	if (byte != '\n')
		vm->console_line[vm->console_length++] = (char)byte;
	if (byte == '\n' || vm->console_length >= CONSOLE_GUEST_LINE - 1) {
		flush_line(vm);
		this_cpu()->vcpu->work |= WORK_PRINT;
	}
}

bool vm_console_ready(const struct vm *vm)
{
	if (vm->console_view == VM_VIEW_RAW)
		return !vm->console_out.length && console_guest_room();
	return vm->console_view == VM_VIEW_HIDDEN || console_guest_fits(&vm->console_out);
}
