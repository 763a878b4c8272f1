// SPDX-License-Identifier: MIT
#include "hv/cpu/stack.h"

/* A function of its own, so that tools/check-stack finds who calls it. */
__attribute__((noinline)) void stack_goes_deep(void)
{
	uint64_t top = stack_top(stack_pointer());

	if (top == PERCPU_IDLE_STACK_TOP)
		this_cpu()->stack_is_deep = true;
	else if (top)
		((struct vcpu *)top)->stack_is_deep = true;
}
