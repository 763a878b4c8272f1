/* prove: boot/ranges.c */
/* prove-options: precision=2 coverage=98 quick */
/* SPDX-License-Identifier: MIT */
/* Any claims, in any order, for ever. */
#include "boot/ranges.h"

static struct boot_info info;

void prove(void)
{
	//@ widen_hints global:"all", 511, 512;
	while (any8)
		ranges_claim(&info, any64, any64, (enum boot_range_type)any32);
}
