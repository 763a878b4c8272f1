/* unit-sources: vmx/decode.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/unit.h"
#include "hv/base/errno.h"
#include "vmx/decode.h"

struct expectation {
	const char *text;
	enum decode_mode mode;
	uint8_t bytes[15];
	struct decode_insn insn;
};

#define I(...) ((struct decode_insn){ __VA_ARGS__ })

/* Encodings by SDM volume 2; checked against an assembler when they were written. */
static const struct expectation table[] = {
	{ "mov eax, [rdi]",
	  DECODE_64,
	  { 0x8b, 0x07 },
	  I(.length = 2, .op = DECODE_READ, .size = 4, .reg_size = 4) },
	{ "mov [rdi], eax",
	  DECODE_64,
	  { 0x89, 0x07 },
	  I(.length = 2, .op = DECODE_WRITE, .size = 4, .reg_size = 4) },
	{ "mov r9, [rsi+0x10]",
	  DECODE_64,
	  { 0x4c, 0x8b, 0x4e, 0x10 },
	  I(.length = 4, .op = DECODE_READ, .size = 8, .reg_size = 8, .reg = 9) },
	{ "mov [r12+rcx*4+0x11223344], ebx",
	  DECODE_64,
	  { 0x41, 0x89, 0x9c, 0x8c, 0x44, 0x33, 0x22, 0x11 },
	  I(.length = 8, .op = DECODE_WRITE, .size = 4, .reg_size = 4, .reg = 3) },
	{ "mov eax, [rip+0x10]",
	  DECODE_64,
	  { 0x8b, 0x05, 0x10, 0, 0, 0 },
	  I(.length = 6, .op = DECODE_READ, .size = 4, .reg_size = 4) },
	{ "mov eax, [0x1000] by SIB",
	  DECODE_64,
	  { 0x8b, 0x04, 0x25, 0, 0x10, 0, 0 },
	  I(.length = 7, .op = DECODE_READ, .size = 4, .reg_size = 4) },
	{ "mov ah, [rbx]",
	  DECODE_64,
	  { 0x8a, 0x23 },
	  I(.length = 2, .op = DECODE_READ, .size = 1, .reg_size = 1, .reg = 0, .reg_high = true) },
	{ "mov spl, [rbx]",
	  DECODE_64,
	  { 0x40, 0x8a, 0x23 },
	  I(.length = 3, .op = DECODE_READ, .size = 1, .reg_size = 1, .reg = 4) },
	{ "mov ax, [rbx]",
	  DECODE_64,
	  { 0x66, 0x8b, 0x03 },
	  I(.length = 3, .op = DECODE_READ, .size = 2, .reg_size = 2) },
	{ "mov byte [rdi], 0x80",
	  DECODE_64,
	  { 0xc6, 0x07, 0x80 },
	  I(.length = 3, .op = DECODE_WRITE, .size = 1, .reg_size = 1, .has_imm = true,
	    .imm = ~0ULL << 7) },
	{ "mov qword [rdi], -1",
	  DECODE_64,
	  { 0x48, 0xc7, 0x07, 0xff, 0xff, 0xff, 0xff },
	  I(.length = 7, .op = DECODE_WRITE, .size = 8, .reg_size = 8, .has_imm = true,
	    .imm = ~0ULL) },
	{ "mov al, [moffs64]",
	  DECODE_64,
	  { 0xa0, 1, 2, 3, 4, 5, 6, 7, 8 },
	  I(.length = 9, .op = DECODE_READ, .size = 1, .reg_size = 1) },
	{ "mov [moffs32], eax",
	  DECODE_32,
	  { 0xa3, 1, 2, 3, 4 },
	  I(.length = 5, .op = DECODE_WRITE, .size = 4, .reg_size = 4) },
	{ "movzx eax, byte [rsi]",
	  DECODE_64,
	  { 0x0f, 0xb6, 0x06 },
	  I(.length = 3, .op = DECODE_READ, .size = 1, .reg_size = 4) },
	{ "movsx rax, word [rsi]",
	  DECODE_64,
	  { 0x48, 0x0f, 0xbf, 0x06 },
	  I(.length = 4, .op = DECODE_READ, .size = 2, .reg_size = 8, .sign_extend = true) },
	{ "movsxd rax, dword [rsi]",
	  DECODE_64,
	  { 0x48, 0x63, 0x06 },
	  I(.length = 3, .op = DECODE_READ, .size = 4, .reg_size = 8, .sign_extend = true) },
	{ "and dword [rdi], 0x7f",
	  DECODE_64,
	  { 0x83, 0x27, 0x7f },
	  I(.length = 3, .op = DECODE_ALU_WRITE, .alu = ALU_AND, .size = 4, .reg_size = 4, .reg = 4,
	    .has_imm = true, .imm = 0x7f) },
	{ "lock or [rdi], ecx",
	  DECODE_64,
	  { 0xf0, 0x09, 0x0f },
	  I(.length = 3, .op = DECODE_ALU_WRITE, .alu = ALU_OR, .size = 4, .reg_size = 4, .reg = 1,
	    .lock = true) },
	{ "cmp ecx, [rdi]",
	  DECODE_64,
	  { 0x3b, 0x0f },
	  I(.length = 2, .op = DECODE_ALU_READ, .alu = ALU_CMP, .size = 4, .reg_size = 4,
	    .reg = 1) },
	{ "test dword [rdi], imm32",
	  DECODE_64,
	  { 0xf7, 0x07, 1, 0, 0, 0 },
	  I(.length = 6, .op = DECODE_ALU_WRITE, .alu = ALU_TEST, .size = 4, .reg_size = 4,
	    .has_imm = true, .imm = 1) },
	{ "xchg [rdi], edx",
	  DECODE_64,
	  { 0x87, 0x17 },
	  I(.length = 2, .op = DECODE_XCHG, .size = 4, .reg_size = 4, .reg = 2) },
	{ "bts dword [rdi], 5",
	  DECODE_64,
	  { 0x0f, 0xba, 0x2f, 5 },
	  I(.length = 4, .op = DECODE_BT, .alu = BT_SET, .size = 4, .has_imm = true, .imm = 5) },
	{ "rep stosd",
	  DECODE_64,
	  { 0xf3, 0xab },
	  I(.length = 2, .op = DECODE_STOS, .size = 4, .rep = true) },
	{ "movsb",
	  DECODE_64,
	  { 0xa4 },
	  I(.length = 1, .op = DECODE_MOVS, .size = 1, .segment = 3) },
	{ "rep fs movsd",
	  DECODE_64,
	  { 0xf3, 0x64, 0xa5 },
	  I(.length = 3, .op = DECODE_MOVS, .size = 4, .rep = true, .segment = 4) },
	{ "gs movsb",
	  DECODE_32,
	  { 0x65, 0xa4 },
	  I(.length = 2, .op = DECODE_MOVS, .size = 1, .segment = 5) },
	{ "es movsb",
	  DECODE_32,
	  { 0x26, 0xa4 },
	  I(.length = 2, .op = DECODE_MOVS, .size = 1, .segment = 0) },
	{ "ss movsb where that means nothing",
	  DECODE_64,
	  { 0x36, 0xa4 },
	  I(.length = 2, .op = DECODE_MOVS, .size = 1, .segment = 3) },
	{ "mov ax, [bx+si+0x1234] in 16-bit code",
	  DECODE_16,
	  { 0x8b, 0x80, 0x34, 0x12 },
	  I(.length = 4, .op = DECODE_READ, .size = 2, .reg_size = 2) },
	{ "mov eax, [esi] in 16-bit code",
	  DECODE_16,
	  { 0x66, 0x67, 0x8b, 0x06 },
	  I(.length = 4, .op = DECODE_READ, .size = 4, .reg_size = 4) },
	{ "mov [disp16], ax in 16-bit code",
	  DECODE_16,
	  { 0x89, 0x06, 0x34, 0x12 },
	  I(.length = 4, .op = DECODE_WRITE, .size = 2, .reg_size = 2) },
	{ "rep stosb with a prefix that means nothing to it",
	  DECODE_64,
	  { 0x65, 0xf3, 0xaa },
	  I(.length = 3, .op = DECODE_STOS, .size = 1, .rep = true) },
	{ "a segment prefix",
	  DECODE_64,
	  { 0x65, 0x8b, 0x07 },
	  I(.length = 3, .op = DECODE_READ, .size = 4, .reg_size = 4) },
};

