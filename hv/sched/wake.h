/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's half that lies in restricted: a vCPU begins and ends to wait, and is woken,
 * without an escalation. Two rules keep a wake-up from getting lost (guest-tests/model/wake.pml):
 *
 *   - what there is to wake up for is written first, and then looked at whether the vCPU is
 *     attached; a vCPU that leaves its CPU says so first, and then looks what there is for it;
 *   - a CPU with nothing to run says so first (resting), and then looks whether it is wanted; who
 *     wants one (a VM that has been woken, or waits for a core) says so first, and then looks for
 *     a resting CPU to interrupt.
 */
#ifndef HV_WAKE_H
#define HV_WAKE_H

#include "hv/base/asm.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/vm.h"

#ifdef FIRE
#define SCHED_SLICE_US 200 /* changes of VM are what it wants to see */
#define SCHED_MIN_SLICE_US 100
#else
#define SCHED_SLICE_US 10000
/* What an entity gets before another one that has had less, just woken say, takes the core. */
#define SCHED_MIN_SLICE_US 1000
#endif
/* In which all that want a core have had it, if they are more than two. */
#define SCHED_ROUND_US (SCHED_SLICE_US * 6 / 5)

/* Bitmaps with a bit a CPU. */
#define WAKE_CPU_WORDS (PERCPU_MAX / 64)

/** TSC ticks for which vCPU @vcpu was on a CPU and not halted, from the VM's start until now, also
 * while it runs. @vm in its window, or vm_record.vm in the full map; any lock or none. */
ANY uint64_t vm_run_ticks(const struct vm *vm, unsigned vcpu);

/** Notes what restricted has to know of CPU @id, and of the clock. Full map, before guests run. */
FULL void wake_init_cpu(unsigned id, uint32_t apic_id, unsigned leader);

/** The time that vCPU @vcpu of @vm has on a CPU begins, or ends: vm_run_ticks() tells their sum. On
 * that CPU. Any map. */
static inline void wake_start_clock(struct vm *vm, unsigned vcpu)
{
	vm->sched.run_start[vcpu] = rdtsc();
}

static inline void wake_stop_clock(struct vm *vm, unsigned vcpu)
{
	struct vm_sched *s = &vm->sched;

	s->run_ticks[vcpu] += rdtsc() - s->run_start[vcpu];
	s->run_start[vcpu] = 0;
}

/** vCPU @vcpu comes to this CPU, or leaves it. Its window is current. */
FULL void wake_attach(struct vcpu *vcpu);
FULL void wake_detach(struct vcpu *vcpu);

/** There is something for @vcpu, already written, and it is on no CPU: if it sleeps, the scheduler
 * is to run it soon. @vm is its VM, in the current window (any map) or through the physmap (full).
 */
ANY void wake_vcpu(struct vm *vm, const struct vcpu *vcpu);

/** This CPU's vCPU is about to halt; true: its core goes to somebody else instead. */
ANY bool wake_begin_wait(struct vcpu *vcpu);
/** It is awake again. */
ANY void wake_end_wait(struct vcpu *vcpu);

/** This CPU's core has no VM to run; true: one has turned up. */
ANY bool wake_begin_rest(void);
ANY void wake_end_rest(void);

/** This CPU goes to the scheduler, before the next entry or from the idle loop. */
ANY void wake_call_scheduler(void);

/** HOST_VECTOR_WAKE: some VM wants a core, this one perhaps. */
ANY void wake_interrupt(void);

/** If this CPU's time slice is over and its core wanted, calls the scheduler, else begins another
 * slice; true in both cases. The caller programs the timer. */
ANY bool wake_check_slice(uint64_t now);

/** The guest spins: if another vCPU of its VM wants a core and may have this one, it gets it. */
ANY void wake_directed_yield(struct vcpu *vcpu);

/** For the scheduler, under its lock, full map: the vCPUs that were woken, bit VM * 8 + vCPU, and
 * that these need not be seen to again. */
#define WAKE_VCPU_WORDS (CONFIG_MAX_VMS * CONFIG_MAX_VCPUS / 64)
static_assert(CONFIG_MAX_VCPUS == 8, "a VM has a byte of the words");
ANY uint64_t wake_pending(unsigned word);
ANY void wake_done(unsigned word, uint64_t bits);

/** For the same: cores that VMs wait for, a bit each by leader. Interrupts the resting ones. */
ANY void wake_set_wanted(const uint64_t bits[WAKE_CPU_WORDS]);

#endif
