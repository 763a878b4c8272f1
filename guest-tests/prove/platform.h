/* SPDX-License-Identifier: MIT */
/* A VM of which nothing is known but its devices: drivers/guest/platform.h for the prover. */
#ifndef PROVE_PLATFORM_H
#define PROVE_PLATFORM_H

#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/legacy/machine.h"

#define PROVE_VCPUS 2
/*
 * Bytes from guest-physical address 0 on. Eva knows nothing of sums: where a piece begins, and how
 * long it is, and not that both together were compared with the end. So the array is twice as long;
 * who does not check where a piece begins, or how long it is, is outside even so.
 */
#define PROVE_RAM 0x40000ULL

struct vcpu {
	struct vlapic lapic;
};

struct vm {
	struct machine machine;
	struct vcpu vcpu[PROVE_VCPUS];
};

/* By themselves, not in the structs above: who leaves one of them is nowhere. */
extern uint8_t ram[2 * PROVE_RAM];
extern uint32_t apic_page[1024], other_apic_page[1024];
extern struct frame_queue outbox, inbox;

/** The VM, zeroes but for its memory. */
struct vm *any_vm(void);

/** One of its vCPUs. */
struct vcpu *any_vcpu(struct vm *vm);

#endif
