// SPDX-License-Identifier: MIT
/* The other vCPUs of a test guest: how they are started, and how they take part in interrupts. */
#include "guest-tests/guests/lib/guest.h"

#define AP_START 0x7000
#define MAX_CPUS 8
#define STACK_SIZE 8192
#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600
#define ICR_ALL_BUT_SELF (3ULL << 18)

extern const uint8_t ap_start[], ap_end[];
extern const uint8_t ap_cr3[], ap_stack[], ap_entry[];

static uint8_t stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
static void (*volatile function)(void);
static volatile unsigned started;

static void set(const uint8_t *label, uint64_t value)
{
	*(volatile uint64_t *)(AP_START + (uint64_t)(label - ap_start)) = value;
}

/* On the new vCPU, on its own stack. */
static void begin(void)
{
	core_use_tables();
	apic_enable();
	started = 1;
	function();
}

bool start_cpu(unsigned id, void (*fn)(void))
{
	uint8_t *code = (uint8_t *)(uint64_t)AP_START;

	for (unsigned i = 0; i < ap_end - ap_start; i++)
		code[i] = ap_start[i];
	set(ap_cr3, read_cr3());
	set(ap_stack, (uint64_t)stacks[id] + STACK_SIZE);
	set(ap_entry, (uint64_t)begin);
	function = fn;
	started = 0;
	wrmsr(X2APIC_ICR, (uint64_t)id << 32 | ICR_INIT);
	wrmsr(X2APIC_ICR, (uint64_t)id << 32 | ICR_STARTUP | AP_START >> 12);
	for (unsigned i = 0; i < 100000000 && !started; i++)
		cpu_relax();
	return started;
}

void send_ipi(unsigned id, unsigned vector)
{
	wrmsr(X2APIC_ICR, (uint64_t)id << 32 | vector);
}

void send_ipi_to_others(unsigned vector)
{
	wrmsr(X2APIC_ICR, ICR_ALL_BUT_SELF | vector);
}
