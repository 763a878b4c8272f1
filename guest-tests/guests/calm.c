// SPDX-License-Identifier: MIT
/*
 * The other VM: while its neighbour misbehaves it computes, sleeps and checks its own memory, and
 * at the end powers off. It must not notice anything.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "calm";

#define ROUNDS 60
#define FEW_ROUNDS 8 /* with the option "short", beside a neighbour that never sleeps */
#define NAP 5000000
#define FIRST MIB(4)
#define LAST MIB(8)

void guest_main(void)
{
	unsigned rounds = guest_option("short") ? FEW_ROUNDS : ROUNDS;
	uint64_t wrong = 0;

	nap_init();
	for (uint64_t at = FIRST; at < LAST; at += 512)
		*(volatile uint64_t *)at = at ^ 0x5555;
	for (unsigned i = 0; i < rounds; i++) {
		nap(NAP);
		for (uint64_t at = FIRST + i * 8; at < LAST; at += 4096)
			wrong += *(volatile uint64_t *)(at & ~511ULL) != ((at & ~511ULL) ^ 0x5555);
		wrong += cpuid(0x40000000, 0).ebx != 0x696f6c43;
	}
	check_eq("every nap ended", naps_ended, rounds);
	check_eq("memory and processor are as they should be", wrong, 0);
}
