/* SPDX-License-Identifier: MIT */
/*
 * Decoder for the instructions that touch device memory. Pure: bytes in, description out; the
 * caller moves the data. SDM volume 2, chapter "Instruction Format".
 */
#ifndef VMX_DECODE_H
#define VMX_DECODE_H

#include "hv/base/types.h"

/* What to do with the memory operand. */
enum decode_op {
	DECODE_READ,	  /* register = memory (MOV, MOVZX, MOVSX, MOVSXD) */
	DECODE_WRITE,	  /* memory = register or immediate (MOV) */
	DECODE_ALU_READ,  /* register = register op memory, and flags; CMP: flags only */
	DECODE_ALU_WRITE, /* memory = memory op register or immediate; TEST: flags only */
	DECODE_XCHG,	  /* swap */
	DECODE_STOS,	  /* memory at RDI = rAX, RDI advances; with REP, RCX times */
	DECODE_MOVS,	  /* string move, one side is device memory */
	DECODE_BT,	  /* BT/BTS/BTR/BTC m, imm8 or r */
};

enum decode_alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP, ALU_TEST };

enum decode_bt { BT_TEST, BT_SET, BT_RESET, BT_COMPLEMENT };

struct decode_insn {
	uint8_t length;	  /* bytes */
	uint8_t op;	  /* enum decode_op */
	uint8_t alu;	  /* enum decode_alu; for DECODE_BT an enum decode_bt */
	uint8_t size;	  /* bytes of the memory operand: 1, 2, 4, 8 */
	uint8_t reg_size; /* bytes of the register operand (MOVZX and friends widen) */
	uint8_t reg;   /* 0-15 in encoding order (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8...) */
	bool reg_high; /* AH, CH, DH, BH */
	bool sign_extend; /* MOVSX */
	bool has_imm;
	bool rep;
	uint8_t segment; /* of the source of a string move: 0-5 are ES, CS, SS, DS, FS, GS */
	bool lock;
	uint64_t imm; /* sign-extended to the operand's size */
};

enum decode_mode { DECODE_16, DECODE_32, DECODE_64 };

/**
 * Decodes the instruction at @bytes (@count of them readable, 15 at most are looked at). Returns 0,
 * -E_NOTSUP for an instruction that it does not know, -E_RANGE if @count is too short.
 */
ANY int decode_insn(const uint8_t *bytes, unsigned count, enum decode_mode mode,
		    struct decode_insn *insn);

/** The same without the short cut for plain MOV: what the unit test compares it with. */
ANY int decode_general(const uint8_t *bytes, unsigned count, enum decode_mode mode,
		       struct decode_insn *insn);

/**
 * Computes dst OP src at @size bytes and the six status flags; *rflags is updated. Returns the
 * result (for CMP and TEST the unchanged dst).
 */
ANY uint64_t decode_alu(enum decode_alu op, uint64_t dst, uint64_t src, unsigned size,
			uint64_t *rflags);

#endif
