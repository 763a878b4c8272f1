/* SPDX-License-Identifier: MIT */
/*
 * Text that waits for the UART while VMs go on: what the hypervisor says of all of them, and lines
 * of guests that left their CPU meanwhile. So it is sensitive: full map only, under the console's
 * lock.
 */
#ifndef HV_CONSOLE_QUEUE_H
#define HV_CONSOLE_QUEUE_H

#include "hv/base/types.h"

#define CONSOLE_QUEUE_SIZE 32768U /* a power of two: the counters wrap */

/** Puts what there is room for; returns how much that is. */
FULL unsigned console_queue_put(const char *text, unsigned length);
/** Before all else, whole or not at all. */
FULL bool console_queue_put_first(const char *text, unsigned length);
/** False: there is nothing. */
FULL bool console_queue_get(char *c);
/** Bytes in it. */
FULL unsigned console_queue_length(void);

/** Marks what is put next, behind a newline: others may speak before it. */
FULL void console_queue_mark(void);
/** Does what is got next begin at a mark? Once true for each. */
FULL bool console_queue_at_mark(void);

#endif
