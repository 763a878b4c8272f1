// SPDX-License-Identifier: MIT
#include "hv/sched.h"

#include "drivers/host/lapic.h"
#include "hv/asm.h"
#include "hv/boot_state.h"
#include "hv/cpu.h"
#include "hv/fire.h"
#include "hv/interrupt.h"
#include "hv/lib/string.h"
#include "hv/mitigation.h"
#include "hv/monitor.h"
#include "hv/percpu.h"
#include "hv/vm.h"

#ifdef FIRE
#define SLICE_US 200 /* changes of VM are what it wants to see */
#else
#define SLICE_US 10000
#endif

/* How long to sleep before looking again who has not followed a change of policy. */
#define FOLLOW_US 1000

/* A VM, and which of its vCPUs: where several share a CPU, its first ones run in shift 0. */
struct turn {
	uint8_t vm, shift;
};

/* By the number of the core's first CPU, its leader. Every thread watches the clock. */
static struct core {
	struct spinlock lock;
	struct turn turns[CONFIG_MAX_VMS * CONFIG_MAX_VCPUS];
	unsigned turn_count;
	unsigned turn;	    /* of turns[] */
	unsigned attached;  /* threads that run the VM whose turn it is */
	bool switching;	    /* nobody attaches until the last has left */
	int wanted;	    /* VM that comes next, -1: the next in the row */
	uint64_t slice_end; /* 0: there is only one turn */
} cores[PERCPU_MAX];

static bool parks; /* only one thread of each core runs guests */

unsigned sched_primary(unsigned id)
{
	unsigned primary = cpus[id].leader;

	while (cpus[primary].leader != cpus[id].leader || !cpus[primary].online)
		primary++;
	return primary;
}

/* A thread of core @leader that takes part in what the core does? Parked ones sleep on. */
static bool is_thread(unsigned leader, unsigned id)
{
	return cpus[id].leader == leader && cpus[id].online && (!parks || sched_primary(id) == id);
}

static struct core *core_of(unsigned cpu)
{
	return &cores[cpus[cpu].leader];
}

void sched_kick(unsigned id)
{
	if (!cpus[id].online)
		return;
	__atomic_store_n(&cpus[id].percpu->kicked, true, __ATOMIC_SEQ_CST); /* model: flag */
	/* One that is awake will see the flag, and an interrupt would cost its guest an exit. */
	if (__atomic_load_n(&cpus[id].percpu->idle, __ATOMIC_SEQ_CST))
		lapic_send(cpus[id].apic_id, HOST_VECTOR_KICK); /* model: interrupt */
}

void sched_kick_vm(const struct vm_record *record)
{
	for (unsigned i = 0; i < record->config->vcpus; i++)
		sched_kick(record->cpu[i]);
}

static void begin_slice(struct core *core)
{
	core->slice_end =
		core->turn_count > 1 ? rdtsc() + cpu_facts.tsc_hz / 1000000 * SLICE_US : 0;
}

static int find(const struct core *core, unsigned index)
{
	for (unsigned i = 0; i < core->turn_count; i++)
		if (core->turns[i].vm == index)
			return (int)i;
	return -1;
}

/* The vCPU of @record that runs on CPU @id in shift @shift; -1: none. */
static int vcpu_on(const struct vm_record *record, unsigned id, unsigned shift)
{
	for (unsigned i = 0; i < record->config->vcpus; i++)
		if (record->cpu[i] == id && shift-- == 0)
			return (int)i;
	return -1;
}

void sched_add(unsigned index)
{
	struct vm_record *record = &vm_records[index];

	memcpy(record->cpu, record->places[!parks], sizeof(record->cpu));

	for (unsigned i = 0; i < record->config->vcpus; i++) {
		unsigned id = record->cpu[i], shift = 0;
		struct core *core = core_of(id);

		while (vcpu_on(record, id, shift) != (int)i)
			shift++;
		spinlock_acquire(&core->lock);
		/* Other threads of the core may have as many vCPUs. */
		for (unsigned j = 0; j < core->turn_count; j++)
			if (core->turns[j].vm == index && core->turns[j].shift == shift)
				shift = CONFIG_MAX_VCPUS;
		if (shift < CONFIG_MAX_VCPUS) {
			core->turns[core->turn_count++] =
				(struct turn){ (uint8_t)index, (uint8_t)shift };
			core->wanted = -1;
			begin_slice(core);
		}
		spinlock_release(&core->lock);
	}
}

/* The lock is held. */
static void remove_turn(struct core *core, unsigned at)
{
	core->turn_count--;
	for (unsigned i = at; i < core->turn_count; i++)
		core->turns[i] = core->turns[i + 1];
	if (core->turn > at)
		core->turn--;
	if (core->turn >= core->turn_count)
		core->turn = 0;
	begin_slice(core);
}

void sched_remove(unsigned index)
{
	const struct vm_record *record = &vm_records[index];

	for (unsigned i = 0; i < record->config->vcpus; i++) {
		struct core *core = core_of(record->cpu[i]);
		int at;

		spinlock_acquire(&core->lock);
		while ((at = find(core, index)) >= 0)
			remove_turn(core, (unsigned)at);
		spinlock_release(&core->lock);
		sched_kick(record->cpu[i]);
		sched_kick(sched_primary(record->cpu[i]));
	}
}

