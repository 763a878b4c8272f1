// SPDX-License-Identifier: MIT
/* Events whose delivery faults or exits: gates, stacks and tables that are not what they should be.
 */
#include "guest-tests/guests/fuzz/fuzz.h"

static const uint8_t vectors[] = { 1, 3, 6, 13, 14, 0x80, 0xef, 2, 12, 17, 0, 5 };

/* Where a stack is none; a device there ends the VM, which is rare. */
static uint64_t bad_stack(struct core *core)
{
	switch (pick(core, 5)) {
	case 0:
		return 0x900000000000 + pick(core, 64);
	case 1:
		return 0;
	case 2:
		return 1ULL << 32 | pick(core, 0x1000);
	case 3:
		return once_in(core, 100) ? device_address(core) : (uint64_t)core->share + 16;
	default:
		return random64(core) | 1ULL << 40;
	}
}

static void spoil_gate(struct core *core, struct gate *gate)
{
	switch (pick(core, 6)) {
	case 0:
		gate->ist = (uint8_t)(2 + pick(core, 6));
		break;
	case 1:
		gate->attributes ^= (uint8_t)(1U << pick(core, 8));
		break;
	case 2:
		gate->selector =
			(uint16_t)(once_in(core, 2) ? random64(core) : pick(core, GDT_ENTRIES) * 8);
		break;
	case 3:
		gate->offset_high = (uint32_t)random64(core);
		break;
	case 4:
		/* Another one's stub, so that all ends come back. */
		gate->offset_low =
			(uint16_t)((uint64_t)fuzz_stubs + FUZZ_STUB_SIZE * pick(core, 256));
		break;
	default:
		gate->ist = 0;
		break;
	}
}

/* A stack that a watchpoint lies on. */
static void watch_stack(struct core *core, unsigned vector)
{
	uint64_t top = (uint64_t)core->ist + sizeof(core->ist) / 2;

	core->tss.ist[1] = top;
	core->idt[vector].ist = 2;
	__asm__ volatile("mov %0, %%dr0" : : "r"(top - 8 * (1 + pick(core, 5))));
	__asm__ volatile("mov %0, %%dr7" : : "r"(0x400ULL | 3 | 1 << 16 | 2 << 18));
}

/* The same on which the debug exception's own stack lies: it has no end (SECURITY.md). Said
 * before, for whoever waits for the end of this seed. */
static void storm_without_end(struct core *core)
{
	print("fuzz: a storm without end, step %u\n", (uint64_t)core->steps);
	watch_stack(core, VECTOR_DB);
	__asm__ volatile("int $1");
}

static void trigger(struct core *core, unsigned vector)
{
	const uint8_t interrupt[] = { 0xcd, (uint8_t)vector };
	static const uint8_t undefined[] = { 0x0f, 0x0b },
			     page[] = { 0x48, 0xa1, 0, 0, 0, 0, 0, 1 }, icebp[] = { 0xf1 };

	if (vector == VECTOR_NMI)
		wrmsr(X2APIC_ICR, 0x40400);
	else if (vector == 0xef)
		wrmsr(X2APIC_SELF_IPI, vector);
	switch (vector) {
	case VECTOR_UD:
		step_bytes(core, undefined, sizeof(undefined), once_in(core, 2));
		break;
	case VECTOR_PF:
		step_bytes(core, page, sizeof(page), once_in(core, 2));
		break;
	case VECTOR_DB:
		step_bytes(core, icebp, sizeof(icebp), once_in(core, 2));
		break;
	default:
		step_bytes(core, interrupt, sizeof(interrupt), once_in(core, 2));
		break;
	}
}

void step_event(struct core *core)
{
	unsigned vector = vectors[pick(core, sizeof(vectors))];

	core->dirty |= DIRTY_ALL;
	if (once_in(core, 1000))
		storm_without_end(core);
	for (unsigned i = 1; i < 7; i++)
		core->tss.ist[i] = bad_stack(core);
	if (vector != VECTOR_DB && once_in(core, 6))
		watch_stack(core, vector);
	else
		spoil_gate(core, &core->idt[vector]);
	/* The page fault that a bad stack raises may find a bad gate too. */
	if (once_in(core, 8))
		spoil_gate(core, &core->idt[once_in(core, 2) ? VECTOR_PF : VECTOR_GP]);
	trigger(core, vector);
}

/* Other tables, short ones and ones that end in nothing. */
void step_descriptors(struct core *core)
{
	struct table_pointer *pointer =
		(struct table_pointer *)(core->share + ARENA_POINTERS + 16 * pick(core, 16));
	/* LGDT, LIDT (RSI); LTR, LLDT, MOV to DS, SS, GS (AX). */
	static const uint8_t loads[][3] = { { 0x0f, 0x01, 0x16 }, { 0x0f, 0x01, 0x1e },
					    { 0x0f, 0x00, 0xd8 }, { 0x0f, 0x00, 0xd0 },
					    { 0x8e, 0xd8, 0x90 }, { 0x8e, 0xd0, 0x90 },
					    { 0x8e, 0xe8, 0x90 } };
	unsigned which = pick(core, ARRAY_SIZE(loads));
	bool fatal = once_in(core, 3000);
	uint8_t code[3 + 10 + 2];

	core_fill_tables(core); /* somebody may have scribbled there */
	core->dirty |= DIRTY_TABLES;
	for (unsigned i = pick(core, 6); i; i--)
		core->gdt[SEL_RANDOM / 8 + pick(core, GDT_ENTRIES - SEL_RANDOM / 8)] =
			random64(core);
	pointer->base = core->share + (which == 1 ? ARENA_IDT : ARENA_GDT);
	pointer->limit = which == 1 ? (uint16_t)(0x1ff + pick(core, 0x1000))
				    : (uint16_t)(SEL_TSS + 15 + pick(core, 0x300));
	if (fatal)
		*pointer = (struct table_pointer){ (uint16_t)value(core), value(core) };
	/* MOV into RSI or RAX, then the load, then something that needs the tables. */
	code[0] = 0x48;
	code[1] = which < 2 ? 0xbe : 0xb8;
	*(uint64_t *)(code + 2) = which < 2 ? (uint64_t)pointer
				  : which == 2 && once_in(core, 2)
					  ? SEL_OTHER_TSS
					  : pick(core, GDT_ENTRIES) * 8 + pick(core, 8);
	memcpy(code + 10, loads[which], 3);
	code[13] = 0xcd;
	code[14] = (uint8_t)pick(core, 256);
	step_bytes(core, code, sizeof(code), false);
}
