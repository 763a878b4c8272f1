// SPDX-License-Identifier: MIT
#include "hv/console/end.h"

#include "hv/base/asm.h"
#include "hv/console/console.h"
#include "hv/base/global.h"
#include "hv/life/power.h"
#include "hv/console/record.h"

static uint16_t exit_port GLOBAL_DATA("a port's number; a panic needs it in any map");

void end_set_port(uint16_t port)
{
	exit_port = port;
}

static void tell(int64_t status)
{
	console_drain();
	if (exit_port)
		outb(exit_port,
		     status < 0 || status > END_PANIC ? END_STATUS_MAX : (uint8_t)status);
}

_Noreturn void end_halt(int64_t status)
{
	tell(status);
	halt_forever();
}

_Noreturn void end_run(int64_t status, const char *reason)
{
	record_begin("end");
	record_i64("status", status);
	record_str("reason", reason);
	record_end();
	tell(status == END_PANIC ? END_STATUS_MAX : status);
	power_off_if_pressed();
	halt_forever();
}
