// SPDX-License-Identifier: MIT
#include "drivers/guest/legacy/machine.h"
#include "hv/base/string.h"

#define ADDRESS_ENABLE BIT(31)
#define ADDRESS_WRITABLE 0x80fffffcU
#define ADDRESS_FUNCTION(a) ((a) >> 8 & 0xffff) /* bus, device, function */
#define FUNCTION_SPACE 0x1000			/* of ECAM */

#define COMMAND_IO BIT(0)
#define COMMAND_MEMORY BIT(1)
#define COMMAND_WRITABLE 0x0407U /* and bus master, interrupts off */
#define STATUS_CAPABILITIES BIT(20)
#define BAR_IS_IO 1U
#define VENDOR 0x1af4U
#define DEVICE(kind) (0x1040U + (kind))

/* Registers of a function's configuration space. */
enum {
	REG_ID = 0x00,
	REG_COMMAND = 0x04,
	REG_CLASS = 0x08,
	REG_BAR0 = 0x10,
	REG_BAR1 = 0x14,
	REG_SUBSYSTEM = 0x2c,
	REG_CAPABILITIES = 0x34,
	REG_LINE = 0x3c,
	REG_MSIX = 0x40,
	REG_WINDOW_BAR = 0x98, /* of VIRTIO_PCI_CAP_PCI_CFG: which, offset, length, data */
	REG_WINDOW_DATA = 0xa4,
	REG_END = 0xa8,
};

enum { CFG_COMMON = 1, CFG_NOTIFY, CFG_ISR, CFG_DEVICE, CFG_PCI };
#define CAPABILITY(next, length, type)                                                             \
	(0x09U | (next) << 8 | (length) << 16 | (uint32_t)(type) << 24)

/* The capabilities (4.1.4), the same for all devices; what can be written is laid over them. */
static const uint32_t capabilities[(REG_END - REG_MSIX) / 4] = {
	0x11U | 0x50U << 8 | (VMSIX_VECTORS - 1) << 16,
	VPCI_BAR_MEMORY | VIRTIO_BAR_MSIX,
	VPCI_BAR_MEMORY | VIRTIO_BAR_PBA,
	0,
	CAPABILITY(0x60U, 16U, CFG_COMMON),
	VPCI_BAR_MEMORY,
	VIRTIO_BAR_COMMON,
	VIRTIO_COMMON_SIZE,
	CAPABILITY(0x70U, 16U, CFG_ISR),
	VPCI_BAR_MEMORY,
	VIRTIO_BAR_ISR,
	1,
	CAPABILITY(0x80U, 16U, CFG_DEVICE),
	VPCI_BAR_MEMORY,
	VIRTIO_BAR_DEVICE,
	VIRTIO_CONFIG_SIZE,
	CAPABILITY(0x94U, 20U, CFG_NOTIFY),
	VPCI_BAR_NOTIFY,
	0,
	2 * VIRTIO_QUEUES,
	2, /* bytes from one queue's notification port to the next one's */
	CAPABILITY(0U, 20U, CFG_PCI),
};

static uint32_t bar_size(unsigned bar)
{
	return bar == VPCI_BAR_NOTIFY ? VPCI_NOTIFY_SIZE : VIRTIO_BAR_SIZE;
}

void vpci_reset(struct vm *vm)
{
	struct vpci *pci = &vm_machine(vm)->pci;

	pci->address = 0;
	for (unsigned i = 0; i < pci->count; i++) {
		struct vpci_function *f = &pci->function[i];

		f->command = COMMAND_IO | COMMAND_MEMORY;
		f->line = 0;
		f->bar[VPCI_BAR_NOTIFY] = VPCI_IO_BASE + i * VPCI_NOTIFY_SIZE;
		f->bar[VPCI_BAR_MEMORY] = (uint32_t)VPCI_MEMORY_BASE + i * VIRTIO_BAR_SIZE;
		memset(f->window, 0, sizeof(f->window));
		vmsix_reset(&f->device.msix);
		virtio_reset(&f->device);
		f->device.complained = false;
	}
}

/*
 * The bridge at 00:00.0: vendor 0x1b36 (Red Hat's, which gives out ids for virtual hardware),
 * device 0x0008 (a generic PCI Express host bridge), class 0x0600; every other register reads as
 * zero and cannot be written.
 */
