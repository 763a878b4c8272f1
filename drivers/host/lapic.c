// SPDX-License-Identifier: MIT
#include "drivers/host/lapic.h"

#include "drivers/hw/lapic.h"
#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/errno.h"
#include "hv/base/global.h"
#include "mm/space.h"

/* Far more polls than a message takes on any bus. */
#define ICR_POLLS 1000000

/* NULL: x2APIC mode. */
static volatile uint32_t *registers GLOBAL_DATA("address of an interrupt controller");

static bool has_deadline GLOBAL_DATA("which mode the timer runs in");

static void write_register(enum lapic_register reg, uint32_t value)
{
	if (registers)
		registers[reg * 4] = value;
	else
		wrmsr(LAPIC_MSR_FIRST + reg, value);
}

BOOT int lapic_init(bool x2apic)
{
	if (!x2apic) {
		registers = space_global_mmio(HPA(LAPIC_ADDRESS), PAGE_SIZE);
		return registers ? 0 : -E_NOMEM;
	}
	return 0;
}

BOOT void lapic_enable(uint8_t spurious_vector, uint8_t timer_vector, bool deadline, int nmi_lint)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	/* Only ever forward: an APIC that was switched off may not come back. */
	if (!registers && !(base & APIC_BASE_X2APIC))
		wrmsr(MSR_APIC_BASE, base | LAPIC_BASE_ENABLE | APIC_BASE_X2APIC);
	else if (!(base & LAPIC_BASE_ENABLE))
		wrmsr(MSR_APIC_BASE, base | LAPIC_BASE_ENABLE);
	write_register(LAPIC_SVR, LAPIC_SVR_ENABLE | spurious_vector);
	write_register(LAPIC_TPR, 0);
	write_register(LAPIC_LVT_THERMAL, LAPIC_LVT_MASKED);
	write_register(LAPIC_LVT_PERF, LAPIC_LVT_MASKED);
	write_register(LAPIC_LVT_LINT0, nmi_lint == 0 ? LAPIC_LVT_NMI : LAPIC_LVT_MASKED);
	write_register(LAPIC_LVT_LINT1, nmi_lint == 1 ? LAPIC_LVT_NMI : LAPIC_LVT_MASKED);
	write_register(LAPIC_LVT_ERROR, LAPIC_LVT_MASKED);
	write_register(LAPIC_TIMER_DIVIDE, 0xb); /* by 1 */
	has_deadline = deadline;
	write_register(LAPIC_LVT_TIMER, timer_vector | (deadline ? LAPIC_LVT_DEADLINE : 0));
	/* Whatever firmware left in service. */
	for (unsigned i = 0; i < 8; i++)
		lapic_eoi();
}

void lapic_eoi(void)
{
	write_register(LAPIC_EOI, 0);
}

/*
 * The one-shot timer runs at the bus clock, never faster than the TSC would with this divisor on
 * CPUs that lack the deadline mode; whoever finds it early arms it again.
 */
static void arm_oneshot(uint64_t tsc)
{
	uint64_t now = rdtsc(), ticks = tsc > now ? tsc - now : 1;

	write_register(LAPIC_TIMER_INITIAL, tsc == 0		 ? 0
					    : ticks > UINT32_MAX ? UINT32_MAX
								 : (uint32_t)ticks);
}

void lapic_arm(uint64_t tsc)
{
	if (likely(has_deadline))
		wrmsr(MSR_TSC_DEADLINE, tsc);
	else
		arm_oneshot(tsc);
}

static void send(uint32_t apic_id, uint32_t command)
{
	if (!registers) {
		/* x2APIC writes are not serialising: what the target is to see must be visible
		 * before. */
		__asm__ volatile("mfence; lfence" : : : "memory");
		wrmsr(0x800 + LAPIC_ICR, (uint64_t)apic_id << 32 | command);
		return;
	}
	registers[LAPIC_ICR_HIGH * 4] = apic_id << 24;
	registers[LAPIC_ICR * 4] = command;
	for (unsigned i = 0; i < ICR_POLLS && (registers[LAPIC_ICR * 4] & LAPIC_ICR_BUSY); i++)
		cpu_relax();
}

void lapic_send(uint32_t apic_id, uint8_t vector)
{
	send(apic_id, LAPIC_ICR_FIXED | vector);
}

void lapic_send_self(uint8_t vector)
{
	/* Says whom it is for by itself: the other half, which an interrupted send() may have
	 * written, is not touched. */
	if (!registers) {
		wrmsr(0x800 + LAPIC_ICR, LAPIC_ICR_SELF | LAPIC_ICR_FIXED | vector);
		return;
	}
	for (unsigned i = 0; i < ICR_POLLS && (registers[LAPIC_ICR * 4] & LAPIC_ICR_BUSY); i++)
		cpu_relax();
	registers[LAPIC_ICR * 4] = LAPIC_ICR_SELF | LAPIC_ICR_FIXED | vector;
}

void lapic_send_nmi(uint32_t apic_id)
{
	send(apic_id, LAPIC_ICR_NMI);
}

BOOT void lapic_send_init(uint32_t apic_id)
{
	send(apic_id, LAPIC_ICR_INIT);
}

BOOT void lapic_send_startup(uint32_t apic_id, uint8_t page)
{
	send(apic_id, LAPIC_ICR_STARTUP | page);
}
