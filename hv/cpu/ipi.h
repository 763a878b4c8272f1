/* SPDX-License-Identifier: MIT */
/* What CPUs send each other: the vectors of the host's interrupts, and the call to stop. */
#ifndef HV_IPI_H
#define HV_IPI_H

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

/** Tells every other CPU, by NMI, to stop for good. Does not return where another one has told this
 * CPU so: one of them is left to say why. */
FULL void ipi_stop_others(void);

/** Has another CPU told all to stop? */
ANY bool ipi_another_stops(void);

#endif