static bool same(const struct decode_insn *a, const struct decode_insn *b)
{
	return a->length == b->length && a->op == b->op && a->alu == b->alu && a->size == b->size &&
	       a->reg_size == b->reg_size && a->reg == b->reg && a->reg_high == b->reg_high &&
	       a->sign_extend == b->sign_extend && a->has_imm == b->has_imm && a->rep == b->rep &&
	       a->lock == b->lock && a->imm == b->imm &&
	       (a->op != DECODE_MOVS || a->segment == b->segment);
}

TEST(known_instructions)
{
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct decode_insn insn;
		struct decode_insn want = table[i].insn;

		CHECK(decode_insn(table[i].bytes, 15, table[i].mode, &insn) == 0);
		/* The register field of an instruction with an immediate is no operand. */
		if (want.has_imm || want.op == DECODE_STOS || want.op == DECODE_MOVS) {
			insn.reg = want.reg;
			insn.reg_size = want.reg_size;
			insn.reg_high = want.reg_high;
		}
		if (!same(&insn, &want))
			printf("%s: length %u op %u size %u reg_size %u reg %u imm %llx\n",
			       table[i].text, insn.length, insn.op, insn.size, insn.reg_size,
			       insn.reg, (unsigned long long)insn.imm);
		CHECK(same(&insn, &want));
	}
}

