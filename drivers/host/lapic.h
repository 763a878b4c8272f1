/* SPDX-License-Identifier: MIT */
/* The machine's own local APIC: x2APIC where there is one, else its registers in memory. SDM volume
 * 3, "APIC". */
#ifndef DRIVERS_HOST_LAPIC_H
#define DRIVERS_HOST_LAPIC_H

#include "hv/base/types.h"

/** Boot processor, once: decides on the mode and maps the registers if need be. 0 or
 * -E_NOMEM. */
FULL int lapic_init(bool x2apic);

/** Every CPU: switches its APIC on. @spurious_vector is what noise gets; @timer_vector fires at the
 * armed time; the pin @nmi_lint (-1: none) takes NMIs from outside. */
ANY void lapic_enable(uint8_t spurious_vector, uint8_t timer_vector, bool deadline, int nmi_lint);

/** Ends the interrupt in service. Any map, hot. */
ANY void lapic_eoi(void);

/**
 * Fires the timer interrupt once the TSC reaches @tsc (without TSC-deadline mode about then,
 * perhaps early); 0 disarms. Any map, hot.
 */
ANY void lapic_arm(uint64_t tsc);

/** Inter-processor interrupts. */
ANY void lapic_send(uint32_t apic_id, uint8_t vector);
/** To this CPU; also from an NMI, in the middle of any of the others. */
ANY void lapic_send_self(uint8_t vector);
ANY void lapic_send_nmi(uint32_t apic_id);
ANY void lapic_send_init(uint32_t apic_id);
ANY void lapic_send_startup(uint32_t apic_id, uint8_t page);

#endif
