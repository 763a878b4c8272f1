// SPDX-License-Identifier: MIT
#include "drivers/host/rtc.h"

#include "drivers/hw/rtc.h"
#include "hv/base/asm.h"

#define MAX_POLLS 100000

static uint8_t read_cmos(uint8_t index)
{
	outb(RTC_PORT_INDEX, index | RTC_INDEX_NMI_OFF); /* as from boot on */
	return inb(RTC_PORT_DATA);
}

static unsigned number(uint8_t raw, bool binary)
{
	return binary ? raw : (raw >> 4) * 10U + (raw & 15);
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. */
static uint64_t days_from_date(unsigned year, unsigned month, unsigned day)
{
	/* The year begins in March: leap days come last. */
	uint64_t y = month <= 2 ? year - 1 : year;
	uint64_t m = month <= 2 ? month + 9 : month - 3;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

uint64_t rtc_read_epoch(void)
{
	unsigned second, minute, hour, day, month, year;
	uint8_t mode, raw_hour;
	bool binary;

	for (unsigned i = 0; i < MAX_POLLS && (read_cmos(RTC_A) & RTC_A_UPDATING); i++)
		cpu_relax();
	mode = read_cmos(RTC_B);
	binary = mode & RTC_B_BINARY;
	second = number(read_cmos(RTC_SECONDS), binary);
	minute = number(read_cmos(RTC_MINUTES), binary);
	raw_hour = read_cmos(RTC_HOURS);
	hour = number(raw_hour & ~RTC_HOURS_PM, binary);
	if (!(mode & RTC_B_24_HOURS))
		hour = hour % 12 + (raw_hour & RTC_HOURS_PM ? 12 : 0);
	day = number(read_cmos(RTC_DAY), binary);
	month = number(read_cmos(RTC_MONTH), binary);
	year = 2000 + number(read_cmos(RTC_YEAR), binary);
	if (second > 59 || minute > 59 || hour > 23 || day < 1 || day > 31 || month < 1 ||
	    month > 12)
		return 0;
	return days_from_date(year, month, day) * 86400 + hour * 3600U + minute * 60U + second;
}
