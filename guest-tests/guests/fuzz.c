// SPDX-License-Identifier: MIT
/*
 * The fuzzer (guests/fuzz/fuzz.h). `seed=N` on the command line does one seed; without it each life
 * asks for one on the console: "fuzz: waits". `steps=N`: so many steps of the first core. `show=N`:
 * from that step on, what code each is about to run; `registers`: with them.
 */
#include "guest-tests/guests/fuzz/fuzz.h"

const char guest_name[] = "fuzz";

#define STEPS 2000
#define NAP 100000
#define RESET_PORT 0x64
#define RESET_VALUE 0xfe
#define LSR_DATA 1

unsigned core_count, step_limit, show_from = UINT32_MAX;
bool show_registers;
static uint64_t seed;
static bool asked;

static uint64_t ask(void)
{
	char text[24];
	unsigned n = 0;

	nap_init();
	print("fuzz: waits\n");
	for (;;) {
		char c;

		while (!(inb(COM1 + 5) & LSR_DATA))
			nap(NAP);
		c = (char)inb(COM1);
		if (c == '\r' || n == sizeof(text) - 1)
			break;
		text[n++] = c;
	}
	text[n] = '\0';
	return number_in(text);
}

static _Noreturn void end(const struct core *core)
{
	interrupts_off();
	print("\nfuzz: seed %u ends after %u steps\n", seed, (uint64_t)core->steps);
	if (!asked)
		power_off();
	outb(RESET_PORT, RESET_VALUE);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void step(struct core *core)
{
	unsigned kind = pick(core, 100);

	if (kind < 72)
		step_code(core);
	else if (kind < 80)
		step_paging(core);
	else if (kind < 84)
		step_event(core);
	else if (kind < 88)
		step_descriptors(core);
	else if (kind < 91)
		step_pci(core);
	else if (kind < 94)
		step_virtio(core);
	else if (kind < 97)
		step_scribble(core);
	else
		step_ipi(core);
}

void core_loop(struct core *core, unsigned vector)
{
	if (!core->alive) {
		core->alive = true;
		core_load(core);
	} else {
		if (vector == NO_FAULT) /* it was reset */
			core->dirty = DIRTY_ALL;
		core_restore(core, vector);
	}
	for (;;) {
		core->beat++;
		if (core->id == 0 && core->steps >= step_limit)
			end(core);
		core->steps++;
		if (core->steps % 64 == 0)
			watch_next(core);
		step(core);
		core_restore(core, NO_FAULT);
	}
}

void guest_main(void)
{
	asked = !guest_value("seed");
	seed = asked ? ask() : guest_number("seed", 0);
	step_limit = (unsigned)guest_number("steps", STEPS);
	show_registers = guest_option("registers");
	show_from = (unsigned)guest_number("show", show_from);
	core_count = cpuid(0xb, 1).ebx;
	if (core_count == 0 || core_count > FUZZ_CORES)
		core_count = 1;
	print("fuzz: seed %u begins, %u cores\n", seed, (uint64_t)core_count);
	interrupts_off();
	core_make_gates();
	for (unsigned i = 0; i < core_count; i++)
		core_init(&cores[i], i, seed);
	for (unsigned i = 1; i < core_count; i++)
		revive(&cores[i]);
	__asm__ volatile("mov %0, %%rsp\n\t"
			 "mov %1, %%cr3\n\t"
			 "call core_loop"
			 :
			 : "r"(cores[0].stack_top), "r"(cores[0].cr3), "D"(&cores[0]),
			   "S"((uint64_t)NO_FAULT)
			 : "memory");
	__builtin_unreachable();
}
