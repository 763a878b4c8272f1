/* prove: hv/console/queue.c */
/* prove-options: precision=2 coverage=98 quick */
/* SPDX-License-Identifier: MIT */
/* Any text, in front and behind, and any pace of the UART, for ever. */
#include "hv/console/queue.h"

void prove(void)
{
	char text[256], c; /* twice as long as is said: no sum is related to its summands */

	while (any8) {
		any_bytes(text, sizeof(text));
		console_queue_put(text, any_within(0, sizeof(text) / 2));
		console_queue_put_first(text, any_within(0, sizeof(text)));
		console_queue_get(&c);
		console_queue_mark();
		console_queue_at_mark();
		console_queue_length();
	}
}
