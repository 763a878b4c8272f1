/* SPDX-License-Identifier: MIT */
/* What the monitor's commands do. The monitor's lock is held; full map, idle stack. */
#ifndef HV_MONITOR_COMMANDS_H
#define HV_MONITOR_COMMANDS_H

#include "hv/monitor/line.h"

/** What the prompt waits for after a command. */
enum monitor_wait_for {
	WAIT_NOTHING,
	WAIT_SETTLED, /* VM @vm is what the command wants it to be */
	WAIT_DUMP,    /* it has left its CPUs: its registers are shown then */
	WAIT_TRACE,   /* the same, its exits */
	WAIT_POLICY,  /* all CPUs follow the new policy */
	WAIT_TOP,     /* a key; until then the picture is renewed each second */
	WAIT_CLOSED,  /* the operator: the monitor is to close */
};

struct monitor_wait {
	enum monitor_wait_for what;
	unsigned vm;
};

/** Does what the line @text says, which it takes apart; what it has to wait for. */
FULL struct monitor_wait monitor_execute(char text[MONITOR_LINE_SIZE]);

/** Is it over? Then what was put off is done. Not for WAIT_TOP. */
FULL bool monitor_wait_is_over(const struct monitor_wait *wait);

/** Nobody waits any more: says so, and takes back what was done for the wait. */
FULL void monitor_wait_give_up(const struct monitor_wait *wait);

/** The picture of `top`: what has happened since the last one; @first: since now. */
FULL void monitor_show_top(bool first);

#endif
