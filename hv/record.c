// SPDX-License-Identifier: MIT
#include "hv/record.h"

#include "hv/asm.h"
#include "hv/console.h"
#include "hv/global.h"
#include "hv/lib/print.h"
#include "hv/lib/string.h"

static uint32_t log_key
	GLOBAL_DATA("whoever guesses it can forge lines of the log, and do nothing else");
/* Guarded by the console's lock: whether the next member needs a comma, whether it is collected,
 * which is done where the console's queue is, in full, and what is collected. */
static bool comma GLOBAL_DATA("punctuation of a line that is printed anyway");
static bool collects GLOBAL_DATA("whether the console queues, which is no secret");
static char text[512];
static unsigned length;

static const char hex[] = "0123456789abcdef";

static void send(void)
{
	console_put_plain(text, length);
	length = 0;
}

static void put_bytes(const char *s, size_t size)
{
	if (!collects) {
		console_put_plain(s, size);
		return;
	}
	if (sizeof(text) - length < size)
		send();
	if (size > sizeof(text)) {
		console_put_plain(s, size);
		return;
	}
	memcpy(text + length, s, size);
	length += (unsigned)size;
}

static void put(char c)
{
	put_bytes(&c, 1);
}

static void put_text(const char *s)
{
	put_bytes(s, strlen(s));
}

static void put_number(uint64_t value, unsigned base)
{
	char digits[20];
	unsigned at = sizeof(digits);

	do
		digits[--at] = hex[value % base];
	while (value /= base);
	put_bytes(digits + at, sizeof(digits) - at);
}

static void put_key(const char *key)
{
	put_text(comma ? ",\"" : "\"");
	comma = true;
	put_text(key);
	put_text("\":");
}

static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_escaped(uint8_t c)
{
	if (c == '"' || c == '\\') {
		put('\\');
		put((char)c);
	} else {
		put_text("\\u00");
		put(hex[c >> 4]);
		put(hex[c & 15]);
	}
}

/* What needs no escape goes in one piece. */
static void put_string(const char *s)
{
	put('"');
	for (;; s++) {
		size_t plain = 0;

		while (is_plain(s[plain]))
			plain++;
		put_bytes(s, plain);
		s += plain;
		if (!*s)
			break;
		put_escaped((uint8_t)*s);
	}
	put('"');
}

void record_init(void)
{
	/* Without RDRAND, of what a guest cannot know: when the machine came up, to the tick. */
	uint64_t random = rdtsc(), drawn;
	bool ok = false;

	if (cpuid(1, 0).ecx & BIT(30))
		__asm__ volatile("rdrand %0" : "=r"(drawn), "=@ccc"(ok));
	if (ok)
		random ^= drawn;
	log_key = (uint32_t)((random * 0x9e3779b97f4a7c15ULL) >> 32);
}

void record_begin(const char *type)
{
	char key[9];

	console_lock_record();
	collects = console_is_queueing();
	console_begin_line();
	put_text("@cloister {");
	comma = false;
	fmt_snprintf(key, sizeof(key), "%08x", log_key);
	record_str("key", key);
	record_str("type", type);
}

void record_u64(const char *key, uint64_t value)
{
	put_key(key);
	put_number(value, 10);
}

void record_i64(const char *key, int64_t value)
{
	put_key(key);
	if (value < 0)
		put('-');
	put_number(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

void record_hex(const char *key, uint64_t value)
{
	put_key(key);
	put_text("\"0x");
	put_number(value, 16);
	put('"');
}

void record_bool(const char *key, bool value)
{
	put_key(key);
	put_text(value ? "true" : "false");
}

void record_str(const char *key, const char *value)
{
	put_key(key);
	put_string(value);
}

void record_object(const char *key)
{
	put_key(key);
	put('{');
	comma = false;
}

void record_object_end(void)
{
	put('}');
	comma = true;
}

void record_end(void)
{
	put('}');
	if (collects)
		send();
	console_puts("\n");
	console_unlock();
}
