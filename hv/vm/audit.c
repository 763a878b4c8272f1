// SPDX-License-Identifier: MIT
#include "hv/vm/audit.h"

#include "hv/base/errno.h"
#include "hv/base/panic.h"
#include "hv/base/spinlock.h"
#include "hv/config/config.h"
#include "hv/console/record.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/vm/breathe.h"
#include "hv/vm/record.h"

/* More would say the same again: one mistake in a table shows in thousands of pages. */
#define MAX_REPORTED 64

#define REASON_TEXT_OF(name, text, why) text,
static const char *const reason_names[] = { SPACE_REASONS(REASON_TEXT_OF) };

static unsigned runs; /* audits so far */

/* What a vCPU of each VM has begun, by its VM's lock. That of an earlier start is forgotten. */
static struct guest_audit {
	struct audit audit;
	uint32_t start;
	unsigned vcpu;
	bool under_way;
	bool looked; /* at all, so that it is to be reported */
} guest_audits[CONFIG_MAX_VMS];

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

static bool audit_cpu(struct audit *audit, unsigned id)
{
	struct cpu_record *cpu = &cpus[id];
	bool done;

	if (!cpu->percpu)
		return true;
	/* Its owner may be about to change VMs. */
	spinlock_acquire(&cpu->window_lock);
	done = space_audit_pair(&audit->space, &cpu->pair, (uint16_t)id,
				cpu->window ? cpu->window->vm_id : SPACE_NOBODY);
	spinlock_release(&cpu->window_lock);
	return done;
}

static bool audit_vm(struct audit *audit, struct vm_record *vm, bool guest)
{
	bool done = true;

	/* The lock keeps its memory from growing, and from being taken away. */
	spinlock_acquire(&vm->lock);
	if (is_built(vm))
		done = guest ? space_audit_ept(&audit->space, &vm->ept, vm->window.vm_id)
			     : space_audit_window(&audit->space, &vm->window);
	spinlock_release(&vm->lock);
	return done;
}

/* The CPUs, then each VM's window and its EPT. */
static bool is_at_end(const struct audit *audit)
{
	return audit->step == cpu_count + 2 * CONFIG_MAX_VMS;
}

static bool go_on(struct audit *audit)
{
	unsigned step = audit->step - cpu_count;

	if (audit->step < cpu_count)
		return audit_cpu(audit, audit->step);
	return audit_vm(audit, &vm_records[step / 2], step % 2);
}

bool audit_piece(struct audit *audit)
{
	bool done = true;

	stack_goes_deep();
	audit->space.report = print_violation;
	audit->space.context = &audit->reported;
	audit->space.spent = 0;
	while (done && !is_at_end(audit) && !space_audit_is_spent(&audit->space)) {
		done = go_on(audit);
		audit->step += done;
	}
	return is_at_end(audit);
}

unsigned audit_report(const struct audit *audit, const char *when)
{
	const struct space_audit *space = &audit->space;
	unsigned number = __atomic_add_fetch(&runs, 1, __ATOMIC_RELAXED);

	record_begin("audit");
	record_str("when", when);
	record_u64("violations", space->violations);
	record_u64("sensitive_bytes", space->sensitive_bytes);
	record_u64("pages", space->pages);
	record_u64("cpus", cpu_count);
	record_u64("runs", number);
	record_object("bytes");
	for (unsigned i = 0; i < REASON_COUNT; i++)
		record_u64(reason_names[i], space->bytes[i]);
	record_object_end();
	record_end();
	return space->violations;
}

unsigned audit_run(const char *when)
{
	struct audit audit = { .space.pause_after = AUDIT_PIECE };
	bool done;

	do {
		done = audit_piece(&audit);
		vm_breathe();
	} while (!done);
	return audit_report(&audit, when);
}

int audit_for_guest(unsigned vm, unsigned vcpu, bool *done)
{
	struct vm_record *record = &vm_records[vm];
	struct guest_audit *mine = &guest_audits[vm];
	unsigned violations;
	bool begun, may;

	*done = true;
	spinlock_acquire(&record->lock);
	begun = mine->under_way && mine->start == record->starts;
	may = !begun || mine->vcpu == vcpu;
	if (!begun)
		*mine = (struct guest_audit){ .audit.space.pause_after = AUDIT_PIECE,
					      .start = record->starts,
					      .vcpu = vcpu,
					      .under_way = true };
	spinlock_release(&record->lock);
	if (!may)
		return -E_BUSY;
	*done = mine->looked;
	if (!mine->looked) {
		mine->looked = audit_piece(&mine->audit);
		return 0;
	}
	violations = audit_report(&mine->audit, "hypercall");
	/* Not before: another vCPU may begin one there. */
	spinlock_acquire(&record->lock);
	mine->under_way = false;
	spinlock_release(&record->lock);
	return (int)violations;
}

#ifdef DEBUG_AUDIT
void audit_changed(void)
{
	struct audit audit = { 0 };

	audit_piece(&audit);
	__atomic_fetch_add(&runs, 1, __ATOMIC_RELAXED);
	if (audit.space.violations)
		panic("the maps have %u violations after a change", audit.space.violations);
}
#endif
