/* prove: drivers/guest/legacy/uart.c */
/* prove-with: guest-tests/prove/platform.c */
/* prove-options: precision=1 coverage=99 quick */
/* SPDX-License-Identifier: MIT */
/* Any accesses and any input, in any order, for ever. */
#include "guest-tests/prove/platform.h"

void machine_set_irq(struct vm *vm, unsigned gsi, bool level)
{
}

void prove(void)
{
	struct vm *vm = any_vm();

	vuart_reset(vm);
	/*@ loop widen_hints "all", 1023; */
	while (any8) {
		vuart_write(vm, any_within(0, VUART_PORTS - 1), any8);
		vuart_read(vm, any_within(0, VUART_PORTS - 1));
		vuart_receive(vm, any8);
	}
}
