// SPDX-License-Identifier: MIT
#include "hv/life/leave.h"

#include "drivers/host/lapic.h"
#include "hv/asi/asi.h"
#include "hv/base/spinlock.h"
#include "hv/cpu/loop.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/life/life.h"
#include "hv/sched/remote.h"
#include "hv/sched/wake.h"
#include "hv/vm/print.h"
#include "hv/vm/record.h"
#include "hv/vm/vm.h"
#include "vmx/vcpu.h"

/* On the idle stack, which does not lie in the window that is about to vanish. */
/* model:
 * detach: wake_detach(); work: vcpu->work &= ~(uint32_t)(WORK_SWITCH | WORK_ASI);
 * vcpu: cpu->vcpu = NULL
 */
static void after_leave(void)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = cpu->vcpu;

	lapic_arm(0);
	wake_detach(vcpu);
	vcpu->work &= ~(uint32_t)(WORK_SWITCH | WORK_ASI);
	cpu->vcpu = NULL;
	vm_part(&vm_records[vcpu->vm->id]);
	cpu_loop();
}

/* The guest's state goes where it belongs while this is still the vCPU's own stack: none of it
 * comes to the idle one. */
static _Noreturn void detach(struct vcpu *vcpu)
{
	vm_leave_console(vcpu->vm, false);
	vcpu_unload(&vm_records[vcpu->vm->id], vcpu);
	cpu_switch_stack((void *)PERCPU_IDLE_STACK_TOP, after_leave);
	__builtin_unreachable();
}

/* model: full: asi_exit() */
void vm_yield(struct vcpu *vcpu)
{
	asi_exit(ASI_CAUSE_SCHEDULE);
	detach(vcpu);
}

void vm_leave(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct vm_record *record;
	bool first;

	asi_exit(ASI_CAUSE_VM_STATE);
	record = &vm_records[vm->id];
	spinlock_acquire(&record->lock);
	first = record->state == VM_LIVE || record->state == VM_LOADING;
	record->load_failed |= record->state == VM_LOADING && vm->stop_reason;
	record->state = VM_ENDING;
	spinlock_release(&record->lock);
	for (unsigned i = 0; first && i < vm->vcpu_count; i++)
		if (vcpu_here(i) != vcpu)
			vcpu_post_stop(vcpu_here(i));
	detach(vcpu);
}
