// SPDX-License-Identifier: MIT
/* A VM on a CPU: its window, and how its vCPUs come to a CPU and leave it. */
#include "hv/core/enter.h"

#include "hv/asi/flush.h"
#include "hv/asi/stun.h"
#include "hv/console/input.h"
#include "hv/cpu/loop.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/timer.h"
#include "hv/life/loading.h"
#include "hv/life/window.h"
#include "hv/sched/mitigation.h"
#include "hv/sched/remote.h"
#include "hv/sched/wake.h"
#include "hv/vm/vcpu.h"
#include "vmx/exit/exit.h"
#include "vmx/vcpu.h"

/* model: work: vcpu->work |= WORK_ASI */
static _Noreturn void vm_enter(struct vm_record *record, unsigned index)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = vcpu_here(index);

	vcpu_load(record, vcpu, vmx_exit_entry_for(flush_actions()));
	vcpu->stats.ibpb += flush_on_vm_switch();
	cpu->vcpu = vcpu;
	wake_attach(vcpu);
	vcpu_take_remote(vcpu);
	timer_program(vcpu);
	if (index == 0 && vcpu->vm->has_console)
		input_route(cpu->id);
	if (flush_actions()->restricts)
		vcpu->work |= WORK_ASI;
	else if (!flush_actions()->stun)
		stun_release(cpu);
	vmx_begin(vcpu);
}

/* model: window: vm_set_window() */
void vm_run(struct vm_record *record, unsigned index)
{
	vm_set_window(&record->window);
	/* The only CPU that has joined it: others do so once it is loading. */
	if (record->state == VM_BEGINNING)
		vm_begin(record);
	else
		vm_enter(record, index);
}
