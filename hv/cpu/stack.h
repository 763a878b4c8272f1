/* SPDX-License-Identifier: MIT */
/*
 * What code in the full map leaves below the stack pointer lies where the restricted map shows it:
 * on a vCPU's stack in its VM's window, on a CPU's idle stack in its own slot. So asi_enter()
 * zeroes it first, and no deeper than code may have gone without saying so:
 *
 *   - nothing uses more than STACK_SHALLOW bytes of a vCPU's stack, or STACK_SHALLOW_IDLE of the
 *     other, but what a function does after it has called stack_goes_deep(), or has come by
 *     asi_exit() or a fault;
 *   - what does that uses no more than STACK_BEYOND bytes below the place where it came by, until
 * it returns to its caller; and that place itself is looked at.
 *
 * tools/check-stack proves both from the machine code, and reads the numbers here.
 */
#ifndef HV_STACK_H
#define HV_STACK_H

#include "hv/cpu/percpu.h"
#include "hv/base/types.h"
#include "hv/vm/vcpu.h"

#define STACK_SHALLOW 976
#define STACK_SHALLOW_IDLE 1504
#define STACK_BEYOND 416

/**
 * Zeroes from the stack pointer down to @end, and up to STACK_ROUND bytes more; and the registers
 * that a call may change, those of SSE left out, which are the guest's. hv/cpu/stack.asm.
 */
ANY void stack_zero(uint64_t end);
static_assert(STACK_ROUND == 128, "hv/cpu/stack.asm");

/** Leaves the current stack for good: @function, which does not return, goes on on the one that
 * begins at @top, with nothing in the registers. hv/cpu/stack.asm. */
FULL _Noreturn void cpu_switch_stack(void *top, void (*function)(void));

static inline uint64_t stack_pointer(void)
{
	uint64_t sp;

	__asm__ volatile("mov %%rsp, %0" : "=r"(sp));
	return sp;
}

/** Where the stack of @sp begins, if what lies below is to be zeroed; 0: another one. */
static inline uint64_t stack_top(uint64_t sp)
{
	if (sp - VM_VCPU_BASE < CONFIG_MAX_VCPUS * VM_VCPU_STRIDE)
		return ALIGN_UP(sp, VM_VCPU_STRIDE) - VCPU_RECORD_SIZE;
	if (sp - PERCPU_IDLE_STACK < PERCPU_STACK_PAGES * PAGE_SIZE)
		return PERCPU_IDLE_STACK_TOP;
	return 0;
}

/** So much of the stack that begins at @top is used without a word. */
static inline uint64_t stack_shallow(uint64_t top)
{
	return top == PERCPU_IDLE_STACK_TOP ? STACK_SHALLOW_IDLE : STACK_SHALLOW;
}

/** From here on more than that of the stack in use may be used: asi_enter() is to zero all of it.
 * Any map, any stack. */
ANY void stack_goes_deep(void);

/** On the way to full: is there room for STACK_BEYOND bytes? */
static inline void stack_look(void)
{
	uint64_t sp = stack_pointer(), top = stack_top(sp);

	if (unlikely(top && sp - STACK_BEYOND < top - stack_shallow(top)))
		stack_goes_deep();
}

/**
 * Zeroes what was used of this CPU's stack below the stack pointer, and the registers that a call
 * may leave something in. Full map; what the caller touches from then on stays where it is.
 */
static inline void stack_scrub(void)
{
	uint64_t sp = stack_pointer(), top = stack_top(sp), shallow = stack_shallow(top);
	bool idle = top == PERCPU_IDLE_STACK_TOP, was_deep, *deep;

	if (!top)
		return;
	deep = idle ? &this_cpu()->stack_is_deep : &((struct vcpu *)top)->stack_is_deep;
	was_deep = *deep;
	/* Who is below that still, waiting in restricted, goes on there. */
	*deep = sp < top - shallow;
#ifdef BREAK_short_scrub
	shallow /= 4;
#endif
	if (unlikely(was_deep))
		stack_zero(top - (idle ? PERCPU_IDLE_STACK_SIZE : VCPU_STACK_SIZE));
	else
		stack_zero(top - shallow);
}

#endif
