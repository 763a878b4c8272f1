/* prove: drivers/host/framebuffer.c */
/* prove-options: precision=0 coverage=96 quick -eva-auto-loop-unroll=16 */
/* SPDX-License-Identifier: MIT */
/* Any text, for ever. */
#include "drivers/host/framebuffer.h"

static uint8_t pixels[1366 * 4 * 768];

void prove(void)
{
	static struct framebuffer screen;
	struct boot_framebuffer mode = { .width = 1366, .height = 768, .pitch = 4 * 1366 };
	struct boot_framebuffer nonsense = { .width = any32, .height = 1, .pitch = any16 };

	/* The last row and the last column. */
	//@ widen_hints global:"all", 47, 170;
	framebuffer_init(&screen, pixels, &nonsense);
	framebuffer_init(&screen, pixels, &mode);
	while (any8)
		framebuffer_putc(&screen, (char)any8);
}
