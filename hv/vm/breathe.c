// SPDX-License-Identifier: MIT
#include "hv/vm/breathe.h"

#include "hv/asi/asi.h"
#include "hv/asi/stun.h"
#include "hv/base/asm.h"
#include "hv/base/global.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"

static bool others_run GLOBAL_DATA("whether the machine has come up; who waits may ask in any map");

void vm_others_run(void)
{
	others_run = true;
}

static void let_others(void)
{
	bool siblings_wait = others_run && stun_keeps_waiting(this_cpu());

	if (siblings_wait) {
		asi_rest();
		stack_goes_deep(); /* once more: it was zeroed */
	}
	if (others_run)
		interrupts_take();
	if (siblings_wait)
		asi_exit(ASI_CAUSE_SCHEDULE);
}

void vm_breathe(void)
{
	stack_goes_deep(); /* interrupts may */
	let_others();
	stack_goes_deep(); /* for those who look: nothing zeroes it behind this */
}
