/* prove: drivers/guest/irq/ioapic.c */
/* prove-with: guest-tests/prove/platform.c */
/* prove-options: precision=3 coverage=98 quick */
/* SPDX-License-Identifier: MIT */
/* Any accesses, any lines and EOIs, in any order. */
#include "guest-tests/prove/platform.h"

void vlapic_deliver(struct vm *vm, uint32_t dest, bool logical, unsigned mode, uint8_t vector,
		    bool level)
{
}

void prove(void)
{
	struct vm *vm = any_vm();

	vioapic_reset(vm);
	while (any8) {
		vioapic_write(vm, any32, any32);
		vioapic_read(vm, any32);
		vioapic_set_line(vm, any32, any8 & 1);
		vioapic_eoi(vm, any8);
	}
}
