// SPDX-License-Identifier: MIT
#include "vmx/exit/mmio.h"

#include "drivers/guest/legacy/machine.h"
#include "drivers/guest/platform.h"
#include "hv/base/asm.h"
#include "hv/base/string.h"
#include "hv/cpu/stack.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "vmx/decode.h"
#include "vmx/exit/again.h"
#include "vmx/exit/guest_memory.h"
#include "vmx/vmcs.h"

#define MAX_INSTRUCTION 15
#define CS_LONG BIT(13)
#define CS_32 BIT(14)
/* Elements of a string instruction per exit, each of which may walk the guest's tables four times;
 * REP resumes by itself. */
#define MAX_ELEMENTS 2
#define QUALIFICATION_WRITE BIT(1)

/* What became of an instruction. */
enum outcome {
	DONE,
	LATER,	     /* a fault is queued, or the guest is to execute it again */
	UNSUPPORTED, /* or something about it is */
};

static enum decode_mode current_mode(uint64_t *base)
{
	uint64_t access = vmcs_read(VMCS_GUEST_CS_ACCESS);

	if (likely((access & CS_LONG) && (vmcs_read(VMCS_GUEST_EFER) & EFER_LMA))) {
		*base = 0;
		return DECODE_64;
	}
	*base = vmcs_read(VMCS_GUEST_CS_BASE);
	return access & CS_32 ? DECODE_32 : DECODE_16;
}

/* The bytes at linear @address: in place if the page holds enough of them, else gathered in
 * @buffer. */
static const uint8_t *fetch(struct vcpu *vcpu, uint64_t address, uint8_t buffer[MAX_INSTRUCTION],
			    unsigned *count)
{
	unsigned first = (unsigned)(PAGE_SIZE - (address & (PAGE_SIZE - 1)));
	const uint8_t *bytes;
	gpa_t gpa;

	*count = 0;
	if (!guest_translate_code(vcpu, address, &gpa))
		return NULL;
	if (first > MAX_INSTRUCTION)
		first = MAX_INSTRUCTION;
	bytes = vm_ram(vcpu->vm, gpa, first);
	*count = first;
	if (likely(first == MAX_INSTRUCTION) || !bytes)
		return bytes;
	memcpy(buffer, bytes, first);
	if (guest_translate_code(vcpu, address + first, &gpa)) {
		bytes = vm_ram(vcpu->vm, gpa, MAX_INSTRUCTION - first);
		if (bytes) {
			memcpy(buffer + first, bytes, MAX_INSTRUCTION - first);
			*count = MAX_INSTRUCTION;
		}
	}
	return buffer;
}

static uint64_t mask_of(unsigned size)
{
	return size == 8 ? ~0ULL : (1ULL << (8 * size)) - 1;
}

static uint64_t get_operand(const struct vcpu *vcpu, const struct decode_insn *insn)
{
	uint64_t value;

	if (insn->has_imm)
		return insn->imm & mask_of(insn->size);
	value = vcpu_get_reg(vcpu, insn->reg);
	if (insn->reg_high)
		value >>= 8;
	return value & mask_of(insn->size);
}

static void set_operand(struct vcpu *vcpu, const struct decode_insn *insn, uint64_t value)
{
	uint64_t old = vcpu_get_reg(vcpu, insn->reg);

	if (insn->sign_extend && insn->size < 8 && (value >> (8 * insn->size - 1) & 1))
		value |= ~mask_of(insn->size);
	switch (insn->reg_size) {
	case 1:
		if (insn->reg_high)
			value = (old & ~0xff00ULL) | (value & 0xff) << 8;
		else
			value = (old & ~0xffULL) | (value & 0xff);
		break;
	case 2:
		value = (old & ~0xffffULL) | (value & 0xffff);
		break;
	case 4:
		value = (uint32_t)value;
		break;
	default:
		break;
	}
	vcpu_set_reg(vcpu, insn->reg, value);
}

