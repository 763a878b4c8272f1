// SPDX-License-Identifier: MIT
#include "hv/config/keys.h"

#include "hv/base/string.h"

#define MIN_MEMORY MIB(2)
#define MAX_MEMORY GIB(240)

/* A word and what it stands for. */
struct choice {
	const char *word;
	unsigned value;
};

static bool choose(struct text value, const struct choice *choices, unsigned count,
		   unsigned *result)
{
	for (unsigned i = 0; i < count; i++) {
		if (text_is(value, choices[i].word)) {
			*result = choices[i].value;
			return true;
		}
	}
	return false;
}

/* Decimal, or hexadecimal behind 0x; nothing may follow. False past 32 bits. */
static bool parse_any_number(struct text s, uint64_t *value)
{
	if (!text_take_word(&s, "0x") && !text_take_word(&s, "0X"))
		return text_take_number(&s, value) && text_ends(&s);
	if (text_ends(&s))
		return false;
	*value = 0;
	for (; s.at < s.end; s.at++) {
		char lower = (char)(*s.at | 0x20);

		if (*s.at >= '0' && *s.at <= '9')
			*value = *value << 4 | (uint64_t)(*s.at - '0');
		else if (lower >= 'a' && lower <= 'f')
			*value = *value << 4 | (uint64_t)(lower - 'a' + 10);
		else
			return false;
		if (*value > UINT32_MAX)
			return false;
	}
	return true;
}

static bool parse_name(struct text value, char *out, size_t size)
{
	return text_copy(value, out, size) && *out;
}

static bool set_console(const struct config_target *target, struct text value)
{
	static const struct choice outputs[] = { { "com1", CONFIG_CONSOLE_COM1 },
						 { "com2", CONFIG_CONSOLE_COM2 },
						 { "framebuffer", CONFIG_CONSOLE_FRAMEBUFFER } };
	unsigned all = 0, bit;

	if (text_is(value, "none")) {
		target->cfg->console = 0;
		return true;
	}
	while (!text_ends(&value)) {
		if (!choose(text_take_until(&value, ", "), outputs, ARRAY_SIZE(outputs), &bit))
			return false;
		all |= bit;
		while (text_take(&value, ',') || text_take(&value, ' '))
			;
	}
	if (!all)
		return false;
	target->cfg->console = all;
	return true;
}

static bool set_mitigation(const struct config_target *target, struct text value)
{
	return config_mitigation_is(value, &target->cfg->mitigation);
}

/* Keys whose value is one of some words. */
#define CHOICE(section, member, ...)                                                               \
	static bool set_##member(const struct config_target *target, struct text value)            \
	{                                                                                          \
		static const struct choice choices[] = { __VA_ARGS__ };                            \
		unsigned v;                                                                        \
                                                                                                   \
		if (!choose(value, choices, ARRAY_SIZE(choices), &v))                              \
			return false;                                                              \
		target->section->member = (__typeof__(target->section->member))v;                  \
		return true;                                                                       \
	}
#define SWITCH(section, member) CHOICE(section, member, { "off", false }, { "on", true })

CHOICE(cfg, timer, { "auto", CONFIG_TIMER_AUTO }, { "deadline", CONFIG_TIMER_DEADLINE },
       { "preemption", CONFIG_TIMER_PREEMPTION })
CHOICE(cfg, apicv_off, { "auto", false }, { "off", true })
CHOICE(cfg, smt_off, { "on", false }, { "off", true })
SWITCH(cfg, paranoid)
SWITCH(cfg, debug_hypercalls)
CHOICE(vm, populate, { "eager", CONFIG_POPULATE_EAGER }, { "lazy", CONFIG_POPULATE_LAZY })
CHOICE(vm, virtio_console, { "uart", false }, { "virtio", true })
CHOICE(vm, format, { "auto", CONFIG_FORMAT_AUTO }, { "linux", CONFIG_FORMAT_LINUX },
       { "flat", CONFIG_FORMAT_FLAT }, { "pvh", CONFIG_FORMAT_PVH },
       { "multiboot", CONFIG_FORMAT_MULTIBOOT })
