// SPDX-License-Identifier: MIT
#include "hv/monitor/commands.h"

#include "hv/base/errno.h"
#include "hv/base/hypercall_abi.h"
#include "hv/base/print.h"
#include "hv/base/spinlock.h"
#include "hv/base/string.h"
#include "hv/config/boot_state.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/console/record.h"
#include "hv/cpu/stack.h"
#include "hv/life/life.h"
#include "hv/life/run.h"
#include "hv/life/stats.h"
#include "hv/sched/mitigation.h"
#include "hv/sched/remote.h"
#include "hv/vm/audit.h"
#include "hv/vm/breathe.h"
#include "hv/vm/record.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "mm/frames.h"
#include "vmx/exit/trace.h"
#include "vmx/exit_reason.h"
#include "vmx/vcpu.h"

#define MAX_WORDS 4

enum command {
	CMD_VMS,
	CMD_TOP,
	CMD_ATTACH,
	CMD_STOP,
	CMD_START,
	CMD_RESTART,
	CMD_RESET,
	CMD_PAUSE,
	CMD_RESUME,
	CMD_DUMP,
	CMD_TRACE,
	CMD_STATS,
	CMD_POLICY,
	CMD_SMT,
	CMD_AUDIT,
	CMD_HELP,
	CMD_EXIT,
	CMD_END,
	CMD_COUNT,
};

static const struct {
	const char *name, *words, *help, *more;
} commands[CMD_COUNT] = {
	[CMD_VMS] = { "vms", "", "the VMs, how they and their vCPUs are, free memory", NULL },
	[CMD_TOP] = { "top", "", "what the VMs do, anew each second until a key is pressed",
		      "exits and escalations a second; CPU: 100 % is one CPU; halted: of that" },
	[CMD_ATTACH] = { "attach", "[VM]",
			 "leaves the monitor: console and keyboard are VM's alone",
			 "without a VM: everybody's output again, line by line, as Ctrl-] does" },
	[CMD_STOP] = { "stop", "VM", "ends VM and frees its memory, as if the power failed",
		       "Cloister itself then goes on until `end`, or `start` and a power-off" },
	[CMD_START] = { "start", "VM", "builds and starts VM, which has ended", NULL },
	[CMD_RESTART] = { "restart", "VM", "stop and start: with other memory", NULL },
	[CMD_RESET] = { "reset", "VM", "the reset button: as switched on, in the memory it has",
			NULL },
	[CMD_PAUSE] = { "pause", "VM", "VM does not run until `resume`",
			"its clocks go on: timers that come due meanwhile fire at once behind it" },
	[CMD_RESUME] = { "resume", "VM", "it goes on", NULL },
	[CMD_DUMP] = { "dump", "VM", "the registers of its vCPUs", NULL },
	[CMD_TRACE] = { "trace", "VM on|off|show", "records its VM exits; shows the last ones",
			"as `trace` records; recording costs a few hundred instructions an exit" },
	[CMD_STATS] = { "stats", "[VM]", "statistics as records, of one VM or of all", NULL },
	[CMD_POLICY] = { "policy", "[MODE [paranoid]]", "shows or changes the mitigation policy",
			 "MODE is one of " CONFIG_MITIGATION_NAMES },
	[CMD_SMT] = { "smt", "on|off", "whether sibling hyperthreads run guests", NULL },
	[CMD_AUDIT] = { "audit", "", "proves what the address spaces map", NULL },
	[CMD_HELP] = { "help", "[COMMAND]", "this, or more about one", NULL },
	[CMD_EXIT] = { "exit", "", "or Ctrl-]: back to the guests",
		       "if all of them have powered off, the run ends" },
	[CMD_END] = { "end", "", "ends the run: the machine halts", NULL },
};

static const struct monitor_wait done = { .what = WAIT_NOTHING };

static const char *state_name(const struct vm_record *record)
{
	static const char *const names[] = {
		[VM_ABSENT] = "refused",    [VM_REFUSED] = "refused", [VM_ENDED] = "ended",
		[VM_BUILDING] = "building", [VM_READY] = "starting",  [VM_BEGINNING] = "loading",
		[VM_LOADING] = "loading",   [VM_LIVE] = "running",    [VM_ENDING] = "ending"
	};

	if (record->state == VM_ENDED && record->wish == VM_WISH_STOP)
		return "stopped";
	if (vm_stands_still(record))
		return "stands still";
	return record->state >= VM_READY && record->held ? "paused" : names[record->state];
}