/* A vCPU's local APIC is its own. */
static inline bool is_shared(const struct vcpu *vcpu, gpa_t gpa)
{
	return unlikely(vcpu->vm->vcpu_count > 1) && gpa.v - MACHINE_LAPIC_BASE >= PAGE_SIZE;
}

static inline uint64_t device_read(struct vcpu *vcpu, gpa_t gpa, unsigned size)
{
	uint64_t value = ~0ULL;
	bool shared = is_shared(vcpu, gpa);

	if (shared)
		vm_lock(vcpu->vm);
	machine_mmio_read(vcpu, gpa, size, &value);
	if (shared)
		vm_unlock(vcpu->vm);
	return value & mask_of(size);
}

static void device_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value)
{
	bool shared = is_shared(vcpu, gpa);

	if (shared)
		vm_lock(vcpu->vm);
	machine_mmio_write(vcpu, gpa, size, value);
	if (shared)
		vm_unlock(vcpu->vm);
}

static void alu(struct vcpu *vcpu, gpa_t gpa, const struct decode_insn *insn)
{
	uint64_t flags = vmcs_read(VMCS_GUEST_RFLAGS);
	uint64_t memory = device_read(vcpu, gpa, insn->size), operand = get_operand(vcpu, insn),
		 result;
	bool keeps = insn->alu == ALU_CMP || insn->alu == ALU_TEST;

	if (insn->op == DECODE_ALU_READ) {
		result = decode_alu(insn->alu, operand, memory, insn->size, &flags);
		if (!keeps)
			set_operand(vcpu, insn, result);
	} else {
		result = decode_alu(insn->alu, memory, operand, insn->size, &flags);
		if (!keeps)
			device_write(vcpu, gpa, insn->size, result);
	}
	vmcs_write(VMCS_GUEST_RFLAGS, flags);
}

/* BT and friends on a register operand address bits beyond the operand; only the plain form is
 * known. */
static void bit_test(struct vcpu *vcpu, gpa_t gpa, const struct decode_insn *insn)
{
	uint64_t flags = vmcs_read(VMCS_GUEST_RFLAGS), memory = device_read(vcpu, gpa, insn->size);
	uint64_t bit = BIT(get_operand(vcpu, insn) & (8U * insn->size - 1));

	flags = memory & bit ? flags | RFLAGS_CF : flags & ~RFLAGS_CF;
	if (insn->alu == BT_SET)
		device_write(vcpu, gpa, insn->size, memory | bit);
	else if (insn->alu == BT_RESET)
		device_write(vcpu, gpa, insn->size, memory & ~bit);
	else if (insn->alu == BT_COMPLEMENT)
		device_write(vcpu, gpa, insn->size, memory ^ bit);
	vmcs_write(VMCS_GUEST_RFLAGS, flags);
}

static bool within_page(uint64_t address, unsigned size)
{
	return (address & (PAGE_SIZE - 1)) + size <= PAGE_SIZE;
}

/* What lies on two pages is moved byte by byte, once both may be touched. */
static enum outcome straddle(struct vcpu *vcpu, uint64_t address, unsigned size,
			     enum guest_access access, uint64_t *value)
{
	gpa_t gpa[8];
	uint64_t got = 0;

	stack_goes_deep();
	for (unsigned i = 0; i < size; i++)
		if (!guest_translate(vcpu, address + i, access, &gpa[i]))
			return LATER;
	for (unsigned i = 0; i < size; i++) {
		uint8_t *ram = vm_ram(vcpu->vm, gpa[i], 1);

		if (access == GUEST_READ)
			got |= (ram ? *ram : device_read(vcpu, gpa[i], 1)) << 8 * i;
		else if (ram)
			*ram = (uint8_t)(*value >> 8 * i);
		else
			device_write(vcpu, gpa[i], 1, *value >> 8 * i & 0xff);
	}
	if (access == GUEST_READ)
		*value = got;
	return DONE;
}

