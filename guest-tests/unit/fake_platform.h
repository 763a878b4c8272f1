/* SPDX-License-Identifier: MIT */
/*
 * A VM made of nothing but its devices: drivers/guest/platform.h for tests on the host. What a
 * model asks of the hypervisor is noted down in the structs below.
 */
#ifndef FAKE_PLATFORM_H
#define FAKE_PLATFORM_H

#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/legacy/machine.h"

#define FAKE_VCPUS 4
#define FAKE_CONSOLE 4096
#define FAKE_TSC_HZ 1000000000ULL
#define FAKE_WINDOW 100000  /* vm_net_window() */
#define FAKE_RAM 0x40000ULL /* bytes, from guest-physical address 0 on */

struct vcpu {
	struct vm *vm;
	struct vlapic lapic;
	uint32_t apic_page[1024];
	unsigned notified, nmis, inits, sipis;
	bool elsewhere; /* another CPU runs it: vectors for it are posted */
	unsigned posted;
	uint8_t posted_vector;
	bool posted_level;
	uint8_t sipi_vector;
	uint64_t armed; /* 0: no timer */
};

struct vm {
	struct machine machine;
	struct vcpu vcpu[FAKE_VCPUS];
	unsigned vcpus;
	bool locked;
	bool assists; /* as a processor with APIC virtualisation does, the test itself playing it */
	unsigned locks;
	uint64_t tsc, epoch;
	uint32_t request;
	struct frame_queue *outbox, *inbox; /* VNET_MAX of each */
	unsigned sends;			    /* vm_net_send() */
	uint64_t poll_in; /* vm_net_poll_in(): the shortest, 0 if it was not called */
	unsigned console_length;
	uint8_t console[FAKE_CONSOLE];
	unsigned agains, complaints;
	bool flat;		       /* vm_ram_flat() has something to offer */
	void (*meddle)(struct vm *vm); /* called at each vm_ram() */
	uint8_t ram[FAKE_RAM] __attribute__((aligned(4096)));
};

/** The VM of the test, in its power-on state. */
struct vm *fake_vm(unsigned vcpus, bool x2apic);

/** Moves the clock to @tsc; timers that come due on the way expire, as often as they rearm. */
unsigned fake_run_until(struct vm *vm, uint64_t tsc);

#endif
