/* SPDX-License-Identifier: MIT */
/*
 * What is left of a line of cloister.conf, or of a part of it, taken from the front. Nothing here
 * looks behind its end. Pure; only for hv/config*.c.
 */
#ifndef HV_CONFIG_TEXT_H
#define HV_CONFIG_TEXT_H

#include "hv/base/types.h"

struct text {
	const char *at, *end;
};

/** Is nothing left? */
ANY bool text_ends(const struct text *text);

/** Takes @c; false if it does not come next. */
ANY bool text_take(struct text *text, char c);

/** The same with a whole word. */
ANY bool text_take_word(struct text *text, const char *word);

/** Takes what comes before the first of the characters @stops, and that one; all of it if there is
 * none. */
ANY struct text text_take_until(struct text *text, const char *stops);

/** Takes decimal digits. False without any, or past 32 bits. */
ANY bool text_take_number(struct text *text, uint64_t *value);

/** Takes blanks. */
ANY void text_skip_blanks(struct text *text);

/** Takes blanks from both ends, and the carriage return from the second. */
ANY void text_trim(struct text *text);

/** Is @word all of it? */
ANY bool text_is(struct text text, const char *word);

/** Copies what fits into @size bytes, of which the rest becomes zeroes, one at least. False: it is
 * longer than that. */
ANY bool text_copy(struct text text, char *out, size_t size);

#endif