/* One side of an element of a string move: to RAM or to a device, with the rights of the guest's
 * instruction. */
static enum outcome move_operand(struct vcpu *vcpu, unsigned segment, uint64_t offset,
				 unsigned size, enum guest_access access, uint64_t *value)
{
	uint64_t address;
	gpa_t gpa;
	void *ram;

	if (!guest_linear(segment, offset, size, access, &address))
		return LATER;
	if (!within_page(address, size))
		return straddle(vcpu, address, size, access, value);
	if (!guest_translate(vcpu, address, access, &gpa))
		return LATER;
	ram = vm_ram(vcpu->vm, gpa, size);
	if (!ram) {
		if (access == GUEST_WRITE)
			device_write(vcpu, gpa, size, *value);
		else
			*value = device_read(vcpu, gpa, size);
	} else if (access == GUEST_WRITE) {
		memcpy(ram, value, size);
	} else {
		*value = 0;
		memcpy(value, ram, size);
	}
	return DONE;
}

/* STOS and MOVS. Neither register moves on before the element is where it belongs: a fault at its
 * destination finds both as they were. */
static enum outcome string_move(struct vcpu *vcpu, const struct decode_insn *insn)
{
	uint64_t rflags = vmcs_read(VMCS_GUEST_RFLAGS);
	uint64_t step = rflags & RFLAGS_DF ? 0 - (uint64_t)insn->size : insn->size;
	unsigned most = rflags & RFLAGS_TF ? 1 : MAX_ELEMENTS;
	uint64_t mask = vcpu_is_64bit() ? UINT64_MAX : UINT32_MAX;
	uint64_t *count = &vcpu->regs[REG_RCX], *from = &vcpu->regs[REG_RSI],
		 *to = &vcpu->regs[REG_RDI];

	for (unsigned i = 0; i < most && (!insn->rep || (*count & mask)); i++) {
		uint64_t value = vcpu->regs[REG_RAX] & mask_of(insn->size);
		enum outcome outcome = DONE;

		if (insn->op == DECODE_MOVS)
			outcome = move_operand(vcpu, insn->segment, *from & mask, insn->size,
					       GUEST_READ, &value);
		if (outcome == DONE)
			outcome = move_operand(vcpu, GUEST_ES, *to & mask, insn->size, GUEST_WRITE,
					       &value);
		if (outcome != DONE)
			return outcome;
		if (insn->op == DECODE_MOVS)
			*from = (*from + step) & mask;
		*to = (*to + step) & mask;
		if (!insn->rep)
			break;
		*count = (*count - 1) & mask;
	}
	if (!insn->rep || !(*count & mask))
		vcpu_skip_bytes(insn->length);
	else if (rflags & RFLAGS_TF)
		vcpu_trap_step();
	return DONE;
}

static bool writes(const struct decode_insn *insn)
{
	switch (insn->op) {
	case DECODE_WRITE:
	case DECODE_XCHG:
		return true;
	case DECODE_ALU_WRITE:
		return insn->alu != ALU_CMP && insn->alu != ALU_TEST;
	case DECODE_BT:
		return insn->alu != BT_TEST;
	default:
		return false;
	}
}

/*
 * The bytes are read after the processor has executed them: another vCPU may have put a write in
 * the place of a read meanwhile, and it is for the read that rights were looked at. Then, and where
 * the processor tells of the read of a read-modify-write only, the guest's tables are asked.
 */
static bool may_write(struct vcpu *vcpu, gpa_t gpa)
{
	gpa_t now;

	if (likely(vmcs_read(VMCS_EXIT_QUALIFICATION) & QUALIFICATION_WRITE))
		return true;
	return guest_translate(vcpu, vmcs_read(VMCS_GUEST_LINEAR_ADDRESS), GUEST_WRITE, &now) &&
	       now.v == gpa.v;
}