/* Of a VM that has memory; its lock is held. */
static const char *vcpu_state_name(const struct vcpu *vcpu)
{
	uint32_t work = __atomic_load_n(&vcpu->work, __ATOMIC_RELAXED);

	if (work & WORK_SIPI)
		return "not started";
	if (work & WORK_HALT)
		return "halted";
	return __atomic_load_n(&vcpu->attached, __ATOMIC_RELAXED) ? "runs" : "waits";
}

static void show_vm(struct vm_record *record, const struct config_vm *vm)
{
	char places[CONFIG_MAX_VCPUS * 32 + 1] = "";
	size_t used = 0;

	spinlock_acquire(&record->lock);
	for (unsigned i = 0; record->state >= VM_READY && i < vm->vcpus; i++) {
		char cpu[8] = "-", place[32];

		if (record->cpu[i] != VM_NO_CPU)
			fmt_snprintf(cpu, sizeof(cpu), "%u", record->cpu[i]);
		fmt_snprintf(place, sizeof(place), "%s CPU %s %s", i ? "," : ":", cpu,
			     vcpu_state_name(record->vcpus[i]));
		used = str_append(places, sizeof(places), used, place);
	}
	spinlock_release(&record->lock);
	vm_breathe();
	console_printf("%s: %s, %llu MiB, %u vCPUs%s", vm->name, state_name(record),
		       (unsigned long long)(vm->memory >> 20), vm->vcpus, places);
}

static void show_vms(void)
{
	struct frames_stats stats;

	for (unsigned i = 0; i < boot_state_config()->vm_count; i++) {
		show_vm(&vm_records[i], &boot_state_config()->vms[i]);
		vm_breathe();
	}
	frames_stats(&stats);
	console_printf("memory: %llu KiB of %llu KiB are free",
		       (unsigned long long)(stats.free_bytes >> 10),
		       (unsigned long long)(stats.total_bytes >> 10));
}

/* The index of the VM that is meant; -1: said what is wrong. */
static int find_vm(const char *name)
{
	for (unsigned i = 0; name && i < boot_state_config()->vm_count; i++)
		if (!strcmp(name, boot_state_config()->vms[i].name))
			return (int)i;
	if (name)
		console_printf("there is no VM %s: `vms` lists them", name);
	else
		console_printf("which VM? `vms` lists them");
	return -1;
}

static const char *name_of(unsigned index)
{
	return boot_state_config()->vms[index].name;
}

/* Says what an operation came to. */
static bool went_well(unsigned index, int err)
{
	const char *name = name_of(index);

	if (err == -E_NOENT)
		console_printf("%s does not run", name);
	else if (err == -E_BUSY)
		console_printf("%s is being started or ended already: try again", name);
	else if (err == -E_EXIST)
		console_printf("%s runs already", name);
	else if (err == -E_INVAL)
		console_printf("%s cannot be started: the boot messages say what is wrong with it",
			       name);
	return err == 0;
}

/* Operations need the VM's own CPUs. */
static bool can_move(unsigned index)
{
	if (!vm_stands_still(&vm_records[index]))
		return true;
	console_printf("%s stands still: its core is closed", name_of(index));
	return false;
}

static struct monitor_wait operate(const char *name, enum vm_wish wish)
{
	int index = find_vm(name);

	if (index < 0 || !can_move((unsigned)index) ||
	    !went_well((unsigned)index, vm_operate(&vm_records[index], wish)))
		return done;
	return (struct monitor_wait){ WAIT_SETTLED, (unsigned)index };
}

static struct monitor_wait start(const char *name)
{
	int index = find_vm(name);

	if (index < 0 || !went_well((unsigned)index, vm_start((unsigned)index)))
		return done;
	return (struct monitor_wait){ WAIT_SETTLED, (unsigned)index };
}

static struct monitor_wait hold(const char *name, enum vm_hold why, enum monitor_wait_for what)
{
	int index = find_vm(name);

	if (index < 0 || !can_move((unsigned)index) ||
	    !went_well((unsigned)index, vm_hold(&vm_records[index], why)))
		return done;
	return (struct monitor_wait){ what, (unsigned)index };
}

