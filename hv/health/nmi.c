// SPDX-License-Identifier: MIT
#include "hv/health/nmi.h"

#include "drivers/host/lapic.h"
#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/console/console.h"
#include "hv/console/record.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"

#ifdef FIRE
#define IS_TOLD                                                                                    \
	false /* there the hypervisor sends them itself, and counts (guest-tests/fire/fire.c) */
#else
#define IS_TOLD true
#endif

BOOT void nmi_init_cpu(void)
{
	this_cpu()->nmis_call = IS_TOLD;
}

void nmi_note(void)
{
	struct percpu *cpu = this_cpu();

	cpu->nmis++;
	/* Whatever was interrupted may be about to change what the scheduler is called by: an
	 * interrupt is taken where it is not. */
	if (cpu->nmis_call)
		lapic_send_self(HOST_VECTOR_REPORT);
}

uint64_t nmi_deadline(void)
{
	const struct percpu *cpu = this_cpu();

	return IS_TOLD && cpu->nmis != cpu->nmis_told ? cpu->nmis_next : 0;
}

void nmi_report(void)
{
	struct percpu *cpu = this_cpu();
	uint64_t now = rdtsc(), count = cpu->nmis, fresh = count - cpu->nmis_told;

	if (!IS_TOLD || !fresh || now < cpu->nmis_next)
		return;
	cpu->nmis_told = count;
	cpu->nmis_next = now + cpu_facts.tsc_hz;
	console_printf("CPU %u: %llu NMI%s from outside (a button, a watchdog, a bus error); "
		       "everything goes on",
		       cpu->id, (unsigned long long)fresh, fresh == 1 ? "" : "s");
	record_begin("nmi");
	record_u64("cpu", cpu->id);
	record_u64("fresh", fresh);
	record_u64("count", count);
	record_end();
}
