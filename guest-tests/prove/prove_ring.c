/* prove: drivers/guest/virtio/ring.c */
/* prove-options: precision=0 coverage=97 -eva-plevel=200 -eva-slevel=60 */
/* prove-options: -eva-slevel-function=walk_flat:4,walk_table:4,use:0,drain:0,vring_pop:500,serve:500 */
/* SPDX-License-Identifier: MIT */
/* A ring of each size that says anything, and something else at each look. */
#include "guest-tests/prove/platform.h"

/*
 * As long as any piece may say that it is, and twice that, since Eva knows nothing of sums: what is
 * shown is that pieces begin in memory.
 */
#define RAM GIB(4)
static uint8_t memory[2 * RAM];

static struct vring ring;
static struct vring_chain chain;

/* Behind each of the ring's parts there is nothing. */
static uint8_t desc[16 * VRING_MAX], avail[6 + 2 * VRING_MAX], used[6 + 8 * VRING_MAX];
static unsigned part;

void *vm_ram(struct vm *vm, gpa_t gpa, uint64_t len)
{
	any_bytes(memory, sizeof(memory));
	if (part < 3)
		return part++ == 0 ? desc + sizeof(desc) - len
		       : part == 2 ? avail + sizeof(avail) - len
				   : used + sizeof(used) - len;
	return gpa.v <= RAM && len <= RAM - gpa.v ? memory + gpa.v : NULL;
}

uint8_t *vm_ram_flat(struct vm *vm, uint64_t *size)
{
	*size = any8 ? RAM : 0;
	return memory;
}

static void drain(bool write)
{
	uint32_t len;

	while (any8)
		vring_next(&chain, write, any64, &len);
}

static void serve(void)
{
	uint8_t header[2 * 16];

	chain = (struct vring_chain){ 0 };
	//@ loop unroll VRING_MAX;
	for (unsigned i = 0; i < VRING_MAX; i++)
		chain.piece[i] = (struct vring_piece){ memory, 1 };
	if (vring_pop(NULL, &ring, &chain) != 1)
		return;
	if (any8)
		vring_read(&chain, header, sizeof(header) / 2);
	else
		drain(any8 & 1);
	vring_put(&ring, any32, chain.head, any32);
	vring_publish(&ring, any16);
	if (any8)
		vring_unpop(&ring);
}

/* Wherever the driver says that it is, and however large. */
static void enable(void)
{
	part = 0;
	ring.size = any16;
	ring.desc_gpa = any64;
	ring.avail_gpa = any64;
	ring.used_gpa = any64;
	vring_enable(NULL, &ring, any64);
}

/* Where it is allowed to be, for ever: once it is enabled, its size stays. */
static void use(uint16_t size)
{
	part = 0;
	ring = (struct vring){ .size = size };
	vring_enable(NULL, &ring, any64);
	while (any8) {
		part = 3;
		serve();
		vring_quiet(&ring, any16);
		vring_rearm(&ring);
		vring_want_more(&ring);
		vring_wants_interrupt(&ring);
	}
}

void prove(void)
{
	any_bytes(desc, sizeof(desc));
	any_bytes(avail, sizeof(avail));
	any_bytes(used, sizeof(used));
	enable();
	//@ loop unroll 8;
	for (uint16_t size = 1; size <= VRING_MAX; size *= 2)
		use(size);
}
