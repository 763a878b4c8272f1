/* prove: vmx/exit/io.c */
/* prove-before: guest-tests/prove/instructions.h guest-tests/prove/window.h */
/* prove-options: precision=0 coverage=95 quick -eva-slevel=100 -eva-auto-loop-unroll=16 */
/* SPDX-License-Identifier: MIT */
/* Any IN, OUT, INS and OUTS, with any registers. */
#include "guest-tests/prove/guest.h"
#include "vmx/exit/exit.h"

bool machine_pio_read(struct vcpu *vcpu, uint16_t port, unsigned size, uint32_t *value)
{
	*value = any32;
	return any8 & 1;
}

bool machine_pio_write(struct vcpu *vcpu, uint16_t port, unsigned size, uint32_t value)
{
	return any8 & 1;
}

void vcpu_trap_step(void)
{
}

void prove(void)
{
	while (any8)
		exit_io(any_guest());
}
