/* SPDX-License-Identifier: MIT */
/* Who reads what is typed: the monitor, or a VM; and which CPU hears of it. */
#ifndef HV_INPUT_H
#define HV_INPUT_H

#include "hv/base/types.h"

#define MONITOR_KEY 0x1d /* Ctrl-] */

/** Does what is typed belong to the monitor? Any map. */
bool input_is_monitors(void);

/** MONITOR_KEY was typed: from now on the monitor reads, or no longer. Any map. */
void input_give_to_monitor(bool reads);

/** Index of the VM that gets what is typed otherwise; -1: none. Sensitive: full map. */
int input_vm(void);
void input_give_to_vm(int index);

/** What is typed comes to CPU @id from now on, and wakes it: to the CPU of whoever reads it, which
 * can change. Full map. */
void input_route(unsigned id);

#endif
