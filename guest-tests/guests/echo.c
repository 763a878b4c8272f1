// SPDX-License-Identifier: MIT
/*
 * Says back each line that it is sent, until one says "quit": what the operator types elsewhere
 * must not arrive here. With two vCPUs the other one computes and must go on doing so. With the
 * option "until-off" it waits for the policy of that name instead.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "echo";

#define VECTOR 0x71
#define NAP 1000000
#define LSR (COM1 + 5)
#define LSR_DATA_READY 1

static volatile uint64_t naps, spins;

static void on_timer(struct frame *frame)
{
	(void)frame;
	naps++;
	apic_eoi();
}

static void sibling(void)
{
	for (;;)
		spins++;
}

static void nap(void)
{
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + NAP);
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* The next line without its end; what does not fit is dropped. */
static void read_line(char *line, unsigned size)
{
	unsigned length = 0;

	for (;;) {
		char c;

		while (!(inb(LSR) & LSR_DATA_READY))
			nap();
		c = (char)inb(COM1);
		if (c == '\r')
			break;
		if (length < size - 1)
			line[length++] = c;
	}
	line[length] = '\0';
}

static bool is_quit(const char *line)
{
	return line[0] == 'q' && line[1] == 'u' && line[2] == 'i' && line[3] == 't' && !line[4];
}

/* For a VM that gets no input: until the operator turns the policy off. */
static void wait_for_off(void)
{
	while (hypercall(HYPERCALL_POLICY, HYPERCALL_POLICY_GET, 0, 0) != HYPERCALL_POLICY_OFF)
		nap();
	check("nothing was typed for this VM", !(inb(LSR) & LSR_DATA_READY));
}

void guest_main(void)
{
	char line[40];

	set_handler(VECTOR, on_timer);
	apic_enable();
	wrmsr(X2APIC_LVT_TIMER, 2U << 17 | VECTOR);
	if (guest_option("until-off")) {
		wait_for_off();
		return;
	}
	if (guest_option("vcpus-2"))
		check("the sibling starts", start_cpu(1, sibling));
	for (;;) {
		uint64_t before = spins;

		print("ready\n");
		read_line(line, sizeof(line));
		print("got: %s\n", line);
		if (is_quit(line))
			break;
		if (guest_option("vcpus-2"))
			check("the sibling computes", spins != before);
	}
	check("it has napped meanwhile", naps > 0);
}