static uint32_t bridge_register(unsigned offset)
{
	switch (offset) {
	case REG_ID:
		return 0x00081b36;
	case REG_CLASS:
		return 0x06000000;
	default:
		return 0;
	}
}

/* An access through VIRTIO_PCI_CAP_PCI_CFG (4.1.4.9). */
static uint32_t window_access(struct vm *vm, struct vpci_function *f, bool write, uint32_t value)
{
	unsigned size = f->window[2], offset = f->window[1];

	if ((size != 1 && size != 2 && size != 4) || offset % size ||
	    f->window[0] > VPCI_BAR_MEMORY || offset >= bar_size(f->window[0]))
		return UINT32_MAX;
	if (f->window[0] == VPCI_BAR_NOTIFY) {
		if (write)
			virtio_notify(vm, &f->device, offset / 2);
		return 0;
	}
	if (!write)
		return virtio_read(&f->device, offset, size);
	virtio_write(vm, &f->device, offset, size,
		     size == 4 ? value : value & ((1U << 8 * size) - 1));
	return 0;
}

static uint32_t function_register(struct vm *vm, struct vpci_function *f, unsigned offset)
{
	unsigned kind = f->device.kind;
	uint32_t fixed =
		offset >= REG_MSIX && offset < REG_END ? capabilities[(offset - REG_MSIX) / 4] : 0;

	switch (offset) {
	case REG_ID:
	case REG_SUBSYSTEM:
		return VENDOR | DEVICE(kind) << 16;
	case REG_COMMAND:
		return f->command | STATUS_CAPABILITIES;
	case REG_CLASS:
		return virtio_class(&f->device) << 8 | 1;
	case REG_BAR0:
		return f->bar[VPCI_BAR_NOTIFY] | BAR_IS_IO;
	case REG_BAR1:
		return f->bar[VPCI_BAR_MEMORY];
	case REG_CAPABILITIES:
		return REG_MSIX;
	case REG_LINE:
		return f->line;
	case REG_MSIX:
		return fixed | (uint32_t)f->device.msix.control << 16;
	case REG_WINDOW_BAR:
	case REG_WINDOW_BAR + 4:
	case REG_WINDOW_BAR + 8:
		return f->window[(offset - REG_WINDOW_BAR) / 4];
	case REG_WINDOW_DATA:
		return window_access(vm, f, false, 0);
	default:
		return fixed;
	}
}

static void write_function_register(struct vm *vm, struct vpci_function *f, unsigned offset,
				    uint32_t value)
{
	switch (offset) {
	case REG_COMMAND:
		f->command = value & COMMAND_WRITABLE;
		break;
	case REG_BAR0:
	case REG_BAR1:
		/* All ones show the size. */
		offset = (offset - REG_BAR0) / 4;
		f->bar[offset] = value & ~(bar_size(offset) - 1);
		break;
	case REG_LINE:
		f->line = (uint8_t)value;
		break;
	case REG_MSIX:
		vmsix_set_control(vm, &f->device.msix, value >> 16);
		break;
	case REG_WINDOW_BAR:
		f->window[0] = value & 0xff;
		break;
	case REG_WINDOW_BAR + 4:
	case REG_WINDOW_BAR + 8:
		f->window[(offset - REG_WINDOW_BAR) / 4] = value;
		break;
	case REG_WINDOW_DATA:
		window_access(vm, f, true, value);
		break;
	default:
		break;
	}
}

/* @address: bus, device and function from bit 12 on, as in ECAM. NULL: nobody there; *bridge: it
 * is the bridge. */
static struct vpci_function *find(struct vm *vm, uint64_t address, bool *bridge)
{
	struct vpci *pci = &vm_machine(vm)->pci;
	uint64_t number = address / FUNCTION_SPACE, device = number / 8;

	*bridge = number == 0;
	if (number % 8 || device == 0 || device > pci->count)
		return NULL;
	return &pci->function[device - 1];
}

