// SPDX-License-Identifier: MIT
/*
 * Naps so short that the deadline passes before, in and behind each of the steps that put a vCPU to
 * sleep. A wake-up that is lost ends the run by its time limit. With the word "two" a second vCPU
 * computes beside it.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "napper";

#define NAPS 20000
#define LONGEST 600

static void compute(void)
{
	for (;;)
		__asm__ volatile("" : : : "memory");
}

void guest_main(void)
{
	uint64_t chance = 1;

	nap_init();
	if (guest_option("two"))
		check("the other one starts", start_cpu(1, compute));
	for (unsigned i = 0; i < NAPS; i++) {
		chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
		nap((chance >> 40) % LONGEST);
	}
	check_eq("every nap ended, each by one interrupt", naps_ended, NAPS);
}
