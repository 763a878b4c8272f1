// SPDX-License-Identifier: MIT
#include "hv/base/print.h"

/* Where the text goes: everything is counted, what fits is kept. */
struct sink {
	char *buf;
	size_t size, length;
};

/* One conversion: "%-08.3llx". */
struct spec {
	bool left, zero;
	unsigned width;
	int precision; /* -1: none */
	unsigned longs;
};

static void put(struct sink *sink, char c)
{
	if (sink->length + 1 < sink->size)
		sink->buf[sink->length] = c;
	sink->length++;
}

static void put_padded(struct sink *sink, const struct spec *spec, const char *text,
		       unsigned length)
{
	unsigned pad = spec->width > length ? spec->width - length : 0;

	if (!spec->left && spec->zero && length && *text == '-') {
		put(sink, *text++);
		length--;
	}
	for (; !spec->left && pad; pad--)
		put(sink, spec->zero ? '0' : ' ');
	for (unsigned i = 0; i < length; i++)
		put(sink, text[i]);
	for (; pad; pad--)
		put(sink, ' ');
}

static void put_number(struct sink *sink, const struct spec *spec, uint64_t value, unsigned base,
		       bool negative, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24];
	unsigned at = sizeof(text);

	do {
		text[--at] = digits[value % base];
		value /= base;
	} while (value);
	if (negative)
		text[--at] = '-';
	put_padded(sink, spec, text + at, sizeof(text) - at);
}

static void put_string(struct sink *sink, const struct spec *spec, const char *s)
{
	unsigned length = 0;

	if (!s)
		s = "(null)";
	while ((spec->precision < 0 || length < (unsigned)spec->precision) && s[length])
		length++;
	put_padded(sink, spec, s, length);
}

static const char *parse_spec(const char *fmt, struct spec *spec)
{
	*spec = (struct spec){ .precision = -1 };
	for (; *fmt == '-' || *fmt == '0'; fmt++) {
		spec->left |= *fmt == '-';
		spec->zero |= *fmt == '0';
	}
	for (; *fmt >= '0' && *fmt <= '9'; fmt++)
		spec->width = spec->width * 10 + (unsigned)(*fmt - '0');
	if (*fmt == '.') {
		spec->precision = 0;
		for (fmt++; *fmt >= '0' && *fmt <= '9'; fmt++)
			spec->precision = spec->precision * 10 + (*fmt - '0');
	}
	for (; *fmt == 'l' || *fmt == 'z'; fmt++)
		spec->longs++;
	return fmt;
}

static void put_conversion(struct sink *sink, const struct spec *spec, char type, va_list *args)
{
	switch (type) {
	case 'd': {
		int64_t v = spec->longs ? va_arg(*args, long long) : va_arg(*args, int);

		put_number(sink, spec, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0, false);
		break;
	}
	case 'u':
	case 'x':
	case 'X': {
		uint64_t v =
			spec->longs ? va_arg(*args, unsigned long long) : va_arg(*args, unsigned);

		put_number(sink, spec, v, type == 'u' ? 10 : 16, false, type == 'X');
		break;
	}
	case 'p':
		put(sink, '0');
		put(sink, 'x');
		put_number(sink, spec, (uint64_t)va_arg(*args, void *), 16, false, false);
		break;
	case 's':
		put_string(sink, spec, va_arg(*args, const char *));
		break;
	case 'c':
		put(sink, (char)va_arg(*args, int));
		break;
	default:
		put(sink, '%');
		if (type && type != '%')
			put(sink, type);
		break;
	}
}

int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct sink sink = { buf, size, 0 };
	va_list copy;

	va_copy(copy, args);
	while (*fmt) {
		struct spec spec;

		if (*fmt != '%') {
			put(&sink, *fmt++);
			continue;
		}
		fmt = parse_spec(fmt + 1, &spec);
		put_conversion(&sink, &spec, *fmt, &copy);
		if (*fmt)
			fmt++;
	}
	va_end(copy);
	if (size)
		buf[sink.length < size ? sink.length : size - 1] = '\0';
	return (int)sink.length;
}

int fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int length;

	va_start(args, fmt);
	length = fmt_vsnprintf(buf, size, fmt, args);
	va_end(args);
	return length;
}
