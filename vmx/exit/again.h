/* SPDX-License-Identifier: MIT */
/* An access of the guest's to a device that has more to do than interrupts should wait for:
 * vm_again() of drivers/guest/platform.h. */
#ifndef VMX_AGAIN_H
#define VMX_AGAIN_H

#include "hv/vm/vm.h"

/** Does at once what an access of the guest has left to be done (vm_again()), as long as neither an
 * interrupt nor a sibling wants anything. No lock is held; any map. */
ANY void vcpu_go_on(struct vcpu *vcpu);

/** The access cannot be made again: what it has left waits for the next notification, and the
 * driver is told of what was done. The same. */
ANY void vcpu_leave_undone(struct vcpu *vcpu);

/** Is the instruction that exits to be executed once more (vm_again())? Asking forgets it. */
static inline bool vcpu_again(struct vcpu *vcpu)
{
	bool again = vcpu->again;

	if (unlikely(again))
		vcpu->again = NULL;
	return again;
}

#endif
