// SPDX-License-Identifier: MIT
/* Entropy device (virtio 1.2, 5.4): the processor's own random numbers. */
#include "drivers/guest/virtio/virtio.h"
#include "hv/base/asm.h"
#include "hv/base/string.h"

/* Bytes a request gets, as a number may take microseconds: the driver asks again. */
#define MOST 64
#define RDRAND_TRIES                                                                               \
	10 /* in a row all fail only if the hardware is broken (SDM volume 1, 7.3.17) */

bool vrng_exists(void)
{
	return cpuid(1, 0).ecx & BIT(30);
}

/* RDSEED may run dry, RDRAND does not; both say by the carry flag whether there was a number. */
static bool number(bool seeds, uint64_t *value)
{
	bool ok = false;

	if (seeds)
		__asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(ok));
	for (unsigned i = 0; !ok && i < RDRAND_TRIES; i++)
		__asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(ok));
	return ok;
}

uint32_t vrng_serve(struct vring_chain *chain)
{
	bool seeds = cpuid(7, 0).ebx & BIT(18);
	uint32_t written = 0, len;
	uint64_t value;

	while (written < MOST && number(seeds, &value)) {
		uint8_t *to = vring_next(chain, true, sizeof(value), &len);

		if (!to)
			break;
		memcpy(to, &value, len);
		written += len;
	}
	return written;
}
