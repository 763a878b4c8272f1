// SPDX-License-Identifier: MIT
#include "hv/life/window.h"

#include "hv/base/asm.h"
#include "hv/base/spinlock.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/audit.h"
#include "vmx/caps.h"

/* The window's translations, in both of this CPU's address spaces. */
static void flush_window_tlb(const struct percpu *cpu)
{
#ifndef BREAK_keep_translations
	write_cr3(cpu->cr3_restricted & ~CR3_NOFLUSH);
#endif
	write_cr3(cpu->cr3_full & ~CR3_NOFLUSH);
}

void vm_set_window(const struct space_window *window)
{
	struct percpu *cpu = this_cpu();
	struct cpu_record *record = &cpus[cpu->id];

	spinlock_acquire(&record->window_lock);
	space_window_set(&record->pair, window);
	record->window = window;
	spinlock_release(&record->window_lock);
	flush_window_tlb(cpu);
	audit_changed();
}

/* Its frames may be somebody else's right behind. Translations of guest-physical addresses outlast
 * VMCLEAR and everything else but INVEPT (SDM 29.4.3.2). */
void vm_leave_window(void)
{
	vm_set_window(NULL);
	vmx_flush_guest_tlb();
}
