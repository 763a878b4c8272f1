/* SPDX-License-Identifier: MIT */
/*
 * NMIs that come from outside: a button, a watchdog, a bus error, QEMU's monitor. They are counted
 * where they come, which may be between any two instructions, and told in the scheduler.
 */
#ifndef HV_NMI_H
#define HV_NMI_H

#include "hv/base/types.h"

/** From now on this CPU tells its NMIs soon: its local APIC is on. */
ANY void nmi_init_cpu(void);

/** An NMI has come. From an NMI handler, or a VM exit by NMI; touches the CPU's private page alone,
 * in any map. */
ANY void nmi_note(void);

/** Tells what has come since the last time: once a second at most, what comes in between is in the
 * next one's count. In the scheduler, full map. */
FULL void nmi_report(void);

/** When this CPU is to call nmi_report() again, TSC; 0: there is nothing to tell. */
ANY uint64_t nmi_deadline(void);

#endif
