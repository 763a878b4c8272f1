// SPDX-License-Identifier: MIT
/* PCI configuration, BARs that move about, MSI-X tables, and rings with nonsense in them. */
#include "guest-tests/guests/fuzz/fuzz.h"

#define ECAM 0xe0000000UL
#define FUNCTIONS 11
#define RING 16

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static volatile uint32_t *config(unsigned device, unsigned at)
{
	return (volatile uint32_t *)(ECAM + ((uint64_t)device << 15) + (at & 0xffcU));
}

static uint32_t bar_value(struct core *core)
{
	static const uint32_t bars[] = { 0xfee00000, 0xfec00000, 0xe0000000, 0xc0000000,
					 0xd0000000, 0xfffff000, 0x00400000, 0x00000000,
					 0xffffffff, 0x0000c001, 0x000003f9, 0x00000cf9 };

	return bars[pick(core, ARRAY_SIZE(bars))] + (pick(core, 4) << pick(core, 16));
}

static void write_by_ports(struct core *core, unsigned device, unsigned at, uint32_t to)
{
	outl(0xcf8, 0x80000000U | device << 11 | (at & 0xfc));
	switch (pick(core, 3)) {
	case 0:
		outl(0xcfc, to);
		break;
	case 1:
		outw(0xcfc + (at & 2), (uint16_t)to);
		break;
	default:
		outb(0xcfc + (at & 3), (uint8_t)to);
		break;
	}
}

void step_pci(struct core *core)
{
	static const uint8_t fields[] = { 0x04, 0x04, 0x10, 0x14, 0x18, 0x30, 0x3c, 0x40, 0x42 };

	for (unsigned i = 1 + pick(core, 8); i; i--) {
		unsigned device = pick(core, FUNCTIONS + 1);
		unsigned at =
			once_in(core, 2) ? fields[pick(core, sizeof(fields))] : pick(core, 256);
		uint32_t to = at >= 0x10 && at < 0x28 ? bar_value(core) : (uint32_t)value(core);

		if (once_in(core, 3))
			(void)*config(device, at);
		else if (once_in(core, 2))
			*config(device, at) = to;
		else
			write_by_ports(core, device, at, to);
	}
}

/* A table of messages: to nobody, to anybody, of every kind; an INIT now and then. */
static void fill_msix(struct core *core, volatile uint8_t *registers)
{
	volatile uint32_t *entry = (volatile uint32_t *)(registers + 0x1000) + 4 * pick(core, 4);
	uint32_t data = 32 + pick(core, 200) + (pick(core, 5) << 8);

	entry[0] = once_in(core, 4) ? (uint32_t)value(core)
				    : 0xfee00000 | pick(core, core_count) << 12;
	entry[1] = once_in(core, 8) ? (uint32_t)value(core) : 0;
	entry[2] = once_in(core, 32) ? (uint32_t)value(core) : data;
	entry[3] = once_in(core, 4);
}

static uint64_t buffer(struct core *core)
{
	switch (pick(core, 8)) {
	case 0:
		return value(core);
	case 1:
		return ARENA_END - pick(core, 64);
	case 2:
		return device_address(core);
	default:
		return arena_address(core);
	}
}

/* Requests as a block device would have them, of other lengths and in other orders. */
static void fill_ring(struct core *core, uint64_t ring)
{
	struct desc *desc = (struct desc *)ring;
	volatile uint16_t *avail = (volatile uint16_t *)(ring + 0x400);

	for (unsigned i = 0; i < RING; i++) {
		desc[i].addr = buffer(core);
		desc[i].len = once_in(core, 8) ? (uint32_t)value(core) : pick(core, 2048);
		desc[i].flags = once_in(core, 16) ? (uint16_t)value(core)
						  : (uint16_t)pick(core, once_in(core, 8) ? 8 : 4);
		desc[i].next = (uint16_t)(once_in(core, 16) ? value(core) : pick(core, RING));
		avail[2 + i] = (uint16_t)(once_in(core, 16) ? value(core) : pick(core, RING));
	}
	avail[0] = (uint16_t)pick(core, 2);
	avail[1] = (uint16_t)(avail[1] + (once_in(core, 32) ? value(core) : pick(core, RING)));
}

/* Brings a device up, most of the time as a driver would. */
static void open_device(struct core *core, volatile uint8_t *registers, uint64_t ring)
{
	registers[0x14] = 0;
	registers[0x14] = 3;
	for (uint32_t i = 0; i < 2; i++) {
		*(volatile uint32_t *)(registers + 0x08) = i;
		*(volatile uint32_t *)(registers + 0x0c) =
			once_in(core, 8) ? (uint32_t)value(core)
					 : i | ((uint32_t)random64(core) & 0x30000000 & (i - 1));
	}
	registers[0x14] = 11;
	for (uint16_t queue = 0; queue < 2; queue++) {
		*(volatile uint16_t *)(registers + 0x16) = queue;
		*(volatile uint16_t *)(registers + 0x18) =
			once_in(core, 8) ? (uint16_t)value(core) : RING;
		*(volatile uint16_t *)(registers + 0x1a) = (uint16_t)pick(core, 4);
		for (unsigned i = 0; i < 3; i++)
			*(volatile uint64_t *)(registers + 0x20 + 8 * i) =
				once_in(core, 16) ? value(core) : ring + 0x400 * i;
		*(volatile uint16_t *)(registers + 0x1c) = 1;
	}
	registers[0x14] = 15;
}

void step_virtio(struct core *core)
{
	unsigned device = 1 + pick(core, FUNCTIONS);
	uint64_t ring = core->share + ARENA_RINGS + 0x1000UL * pick(core, 16);
	volatile uint8_t *registers = (volatile uint8_t *)(0xc0000000UL + (device - 1) * 0x2000UL);
	uint32_t port = 0xc000 + 16 * (device - 1);

	core->dirty |= DIRTY_APIC;
	if (once_in(core, 2)) {
		*config(device, 0x10) = port;
		*config(device, 0x14) = (uint32_t)(uint64_t)registers;
		*config(device, 4) = 7;
		*config(device, 0x40) = *config(device, 0x40) | 1U << 31;
	}
	fill_ring(core, ring);
	if (once_in(core, 2))
		fill_msix(core, registers);
	if (!once_in(core, 4))
		open_device(core, registers, ring);
	for (unsigned i = pick(core, 6); i; i--)
		*(volatile uint16_t *)(registers + (pick(core, 0x38) & ~1U)) =
			(uint16_t)value(core);
	for (unsigned i = 1 + pick(core, 3); i; i--)
		outw((uint16_t)port, (uint16_t)pick(core, 3));
}
