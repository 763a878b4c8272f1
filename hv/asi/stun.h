/* SPDX-License-Identifier: MIT */
/*
 * Stunning: while one hardware thread of a core is in the full map, no other thread of that core
 * runs guest code (docs/ASI.md; the protocol's model is guest-tests/model/stun.pml).
 *
 * Each CPU has a gate that it passes before every VM entry. One word says it all: the low half is 1
 * while the CPU is in a guest (or about to be), the high half counts down for every sibling that
 * holds the gate shut. So passing is one locked increment and a look at the sign
 * (vmx/exit/entry.asm), and holding is one locked subtraction whose old value says whether an
 * acknowledgement is needed.
 */
#ifndef HV_STUN_H
#define HV_STUN_H

#include "hv/base/types.h"

#define STUN_IN_GUEST 1
#define STUN_HOLD (1LL << 32)

struct percpu;
struct vcpu;

struct stun_gate {
	int64_t word;
	bool waited_for; /* its CPU stands before it */
} __attribute__((aligned(64)));

/** CPU @id's gate. */
ANY struct stun_gate *stun_gate(unsigned id);

/**
 * Notes which of the CPUs known so far share this CPU's core, and holds their gates: a CPU begins
 * in the full map. On the CPU itself, full map, before any guest runs on the core.
 */
FULL void stun_init_cpu(void);

/**
 * Holds the gates of all siblings and returns once none of them runs guest code: those that did
 * were interrupted and have acknowledged. Does nothing if they are held already. Any map (it must
 * work in restricted, since nothing sensitive may be touched before); interrupts off. If a sibling
 * does not answer within the bound, the core fails closed: this CPU says so and halts with the
 * gates shut.
 */
ANY void stun_hold(struct percpu *cpu);

/** Does a sibling stand at its gate? */
ANY bool stun_keeps_waiting(const struct percpu *cpu);

/** Lets the siblings go; does nothing if they are not held. After the flush. */
ANY void stun_release(struct percpu *cpu);

/**
 * For a CPU that panics, at whatever instruction of the protocol: shuts the siblings' gates once
 * more, for ever, and fetches them out of their guests. True once none runs one; false, and this
 * CPU must not go to full, if one does not answer within the bound. Any map; interrupts off.
 */
ANY bool stun_for_good(struct percpu *cpu);

/** The gate is shut: not in the guest after all; returns once it was passed. Restricted map,
 * interrupts off. */
RESTRICTED void stun_wait(struct vcpu *vcpu);

/** This CPU is not in its guest: clears what the gate's passing set. */
ANY void stun_left_guest(struct vcpu *vcpu);

#endif
