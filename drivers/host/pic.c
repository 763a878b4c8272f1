// SPDX-License-Identifier: MIT
#include "drivers/host/pic.h"

#include "hv/base/asm.h"

enum { PIC1_COMMAND = 0x20, PIC1_DATA = 0x21, PIC2_COMMAND = 0xa0, PIC2_DATA = 0xa1 };
enum {
	ICW1_INIT = 0x11,
	ICW4_8086 = 0x01,
	PIC1_VECTORS = 0x20,
	PIC2_VECTORS = 0x28,
	ALL_MASKED = 0xff
};

void pic_disable(void)
{
	/* Moved out of the exceptions' way first: even a masked controller may raise a spurious
	 * interrupt. */
	outb(PIC1_COMMAND, ICW1_INIT);
	outb(PIC2_COMMAND, ICW1_INIT);
	outb(PIC1_DATA, PIC1_VECTORS);
	outb(PIC2_DATA, PIC2_VECTORS);
	outb(PIC1_DATA, 1 << 2); /* the second one hangs on line 2 */
	outb(PIC2_DATA, 2);
	outb(PIC1_DATA, ICW4_8086);
	outb(PIC2_DATA, ICW4_8086);
	outb(PIC1_DATA, ALL_MASKED);
	outb(PIC2_DATA, ALL_MASKED);
}
