/* SPDX-License-Identifier: MIT */
/*
 * The mitigation policy in force, and its change while guests run. Each CPU has its own copy of
 * what the policy resolved to and adopts a new one between two guests' instructions, in the full
 * map: a flush or a stun is then always ended by the rules that it was begun by.
 */
#ifndef HV_MITIGATION_H
#define HV_MITIGATION_H

#include "hv/config.h"
#include "hv/policy.h"

/** Resolves the configured policy and prints the `policy` record. Boot processor, full map, before
 * the first mitigation_adopt(). @smt: siblings may run guests. */
void mitigation_init(const struct config *config, bool smt);

/**
 * Asks every CPU to go over to another policy; the `policy` record says when all have. Full map.
 * Returns 0, -E_INVAL, or -E_BUSY while an earlier change is under way.
 */
int mitigation_request(enum config_mitigation mode, bool paranoid);

/** Is there a CPU that has not adopted the newest policy yet? Any map. */
bool mitigation_is_changing(void);

/** Has this CPU to adopt another policy? Any map. */
bool mitigation_is_stale(void);

/** This CPU goes over to the newest policy. Full map; with a vCPU loaded, vcpu_change_policy() does
 * it. */
void mitigation_adopt(void);

#endif
