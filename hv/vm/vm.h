/* SPDX-License-Identifier: MIT */
/*
 * A VM as it lies in its own window (hv/base/layout.h): mapped, in both maps, while the VM is
 * current on a CPU, and absent otherwise. Its vCPUs do too: hv/vm/vcpu.h. Frames, tables and files
 * are not here but in the sensitive struct vm_record, hv/vm/record.h.
 */
#ifndef HV_VM_H
#define HV_VM_H

#include "drivers/guest/legacy/machine.h"
#include "drivers/guest/platform.h"
#include "hv/base/layout.h"
#include "hv/base/spinlock.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/vm/vcpu.h"

#define VM_POPULATE_CHUNK PAGE_SIZE_2M
#define VM_MTRR_COUNT 28
#define VM_MTRR_DEF_TYPE 27
/* Guest memory whose presence is tracked, for lazy population. */
#define VM_MAX_CHUNKS (GUEST_SPAN / VM_POPULATE_CHUNK)

#define SCHED_ANYWHERE (-1)

/** What the scheduler, in full, and the vCPUs, in restricted, tell each other (hv/sched/wake.h).
 * Sets of vCPUs have a bit each. */
struct vm_sched {
	uint8_t group[CONFIG_MAX_VCPUS]; /* the vCPUs that run when this one does */
	int16_t cpu[CONFIG_MAX_VCPUS];	 /* the only one it runs on, or SCHED_ANYWHERE */
	uint8_t waiting;		 /* halted on their CPUs */
	uint8_t asleep;			 /* left theirs halted, with nothing that they wait for */
	uint64_t deadline[CONFIG_MAX_VCPUS]; /* timer_deadline of those that left */
	uint64_t run_ticks[CONFIG_MAX_VCPUS], run_start[CONFIG_MAX_VCPUS]; /* 0: does not run */
};

struct vm {
	char name[CONFIG_NAME_LEN];
	uint16_t id;
	uint16_t vcpu_count;
	struct spinlock
		lock; /* of the devices and of console_line; taken if there are several vCPUs */
	bool lazy;
	bool debug_hypercalls;
	bool ends_run;	      /* its hypercall may end the run of all VMs */
	bool sets_policy;     /* its hypercalls may change the policy */
	uint8_t loading;      /* enum vm_loading */
	bool traced;	      /* exits are recorded */
	uint8_t console_view; /* enum vm_view */
	bool user_hypercalls; /* from CPL 3 too, the harmless ones */
	bool has_console;     /* what is typed goes to it */
	bool apicv;	      /* its vCPUs' APICs are virtualised where they allow it */
	uint8_t nic_count;
	uint8_t timer; /* enum vm_timer */
	uint8_t preemption_shift;
	uint8_t phys_bits;	    /* of a physical address, as CPUID says */
	uint64_t ram_low, ram_high; /* bytes below the hole, above 4 GiB */
	uint64_t tsc_offset;	    /* the VM's clock = host TSC + this; its vCPUs' begin with it */
	uint64_t tsc_hz;
	uint64_t epoch;
	uint32_t request; /* enum vm_request, 0: none */
	const char *stop_reason;
	uint64_t stop_detail; /* shown in hex behind the reason if not zero */
	uint64_t cr4_allowed;
	uint64_t xcr0_allowed;
	uint64_t mtrr[VM_MTRR_COUNT];
	struct console_text console_out;
	unsigned console_length;
	char console_line[CONSOLE_GUEST_LINE];
	struct vm_sched sched;
	struct machine machine;
	uint8_t populated[VM_MAX_CHUNKS / 8]; /* lazy: one bit a chunk, by guest-physical address */
};

/* Where its loader program is, whose hypercalls are refused in the end. */
enum vm_loading {
	VM_LOADED,
	VM_LOADS,
	VM_SAYS_SO, /* it is live, and what is said of that goes out first */
};

/* How its output shows. */
enum vm_view {
	VM_VIEW_LINES,	/* whole lines behind its name */
	VM_VIEW_RAW,	/* byte by byte: it has the console to itself */
	VM_VIEW_HIDDEN, /* another one has */
};

#define VM_HERE ((struct vm *)VM_PRIV_BASE)
/* Behind it: the frame queues of each network card. */
#define VM_NET_BASE (VM_PRIV_BASE + VM_PRIV_SPAN / 2)
#define VM_NET_STRIDE MIB(1)
static_assert(sizeof(struct vm) <= VM_PRIV_SPAN / 2, "hv/base/layout.h");
static_assert(VM_NET_BASE + CONFIG_MAX_NICS * VM_NET_STRIDE <= VM_VCPU_BASE, "hv/base/layout.h");

/** Keeps other vCPUs' CPUs away from the devices, as vm_lock() does, where only one vCPU means that
 * there is nobody to keep away: two instructions. */
static inline void vm_lock_devices(struct vm *vm)
{
	if (unlikely(vm->vcpu_count > 1))
		vm_lock(vm);
}

static inline void vm_unlock_devices(struct vm *vm)
{
	if (unlikely(vm->vcpu_count > 1))
		vm_unlock(vm);
}

/** The guest cannot go on: it is stopped before the next entry. @detail is shown in hex if not 0.
 */
ANY void vm_stop(struct vcpu *vcpu, const char *reason, uint64_t detail);

/** WORK_COMPLAIN: tells the operator. */
ANY void vm_print_complaint(struct vcpu *vcpu);

#endif
