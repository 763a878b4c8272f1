// SPDX-License-Identifier: MIT
#include "hv/interrupt.h"

#include "drivers/host/ioapic.h"
#include "drivers/host/lapic.h"
#include "hv/asm.h"
#include "hv/console.h"
#include "hv/global.h"
#include "hv/percpu.h"
#include "hv/smp.h"
#include "hv/vm.h"

static bool stopping GLOBAL_DATA("whether the machine is going down");

static void timer_interrupt(void)
{
	struct vcpu *vcpu = this_cpu()->vcpu;

	if (!vcpu || !vcpu->timer_deadline)
		return;
	/* A timer without TSC-deadline may be early. */
	if (rdtsc() < vcpu->timer_deadline) {
		lapic_arm(vcpu->timer_deadline);
		return;
	}
	vcpu->timer_deadline = 0;
	vlapic_timer_expired(vcpu);
}

/* Everything that has arrived goes to the VM that has the console; while its FIFO is full, the rest
 * waits in ours. */
static void console_interrupt(void)
{
	struct vcpu *vcpu = this_cpu()->vcpu;
	int c;

	while ((c = console_getc()) >= 0)
		if (vcpu)
			vuart_receive(vcpu->vm, (uint8_t)c);
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
	case HOST_VECTOR_SPURIOUS: /* has no EOI */
		return;
	default:
		break;
	}
	lapic_eoi();
}

void interrupt_handle_nmi(void)
{
	if (stopping)
		halt_forever();
}

void interrupt_stop_others(void)
{
	uint32_t self = this_cpu()->apic_id;

	stopping = true;
	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i].online && cpus[i].apic_id != self)
			lapic_send_nmi(cpus[i].apic_id);
}

void interrupt_route_console(uint32_t apic_id)
{
	enum { ISA_COM1 = 4, ISA_COM2 = 3 };

	ioapic_route(smp_acpi()->isa[ISA_COM1].gsi, HOST_VECTOR_UART, apic_id,
		     smp_acpi()->isa[ISA_COM1].level_low);
	ioapic_route(smp_acpi()->isa[ISA_COM2].gsi, HOST_VECTOR_UART, apic_id,
		     smp_acpi()->isa[ISA_COM2].level_low);
	console_enable_input();
}
