// SPDX-License-Identifier: MIT
/* Where every host interrupt and exception arrives (hv/cpu/exception.asm). */
#include "hv/asi/asi.h"
#include "hv/base/fire.h"
#include "hv/base/panic.h"
#include "hv/cpu/exception.h"
#include "hv/cpu/percpu.h"
#include "hv/health/mce.h"
#include "vmx/exit/host_interrupt.h"

enum { VECTOR_NMI = 2, VECTOR_PF = 14, VECTOR_MC = 18, VECTOR_FIRST_INTERRUPT = 32 };

extern const char interrupts_wait_hlt[];

/* One byte; the wait is over, and whoever waits looks again. */
static void end_wait(struct exception_frame *frame)
{
	if (frame->rip == (uint64_t)interrupts_wait_hlt)
		frame->rip++;
}

static void handle_nmi(struct exception_frame *frame)
{
	this_cpu()->in_nmi = true;
	FIRE_ONLY(fire_hit(frame));
	interrupt_handle_nmi();
	end_wait(frame);
	this_cpu()->in_nmi = false;
}

void exception_handle(struct exception_frame *frame)
{
	uint64_t address;

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
	if (frame->vector == VECTOR_MC && !mce_take(&address)) {
		end_wait(frame);
		return;
	}
	panic_exception(frame);
}
