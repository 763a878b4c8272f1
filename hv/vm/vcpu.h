/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's record. It lies in its VM's window (hv/base/layout.h): mapped, in both maps, while the
 * VM is current on a CPU, and absent otherwise.
 */
#ifndef HV_VCPU_H
#define HV_VCPU_H

#include "drivers/guest/irq/lapic.h"
#include "hv/asi/stun.h"
#include "hv/base/histogram.h"
#include "hv/base/hypercall_abi.h"
#include "hv/base/layout.h"
#include "hv/config/config.h"

#define VM_MAX_ESCALATION_SITES 32
#define VCPU_SAVED_MSRS 8 /* at most */

/* vcpu.work: what has to be done before the next VM entry; zero on nearly every exit. */
enum vcpu_work {
	WORK_IRQ = 1 << 0,     /* the local APIC or an NMI may have something to inject */
	WORK_ASI = 1 << 1,     /* this CPU is in the full map */
	WORK_REQUEST = 1 << 2, /* the VM wants to power off or reboot */
	WORK_FLUSH = 1 << 3,   /* under always-flush it stays set */
	WORK_STOP = 1 << 4,    /* the VM cannot go on, or another vCPU has ended it */
	WORK_CR2 = 1 << 5,     /* a host page fault overwrote CR2 */
	/* preemption timer in use: stays set, since it counts in guest mode only */
	WORK_TIMER = 1 << 6,
	WORK_SWITCH = 1 << 7, /* the core wants to run another VM, or another policy is to come */
	WORK_HALT = 1 << 8,   /* halted: waits for an interrupt */
	WORK_INIT = 1 << 9,   /* an INIT has arrived */
	WORK_SIPI = 1 << 10,  /* waits for a start-up IPI */
	WORK_TRACE = 1 << 11, /* exits are recorded: stays set */
	WORK_NET = 1 << 12,   /* frames have come, or it is time to look for some to send */
	WORK_SEND = 1 << 13,  /* frames are to go to the switch */
	/* an event is delivered with the next entry, and may exit again before the processor
	 * looks for interrupts: they are taken here */
	WORK_TAKE = 1 << 15,
	WORK_PRINT = 1 << 14,	 /* text waits for the UART, and the guest for that */
	WORK_COMPLAIN = 1 << 16, /* the operator is to be told what the guest did wrong */
};

/* Bits of vcpu.remote: what other CPUs ask of a vCPU; its own CPU turns it into work. */
enum vcpu_remote {
	REMOTE_NMI,
	REMOTE_INIT,
	REMOTE_SIPI,	/* vector in remote_sipi */
	REMOTE_STOP,	/* the VM ends */
	REMOTE_TRACE,	/* vm.traced has changed */
	REMOTE_NET,	/* frames have come */
	REMOTE_VECTORS, /* there is something in remote_vectors[0]; a bit for each word */
};

/* General registers in the processor's encoding order; vmx/exit/entry.asm pushes exactly this. */
enum {
	REG_RAX,
	REG_RCX,
	REG_RDX,
	REG_RBX,
	REG_RSP,
	REG_RBP,
	REG_RSI,
	REG_RDI,
	REG_R8,
	REG_COUNT = 16
};

/* A counter for each number of so many bits, so that none needs a comparison. */
#define VCPU_EXIT_COUNTERS 128
static_assert(VCPU_EXIT_COUNTERS >= HYPERCALL_STATS_REASONS, "all reasons have one");

/**
 * What else a vCPU counts: ROW(name, how, for whom). A PLAIN one is a member of its own in the
 * `stats` record, an APART one is told otherwise (hv/life/stats.c). What is the GUEST's, struct
 * hypercall_stats has by the same name.
 */
#define VCPU_COUNTERS(ROW)                                                                         \
	ROW(exits_full, APART, OWN) /* left the restricted map */                                  \
	ROW(escalations, PLAIN, GUEST)                                                             \
	ROW(l1d_flush_msr, PLAIN, GUEST)                                                           \
	ROW(l1d_flush_software, PLAIN, GUEST)                                                      \
	ROW(verw, PLAIN, GUEST)                                                                    \
	ROW(predictor, PLAIN, OWN) /* flush_predictor() */                                         \
	ROW(ibpb, PLAIN, OWN)                                                                      \
	ROW(injected, PLAIN, GUEST)                                                                \
	ROW(halted_ticks, PLAIN, OWN)                                                              \
	ROW(stuns_sent, APART, GUEST)  /* siblings that had to be interrupted */                   \
	ROW(stunned, APART, GUEST)     /* entries that found the gate shut */                      \
	ROW(stunned_ticks, APART, OWN) /* spent before it */

#define VCPU_COUNTER(name, how, whom) uint64_t name;
struct vcpu_stats {
	uint64_t exits[VCPU_EXIT_COUNTERS]; /* by basic exit reason */
	uint64_t ticks[VCPU_EXIT_COUNTERS]; /* from exit to entry, halted time left out */
	VCPU_COUNTERS(VCPU_COUNTER)
	struct histogram stun_wait; /* ticks from the first IPI to the last acknowledgement */
};

