/* fuzz-sources: vmx/decode.c */
/* SPDX-License-Identifier: MIT */
/*
 * The decoder beside Zydis: whatever bytes it takes for an instruction that it knows have the
 * length and the operands that Zydis reads there. The first byte of the input chooses the mode.
 */
#include "vmx/decode.h"

#include <Zydis/Zydis.h>

#include <stdio.h>
#include <stdlib.h>

static const ZydisMachineMode modes[] = { ZYDIS_MACHINE_MODE_LONG_COMPAT_16,
					  ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
					  ZYDIS_MACHINE_MODE_LONG_64 };
static const ZydisStackWidth widths[] = { ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
					  ZYDIS_STACK_WIDTH_64 };

static ZydisDecodedInstruction theirs;
static ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

/* What the two do not agree on is a finding. */
static void agree(bool same, const char *what)
{
	if (same)
		return;
	fprintf(stderr, "not agreed on: %s (%s)\n", what, ZydisMnemonicGetString(theirs.mnemonic));
	abort();
}

static bool is_any(const ZydisMnemonic *mnemonics, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (theirs.mnemonic == mnemonics[i])
			return true;
	return false;
}

#define IS(...)                                                                                    \
	is_any((const ZydisMnemonic[]){ __VA_ARGS__ },                                             \
	       sizeof((const ZydisMnemonic[]){ __VA_ARGS__ }) / sizeof(ZydisMnemonic))

static void check_operation(const struct decode_insn *insn)
{
	static const ZydisMnemonic alu[] = { ZYDIS_MNEMONIC_ADD, ZYDIS_MNEMONIC_OR,
					     ZYDIS_MNEMONIC_ADC, ZYDIS_MNEMONIC_SBB,
					     ZYDIS_MNEMONIC_AND, ZYDIS_MNEMONIC_SUB,
					     ZYDIS_MNEMONIC_XOR, ZYDIS_MNEMONIC_CMP,
					     ZYDIS_MNEMONIC_TEST };
	static const ZydisMnemonic bt[] = { ZYDIS_MNEMONIC_BT, ZYDIS_MNEMONIC_BTS,
					    ZYDIS_MNEMONIC_BTR, ZYDIS_MNEMONIC_BTC };
	bool same = false;

	switch ((enum decode_op)insn->op) {
	case DECODE_READ:
		same = insn->sign_extend ? IS(ZYDIS_MNEMONIC_MOVSX, ZYDIS_MNEMONIC_MOVSXD)
					 : IS(ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_MOVZX);
		break;
	case DECODE_WRITE:
		same = IS(ZYDIS_MNEMONIC_MOV);
		break;
	case DECODE_ALU_READ:
	case DECODE_ALU_WRITE:
		same = theirs.mnemonic == alu[insn->alu];
		break;
	case DECODE_XCHG:
		same = IS(ZYDIS_MNEMONIC_XCHG);
		break;
	case DECODE_STOS:
		same = IS(ZYDIS_MNEMONIC_STOSB, ZYDIS_MNEMONIC_STOSW, ZYDIS_MNEMONIC_STOSD,
			  ZYDIS_MNEMONIC_STOSQ);
		break;
	case DECODE_MOVS:
		same = IS(ZYDIS_MNEMONIC_MOVSB, ZYDIS_MNEMONIC_MOVSW, ZYDIS_MNEMONIC_MOVSD,
			  ZYDIS_MNEMONIC_MOVSQ);
		break;
	case DECODE_BT:
		same = theirs.mnemonic == bt[insn->alu];
		break;
	}
	agree(same, "the operation");
}

/* The operand of that type that is read or written first; NULL: there is none. */
static const ZydisDecodedOperand *operand(ZydisOperandType type, unsigned *at)
{
	for (*at = 0; *at < theirs.operand_count; ++*at)
		if (operands[*at].type == type)
			return &operands[*at];
	return NULL;
}

static void check_register(const struct decode_insn *insn, const ZydisDecodedOperand *o)
{
	ZydisRegister reg = o->reg.value;
	bool high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
	unsigned number = high ? reg - ZYDIS_REGISTER_AH
			  : reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL
				  ? reg - ZYDIS_REGISTER_AL
			  : reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B
				  ? 4U + (reg - ZYDIS_REGISTER_SPL)
				  : (unsigned)ZydisRegisterGetId(reg);

	agree(insn->reg == number, "which register");
	agree(insn->reg_high == high, "the register's half");
	agree(insn->reg_size * 8U == o->size, "the register's size");
}

static bool has_prefix(unsigned value)
{
	for (unsigned i = 0; i < theirs.raw.prefix_count; i++)
		if (theirs.raw.prefixes[i].value == value)
			return true;
	return false;
}

static void check_operands(const struct decode_insn *insn)
{
	uint64_t mask = insn->op == DECODE_BT ? 0xff : ~0ULL >> (64 - 8 * insn->size);
	bool string = insn->op == DECODE_STOS || insn->op == DECODE_MOVS;
	unsigned memory_at, at;
	const ZydisDecodedOperand *memory = operand(ZYDIS_OPERAND_TYPE_MEMORY, &memory_at), *o;

	agree(memory && insn->size * 8U == memory->size, "the size in memory");
	if (insn->op == DECODE_MOVS) /* the second one is the source */
		agree(insn->segment == operands[memory_at + 1].mem.segment - ZYDIS_REGISTER_ES,
		      "the segment");
	agree(insn->lock == has_prefix(0xf0), "LOCK");
	if (string) {
		agree(insn->rep == (has_prefix(0xf2) || has_prefix(0xf3)), "REP");
		return;
	}
	o = operand(ZYDIS_OPERAND_TYPE_IMMEDIATE, &at);
	agree(insn->has_imm == (o != NULL), "whether there is an immediate value");
	if (o)
		agree(((insn->imm ^ o->imm.value.u) & mask) == 0, "the immediate value");
	else
		o = operand(ZYDIS_OPERAND_TYPE_REGISTER, &at);
	agree(o != NULL, "that there is another operand");
	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
		check_register(insn, o);
	/* What is written, where that matters, is the first operand. */
	if (insn->op == DECODE_READ || insn->op == DECODE_ALU_READ)
		agree(at < memory_at, "the direction");
	else if (insn->op != DECODE_XCHG)
		agree(memory_at < at, "the direction");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct decode_insn insn;
	enum decode_mode mode;
	ZydisDecoder decoder;

	if (size < 2)
		return 0;
	mode = (enum decode_mode)(*data++ % 3);
	if (decode_insn(data, (unsigned)--size, mode, &insn))
		return 0;
	ZydisDecoderInit(&decoder, modes[mode], widths[mode]);
	/* LOCK before what takes none, for instance, is no instruction to it. */
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, data, size, &theirs, operands)))
		return 0;
	agree(insn.length == theirs.length, "the length");
	check_operation(&insn);
	check_operands(&insn);
	return 0;
}
