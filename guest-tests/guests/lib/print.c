// SPDX-License-Identifier: MIT
/* Text on COM1, and the few string functions that the compiler may call. */
#include "guest-tests/guests/lib/guest.h"

#include <stdarg.h>

void *memcpy(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	while (n--)
		*d++ = *s++;
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (d <= s)
		return memcpy(dst, src, n);
	while (n--)
		d[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	uint8_t *d = dst;

	while (n--)
		*d++ = (uint8_t)c;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static void put(char c)
{
	outb(COM1, (uint8_t)c);
}

static void put_number(uint64_t value, unsigned base)
{
	char digits[24];
	unsigned n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		put(digits[--n]);
}

/* A test may have left the UART with its divisor shown or looped back upon itself. */
static void clear_the_way(void)
{
	outb(COM1 + 3, 3);
	outb(COM1 + 4, inb(COM1 + 4) & ~0x10);
}

void wait_for_line(void)
{
	clear_the_way();
	put('\r');
}

void print(const char *fmt, ...)
{
	va_list args;

	clear_the_way();
	va_start(args, fmt);
	for (; *fmt; fmt++) {
		const char *s;
		int64_t v;

		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		switch (*++fmt) {
		case 's':
			for (s = va_arg(args, const char *); *s; s++)
				put(*s);
			break;
		case 'c':
			put((char)va_arg(args, int));
			break;
		case 'd':
			v = va_arg(args, int64_t);
			if (v < 0)
				put('-');
			put_number(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10);
			break;
		case 'u':
			put_number(va_arg(args, uint64_t), 10);
			break;
		case 'x':
			put_number(va_arg(args, uint64_t), 16);
			break;
		default:
			put(*fmt);
			break;
		}
	}
	va_end(args);
}
