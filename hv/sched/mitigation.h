/* SPDX-License-Identifier: MIT */
/*
 * The mitigation policy in force, and its change while guests run. Each CPU has its own copy of
 * what the policy resolved to. It adopts a new one between two guests, and none runs a guest again
 * before all have: so a flush or a stun is ended by the rules that it was begun by, and no two
 * policies are ever in force side by side.
 */
#ifndef HV_MITIGATION_H
#define HV_MITIGATION_H

#include "hv/config/config.h"
#include "hv/asi/policy.h"

struct mitigation_choice {
	enum hypercall_policy mode;
	bool paranoid; /* every CPU counts as vulnerable */
	bool smt;      /* hyperthreads of one core run guests side by side */
};

/** Resolves the configured policy and prints the `policy` record. Boot processor, full map, before
 * the first mitigation_adopt(). */
FULL void mitigation_init(const struct config *config);

/** Prints what is in force as a `policy` record. */
FULL void mitigation_report(void);

/** What was chosen last. */
FULL const struct mitigation_choice *mitigation_chosen(void);
/** What that resolves to. */
FULL const struct policy_actions *mitigation_wants(void);

/**
 * Asks every CPU to go over to another policy; the `policy` record says when all have.
 * Returns 0, -E_INVAL, or -E_BUSY while an earlier change is under way.
 */
FULL int mitigation_request(const struct mitigation_choice *choice);

/* For the next function alone. */
extern bool mitigation_changing;

/** Is a change under way? Then no CPU may begin to run a guest. Any map. */
static inline bool mitigation_is_changing(void)
{
	return __atomic_load_n(&mitigation_changing, __ATOMIC_ACQUIRE);
}

/** This CPU's first policy. */
FULL void mitigation_adopt(void);

/**
 * If a change is under way, this CPU goes over to the new policy; the last one ends the change, the
 * others call those that are missing: again and again until it is over.
 * With no vCPU loaded, full map, which is held or not as the new policy has it afterwards.
 */
FULL void mitigation_follow(void);

#endif
