// SPDX-License-Identifier: MIT
#include "drivers/host/tsc.h"

#include "hv/base/asm.h"

#define PIT_HZ 1193182
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define PORT_B 0x61
#define PORT_B_GATE2 BIT(0)
#define PORT_B_SPEAKER BIT(1)
#define PORT_B_OUT2 BIT(5)
#define SAMPLE_HZ 100
#define MAX_POLLS 10000000

/* One run of channel 2 in mode 0: the output rises when the count is over. 0: it never did. */
static uint64_t sample(void)
{
	uint16_t count = PIT_HZ / SAMPLE_HZ;
	uint8_t control = (inb(PORT_B) & (uint8_t)~PORT_B_SPEAKER) | PORT_B_GATE2;
	uint64_t start;

	outb(PORT_B, control & (uint8_t)~PORT_B_GATE2);
	outb(PIT_COMMAND, 0xb0);
	outb(PIT_CHANNEL2, count & 0xff);
	outb(PIT_CHANNEL2, (uint8_t)(count >> 8));
	outb(PORT_B, control);
	start = rdtsc();
	for (unsigned i = 0; i < MAX_POLLS; i++)
		if (inb(PORT_B) & PORT_B_OUT2)
			return (rdtsc() - start) * SAMPLE_HZ;
	return 0;
}

static uint64_t from_cpuid(void)
{
	uint32_t max = cpuid(0, 0).eax;

	if (max >= 0x15) {
		struct cpuid_regs r = cpuid(0x15, 0);

		if (r.eax && r.ebx && r.ecx)
			return (uint64_t)r.ecx * r.ebx / r.eax;
	}
	if (max >= 0x16)
		return (uint64_t)(cpuid(0x16, 0).eax & 0xffff) * 1000000;
	return 0;
}

uint64_t tsc_calibrate(void)
{
	uint64_t best = 0;

	/* An SMI or a slow port only ever makes a sample longer. */
	for (unsigned i = 0; i < 2; i++) {
		uint64_t s = sample();

		if (s && (!best || s < best))
			best = s;
	}
	return best ? best : from_cpuid();
}
