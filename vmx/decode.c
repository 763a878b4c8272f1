// SPDX-License-Identifier: MIT
#include "vmx/decode.h"

#include "hv/base/errno.h"

#define MAX_LENGTH 15

struct cursor {
	const uint8_t *bytes;
	unsigned count, at;
	bool overrun;
};

struct prefixes {
	bool operand16, address, rep, repne, lock;
	uint8_t rex;
	uint8_t segment; /* the last one that is named, or DS */
};

#define SEGMENT_DS 3

#define REX_W 8
#define REX_R 4

static uint8_t next_byte(struct cursor *c)
{
	if (c->at >= c->count) {
		c->overrun = true;
		return 0;
	}
	return c->bytes[c->at++];
}

/* Little-endian, sign-extended. */
static uint64_t next_signed(struct cursor *c, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)next_byte(c) << 8 * i;
	if (size && size < 8 && (value >> (8 * size - 1) & 1))
		value |= ~0ULL << 8 * size;
	return value;
}

static void skip_bytes(struct cursor *c, unsigned n)
{
	c->at += n;
	if (c->at > c->count)
		c->overrun = true;
}

/* Returns the first byte of the opcode. */
static uint8_t parse_prefixes(struct cursor *c, enum decode_mode mode, struct prefixes *p)
{
	for (;;) {
		uint8_t b = next_byte(c);

		if (likely(b >= 0x80 && b < 0xf0)) /* no prefix is here */
			return b;
		switch (b) {
		case 0x66:
			p->operand16 = true;
			break;
		case 0x67:
			p->address = true;
			break;
		case 0xf2:
			p->repne = true;
			break;
		case 0xf3:
			p->rep = true;
			break;
		case 0xf0:
			p->lock = true;
			break;
		case 0x26: /* ES, CS, SS, DS */
		case 0x2e:
		case 0x36:
		case 0x3e:
			if (mode != DECODE_64) /* where they mean nothing */
				p->segment = b >> 3 & 3;
			break;
		case 0x64:
		case 0x65:
			p->segment = b & 7;
			break;
		default:
			/* REX counts only right before the opcode. */
			if (mode == DECODE_64 && (b & 0xf0) == 0x40) {
				p->rex = b;
				return next_byte(c);
			}
			return b;
		}
		if (c->overrun)
			return 0;
	}
}

/* Skips the addressing bytes; false if the operand is a register. */
static bool skip_memory_operand(struct cursor *c, uint8_t modrm, bool address16)
{
	unsigned mod = modrm >> 6, rm = modrm & 7, displacement = mod == 1 ? 1 : 0;

	if (mod == 3)
		return false;
	if (address16) {
		if (mod == 2 || (mod == 0 && rm == 6))
			displacement = 2;
	} else {
		if (rm == 4) {
			uint8_t sib = next_byte(c);

			if (mod == 0 && (sib & 7) == 5)
				displacement = 4;
		}
		if (mod == 2 || (mod == 0 && rm == 5))
			displacement = 4;
	}
	skip_bytes(c, displacement);
	return true;
}

static unsigned operand_size(enum decode_mode mode, const struct prefixes *p)
{
	if (p->rex & REX_W)
		return 8;
	return (mode == DECODE_16) != p->operand16 ? 2 : 4;
}

/* The register field of ModRM; without REX, byte registers 4 to 7 are AH, CH, DH, BH. */
static void set_register(struct decode_insn *insn, const struct prefixes *p, uint8_t modrm,
			 unsigned size)
{
	insn->reg = (uint8_t)((modrm >> 3 & 7) | (p->rex & REX_R ? 8 : 0));
	insn->reg_size = (uint8_t)size;
	if (size == 1 && !p->rex && insn->reg >= 4) {
		insn->reg -= 4;
		insn->reg_high = true;
	}
}

static void set_immediate(struct decode_insn *insn, struct cursor *c, unsigned size)
{
	insn->has_imm = true;
	insn->imm = next_signed(c, size > 4 ? 4 : size);
}

/* 0F xx. */
static int decode_two_byte(struct cursor *c, const struct prefixes *p, enum decode_mode mode,
			   unsigned size, struct decode_insn *insn)
{
	static const uint8_t bt[] = { BT_TEST, BT_SET, BT_RESET, BT_COMPLEMENT };
	bool address16 = (mode == DECODE_16) != p->address && mode != DECODE_64;
	uint8_t opcode = next_byte(c), modrm = next_byte(c);

	if (!skip_memory_operand(c, modrm, address16))
		return -E_NOTSUP;
	switch (opcode) {
	case 0xb6:
	case 0xb7:
	case 0xbe:
	case 0xbf:
		insn->op = DECODE_READ;
		insn->size = opcode & 1 ? 2 : 1;
		insn->sign_extend = opcode >= 0xbe;
		set_register(insn, p, modrm, size);
		return 0;
	case 0xa3:
	case 0xab:
	case 0xb3:
	case 0xbb:
		insn->op = DECODE_BT;
		insn->alu = bt[(opcode - 0xa3) >> 3];
		insn->size = (uint8_t)size;
		set_register(insn, p, modrm, size);
		return 0;
	case 0xba:
		if ((modrm >> 3 & 7) < 4)
			return -E_NOTSUP;
		insn->op = DECODE_BT;
		insn->alu = bt[modrm >> 3 & 3];
		insn->size = (uint8_t)size;
		set_immediate(insn, c, 1);
		return 0;
	default:
		return -E_NOTSUP;
	}
}

