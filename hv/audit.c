// SPDX-License-Identifier: MIT
#include "hv/audit.h"

#include "hv/panic.h"
#include "hv/percpu.h"
#include "hv/record.h"
#include "hv/stack.h"
#include "hv/vm.h"

/* More would say the same again: one mistake in a table shows in thousands of pages. */
#define MAX_REPORTED 64

static const char *const reason_names[REASON_COUNT] = {
	[REASON_TEXT] = "text",
	[REASON_RODATA] = "rodata",
	[REASON_DATA_GLOBAL] = "data_global",
	[REASON_STATISTICS] = "statistics",
	[REASON_TOPOLOGY] = "topology",
	[REASON_VM_DIRECTORY] = "vm_directory",
	[REASON_FLUSH_BUFFER] = "flush_buffer",
	[REASON_MMIO] = "mmio",
	[REASON_GUEST_RAM] = "guest_ram",
	[REASON_VM_PRIVATE] = "vm_private",
	[REASON_DISK] = "disk",
	[REASON_CPU_LOCAL] = "cpu_local",
};

static unsigned runs; /* audits so far */

static void print_violation(const struct space_violation *v, void *context)
{
	unsigned *reported = context;

	if ((*reported)++ >= MAX_REPORTED)
		return;
	record_begin("audit");
	record_str("violation", v->what);
	if (v->cpu != SPACE_NOBODY)
		record_u64("cpu", v->cpu);
	if (v->vm_id != SPACE_NOBODY)
		record_str("vm", vm_records[v->vm_id].config->name);
	record_hex("address", v->va);
	record_hex("frame", v->hpa.v);
	record_end();
}

/* What is being built or taken down is not reachable by anybody. */
static bool is_built(const struct vm_record *record)
{
	return record->state >= VM_READY;
}

static void audit_everything(struct space_audit *audit)
{
	stack_goes_deep();
	for (unsigned i = 0; i < cpu_count; i++) {
		struct cpu_record *cpu = &cpus[i];

		if (!cpu->percpu)
			continue;
		/* Its owner may be about to change VMs. */
		spinlock_acquire(&cpu->window_lock);
		space_audit_pair(audit, &cpu->pair, (uint16_t)i,
				 cpu->window ? cpu->window->vm_id : SPACE_NOBODY);
		spinlock_release(&cpu->window_lock);
	}
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
		struct vm_record *vm = &vm_records[i];

		/* The lock keeps its memory from growing, and from being taken away. */
		spinlock_acquire(&vm->lock);
		if (is_built(vm)) {
			space_audit_window(audit, &vm->window);
			space_audit_ept(audit, &vm->ept, vm->window.vm_id);
		}
		spinlock_release(&vm->lock);
	}
	__atomic_fetch_add(&runs, 1, __ATOMIC_RELAXED);
}

unsigned audit_run(const char *when)
{
	unsigned reported = 0;
	struct space_audit audit = { .report = print_violation, .context = &reported };

	audit_everything(&audit);
	record_begin("audit");
	record_str("when", when);
	record_u64("violations", audit.violations);
	record_u64("sensitive_bytes", audit.sensitive_bytes);
	record_u64("pages", audit.pages);
	record_u64("cpus", cpu_count);
	record_u64("runs", runs);
	record_object("bytes");
	for (unsigned i = 0; i < REASON_COUNT; i++)
		record_u64(reason_names[i], audit.bytes[i]);
	record_object_end();
	record_end();
	return audit.violations;
}

#ifdef DEBUG_AUDIT
void audit_changed(void)
{
	unsigned reported = 0;
	struct space_audit audit = { .report = print_violation, .context = &reported };

	audit_everything(&audit);
	if (audit.violations)
		panic("the maps have %u violations after a change", audit.violations);
}
#endif
