/* SPDX-License-Identifier: MIT */
/* A vCPU leaves its CPU. */
#ifndef HV_LEAVE_H
#define HV_LEAVE_H

#include "hv/vm/vcpu.h"

/**
 * The vCPU leaves its CPU: because its VM ends, as vcpu.work says (power-off, reboot, stop), or for
 * another VM's turn. Does not return; the scheduler goes on.
 */
ANY _Noreturn void vm_leave(struct vcpu *vcpu);
ANY _Noreturn void vm_yield(struct vcpu *vcpu);

#endif
