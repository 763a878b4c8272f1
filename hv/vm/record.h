/* SPDX-License-Identifier: MIT */
/*
 * What the core knows of a VM, sensitive: where its frames, tables and files are, and what becomes
 * of it. What the VM may see is in its window: hv/vm/vm.h, hv/vm/vcpu.h.
 */
#ifndef HV_RECORD_OF_VM_H
#define HV_RECORD_OF_VM_H

#include "hv/base/spinlock.h"
#include "hv/config/config.h"
#include "hv/vm/vm.h"
#include "mm/pgtable.h"
#include "mm/space.h"

#define VM_NO_CPU UINT32_MAX

enum vm_state {
	VM_ABSENT,
	VM_REFUSED,   /* it could not be built or loaded */
	VM_ENDED,     /* has no memory: powered off, failed, or stopped by the operator */
	VM_BUILDING,  /* is being built or taken down, by one CPU: nobody else touches it */
	VM_READY,     /* built. From here on it has memory */
	VM_BEGINNING, /* vCPU 0's CPU puts it into its power-on state */
	VM_LOADING,   /* its first vCPU runs the loader program; else as one that is live */
	VM_LIVE,
	VM_ENDING, /* no vCPU starts any more; the last one to leave tidies up */
};

/* What the operator wants of a VM: that it ends, and what then. */
enum vm_wish { VM_WISH_NONE, VM_WISH_STOP, VM_WISH_RESTART, VM_WISH_RESET };

/**
 * What the core knows of a VM, sensitive: where its frames, tables and files are.
 */
struct vm_record {
	const struct config_vm *config;
	struct spinlock lock; /* state, joined, and the frames given to the guest */
	enum vm_state state;
	enum vm_wish wish;     /* outlives a stop: the operator's machine does not end by itself */
	uint8_t held;	       /* bits of enum vm_hold: no vCPU comes to a CPU */
	bool load_failed;      /* it ends before its kernel was loaded */
	enum vm_state becomes; /* BUILDING: when it is built, or its memory scrubbed */
	uint32_t scrubber;     /* CPU that does so, and 1; 0: nobody does */
	uint64_t scrubbed;     /* guest-physical address up to which that is done */
	uint32_t starts;       /* how often its kernel was loaded */
	unsigned joined;       /* CPUs that use its window: vCPUs that are on one, visitors */
	/* where each vCPU runs: a row of places[]; with `cpus = share` where it is now, or
	 * VM_NO_CPU */
	uint32_t cpu[CONFIG_MAX_VCPUS];
	uint32_t places[2][CONFIG_MAX_VCPUS]; /* [0] if only one thread of a core runs guests */
	struct space_window window;
	struct pgtable ept;
	struct vm *vm;			      /* physmap view */
	struct vcpu *vcpus[CONFIG_MAX_VCPUS]; /* the same */
	hpa_t vmcs[CONFIG_MAX_VCPUS];
	hpa_t apic_page[CONFIG_MAX_VCPUS];
	hpa_t msr_bitmap;     /* two, VCPU_MSR_BITMAP_ORDER: without and with APIC virtualisation */
	hpa_t msr_area;	      /* what VM exit and VM entry load */
	uint64_t memory_used; /* bytes of guest RAM that have frames */
	uint64_t pledged;     /* of 2 MiB, that it was promised and has not used yet */
	uint64_t expected;    /* the same of what it may touch beyond that */
	hpa_t spare_tables;   /* to split its large pages, one naming the next */
	hpa_t *disk_copies[CONFIG_MAX_DISKS]; /* of 2 MiB each, vm_disk.c; outlast the VM */
};

extern struct vm_record vm_records[CONFIG_MAX_VMS];

/**
 * A CPU wants to run vCPU @vcpu of VM @record: true if it may, and then vm_run() or a later
 * vm_part() must follow.
 */
FULL bool vm_join(struct vm_record *record, unsigned vcpu);

/** Is there only one VM that could run? */
FULL bool vm_is_single(void);

#endif
