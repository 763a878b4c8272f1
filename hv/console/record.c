// SPDX-License-Identifier: MIT
#include "hv/console/record.h"

#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/global.h"
#include "hv/base/print.h"
#include "hv/base/string.h"
#include "hv/console/console.h"
#include "hv/cpu/percpu.h"

static uint32_t log_key
	GLOBAL_DATA("whoever guesses it can forge lines of the log, and do nothing else");
/* Where the console does not queue, or this CPU cannot reach its queue: guarded by its lock. */
static bool direct_comma GLOBAL_DATA("punctuation of a line that is printed anyway");

static const char hex[] = "0123456789abcdef";

/* What this CPU collects; NULL: what it says goes out directly. */
static struct record_text *collected(void)
{
	return console_queues() && this_cpu()->collects ? cpus[this_cpu()->id].record : NULL;
}

static void take_console(void)
{
	console_lock_record();
	console_begin_line();
}

/* Once for most records; longer ones keep the console until they end. */
static void send(struct record_text *record)
{
	if (!record->has_console)
		take_console();
	record->has_console = true;
	console_put_plain(record->text, record->length);
	record->length = 0;
}

static void put_bytes(const char *s, size_t size)
{
	struct record_text *record = collected();

	if (record && sizeof(record->text) - record->length < size)
		send(record);
	if (!record || size > sizeof(record->text)) {
		console_put_plain(s, size);
		return;
	}
	memcpy(record->text + record->length, s, size);
	record->length += (unsigned)size;
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

static bool *comma(void)
{
	struct record_text *record = collected();

	return record ? &record->comma : &direct_comma;
}

static void put_key(const char *key)
{
	put_text(*comma() ? ",\"" : "\"");
	*comma() = true;
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

BOOT void record_init(void)
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
	struct record_text *record;
	char key[9];

	if (console_queues())
		this_cpu()->collects = console_reach_queue();
	record = collected();
	if (record)
		record->has_console = false;
	else
		take_console();
	put_text("@cloister {");
	*comma() = false;
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
	*comma() = false;
}

void record_object_end(void)
{
	put('}');
	*comma() = true;
}

void record_end(void)
{
	struct record_text *record = collected();

	put('}');
	if (record)
		send(record);
	console_puts("\n");
	console_unlock();
}
