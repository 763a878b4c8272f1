// SPDX-License-Identifier: MIT
#include "drivers/host/lapic.h"

#include "hv/base/asm.h"
#include "hv/base/errno.h"
#include "hv/base/global.h"
#include "mm/space.h"

enum lapic_register {
	LAPIC_ID = 0x02,
	LAPIC_TPR = 0x08,
	LAPIC_EOI = 0x0b,
	LAPIC_SVR = 0x0f,
	LAPIC_ICR = 0x30,
	LAPIC_ICR_HIGH = 0x31,
	LAPIC_LVT_TIMER = 0x32,
	LAPIC_LVT_THERMAL = 0x33,
	LAPIC_LVT_PERF = 0x34,
	LAPIC_LVT_LINT0 = 0x35,
	LAPIC_LVT_LINT1 = 0x36,
	LAPIC_LVT_ERROR = 0x37,
	LAPIC_TIMER_INITIAL = 0x38,
	LAPIC_TIMER_DIVIDE = 0x3e,
};

#define LAPIC_BASE_PHYSICAL 0xfee00000ULL
#define APIC_BASE_ENABLE BIT(11)
#define SVR_ENABLE BIT(8)
#define LVT_MASKED BIT(16)
#define LVT_DEADLINE (2U << 17)
#define ICR_BUSY BIT(12)
#define ICR_NMI 0x4400
#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600
#define ICR_FIXED 0x4000
#define ICR_SELF 0x40000
#define LVT_NMI 0x400
/* Far more polls than a message takes on any bus. */
#define ICR_POLLS 1000000

/* NULL: x2APIC mode. */
static volatile uint32_t *registers GLOBAL_DATA("address of an interrupt controller");

static bool has_deadline GLOBAL_DATA("which mode the timer runs in");

static uint32_t read_register(enum lapic_register reg)
{
	return registers ? registers[reg * 4] : (uint32_t)rdmsr(0x800 + reg);
}

static void write_register(enum lapic_register reg, uint32_t value)
{
	if (registers)
		registers[reg * 4] = value;
	else
		wrmsr(0x800 + reg, value);
}

int lapic_init(bool x2apic)
{
	if (!x2apic) {
		registers = space_global_mmio(HPA(LAPIC_BASE_PHYSICAL), PAGE_SIZE);
		return registers ? 0 : -E_NOMEM;
	}
	return 0;
}

void lapic_enable(uint8_t spurious_vector, uint8_t timer_vector, bool deadline, int nmi_lint)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	/* Only ever forward: an APIC that was switched off may not come back. */
	if (!registers && !(base & APIC_BASE_X2APIC))
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	else if (!(base & APIC_BASE_ENABLE))
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	write_register(LAPIC_SVR, SVR_ENABLE | spurious_vector);
	write_register(LAPIC_TPR, 0);
	write_register(LAPIC_LVT_THERMAL, LVT_MASKED);
	write_register(LAPIC_LVT_PERF, LVT_MASKED);
	write_register(LAPIC_LVT_LINT0, nmi_lint == 0 ? LVT_NMI : LVT_MASKED);
	write_register(LAPIC_LVT_LINT1, nmi_lint == 1 ? LVT_NMI : LVT_MASKED);
	write_register(LAPIC_LVT_ERROR, LVT_MASKED);
	write_register(LAPIC_TIMER_DIVIDE, 0xb); /* by 1 */
	has_deadline = deadline;
	write_register(LAPIC_LVT_TIMER, timer_vector | (deadline ? LVT_DEADLINE : 0));
	/* Whatever firmware left in service. */
	for (unsigned i = 0; i < 8; i++)
		lapic_eoi();
}

uint32_t lapic_id(void)
{
	uint32_t id = read_register(LAPIC_ID);

	return registers ? id >> 24 : id;
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
	for (unsigned i = 0; i < ICR_POLLS && (registers[LAPIC_ICR * 4] & ICR_BUSY); i++)
		cpu_relax();
}

void lapic_send(uint32_t apic_id, uint8_t vector)
{
	send(apic_id, ICR_FIXED | vector);
}

void lapic_send_self(uint8_t vector)
{
	/* Says whom it is for by itself: the other half, which an interrupted send() may have
	 * written, is not touched. */
	if (!registers) {
		wrmsr(0x800 + LAPIC_ICR, ICR_SELF | ICR_FIXED | vector);
		return;
	}
	for (unsigned i = 0; i < ICR_POLLS && (registers[LAPIC_ICR * 4] & ICR_BUSY); i++)
		cpu_relax();
	registers[LAPIC_ICR * 4] = ICR_SELF | ICR_FIXED | vector;
}

void lapic_send_nmi(uint32_t apic_id)
{
	send(apic_id, ICR_NMI);
}

void lapic_send_init(uint32_t apic_id)
{
	send(apic_id, ICR_INIT);
}

void lapic_send_startup(uint32_t apic_id, uint8_t page)
{
	send(apic_id, ICR_STARTUP | page);
}
