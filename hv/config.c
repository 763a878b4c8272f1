// SPDX-License-Identifier: MIT
#include "hv/config.h"

#include "hv/lib/print.h"
#include "hv/lib/string.h"

#define FILE_NAME "cloister.conf"
#define MAX_LINE 1200
#define MAX_KEY 24
#define DEFAULT_MEMORY MIB(256)
#define MIN_MEMORY MIB(2)
#define MAX_MEMORY GIB(240)

enum section { SECTION_NONE, SECTION_HYPERVISOR, SECTION_VM, SECTION_SKIP };

struct parser {
	struct config *cfg;
	unsigned line;
	enum section section;
	struct config_vm *vm;
	uint64_t seen; /* keys of this section, by index into its table */
	bool hypervisor_seen;
};

typedef bool (*setter)(struct parser *p, const char *value);

struct key {
	const char *name;
	setter set;
	const char *allowed;
};

/* A word and what it stands for. */
struct choice {
	const char *word;
	unsigned value;
};

static void report(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void report(struct parser *p, const char *fmt, ...)
{
	struct config *cfg = p->cfg;
	va_list args;
	char *out;
	int n;

	if (p->section == SECTION_VM)
		p->vm->bad = true;
	if (cfg->error_count++ >= CONFIG_MAX_ERRORS)
		return;
	out = cfg->errors[cfg->error_count - 1];
	n = p->section == SECTION_VM
		    ? fmt_snprintf(out, CONFIG_ERROR_LEN, FILE_NAME ":%u: [vm %s] ", p->line,
				   p->vm->name)
		    : fmt_snprintf(out, CONFIG_ERROR_LEN, FILE_NAME ":%u: ", p->line);
	if (n >= CONFIG_ERROR_LEN)
		return;
	va_start(args, fmt);
	fmt_vsnprintf(out + n, CONFIG_ERROR_LEN - (size_t)n, fmt, args);
	va_end(args);
	/* What is quoted from the file must not steer the terminal. */
	for (; *out; out++)
		if (*out < ' ' || *out > '~')
			*out = '?';
}

static bool choose(const char *value, const struct choice *choices, unsigned count,
		   unsigned *result)
{
	for (unsigned i = 0; i < count; i++) {
		if (!strcmp(value, choices[i].word)) {
			*result = choices[i].value;
			return true;
		}
	}
	return false;
}

static bool parse_switch(const char *value, bool *result)
{
	static const struct choice switches[] = { { "on", 1 }, { "off", 0 } };
	unsigned v = 0;

	if (!choose(value, switches, ARRAY_SIZE(switches), &v))
		return false;
	*result = v;
	return true;
}

/* Decimal digits; stops at the first other character. False without digits or past 32 bits. */
static bool parse_number(const char **s, uint64_t *value)
{
	const char *start = *s;

	*value = 0;
	for (; **s >= '0' && **s <= '9'; (*s)++) {
		*value = *value * 10 + (uint64_t)(**s - '0');
		if (*value > UINT32_MAX)
			return false;
	}
	return *s != start;
}

static bool parse_name(const char *value, char *out, size_t size)
{
	return *value && str_copy(out, value, size) < size;
}

static bool set_console(struct parser *p, const char *value)
{
	static const struct choice outputs[] = { { "com1", CONFIG_CONSOLE_COM1 },
						 { "com2", CONFIG_CONSOLE_COM2 },
						 { "framebuffer", CONFIG_CONSOLE_FRAMEBUFFER } };
	unsigned all = 0;

	if (!strcmp(value, "none")) {
		p->cfg->console = 0;
		return true;
	}
	while (*value) {
		char word[16];
		unsigned n = 0, bit;

		for (; *value && *value != ',' && *value != ' '; value++)
			if (n < sizeof(word) - 1)
				word[n++] = *value;
		word[n] = '\0';
		if (!choose(word, outputs, ARRAY_SIZE(outputs), &bit))
			return false;
		all |= bit;
		while (*value == ',' || *value == ' ')
			value++;
	}
	if (!all)
		return false;
	p->cfg->console = all;
	return true;
}

static bool set_mitigation(struct parser *p, const char *value)
{
	static const struct choice policies[] = { { "auto", CONFIG_MITIGATION_AUTO },
						  { "off", CONFIG_MITIGATION_OFF },
						  { "always-flush",
						    CONFIG_MITIGATION_ALWAYS_FLUSH },
						  { "asi", CONFIG_MITIGATION_ASI } };
	unsigned v;

	if (!choose(value, policies, ARRAY_SIZE(policies), &v))
		return false;
	p->cfg->mitigation = (enum config_mitigation)v;
	return true;
}

static bool set_paranoid(struct parser *p, const char *value)
{
	return parse_switch(value, &p->cfg->paranoid);
}

static bool set_smt(struct parser *p, const char *value)
{
	(void)p;
	return !strcmp(value, "off");
}

static bool set_timer(struct parser *p, const char *value)
{
	static const struct choice timers[] = { { "auto", CONFIG_TIMER_AUTO },
						{ "deadline", CONFIG_TIMER_DEADLINE },
						{ "preemption", CONFIG_TIMER_PREEMPTION } };
	unsigned v;

	if (!choose(value, timers, ARRAY_SIZE(timers), &v))
		return false;
	p->cfg->timer = (enum config_timer)v;
	return true;
}

static bool set_debug_hypercalls(struct parser *p, const char *value)
{
	return parse_switch(value, &p->cfg->debug_hypercalls);
}

static bool set_kernel(struct parser *p, const char *value)
{
	p->vm->kernel_line = p->line;
	return parse_name(value, p->vm->kernel, sizeof(p->vm->kernel));
}

static bool set_initrd(struct parser *p, const char *value)
{
	p->vm->initrd_line = p->line;
	return parse_name(value, p->vm->initrd, sizeof(p->vm->initrd));
}

static bool set_cmdline(struct parser *p, const char *value)
{
	return str_copy(p->vm->cmdline, value, sizeof(p->vm->cmdline)) < sizeof(p->vm->cmdline);
}

static bool set_memory(struct parser *p, const char *value)
{
	uint64_t v;
	unsigned shift;

	p->vm->memory_line = p->line;
	if (!parse_number(&value, &v))
		return false;
	switch (*value) {
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	default:
		return false;
	}
	v <<= shift;
	if (value[1] || v < MIN_MEMORY || v > MAX_MEMORY || v % PAGE_SIZE_2M)
		return false;
	p->vm->memory = v;
	return true;
}

static bool set_memory_mode(struct parser *p, const char *value)
{
	static const struct choice modes[] = { { "eager", CONFIG_POPULATE_EAGER },
					       { "lazy", CONFIG_POPULATE_LAZY } };
	unsigned v;

	if (!choose(value, modes, ARRAY_SIZE(modes), &v))
		return false;
	p->vm->populate = (enum config_populate)v;
	return true;
}

static bool set_vcpus(struct parser *p, const char *value)
{
	uint64_t v;

	if (!parse_number(&value, &v) || *value || v != 1)
		return false;
	p->vm->vcpus = 1;
	return true;
}

static bool set_cpus(struct parser *p, const char *value)
{
	uint64_t mask = 0;

	for (;;) {
		uint64_t first, last;

		if (!parse_number(&value, &first))
			return false;
		last = first;
		if (*value == '-') {
			value++;
			if (!parse_number(&value, &last))
				return false;
		}
		if (first > last || last > 63)
			return false;
		for (; first <= last; first++)
			mask |= BIT(first);
		while (*value == ' ')
			value++;
		if (!*value)
			break;
		if (*value++ != ',')
			return false;
		while (*value == ' ')
			value++;
	}
	p->vm->cpu_mask = mask;
	return true;
}

static bool set_format(struct parser *p, const char *value)
{
	static const struct choice formats[] = { { "linux", CONFIG_FORMAT_LINUX },
						 { "flat", CONFIG_FORMAT_FLAT } };
	unsigned v;

	if (!choose(value, formats, ARRAY_SIZE(formats), &v))
		return false;
	p->vm->format = (enum config_format)v;
	return true;
}

/* Known from the design, refused with its reason rather than as unknown. */
static bool set_not_yet(struct parser *p, const char *value)
{
	(void)p;
	(void)value;
	return false;
}

static bool set_vm_console(struct parser *p, const char *value)
{
	(void)p;
	return !strcmp(value, "uart");
}

static const struct key hypervisor_keys[] = {
	{ "console", set_console, "com1, com2, framebuffer (several with commas) or none" },
	{ "mitigation", set_mitigation, "auto, off, always-flush or asi" },
	{ "paranoid", set_paranoid, "on or off" },
	{ "smt", set_smt, "off: this version runs guests on one thread of a core" },
	{ "timer", set_timer, "auto, deadline or preemption" },
	{ "debug-hypercalls", set_debug_hypercalls, "on or off" },
};

static const struct key vm_keys[] = {
	{ "kernel", set_kernel, "a file name of 1 to 63 characters" },
	{ "initrd", set_initrd, "a file name of 1 to 63 characters" },
	{ "cmdline", set_cmdline, "up to 1023 characters" },
	{ "memory", set_memory, "a multiple of 2M from 2M to 240G, with K, M or G" },
	{ "memory-mode", set_memory_mode, "eager or lazy" },
	{ "vcpus", set_vcpus, "1: this version runs one vCPU a VM" },
	{ "cpus", set_cpus, "numbers and ranges from 0 to 63, like 0-1,3" },
	{ "format", set_format, "linux or flat" },
	{ "console", set_vm_console, "uart" },
	{ "disk", set_not_yet, "no disk at all: this version has no virtual disks" },
	{ "net", set_not_yet, "no network at all: this version has no virtual network" },
};

/* Keys that this version takes, with commas. */
static void list_keys(const struct key *keys, unsigned count, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < count && n < size; i++)
		if (keys[i].set != set_not_yet)
			n += (size_t)fmt_snprintf(out + n, size - n, "%s%s", n ? ", " : "",
						  keys[i].name);
}