void sched_replace(bool smt)
{
	parks = !smt;
	for (unsigned i = 0; i < cpu_count; i++) {
		/* Others may still look whether a slice is over. */
		spinlock_acquire(&cores[i].lock);
		cores[i].turn_count = cores[i].turn = 0;
		cores[i].switching = false;
		spinlock_release(&cores[i].lock);
	}
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
		if (vm_records[i].state >= VM_READY)
			sched_add(i);
	}
}

/* The lock is held; every thread has left the VM before. */
static void next_turn(struct core *core)
{
	int wanted = core->wanted >= 0 ? find(core, (unsigned)core->wanted) : -1;

	core->wanted = -1;
	core->switching = false; /* model: switching */
	if (wanted >= 0)
		core->turn = (unsigned)wanted;
	else if (++core->turn >= core->turn_count) /* model: turn */
		core->turn = 0;
	begin_slice(core);
}

static void kick_core(unsigned leader)
{
	for (unsigned i = leader; i < cpu_count; i++)
		if (is_thread(leader, i))
			sched_kick(i);
}

void sched_rotate(int wanted)
{
	unsigned leader = cpus[this_cpu()->id].leader;
	struct core *core = &cores[leader];
	bool begins;

	spinlock_acquire(&core->lock);
	/* Another thread may have been here already, and the next slice have begun. */
	begins = !core->switching && core->turn_count > 1 &&
		 (wanted >= 0 || (core->slice_end && rdtsc() >= core->slice_end));
	if (begins) {
		core->switching = true; /* model: switching */
		core->wanted = wanted;
	}
	for (unsigned i = leader; begins && i < cpu_count; i++) {
		if (!is_thread(leader, i) || i == this_cpu()->id)
			continue;
		/* model: resched */
		__atomic_store_n(&cpus[i].percpu->resched, true, __ATOMIC_SEQ_CST);
		lapic_send(cpus[i].apic_id, HOST_VECTOR_KICK); /* model: interrupt */
	}
	spinlock_release(&core->lock);
}

void sched_attached(void)
{
	struct core *core = core_of(this_cpu()->id);

	spinlock_acquire(&core->lock);
	core->attached++;
	spinlock_release(&core->lock);
}

void sched_detached(void)
{
	struct core *core = core_of(this_cpu()->id);

	spinlock_acquire(&core->lock);
	core->attached--; /* model: attached */
	spinlock_release(&core->lock);
}

/* The vCPU that this CPU is to run now; NULL: none. */
static struct vm_record *attach(struct percpu *cpu, unsigned *vcpu)
{
	unsigned leader = cpus[cpu->id].leader;
	struct core *core = &cores[leader];
	struct vm_record *record = NULL;
	bool turned = false;

	spinlock_acquire(&core->lock);
	if (core->switching && !core->attached) { /* model: last */
		next_turn(core);
		turned = true;
	}
	/* A VM that is held gives its turn away. */
	for (unsigned i = 1; i < core->turn_count && !core->switching && !core->attached &&
			     vm_records[core->turns[core->turn].vm].held;
	     i++) {
		next_turn(core);
		turned = true;
	}
	if (!core->switching && core->turn_count) { /* model: turn */
		const struct turn *turn = &core->turns[core->turn];
		int index;

		record = &vm_records[turn->vm];
		index = vcpu_on(record, cpu->id, turn->shift);
		if (index >= 0 && vm_join(record, (unsigned)index)) {
			core->attached++; /* model: attached */
			*vcpu = (unsigned)index;
		} else {
			record = NULL;
		}
	}
	cpu->resched = core->switching; /* model: resched */
	cpu->slice_end = core->switching ? 0 : core->slice_end;
	spinlock_release(&core->lock);
	if (turned)
		kick_core(leader); /* model: kick */
	return record;
}

/* The VM that what was typed is for; -1: there is nothing, or it was for the monitor. */
static int wanted_by_input(struct percpu *cpu)
{
	bool waits = cpu->input_waits;

	cpu->input_waits = false;
	return waits && !monitor_read() ? boot_state_console_vm() : -1;
}

void sched_loop(void)
{
	struct percpu *cpu = this_cpu();

	for (;;) {
		struct vm_record *record;
		unsigned vcpu;

		/* What came for the VM that left would else be the next one's first exit. */
		interrupts_take();	      /* model: take */
		asi_exit(ASI_CAUSE_SCHEDULE); /* model: full */
		cpu->kicked = false;	      /* model: kicked */
		mitigation_follow();
		monitor_poll();
		sched_rotate(wanted_by_input(cpu)); /* model: rotate */
		if (mitigation_is_changing()) {
			record = NULL;
			cpu->slice_end = rdtsc() + cpu_facts.tsc_hz / 1000000 * FOLLOW_US;
		} else {
			record = attach(cpu, &vcpu); /* model: attach */
		}
		cpu->slice_end = tsc_earlier(cpu->slice_end, monitor_deadline());
		if (record)
			vm_run(record, vcpu); /* model: run */
		vcpu_timer_program(NULL);
		FIRE_ONLY(fire_shoot());
		__atomic_store_n(&cpu->idle, true, __ATOMIC_SEQ_CST); /* model: idle */
		/* model: kicked */
		while (!__atomic_load_n(&cpu->kicked, __ATOMIC_SEQ_CST)) {
			asi_rest();	   /* model: rest */
			interrupts_wait(); /* model: wait */
		}
		cpu->idle = false; /* model: idle */
	}
}
