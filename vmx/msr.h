/* SPDX-License-Identifier: MIT */
/* A guest's MSRs: what it reaches itself, what is kept for it, what is answered (vmx/msr.c). */
#ifndef VMX_MSR_H
#define VMX_MSR_H

#include "hv/vm/vcpu.h"

/** Writes a VM's MSR bitmaps (SDM 24.6.9), BITMAP_COUNT pages. Full map. */
void msr_fill_bitmaps(uint8_t *bitmaps);

/** Loads and saves the MSRs of a guest that the processor switches at no entry or exit. */
void msr_load(const struct vcpu_hardware *hardware);
void msr_save(struct vcpu_hardware *hardware);
/** Leaves nothing in them for the next guest. */
void msr_scrub(void);

/** RDMSR and WRMSR of what the bitmap does not leave to the guest. The VMCS is current. Any map. */
void msr_exit_read(struct vcpu *vcpu);
void msr_exit_write(struct vcpu *vcpu);

#endif
