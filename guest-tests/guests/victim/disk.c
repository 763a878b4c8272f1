// SPDX-License-Identifier: MIT
#include "guest-tests/guests/victim/victim.h"

#define ECAM 0xe0000000ULL
#define BLOCK_ID 0x10421af4U
#define CAPACITY 0x200
#define PATIENCE 1000000
enum { NEXT = 1, WRITE = 2, ENTRIES = 4 };
enum { READ_SECTOR = 0, WRITE_SECTOR = 1, NO_STATUS = 0xee };

static struct {
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} desc[ENTRIES] __attribute__((aligned(4096)));
	volatile uint16_t avail[3 + ENTRIES];
	volatile uint32_t used[2 + 2 * ENTRIES] __attribute__((aligned(4096)));
} ring;

static struct {
	uint32_t type, reserved;
	uint64_t sector;
	volatile uint8_t status;
} request;

static volatile uint8_t *common;
static uint16_t port;

#define COMMON(offset, type) (*(volatile type *)(common + (offset)))

static volatile uint32_t *config(unsigned device, unsigned at)
{
	return (volatile uint32_t *)(ECAM + (device << 15) + at);
}

bool disk_open(void)
{
	unsigned device = 1;

	while (device < 32 && *config(device, 0) != BLOCK_ID)
		device++;
	if (device == 32)
		return false;
	port = (uint16_t)(*config(device, 0x10) & ~3U);
	common = (volatile uint8_t *)(uint64_t)*config(device, 0x14);
	COMMON(0x14, uint8_t) = 0;
	COMMON(0x14, uint8_t) = 3;
	COMMON(0x08, uint32_t) = 1;
	COMMON(0x0c, uint32_t) = 1; /* VERSION_1 */
	COMMON(0x14, uint8_t) = 11;
	COMMON(0x16, uint16_t) = 0;
	COMMON(0x18, uint16_t) = ENTRIES;
	COMMON(0x1a, uint16_t) = 0xffff;
	COMMON(0x20, uint64_t) = (uint64_t)ring.desc;
	COMMON(0x28, uint64_t) = (uint64_t)ring.avail;
	COMMON(0x30, uint64_t) = (uint64_t)ring.used;
	COMMON(0x1c, uint16_t) = 1;
	COMMON(0x14, uint8_t) = 15;
	return COMMON(0x14, uint8_t) == 15;
}

uint64_t disk_sectors(void)
{
	return COMMON(CAPACITY, uint64_t);
}

static bool transfer(uint32_t type, uint64_t sector, uint64_t buffer)
{
	request.type = type;
	request.sector = sector;
	request.status = NO_STATUS;
	ring.desc[0].addr = (uint64_t)&request;
	ring.desc[0].len = 16;
	ring.desc[0].flags = NEXT;
	ring.desc[0].next = 1;
	ring.desc[1].addr = buffer;
	ring.desc[1].len = SECTOR;
	ring.desc[1].flags = type == READ_SECTOR ? NEXT | WRITE : NEXT;
	ring.desc[1].next = 2;
	ring.desc[2].addr = (uint64_t)&request.status;
	ring.desc[2].len = 1;
	ring.desc[2].flags = WRITE;
	ring.avail[2 + ring.avail[1] % ENTRIES] = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring.avail[1]++;
	outw(port, 0);
	for (unsigned i = 0; i < PATIENCE && request.status == NO_STATUS; i++)
		cpu_relax();
	return request.status == 0;
}

bool disk_read(uint64_t sector, void *buffer)
{
	return transfer(READ_SECTOR, sector, (uint64_t)buffer);
}

bool disk_write(uint64_t sector, const void *buffer)
{
	return transfer(WRITE_SECTOR, sector, (uint64_t)buffer);
}
