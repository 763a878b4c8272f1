/* prove: vmx/decode.c */
/* prove-options: precision=1 coverage=98 quick */
/* SPDX-License-Identifier: MIT */
/* Any bytes, as many as there are and none behind them, in any mode; and what is then computed. */
#include "vmx/decode.h"

void prove(void)
{
	uint8_t bytes[16];
	struct decode_insn insn;
	uint64_t rflags = any64;
	uint32_t count = any_within(0, sizeof(bytes)), size = any_size(8);
	enum decode_mode mode = (enum decode_mode)any_within(DECODE_16, DECODE_64);

	any_bytes(bytes, sizeof(bytes));
	/*@ split count; */
	if (decode_insn(bytes + sizeof(bytes) - count, count, mode, &insn) == 0) {
		/* What prove_mmio.c goes by. */
		/*@ assert operation: insn.op <= DECODE_BT; */
		/*@ assert register: insn.reg <= 15; */
		/*@ assert segment: insn.segment <= 5; */
	}
	/*@ merge count; */
	/*@ split size; */
	decode_alu((enum decode_alu)any_within(ALU_ADD, ALU_TEST), any64, any64, size, &rflags);
}
