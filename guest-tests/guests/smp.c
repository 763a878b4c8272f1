// SPDX-License-Identifier: MIT
/*
 * Several vCPUs: they start by INIT and SIPI, know who they are, interrupt each other, and lose or
 * double none of it, whatever the hypervisor does to their siblings meanwhile.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "smp";

#define VECTOR_PING 0x60
#define VECTOR_PONG 0x61
#define VECTOR_STOP 0x62
#define ROUNDS 500
#define MAX_CPUS 8

static volatile unsigned pings[MAX_CPUS], pongs, stops, nmis;
static volatile uint32_t leaf_b_id[MAX_CPUS], apic_id[MAX_CPUS], leaf_1_id[MAX_CPUS];
static volatile uint64_t apic_base[MAX_CPUS];

static unsigned self(void)
{
	return (unsigned)rdmsr(X2APIC_ID);
}

static void on_ping(struct frame *frame)
{
	(void)frame;
	pings[self()]++;
	apic_eoi();
	send_ipi(0, VECTOR_PONG);
}

static void on_pong(struct frame *frame)
{
	(void)frame;
	pongs++;
	apic_eoi();
}

static void on_stop(struct frame *frame)
{
	(void)frame;
	__atomic_fetch_add(&stops, 1, __ATOMIC_SEQ_CST);
	apic_eoi();
}

static void on_nmi(struct frame *frame)
{
	(void)frame;
	nmis++;
}

/* Halts between interrupts. */
static void sleeper(void)
{
	unsigned id = self();

	apic_id[id] = (uint32_t)rdmsr(X2APIC_ID);
	leaf_b_id[id] = cpuid(0xb, 0).edx;
	leaf_1_id[id] = cpuid(1, 0).ebx >> 24;
	apic_base[id] = rdmsr(MSR_APIC_BASE);
	__asm__ volatile("sti");
	for (;;)
		__asm__ volatile("hlt");
}

static void wait_for(volatile unsigned *count, unsigned want)
{
	for (unsigned i = 0; i < 200000000 && *count != want; i++)
		cpu_relax();
}

static void ping_pong(unsigned id)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		pongs = 0;
		send_ipi(id, VECTOR_PING);
		wait_for(&pongs, 1);
		lost += pongs != 1;
		/* Now and then this CPU goes to the full map, which stuns the other one. */
		if (i % 8 == 0)
			hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0);
	}
	check_eq("every ping has one pong", lost, 0);
	check_eq("and no ping came twice", pings[id], ROUNDS);
}

void guest_main(void)
{
	unsigned count = 0;

	for (unsigned i = 2; i <= MAX_CPUS; i++)
		if (guest_option((char[]){ 'v', 'c', 'p', 'u', 's', '-', (char)('0' + i), '\0' }))
			count = i;
	set_handler(VECTOR_PING, on_ping);
	set_handler(VECTOR_PONG, on_pong);
	set_handler(VECTOR_STOP, on_stop);
	set_handler(VECTOR_NMI, on_nmi);
	apic_enable();
	__asm__ volatile("sti");
	check_eq("CPUID says how many there are", cpuid(0xb, 1).ebx, count);
	check_eq("the first one has APIC id 0", rdmsr(X2APIC_ID), 0);
	for (unsigned i = 1; i < count; i++) {
		check("it starts", start_cpu(i, sleeper));
		ping_pong(i);
		check_eq("its APIC id is its number", apic_id[i], i);
		check_eq("CPUID.0BH says the same", leaf_b_id[i], i);
		check_eq("CPUID.1 says the same", leaf_1_id[i], i);
		check_eq("it is not the bootstrap processor", apic_base[i] >> 8 & 1, 0);
	}
	send_ipi_to_others(VECTOR_STOP);
	wait_for(&stops, count - 1);
	check_eq("all but self are all but self", stops, count - 1);
	for (unsigned i = 1; i < count; i++) {
		wrmsr(X2APIC_ICR, (uint64_t)i << 32 | 0x400);
		wait_for(&nmis, i);
	}
	check_eq("each got its NMI", nmis, count - 1);
	/* A vCPU that runs can be reset and started again. */
	check("the last one starts again", start_cpu(count - 1, sleeper));
	pings[count - 1] = 0;
	ping_pong(count - 1);
}
