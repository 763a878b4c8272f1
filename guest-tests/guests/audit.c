// SPDX-License-Identifier: MIT
/*
 * Asks for the audit of all maps again and again, while memory comes in by first touch and other
 * VMs come and go beside it: there is never a violation, and asking harms nobody.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "audit";

#define ROUNDS 6
#define NAP 3000000

void guest_main(void)
{
	uint64_t violations = 0, wrong = 0;

	nap_init();
	for (uint64_t i = 0; i < ROUNDS; i++) {
		volatile uint64_t *fresh = (volatile uint64_t *)(MIB(8) + i * MIB(2));

		*fresh = i;
		violations += (uint64_t)hypercall(HYPERCALL_AUDIT, 0, 0, 0);
		wrong += *fresh != i;
		nap(NAP);
	}
	check_eq("no audit found a violation", violations, 0);
	check_eq("memory is what it was", wrong, 0);
	check_eq("every nap ended", naps_ended, ROUNDS);
}
