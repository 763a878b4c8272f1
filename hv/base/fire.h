/* SPDX-License-Identifier: MIT */
/*
 * Transitions under fire (docs/CHECKS.md): only in the test build `make FIRE=1`. CPUs on which no
 * VM runs do nothing but send NMIs to those on which one does, and what each NMI found is noted.
 */
#ifndef HV_FIRE_H
#define HV_FIRE_H

#include "hv/base/panic.h"
#include "hv/base/types.h"

#ifdef FIRE
#define FIRE_ONLY(call) call
#else
#define FIRE_ONLY(call) ((void)0)
#endif

/** An NMI has interrupted the hypervisor: notes where, in which map, and whether the siblings were
 * held if it was the full one. In the NMI's handler, any map. */
void fire_hit(const struct exception_frame *frame);

/** Called by the scheduler where there is nothing to do: shoots at another CPU until something is
 * or the run ends. Full map; returns at once on a CPU that is not to shoot. */
void fire_shoot(void);

/** The run ends: no shot is fired behind this. Any map. */
void fire_cease(void);
/** Writes the `fire` records. Full map, the other CPUs have stopped. */
void fire_report(void);

#endif
