// SPDX-License-Identifier: MIT
#include "hv/monitor.h"

#include "hv/audit.h"
#include "hv/boot_state.h"
#include "hv/console.h"
#include "hv/global.h"
#include "hv/lib/print.h"
#include "hv/lib/string.h"
#include "hv/mitigation.h"
#include "hv/spinlock.h"
#include "hv/vm.h"

#define LINE_SIZE 80
#define MAX_WORDS 4

enum { KEY_BACKSPACE = 8, KEY_ERASE_LINE = 0x15, KEY_DELETE = 0x7f };

static bool is_open GLOBAL_DATA("whether typed bytes are the operator's or a guest's");

/* Sensitive, and the lock's: input may be on its way to two CPUs while its route changes. */
static struct spinlock lock;
static bool greeted; /* the prompt of this opening has been shown */
static char line[LINE_SIZE];
static unsigned length;

bool monitor_is_open(void)
{
	return __atomic_load_n(&is_open, __ATOMIC_ACQUIRE);
}

void monitor_open(void)
{
	__atomic_store_n(&is_open, true, __ATOMIC_RELEASE);
}

static void print(const char *text)
{
	console_lock();
	console_puts(text);
	console_unlock();
}

static void prompt(void)
{
	console_lock();
	console_begin_line();
	console_puts("cloister> ");
	console_unlock();
	length = 0;
}

static void show_vms(void)
{
	static const char *const states[] = { [VM_ABSENT] = "ended",
					      [VM_READY] = "ready",
					      [VM_LOADING] = "loading",
					      [VM_LIVE] = "running",
					      [VM_ENDING] = "ending" };

	for (unsigned i = 0; i < boot_state_config()->vm_count; i++) {
		const struct config_vm *vm = &boot_state_config()->vms[i];
		const struct vm_record *record = &vm_records[i];
		char cpus[CONFIG_MAX_VCPUS * 4 + 1] = "";
		unsigned used = 0;

		for (unsigned j = 0; record->config && j < vm->vcpus; j++)
			used += (unsigned)fmt_snprintf(cpus + used, sizeof(cpus) - used,
						       record->cpu[j] == VM_NO_CPU ? " -" : " %u",
						       record->cpu[j]);
		console_printf("%s: %s, %llu MiB, CPUs%s", vm->name,
			       vm_stands_still(record) ? "stands still" : states[record->state],
			       (unsigned long long)(vm->memory >> 20), used ? cpus : " none");
	}
}

static void show_stats(const char *name)
{
	bool known = false;

	for (unsigned i = 0; i < boot_state_config()->vm_count; i++) {
		const char *vm = boot_state_config()->vms[i].name;

		if (name && strcmp(name, vm) != 0)
			continue;
		known = true;
		if (!vm_visit_stats(&vm_records[i]))
			console_printf("%s does not run", vm);
	}
	if (!known)
		console_printf("there is no VM %s: `vms` lists them", name ? name : "at all");
}

static void change(const struct mitigation_choice *choice)
{
	if (mitigation_request(choice))
		console_printf("a change is under way already: try again");
}

static void set_policy(const char *mode, const char *option)
{
	struct mitigation_choice choice = *mitigation_chosen();

	if (!mode) {
		mitigation_report();
		return;
	}
	choice.paranoid = option && !strcmp(option, "paranoid");
	if (!config_mitigation_named(mode, &choice.mode) || (option && !choice.paranoid))
		console_printf("policy MODE [paranoid]; MODE is one of " CONFIG_MITIGATION_NAMES);
	else
		change(&choice);
}

static void set_smt(const char *value)
{
	struct mitigation_choice choice = *mitigation_chosen();

	choice.smt = value && !strcmp(value, "on");
	if (!value || (!choice.smt && strcmp(value, "off") != 0))
		console_printf("smt on, or smt off");
	else
		change(&choice);
}

static void audit(void)
{
	unsigned violations = audit_run("monitor");

	console_printf("%u violations", violations);
}

static void help(void)
{
	console_printf("vms                      the VMs, how they are and where they run");
	console_printf("stats [VM]               statistics as records, of one VM or of all");
	console_printf("policy [MODE [paranoid]] shows or changes the mitigation policy");
	console_printf("smt on|off               whether sibling hyperthreads run guests");
	console_printf("audit                    proves what the address spaces map");
	console_printf("exit, or Ctrl-]          back to the guest");
}

static void close_monitor(void)
{
	greeted = false;
	print("\n");
	__atomic_store_n(&is_open, false, __ATOMIC_RELEASE);
}

/* Splits @line at blanks, in place; words that are not there are NULL. */
static void split(char *text, const char *words[MAX_WORDS])
{
	for (unsigned i = 0; i < MAX_WORDS; i++) {
		while (*text == ' ')
			text++;
		words[i] = *text ? text : NULL;
		while (*text && *text != ' ')
			text++;
		if (*text)
			*text++ = '\0';
	}
}

static void execute(void)
{
	const char *words[MAX_WORDS];

	line[length] = '\0';
	split(line, words);
	if (!words[0])
		return;
	if (!strcmp(words[0], "vms"))
		show_vms();
	else if (!strcmp(words[0], "stats"))
		show_stats(words[1]);
	else if (!strcmp(words[0], "policy"))
		set_policy(words[1], words[2]);
	else if (!strcmp(words[0], "smt"))
		set_smt(words[1]);
	else if (!strcmp(words[0], "audit"))
		audit();
	else if (!strcmp(words[0], "help"))
		help();
	else if (!strcmp(words[0], "exit"))
		close_monitor();
	else
		console_printf("there is no command %s: `help` lists them", words[0]);
}

static void take_key(char c)
{
	const char echo[2] = { c, '\0' };

	if (c == MONITOR_KEY) {
		close_monitor();
	} else if (c == '\r' || c == '\n') {
		print("\n");
		execute();
		if (monitor_is_open())
			prompt();
	} else if (c == KEY_BACKSPACE || c == KEY_DELETE) {
		if (length)
			print("\b \b");
		length -= length != 0;
	} else if (c == KEY_ERASE_LINE) {
		print("\n");
		prompt();
	} else if (c >= ' ' && length < LINE_SIZE - 1) {
		line[length++] = c;
		print(echo);
	}
}

/* The first CPU that gets here shows the prompt. */
static void greet(void)
{
	if (greeted)
		return;
	greeted = true;
	print("\n");
	console_printf("the monitor; `help` lists its commands, Ctrl-] leaves it");
	prompt();
}

bool monitor_read(void)
{
	int console_vm = boot_state_console_vm(), c;
	bool nobodys = console_vm < 0 || vm_records[console_vm].state == VM_ABSENT;

	if (!monitor_is_open() && !nobodys)
		return false;
	spinlock_acquire(&lock);
	while ((monitor_is_open() || nobodys) && (c = console_getc()) >= 0) {
		if (monitor_is_open()) {
			greet();
			take_key((char)c);
		} else if (c == MONITOR_KEY) {
			monitor_open();
		}
	}
	if (monitor_is_open())
		greet();
	spinlock_release(&lock);
	console_set_input(true);
	return true;
}
