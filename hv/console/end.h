/* SPDX-License-Identifier: MIT */
/* The run's last act: what is said of it, and to whom. */
#ifndef HV_END_H
#define HV_END_H

#include "hv/base/types.h"

/** The exit port's values: a run's status is 0 to END_STATUS_MAX, a panic is END_PANIC. */
#define END_STATUS_MAX 126
#define END_PANIC 127

/** `exit-port =`: where the status goes, 0 for nowhere. */
ANY void end_set_port(uint16_t port);

/** Sends what the serial ports still hold, and writes @status to the exit port, if there is one. */
ANY void end_tell(int64_t status);

/**
 * Sends what the serial ports still hold, writes @status to the exit port, if there is one, and
 * stops this CPU for good. What is no status (negative, or above END_PANIC) counts as
 * END_STATUS_MAX, so that no failure looks like a success. Any map; the others are stopped.
 */
ANY _Noreturn void end_halt(int64_t status);

#endif
