/* SPDX-License-Identifier: MIT */
/*
 * Text on the linear framebuffer that the firmware set up: 8 by 16 pixels a character, scrolling.
 * Full map only.
 */
#ifndef DRIVERS_HOST_FRAMEBUFFER_H
#define DRIVERS_HOST_FRAMEBUFFER_H

#include "boot/boot_info.h"

#define FRAMEBUFFER_CELL_WIDTH 8
#define FRAMEBUFFER_CELL_HEIGHT 16
#define FRAMEBUFFER_MAX_COLUMNS 256
#define FRAMEBUFFER_MAX_ROWS 128

/** A screen. What it shows is kept as text too, so that video memory is never read. */
struct framebuffer {
	volatile uint8_t *pixels;
	uint32_t pitch;		/* bytes a line */
	uint32_t columns, rows; /* characters; 0: nothing is shown */
	uint32_t column, row;	/* of the next character; column == columns: on the next line */
	uint8_t text[FRAMEBUFFER_MAX_ROWS][FRAMEBUFFER_MAX_COLUMNS];
};

/** Clears the picture at @pixels, which has the form that @mode says. */
FULL void framebuffer_init(struct framebuffer *fb, volatile void *pixels,
			   const struct boot_framebuffer *mode);

/** Shows one character; newline, carriage return, backspace and tabulator do what they say. */
FULL void framebuffer_putc(struct framebuffer *fb, char c);

#endif
