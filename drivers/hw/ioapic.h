/* SPDX-License-Identifier: MIT */
/* The I/O APIC's registers (82093AA): an index, a window that shows the register, and its entries.
 */
#ifndef DRIVERS_HW_IOAPIC_H
#define DRIVERS_HW_IOAPIC_H

#include "hv/base/types.h"

/* Byte offsets in its page. */
enum { IOAPIC_INDEX = 0x00, IOAPIC_WINDOW = 0x10, IOAPIC_EOI = 0x40 };

enum ioapic_register {
	IOAPIC_ID = 0,
	IOAPIC_VERSION = 1, /* bits 23:16: the last line's number */
	IOAPIC_ARBITRATION = 2,
	IOAPIC_REDIRECTION = 0x10, /* two for each line; the destination in the upper byte */
};

#define IOAPIC_ENTRY_MODE(e) ((unsigned)((e) >> 8) & 7)
#define IOAPIC_ENTRY_LOGICAL BIT(11)
#define IOAPIC_ENTRY_PENDING BIT(12)
#define IOAPIC_ENTRY_LOW BIT(13)
#define IOAPIC_ENTRY_REMOTE_IRR BIT(14)
#define IOAPIC_ENTRY_LEVEL BIT(15)
#define IOAPIC_ENTRY_MASKED BIT(16)

#endif
