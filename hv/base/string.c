// SPDX-License-Identifier: MIT
#include "hv/base/string.h"

#ifndef CLOISTER_HOST_TEST /* there the C library has these */

/* From so many bytes on it pays to begin twice: with words, and with the bytes that are left. */
#define MANY 64

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;

	if (n >= MANY) {
		size_t words = n / 8;

		__asm__ volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words) : : "memory");
		n %= 8;
	}
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

typedef uint64_t unaligned_t __attribute__((aligned(1)));

void *memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (d <= s || d >= s + n)
		return memcpy(dst, src, n);
	for (; n >= 8 && d - s >= 8; n -= 8)
		*(unaligned_t *)(d + n - 8) = *(const unaligned_t *)(s + n - 8);
	while (n-- > 0)
		d[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;

	if (n >= MANY) {
		uint64_t word = (uint8_t)c * 0x0101010101010101ULL;
		size_t words = n / 8;

		__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(word) : "memory");
		n %= 8;
	}
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n > 0; n--, x++, y++)
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

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (uint8_t)*a - (uint8_t)*b;
}

#endif

size_t str_copy(char *dst, const char *src, size_t size)
{
	size_t length = strlen(src), n;

	if (size == 0)
		return length;
	n = length < size ? length : size - 1;
	memcpy(dst, src, n);
	dst[n] = '\0';
	return length;
}

size_t str_append(char *dst, size_t size, size_t at, const char *src)
{
	for (; *src && at + 1 < size; src++)
		dst[at++] = *src;
	if (at < size)
		dst[at] = '\0';
	return at;
}

void copy_bulk(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
}
