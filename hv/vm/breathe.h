/* SPDX-License-Identifier: MIT */
/* Long work lets others have their turn. */
#ifndef HV_BREATHE_H
#define HV_BREATHE_H

#include "hv/base/types.h"

/** Between pieces of long work, with no lock but the monitor's or the power button's: siblings that
 * wait for this CPU to leave the full map get a turn, and interrupts are taken. While the machine
 * starts there is nobody to wait. What a vCPU asks for is better done in pieces, for its slice is
 * not looked at here. */
ANY void vm_breathe(void);

/** From now on guests run, and what takes long lets them. Boot processor, before the first runs. */
FULL void vm_others_run(void);

#endif
