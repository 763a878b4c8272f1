/* SPDX-License-Identifier: MIT */
/*
 * Address Space Isolation: the way out of the restricted map and back (docs/ASI.md).
 *
 *   asi_exit()   restricted -> full: some sensitive datum is needed
 *   asi_enter()  full -> restricted, before the guest runs: flush, so that nothing of it stays in
 * the core
 */
#ifndef HV_ASI_H
#define HV_ASI_H

#include "hv/base/panic.h"
#include "hv/base/types.h"

/** Why a CPU left the restricted map: ROW(name, name in the records, what the code asks for). */
#define ASI_CAUSES(ROW)                                                                            \
	/* code touched sensitive data without asking first */                                     \
	ROW(FAULT, "sensitive-access", "")                                                         \
	/* the picture, and text that waits for the UART */                                        \
	ROW(CONSOLE, "console", "console")                                                         \
	/* guest memory is taken from the pool on first touch */                                   \
	ROW(POPULATE, "populate", "pool of frames")                                                \
	/* a VM starts, stops or is reset */                                                       \
	ROW(VM_STATE, "vm-state", "state of VMs")                                                  \
	/* the maps are examined */                                                                \
	ROW(CHECK, "check", "page tables")                                                         \
	/* the core goes to another VM, or an idle CPU looks for one */                            \
	ROW(SCHEDULE, "schedule", "scheduler")                                                     \
	/* another policy is asked for, or adopted */                                              \
	ROW(POLICY, "policy", "policy")                                                            \
	/* frames go to other VMs */                                                               \
	ROW(NET, "network", "networks")                                                            \
	/* a guest executes from a large page that is not executable */                            \
	ROW(SPLIT, "split", "page tables")

#define ASI_CAUSE_NUMBER(name, text, object) ASI_CAUSE_##name,
enum asi_cause { ASI_CAUSES(ASI_CAUSE_NUMBER) ASI_CAUSE_COUNT };

ANY const char *asi_cause_name(enum asi_cause cause);

/**
 * Leaves to the full map; if this CPU is there already, asks only for the flush of cond-flush. The
 * caller's address is the site that the statistics name. Interrupts off.
 */
ANY void asi_exit(enum asi_cause cause);

/**
 * Back to the restricted map with the flushes that the policy asks for. After it nothing sensitive
 * may be touched before the guest runs. Interrupts off; in FULL.
 */
FULL void asi_enter(void);

/**
 * Nothing sensitive is needed until this CPU is woken: it waits in the restricted map if exits land
 * there or siblings have to be let go, since an interrupt's handler runs in the map of the wait.
 * Interrupts off.
 */
ANY void asi_rest(void);

/** Awake again: where exits land in full, that is where work goes on. Interrupts off. */
ANY void asi_wake(void);

/**
 * A page fault in the hypervisor: leaves to full if restricted lacks what full maps, and returns
 * true for a retry of the instruction; false if the fault is a bug.
 */
ANY bool asi_handle_fault(const struct exception_frame *frame);

#endif
