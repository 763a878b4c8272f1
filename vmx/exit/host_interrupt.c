// SPDX-License-Identifier: MIT
#include "vmx/exit/host_interrupt.h"

#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/legacy/uart.h"
#include "drivers/guest/platform.h"
#include "drivers/guest/virtio/virtio.h"
#include "drivers/host/lapic.h"
#include "hv/base/asm.h"
#include "hv/console/console.h"
#include "hv/console/input.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/timer.h"
#include "hv/health/nmi.h"
#include "hv/life/power.h"
#include "hv/sched/mitigation.h"
#include "hv/sched/remote.h"
#include "hv/sched/wake.h"
#include "hv/vm/vcpu.h"

/* Keeps interrupt_handle() free of registers to save that only one case needs: an IPI of a guest's
 * comes this way, and is measured in instructions. */
#define OWN_FRAME __attribute__((noinline))

static OWN_FRAME void timer_interrupt(void)
{
	struct vcpu *vcpu = this_cpu()->vcpu;
	uint64_t now = rdtsc();

	wake_check_slice(now);
	if (vcpu && vcpu->timer_deadline && now >= vcpu->timer_deadline) {
		vcpu->timer_deadline = 0;
		vlapic_timer_expired(vcpu);
	}
	if (vcpu && vcpu->net_deadline && now >= vcpu->net_deadline) {
		vcpu->net_deadline = 0;
		vcpu->work |= WORK_NET;
	}
	/* Of deadline and time slice the other one is still to come, and a timer without
	 * TSC-deadline may be early. */
	timer_program(vcpu);
}

/* model: kicked: cpu->kicked = true; switch: vcpu->work |= WORK_SWITCH */
static inline void take_kick(void)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = cpu->vcpu;

	cpu->kicked = true;
	if (!vcpu)
		return;
	if (unlikely(cpu->resched || mitigation_is_changing()))
		vcpu->work |= WORK_SWITCH;
	vcpu_take_remote(vcpu);
}

void interrupt_take_kick(void)
{
	take_kick();
}

/* The scheduler reads, or brings the VM that does. Until then the UART keeps what is typed, and its
 * interrupt is off. */
static void leave_input(void)
{
	console_set_input(false);
	this_cpu()->input_waits = true;
	wake_call_scheduler();
}

/* What is typed is the console VM's, so only while that VM is here is it read: another's stack must
 * not hold it. */
static OWN_FRAME void console_interrupt(void)
{
	struct vcpu *vcpu = this_cpu()->vcpu;
	int c;

	if (!vcpu || !vcpu->vm->has_console || input_is_monitors()) {
		leave_input();
		return;
	}
	vm_lock(vcpu->vm);
	while ((c = console_getc()) >= 0 && c != MONITOR_KEY)
		if (!vconsole_receive(vcpu->vm, (uint8_t)c))
			vuart_receive(vcpu->vm, (uint8_t)c);
	vm_unlock(vcpu->vm);
	if (c == MONITOR_KEY) {
		input_give_to_monitor(true);
		leave_input();
	}
}

void interrupt_handle(uint8_t vector)
{
	switch (vector) {
	case HOST_VECTOR_TIMER:
		timer_interrupt();
		break;
	case HOST_VECTOR_UART:
		console_interrupt();
		break;
	case HOST_VECTOR_KICK:
		take_kick();
		break;
	case HOST_VECTOR_WAKE:
		wake_interrupt();
		break;
	case HOST_VECTOR_SCI:
		power_interrupt();
		break;
	case HOST_VECTOR_REPORT:
		wake_call_scheduler();
		break;
	case HOST_VECTOR_SPURIOUS: /* has no EOI */
		return;
	default: /* a stun: the exit was the acknowledgement */
		break;
	}
	lapic_eoi();
}

/* The CPU that takes the machine down goes on: an NMI from outside may come at the last line, too.
 */
void interrupt_handle_nmi(void)
{
	if (ipi_another_stops())
		halt_forever();
	nmi_note();
}
