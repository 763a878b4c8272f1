/* unit-sources: drivers/host/framebuffer.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "drivers/host/framebuffer.h"
#include "guest-tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static struct framebuffer screen;

struct picture {
	struct boot_framebuffer mode;
	uint32_t *pixels; /* exactly as many as the mode says, so that the sanitizer sees each one
			     too many */
};

static struct picture make(uint32_t width, uint32_t height, uint32_t spare)
{
	struct picture p = { .mode = { HPA(0), width, height, (width + spare) * 4, 1 } };
	size_t bytes = (size_t)p.mode.pitch * height;

	p.pixels = malloc(bytes);
	memset(p.pixels, 0x55, bytes);
	framebuffer_init(&screen, p.pixels, &p.mode);
	return p;
}

static void put(const char *s)
{
	while (*s)
		framebuffer_putc(&screen, *s++);
}

static unsigned ink(const struct picture *p, uint32_t column, uint32_t row)
{
	unsigned n = 0;

	for (uint32_t y = row * 16; y < row * 16 + 16; y++)
		for (uint32_t x = column * 8; x < column * 8 + 8; x++)
			n += p->pixels[y * (p->mode.pitch / 4) + x] != 0;
	return n;
}

static bool same_cell(const struct picture *p, uint32_t c1, uint32_t r1, uint32_t c2, uint32_t r2)
{
	for (uint32_t y = 0; y < 16; y++)
		for (uint32_t x = 0; x < 8; x++)
			if (p->pixels[(r1 * 16 + y) * (p->mode.pitch / 4) + c1 * 8 + x] !=
			    p->pixels[(r2 * 16 + y) * (p->mode.pitch / 4) + c2 * 8 + x])
				return false;
	return true;
}

TEST(framebuffer_clears_the_visible_part)
{
	struct picture p = make(80, 32, 4);

	for (uint32_t y = 0; y < 32; y++) {
		for (uint32_t x = 0; x < 80; x++)
			CHECK(p.pixels[y * 84 + x] == 0);
		for (uint32_t x = 80; x < 84; x++)
			CHECK(p.pixels[y * 84 + x] == 0x55555555);
	}
	free(p.pixels);
}

TEST(framebuffer_draws_distinct_characters)
{
	struct picture p = make(95 * 8, 16, 0);

	for (char c = ' '; c <= '~'; c++)
		framebuffer_putc(&screen, c);
	CHECK(ink(&p, 0, 0) == 0);
	for (uint32_t i = 1; i < 95; i++) {
		CHECK(ink(&p, i, 0) > 0);
		for (uint32_t j = 0; j < i; j++)
			CHECK(!same_cell(&p, i, 0, j, 0));
	}
	free(p.pixels);
}

TEST(framebuffer_moves)
{
	struct picture p = make(10 * 8, 4 * 16, 0);

	put("ab\ncd\rX\n\tT");
	CHECK(!memcmp(screen.text[0], "ab        ", 10));
	CHECK(!memcmp(screen.text[1], "Xd        ", 10));
	CHECK(!memcmp(screen.text[2], "        T ", 10));
	put("\b\bY");
	CHECK(!memcmp(screen.text[2], "       YT ", 10));
	free(p.pixels);
}

TEST(framebuffer_wraps_and_scrolls)
{
	struct picture p = make(4 * 8, 2 * 16, 3);

	put("abcd");
	CHECK(screen.row == 0);
	put("e");
	CHECK(screen.row == 1 && screen.text[1][0] == 'e');
	put("\nfg");
	CHECK(!memcmp(screen.text[0], "e   ", 4) && !memcmp(screen.text[1], "fg  ", 4));
	put("\r\ne");
	CHECK(same_cell(&p, 1, 0, 1, 0) && ink(&p, 0, 0) > 0 && ink(&p, 2, 0) == 0);
	CHECK(!memcmp(screen.text[0], "fg  ", 4) && !memcmp(screen.text[1], "e   ", 4));
	put("\n\n");
	for (uint32_t i = 0; i < 8; i++)
		CHECK(ink(&p, i % 4, i / 4) == 0);
	free(p.pixels);
}

/* After any output the picture is exactly what its text asks for, drawn anew. */
TEST(framebuffer_random_output)
{
	struct picture p = make(7 * 8 + 3, 5 * 16 + 9, 2);
	static struct framebuffer fresh;

	srand(3);
	for (unsigned i = 0; i < 20000; i++)
		framebuffer_putc(&screen, (char)(rand() % 4 ? rand() % 96 + 32 : rand() % 256));
	fresh = screen;
	struct picture q = make(7 * 8 + 3, 5 * 16 + 9, 2);

	for (uint32_t row = 0; row < 5; row++) {
		for (uint32_t column = 0; column < 7; column++) {
			screen.row = row;
			screen.column = column;
			if (fresh.text[row][column] >= ' ')
				framebuffer_putc(&screen, (char)fresh.text[row][column]);
			else
				framebuffer_putc(&screen, '\x7f');
		}
	}
	CHECK(!memcmp(p.pixels, q.pixels, (size_t)p.mode.pitch * p.mode.height));
	free(p.pixels);
	free(q.pixels);
}

TEST(framebuffer_odd_modes)
{
	struct picture p = make(7, 15, 0); /* too small for one character */

	put("nothing\n\tto see");
	free(p.pixels);
	p = make(3000, 2200, 0); /* larger than the text that is kept */
	for (unsigned i = 0; i < 100000; i++)
		framebuffer_putc(&screen, (char)('a' + i % 26));
	CHECK(screen.columns == FRAMEBUFFER_MAX_COLUMNS && screen.rows == FRAMEBUFFER_MAX_ROWS);
	free(p.pixels);
	p.mode = (struct boot_framebuffer){ HPA(0), 64, 64, 16, 1 };
	framebuffer_init(&screen, NULL, &p.mode);
	put("nothing");
	CHECK(screen.rows == 0);
}

UNIT_MAIN
