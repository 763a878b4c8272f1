// SPDX-License-Identifier: MIT
#include "hv/config/text.h"

#include "hv/base/boot.h"
#include "hv/base/string.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool text_ends(const struct text *text)
{
	return text->at >= text->end;
}

bool text_take(struct text *text, char c)
{
	if (text->at >= text->end || *text->at != c)
		return false;
	text->at++;
	return true;
}

bool text_take_word(struct text *text, const char *word)
{
	struct text rest = *text;

	for (; *word; word++)
		if (!text_take(&rest, *word))
			return false;
	*text = rest;
	return true;
}

static bool is_one_of(char c, const char *set)
{
	while (*set && *set != c)
		set++;
	return *set;
}

BOOT struct text text_take_until(struct text *text, const char *stops)
{
	struct text part = { text->at, text->at };

	while (part.end < text->end && !is_one_of(*part.end, stops))
		part.end++;
	text->at = part.end;
	if (text->at < text->end)
		text->at++;
	return part;
}

BOOT bool text_take_number(struct text *text, uint64_t *value)
{
	const char *start = text->at;

	*value = 0;
	for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
		*value = *value * 10 + (uint64_t)(*text->at - '0');
		if (*value > UINT32_MAX)
			return false;
	}
	return text->at != start;
}

BOOT void text_skip_blanks(struct text *text)
{
	while (text->at < text->end && is_blank(*text->at))
		text->at++;
}

BOOT void text_trim(struct text *text)
{
	text_skip_blanks(text);
	while (text->at < text->end && (is_blank(text->end[-1]) || text->end[-1] == '\r'))
		text->end--;
}

bool text_is(struct text text, const char *word)
{
	return text_take_word(&text, word) && text_ends(&text);
}

BOOT bool text_copy(struct text text, char *out, size_t size)
{
	memset(out, 0, size);
	for (size_t n = 0; n + 1 < size && text.at < text.end; n++)
		out[n] = *text.at++;
	return text_ends(&text);
}
