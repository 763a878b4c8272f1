// SPDX-License-Identifier: MIT
#include "vmx/exit/wait.h"

#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/platform.h"
#include "hv/asi/asi.h"
#include "hv/asi/stun.h"
#include "hv/base/asm.h"
#include "hv/console/console.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/timer.h"
#include "hv/sched/wake.h"
#include "hv/vm/vm.h"
#include "vmx/vcpu.h"

void vm_print(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	bool done;

	vm_lock(vm);
	done = console_guest_send(&vm->console_out, vm->id);
	vm_unlock(vm);
	if (done && (!vcpu->awaits_room || console_has_room(CONSOLE_FOR_RECORDS))) {
		vcpu->awaits_room = false;
		vcpu->work &= ~(uint32_t)WORK_PRINT;
		return;
	}
	/* A sibling at its gate may be the one that is to send what is waited for. */
	if (stun_keeps_waiting(this_cpu()))
		asi_rest();
	/* The core is somebody else's meanwhile if its slice is over. */
	interrupts_take();
	if (wake_check_slice(rdtsc()))
		timer_program(vcpu);
	if (this_cpu()->asi_state != ASI_FULL)
		asi_wake();
}

/* model: begin: wake_begin_wait(); rest: asi_rest(); wait: interrupts_wait() */
void vcpu_wait(struct vcpu *vcpu)
{
	uint64_t start = rdtsc(), waited;

	/* Its interrupt may be pending on a CPU that gives the vCPU up before it takes any. */
	if (vcpu->timer_deadline && start >= vcpu->timer_deadline) {
		vcpu->timer_deadline = 0;
		vlapic_timer_expired(vcpu);
	}
	if ((vcpu->work & WORK_HALT) && (vcpu->work & WORK_IRQ)) {
		vcpu->work &= ~(uint32_t)WORK_HALT;
		return;
	}
	if ((vcpu->work & WORK_SIPI) && vcpu->sipi_pending) {
		vcpu_start_up(vcpu);
		return;
	}
	vcpu->halted_since = start;
	if (wake_begin_wait(vcpu)) {
		wake_call_scheduler();
	} else {
		timer_program(vcpu);
		asi_rest();
		interrupts_wait();
		asi_wake();
	}
	wake_end_wait(vcpu);
	waited = rdtsc() - start;
	vcpu->halted_since = 0;
	vcpu->stats.halted_ticks += waited;
	vcpu->exit_tsc += (uint32_t)waited; /* sleeping is not work */
}