/*
 * Number of characters to insert, remove or replace to make @b of @a; at least MAX_KEY if one is
 * longer than that.
 */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[MAX_KEY + 1];
	size_t m = strlen(a), n = strlen(b);

	if (m > MAX_KEY || n > MAX_KEY)
		return MAX_KEY;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 0; i < m; i++) {
		unsigned diagonal = row[0];

		row[0] = i + 1;
		for (unsigned j = 0; j < n; j++) {
			unsigned best = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (diagonal + 1 < best)
				best = diagonal + 1;
			row[j + 1] = best;
		}
	}
	return row[n];
}

static void report_unknown(struct parser *p, const struct key *keys, unsigned count,
			   const char *name)
{
	char list[100];
	const struct key *nearest = NULL;
	unsigned nearest_distance = 3; /* further away is no typing mistake */

	for (unsigned i = 0; i < count; i++) {
		unsigned distance = edit_distance(name, keys[i].name);

		if (distance < nearest_distance && distance < strlen(keys[i].name)) {
			nearest = &keys[i];
			nearest_distance = distance;
		}
	}
	list_keys(keys, count, list, sizeof(list));
	if (nearest)
		report(p, "unknown key %.24s (%s?); allowed: %s", name, nearest->name, list);
	else
		report(p, "unknown key %.24s; allowed: %s", name, list);
}

