/* SPDX-License-Identifier: MIT */
#ifndef VMX_MMIO_H
#define VMX_MMIO_H

#include "vmx/vcpu.h"

/**
 * Carries out the instruction at the guest's RIP, whose memory operand is the device register at
 * @gpa. Stops the VM with a clear reason if that is none the decoder knows. Restricted.
 */
ANY void mmio_emulate(struct vcpu *vcpu, gpa_t gpa);

#endif