/* ADD, OR, ADC, SBB, AND, SUB, XOR, CMP in the order of the opcode's bits 5:3. */
static const uint8_t alu_ops[] = { ALU_ADD, ALU_OR,  ALU_ADC, ALU_SBB,
				   ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

/* Opcodes with a ModRM byte whose memory operand is a device register. */
static int decode_modrm(struct cursor *c, const struct prefixes *p, bool address16, uint8_t opcode,
			unsigned size, struct decode_insn *insn)
{
	uint8_t modrm = next_byte(c);

	if (!skip_memory_operand(c, modrm, address16))
		return -E_NOTSUP;
	insn->size = (uint8_t)size;
	set_register(insn, p, modrm, size);
	if (likely((opcode & 0xfc) == 0x88)) { /* MOV */
		insn->op = opcode & 2 ? DECODE_READ : DECODE_WRITE;
		return 0;
	}
	if (opcode < 0x40 && (opcode & 7) < 4) {
		insn->op = opcode & 2 ? DECODE_ALU_READ : DECODE_ALU_WRITE;
		insn->alu = alu_ops[opcode >> 3];
		return 0;
	}
	switch (opcode) {
	case 0xc6:
	case 0xc7:
		insn->op = DECODE_WRITE;
		set_immediate(insn, c, size);
		return modrm >> 3 & 7 ? -E_NOTSUP : 0;
	case 0x80:
	case 0x81:
	case 0x83:
		insn->op = DECODE_ALU_WRITE;
		insn->alu = alu_ops[modrm >> 3 & 7];
		set_immediate(insn, c, opcode == 0x81 ? size : 1);
		return 0;
	case 0x84:
	case 0x85:
		insn->op = DECODE_ALU_WRITE;
		insn->alu = ALU_TEST;
		return 0;
	case 0xf6:
	case 0xf7:
		insn->op = DECODE_ALU_WRITE;
		insn->alu = ALU_TEST;
		set_immediate(insn, c, size);
		return (modrm >> 3 & 7) > 1 ? -E_NOTSUP : 0;
	case 0x86:
	case 0x87:
		insn->op = DECODE_XCHG;
		return 0;
	case 0x63: /* MOVSXD */
		insn->op = DECODE_READ;
		insn->size = 4;
		insn->sign_extend = true;
		return 0;
	default:
		return -E_NOTSUP;
	}
}

/* MOV between rAX and an absolute address. */
static void decode_moffs(struct cursor *c, const struct prefixes *p, enum decode_mode mode,
			 uint8_t opcode, unsigned size, struct decode_insn *insn)
{
	unsigned address = mode == DECODE_64		       ? (p->address ? 4 : 8)
			   : (mode == DECODE_16) != p->address ? 2
							       : 4;

	skip_bytes(c, address);
	insn->op = opcode & 2 ? DECODE_WRITE : DECODE_READ;
	insn->size = (uint8_t)size;
	insn->reg_size = (uint8_t)size;
	insn->reg = 0;
}

static bool has_modrm(uint8_t opcode)
{
	if (likely((opcode & 0xfc) == 0x88))
		return true;
	if (opcode < 0x40)
		return (opcode & 7) < 4;
	switch (opcode) {
	case 0x63:
	case 0x80:
	case 0x81:
	case 0x83:
	case 0x84:
	case 0x85:
	case 0x86:
	case 0x87:
	case 0xc6:
	case 0xc7:
	case 0xf6:
	case 0xf7:
		return true;
	default:
		return false;
	}
}

static int decode_opcode(struct cursor *c, const struct prefixes *p, enum decode_mode mode,
			 uint8_t opcode, struct decode_insn *insn)
{
	bool address16 = (mode == DECODE_16) != p->address && mode != DECODE_64;
	unsigned wide = operand_size(mode, p);
	/* Bit 0 of nearly every opcode here chooses between a byte and the operand size. */
	unsigned size = (opcode & 1) ? wide : 1;

	if (opcode == 0x0f)
		return decode_two_byte(c, p, mode, wide, insn);
	if (opcode == 0x63)
		return mode == DECODE_64 ? decode_modrm(c, p, address16, opcode, wide, insn)
					 : -E_NOTSUP;
	if (has_modrm(opcode))
		return decode_modrm(c, p, address16, opcode, size, insn);
	switch (opcode) {
	case 0xa0:
	case 0xa1:
	case 0xa2:
	case 0xa3:
		decode_moffs(c, p, mode, opcode, size, insn);
		return 0;
	case 0xa4:
	case 0xa5:
	case 0xaa:
	case 0xab:
		/* Only with the mode's own address size, since the caller advances whole
		 * registers. */
		if (mode == DECODE_16 || p->address)
			return -E_NOTSUP;
		insn->op = opcode >= 0xaa ? DECODE_STOS : DECODE_MOVS;
		insn->size = (uint8_t)size;
		insn->rep = p->rep || p->repne;
		insn->segment = p->segment;
		return 0;
	default:
		return -E_NOTSUP;
	}
}

/*
 * What drivers use for nearly every access: MOV between memory and a 32-bit or 64-bit register in
 * 64-bit code without any prefix but REX. Says the same as the general way below (a unit test
 * compares them) in a third of the instructions.
 */
static bool decode_plain_mov(const uint8_t *bytes, struct decode_insn *insn)
{
	unsigned rex = 0, at = 0, mod, rm, modrm;

	if ((bytes[0] & 0xf0) == 0x40)
		rex = bytes[at++];
	if ((bytes[at] & 0xfd) != 0x89)
		return false;
	insn->op = bytes[at] == 0x8b ? DECODE_READ : DECODE_WRITE;
	modrm = bytes[at + 1];
	mod = modrm >> 6;
	rm = modrm & 7;
	at += 2;
	if (mod == 3)
		return false;
	if (rm == 4 && (bytes[at++] & 7) == 5 && mod == 0)
		at += 4;
	if (mod == 1)
		at += 1;
	else if (mod == 2 || rm == 5)
		at += 4;
	insn->length = (uint8_t)at;
	insn->size = insn->reg_size = rex & REX_W ? 8 : 4;
	insn->reg = (uint8_t)((modrm >> 3 & 7) | (rex & REX_R) << 1);
	return true;
}

int decode_insn(const uint8_t *bytes, unsigned count, enum decode_mode mode,
		struct decode_insn *insn)
{
	*insn = (struct decode_insn){ 0 };
	if (likely(mode == DECODE_64 && count >= MAX_LENGTH) && decode_plain_mov(bytes, insn))
		return 0;
	return decode_general(bytes, count, mode, insn);
}

int decode_general(const uint8_t *bytes, unsigned count, enum decode_mode mode,
		   struct decode_insn *insn)
{
	struct cursor c = { bytes, count < MAX_LENGTH ? count : MAX_LENGTH, 0, false };
	struct prefixes p = { .segment = SEGMENT_DS };
	uint8_t opcode;
	int err;

	*insn = (struct decode_insn){ 0 };
	opcode = parse_prefixes(&c, mode, &p);
	err = decode_opcode(&c, &p, mode, opcode, insn);
	if (c.overrun)
		return count < MAX_LENGTH ? -E_RANGE : -E_NOTSUP;
	insn->lock = p.lock;
	insn->length = (uint8_t)c.at;
	return err;
}

#define FLAG_CF BIT(0)
#define FLAG_PF BIT(2)
#define FLAG_AF BIT(4)
#define FLAG_ZF BIT(6)
#define FLAG_SF BIT(7)
#define FLAG_OF BIT(11)
#define FLAGS_STATUS (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

uint64_t decode_alu(enum decode_alu op, uint64_t dst, uint64_t src, unsigned size, uint64_t *rflags)
{
	unsigned bits = 8 * size;
	uint64_t mask = size == 8 ? ~0ULL : (1ULL << bits) - 1, sign = 1ULL << (bits - 1);
	uint64_t carry = *rflags & FLAG_CF ? 1 : 0, result, flags = 0;

	dst &= mask;
	src &= mask;
	switch (op) {
	case ALU_ADD:
	case ALU_ADC:
		carry = op == ALU_ADC ? carry : 0;
		result = (dst + src + carry) & mask;
		flags |= result < dst || (carry && result == dst) ? FLAG_CF : 0;
		flags |= (~(dst ^ src) & (dst ^ result) & sign) ? FLAG_OF : 0;
		flags |= (dst ^ src ^ result) & FLAG_AF;
		break;
	case ALU_SUB:
	case ALU_SBB:
	case ALU_CMP:
		carry = op == ALU_SBB ? carry : 0;
		result = (dst - src - carry) & mask;
		flags |= dst < src || (carry && dst == src) ? FLAG_CF : 0;
		flags |= ((dst ^ src) & (dst ^ result) & sign) ? FLAG_OF : 0;
		flags |= (dst ^ src ^ result) & FLAG_AF;
		break;
	case ALU_OR:
		result = dst | src;
		break;
	case ALU_XOR:
		result = dst ^ src;
		break;
	default:
		result = dst & src;
		break;
	}
	flags |= result ? 0 : FLAG_ZF;
	flags |= result & sign ? FLAG_SF : 0;
	flags |= __builtin_parityll(result & 0xff) ? 0 : FLAG_PF;
	*rflags = (*rflags & ~FLAGS_STATUS) | flags;
	return op == ALU_CMP || op == ALU_TEST ? dst : result;
}
