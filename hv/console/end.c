// SPDX-License-Identifier: MIT
#include "hv/console/end.h"

#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/global.h"
#include "hv/console/console.h"

static uint16_t exit_port GLOBAL_DATA("a port's number; a panic needs it in any map");

BOOT void end_set_port(uint16_t port)
{
	exit_port = port;
}

void end_tell(int64_t status)
{
	console_drain();
	if (exit_port)
		outb(exit_port,
		     status < 0 || status > END_PANIC ? END_STATUS_MAX : (uint8_t)status);
}

_Noreturn void end_halt(int64_t status)
{
	end_tell(status);
	halt_forever();
}
