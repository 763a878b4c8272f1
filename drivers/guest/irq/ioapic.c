// SPDX-License-Identifier: MIT
#include "drivers/guest/legacy/machine.h"

#include "drivers/guest/irq/lapic.h"
#include "drivers/hw/ioapic.h"

#define ENTRY_READ_ONLY (IOAPIC_ENTRY_PENDING | IOAPIC_ENTRY_REMOTE_IRR)
#define ENTRY_WRITABLE 0xff0000000001ffffULL
#define VERSION (0x20U | (VIOAPIC_LINES - 1) << 16)

void vioapic_reset(struct vm *vm)
{
	struct vioapic *io = &vm_machine(vm)->ioapic;

	*io = (struct vioapic){ 0 };
	for (unsigned i = 0; i < VIOAPIC_LINES; i++)
		io->redirection[i] = IOAPIC_ENTRY_MASKED;
}

static void deliver(struct vm *vm, struct vioapic *io, unsigned line)
{
	uint64_t *entry = &io->redirection[line];
	bool level = *entry & IOAPIC_ENTRY_LEVEL;

	if ((*entry & IOAPIC_ENTRY_MASKED) || (level && (*entry & IOAPIC_ENTRY_REMOTE_IRR)))
		return;
	if (level)
		*entry |= IOAPIC_ENTRY_REMOTE_IRR;
	vlapic_deliver(vm, (uint32_t)(*entry >> 56), *entry & IOAPIC_ENTRY_LOGICAL,
		       IOAPIC_ENTRY_MODE(*entry), (uint8_t)*entry, level);
}

void vioapic_set_line(struct vm *vm, unsigned line, bool level)
{
	struct vioapic *io = &vm_machine(vm)->ioapic;
	bool was;

	if (line >= VIOAPIC_LINES)
		return;
	was = io->levels >> line & 1;
	io->levels = level ? io->levels | 1U << line : io->levels & ~(1U << line);
	/* An edge is the change, a level the state. */
	if (level && (!was || (io->redirection[line] & IOAPIC_ENTRY_LEVEL)))
		deliver(vm, io, line);
}

void vioapic_eoi(struct vm *vm, uint8_t vector)
{
	struct vioapic *io = &vm_machine(vm)->ioapic;

	for (unsigned i = 0; i < VIOAPIC_LINES; i++) {
		if ((uint8_t)io->redirection[i] != vector ||
		    !(io->redirection[i] & IOAPIC_ENTRY_LEVEL))
			continue;
		io->redirection[i] &= ~IOAPIC_ENTRY_REMOTE_IRR;
		if (io->levels >> i & 1)
			deliver(vm, io, i);
	}
}

static uint32_t read_register(const struct vioapic *io)
{
	unsigned index = io->index & 0xff;

	if (index >= IOAPIC_REDIRECTION && index < IOAPIC_REDIRECTION + 2 * VIOAPIC_LINES) {
		uint64_t entry = io->redirection[(index - IOAPIC_REDIRECTION) / 2];

		return (uint32_t)(index & 1 ? entry >> 32 : entry);
	}
	switch (index) {
	case IOAPIC_ID:
	case IOAPIC_ARBITRATION:
		return io->id;
	case IOAPIC_VERSION:
		return VERSION;
	default:
		return 0;
	}
}

static void write_register(struct vm *vm, struct vioapic *io, uint32_t value)
{
	unsigned index = io->index & 0xff, line = (index - IOAPIC_REDIRECTION) / 2;
	uint64_t old, entry;

	if (index == IOAPIC_ID) {
		io->id = value & 0x0f000000;
		return;
	}
	if (index < IOAPIC_REDIRECTION || line >= VIOAPIC_LINES)
		return;
	old = io->redirection[line];
	entry = index & 1 ? (uint64_t)value << 32 | (uint32_t)old : (old & ~0xffffffffULL) | value;
	entry = (entry & ENTRY_WRITABLE & ~ENTRY_READ_ONLY) | (old & ENTRY_READ_ONLY);
	if (!(entry & IOAPIC_ENTRY_LEVEL))
		entry &= ~IOAPIC_ENTRY_REMOTE_IRR;
	io->redirection[line] = entry;
	if ((entry & IOAPIC_ENTRY_LEVEL) && (io->levels >> line & 1))
		deliver(vm, io, line);
}

uint32_t vioapic_read(struct vm *vm, unsigned offset)
{
	const struct vioapic *io = &vm_machine(vm)->ioapic;

	if (likely(offset == IOAPIC_WINDOW))
		return read_register(io);
	return offset == IOAPIC_INDEX ? io->index : 0;
}

void vioapic_write(struct vm *vm, unsigned offset, uint32_t value)
{
	struct vioapic *io = &vm_machine(vm)->ioapic;

	if (offset == IOAPIC_INDEX)
		io->index = value;
	else if (offset == IOAPIC_WINDOW)
		write_register(vm, io, value);
	else if (offset == IOAPIC_EOI)
		vioapic_eoi(vm, (uint8_t)value);
}
