/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU data. The private page lies at the same virtual address on every CPU (CPU slot of the
 * address space), so finding it costs nothing. It is mapped in restricted: no guest data ever lives
 * here.
 */
#ifndef HV_PERCPU_H
#define HV_PERCPU_H

#include "hv/base/layout.h"
#include "hv/asi/actions.h"
#include "hv/base/spinlock.h"
#include "hv/base/types.h"
#include "mm/space.h"

#define PERCPU_MAX 256
#define PERCPU_MAX_SIBLINGS 7 /* a core has at most 8 threads */

/* Of the two maps. */
#define ASI_PCID_RESTRICTED 1ULL
#define ASI_PCID_FULL 2ULL

enum asi_state { ASI_RESTRICTED = 0, ASI_FULL = 1 };

/* Offsets within the CPU slot; the page left out below each stack is its guard. */
#define PERCPU_STACK_PAGES 4
#define PERCPU_IDLE_STACK_SIZE 16128 /* of these what may be used, hv/cpu/stack.h */
#define PERCPU_IST_PAGES 2
#define PERCPU_IDLE_STACK (CPU_BASE + 0x101000)
#define PERCPU_NMI_STACK (CPU_BASE + 0x111000)
#define PERCPU_NMI_STACK_TOP (PERCPU_NMI_STACK + PERCPU_IST_PAGES * PAGE_SIZE)
#define PERCPU_MC_STACK (CPU_BASE + 0x121000)
#define PERCPU_DF_STACK (CPU_BASE + 0x131000)
static_assert(PERCPU_IDLE_STACK_SIZE + STACK_ROUND <= PERCPU_STACK_PAGES * PAGE_SIZE, "its pages");
#define PERCPU_IDLE_STACK_TOP (PERCPU_IDLE_STACK + PERCPU_STACK_PAGES * PAGE_SIZE)

/** 64-bit task state segment, SDM 8.7. */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap_base;
} __attribute__((packed));
static_assert(sizeof(struct tss) == 104, "SDM 8.7");
static_assert(offsetof(struct tss, ist) == 36, "SDM 8.7");

enum { GDT_CODE = 0x08, GDT_DATA = 0x10, GDT_TSS = 0x18 };

struct vcpu;
struct record_text;

struct percpu_sibling {
	uint32_t id, apic_id;
};

/*
 * By who writes it. What other CPUs write has cache lines of its own: they come for it seldom, and
 * what the exit path reads stays with its CPU.
 */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the order is meant */
struct percpu {
	/* Written once, while the CPU is brought up. */
	uint32_t id;	  /* index, 0 is the boot processor */
	uint32_t apic_id; /* of the local APIC */
	uint32_t core;	  /* number of the core: equal on hyperthreads of one core */
	bool lapic_x2apic;
	bool uses_pcid;
	bool nmis_call;	    /* an NMI calls the scheduler */
	bool mc_recovers;   /* MCG_SER_P: what can go on after a machine check is said */
	uint8_t mc_banks;   /* of machine checks, hv/health/mce.h */
	uint64_t mc_period; /* between two looks into them, ticks */
	/* as loaded: with PCID and, where PCIDs are in use, the no-flush bit */
	uint64_t cr3_restricted;
	uint64_t cr3_full;
	uint32_t sibling_count;
	struct percpu_sibling siblings[PERCPU_MAX_SIBLINGS];

