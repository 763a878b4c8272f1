/* SPDX-License-Identifier: MIT */
/* The MC146818 clock's registers: an index in one port, the register in the next. */
#ifndef DRIVERS_HW_RTC_H
#define DRIVERS_HW_RTC_H

#include "hv/base/types.h"

#define RTC_PORT_INDEX 0x70
#define RTC_PORT_DATA 0x71
#define RTC_INDEX_NMI_OFF BIT(7)

enum rtc_register {
	RTC_SECONDS = 0,
	RTC_MINUTES = 2,
	RTC_HOURS = 4,
	RTC_WEEKDAY = 6,
	RTC_DAY = 7,
	RTC_MONTH = 8,
	RTC_YEAR = 9,
	RTC_A = 10,
	RTC_B = 11,
	RTC_C = 12,
	RTC_D = 13,
	RTC_CENTURY = 0x32,
};

#define RTC_HOURS_PM BIT(7) /* in a clock of twelve hours */
#define RTC_A_32KHZ 0x26
#define RTC_A_UPDATING BIT(7)
#define RTC_B_24_HOURS BIT(1)
#define RTC_B_BINARY BIT(2)
#define RTC_D_VALID 0x80

#endif
