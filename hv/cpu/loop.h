/* SPDX-License-Identifier: MIT */
/*
 * The way up, back into what a CPU does when a vCPU has left it. It is hv/core's, and the last
 * thing that the caller's stack does.
 */
#ifndef HV_LOOP_H
#define HV_LOOP_H

/** What each CPU does when it runs no guest: takes its part of the core's VM, else sleeps in the
 * restricted map. On the idle stack, full map. */
FULL _Noreturn void cpu_loop(void);

#endif
