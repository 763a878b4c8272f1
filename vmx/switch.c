// SPDX-License-Identifier: MIT
/* What hardware keeps for a guest outside its VMCS: MSRs that entry does not load, debug registers,
 * x87 to AVX-512. It stays in the registers while the vCPU has the CPU. */
#include "hv/base/asm.h"
#include "hv/base/string.h"
#include "hv/cpu/cpu.h"
#include "hv/vm/vcpu.h"
#include "vmx/msr.h"
#include "vmx/vcpu.h"

#define FCW_INITIAL 0x037f
#define MXCSR_INITIAL 0x1f80
#define MXCSR_OFFSET 24
#define DR6_INITIAL 0xffff0ff0

void vcpu_reset_hardware(struct vcpu *vcpu)
{
	static const uint16_t fcw = FCW_INITIAL;
	static const uint32_t mxcsr = MXCSR_INITIAL;
	uint8_t *area = vcpu_xsave_area(vcpu->id);

	memset(&vcpu->hardware, 0, sizeof(vcpu->hardware));
	vcpu->hardware.dr6 = DR6_INITIAL;
	/* No component in XSTATE_BV: each gets its initial state. */
	memset(area, 0, PAGE_SIZE);
	memcpy(area, &fcw, sizeof(fcw));
	memcpy(area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
}

void vcpu_load_hardware(const struct vcpu *vcpu)
{
	const struct vcpu_hardware *h = &vcpu->hardware;
	const void *area = vcpu_xsave_area(vcpu->id);

	msr_load(h);
	__asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3"
			 :
			 : "r"(h->dr[0]), "r"(h->dr[1]), "r"(h->dr[2]), "r"(h->dr[3]));
	write_dr6(h->dr6);
	if (cpu_facts.xsave) {
		xsetbv(0, vcpu->vm->xcr0_allowed);
		__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
		xsetbv(0, vcpu->xcr0);
	} else {
		__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
	}
}

/* The next one on this CPU finds nothing of it, whatever it loads for itself. */
static void scrub_hardware(void)
{
#ifndef BREAK_skip_scrub
	msr_scrub();
	__asm__ volatile("mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3"
			 :
			 : "r"(0ULL));
	write_cr2(0);
	cpu_scrub_fpu();
#endif
}

void vcpu_save_hardware(struct vcpu *vcpu)
{
	struct vcpu_hardware *h = &vcpu->hardware;
	void *area = vcpu_xsave_area(vcpu->id);

	msr_save(h);
	__asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
			 : "=r"(h->dr[0]), "=r"(h->dr[1]), "=r"(h->dr[2]), "=r"(h->dr[3]));
	h->dr6 = read_dr6();
	if (cpu_facts.xsave) {
		xsetbv(0, vcpu->vm->xcr0_allowed);
		__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
		xsetbv(0, 1);
	} else {
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
	}
	scrub_hardware();
}