/** A place in the code that left the restricted map. */
struct escalation_site {
	uint64_t rip;	  /* hypervisor instruction */
	uint64_t address; /* what was touched the first time; 0 if the code asked by itself */
	uint64_t frame;	  /* the same in physical memory; 0 if there is none */
	uint32_t cause;	  /* enum asi_cause */
	uint32_t exit_reason;
	uint64_t count;
	uint16_t object; /* what was touched, hv/asi/object.h */
	uint16_t owner;	 /* of its frame */
};

/** What hardware keeps for a vCPU outside its VMCS, while another VM has the CPU. */
struct vcpu_hardware {
	uint64_t msrs[VCPU_SAVED_MSRS]; /* saved_msrs[], vmx/msr.c */
	uint64_t dr[4];
	uint64_t dr6;
};

/** At the top of the vCPU's hypervisor stack: HOST_RSP points just behind regs[]. */
struct vcpu {
	uint64_t regs[REG_COUNT]; /* [REG_RSP] is stale: the stack pointer is in the VMCS */
	uint64_t cr2;
	struct stun_gate *gate; /* of the CPU it runs on */
	uint32_t work;		/* bits of enum vcpu_work */
	uint32_t exit_reason;
	uint32_t exit_tsc;    /* low half of the time stamp at the exit */
	uint32_t printed;     /* how far HYPERCALL_STATS_PRINT has come */
	struct virtio *again; /* vm_again(); NULL: all was done */
	/* vm_complain(): the device, and what it waits for; of WORK_COMPLAIN */
	const char *complaint[2];
	uint8_t again_queue;
	bool escalated;	    /* during the current exit */
	bool awaits_room;   /* WORK_PRINT is for a record, too */
	bool stack_is_deep; /* hv/cpu/stack.h */
	bool nmi_pending;
	bool sipi_pending;
	uint16_t id;
	uint32_t host_apic_id; /* of the CPU that has, or had it loaded last */
	struct vm *vm;
	uint64_t timer_deadline; /* host TSC; 0: none */
	uint64_t tsc_offset;	 /* the vCPU's TSC = host TSC + this */
	uint64_t tsc_adjust;	 /* IA32_TSC_ADJUST */
	uint64_t msr_bitmaps;	 /* physical address, vmx/apicv.c */
	uint64_t flush_ticks;	 /* what the last way back to restricted took */
	bool sends_on;		 /* the switch has not taken all yet */
	uint64_t net_deadline;	 /* when to look for frames to send; 0: never */
	uint64_t xcr0;
	/* Written by other vCPUs' CPUs, atomically. */
	bool attached;		     /* its CPU has it loaded: an interrupt reaches it */
	uint32_t remote;	     /* enum vcpu_remote */
	uint32_t remote_vectors[16]; /* edge-triggered ones, then level-triggered */
	uint8_t remote_sipi;
	uint64_t halted_since; /* 0: it is not halted */
	struct vcpu_hardware hardware;
	struct vcpu_stats stats;
	struct escalation_site sites[VM_MAX_ESCALATION_SITES];
	unsigned site_count;
	uint64_t sites_dropped; /* escalations whose site found no room */
	struct vlapic lapic;
	uint64_t traced; /* exits recorded so far */
	struct hypercall_trace trace[HYPERCALL_TRACE_ENTRIES];
};
static_assert(offsetof(struct vcpu, regs) == 0, "vmx/exit/entry.asm");
static_assert(offsetof(struct vcpu, cr2) == 128, "vmx/exit/entry.asm");
static_assert(offsetof(struct vcpu, gate) == 136, "vmx/exit/entry.asm");

#define VCPU_STACK_PAGES 6
#define VCPU_STACK_SIZE 13824 /* of these what may be used as a stack, hv/cpu/stack.h */
/* Within its stride a vCPU has, with guard pages between them: the area for XSAVE, the local APIC's
 * registers, the stack with struct vcpu at its very end. */
#define VCPU_RECORD_SIZE ALIGN_UP(sizeof(struct vcpu), 64)
static_assert(VCPU_STACK_SIZE + STACK_ROUND + VCPU_RECORD_SIZE <= VCPU_STACK_PAGES * PAGE_SIZE,
	      "the stack's pages");
#define VCPU_XSAVE_OFFSET PAGE_SIZE
#define VCPU_APIC_OFFSET (3 * PAGE_SIZE)

/** The vCPU's record in the current VM's window. */
static inline struct vcpu *vcpu_here(unsigned index)
{
	return (struct vcpu *)(VM_VCPU_BASE + (index + 1) * VM_VCPU_STRIDE - VCPU_RECORD_SIZE);
}

/** Where its x87, SSE and AVX state is kept meanwhile. */
static inline void *vcpu_xsave_area(unsigned index)
{
	return (void *)(VM_VCPU_BASE + index * VM_VCPU_STRIDE + VCPU_XSAVE_OFFSET);
}

/** Its local APIC's registers: what VMCS_VIRTUAL_APIC_PAGE names. */
static inline uint32_t *vcpu_apic_page(unsigned index)
{
	return (uint32_t *)(VM_VCPU_BASE + index * VM_VCPU_STRIDE + VCPU_APIC_OFFSET);
}

#endif