TEST(a_cut_off_instruction_is_out_of_range)
{
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct decode_insn insn;

		for (unsigned count = 0; count < table[i].insn.length; count++)
			CHECK(decode_insn(table[i].bytes, count, table[i].mode, &insn) ==
				      -E_RANGE ||
			      decode_insn(table[i].bytes, count, table[i].mode, &insn) ==
				      -E_NOTSUP);
		CHECK(decode_insn(table[i].bytes, table[i].insn.length, table[i].mode, &insn) == 0);
	}
}

TEST(register_operands_and_strangers_are_refused)
{
	static const uint8_t no[][15] = {
		{ 0x8b, 0xc1 }, { 0x0f, 0x0b },		 { 0x0f, 0x28, 0x07 }, { 0xff, 0x37 },
		{ 0x8f, 0x07 }, { 0xc7, 0x0f },		 { 0xd9, 0x07 },       { 0xf7, 0x1f },
		{ 0x67, 0xa4 }, { 0xc5, 0xf8, 0x28, 7 },
	};
	struct decode_insn insn;

	for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		CHECK(decode_insn(no[i], 15, DECODE_64, &insn) == -E_NOTSUP);
}

TEST(endless_prefixes_end)
{
	uint8_t bytes[15];
	struct decode_insn insn;

	memset(bytes, 0x66, sizeof(bytes));
	CHECK(decode_insn(bytes, 15, DECODE_64, &insn) == -E_NOTSUP);
}