static void resume(const char *name)
{
	int index = find_vm(name);

	if (index < 0)
		return;
	if (!(vm_records[index].held & VM_HOLD_PAUSE))
		console_printf("%s is not paused", name);
	vm_release(&vm_records[index], VM_HOLD_PAUSE);
}

static struct monitor_wait attach(const char *name)
{
	int index = name ? find_vm(name) : -1;

	if (!name) {
		vm_console_give(-1);
		return done;
	}
	if (index < 0)
		return done;
	if (vm_records[index].state < VM_READY) {
		console_printf("%s does not run", name);
		return done;
	}
	vm_console_give(index);
	return (struct monitor_wait){ WAIT_CLOSED, (unsigned)index };
}

static struct monitor_wait trace(const char *name, const char *what)
{
	bool on = what && !strcmp(what, "on");
	struct vm_record *record;
	int index;

	if (what && !strcmp(what, "show"))
		return hold(name, VM_HOLD_LOOK, WAIT_TRACE);
	if (!on && (!what || strcmp(what, "off") != 0)) {
		console_printf("trace VM on, trace VM off or trace VM show");
		return done;
	}
	index = find_vm(name);
	if (index < 0)
		return done;
	record = &vm_records[index];
	spinlock_acquire(&record->lock);
	if (record->state >= VM_READY) {
		record->vm->traced = on;
		for (unsigned i = 0; i < record->config->vcpus; i++)
			vcpu_post_trace(record->vcpus[i]);
	}
	spinlock_release(&record->lock);
	if (record->state < VM_READY)
		went_well((unsigned)index, -E_NOENT);
	return done;
}

static void show_trace(const struct vm_record *record, const struct vcpu *vcpu)
{
	static struct hypercall_trace entries[HYPERCALL_TRACE_ENTRIES];
	unsigned count = vcpu_copy_trace(vcpu, entries, HYPERCALL_TRACE_ENTRIES);

	for (unsigned i = 0; i < count; i++) {
		record_begin("trace");
		record_str("vm", record->config->name);
		record_u64("vcpu", vcpu->id);
		record_u64("tsc", entries[i].tsc);
		record_str("exit", exit_reason_name(entries[i].reason));
		record_hex("rip", entries[i].rip);
		record_hex("qualification", entries[i].qualification);
		record_end();
		vm_breathe();
	}
	console_printf("%s, vCPU %u: the last %u exits of %llu recorded", record->config->name,
		       vcpu->id, count, (unsigned long long)vcpu->traced);
}

/* A held VM that has left its CPUs. One that has ended instead has nothing to show. */
static void look(const struct monitor_wait *wait)
{
	struct vm_record *record = &vm_records[wait->vm];
	bool built = vm_visit(record);

	for (unsigned i = 0; built && i < record->config->vcpus; i++) {
		if (wait->what == WAIT_TRACE)
			show_trace(record, record->vcpus[i]);
		else
			vcpu_dump(record, record->vcpus[i]);
	}
	if (built)
		vm_part(record);
	else
		went_well(wait->vm, -E_NOENT);
	vm_release(record, VM_HOLD_LOOK);
	vm_breathe(); /* the way back to a guest is long by itself */
}

bool monitor_wait_is_over(const struct monitor_wait *wait)
{
	bool over = wait->what == WAIT_POLICY ? !mitigation_is_changing()
					      : vm_is_settled(&vm_records[wait->vm]);

	if (over && (wait->what == WAIT_DUMP || wait->what == WAIT_TRACE))
		look(wait);
	return over;
}

void monitor_wait_give_up(const struct monitor_wait *wait)
{
	if (wait->what == WAIT_POLICY)
		console_printf("the change of policy is still under way");
	else if (can_move(wait->vm))
		console_printf("%s is not there yet: it is %s", name_of(wait->vm),
			       state_name(&vm_records[wait->vm]));
	if (wait->what == WAIT_DUMP || wait->what == WAIT_TRACE)
		vm_release(&vm_records[wait->vm], VM_HOLD_LOOK);
}

static void show_stats(const char *name)
{
	int only = name ? find_vm(name) : -1;

	if (name && only < 0)
		return;
	for (unsigned i = 0; i < boot_state_config()->vm_count; i++) {
		if (only >= 0 && only != (int)i)
			continue;
		if (!vm_visit(&vm_records[i])) {
			went_well(i, -E_NOENT);
			continue;
		}
		vm_print_stats(VM_HERE);
		vm_part(&vm_records[i]);
	}
}

