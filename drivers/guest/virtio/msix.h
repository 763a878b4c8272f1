/* SPDX-License-Identifier: MIT */
/* MSI-X of a PCI function (PCI 3.0, 6.8.2): its table, its pending bits, and what they become. */
#ifndef DRIVERS_GUEST_MSIX_H
#define DRIVERS_GUEST_MSIX_H

#include "drivers/guest/platform.h"

#define VMSIX_VECTORS 5
#define VMSIX_NO_VECTOR 0xffff
#define VMSIX_WORDS 4 /* of an entry */
#define VMSIX_ENTRY (4 * VMSIX_WORDS)

struct vmsix {
	uint16_t control; /* of the capability: enable and function mask */
	uint32_t pending; /* a bit a vector */
	uint32_t entry[VMSIX_VECTORS][VMSIX_WORDS]; /* address, upper half, data, control */
};

ANY void vmsix_reset(struct vmsix *msix);

/** Sends vector @vector's message, or keeps it pending while it is masked. */
ANY void vmsix_raise(struct vm *vm, struct vmsix *msix, unsigned vector);

/** Message control register: sends what is pending and no longer masked. */
ANY void vmsix_set_control(struct vm *vm, struct vmsix *msix, uint16_t control);

/** The table at @offset, aligned 32-bit accesses; what lies behind it is 0. */
ANY uint32_t vmsix_read(const struct vmsix *msix, unsigned offset);
ANY void vmsix_write(struct vm *vm, struct vmsix *msix, unsigned offset, uint32_t value);

#endif
