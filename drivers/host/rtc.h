/* SPDX-License-Identifier: MIT */
#ifndef DRIVERS_HOST_RTC_H
#define DRIVERS_HOST_RTC_H

#include "hv/base/types.h"

/** Seconds since 1970-01-01 by the machine's CMOS clock, taken as UTC; 0 if it does not answer
 * sensibly. */
ANY uint64_t rtc_read_epoch(void);

#endif
