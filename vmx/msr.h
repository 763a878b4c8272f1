/* SPDX-License-Identifier: MIT */
/* A guest's MSRs: what it reaches itself, what is kept for it, what is answered (vmx/msr.c). */
#ifndef VMX_MSR_H
#define VMX_MSR_H

#include "hv/vm/vcpu.h"

/** Writes a VM's MSR bitmaps (SDM 24.6.9), BITMAP_COUNT pages. */
FULL void msr_fill_bitmaps(uint8_t *bitmaps);

/** Loads and saves the MSRs of a guest that the processor switches at no entry or exit. */
FULL void msr_load(const struct vcpu_hardware *hardware);
FULL void msr_save(struct vcpu_hardware *hardware);
/** Leaves nothing in them for the next guest. */
FULL void msr_scrub(void);

/** RDMSR and WRMSR of what the bitmap does not leave to the guest. The VMCS is current. */
ANY void msr_exit_read(struct vcpu *vcpu);
ANY void msr_exit_write(struct vcpu *vcpu);

#endif
