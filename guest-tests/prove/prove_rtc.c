/* prove: drivers/guest/legacy/rtc.c */
/* prove-with: guest-tests/prove/platform.c */
/* prove-options: precision=3 coverage=98 quick */
/* SPDX-License-Identifier: MIT */
/* Any accesses, at any time. */
#include "guest-tests/prove/platform.h"

void prove(void)
{
	struct vm *vm = any_vm();

	vrtc_reset(vm);
	while (any8) {
		vrtc_write(vm, any8 ? VRTC_INDEX_PORT : VRTC_DATA_PORT, any8);
		vrtc_read(vm);
	}
}
