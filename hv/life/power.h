/* SPDX-License-Identifier: MIT */
/*
 * The machine's power button, where ACPI has it as fixed hardware (drivers/host/acpi.h): the first
 * press stops all VMs one after the other and then switches the machine off, a second one does that
 * at once.
 */
#ifndef HV_POWER_H
#define HV_POWER_H

#include "hv/base/types.h"

/** Turns ACPI mode on if need be, and routes the button's interrupt to CPU @apic_id. Without such a
 * button nothing changes. Boot processor, once; full map. */
FULL void power_init(uint32_t apic_id);

/** HOST_VECTOR_SCI: notes a press, and calls the scheduler. */
ANY void power_interrupt(void);

/** Has the button been pressed? Then the run is to end, and this ends it. */
ANY bool power_is_pressed(void);

/** Does what a press is for, a step at a time. In the scheduler, full map, idle stack. */
FULL void power_poll(void);

/** When this CPU is to call power_poll() again, TSC; 0: it need not. */
FULL uint64_t power_deadline(void);

/** Switches the machine off (S5) if the button was pressed; returns if that is not wanted, or does
 * not happen. Full map; nothing else runs any more. */
FULL void power_off_if_pressed(void);

#endif