static struct monitor_wait change(const struct mitigation_choice *choice)
{
	if (!mitigation_request(choice))
		return (struct monitor_wait){ .what = WAIT_POLICY };
	console_printf("a change is under way already: try again");
	return done;
}

static struct monitor_wait set_policy(const char *mode, const char *option)
{
	struct mitigation_choice choice = *mitigation_chosen();

	if (!mode) {
		mitigation_report();
		return done;
	}
	choice.paranoid = option && !strcmp(option, "paranoid");
	if (config_mitigation_named(mode, &choice.mode) && (!option || choice.paranoid))
		return change(&choice);
	console_printf("policy MODE [paranoid]; MODE is one of " CONFIG_MITIGATION_NAMES);
	return done;
}

static struct monitor_wait set_smt(const char *value)
{
	struct mitigation_choice choice = *mitigation_chosen();

	choice.smt = value && !strcmp(value, "on");
	if (value && (choice.smt || !strcmp(value, "off")))
		return change(&choice);
	console_printf("smt on, or smt off");
	return done;
}

static enum command find_command(const char *name)
{
	unsigned i = 0;

	while (i < CMD_COUNT && strcmp(name, commands[i].name) != 0)
		i++;
	if (i == CMD_COUNT)
		console_printf("there is no command %s: `help` lists them", name);
	return (enum command)i;
}

/* One line of a command; what it needs is padded to the longest. */
static void help_line(unsigned command)
{
	char usage[32];

	fmt_snprintf(usage, sizeof(usage), "%s %s", commands[command].name,
		     commands[command].words);
	console_printf("%-24s %s", usage, commands[command].help);
}

static void help(const char *name)
{
	unsigned which = name ? find_command(name) : CMD_COUNT;

	for (unsigned i = 0; !name && i < CMD_COUNT; i++) {
		help_line(i);
		vm_breathe();
	}
	if (which == CMD_COUNT)
		return;
	help_line(which);
	if (commands[which].more)
		console_printf("%s", commands[which].more);
}

/* Splits @text at blanks, in place; words that are not there are NULL. */
static void split(char text[MONITOR_LINE_SIZE], const char *words[MAX_WORDS])
{
	bool blank = true;
	unsigned count = 0;

	for (unsigned i = 0; i < MAX_WORDS; i++)
		words[i] = NULL;
	for (unsigned i = 0; i < MONITOR_LINE_SIZE && text[i]; i++) {
		bool begins = blank && text[i] != ' ';

		blank = text[i] == ' ';
		if (blank)
			text[i] = '\0';
		else if (begins && count < MAX_WORDS)
			words[count++] = text + i;
	}
}

struct monitor_wait monitor_execute(char text[MONITOR_LINE_SIZE])
{
	const char *words[MAX_WORDS];

	stack_goes_deep();
	split(text, words);
	if (!words[0])
		return done;
	switch (find_command(words[0])) {
	case CMD_VMS:
		show_vms();
		break;
	case CMD_TOP:
		monitor_show_top(true);
		return (struct monitor_wait){ .what = WAIT_TOP };
	case CMD_ATTACH:
		return attach(words[1]);
	case CMD_STOP:
		return operate(words[1], VM_WISH_STOP);
	case CMD_START:
		return start(words[1]);
	case CMD_RESTART:
		return operate(words[1], VM_WISH_RESTART);
	case CMD_RESET:
		return operate(words[1], VM_WISH_RESET);
	case CMD_PAUSE:
		return hold(words[1], VM_HOLD_PAUSE, WAIT_SETTLED);
	case CMD_RESUME:
		resume(words[1]);
		break;
	case CMD_DUMP:
		return hold(words[1], VM_HOLD_LOOK, WAIT_DUMP);
	case CMD_TRACE:
		return trace(words[1], words[2]);
	case CMD_STATS:
		show_stats(words[1]);
		break;
	case CMD_POLICY:
		return set_policy(words[1], words[2]);
	case CMD_SMT:
		return set_smt(words[1]);
	case CMD_AUDIT:
		console_printf("%u violations", audit_run("monitor"));
		break;
	case CMD_HELP:
		help(words[1]);
		break;
	case CMD_EXIT:
		return (struct monitor_wait){ .what = WAIT_CLOSED };
	case CMD_END:
		run_end(run_status(), "the operator ended the run");
	default:
		break;
	}
	return done;
}