SWITCH(vm, ends_run)
SWITCH(vm, sets_policy)
SWITCH(vm, user_hypercalls)

static bool set_exit_port(const struct config_target *target, struct text value)
{
	uint64_t v;

	if (!parse_any_number(value, &v) || v < 1 || v > UINT16_MAX)
		return false;
	target->cfg->exit_port = (uint16_t)v;
	return true;
}

static bool set_kernel(const struct config_target *target, struct text value)
{
	target->vm->kernel_line = target->line;
	return parse_name(value, target->vm->kernel, sizeof(target->vm->kernel));
}

static bool set_initrd(const struct config_target *target, struct text value)
{
	target->vm->initrd_line = target->line;
	return parse_name(value, target->vm->initrd, sizeof(target->vm->initrd));
}

static bool set_cmdline(const struct config_target *target, struct text value)
{
	return text_copy(value, target->vm->cmdline, sizeof(target->vm->cmdline));
}

/* Whole pages of 2 MiB. */
static bool parse_memory(struct text value, uint64_t *bytes)
{
	uint64_t v;
	unsigned shift;

	if (!text_take_number(&value, &v))
		return false;
	if (text_take(&value, 'K'))
		shift = 10;
	else if (text_take(&value, 'M'))
		shift = 20;
	else if (text_take(&value, 'G'))
		shift = 30;
	else
		return false;
	*bytes = v << shift;
	return text_ends(&value) && *bytes <= MAX_MEMORY && *bytes % PAGE_SIZE_2M == 0;
}

static bool set_memory(const struct config_target *target, struct text value)
{
	uint64_t v = 0;

	target->vm->memory_line = target->line;
	if (!parse_memory(value, &v) || v < MIN_MEMORY)
		return false;
	target->vm->memory = v;
	return true;
}

static bool set_memory_reserve(const struct config_target *target, struct text value)
{
	return parse_memory(value, &target->vm->reserve);
}

static bool set_vcpus(const struct config_target *target, struct text value)
{
	uint64_t v;

	if (!text_take_number(&value, &v) || !text_ends(&value) || v < 1 || v > CONFIG_MAX_VCPUS)
		return false;
	target->vm->vcpus = (unsigned)v;
	return true;
}

static bool set_cpus(const struct config_target *target, struct text value)
{
	uint64_t mask = 0, first, last;

	target->vm->share = text_is(value, "share");
	target->vm->cpu_mask = 0;
	if (target->vm->share)
		return true;
	do {
		text_skip_blanks(&value);
		if (!text_take_number(&value, &first))
			return false;
		last = first;
		if (text_take(&value, '-') && !text_take_number(&value, &last))
			return false;
		if (first > last || last > 63)
			return false;
		for (; first <= last; first++)
			mask |= BIT(first);
		text_skip_blanks(&value);
	} while (text_take(&value, ','));
	if (!text_ends(&value))
		return false;
	target->vm->cpu_mask = mask;
	return true;
}

/* Files with commas, each with an optional text behind a blank. */
static bool set_modules(const struct config_target *target, struct text value)
{
	struct config_vm *vm = target->vm;
	bool more;

	vm->modules_line = target->line;
	do {
		struct text text = text_take_until(&value, ","), rest, name;
		unsigned n = vm->module_count;
		struct config_module module = { "", "" };

		more = text.end < value.end;
		text_trim(&text);
		rest = text;
		name = text_take_until(&rest, " \t");
		if (n >= CONFIG_MAX_MODULES || text_ends(&name) ||
		    !text_copy(name, module.name, sizeof(module.name)) ||
		    !text_copy(text, module.text, sizeof(module.text)))
			return false;
		vm->modules[n] = module;
		vm->module_count = n + 1;
	} while (more);
	return true;
}

