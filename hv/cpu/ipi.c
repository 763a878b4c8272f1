// SPDX-License-Identifier: MIT
#include "hv/cpu/ipi.h"

#include "drivers/host/lapic.h"
#include "hv/base/asm.h"
#include "hv/base/global.h"
#include "hv/cpu/percpu.h"

/* The number of the CPU that takes the machine down, plus one. */
static unsigned stopper GLOBAL_DATA("whether the machine is going down");

void ipi_stop_others(void)
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

bool ipi_another_stops(void)
{
	unsigned by = __atomic_load_n(&stopper, __ATOMIC_ACQUIRE);

	return by && by != this_cpu()->id + 1;
}
