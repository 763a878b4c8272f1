/* unit-sources: drivers/guest/irq/[a-z]*.c drivers/guest/net/[a-z]*.c drivers/guest/virtio/[a-z]*.c drivers/guest/legacy/[a-z]*.c hv/base/print.c hv/base/string.c guest-tests/unit/fake_platform.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/fake_platform.h"
#include "guest-tests/unit/unit.h"

#include <time.h>

static struct vm *vm;

static uint8_t get(uint8_t index)
{
	uint32_t value = 0;

	CHECK(machine_pio_write(&vm->vcpu[0], 0x70, 1, index));
	CHECK(machine_pio_read(&vm->vcpu[0], 0x71, 1, &value));
	return (uint8_t)value;
}

static void set(uint8_t index, uint8_t value)
{
	CHECK(machine_pio_write(&vm->vcpu[0], 0x70, 1, index));
	CHECK(machine_pio_write(&vm->vcpu[0], 0x71, 1, value));
}

static unsigned bcd(uint8_t value)
{
	CHECK((value & 15) < 10 && value >> 4 < 10);
	return (unsigned)(value >> 4) * 10 + (value & 15);
}

/* What the clock says, against the C library's calendar. */
static void check_time(uint64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	CHECK(bcd(get(0)) == (unsigned)tm.tm_sec);
	CHECK(bcd(get(2)) == (unsigned)tm.tm_min);
	CHECK(bcd(get(4)) == (unsigned)tm.tm_hour);
	CHECK(bcd(get(6)) == (unsigned)tm.tm_wday + 1);
	CHECK(bcd(get(7)) == (unsigned)tm.tm_mday);
	CHECK(bcd(get(8)) == (unsigned)tm.tm_mon + 1);
	CHECK(bcd(get(9)) == (unsigned)tm.tm_year % 100);
	CHECK(bcd(get(0x32)) == (unsigned)tm.tm_year / 100 + 19);
}

TEST(rtc_tells_the_time_of_any_day)
{
	uint64_t seed = 3;

	vm = fake_vm(1, true);
	for (unsigned i = 0; i < 20000; i++) {
		vm->epoch = unit_random(&seed) % 253402300800ULL; /* up to the year 9999 */
		vm->tsc = 0;
		check_time(vm->epoch);
	}
	for (unsigned day = 0; day < 366 * 8; day++) { /* every day around a century */
		vm->epoch = 4070908800ULL - 4ULL * 366 * 86400 + day * 86400ULL;
		check_time(vm->epoch);
		vm->epoch += 86399;
		check_time(vm->epoch);
	}
}

TEST(rtc_runs_with_the_time_stamp_counter)
{
	vm = fake_vm(1, true);
	vm->epoch = 1700000000;
	vm->tsc = 86400 * FAKE_TSC_HZ - 1;
	check_time(vm->epoch + 86399);
	vm->tsc++;
	check_time(vm->epoch + 86400);
}

TEST(rtc_formats)
{
	vm = fake_vm(1, true);
	CHECK(get(0x0b) == 0x02); /* 24 hours, BCD */
	vm->epoch = 13 * 3600 + 45 * 60 + 59;
	CHECK(get(4) == 0x13 && get(2) == 0x45 && get(0) == 0x59);
	set(0x0b, 0x06);
	CHECK(get(4) == 13 && get(2) == 45 && get(0) == 59 && get(9) == 70 && get(0x32) == 19);
	set(0x0b, 0x00); /* 12 hours, BCD, afternoon in bit 7 */
	CHECK(get(4) == 0x81);
	vm->epoch = 0;
	CHECK(get(4) == 0x12);
	vm->epoch = 12 * 3600;
	CHECK(get(4) == 0x92);
	vm->epoch = 11 * 3600;
	CHECK(get(4) == 0x11);
	vm->epoch = 23 * 3600;
	CHECK(get(4) == 0x91);
	set(0x0b, 0x04);
	CHECK(get(4) == (0x80 | 11));
}

TEST(rtc_update_in_progress_is_short_and_before_the_second)
{
	unsigned up = 0;

	vm = fake_vm(1, true);
	for (unsigned i = 0; i < 10000; i++) {
		vm->tsc = i * (FAKE_TSC_HZ / 10000);
		if (get(0x0a) & 0x80) {
			up++;
			CHECK(i > 9900);
		}
	}
	CHECK(up > 5 && up < 50);
	vm->tsc = FAKE_TSC_HZ;
	CHECK(get(0x0a) == 0x26);
}

TEST(rtc_registers_hold_and_the_time_does_not_move)
{
	vm = fake_vm(1, true);
	vm->epoch = 1700000000;
	set(1, 0x11); /* alarm */
	set(3, 0x22);
	set(5, 0x33);
	CHECK(get(1) == 0x11 && get(3) == 0x22 && get(5) == 0x33);
	set(0x40, 0xa5);
	CHECK(get(0x40) == 0xa5 && get(0xc0) == 0xa5); /* bit 7 of the index is the NMI's */
	set(0x0a, 0xff);
	CHECK((get(0x0a) & 0x80) == 0); /* the update bit is read-only */
	set(0x0c, 0xff);
	set(0x0d, 0);
	CHECK(get(0x0c) == 0 && get(0x0d) == 0x80);
	set(0, 0x30);
	set(4, 0x01);
	check_time(1700000000);
}

TEST(rtc_survives_anything)
{
	uint64_t seed = 5;

	vm = fake_vm(1, true);
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t r = unit_random(&seed);

		vm->tsc = unit_random(&seed);
		vm->epoch = r & 1 ? unit_random(&seed) >> 20 : 0;
		if (r & 2)
			set((uint8_t)(r >> 8), (uint8_t)(r >> 16));
		else
			get((uint8_t)(r >> 8));
	}
}

UNIT_MAIN
