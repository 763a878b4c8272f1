// SPDX-License-Identifier: MIT
#include "vmx/exit_reason.h"

#define EXIT_REASON_TEXT(name, number, text) [number] = (text),
static const char *const names[EXIT_REASON_COUNT] = { EXIT_REASONS(EXIT_REASON_TEXT) };

const char *exit_reason_name(unsigned reason)
{
	if (reason < EXIT_REASON_COUNT && names[reason])
		return names[reason];
	return "unassigned";
}
