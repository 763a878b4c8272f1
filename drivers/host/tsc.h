/* SPDX-License-Identifier: MIT */
#ifndef DRIVERS_HOST_TSC_H
#define DRIVERS_HOST_TSC_H

#include "hv/base/types.h"

/**
 * Ticks a second of the time-stamp counter: measured against the 8254 timer, or, where that does
 * not run, from CPUID leaf 15H/16H; 0 if neither says. Takes about 30 ms.
 */
ANY uint64_t tsc_calibrate(void);

#endif
