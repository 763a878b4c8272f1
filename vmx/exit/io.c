// SPDX-License-Identifier: MIT
/* Port I/O: IN and OUT by the device models, INS and OUTS element by element. */
#include "drivers/guest/legacy/machine.h"
#include "drivers/guest/platform.h"
#include "hv/base/asm.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "vmx/exit/again.h"
#include "vmx/exit/exit.h"
#include "vmx/exit/guest_memory.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

/* Exit qualification, SDM table 27-5. */
#define QUALIFICATION_IN BIT(3)
#define QUALIFICATION_STRING BIT(4)
#define QUALIFICATION_REP BIT(5)

/* Elements of a string instruction per exit: more come with the next one, since REP resumes by
 * itself. */
#define MAX_ELEMENTS 8

static uint64_t merge(uint64_t old, uint64_t value, unsigned size)
{
	if (size == 4)
		return (uint32_t)value;
	return size == 2 ? (old & ~0xffffULL) | (value & 0xffff)
			 : (old & ~0xffULL) | (value & 0xff);
}

static inline uint32_t port_read(struct vcpu *vcpu, uint16_t port, unsigned size)
{
	uint32_t value;

	vm_lock_devices(vcpu->vm);
	machine_pio_read(vcpu, port, size, &value);
	vm_unlock_devices(vcpu->vm);
	return value;
}

/* False: the instruction is to be executed again. */
static inline bool port_write(struct vcpu *vcpu, uint16_t port, unsigned size, uint32_t value)
{
	vm_lock_devices(vcpu->vm);
	machine_pio_write(vcpu, port, size, value);
	vm_unlock_devices(vcpu->vm);
	if (unlikely(vcpu->again))
		vcpu_go_on(vcpu);
	return likely(!vcpu_again(vcpu));
}

/* The processor has looked at the rights to the port, and at nothing of the memory operand (SDM
 * 26.1.1). False: a fault is queued, or the element is to be moved again. One that straddles two
 * pages has two places. */
static bool move_element(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, unsigned segment,
			 uint64_t offset)
{
	enum guest_access access = in ? GUEST_WRITE : GUEST_READ;
	uint8_t *bytes[4];
	gpa_t gpa = GPA(0);
	uint64_t address;
	uint32_t value = 0;

	if (!guest_linear(segment, offset, size, access, &address))
		return false;
	for (unsigned i = 0; i < size; i++, gpa.v++) {
		bool new_page = i == 0 || !((address + i) & (PAGE_SIZE - 1));

		if (new_page && !guest_translate(vcpu, address + i, access, &gpa))
			return false;
		/* Outside RAM there is nothing to read or to keep. */
		bytes[i] = vm_ram(vcpu->vm, gpa, 1);
	}
	if (in) {
		value = port_read(vcpu, port, size);
		for (unsigned i = 0; i < size; i++)
			if (bytes[i])
				*bytes[i] = (uint8_t)(value >> 8 * i);
		return true;
	}
	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)(bytes[i] ? *bytes[i] : 0xff) << 8 * i;
	return port_write(vcpu, port, size, value);
}

/* Address-size mask of the index and count registers: from the instruction information (SDM table
 * 27-8). */
static uint64_t address_mask(uint64_t info)
{
	switch (info >> 7 & 7) {
	case 0:
		return 0xffff;
	case 1:
		return 0xffffffff;
	default:
		return ~0ULL;
	}
}

static void add_masked(uint64_t *reg, uint64_t delta, uint64_t mask)
{
	uint64_t value = (*reg + delta) & mask;

	/* 32-bit results clear the upper half, 16-bit ones keep the rest. */
	*reg = mask == 0xffff ? (*reg & ~mask) | value : value;
}

static void string_io(struct vcpu *vcpu, uint64_t qualification, unsigned size)
{
	bool in = qualification & QUALIFICATION_IN, rep = qualification & QUALIFICATION_REP;
	uint64_t info = vmcs_read(VMCS_EXIT_INSTRUCTION_INFO), mask = address_mask(info);
	unsigned segment = in ? GUEST_ES : info >> 15 & GUEST_SEGMENT_MASK;
	uint64_t *index = &vcpu->regs[in ? REG_RDI : REG_RSI];
	uint64_t *count = &vcpu->regs[REG_RCX];
	uint64_t rflags = vmcs_read(VMCS_GUEST_RFLAGS);
	uint64_t step = rflags & RFLAGS_DF ? 0 - (uint64_t)size : size;
	unsigned most = rflags & RFLAGS_TF ? 1 : MAX_ELEMENTS;

	for (unsigned i = 0; i < most; i++) {
		if (rep && (*count & mask) == 0)
			break;
		if (!move_element(vcpu, (uint16_t)(qualification >> 16), size, in, segment,
				  *index & mask))
			return;
		add_masked(index, step, mask);
		if (!rep)
			break;
		add_masked(count, ~0ULL, mask);
	}
	if (!rep || (*count & mask) == 0)
		vcpu_skip();
	else if (rflags & RFLAGS_TF)
		vcpu_trap_step();
}

void exit_io(struct vcpu *vcpu)
{
	uint64_t qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
	uint16_t port = (uint16_t)(qualification >> 16);
	unsigned size = (qualification & 7) + 1;

	if (unlikely(qualification & QUALIFICATION_STRING)) {
		string_io(vcpu, qualification, size);
		return;
	}
	if (qualification & QUALIFICATION_IN)
		vcpu->regs[REG_RAX] = merge(vcpu->regs[REG_RAX], port_read(vcpu, port, size), size);
	else if (!port_write(vcpu, port, size, (uint32_t)merge(0, vcpu->regs[REG_RAX], size)))
		return;
	vcpu_skip();
}
