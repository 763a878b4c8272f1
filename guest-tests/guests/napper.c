// SPDX-License-Identifier: MIT
/*
 * Naps so short that the deadline passes before, in and behind each of the steps that put a vCPU to
 * sleep. A wake-up that is lost ends the run by its time limit.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "napper";

#define NAPS 20000
#define LONGEST 600

void guest_main(void)
{
	uint64_t chance = 1;

	nap_init();
	for (unsigned i = 0; i < NAPS; i++) {
		chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
		nap((chance >> 40) % LONGEST);
	}
	check_eq("every nap ended, each by one interrupt", naps_ended, NAPS);
}