/* A MOV whose operand begins on the page at which the processor stopped and ends on the next one.
 */
static enum outcome execute_straddling(struct vcpu *vcpu, gpa_t gpa, const struct decode_insn *insn)
{
	uint64_t address = vmcs_read(VMCS_GUEST_LINEAR_ADDRESS), value = get_operand(vcpu, insn);
	bool write = insn->op == DECODE_WRITE;
	enum outcome outcome;

	if ((!write && insn->op != DECODE_READ) || (address ^ gpa.v) & (PAGE_SIZE - 1))
		return UNSUPPORTED;
	outcome = straddle(vcpu, address, insn->size, write ? GUEST_WRITE : GUEST_READ, &value);
	if (outcome != DONE)
		return outcome;
	if (!write)
		set_operand(vcpu, insn, value);
	vcpu_skip_bytes(insn->length);
	return DONE;
}

static enum outcome execute(struct vcpu *vcpu, gpa_t gpa, const struct decode_insn *insn)
{
	uint64_t value;

	if (likely(insn->size == 4 && insn->reg_size == 4 && insn->op == DECODE_READ &&
		   !insn->sign_extend && within_page(gpa.v, 4))) {
		vcpu_set_reg(vcpu, insn->reg, device_read(vcpu, gpa, 4));
		vcpu_skip_bytes(insn->length);
		return DONE;
	}
	if (insn->op == DECODE_STOS || insn->op == DECODE_MOVS)
		return string_move(vcpu, insn);
	if (!within_page(gpa.v, insn->size))
		return execute_straddling(vcpu, gpa, insn);
	if (writes(insn) && !may_write(vcpu, gpa))
		return LATER;
	switch (insn->op) {
	case DECODE_READ:
		set_operand(vcpu, insn, device_read(vcpu, gpa, insn->size));
		break;
	case DECODE_WRITE:
		device_write(vcpu, gpa, insn->size, get_operand(vcpu, insn));
		if (unlikely(vcpu->again))
			vcpu_go_on(vcpu);
		if (unlikely(vcpu_again(vcpu)))
			return LATER;
		break;
	case DECODE_ALU_READ:
	case DECODE_ALU_WRITE:
		alu(vcpu, gpa, insn);
		break;
	case DECODE_XCHG:
		value = device_read(vcpu, gpa, insn->size);
		device_write(vcpu, gpa, insn->size, get_operand(vcpu, insn));
		set_operand(vcpu, insn, value);
		break;
	case DECODE_BT:
		bit_test(vcpu, gpa, insn);
		break;
	default:
		return UNSUPPORTED;
	}
	vcpu_skip_bytes(insn->length);
	return DONE;
}

/* A program is told as by a processor that lacks the instruction; a kernel that does so has lost
 * its way, and its VM with it. */
static void refuse(struct vcpu *vcpu, uint64_t rip)
{
	if (vcpu_cpl() == 3)
		vcpu_inject_ud();
	else
		vm_stop(vcpu,
			"an instruction that Cloister cannot decode touches device memory; RIP",
			rip);
}

void mmio_emulate(struct vcpu *vcpu, gpa_t gpa)
{
	uint8_t buffer[MAX_INSTRUCTION];
	struct decode_insn insn;
	uint64_t base, address, rip = vmcs_read(VMCS_GUEST_RIP);
	unsigned count;
	enum decode_mode mode = current_mode(&base);
	const uint8_t *bytes;

	address = likely(mode == DECODE_64) ? rip : (base + rip) & UINT32_MAX;
	bytes = fetch(vcpu, address, buffer, &count);
	if (unlikely(!bytes || decode_insn(bytes, count, mode, &insn) ||
		     execute(vcpu, gpa, &insn) == UNSUPPORTED))
		refuse(vcpu, rip);
	if (unlikely(vcpu->again))
		vcpu_leave_undone(vcpu); /* nobody notifies by other instructions than MOV */
}
