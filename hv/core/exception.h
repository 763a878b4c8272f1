/* SPDX-License-Identifier: MIT */
#ifndef HV_EXCEPTION_H
#define HV_EXCEPTION_H

#include "hv/base/panic.h"

/** Called by hv/cpu/exception.asm with the saved registers, in whichever map is current; may return
 * for a retry. */
void exception_handle(struct exception_frame *frame);

#endif
