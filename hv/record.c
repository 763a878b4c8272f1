// SPDX-License-Identifier: MIT
#include "hv/record.h"

#include "hv/asm.h"
#include "hv/console.h"
#include "hv/global.h"
#include "hv/lib/print.h"

/* Guarded by the console's lock: whether the next member needs a comma. */
static uint32_t log_key
	GLOBAL_DATA("whoever guesses it can forge lines of the log, and do nothing else");
static bool comma GLOBAL_DATA("punctuation of a line that is printed anyway");

static void put_key(const char *key)
{
	if (comma)
		console_putc(',');
	comma = true;
	console_putc('"');
	console_puts(key);
	console_puts("\":");
}

static void put_string(const char *s)
{
	static const char hex[] = "0123456789abcdef";

	console_putc('"');
	for (; *s; s++) {
		uint8_t c = (uint8_t)*s;

		if (c == '"' || c == '\\') {
			console_putc('\\');
			console_putc(*s);
		} else if (c < 0x20 || c >= 0x7f) {
			console_puts("\\u00");
			console_putc(hex[c >> 4]);
			console_putc(hex[c & 15]);
		} else {
			console_putc(*s);
		}
	}
	console_putc('"');
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
	char text[12];

	console_lock_record();
	console_begin_line();
	console_puts("@cloister {");
	comma = false;
	fmt_snprintf(text, sizeof(text), "%08x", log_key);
	record_str("key", text);
	record_str("type", type);
}

void record_u64(const char *key, uint64_t value)
{
	char buf[24];

	put_key(key);
	fmt_snprintf(buf, sizeof(buf), "%llu", (unsigned long long)value);
	console_puts(buf);
}

void record_i64(const char *key, int64_t value)
{
	char buf[24];

	put_key(key);
	fmt_snprintf(buf, sizeof(buf), "%lld", (long long)value);
	console_puts(buf);
}

void record_hex(const char *key, uint64_t value)
{
	char buf[24];

	put_key(key);
	fmt_snprintf(buf, sizeof(buf), "\"0x%llx\"", (unsigned long long)value);
	console_puts(buf);
}

void record_bool(const char *key, bool value)
{
	put_key(key);
	console_puts(value ? "true" : "false");
}

void record_str(const char *key, const char *value)
{
	put_key(key);
	put_string(value);
}

void record_object(const char *key)
{
	put_key(key);
	console_putc('{');
	comma = false;
}

void record_object_end(void)
{
	console_putc('}');
	comma = true;
}

void record_end(void)
{
	console_puts("}\n");
	console_unlock();
}
