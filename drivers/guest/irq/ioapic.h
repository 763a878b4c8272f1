/* SPDX-License-Identifier: MIT */
/* An 82093AA-like I/O APIC with 24 lines and the EOI register of later versions. */
#ifndef DRIVERS_GUEST_IOAPIC_H
#define DRIVERS_GUEST_IOAPIC_H

#include "drivers/guest/platform.h"

#define VIOAPIC_LINES 24

struct vioapic {
	uint32_t index, id;
	uint32_t levels; /* of the lines */
	uint64_t redirection[VIOAPIC_LINES];
};

ANY void vioapic_reset(struct vm *vm);
ANY uint32_t vioapic_read(struct vm *vm, unsigned offset);
ANY void vioapic_write(struct vm *vm, unsigned offset, uint32_t value);
ANY void vioapic_set_line(struct vm *vm, unsigned line, bool level);
/** A local APIC ends @vector: level-triggered lines that are still up are delivered again. */
ANY void vioapic_eoi(struct vm *vm, uint8_t vector);

#endif