	/* Written by this CPU alone; others read `closed`, `idle` and `policy_generation`. */
	struct vcpu *vcpu __attribute__((aligned(CACHE_LINE))); /* running here, NULL when idle */
	uint32_t asi_state;
	uint32_t policy_generation;
	struct policy_actions actions; /* of the policy that this CPU follows */
	bool holding;		       /* the siblings' gates are held shut, hv/asi/stun.h */
	bool closed;		       /* a sibling did not acknowledge: never in full again */
	bool stack_is_deep;	       /* the idle one, hv/cpu/stack.h */
	bool collects;		       /* the record that it makes, hv/console/record.c */
	bool in_nmi;		       /* an NMI handler must not leave the restricted map */
	bool idle;		       /* asleep in the scheduler, or about to be */
	bool asked;		       /* to look whether another VM is to come */
	bool free;		       /* the core has no VM to run */
	bool input_waits;	       /* the console's VM is to come next, to read its input */
	bool sliced;		       /* others could want the core */
	bool slice_last;	       /* somebody wants the core at its end */
	bool mc_found;		       /* a bank of machine checks holds something */
	uint8_t yields_to;	       /* a vCPU of the VM that it runs, and 1 */
#ifdef DEBUG_LOCKS
	uint32_t locks; /* that it holds, a bit for each rank: hv/base/lock_order.h */
#endif
	uint64_t slice_end;  /* 0: nobody else could want the core */
	uint64_t wake_at;    /* a sleeping VM's timer, which this core watches; 0: none */
	uint64_t turn_begin; /* TSC: of the VM's that is here */
	uint64_t nmis;	     /* that came from nobody here */
	uint64_t nmis_told;  /* of these */
	uint64_t nmis_next;  /* when more may be told, TSC */
	uint64_t mc_next;    /* when the banks are looked into next, TSC; 0: never */
	uint64_t mc_errors;  /* so far */

	/* Set by other CPUs, too, and taken back here. */
	bool kicked __attribute__((aligned(CACHE_LINE))); /* the scheduler has something for it */
	bool resched;					  /* the core runs another VM next */

	/* Written once, for the processor to read. */
	uint64_t gdt[5] __attribute__((aligned(CACHE_LINE)));
	struct tss tss;
	struct {
		uint16_t offset_low, selector;
		uint8_t ist, type;
		uint16_t offset_middle;
		uint32_t offset_high, reserved;
	} idt[256];
};
static_assert(offsetof(struct percpu, kicked) % CACHE_LINE == 0 &&
		      offsetof(struct percpu, gdt) % CACHE_LINE == 0 &&
		      offsetof(struct percpu, gdt) - offsetof(struct percpu, kicked) == CACHE_LINE,
	      "what others write shares no line");
static_assert(offsetof(struct percpu, vcpu) % CACHE_LINE == 0, "nor does what never changes");

/** The running CPU's private data. Either map. */
static inline struct percpu *this_cpu(void)
{
	return (struct percpu *)CPU_BASE;
}

/** This CPU's own tables are in use, and so its private page is there. Asks no data, which
 * restricted might lack. */
static inline bool percpu_is_live(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr;

	__asm__ volatile("sidt %0" : "=m"(idtr));
	return idtr.base == (uint64_t)this_cpu()->idt;
}

/**
 * What the core keeps of every CPU, sensitive: its page-table pair and the physmap view of its
 * private page.
 */
struct cpu_record {
	struct space_pair pair;
	struct spinlock window_lock;	   /* window, and what the pair shows in its slot */
	const struct space_window *window; /* current in the pair; NULL: none */
	struct percpu *percpu;		   /* through the physmap: full map only */
	struct record_text *record;	   /* that it makes */
	hpa_t vmxon;
	uint32_t apic_id;
	uint32_t core;
	uint32_t leader; /* first CPU of its core */
	bool online;
};

extern struct cpu_record cpus[PERCPU_MAX];
extern unsigned cpu_count;

/** Makes the pair, the private page and the stacks of CPU @id. Returns 0 or -E_NOMEM. */
FULL int percpu_create(unsigned id, uint32_t apic_id);

/** Has CPU @id's core failed closed (hv/asi/stun.h)? */
FULL bool percpu_core_is_closed(unsigned id);

/** On the CPU itself, running on any map that maps the image: takes its pair, GDT, IDT and TSS into
 * use (full map). */
FULL void percpu_activate(unsigned id);

#endif
