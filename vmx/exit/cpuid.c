// SPDX-License-Identifier: MIT
/* CPUID: answers come from the table of vmx/cpuid.c; a few fields follow the vCPU's state. */
#include "hv/base/asm.h"
#include "hv/vm/vcpu.h"
#include "vmx/cpuid.h"
#include "vmx/exit/exit.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

static const struct cpuid_entry *find(uint32_t leaf, uint32_t subleaf)
{
	const struct cpuid_table *table = &cpuid_table;
	unsigned index = CPUID_NO_ENTRY;
	const struct cpuid_entry *e;

	if (likely(leaf < ARRAY_SIZE(table->basic)))
		index = table->basic[leaf];
	else if (leaf - 0x80000000 < ARRAY_SIZE(table->ext))
		index = table->ext[leaf - 0x80000000];
	else
		for (unsigned i = table->count; i-- > 0;)
			if (table->entries[i].leaf == leaf)
				index = i;
	if (index == CPUID_NO_ENTRY)
		return NULL;
	e = &table->entries[index];
	if (likely(!(e->flags & CPUID_SUBLEAVES)))
		return e;
	for (; index < table->count && e->leaf == leaf; index++, e++)
		if (e->subleaf == subleaf)
			return e;
	return NULL;
}

#define COMPONENT_ALIGNED                                                                          \
	BIT(1) /* ECX of a component's leaf: 64-byte aligned in the compacted form */

/* Size of the XSAVE area, standard or compacted, for the components that the guest has turned on.
 */
static uint32_t xsave_size(uint64_t xcr0, bool compacted)
{
	const struct cpuid_table *table = &cpuid_table;
	uint32_t size = 576;

	for (unsigned i = 0; i < table->count; i++) {
		const struct cpuid_entry *e = &table->entries[i];

		if (e->leaf != 0xd || e->subleaf < 2 || !(xcr0 & BIT(e->subleaf)))
			continue;
		if (compacted)
			size = (e->ecx & COMPONENT_ALIGNED ? (uint32_t)ALIGN_UP(size, 64) : size) +
			       e->eax;
		else if (e->ebx + e->eax > size)
			size = e->ebx + e->eax;
	}
	return size;
}

static __attribute__((noinline)) void adjust(struct vcpu *vcpu, const struct cpuid_entry *e,
					     uint32_t subleaf)
{
	switch (e->leaf) {
	case 1:
		if (vmcs_read(VMCS_GUEST_CR4) & CR4_OSXSAVE)
			vcpu->regs[REG_RCX] |= BIT(27);
		vcpu->regs[REG_RBX] |= (uint64_t)vcpu->id << 24;
		break;
	case 0xb:
		vcpu->regs[REG_RDX] = vcpu->id;
		vcpu->regs[REG_RCX] |= subleaf & 0xff;
		if (subleaf == 1)
			vcpu->regs[REG_RBX] = vcpu->vm->vcpu_count;
		break;
	case 0xd:
		vcpu->regs[REG_RBX] = xsave_size(vcpu->xcr0, subleaf == 1);
		break;
	default:
		break;
	}
}

void exit_cpuid(struct vcpu *vcpu)
{
	uint32_t subleaf = (uint32_t)vcpu->regs[REG_RCX];
	const struct cpuid_entry *e = find((uint32_t)vcpu->regs[REG_RAX], subleaf);

	if (likely(e)) {
		vcpu->regs[REG_RAX] = e->eax;
		vcpu->regs[REG_RBX] = e->ebx;
		vcpu->regs[REG_RCX] = e->ecx;
		vcpu->regs[REG_RDX] = e->edx;
		if (unlikely(e->flags & CPUID_DYNAMIC))
			adjust(vcpu, e, subleaf);
	} else {
		vcpu->regs[REG_RAX] = 0;
		vcpu->regs[REG_RBX] = 0;
		vcpu->regs[REG_RCX] = 0;
		vcpu->regs[REG_RDX] = 0;
	}
	vcpu_skip();
}
