/* SPDX-License-Identifier: MIT */
/* Which VM's window this CPU shows. */
#ifndef HV_WINDOW_H
#define HV_WINDOW_H

#include "mm/space.h"

/** Makes @window the one that this CPU shows, and flushes what it has cached of another. */
FULL void vm_set_window(const struct space_window *window);

/** This CPU shows no window any more and keeps no translation of a VM's memory, neither by the
 * window nor by an EPT. Before it is not counted in vm_record.joined any more: at 0, and when the
 * VM ends, that memory is given away. */
FULL void vm_leave_window(void);

#endif
