// SPDX-License-Identifier: MIT
#include "drivers/guest/legacy/machine.h"
#include "drivers/hw/rtc.h"

/*
 * The update-in-progress bit is up for the last 1/512 of each second, as long as a real clock's 2
 * ms.
 */
#define UPDATE_FRACTION 512

struct date {
	unsigned second, minute, hour, weekday, day, month, year;
};

/*
 * Civil date of a day number since 1970-01-01 (proleptic Gregorian, years from March, eras of 400
 * years).
 */
static void date_from_epoch(uint64_t epoch, struct date *d)
{
	uint64_t days = epoch / 86400, rest = epoch % 86400;
	uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	d->second = (unsigned)(rest % 60);
	d->minute = (unsigned)(rest / 60 % 60);
	d->hour = (unsigned)(rest / 3600);
	d->weekday = (unsigned)((days + 4) % 7) + 1;
	d->day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	d->month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	d->year = (unsigned)(yoe + era * 400 + (d->month <= 2));
}

void vrtc_reset(struct vm *vm)
{
	struct vrtc *rtc = &vm_machine(vm)->rtc;

	*rtc = (struct vrtc){ 0 };
	rtc->cmos[RTC_A] = RTC_A_32KHZ;
	rtc->cmos[RTC_B] = RTC_B_24_HOURS;
}

static uint8_t format(const struct vrtc *rtc, unsigned value)
{
	return (uint8_t)(rtc->cmos[RTC_B] & RTC_B_BINARY ? value : value / 10 << 4 | value % 10);
}

static uint8_t format_hour(const struct vrtc *rtc, unsigned hour)
{
	if (rtc->cmos[RTC_B] & RTC_B_24_HOURS)
		return format(rtc, hour);
	return format(rtc, (hour + 11) % 12 + 1) | (hour >= 12 ? 0x80 : 0);
}

static uint8_t read_time(struct vm *vm, const struct vrtc *rtc, unsigned index)
{
	struct date d;

	date_from_epoch(vm_epoch(vm) + vm_tsc(vm) / vm_tsc_hz(vm), &d);
	switch (index) {
	case RTC_SECONDS:
		return format(rtc, d.second);
	case RTC_MINUTES:
		return format(rtc, d.minute);
	case RTC_HOURS:
		return format_hour(rtc, d.hour);
	case RTC_WEEKDAY:
		return format(rtc, d.weekday);
	case RTC_DAY:
		return format(rtc, d.day);
	case RTC_MONTH:
		return format(rtc, d.month);
	case RTC_YEAR:
		return format(rtc, d.year % 100);
	default:
		return format(rtc, d.year / 100);
	}
}

uint8_t vrtc_read(struct vm *vm)
{
	const struct vrtc *rtc = &vm_machine(vm)->rtc;
	unsigned index = rtc->index & 0x7f;
	uint64_t hz;

	switch (index) {
	case RTC_SECONDS:
	case RTC_MINUTES:
	case RTC_HOURS:
	case RTC_WEEKDAY:
	case RTC_DAY:
	case RTC_MONTH:
	case RTC_YEAR:
	case RTC_CENTURY:
		return read_time(vm, rtc, index);
	case RTC_A:
		hz = vm_tsc_hz(vm);
		return rtc->cmos[RTC_A] |
		       (vm_tsc(vm) % hz >= hz - hz / UPDATE_FRACTION ? RTC_A_UPDATING : 0);
	case RTC_C: /* no interrupt is ever pending */
		return 0;
	case RTC_D:
		return RTC_D_VALID;
	default:
		return rtc->cmos[index];
	}
}

void vrtc_write(struct vm *vm, uint16_t port, uint8_t value)
{
	struct vrtc *rtc = &vm_machine(vm)->rtc;

	if (port == VRTC_INDEX_PORT) {
		rtc->index = value;
		return;
	}
	switch (rtc->index & 0x7f) {
	case RTC_A:
		rtc->cmos[RTC_A] = value & 0x7f;
		break;
	case RTC_C:
	case RTC_D:
		break;
	default: /* the time itself follows the hypervisor's clock and cannot be set */
		rtc->cmos[rtc->index & 0x7f] = value;
		break;
	}
}
