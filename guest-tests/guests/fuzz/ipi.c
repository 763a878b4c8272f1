// SPDX-License-Identifier: MIT
/* Storms of interrupts between cores, and what keeps all of them going. */
#include "guest-tests/guests/fuzz/fuzz.h"

#define ICR_NMI 0x400
#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600
#define ICR_SHORTHAND_SHIFT 18
/* Steps of its own that a core gives the next one for one. */
#define PATIENCE 100

static void start_page(void)
{
	memcpy((void *)FUZZ_AP_START, fuzz_ap_start, (size_t)(fuzz_ap_end - fuzz_ap_start));
}

void revive(const struct core *core)
{
	start_page();
	wrmsr(X2APIC_ICR, (uint64_t)core->id << 32 | ICR_INIT);
	wrmsr(X2APIC_ICR, (uint64_t)core->id << 32 | ICR_STARTUP | FUZZ_AP_START >> 12);
}

void watch_next(struct core *core)
{
	const struct core *next = &cores[(core->id + 1) % core_count];

	if (next == core)
		return;
	if (next->beat != core->seen_beat) {
		core->seen_beat = next->beat;
		core->seen_steps = core->steps;
		core->warned = false;
	} else if (core->steps - core->seen_steps > PATIENCE) {
		if (core->warned)
			revive(next);
		else
			wrmsr(X2APIC_ICR, (uint64_t)next->id << 32 | ICR_NMI);
		core->warned = !core->warned;
		core->seen_steps = core->steps;
	}
}

/* Real-mode code of any bytes, for a start-up interrupt that leads there. */
static unsigned junk_page(struct core *core)
{
	unsigned page = 0x10 + pick(core, 0x80);

	for (unsigned i = 0; i < 64; i += 8)
		*(uint64_t *)(((uint64_t)page << 12) + i) = random64(core);
	return page;
}

/* INIT for the only core is a reset. */
static void send_init(struct core *core)
{
	const struct core *other = &cores[pick(core, core_count)];

	if (core_count == 1 && !once_in(core, 200))
		return;
	if (once_in(core, 2)) {
		revive(other);
		return;
	}
	wrmsr(X2APIC_ICR, (uint64_t)other->id << 32 | ICR_INIT);
	wrmsr(X2APIC_ICR, (uint64_t)other->id << 32 | ICR_STARTUP | junk_page(core));
}

void step_ipi(struct core *core)
{
	core->dirty |= DIRTY_APIC;
	for (unsigned i = 1 + pick(core, 24); i; i--) {
		uint64_t to = once_in(core, 8) ? random64(core) : pick(core, core_count);
		unsigned shorthand = once_in(core, 4) ? pick(core, 4) : 0;
		unsigned mode = once_in(core, 4) ? ICR_NMI : once_in(core, 8) ? 0x100 : 0;
		uint64_t bits = once_in(core, 8) ? BIT(11) : 0;

		wrmsr(X2APIC_ICR,
		      to << 32 | shorthand << ICR_SHORTHAND_SHIFT | mode | bits |
			      (once_in(core, 16) ? pick(core, 256) : 32 + pick(core, 224)));
		if (once_in(core, 40))
			send_init(core);
		if (once_in(core, 4))
			__asm__ volatile("sti; nop; cli");
	}
}
