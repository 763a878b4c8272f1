// SPDX-License-Identifier: MIT
#include "hv/monitor/monitor.h"

#include "hv/base/asm.h"
#include "hv/base/patience.h"
#include "hv/base/spinlock.h"
#include "hv/console/console.h"
#include "hv/console/input.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/percpu.h"
#include "hv/life/life.h"
#include "hv/life/run.h"
#include "hv/monitor/commands.h"
#include "hv/monitor/line.h"
#include "hv/vm/record.h"

#define TOP_MS 1000
/* How often to look after a VM whose vCPUs are to leave, and how long before the operator gets the
 * prompt back all the same. */
#define LOOK_MS 1
#define PATIENCE_MS 10000
#define GRAIN_MS 100

/* Sensitive, and the lock's, which a CPU has for as long as a command takes: input may be on its
 * way to two CPUs while its route changes. */
static struct spinlock lock = SPINLOCK(LOCK_MONITOR);
static bool greeted; /* the prompt of this opening has been shown */
static struct monitor_line line;
static struct monitor_wait waits; /* what the prompt waits for */
static uint64_t wait_next;	  /* TSC: when to look */
static struct patience patience;  /* and when to give up */
static unsigned wait_cpu;	  /* which keeps these times */

static uint64_t in_ms(uint64_t ms)
{
	return rdtsc() + cpu_facts.tsc_hz / 1000 * ms;
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
	console_puts(MONITOR_PROMPT);
	console_unlock();
}

static void close_monitor(void)
{
	greeted = false;
	waits.what = WAIT_NOTHING;
	monitor_line_clear(&line);
	print("\n");
	input_give_to_monitor(false);
	run_end_if_over();
}

/* The command is done, or waits for something from now on. */
static void begin_wait(void)
{
	wait_cpu = this_cpu()->id;
	wait_next = in_ms(waits.what == WAIT_TOP ? TOP_MS : LOOK_MS);
	patience = patience_of(PATIENCE_MS * (cpu_facts.tsc_hz / 1000),
			       GRAIN_MS * (cpu_facts.tsc_hz / 1000));
	if (waits.what == WAIT_CLOSED)
		close_monitor();
	else if (waits.what == WAIT_NOTHING)
		prompt();
}

static void take_key(char c)
{
	char echo[MONITOR_ECHO_SIZE];

	if (c == MONITOR_KEY) {
		close_monitor();
		return;
	}
	if (waits.what == WAIT_TOP) {
		waits.what = WAIT_NOTHING;
		prompt();
		/* What a cursor key sends behind its ESC is the editor's to swallow. */
		if (c == '\x1b')
			monitor_line_key(&line, c, echo);
		return;
	}
	if (!monitor_line_key(&line, c, echo)) {
		print(echo);
		return;
	}
	print(echo);
	{
		char text[MONITOR_LINE_SIZE];

		__builtin_memcpy(text, line.text, sizeof(text));
		monitor_line_keep(&line);
		waits = monitor_execute(text);
	}
	begin_wait();
}

/* The first CPU that gets here shows the prompt, and everybody's output again. */
static void greet(void)
{
	if (greeted)
		return;
	greeted = true;
	vm_console_give(-1);
	print("\n");
	console_printf("the monitor; `help` lists its commands, Ctrl-] leaves it");
	prompt();
}

/* Is what is typed the monitor's to read? The console's VM has ended or is held, and Ctrl-] opens
 * it. */
static bool is_nobodys(void)
{
	int vm = input_vm();

	return vm < 0 || vm_records[vm].state < VM_BUILDING || vm_records[vm].held;
}

static bool waits_deaf(void)
{
	return waits.what != WAIT_NOTHING && waits.what != WAIT_TOP;
}

/* Until the line is quiet, or a command has to be waited for: what is typed meanwhile stays in the
 * UART. */
static void read_keys(void)
{
	int c;

	if (input_is_monitors())
		greet();
	while ((input_is_monitors() || is_nobodys()) && !waits_deaf() &&
	       (c = console_getc()) >= 0) {
		if (input_is_monitors()) {
			take_key((char)c);
		} else if (c == MONITOR_KEY) {
			input_give_to_monitor(true);
			greet();
		}
	}
	if (!waits_deaf())
		console_set_input(true);
}

bool monitor_read(void)
{
	if (!input_is_monitors() && !is_nobodys())
		return false;
	if (!spinlock_try(&lock))
		return true;
	read_keys();
	spinlock_release(&lock);
	return true;
}

static void look_after(void)
{
	uint64_t now = rdtsc();

	if (waits.what == WAIT_TOP) {
		if (now < wait_next)
			return;
		monitor_show_top(false);
		wait_next = in_ms(TOP_MS);
		return;
	}
	if (!monitor_wait_is_over(&waits)) {
		if (!patience_is_over(&patience)) {
			if (now >= wait_next)
				wait_next = in_ms(LOOK_MS);
			return;
		}
		monitor_wait_give_up(&waits);
	}
	waits.what = WAIT_NOTHING;
	prompt();
	read_keys();
}

void monitor_poll(void)
{
	if (__atomic_load_n(&waits.what, __ATOMIC_RELAXED) == WAIT_NOTHING)
		return;
	if (!spinlock_try(&lock))
		return;
	if (waits.what != WAIT_NOTHING)
		look_after();
	spinlock_release(&lock);
}

uint64_t monitor_deadline(void)
{
	return waits.what != WAIT_NOTHING && wait_cpu == this_cpu()->id ? wait_next : 0;
}