/* One line a disk. */
static bool set_disk(const struct config_target *target, struct text value)
{
	struct config_vm *vm = target->vm;
	unsigned n = vm->disk_count;
	struct config_disk disk = { .line = target->line };
	struct text tail = value;

	while (tail.at < tail.end && !text_is(tail, ",ro"))
		tail.at++;
	disk.read_only = !text_ends(&tail);
	value.end = tail.at;
	text_trim(&value);
	if (n >= CONFIG_MAX_DISKS || !parse_name(value, disk.file, sizeof(disk.file)))
		return false;
	vm->disks[n] = disk;
	vm->disk_count = n + 1;
	return true;
}

static const struct config_key hypervisor_keys[] = {
	{ "console", set_console, "com1, com2, framebuffer (several with commas) or none" },
	{ "mitigation", set_mitigation, CONFIG_MITIGATION_NAMES },
	{ "paranoid", set_paranoid, "on or off" },
	{ "smt", set_smt_off, "on or off" },
	{ "timer", set_timer, "auto, deadline or preemption" },
	{ "apicv", set_apicv_off, "auto or off" },
	{ "debug-hypercalls", set_debug_hypercalls, "on or off" },
	{ "exit-port", set_exit_port, "a port from 1 to 65535, or 0x1 to 0xffff" },
};

static const struct config_key vm_keys[] = {
	{ "kernel", set_kernel, "a file name of 1 to 63 characters" },
	{ "initrd", set_initrd, "a file name of 1 to 63 characters" },
	{ "modules", set_modules, "up to 4 file names with commas, each with a text if wanted" },
	{ "cmdline", set_cmdline, "up to 1023 characters" },
	{ "memory", set_memory, "a multiple of 2M from 2M to 240G, with K, M or G" },
	{ "memory-mode", set_populate, "eager or lazy" },
	{ "memory-reserve", set_memory_reserve,
	  "a multiple of 2M from 0M to 240G, with K, M or G; for memory-mode = lazy" },
	{ "vcpus", set_vcpus, "1 to 8" },
	{ "cpus", set_cpus, "numbers and ranges from 0 to 63, like 0-1,3; or share" },
	{ "format", set_format, "auto, linux, flat, pvh or multiboot" },
	{ "console", set_virtio_console, "uart or virtio" },
	{ "set-policy", set_sets_policy, "on or off" },
	{ "end-run", set_ends_run, "on or off" },
	{ "user-hypercalls", set_user_hypercalls, "on or off" },
	{ "disk", set_disk, "up to four lines FILE or FILE,ro, names of 1 to 63 characters" },
	{ "net", config_set_net,
	  "NAME[,mac=52:54:00:12:34:56], several with commas; 4 a VM, 8 networks, each MAC once" },
};

const struct config_keys config_keys_hypervisor = { hypervisor_keys, ARRAY_SIZE(hypervisor_keys) };
const struct config_keys config_keys_vm = { vm_keys, ARRAY_SIZE(vm_keys) };

bool config_key_repeats(const struct config_key *key)
{
	return key->set == set_disk || key->set == config_set_net;
}

void config_keys_list(const struct config_keys *keys, char *out, size_t size)
{
	size_t n = str_append(out, size, 0, keys->keys[0].name);

	for (unsigned i = 1; i < keys->count; i++) {
		n = str_append(out, size, n, ", ");
		n = str_append(out, size, n, keys->keys[i].name);
	}
}

/* Number of characters to insert, remove or replace to make @b of @a. */
static unsigned edit_distance(const char a[CONFIG_KEY_LEN], const char b[CONFIG_KEY_LEN])
{
	unsigned row[CONFIG_KEY_LEN];
	size_t m = strlen(a), n = strlen(b);

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

const struct config_key *config_keys_nearest(const struct config_keys *keys,
					     const char name[CONFIG_KEY_LEN])
{
	const struct config_key *nearest = NULL;
	unsigned nearest_distance = 3; /* further away is no typing mistake */

	for (unsigned i = 0, count = keys->count; i < count; i++) {
		unsigned distance = edit_distance(name, keys->keys[i].name);

		if (distance < nearest_distance && distance < strlen(keys->keys[i].name)) {
			nearest = &keys->keys[i];
			nearest_distance = distance;
		}
	}
	return nearest;
}
