// SPDX-License-Identifier: MIT
/* Every hypercall with good and with bad arguments (hv/base/hypercall_abi.h). */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "vmcall";

/* Beyond the memory of any configuration that this guest is given, below the device hole. */
#define NO_MEMORY 0x80000000ULL

static struct hypercall_stats stats __attribute__((aligned(4096)));

static void do_version(uint64_t unused)
{
	(void)unused;
	hypercall(HYPERCALL_VERSION, 0, 0, 0);
}

static void want(const char *name, int64_t got, int64_t expected)
{
	check_eq(name, (uint64_t)got, (uint64_t)expected);
}

static void test_unknown(void)
{
	want("an unknown number", hypercall(HYPERCALL_LOADER_FAIL + 1, 0, 0, 0), -E_NOENT);
	want("number 0xff", hypercall(0xff, 0, 0, 0), -E_NOENT);
	want("an unknown debug number", hypercall(0x1ff, 0, 0, 0),
	     guest_option("no-debug") ? -E_PERM : -E_NOENT);
	want("a number of 64 bits", hypercall(0x100000000, 0, 0, 0),
	     guest_option("no-debug") ? -E_PERM : -E_NOENT);
}

static void test_write(void)
{
	static const char text[] = "written by hypercall\n";

	static char dots[400];
	int64_t written = 0, n = 0;

	/* A UART takes no more at once than its FIFO holds, but for QEMU's, which is always done.
	 */
	memset(dots, '.', sizeof(dots));
	dots[sizeof(dots) - 1] = '\n';
	while (written < (int64_t)sizeof(dots)) {
		n = hypercall(HYPERCALL_CONSOLE_WRITE, (uint64_t)dots + (uint64_t)written,
			      sizeof(dots) - (uint64_t)written, 0);
		if (written == 0)
			check("nobody waits for the UART on a guest's behalf",
			      (n >= 0 && n < 100) || guest_option("nested"));
		written += n;
	}
	written = n = 0;

	while (written < (int64_t)sizeof(text) - 1 && n >= 0) {
		n = hypercall(HYPERCALL_CONSOLE_WRITE, (uint64_t)text + (uint64_t)written,
			      sizeof(text) - 1 - (uint64_t)written, 0);
		written += n;
	}
	want("CONSOLE_WRITE, as much at a time as the console takes", written, sizeof(text) - 1);
	want("CONSOLE_WRITE of nothing", hypercall(HYPERCALL_CONSOLE_WRITE, (uint64_t)text, 0, 0),
	     0);
	want("CONSOLE_WRITE of too much",
	     hypercall(HYPERCALL_CONSOLE_WRITE, (uint64_t)text, 4097, 0), -E_INVAL);
	want("CONSOLE_WRITE of far too much",
	     hypercall(HYPERCALL_CONSOLE_WRITE, (uint64_t)text, ~0ULL, 0), -E_INVAL);
	want("CONSOLE_WRITE from no memory", hypercall(HYPERCALL_CONSOLE_WRITE, NO_MEMORY, 16, 0),
	     -E_FAULT);
	want("CONSOLE_WRITE from the device hole",
	     hypercall(HYPERCALL_CONSOLE_WRITE, IOAPIC_BASE, 16, 0), -E_FAULT);
	want("CONSOLE_WRITE whose end wraps", hypercall(HYPERCALL_CONSOLE_WRITE, ~0ULL - 8, 16, 0),
	     -E_FAULT);
	want("CONSOLE_WRITE above 4 GiB", hypercall(HYPERCALL_CONSOLE_WRITE, 0x4000000000, 16, 0),
	     -E_FAULT);
}

static void test_stats(void)
{
	uint8_t guard[16];

	memset(&stats, 0xee, sizeof(stats));
	want("STATS_READ", hypercall(HYPERCALL_STATS_READ, (uint64_t)&stats, sizeof(stats), 0),
	     sizeof(stats));
	check_eq("its version", stats.version, HYPERCALL_ABI_VERSION);
	check_eq("its size", stats.size, sizeof(stats));
	check("exits were counted", stats.exits > 10 && stats.exits_by_reason[EXIT_VMCALL] > 10);
	memset(&stats, 0xee, sizeof(stats));
	want("STATS_READ of the first 16 bytes",
	     hypercall(HYPERCALL_STATS_READ, (uint64_t)&stats, 16, 0), 16);
	memset(guard, 0xee, sizeof(guard));
	check("and not one more", !memcmp((uint8_t *)&stats + 16, guard, 16) && stats.version == 1);
	want("STATS_READ with a size that is too large",
	     hypercall(HYPERCALL_STATS_READ, (uint64_t)&stats, ~0ULL, 0), sizeof(stats));
	want("STATS_READ to no memory",
	     hypercall(HYPERCALL_STATS_READ, NO_MEMORY, sizeof(stats), 0), -E_FAULT);
	want("STATS_READ that wraps", hypercall(HYPERCALL_STATS_READ, ~0ULL - 8, 16, 0), -E_FAULT);
	want("STATS_PRINT", hypercall(HYPERCALL_STATS_PRINT, 0, 0, 0), 0);
	want("STATS_RESET", hypercall(HYPERCALL_STATS_RESET, 0, 0, 0), 0);
	want("STATS_READ again",
	     hypercall(HYPERCALL_STATS_READ, (uint64_t)&stats, sizeof(stats), 0), sizeof(stats));
	/* The reset itself, and the exits of the line that reported it. */
	check("the counters began anew", stats.exits < 40);
}

