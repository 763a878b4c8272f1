/* SPDX-License-Identifier: MIT */
/* A vCPU that cannot run yet: halted, without a start-up IPI, or behind what it prints. */
#ifndef VMX_WAIT_H
#define VMX_WAIT_H

#include "hv/vm/vcpu.h"

/** WORK_PRINT: sends what the UART takes of the VM's lines, and takes interrupts. */
ANY void vm_print(struct vcpu *vcpu);

/** WORK_HALT, WORK_SIPI: sleeps in the restricted map until something happens, and sees whether it
 * is what the vCPU waits for. */
ANY void vcpu_wait(struct vcpu *vcpu);

#endif