static void apply(struct parser *p, const struct key *keys, unsigned count, const char *name,
		  const char *value)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (p->seen & BIT(i))
			report(p, "%s is set twice; remove one", name);
		else if (!keys[i].set(p, value))
			report(p, "%s = %.40s is not allowed; allowed: %s", name, value,
			       keys[i].allowed);
		p->seen |= BIT(i);
		return;
	}
	report_unknown(p, keys, count, name);
}

static char *trim(char *s)
{
	size_t n;

	while (*s == ' ' || *s == '\t')
		s++;
	n = strlen(s);
	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
		s[--n] = '\0';
	return s;
}

static bool valid_vm_name(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= CONFIG_NAME_LEN)
		return false;
	for (; *name; name++)
		if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
		      (*name >= '0' && *name <= '9') || *name == '-' || *name == '_' ||
		      *name == '.'))
			return false;
	return true;
}

/* What can only be said once a section is complete. */
static void finish_section(struct parser *p)
{
	unsigned line = p->line;

	if (p->section == SECTION_VM && !p->vm->kernel[0] && !p->vm->bad) {
		p->line = p->vm->line;
		report(p, "has no kernel; add: kernel = FILE");
	}
	p->line = line;
}

static void begin_vm(struct parser *p, const char *name)
{
	struct config *cfg = p->cfg;

	p->section = SECTION_SKIP;
	if (!valid_vm_name(name)) {
		report(p, "[vm %.40s] is not a name; allowed: 1 to 31 letters, digits, - _ .",
		       name);
		return;
	}
	for (unsigned i = 0; i < cfg->vm_count; i++) {
		if (!strcmp(cfg->vms[i].name, name)) {
			report(p, "[vm %s] is there already, in line %u; choose another name", name,
			       cfg->vms[i].line);
			return;
		}
	}
	if (cfg->vm_count == CONFIG_MAX_VMS) {
		report(p, "[vm %s] is one too many; allowed: %d VMs", name, CONFIG_MAX_VMS);
		return;
	}
	p->section = SECTION_VM;
	p->vm = &cfg->vms[cfg->vm_count++];
	str_copy(p->vm->name, name, sizeof(p->vm->name));
	p->vm->line = p->line;
	p->vm->memory = DEFAULT_MEMORY;
	p->vm->vcpus = 1;
}

