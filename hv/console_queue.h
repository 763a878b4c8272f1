/* SPDX-License-Identifier: MIT */
/*
 * Text that waits for the UART while VMs go on: what the hypervisor says of all of them, and lines
 * of guests that left their CPU meanwhile. So it is sensitive: full map only, under the console's
 * lock.
 */
#ifndef HV_CONSOLE_QUEUE_H
#define HV_CONSOLE_QUEUE_H

#include "hv/types.h"

/** False: there is no room. */
bool console_queue_put(char c);
/** Before all else, whole or not at all. */
bool console_queue_put_first(const char *text, unsigned length);
/** False: there is nothing. */
bool console_queue_get(char *c);

#endif
