// SPDX-License-Identifier: MIT
#include "hv/console/input.h"

#include "drivers/host/acpi.h"
#include "drivers/host/ioapic.h"
#include "hv/base/global.h"
#include "hv/console/console.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"

static bool is_monitors GLOBAL_DATA("whether typed bytes are the operator's or a guest's");
static int reader = -1; /* the VM's index */
static int routed_to = -1;

bool input_is_monitors(void)
{
	return __atomic_load_n(&is_monitors, __ATOMIC_SEQ_CST);
}

void input_give_to_monitor(bool reads)
{
	__atomic_store_n(&is_monitors, reads, __ATOMIC_SEQ_CST);
}

int input_vm(void)
{
	return reader;
}

void input_give_to_vm(int index)
{
	reader = index;
}

void input_route(unsigned id)
{
	enum { ISA_COM1 = 4, ISA_COM2 = 3 };

	if (routed_to != (int)id) {
		ioapic_route(&acpi_facts.isa[ISA_COM1], HOST_VECTOR_UART, cpus[id].apic_id);
		ioapic_route(&acpi_facts.isa[ISA_COM2], HOST_VECTOR_UART, cpus[id].apic_id);
	}
	routed_to = (int)id;
	console_set_input(true);
}