static void begin_section(struct parser *p, char *text)
{
	size_t n = strlen(text);

	finish_section(p);
	p->section = SECTION_SKIP;
	p->seen = 0;
	if (n < 2 || text[n - 1] != ']') {
		report(p, "%.40s lacks its closing bracket; write [hypervisor] or [vm NAME]", text);
		return;
	}
	text[n - 1] = '\0';
	text = trim(text + 1);
	if (!strcmp(text, "hypervisor")) {
		if (p->hypervisor_seen)
			report(p, "[hypervisor] is there twice; put its keys into one section");
		else
			p->section = SECTION_HYPERVISOR;
		p->hypervisor_seen = true;
	} else if (!strncmp(text, "vm ", 3) || !strncmp(text, "vm\t", 3)) {
		begin_vm(p, trim(text + 3));
	} else {
		report(p, "unknown section [%.40s]; allowed: [hypervisor] and [vm NAME]", text);
	}
}

static void parse_line(struct parser *p, char *line)
{
	char *value;

	/* A comment begins the line or follows a blank: "#" inside a command line stays. */
	for (char *c = line; *c; c++) {
		if (*c == '#' && (c == line || c[-1] == ' ' || c[-1] == '\t')) {
			*c = '\0';
			break;
		}
	}
	line = trim(line);
	if (!*line)
		return;
	if (*line == '[') {
		begin_section(p, line);
		return;
	}
	if (p->section == SECTION_SKIP)
		return;
	for (value = line; *value && *value != '='; value++)
		;
	if (!*value) {
		report(p, "%.40s is not a setting; write key = value", line);
		return;
	}
	*value++ = '\0';
	line = trim(line);
	value = trim(value);
	if (p->section == SECTION_HYPERVISOR)
		apply(p, hypervisor_keys, ARRAY_SIZE(hypervisor_keys), line, value);
	else if (p->section == SECTION_VM)
		apply(p, vm_keys, ARRAY_SIZE(vm_keys), line, value);
	else
		report(p, "%.40s stands before any section; begin with [hypervisor] or [vm NAME]",
		       line);
}

void config_parse(struct config *cfg, const char *text, size_t size)
{
	struct parser p = { .cfg = cfg };
	char line[MAX_LINE];
	size_t at = 0;

	memset(cfg, 0, sizeof(*cfg));
	cfg->console = CONFIG_CONSOLE_COM1 | CONFIG_CONSOLE_FRAMEBUFFER;
	/* Some editors begin a text with a byte order mark. */
	if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		at = 3;
	while (at < size) {
		size_t n = 0;
		bool too_long = false, binary = false;

		p.line++;
		for (; at < size && text[at] != '\n'; at++) {
			if (text[at] == '\0')
				binary = true;
			else if (n < sizeof(line) - 1)
				line[n++] = text[at];
			else
				too_long = true;
		}
		at++;
		line[n] = '\0';
		if (binary)
			report(&p, "holds a zero byte; the file must be plain text");
		else if (too_long)
			report(&p, "is longer than %d characters", MAX_LINE - 1);
		else
			parse_line(&p, line);
	}
	finish_section(&p);
	p.section = SECTION_NONE;
	if (cfg->vm_count == 0)
		report(&p, "names no VM; add a section [vm NAME] with kernel = FILE");
}
