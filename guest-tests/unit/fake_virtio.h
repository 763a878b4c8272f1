/* SPDX-License-Identifier: MIT */
/* A driver for tests and the fuzzer: one queue in the fake VM's memory. Device numbers are those of
 * the PCI bus; fv_notify() counts from 0, in the order of the ports. */
#ifndef FAKE_VIRTIO_H
#define FAKE_VIRTIO_H

#include "guest-tests/unit/fake_platform.h"

#include <string.h>

enum { FV_NEXT = 1, FV_WRITE = 2, FV_INDIRECT = 4 };
#define FV_SIZE 16U
#define FV_DESC 0x1000U
#define FV_AVAIL 0x2000U
#define FV_USED 0x3000U

static struct vm *fv;

/* A VM with an entropy device as device 1. */
static inline void fv_boot(unsigned vcpus)
{
	fv = fake_vm(vcpus, true);
	virtio_add(fv, VIRTIO_RNG, 0);
}

static inline uint64_t fv_read(uint64_t gpa, unsigned size)
{
	uint64_t value = 0;

	machine_mmio_read(&fv->vcpu[0], GPA(gpa), size, &value);
	return size == 8 ? value : value & ((1ULL << 8 * size) - 1);
}

static inline void fv_write(uint64_t gpa, unsigned size, uint64_t value)
{
	machine_mmio_write(&fv->vcpu[0], GPA(gpa), size, value);
}

static inline uint32_t fv_ecam(uint64_t at, unsigned size)
{
	return (uint32_t)fv_read(VPCI_ECAM_BASE + at, size);
}

/* Configuration space: read by ports, written by memory. */
static inline uint32_t fv_config(unsigned device, unsigned at, unsigned size)
{
	uint32_t value = 0;

	machine_pio_write(&fv->vcpu[0], 0xcf8, 4, 0x80000000U | device << 11 | (at & 0xfc));
	machine_pio_read(&fv->vcpu[0], (uint16_t)(0xcfc + (at & 3)), size, &value);
	return size == 4 ? value : value & ((1U << 8 * size) - 1);
}

static inline void fv_set_config(unsigned device, unsigned at, unsigned size, uint32_t value)
{
	fv_write(VPCI_ECAM_BASE + (device << 15) + at, size, value);
}

static inline uint32_t fv_bar(unsigned device, unsigned at, unsigned size)
{
	return (uint32_t)fv_read(VPCI_MEMORY_BASE + (device - 1) * VIRTIO_BAR_SIZE + at, size);
}

static inline void fv_set_bar(unsigned device, unsigned at, unsigned size, uint64_t value)
{
	fv_write(VPCI_MEMORY_BASE + (device - 1) * VIRTIO_BAR_SIZE + at, size, value);
}

#define fv_common fv_bar
#define fv_set_common fv_set_bar

static inline void fv_msix(unsigned device, unsigned vector, uint32_t address, uint32_t data,
			   uint32_t control)
{
	unsigned at = VIRTIO_BAR_MSIX + vector * VMSIX_ENTRY;

	fv_set_bar(device, at, 8, address);
	fv_set_bar(device, at + 8, 8, data | (uint64_t)control << 32);
}

static inline uint64_t fv_offered(unsigned device)
{
	uint64_t low;

	fv_set_common(device, 0x00, 4, 0);
	low = fv_common(device, 0x04, 4);
	fv_set_common(device, 0x00, 4, 1);
	return low | (uint64_t)fv_common(device, 0x04, 4) << 32;
}

/* Reset, features and the addresses of the queue that is selected. */
static inline void fv_prepare_queue(unsigned device, unsigned queue, uint64_t features)
{
	memset(fv->ram + FV_DESC, 0, 0x3000);
	fv_set_common(device, 0x14, 1, 0);
	fv_set_common(device, 0x14, 1, 3);
	for (unsigned i = 0; i < 2; i++) {
		fv_set_common(device, 0x08, 4, i);
		fv_set_common(device, 0x0c, 4, (uint32_t)(features >> 32 * i));
	}
	fv_set_common(device, 0x14, 1, 11);
	fv_set_common(device, 0x16, 2, queue);
	fv_set_common(device, 0x18, 2, FV_SIZE);
	fv_set_common(device, 0x20, 8, FV_DESC);
	fv_set_common(device, 0x28, 8, FV_AVAIL);
	fv_set_common(device, 0x30, 8, FV_USED);
}

static inline void fv_prepare(unsigned device, uint64_t features)
{
	fv_prepare_queue(device, 0, features);
}

static inline bool fv_start_queue(unsigned device, unsigned queue, uint64_t features)
{
	fv_prepare_queue(device, queue, features);
	fv_set_common(device, 0x1c, 2, 1);
	fv_set_common(device, 0x14, 1, 15);
	return fv_common(device, 0x14, 1) == 15;
}

static inline bool fv_start(unsigned device, uint64_t features)
{
	return fv_start_queue(device, 0, features);
}

static inline void fv_desc(unsigned n, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
	struct vring_desc desc = { addr, len, (uint16_t)flags, (uint16_t)next };

	memcpy(fv->ram + FV_DESC + n * sizeof(desc), &desc, sizeof(desc));
}

static inline uint16_t *fv_half(unsigned at)
{
	return (uint16_t *)(fv->ram + at);
}

#define fv_avail_idx() fv_half(FV_AVAIL + 2)
#define fv_used_idx() fv_half(FV_USED + 2)
#define fv_used_event() fv_half(FV_AVAIL + 4 + 2 * FV_SIZE)
#define fv_avail_event() fv_half(FV_USED + 4 + 8 * FV_SIZE)

static inline void fv_offer(unsigned head)
{
	*fv_half(FV_AVAIL + 4 + 2 * (*fv_avail_idx() % FV_SIZE)) = (uint16_t)head;
	(*fv_avail_idx())++;
}

static inline void fv_notify(unsigned function, unsigned queue)
{
	machine_pio_write(&fv->vcpu[0],
			  (uint16_t)(VPCI_IO_BASE + function * VPCI_NOTIFY_SIZE + 2 * queue), 2,
			  queue);
}

struct fv_used {
	uint32_t id, len;
};

static inline struct fv_used fv_used(unsigned n)
{
	struct fv_used used;

	memcpy(&used, fv->ram + FV_USED + 4 + 8 * (n % FV_SIZE), sizeof(used));
	return used;
}

#endif
