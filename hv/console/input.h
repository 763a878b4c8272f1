/* SPDX-License-Identifier: MIT */
/* Who reads what is typed: the monitor, or a VM; and which CPU hears of it. */
#ifndef HV_INPUT_H
#define HV_INPUT_H

#include "hv/base/types.h"

#define MONITOR_KEY 0x1d /* Ctrl-] */

/** Does what is typed belong to the monitor? */
ANY bool input_is_monitors(void);

/** MONITOR_KEY was typed: from now on the monitor reads, or no longer. */
ANY void input_give_to_monitor(bool reads);

/** Index of the VM that gets what is typed otherwise; -1: none. Sensitive: full map. */
FULL int input_vm(void);
FULL void input_give_to_vm(int index);

/** What is typed comes to CPU @id from now on, and wakes it: to the CPU of whoever reads it, which
 * can change. */
FULL void input_route(unsigned id);

#endif
