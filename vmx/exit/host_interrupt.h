/* SPDX-License-Identifier: MIT */
/* Host interrupts: taken while idle through the IDT, or as VM exits while a guest runs. Any map. */
#ifndef HV_INTERRUPT_H
#define HV_INTERRUPT_H

#include "hv/base/types.h"

enum host_vector {
	HOST_VECTOR_UART = 0x40,
	HOST_VECTOR_SCI = 0x41,	   /* the power button */
	HOST_VECTOR_TIMER = 0xe0,  /* a guest timer is due, or the time slice is over */
	HOST_VECTOR_STUN = 0xe1,   /* leave the guest: that is all */
	HOST_VECTOR_WAKE = 0xe2,   /* some VM wants a core */
	HOST_VECTOR_REPORT = 0xe3, /* an NMI or a machine check is to be told */
	HOST_VECTOR_KICK = 0xf0,   /* look at your work */
	HOST_VECTOR_SPURIOUS = 0xff,
};

/** Serves the interrupt and ends it at the local APIC. Restricted suffices. */
void interrupt_handle(uint8_t vector);

/** HOST_VECTOR_KICK, or an NMI in its stead: turns what other CPUs asked of this one, and of its
 * vCPU, into work. Any map. */
void interrupt_take_kick(void);

/** This CPU goes to the scheduler, before the next entry or from the idle loop. Any map. */
void interrupt_call_scheduler(void);

/** NMI: the end of the run is announced by it; others are counted and told (hv/health/nmi.h). */
void interrupt_handle_nmi(void);

/** An NMI that ended a guest's run leaves NMIs blocked until an IRET, which a handler
 * has and an exit has not: this is one. Any map. */
void interrupt_unblock_nmi(void);

/** Tells every other CPU, by NMI, to stop for good. Does not return where another one has told this
 * CPU so: one of them is left to say why. Full map. */
void interrupt_stop_others(void);

/** Routes COM1's and COM2's lines to CPU @apic_id, so that input wakes it. Full map. */
void interrupt_route_console(uint32_t apic_id);

#endif
