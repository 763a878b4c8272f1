/* SPDX-License-Identifier: MIT */
/* A vCPU of which nothing is known, and its memory, for the prover of exit handlers. */
#ifndef PROVE_GUEST_H
#define PROVE_GUEST_H

#include "vmx/exit/guest_memory.h"
#include "vmx/vcpu.h"

/* Twice: Eva knows where something begins and how long it may be, not where it ends. */
#define RAM 0x10000ULL
static uint8_t ram[2 * RAM];

struct percpu prove_cpu;
struct vcpu prove_vcpu;
static struct vm the_vm;

void *vm_ram(struct vm *vm, gpa_t gpa, uint64_t len)
{
	any_bytes(ram, sizeof(ram));
	return gpa.v <= RAM && len <= RAM - gpa.v ? ram + gpa.v : NULL;
}

bool guest_translate(struct vcpu *vcpu, uint64_t linear, enum guest_access access, gpa_t *gpa)
{
	*gpa = GPA(any64);
	return any8 & 1;
}

bool guest_translate_code(struct vcpu *vcpu, uint64_t linear, gpa_t *gpa)
{
	*gpa = GPA(any64);
	return any8 & 1;
}

bool guest_linear(unsigned segment, uint64_t offset, unsigned size, enum guest_access access,
		  uint64_t *linear)
{
	/*@ assert one_of_six: segment <= GUEST_GS; */
	*linear = any64;
	return any8 & 1;
}

void vcpu_go_on(struct vcpu *vcpu)
{
	if (any8)
		vcpu->again = NULL;
}

void vcpu_leave_undone(struct vcpu *vcpu)
{
	vcpu->again = NULL;
}

void vm_lock(struct vm *vm)
{
}

void vm_unlock(struct vm *vm)
{
}

static struct virtio any_device;

static struct vcpu *any_guest(void)
{
	prove_vcpu.vm = &the_vm;
	the_vm.vcpu_count = any_within(1, CONFIG_MAX_VCPUS);
	prove_vcpu.again = any8 & 1 ? &any_device : NULL;
	any_bytes(prove_vcpu.regs, sizeof(prove_vcpu.regs));
	return &prove_vcpu;
}

#endif
