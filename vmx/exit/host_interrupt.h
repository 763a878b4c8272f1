/* SPDX-License-Identifier: MIT */
/* Host interrupts: taken while idle through the IDT, or as VM exits while a guest runs. Any map. */
#ifndef HV_INTERRUPT_H
#define HV_INTERRUPT_H

#include "hv/base/types.h"

/** Serves the interrupt and ends it at the local APIC. Restricted suffices. */
ANY void interrupt_handle(uint8_t vector);

/** HOST_VECTOR_KICK, or an NMI in its stead: turns what other CPUs asked of this one, and of its
 * vCPU, into work. */
ANY void interrupt_take_kick(void);

/** NMI: the end of the run is announced by it; others are counted and told (hv/health/nmi.h). */
ANY void interrupt_handle_nmi(void);

#endif
