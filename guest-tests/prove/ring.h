/* SPDX-License-Identifier: MIT */
/*
 * Rings for the prover of what uses them (prove_ring.c is about them): a request is any number of
 * any pieces of memory, those that are read first.
 */
#ifndef PROVE_RING_H
#define PROVE_RING_H

#include "guest-tests/prove/platform.h"

static struct vring_chain any_chain;

/* To be called first. */
static void prepare_requests(void)
{
	//@ loop unroll VRING_MAX;
	for (unsigned i = 0; i < VRING_MAX; i++)
		any_chain.piece[i] = (struct vring_piece){ ram + any_within(0, PROVE_RAM - 1),
							   any_within(1, PROVE_RAM) };
}

int vring_enable(struct vm *vm, struct vring *ring, uint64_t features)
{
	if (any8 || ring->size == 0 || ring->size > VRING_MAX)
		return -1;
	ring->enabled = true;
	return 0;
}

int vring_pop(struct vm *vm, struct vring *ring, struct vring_chain *chain)
{
	uint32_t out = any_within(0, VRING_MAX), end = any_within(0, VRING_MAX);

	any_bytes(ram, sizeof(ram));
	*chain = any_chain;
	chain->head = any16;
	chain->next = chain->piece;
	chain->out = chain->piece + out;
	chain->end = chain->piece + (end < out ? out : end);
	chain->out_bytes = any64 % (VRING_MAX * GIB(4));
	chain->in_bytes = any64 % (VRING_MAX * GIB(4));
	return any8 ? 1 : any8 ? 0 : -1;
}

void vring_unpop(struct vring *ring)
{
}

void vring_quiet(struct vring *ring, uint16_t count)
{
}

bool vring_rearm(struct vring *ring)
{
	return any8 & 1;
}

bool vring_want_more(struct vring *ring)
{
	return any8 & 1;
}

bool vring_wants_interrupt(struct vring *ring)
{
	return any8 & 1;
}

/* A part of a piece: that it is used up by and by matters to nobody here. */
uint8_t *vring_next(struct vring_chain *chain, bool write, uint64_t max, uint32_t *len)
{
	if (!max || any8)
		return NULL;
	*len = any_within(1, max < PROVE_RAM ? (uint32_t)max : (uint32_t)PROVE_RAM);
	return ram + any_within(0, PROVE_RAM - 1);
}

bool vring_read_pieces(struct vring_chain *chain, void *to, uint32_t len)
{
	any_bytes(to, len);
	return any8 & 1;
}

#endif
