/* SPDX-License-Identifier: MIT */
/*
 * A VM and its vCPUs. Everything in these structs lies in the VM's own window (hv/base/layout.h):
 * mapped, in both maps, while the VM is current on a CPU, and absent otherwise. Frames, tables and
 * boot files are not here but in the sensitive struct vm_record.
 */
#ifndef HV_VM_H
#define HV_VM_H

#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/legacy/machine.h"
#include "hv/asi/asi.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/base/hypercall_abi.h"
#include "hv/base/layout.h"
#include "hv/base/histogram.h"
#include "hv/base/spinlock.h"
#include "hv/asi/stun.h"
#include "mm/space.h"

#define VM_POPULATE_CHUNK PAGE_SIZE_2M
#define VM_MAX_ESCALATION_SITES 32
#define VM_CPUID_ENTRIES 64
#define VM_MTRR_COUNT 28
#define VM_MTRR_DEF_TYPE 27
#define VCPU_SAVED_MSRS 6
/* Guest memory whose presence is tracked, for lazy population. */
#define VM_MAX_CHUNKS (GUEST_SPAN / VM_POPULATE_CHUNK)

/* vcpu.work: what has to be done before the next VM entry; zero on nearly every exit. */
enum vcpu_work {
	WORK_IRQ = 1 << 0,     /* the local APIC or an NMI may have something to inject */
	WORK_ASI = 1 << 1,     /* this CPU is in the full map */
	WORK_REQUEST = 1 << 2, /* the VM wants to power off or reboot */
	WORK_FLUSH = 1 << 3,   /* under always-flush it stays set */
	WORK_STOP = 1 << 4,    /* the VM cannot go on, or another vCPU has ended it */
	WORK_CR2 = 1 << 5,     /* a host page fault overwrote CR2 */
	WORK_TIMER =
		1 << 6, /* preemption timer in use: stays set, since it counts in guest mode only */
	WORK_SWITCH = 1 << 7, /* the core wants to run another VM, or another policy is to come */
	WORK_HALT = 1 << 8,   /* halted: waits for an interrupt */
	WORK_INIT = 1 << 9,   /* an INIT has arrived */
	WORK_SIPI = 1 << 10,  /* waits for a start-up IPI */
	WORK_TRACE = 1 << 11, /* exits are recorded: stays set */
	WORK_NET = 1 << 12,   /* frames have come, or it is time to look for some to send */
	WORK_SEND = 1 << 13,  /* frames are to go to the switch */
	WORK_TAKE = 1 << 15, /* an event is delivered with the next entry, and may exit again before
				the processor looks for interrupts: they are taken here */
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

struct vcpu_stats {
	uint64_t exits[VCPU_EXIT_COUNTERS]; /* by basic exit reason */
	uint64_t ticks[VCPU_EXIT_COUNTERS]; /* from exit to entry, halted time left out */
	uint64_t exits_full;		    /* exits that left the restricted map */
	uint64_t escalations;
	uint64_t l1d_flush[3]; /* by enum policy_l1d */
	uint64_t verw;
	uint64_t predictor; /* flush_predictor() */
	uint64_t ibpb;
	uint64_t injected;
	uint64_t halted_ticks;
	uint64_t stuns_sent;	    /* siblings that had to be interrupted */
	struct histogram stun_wait; /* ticks from the first IPI to the last acknowledgement */
	uint64_t stunned;	    /* entries that found the gate shut */
	uint64_t stunned_ticks;	    /* spent before it */
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
	uint64_t msrs[VCPU_SAVED_MSRS]; /* saved_msrs[], vmx/switch.c */
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
	uint32_t exit_tsc;	  /* low half of the time stamp at the exit */
	uint32_t printed;	  /* how far HYPERCALL_STATS_PRINT has come */
	struct virtio *again;	  /* vm_again(); NULL: all was done */
	const char *complaint[2]; /* vm_complain(): the device, and what it waits for; of
				     WORK_COMPLAIN */
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

/** One CPUID leaf as the guest sees it. */
struct cpuid_entry {
	uint32_t leaf, subleaf;
	uint32_t eax, ebx, ecx, edx;
	uint8_t flags; /* enum cpuid_entry_flags */
};

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
	struct cpuid_entry cpuid[VM_CPUID_ENTRIES];
	uint8_t cpuid_count;
	uint8_t cpuid_basic[0x20]; /* leaf -> first entry; CPUID_NO_ENTRY */
	uint8_t cpuid_ext[0x10];
	struct console_text console_out;
	unsigned console_length;
	char console_line[CONSOLE_GUEST_LINE];
	struct vm_sched sched;
	struct machine machine;
	uint8_t populated[VM_MAX_CHUNKS / 8]; /* lazy: one bit a chunk, by guest-physical address */
};

/* How its output shows. */
enum vm_view {
	VM_VIEW_LINES,	/* whole lines behind its name */
	VM_VIEW_RAW,	/* byte by byte: it has the console to itself */
	VM_VIEW_HIDDEN, /* another one has */
};

enum vm_timer { VM_TIMER_DEADLINE, VM_TIMER_PREEMPTION };

#define VM_HERE ((struct vm *)VM_PRIV_BASE)
/* Behind it: the frame queues of each network card. */
#define VM_NET_BASE (VM_PRIV_BASE + VM_PRIV_SPAN / 2)
#define VM_NET_STRIDE MIB(1)
static_assert(sizeof(struct vm) <= VM_PRIV_SPAN / 2, "hv/base/layout.h");
static_assert(VM_NET_BASE + CONFIG_MAX_NICS * VM_NET_STRIDE <= VM_VCPU_BASE, "hv/base/layout.h");

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

#define VM_NO_CPU UINT32_MAX

/** The stack on which a kernel is loaded, hv/life/loading.c: as deep as tools/check-stack says. */
#define VM_LOADING_STACK_ORDER 1
#define VM_LOADING_STACK_SIZE (PAGE_SIZE << VM_LOADING_STACK_ORDER)

enum vm_state {
	VM_ABSENT,
	VM_REFUSED,  /* it could not be built or loaded */
	VM_ENDED,    /* has no memory: powered off, failed, or stopped by the operator */
	VM_BUILDING, /* is being built or taken down, by one CPU: nobody else touches it */
	VM_READY,    /* built; vCPU 0's CPU has to load the kernel. From here on it has memory */
	VM_LOADING,  /* that is being done */
	VM_LIVE,
	VM_ENDING, /* no vCPU starts any more; the last one to leave tidies up */
};

/* What the operator wants of a VM: that it ends, and what then. */
enum vm_wish { VM_WISH_NONE, VM_WISH_STOP, VM_WISH_RESTART, VM_WISH_RESET };

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

/**
 * What the core knows of a VM, sensitive: where its frames, tables and files are.
 */
struct vm_record {
	const struct config_vm *config;
	struct spinlock lock; /* state, joined, and the frames given to the guest */
	enum vm_state state;
	enum vm_wish wish;     /* outlives a stop: the operator's machine does not end by itself */
	uint8_t held;	       /* bits of enum vm_hold: no vCPU comes to a CPU */
	bool load_failed;      /* its kernel could not be loaded */
	enum vm_state becomes; /* BUILDING: when it is built, or its memory scrubbed */
	uint32_t scrubber;     /* CPU that does so, and 1; 0: nobody does */
	uint64_t scrubbed;     /* guest-physical address up to which that is done */
	uint32_t starts;       /* how often its kernel was loaded */
	unsigned joined;       /* CPUs that use its window: vCPUs that are on one, visitors */
	uint32_t cpu[CONFIG_MAX_VCPUS]; /* where each vCPU runs: a row of places[]; with `cpus =
					   share` where it is now, or VM_NO_CPU */
	uint32_t places[2][CONFIG_MAX_VCPUS]; /* [0] if only one thread of a core runs guests */
	struct space_window window;
	struct pgtable ept;
	struct vm *vm;			      /* physmap view */
	struct vcpu *vcpus[CONFIG_MAX_VCPUS]; /* the same */
	hpa_t vmcs[CONFIG_MAX_VCPUS];
	hpa_t apic_page[CONFIG_MAX_VCPUS];
	hpa_t msr_bitmap; /* two, VCPU_MSR_BITMAP_ORDER: without and with APIC virtualisation */
	hpa_t msr_area;	  /* what VM exit and VM entry load */
	hpa_t loading_stack;
	uint64_t loading_sp;  /* where that was left; 0: not since the VM's start */
	uint64_t memory_used; /* bytes of guest RAM that have frames */
	uint64_t pledged;     /* of 2 MiB, that it was promised and has not used yet */
	uint64_t expected;    /* the same of what it may touch beyond that */
	hpa_t spare_tables;   /* to split its large pages, one naming the next */
	hpa_t *disk_copies[CONFIG_MAX_DISKS]; /* of 2 MiB each, vm_disk.c; outlast the VM */
};

extern struct vm_record vm_records[CONFIG_MAX_VMS];

/** Builds VM @index of the configuration: memory, tables, devices. Its record's places[][] are set.
 * Its state is the caller's until sched_add(). Says itself what is wrong. Full map. */
int vm_create(unsigned index, const struct config_vm *config);

/** Between pieces of long work in the full map, with no lock but the monitor's: siblings that wait
 * at their gates get a turn, and interrupts are taken. While the machine starts there is nobody to
 * wait. What a vCPU asks for is better done in pieces, for its slice is not looked at here. */
void vm_breathe(void);

/** Zeroes free memory, with vm_breathe() in between, until as much is zero as is promised and
 * expected (mm/frames.h). @pledged: some of it to the caller. Full map. */
void vm_zero_ahead(bool pledged);

/** From now on guests run, and what takes long lets them. Boot processor, before the first runs. */
void vm_others_run(void);

/** Gives all that VM @record has back to the pool, which scrubs it: memory, tables, VMCSs. Nobody
 * uses it any more. Copes with one that is half built. Full map. */
void vm_destroy(struct vm_record *record);

/** Zeroes a piece of the memory of VM @record that @at stands before, and gives it back if it
 * @ends; false: there is none. Nobody runs the VM. Full map. */
bool vm_scrub_piece(struct vm_record *record, uint64_t *at, bool ends);

/**
 * A CPU wants to run vCPU @vcpu of VM @record: true if it may, and then vm_run() or a later
 * vm_part() must follow. Full map.
 */
bool vm_join(struct vm_record *record, unsigned vcpu);

/** Runs vCPU @index of a VM that was joined, or loads its kernel. Full map, idle stack. Does not
 * return: the scheduler goes on when the vCPU leaves. */
_Noreturn void vm_run(struct vm_record *record, unsigned index);

/** Goes on loading the kernel of a VM whose window is current, or begins; then runs its first vCPU.
 * Says itself what is wrong. Full map, idle stack. */
_Noreturn void vm_load(struct vm_record *record);

/** vm_breathe() while that is done, on its own stack: leaves it if the scheduler is called. */
void vm_loading_breathe(void);

/** Runs vCPU @index of the live VM @record, whose window is current. Full map, idle stack. */
_Noreturn void vm_enter(struct vm_record *record, unsigned index);

/** From vmx/exit/entry.asm, before the first entry, on the vCPU's own stack: nothing of what was
 * done on the CPU's own ones is left. Full map; leaves in the one that the guest's exits land in.
 */
void vm_begin(struct vcpu *vcpu);

/** Maps the disks that its configuration names into its window and puts them on its bus. 0, or
 * -E_NOENT and it has said what is wrong. While the VM is built, full map. */
int vm_attach_disks(struct vm_record *record);

/** Finds a file of the configuration, named as @what in @line; says itself what is wrong with it.
 */
const struct boot_file *vm_find_file(const struct config_vm *config, const char *what,
				     const char *name, unsigned line);

struct loader_entry;
/** Puts the VM's kernel and the files that go with it into its memory, which is current; *entry is
 * for its first vCPU. Says itself what is wrong. Full map. 0 or a negative error. */
int vm_load_kernel(const struct vm_record *record, struct loader_entry *entry);

/** Does guest memory at @gpa have its frame? The current VM, any map. */
bool vm_is_populated(const struct vm *vm, uint64_t gpa);

/** Takes a frame from the pool for the chunk around @gpa, if it has none; and if the guest is
 * @to_execute from there, lets it. Leaves the restricted map. 0, -E_RANGE or -E_NOMEM. */
int vm_populate(struct vm *vm, gpa_t gpa, bool to_execute);

/** The guest cannot go on: it is stopped before the next entry. @detail is shown in hex if not 0.
 * Any map. */
void vm_stop(struct vcpu *vcpu, const char *reason, uint64_t detail);

/**
 * The vCPU leaves its CPU: because its VM ends, as vcpu.work says (power-off, reboot, stop), or for
 * another VM's turn. Does not return; the scheduler goes on.
 */
_Noreturn void vm_leave(struct vcpu *vcpu);
_Noreturn void vm_yield(struct vcpu *vcpu);

/** The VM ends: vCPU @vcpu, which may run on another CPU, is to leave. Or it is to look whether its
 * exits are traced. Full map. */
void vcpu_post_stop(struct vcpu *vcpu);
void vcpu_post_trace(struct vcpu *vcpu);

/** Has the exits of @vcpu's VM recorded, or not: of all its vCPUs. On @vcpu's own CPU; any map. */
void vcpu_set_traced(struct vcpu *vcpu, bool on);

/** WORK_TRACE: records the exit that was handled. Its VMCS is current; any map. */
void vcpu_trace_exit(struct vcpu *vcpu);

/** Copies what was recorded of the last exits, oldest first, @max entries at most; how many. The
 * vCPU is the caller's own, or runs nowhere. Any map. */
unsigned vcpu_copy_trace(const struct vcpu *vcpu, struct hypercall_trace *out, unsigned max);

/** What is typed comes to CPU @id from now on. Full map. */
void vm_route_console(unsigned id);

/** WORK_COMPLAIN: tells the operator. Any map. */
void vm_print_complaint(struct vcpu *vcpu);

/** WORK_PRINT: sends what the UART takes of the VM's lines, and takes interrupts. Any map. */
void vm_print(struct vcpu *vcpu);
/** A vCPU leaves its CPU: the line of its VM's that has begun is queued; if the VM @ends, all are,
 * and one without an end is one too. The current VM, full map. */
void vm_leave_console(struct vm *vm, bool ends);

/** Its VM has got frames: it is to look for them. Full map. */
void vcpu_post_net(struct vm_record *record);

/** Turns what other CPUs asked of this CPU's vCPU into work. Any map. */
void vcpu_take_remote(struct vcpu *vcpu);

/** Of two times the earlier one, where 0 is never. */
static inline uint64_t tsc_earlier(uint64_t a, uint64_t b)
{
	return a - 1 < b - 1 ? a : b;
}

/** Arms this CPU's timer for the vCPU's deadline (if the LAPIC is to fire it) and the end of the
 * core's time slice. Any map. */
void vcpu_timer_program(const struct vcpu *vcpu);

/** TSC ticks for which vCPU @vcpu was on a CPU and not halted, from the VM's start until now, also
 * while it runs. @vm in its window, or vm_record.vm in the full map; any lock or none. */
uint64_t vm_run_ticks(const struct vm *vm, unsigned vcpu);

/** Makes the VM's network cards, their queues and ports, as its configuration says. Full map. 0,
 * -E_NOMEM. */
int vm_net_create(struct vm_record *record);

/** The VM's ports take part in their networks, with empty inboxes, or do not. Nobody is attached to
 * the VM. Full map. */
void vm_net_set_up(struct vm_record *record, bool up);

/** WORK_NET, WORK_SEND, or the vCPU is about to rest or to be taken off while its deadline runs:
 * serves the network cards, and leaves the restricted map if there is something to send. */
void vm_net_work(struct vcpu *vcpu);

/** One record of the statistics, that behind @at, which begins as 0 and is moved on; true: it was
 * the last. The current VM only; any map. */
bool vm_print_stats_piece(const struct vm *vm, unsigned *at);
/** All of them, with vm_breathe() in between: no vCPU is here. Full map. */
void vm_print_stats(const struct vm *vm);

/** The same as the guest reads it. */
void vm_copy_stats(const struct vm *vm, struct hypercall_stats *out);

/** Sets a vCPU's counters to zero. */
void vcpu_reset_stats(struct vcpu *vcpu);

/** Has the core of one of its vCPUs failed closed (hv/asi/stun.h) before it ended? Full map. */
bool vm_stands_still(const struct vm_record *record);

/** Says that VM @config of the configuration is not started (a `vm` record). Boot processor, before
 * the first runs. */
void vm_refuse(const struct config_vm *config, const char *reason);

/** Ends the run: `end` record, all CPUs halt. Any map. */
_Noreturn void vm_end_run(int64_t status, const char *reason);

#endif
