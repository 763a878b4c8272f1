// SPDX-License-Identifier: MIT
#include "hv/core/release.h"

#include "drivers/host/lapic.h"
#include "hv/base/asm.h"
#include "hv/config/boot_state.h"
#include "hv/console/console.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/loop.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/sched/sched.h"
#include "hv/vm/audit.h"
#include "hv/vm/breathe.h"
#include "hv/vm/record.h"
#include "mm/frames.h"
#include "mm/space.h"

static bool unmapped;	 /* whoever waits is to forget the boot */
static unsigned waiting; /* CPUs that have not done so */

/* All that this CPU knows of page tables, under every PCID: a change of CR4.PGE does that (SDM
 * 4.10.4.1). */
static void forget_translations(void)
{
	uint64_t cr4 = read_cr4();

	write_cr4(cr4 ^ CR4_PGE);
	write_cr4(cr4);
}

void release_expect(void)
{
	__atomic_fetch_add(&waiting, 1, __ATOMIC_SEQ_CST);
}

_Noreturn void release_wait(bool stays_unused)
{
	/* The interrupt that ends the wait is sent when the word is written. */
	while (!__atomic_load_n(&unmapped, __ATOMIC_SEQ_CST))
		interrupts_wait();
#ifndef BREAK_keep_boot
	forget_translations();
#endif
	__atomic_fetch_sub(&waiting, 1, __ATOMIC_SEQ_CST);
	if (stays_unused)
		halt_forever();
	cpu_loop();
}

static void make_all_forget(void)
{
	__atomic_store_n(&unmapped, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i].percpu && i != this_cpu()->id)
			lapic_send(cpus[i].apic_id, HOST_VECTOR_KICK);
	forget_translations();
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST))
		cpu_relax();
}

static void free_boot(void)
{
	const struct boot_state_loader *loader = boot_state_loader();
	bool gone = !space_boot_unmap();
	uint64_t freed;

	make_all_forget();
	if (!gone) {
		console_error(
			"too little memory for a page table: what only the boot needed stays");
		return;
	}
	freed = space_boot_free();
	for (unsigned i = 0; i < loader->left_count; i++)
		freed += frames_give_boot(HPA(loader->left[i].base), loader->left[i].size);
	boot_state_note_freed(freed);
	audit_changed();
}

_Noreturn void release_boot(void)
{
	const struct config *config = boot_state_config();

	stack_goes_deep();
	free_boot();
	if (audit_run("boot"))
		console_error(
			"the address spaces are not as they should be: see the audit records");
	if (!vm_is_single())
		console_queue_output();
	sched_replace(!config->smt_off);
	vm_others_run();
	for (unsigned i = 0; i < config->vm_count; i++)
		if (vm_records[i].state == VM_READY)
			sched_add(i);
	cpu_loop();
}
