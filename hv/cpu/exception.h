/* SPDX-License-Identifier: MIT */
/*
 * Where exceptions and interrupts come in. exception_handle() is hv/core/exception.c's: the one
 * call from the stubs up to whoever handles them.
 */
#ifndef HV_EXCEPTION_H
#define HV_EXCEPTION_H

#include "hv/base/panic.h"

/** Called by hv/cpu/exception.asm with the saved registers, in whichever map is current; may return
 * for a retry. */
ANY void exception_handle(struct exception_frame *frame);

/** An NMI that ended a guest's run leaves NMIs blocked until an IRET, which a handler
 * has and an exit has not: this is one. */
ANY void interrupt_unblock_nmi(void);

#endif
