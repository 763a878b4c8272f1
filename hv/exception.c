// SPDX-License-Identifier: MIT
/* Where every host interrupt and exception arrives (hv/exception.asm). */
#include "hv/exception.h"

#include "hv/asi.h"
#include "hv/fire.h"
#include "hv/interrupt.h"
#include "hv/panic.h"
#include "hv/percpu.h"

enum { VECTOR_NMI = 2, VECTOR_PF = 14, VECTOR_FIRST_INTERRUPT = 32 };

extern const char interrupts_wait_hlt[];

static void handle_nmi(struct exception_frame *frame)
{
	this_cpu()->in_nmi = true;
	FIRE_ONLY(fire_hit(frame));
	interrupt_handle_nmi();
	/* One byte; the wait is over, and whoever waits looks again. */
	if (frame->rip == (uint64_t)interrupts_wait_hlt)
		frame->rip++;
	this_cpu()->in_nmi = false;
}

void exception_handle(struct exception_frame *frame)
{
	if (frame->vector >= VECTOR_FIRST_INTERRUPT) {
		interrupt_handle((uint8_t)frame->vector);
		return;
	}
	if (frame->vector == VECTOR_NMI) {
		handle_nmi(frame);
		return;
	}
	if (frame->vector == VECTOR_PF && asi_handle_fault(frame))
		return;
	panic_exception(frame);
}
