// SPDX-License-Identifier: MIT
/* Checks, and what the hypervisor counted meanwhile. */
#include "guest-tests/guests/lib/guest.h"

static unsigned passed, failed;

static struct hypercall_stats before, after;

static bool count(const char *name, bool ok)
{
	if (ok) {
		passed++;
		print("ok %s\n", name);
	} else {
		failed++;
		print("FAIL %s", name);
	}
	return ok;
}

void check(const char *name, bool ok)
{
	if (!count(name, ok))
		print("\n");
}

void check_eq(const char *name, uint64_t got, uint64_t want)
{
	if (!count(name, got == want))
		print(": got 0x%x, want 0x%x\n", got, want);
}

void announce(const char *what)
{
	print("expect %s\n", what);
}

void finish(void)
{
	__asm__ volatile("cli");
	check("some check was made", passed + failed > 0);
	print("done %s: %u passed, %u failed\n", guest_name, (uint64_t)passed, (uint64_t)failed);
	if (!guest_option("poweroff"))
		hypercall(HYPERCALL_END, failed != 0, 0, 0);
	power_off();
}

void mark(const char *label, uint64_t value)
{
	hypercall(HYPERCALL_MARK, (uint64_t)label, strlen(label), value);
	wait_for_line();
}

void sort(uint64_t *values, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		uint64_t v = values[i];
		unsigned j = i;

		for (; j > 0 && values[j - 1] > v; j--)
			values[j] = values[j - 1];
		values[j] = v;
	}
}

void expect_fault(const char *name, unsigned vector, uint64_t error, void (*fn)(uint64_t),
		  uint64_t arg)
{
	struct fault fault = try_call(fn, arg);

	if (!count(name, fault.vector == vector && (vector == NO_FAULT || fault.error == error)))
		print(": got vector 0x%x error 0x%x, want vector 0x%x error 0x%x\n",
		      (uint64_t)fault.vector, fault.error, (uint64_t)vector, error);
}

void stats_begin(void)
{
	hypercall(HYPERCALL_STATS_READ, (uint64_t)&before, sizeof(before), 0);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* On a machine that is itself a guest, an interrupt may come late, into what is counted: it may be
 * the end of a slice, which is in full. */
static void leave_out_late_interrupts(void)
{
	uint64_t late = guest_option("nested") ? after.exits_by_reason[EXIT_EXTERNAL_INTERRUPT] : 0;
	uint64_t in_full = least(after.exits - after.exits_restricted, late);

	after.exits -= late;
	after.exits_restricted -= late - in_full;
	after.escalations -= least(after.escalations, in_full);
}

/* The first call is counted after it has copied the numbers, the last one is not in them: one
 * VMCALL is ours. */
const struct hypercall_stats *stats_end(void)
{
	bool restricts;

	hypercall(HYPERCALL_STATS_READ, (uint64_t)&after, sizeof(after), 0);
	restricts = after.exits_restricted != 0;
	after.exits -= before.exits + 1;
	after.exits_restricted -= before.exits_restricted + restricts;
	after.escalations -= before.escalations;
	after.l1d_flush_msr -= before.l1d_flush_msr;
	after.l1d_flush_software -= before.l1d_flush_software;
	after.verw -= before.verw;
	after.injected -= before.injected;
	for (unsigned i = 0; i < HYPERCALL_STATS_REASONS; i++) {
		after.exits_by_reason[i] -= before.exits_by_reason[i];
		after.ticks_by_reason[i] -= before.ticks_by_reason[i];
	}
	after.exits_by_reason[EXIT_VMCALL]--;
	leave_out_late_interrupts();
	return &after;
}

bool policy_restricts(void)
{
	hypercall(HYPERCALL_STATS_READ, (uint64_t)&before, sizeof(before), 0);
	return before.exits_restricted != 0;
}

static void judge_exits(const char *name, unsigned reason, uint64_t want)
{
	const struct hypercall_stats *s = stats_end();
	uint64_t got = reason == ANY_REASON ? s->exits : s->exits_by_reason[reason];
	bool restricted = !policy_restricts() || after.exits_restricted == after.exits;

	if (count(name, got == want && s->exits == want && restricted && s->escalations == 0))
		return;
	print(": %u exits for reason %u, want %u;", got, (uint64_t)reason, want);
	for (unsigned i = 0; i < HYPERCALL_STATS_REASONS; i++)
		if (s->exits_by_reason[i])
			print(" [%u] %u", (uint64_t)i, s->exits_by_reason[i]);
	print("; restricted %u of %u, escalations %u\n", s->exits_restricted, s->exits,
	      s->escalations);
}

void expect_exits(const char *name, unsigned reason, uint64_t want, void (*fn)(uint64_t),
		  uint64_t arg)
{
	stats_begin();
	fn(arg);
	judge_exits(name, reason, want);
}

void expect_fault_exits(const char *name, unsigned vector, unsigned reason, uint64_t want,
			void (*fn)(uint64_t), uint64_t arg)
{
	struct fault fault;

	stats_begin();
	fault = try_call(fn, arg);
	judge_exits(name, reason, want);
	check_eq("  and its exception", fault.vector, vector);
}
