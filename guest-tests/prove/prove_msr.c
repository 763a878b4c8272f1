/* prove: vmx/msr.c */
/* prove-before: guest-tests/prove/instructions.h guest-tests/prove/window.h */
/* prove-options: precision=0 coverage=90 quick -eva-slevel=200 */
/* SPDX-License-Identifier: MIT */
/* Any value to any MSR, and any MSR read; the bitmaps, and what is switched. */
#include "vmx/caps.h"
#include "vmx/msr.h"
#include "vmx/vcpu.h"

struct percpu prove_cpu;
struct vcpu prove_vcpu;
static struct vm the_vm;
static uint32_t page[1024];
static uint8_t bitmaps[BITMAP_COUNT * PAGE_SIZE];
struct vmx_caps vmx_caps;

bool vlapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (any8)
		return false;
	*value = any64;
	return true;
}

bool vlapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return any8 & 1;
}

uint64_t vcpu_tsc(const struct vcpu *vcpu)
{
	return any64;
}

/* What nothing comes back from. */
void vlapic_write_tsc_deadline(struct vcpu *vcpu, uint64_t value)
{
}

void vlapic_tsc_moved(struct vcpu *vcpu, uint64_t delta)
{
}

void vcpu_post(struct vcpu *vcpu, uint8_t vector, bool level)
{
}

void vcpu_trap_step(void)
{
}

void vcpu_inject_gp(void)
{
}

void prove(void)
{
	prove_vcpu.vm = &the_vm;
	prove_vcpu.lapic.page = page;
	vmx_caps.rdtscp = any8 & 1;
	msr_fill_bitmaps(bitmaps);
	msr_load(&prove_vcpu.hardware);
	msr_save(&prove_vcpu.hardware);
	msr_scrub();
	the_vm.vcpu_count = any_within(1, CONFIG_MAX_VCPUS);
	while (any8) {
		any_bytes(prove_vcpu.regs, sizeof(prove_vcpu.regs));
		prove_vcpu.lapic.base_msr = any64;
		if (any8)
			msr_exit_read(&prove_vcpu);
		else
			msr_exit_write(&prove_vcpu);
	}
}
