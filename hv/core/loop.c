// SPDX-License-Identifier: MIT
/* What a CPU does between two guests. */
#include "hv/asi/asi.h"
#include "hv/base/asm.h"
#include "hv/base/fire.h"
#include "hv/console/console.h"
#include "hv/console/input.h"
#include "hv/core/enter.h"
#include "hv/cpu/loop.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/timer.h"
#include "hv/health/mce.h"
#include "hv/health/nmi.h"
#include "hv/life/life.h"
#include "hv/life/power.h"
#include "hv/monitor/monitor.h"
#include "hv/sched/entity.h"
#include "hv/sched/mitigation.h"
#include "hv/sched/sched.h"
#include "hv/sched/wake.h"
#include "hv/vm/record.h"

/* How long to sleep before looking again who has not followed a change of policy. */
#define FOLLOW_US 1000
/* How long a VM runs before the next piece of another one's memory is scrubbed. */
#define SCRUB_US 1000

/* Something was typed, and the monitor has read it. Else *@wanted is the VM that it is for; -1:
 * there is nothing. */
static bool monitor_takes_input(struct percpu *cpu, int *wanted)
{
	bool waits_for_it = cpu->input_waits;

	*wanted = -1;
	cpu->input_waits = false;
	if (waits_for_it && monitor_read())
		return true;
	if (waits_for_it)
		*wanted = input_vm();
	return false;
}

/* Sleeps until there is something to do. */
/* model:
 * idle: __atomic_store_n(&cpu->idle; free: wake_begin_rest();
 * kicked: __atomic_load_n(&cpu->kicked; rest: asi_rest(); wait: interrupts_wait();
 * idle: cpu->idle = false
 */
static void rest(struct percpu *cpu)
{
	timer_program(NULL);
	FIRE_ONLY(fire_shoot());
	__atomic_store_n(&cpu->idle, true, __ATOMIC_SEQ_CST);
	if (cpu->free && wake_begin_rest())
		cpu->kicked = true;
	while (!__atomic_load_n(&cpu->kicked, __ATOMIC_SEQ_CST)) {
		asi_rest();
		interrupts_wait();
	}
	wake_end_rest();
	cpu->idle = false;
}

/* model:
 * take: interrupts_take(); full: asi_exit(); kicked: cpu->kicked = false; rotate: sched_rotate();
 * attach: record = sched_attach(cpu, &vcpu); run: vm_run(); sleep: rest()
 */
void cpu_loop(void)
{
	struct percpu *cpu = this_cpu();

	for (;;) {
		struct vm_record *record = NULL;
		unsigned vcpu = 0;
		bool scrubs;
		int wanted;

		/* What came for the VM that left would else be the next one's first exit. */
		interrupts_take();
		asi_exit(ASI_CAUSE_SCHEDULE);
		cpu->kicked = false;
		mitigation_follow();
		monitor_poll();
		nmi_report();
		mce_report();
		power_poll();
		scrubs = vm_scrub_some();
		/* A command may have taken its time: interrupts come first. */
		if (monitor_takes_input(cpu, &wanted))
			continue;
		sched_rotate(wanted);
		if (mitigation_is_changing()) {
			cpu->slice_end = rdtsc() + entity_us(FOLLOW_US);
			cpu->slice_last = true;
			cpu->free = false;
		} else {
			record = sched_attach(cpu, &vcpu);
		}
		console_pump();
		timer_by(monitor_deadline());
		timer_by(nmi_deadline());
		timer_by(power_deadline());
		timer_by(console_due());
		if (scrubs)
			timer_by(record ? rdtsc() + entity_us(SCRUB_US) : 1);
		if (record)
			vm_run(record, vcpu);
		else
			rest(cpu);
	}
}
