// SPDX-License-Identifier: MIT
#include "vmx/exit/host_interrupt.h"

#include "drivers/host/ioapic.h"
#include "drivers/host/lapic.h"
#include "hv/base/asm.h"
#include "hv/console/console.h"
#include "hv/base/global.h"
#include "hv/sched/mitigation.h"
#include "hv/monitor/monitor.h"
#include "hv/health/nmi.h"
#include "hv/cpu/percpu.h"
#include "hv/life/power.h"
#include "hv/core/smp.h"
#include "hv/vm/vm.h"
#include "hv/sched/wake.h"

/* The number of the CPU that takes the machine down, plus one. */
static unsigned stopper GLOBAL_DATA("whether the machine is going down");

void interrupt_call_scheduler(void)
{
	struct percpu *cpu = this_cpu();

	cpu->asked = true;
	cpu->kicked = true; /* model: kicked */
	if (cpu->vcpu)
		cpu->vcpu->work |= WORK_SWITCH; /* model: switch */
}

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
	vcpu_timer_program(vcpu);
}

static inline void take_kick(void)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = cpu->vcpu;

	cpu->kicked = true; /* model: kicked */
	if (!vcpu)
		return;
	if (unlikely(cpu->resched || mitigation_is_changing()))
		vcpu->work |= WORK_SWITCH; /* model: switch */
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
	interrupt_call_scheduler();
}

/* What is typed is the console VM's, so only while that VM is here is it read: another's stack must
 * not hold it. */
static OWN_FRAME void console_interrupt(void)
{
	struct vcpu *vcpu = this_cpu()->vcpu;
	int c;

	if (!vcpu || !vcpu->vm->has_console || monitor_is_open()) {
		leave_input();
		return;
	}
	vm_lock(vcpu->vm);
	while ((c = console_getc()) >= 0 && c != MONITOR_KEY)
		if (!vconsole_receive(vcpu->vm, (uint8_t)c))
			vuart_receive(vcpu->vm, (uint8_t)c);
	vm_unlock(vcpu->vm);
	if (c == MONITOR_KEY) {
		monitor_open();
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
		interrupt_call_scheduler();
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
	unsigned by = __atomic_load_n(&stopper, __ATOMIC_ACQUIRE);

	if (by && by != this_cpu()->id + 1)
		halt_forever();
	nmi_note();
}

void interrupt_stop_others(void)
{
	const struct percpu *self = this_cpu();
	unsigned nobody = 0;

	if (!__atomic_compare_exchange_n(&stopper, &nobody, self->id + 1, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST) &&
	    nobody != self->id + 1)
		halt_forever();
	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i].online && cpus[i].apic_id != self->apic_id)
			lapic_send_nmi(cpus[i].apic_id);
}

void interrupt_route_console(uint32_t apic_id)
{
	enum { ISA_COM1 = 4, ISA_COM2 = 3 };

	ioapic_route(&smp_acpi()->isa[ISA_COM1], HOST_VECTOR_UART, apic_id);
	ioapic_route(&smp_acpi()->isa[ISA_COM2], HOST_VECTOR_UART, apic_id);
}