TEST(the_short_cut_agrees_with_the_general_way)
{
	uint64_t seed = 3;
	unsigned hits = 0;

	for (unsigned i = 0; i < 300000; i++) {
		struct decode_insn fast, slow;
		uint8_t bytes[16];
		int a, b;

		for (unsigned j = 0; j < 16; j += 8) {
			uint64_t r = unit_random(&seed);

			memcpy(bytes + j, &r, 8);
		}
		if (i & 1) { /* make MOV likely */
			bytes[i & 2 ? 1 : 0] = bytes[5] & 2 ? 0x8b : 0x89;
			if (i & 2)
				bytes[0] = 0x40 | (bytes[0] & 15);
		}
		memset(&slow, 0, sizeof(slow));
		a = decode_insn(bytes, 15, DECODE_64, &fast);
		b = decode_general(bytes, 15, DECODE_64, &slow);
		CHECK(a == b);
		CHECK(a || same(&fast, &slow));
		hits += !a;
	}
	CHECK(hits > 1000);
}

TEST(random_bytes_do_no_harm_in_any_mode)
{
	uint64_t seed = 9;

	for (unsigned i = 0; i < 300000; i++) {
		/* Exactly as long as promised, so that ASan sees a read too far. */
		unsigned count = i % 16;
		uint8_t *bytes = malloc(count ? count : 1);
		struct decode_insn insn;

		for (unsigned j = 0; j < count; j++)
			bytes[j] = (uint8_t)unit_random(&seed);
		if (decode_insn(bytes, count, (enum decode_mode)(i % 3), &insn) == 0) {
			CHECK(insn.length >= 1 && insn.length <= count);
			CHECK(insn.size == 1 || insn.size == 2 || insn.size == 4 || insn.size == 8);
			CHECK(insn.reg < 16);
		}
		free(bytes);
	}
}

/* The processor itself says what is right. */
#define NATIVE64(op)                                                                               \
	static uint64_t native_##op(uint64_t dst, uint64_t src, uint64_t *flags)                   \
	{                                                                                          \
		uint64_t f = *flags;                                                               \
		__asm__("push %2; popfq; " #op "q %3, %0; pushfq; pop %1"                          \
			: "+r"(dst), "=&r"(f)                                                      \
			: "r"(f | 0x202), "r"(src)                                                 \
			: "cc");                                                                   \
		*flags = f;                                                                        \
		return dst;                                                                        \
	}
NATIVE64(add)
NATIVE64(or)
NATIVE64(adc)
NATIVE64(sbb)
NATIVE64(and)
NATIVE64(sub)
NATIVE64(xor)
NATIVE64(cmp)
NATIVE64(test)

TEST(arithmetic_and_flags_are_the_processors)
{
	static uint64_t (*const native[])(uint64_t, uint64_t,
					  uint64_t *) = { native_add, native_or,  native_adc,
							  native_sbb, native_and, native_sub,
							  native_xor, native_cmp, native_test };
	uint64_t seed = 5;

	for (unsigned i = 0; i < 200000; i++) {
		unsigned op = i % 9, size = 1U << (i / 9 % 4), shift = 64 - 8 * size;
		uint64_t dst = unit_random(&seed), src = i & 8 ? dst : unit_random(&seed);
		/* Narrow operands are tested in the upper bits of wide ones, where the flags come
		 * out the same but for AF, PF. */
		uint64_t carry = unit_random(&seed) & 1, ours = carry, theirs = carry;
		uint64_t mask = size == 8 ? ~0ULL : (1ULL << (8 * size)) - 1, result, expected;
		uint64_t compared = size == 8 ? 0x8d5 : 0x8c1;

		if ((op == ALU_ADC || op == ALU_SBB) && size != 8)
			continue;
		result = decode_alu((enum decode_alu)op, dst, src, size, &ours);
		expected = native[op](dst << shift, src << shift, &theirs) >> shift;
		CHECK((result & mask) == (expected & mask));
		if (op == ALU_OR || op == ALU_AND || op == ALU_XOR || op == ALU_TEST)
			compared &= ~0x10ULL; /* AF is undefined */
		CHECK((ours & compared) == (theirs & compared));
	}
}

UNIT_MAIN
