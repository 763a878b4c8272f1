// SPDX-License-Identifier: MIT
#include "hv/config.h"

#include "hv/config_keys.h"
#include "hv/lib/print.h"
#include "hv/lib/string.h"

#define FILE_NAME "cloister.conf"
#define MAX_LINE 1200
#define DEFAULT_MEMORY MIB(256)

enum section { SECTION_NONE, SECTION_HYPERVISOR, SECTION_VM, SECTION_SKIP };

struct parser {
	struct config *cfg;
	unsigned line;
	enum section section;
	struct config_vm *vm;
	uint64_t seen; /* keys of this section, by index into its table */
	bool hypervisor_seen;
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

static void report_unknown(struct parser *p, const struct config_keys *keys, const char *name)
{
	const struct config_key *nearest = config_keys_nearest(keys, name);
	char list[200];

	config_keys_list(keys, list, sizeof(list));
	if (nearest)
		report(p, "unknown key %.24s (%s?); allowed: %s", name, nearest->name, list);
	else
		report(p, "unknown key %.24s; allowed: %s", name, list);
}

static void apply(struct parser *p, const struct config_keys *keys, const char *name,
		  const char *value)
{
	const struct config_target target = { p->cfg, p->vm, p->line };

	for (unsigned i = 0; i < keys->count; i++) {
		const struct config_key *key = &keys->keys[i];

		if (strcmp(key->name, name) != 0)
			continue;
		if ((p->seen & BIT(i)) && !config_key_repeats(key))
			report(p, "%s is set twice; remove one", name);
		else if (!key->set(&target, value))
			report(p, "%s = %.40s is not allowed; allowed: %s", name, value,
			       key->allowed);
		p->seen |= BIT(i);
		return;
	}
	report_unknown(p, keys, name);
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
	p->vm->reserve = UINT64_MAX;
	p->vm->vcpus = 1;
}

static void begin_section(struct parser *p, char *text)
{
	size_t n = strlen(text);

	finish_section(p);
	p->section = SECTION_SKIP;
	p->vm = NULL;
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
		apply(p, &config_keys_hypervisor, line, value);
	else if (p->section == SECTION_VM)
		apply(p, &config_keys_vm, line, value);
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
