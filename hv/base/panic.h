/* SPDX-License-Identifier: MIT */
/* The end of the road, for broken invariants of our own; never for anything that a guest or an
 * input does. */
#ifndef HV_PANIC_H
#define HV_PANIC_H

#include "hv/base/types.h"

/** Registers at an exception, as hv/cpu/exception.asm pushes them. */
struct exception_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};
static_assert(offsetof(struct exception_frame, vector) == 120,
	      "hv/cpu/exception.asm pushes 15 registers");

/** Reports (text and a `panic` record) with a symbolised stack, stops every CPU. Any map: switches
 * to full first, once no sibling runs a guest. */
ANY _Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** The same for an exception nobody expected. */
ANY _Noreturn void panic_exception(const struct exception_frame *frame);

/** Says that this CPU's core runs no guest any more, as CPU @silent does not answer its stun
 * (hv/asi/stun.h). Touches nothing sensitive. */
ANY void panic_tell_closed(unsigned silent);

#define ASSERT(cond)                                                                               \
	do {                                                                                       \
		if (unlikely(!(cond)))                                                             \
			panic("assertion failed: %s (%s:%d)", #cond, __FILE__, __LINE__);          \
	} while (0)

#endif