uint32_t vpci_ecam_read(struct vm *vm, uint64_t address)
{
	unsigned offset = address % FUNCTION_SPACE & ~3U, shift = 8 * (address & 3);
	bool bridge;
	struct vpci_function *f = find(vm, address, &bridge);

	if (bridge)
		return bridge_register(offset) >> shift;
	return f ? function_register(vm, f, offset) >> shift : UINT32_MAX;
}

/* Parts of a register are written by writing all of it, what it reads as included; none has bits
 * that writing ones clears. */
void vpci_ecam_write(struct vm *vm, uint64_t address, unsigned size, uint32_t value)
{
	unsigned offset = address % FUNCTION_SPACE & ~3U, shift = 8 * (address & 3);
	uint32_t mask = (size == 4 ? UINT32_MAX : (1U << 8 * size) - 1) << shift;
	bool bridge;
	struct vpci_function *f = find(vm, address, &bridge);

	if (!f)
		return;
	value <<= shift;
	/* The window's data is a register by itself: reading may have an effect. */
	if (mask != UINT32_MAX && offset != REG_WINDOW_DATA)
		value = (value & mask) | (function_register(vm, f, offset) & ~mask);
	write_function_register(vm, f, offset, value);
}

/* What the address port says, as an address in ECAM. */
static uint64_t selected(const struct vpci *pci, uint16_t port)
{
	return (uint64_t)ADDRESS_FUNCTION(pci->address) * FUNCTION_SPACE + (pci->address & 0xfc) +
	       (port & 3);
}

uint32_t vpci_read(struct vm *vm, uint16_t port, unsigned size)
{
	const struct vpci *pci = &vm_machine(vm)->pci;

	if (port < VPCI_DATA_PORT)
		return size == 4 && port == VPCI_ADDRESS_PORT ? pci->address : UINT32_MAX;
	if (!(pci->address & ADDRESS_ENABLE))
		return UINT32_MAX;
	return vpci_ecam_read(vm, selected(pci, port));
}

void vpci_write(struct vm *vm, uint16_t port, unsigned size, uint32_t value)
{
	struct vpci *pci = &vm_machine(vm)->pci;

	if (port == VPCI_ADDRESS_PORT && size == 4)
		pci->address = value & ADDRESS_WRITABLE;
	else if (port >= VPCI_DATA_PORT && (pci->address & ADDRESS_ENABLE))
		vpci_ecam_write(vm, selected(pci, port), size, value);
}

static bool decodes_io(const struct vpci_function *f)
{
	uint32_t base = f->bar[VPCI_BAR_NOTIFY];

	return (f->command & COMMAND_IO) && base >= VPCI_IO_FIRST &&
	       base <= VPCI_IO_END - VPCI_NOTIFY_SIZE;
}

static bool decodes_memory(const struct vpci_function *f)
{
	uint32_t base = f->bar[VPCI_BAR_MEMORY];

	return (f->command & COMMAND_MEMORY) && base >= VPCI_MEMORY_BASE &&
	       base <= VPCI_MEMORY_END - VIRTIO_BAR_SIZE;
}

bool vpci_io(struct vm *vm, uint16_t port, bool write, uint32_t *value)
{
	struct vpci *pci = &vm_machine(vm)->pci;

	for (unsigned i = 0; i < pci->count; i++) {
		struct vpci_function *f = &pci->function[i];
		uint32_t offset = port - f->bar[VPCI_BAR_NOTIFY];

		if (offset >= VPCI_NOTIFY_SIZE || !decodes_io(f))
			continue;
		if (write)
			virtio_notify(vm, &f->device, offset / 2);
		else
			*value = 0;
		return true;
	}
	return false;
}

bool vpci_memory(struct vm *vm, uint64_t gpa, bool write, unsigned size, uint32_t *value)
{
	struct vpci *pci = &vm_machine(vm)->pci;

	for (unsigned i = 0; i < pci->count; i++) {
		struct vpci_function *f = &pci->function[i];
		uint64_t offset = gpa - f->bar[VPCI_BAR_MEMORY];

		if (offset >= VIRTIO_BAR_SIZE || !decodes_memory(f))
			continue;
		if (write)
			virtio_write(vm, &f->device, (unsigned)offset, size, *value);
		else
			*value = virtio_read(&f->device, (unsigned)offset, size);
		return true;
	}
	return false;
}
