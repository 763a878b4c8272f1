// SPDX-License-Identifier: MIT
#include "hv/sched.h"

#include "drivers/host/lapic.h"
#include "hv/asm.h"
#include "hv/boot_state.h"
#include "hv/cpu.h"
#include "hv/fire.h"
#include "hv/interrupt.h"
#include "hv/mitigation.h"
#include "hv/percpu.h"
#include "hv/vm.h"

#ifdef FIRE
#define SLICE_US 200 /* changes of VM are what it wants to see */
#else
#define SLICE_US 10000
#endif

/* By the number of the core's first CPU, its leader. Every thread watches the clock. */
static struct core {
	struct spinlock lock;
	uint8_t vms[CONFIG_MAX_VMS];
	unsigned vm_count;
	unsigned turn;	    /* of vms[] */
	unsigned attached;  /* threads that run the VM whose turn it is */
	bool switching;	    /* nobody attaches until the last has left */
	int wanted;	    /* VM that comes next, -1: the next in the row */
	uint64_t slice_end; /* 0: the VM is alone */
} cores[PERCPU_MAX];

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
	core->slice_end = core->vm_count > 1 ? rdtsc() + cpu_facts.tsc_hz / 1000000 * SLICE_US : 0;
}

static int find(const struct core *core, unsigned index)
{
	for (unsigned i = 0; i < core->vm_count; i++)
		if (core->vms[i] == index)
			return (int)i;
	return -1;
}

void sched_add(unsigned index)
{
	const struct vm_record *record = &vm_records[index];

	for (unsigned i = 0; i < record->config->vcpus; i++) {
		struct core *core = core_of(record->cpu[i]);

		spinlock_acquire(&core->lock);
		if (find(core, index) < 0) {
			core->vms[core->vm_count++] = (uint8_t)index;
			core->wanted = -1;
			begin_slice(core);
		}
		spinlock_release(&core->lock);
	}
}

void sched_remove(unsigned index)
{
	const struct vm_record *record = &vm_records[index];

	for (unsigned i = 0; i < record->config->vcpus; i++) {
		struct core *core = core_of(record->cpu[i]);
		int at;

		spinlock_acquire(&core->lock);
		at = find(core, index);
		if (at >= 0) {
			core->vm_count--;
			for (unsigned j = (unsigned)at; j < core->vm_count; j++)
				core->vms[j] = core->vms[j + 1];
			if (core->turn > (unsigned)at)
				core->turn--;
			if (core->turn >= core->vm_count)
				core->turn = 0;
			begin_slice(core);
		}
		spinlock_release(&core->lock);
		sched_kick(record->cpu[i]);
		sched_kick(cpus[record->cpu[i]].leader);
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
	else if (++core->turn >= core->vm_count) /* model: turn */
		core->turn = 0;
	begin_slice(core);
}

static void kick_core(unsigned leader)
{
	for (unsigned i = leader; i < cpu_count; i++)
		if (cpus[i].leader == leader)
			sched_kick(i);
}

void sched_rotate(int wanted)
{
	unsigned leader = cpus[this_cpu()->id].leader;
	struct core *core = &cores[leader];
	bool begins;

	spinlock_acquire(&core->lock);
	/* Another thread may have been here already, and the next slice have begun. */
	begins = !core->switching && core->vm_count > 1 &&
		 (wanted >= 0 || (core->slice_end && rdtsc() >= core->slice_end));
	if (begins) {
		core->switching = true; /* model: switching */
		core->wanted = wanted;
	}
	for (unsigned i = leader; begins && i < cpu_count; i++) {
		if (cpus[i].leader != leader || !cpus[i].online || i == this_cpu()->id)
			continue;
		/* model: resched */
		__atomic_store_n(&cpus[i].percpu->resched, true, __ATOMIC_SEQ_CST);
		lapic_send(cpus[i].apic_id, HOST_VECTOR_KICK); /* model: interrupt */
	}
	spinlock_release(&core->lock);
}

void sched_detached(void)
{
	struct core *core = core_of(this_cpu()->id);

	spinlock_acquire(&core->lock);
	core->attached--; /* model: attached */
	spinlock_release(&core->lock);
}

/* vCPU of @record that is bound to CPU @id, -1: none. */
static int vcpu_on(const struct vm_record *record, unsigned id)
{
	for (unsigned i = 0; i < record->config->vcpus; i++)
		if (record->cpu[i] == id)
			return (int)i;
	return -1;
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
	if (!core->switching && core->vm_count) { /* model: turn */
		int index;

		record = &vm_records[core->vms[core->turn]];
		index = vcpu_on(record, cpu->id);
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
		if (mitigation_is_stale())
			mitigation_adopt();
		/* model: rotate */
		sched_rotate(cpu->input_waits ? boot_state_console_vm() : -1);
		cpu->input_waits = false;
		record = attach(cpu, &vcpu); /* model: attach */
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