static void test_mark(void)
{
	static const char label[] = "a label of 32 characters, no more";

	want("MARK", hypercall(HYPERCALL_MARK, (uint64_t) "quote\" back\\", 12, 42), 0);
	want("MARK with the longest label", hypercall(HYPERCALL_MARK, (uint64_t)label, 32, ~0ULL),
	     0);
	want("MARK with one character more", hypercall(HYPERCALL_MARK, (uint64_t)label, 33, 0),
	     -E_INVAL);
	want("MARK with a label in no memory", hypercall(HYPERCALL_MARK, NO_MEMORY, 8, 0),
	     -E_FAULT);
}

static int64_t user_result;

static void user_call(uint64_t number)
{
	user_result = hypercall(number, 0, 0, 0);
}

static void user_mark(uint64_t value)
{
	user_result = cloister_mark("from a program\" of 32 characters", value);
}

static void user_word(uint64_t index)
{
	user_result = cloister_stats_word(index);
}

static void user_policy(uint64_t policy)
{
	user_result = cloister_set_policy(policy);
}

static void user_write(uint64_t gpa)
{
	user_result = hypercall(HYPERCALL_CONSOLE_WRITE, gpa, 16, 0);
}

static void user_read(uint64_t gpa)
{
	user_result = hypercall(HYPERCALL_STATS_READ, gpa, 16, 0);
}

static void want_user(const char *name, void (*fn)(uint64_t), uint64_t arg, int64_t expected)
{
	user_result = 0x7777;
	check_eq("no fault at CPL 3", try_user(fn, arg, 0).vector, NO_FAULT);
	want(name, user_result, expected);
}

#define WORD_OF(field) (offsetof(struct hypercall_stats, field) / 8)

/* With user-hypercalls = on (the word "user"): what takes no address, and nothing else. */
static void test_user_allowed(void)
{
	bool on = guest_option("user");
	static const uint16_t refused[] = { HYPERCALL_STATS_PRINT,
					    HYPERCALL_STATS_RESET,
					    HYPERCALL_MARK,
					    HYPERCALL_END,
					    8,
					    11,
					    0xff,
					    HYPERCALL_DEBUG_TOUCH_SENSITIVE,
					    HYPERCALL_AUDIT };
	uint64_t before, calls;

	want_user("VERSION at CPL 3", user_call, HYPERCALL_VERSION,
		  on ? HYPERCALL_ABI_VERSION : -E_PERM);
	want_user("MARK_WORDS at CPL 3", user_mark, 4711, on ? 0 : -E_PERM);
	want_user("STATS_WORD of none at CPL 3", user_word, sizeof(stats) / 8,
		  on ? -E_RANGE : -E_PERM);
	before = (uint64_t)cloister_stats_word(WORD_OF(exits_by_reason) + EXIT_VMCALL);
	try_user(user_word, WORD_OF(exits_by_reason) + EXIT_VMCALL, 0);
	calls = (uint64_t)user_result;
	if (on)
		check_eq("STATS_WORD at CPL 3 counts one exit more", calls, before + 1);
	else
		want("STATS_WORD at CPL 3", user_result, -E_PERM);
	want_user("POLICY at CPL 3", user_policy, HYPERCALL_POLICY_GET,
		  on ? cloister_policy() : -E_PERM);
	/* Changing it takes both keys. */
	want_user("and to change it", user_policy, HYPERCALL_POLICY_COND_FLUSH,
		  guest_option("set-policy") ? 0 : -E_PERM);
	want_user("CONSOLE_WRITE at CPL 3", user_write, (uint64_t)guest_name, -E_PERM);
	want_user("STATS_READ at CPL 3", user_read, (uint64_t)&stats, -E_PERM);
	for (unsigned i = 0; i < ARRAY_SIZE(refused); i++)
		want_user("another number at CPL 3", user_call, refused[i], -E_PERM);
}

static void test_words(void)
{
	want("MARK_WORDS", cloister_mark("by words", ~0ULL), 0);
	want("STATS_WORD: version and size", cloister_stats_word(0),
	     (int64_t)(sizeof(stats) << 32 | HYPERCALL_ABI_VERSION));
	want("STATS_WORD behind the last", cloister_stats_word(sizeof(stats) / 8), -E_RANGE);
	want("STATS_WORD of -1", cloister_stats_word(~0ULL), -E_RANGE);
	check("CPUID says where we are", cloister_is_here());
}

static void test_registers(void)
{
	uint64_t rax = HYPERCALL_VERSION, rbx = 0x1111, rcx = 0x2222, rdx = 0x3333, rsi = 0x4444,
		 rdi = 0x5555;

	__asm__ volatile("vmcall"
			 : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+S"(rsi), "+D"(rdi));
	check("a hypercall keeps all registers but RAX",
	      rax == HYPERCALL_ABI_VERSION && rbx == 0x1111 && rcx == 0x2222 && rdx == 0x3333 &&
		      rsi == 0x4444 && rdi == 0x5555);
}

void guest_main(void)
{
	expect_exits("VERSION is one exit", EXIT_VMCALL, 1, do_version, 0);
	test_registers();
	test_unknown();
	test_write();
	test_mark();
	test_words();
	test_user_allowed();
	test_stats();
	if (guest_option("no-end"))
		want("END without the config's leave", hypercall(HYPERCALL_END, 0, 0, 0), -E_PERM);
	if (guest_option("no-debug"))
		want("TOUCH_SENSITIVE without the config's leave",
		     hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0), -E_PERM);
}
