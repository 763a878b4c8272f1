// SPDX-License-Identifier: MIT
#include "hv/config/config.h"

#include "hv/base/print.h"
#include "hv/base/string.h"
#include "hv/config/keys.h"
#include "hv/config/text.h"

#define FILE_NAME "cloister.conf"
#define MAX_LINE 1200
#define QUOTE_LEN 41 /* what messages quote, with the 0 at the end */
#define DEFAULT_MEMORY MIB(256)

enum section { SECTION_NONE, SECTION_HYPERVISOR, SECTION_VM, SECTION_SKIP };

struct parser {
	struct config *cfg;
	unsigned line;
	enum section section;
	struct config_vm *vm;	/* NULL outside SECTION_VM */
	struct config_vm draft; /* of this section's VM, which joins the others at its end */
	uint64_t seen;		/* keys of this section, by index into its table */
	bool hypervisor_seen;
	char quote[QUOTE_LEN];
};

static void report(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void report(struct parser *p, const char *fmt, ...)
{
	char what[CONFIG_ERROR_LEN];
	unsigned n = p->cfg->error_count++;
	va_list args;

	if (p->vm)
		p->vm->bad = true;
	if (n >= CONFIG_MAX_ERRORS)
		return;
	va_start(args, fmt);
	fmt_vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	/* What is quoted from the file must not steer the terminal. */
	for (unsigned i = 0; i < sizeof(what) && what[i]; i++)
		if (what[i] < ' ' || what[i] > '~')
			what[i] = '?';
	if (p->vm)
		fmt_snprintf(p->cfg->errors[n], CONFIG_ERROR_LEN, FILE_NAME ":%u: [vm %s] %s",
			     p->line, p->vm->name, what);
	else
		fmt_snprintf(p->cfg->errors[n], CONFIG_ERROR_LEN, FILE_NAME ":%u: %s", p->line,
			     what);
}

/* The beginning of @text, for a message. */
static const char *quote(struct parser *p, struct text text)
{
	text_copy(text, p->quote, sizeof(p->quote));
	return p->quote;
}

static void report_unknown(struct parser *p, const struct config_keys *keys, const char *name)
{
	const struct config_key *nearest = config_keys_nearest(keys, name);
	char list[200];

	config_keys_list(keys, list, sizeof(list));
	if (nearest)
		report(p, "unknown key %s (%s?); allowed: %s", name, nearest->name, list);
	else
		report(p, "unknown key %s; allowed: %s", name, list);
}

static void apply(struct parser *p, const struct config_keys *keys, struct text key,
		  struct text value)
{
	const struct config_target target = { p->cfg, p->vm, p->line };
	char name[CONFIG_KEY_LEN];

	for (unsigned i = 0; i < keys->count; i++) {
		const struct config_key *k = &keys->keys[i];

		if (!text_is(key, k->name))
			continue;
		if ((p->seen & BIT(i)) && !config_key_repeats(k))
			report(p, "%s is set twice; remove one", k->name);
		else if (!k->set(&target, value))
			report(p, "%s = %s is not allowed; allowed: %s", k->name, quote(p, value),
			       k->allowed);
		p->seen |= BIT(i);
		return;
	}
	text_copy(key, name, sizeof(name));
	report_unknown(p, keys, name);
}

static bool valid_vm_name(struct text name)
{
	if (text_ends(&name) || name.end - name.at >= CONFIG_NAME_LEN)
		return false;
	for (; name.at < name.end; name.at++)
		if (!((*name.at >= 'a' && *name.at <= 'z') ||
		      (*name.at >= 'A' && *name.at <= 'Z') ||
		      (*name.at >= '0' && *name.at <= '9') || *name.at == '-' || *name.at == '_' ||
		      *name.at == '.'))
			return false;
	return true;
}

/* What can only be said once a section is complete. */
static void finish_section(struct parser *p)
{
	unsigned line = p->line, index = p->cfg->vm_count;

	if (!p->vm)
		return;
	if (!p->vm->kernel[0] && !p->vm->bad) {
		p->line = p->vm->line;
		report(p, "has no kernel; add: kernel = FILE");
	}
	p->line = line;
	p->vm = NULL;
	/* begin_vm() has seen that there is room. */
	if (index < CONFIG_MAX_VMS) {
		p->cfg->vms[index] = p->draft;
		p->cfg->vm_count = index + 1;
	}
}

static void begin_vm(struct parser *p, struct text text)
{
	const struct config *cfg = p->cfg;
	char name[CONFIG_NAME_LEN];

	if (!valid_vm_name(text)) {
		report(p, "[vm %s] is not a name; allowed: 1 to 31 letters, digits, - _ .",
		       quote(p, text));
		return;
	}
	text_copy(text, name, sizeof(name));
	for (unsigned i = 0; i < cfg->vm_count; i++) {
		if (!strcmp(cfg->vms[i].name, name)) {
			report(p, "[vm %s] is there already, in line %u; choose another name", name,
			       cfg->vms[i].line);
			return;
		}
	}
	if (cfg->vm_count >= CONFIG_MAX_VMS) {
		report(p, "[vm %s] is one too many; allowed: %d VMs", name, CONFIG_MAX_VMS);
		return;
	}
	p->section = SECTION_VM;
	p->draft = (struct config_vm){
		.line = p->line, .memory = DEFAULT_MEMORY, .reserve = UINT64_MAX, .vcpus = 1
	};
	memcpy(p->draft.name, name, sizeof(name));
	p->vm = &p->draft;
}

/* @text is what follows the bracket of @line. */
static void begin_section(struct parser *p, struct text line, struct text text)
{
	finish_section(p);
	p->section = SECTION_SKIP;
	p->seen = 0;
	if (text.at >= text.end || text.end[-1] != ']') {
		report(p, "%s lacks its closing bracket; write [hypervisor] or [vm NAME]",
		       quote(p, line));
		return;
	}
	text.end--;
	text_trim(&text);
	if (text_is(text, "hypervisor")) {
		if (p->hypervisor_seen)
			report(p, "[hypervisor] is there twice; put its keys into one section");
		else
			p->section = SECTION_HYPERVISOR;
		p->hypervisor_seen = true;
	} else if (text_take_word(&text, "vm ") || text_take_word(&text, "vm\t")) {
		text_skip_blanks(&text);
		begin_vm(p, text);
	} else {
		report(p, "unknown section [%s]; allowed: [hypervisor] and [vm NAME]",
		       quote(p, text));
	}
}

static void parse_line(struct parser *p, struct text line)
{
	struct text key;

	/* A comment begins the line or follows a blank: "#" inside a command line stays. */
	for (const char *c = line.at; c < line.end; c++)
		if (*c == '#' && (c <= line.at || c[-1] == ' ' || c[-1] == '\t'))
			line.end = c;
	text_trim(&line);
	if (text_ends(&line))
		return;
	key = line;
	if (text_take(&key, '[')) {
		begin_section(p, line, key);
		return;
	}
	if (p->section == SECTION_SKIP)
		return;
	key = text_take_until(&line, "=");
	if (key.end >= line.end) {
		report(p, "%s is not a setting; write key = value", quote(p, key));
		return;
	}
	text_trim(&key);
	text_trim(&line);
	if (p->vm)
		apply(p, &config_keys_vm, key, line);
	else if (p->section == SECTION_HYPERVISOR)
		apply(p, &config_keys_hypervisor, key, line);
	else
		report(p, "%s stands before any section; begin with [hypervisor] or [vm NAME]",
		       quote(p, key));
}

void config_parse(struct config *cfg, const char *text, size_t size)
{
	struct parser p = { .cfg = cfg };
	char line[MAX_LINE] = "";
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
		if (binary)
			report(&p, "holds a zero byte; the file must be plain text");
		else if (too_long)
			report(&p, "is longer than %d characters", MAX_LINE - 1);
		else
			parse_line(&p, (struct text){ line, line + n });
	}
	finish_section(&p);
	if (cfg->vm_count == 0)
		report(&p, "names no VM; add a section [vm NAME] with kernel = FILE");
}
