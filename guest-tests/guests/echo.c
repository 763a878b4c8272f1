// SPDX-License-Identifier: MIT
/*
 * Says back each line that it is sent, until one says "quit": what the operator types elsewhere
 * must not arrive here. With two vCPUs the other one computes and must go on doing so. With the
 * option "until-off" it waits for the policy of that name instead.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "echo";

#define NAP 1000000
#define LSR (COM1 + 5)
#define LSR_DATA_READY 1

static volatile uint64_t spins;

static void sibling(void)
{
	for (;;)
		spins++;
}

/* The next line without its end; what does not fit is dropped. */
static void read_line(char *line, unsigned size)
{
	unsigned length = 0;

	for (;;) {
		char c;

		while (!(inb(LSR) & LSR_DATA_READY))
			nap(NAP);
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
		nap(NAP);
	check("nothing was typed for this VM", !(inb(LSR) & LSR_DATA_READY));
}

void guest_main(void)
{
	char line[40];

	nap_init();
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
	check("it has napped meanwhile", naps_ended > 0 || guest_option("nested"));
}
