// SPDX-License-Identifier: MIT
/* Block device (virtio 1.2, 5.2) over an image in memory, which lies in the VM's window. */
#include "drivers/guest/virtio/serve.h"
#include "hv/base/string.h"

#define SECTOR 512
/* What one request may move, so that no exit takes long: drivers keep to the segments' limits. */
#define MOST KIB(64)
#define SEGMENTS 16
#define SEGMENT_SIZE KIB(4)
static_assert(SEGMENTS + 2 <= VRING_MAX && SEGMENTS * SEGMENT_SIZE <= MOST &&
		      VIRTIO_REQUEST_COST + (SEGMENTS + 2) * VIRTIO_PIECE_COST + MOST + SECTOR <=
			      VIRTIO_MOST,
	      "what the limits allow is served");

enum {
	F_SIZE_MAX = 1,
	F_SEG_MAX = 2,
	F_RO = 5,
	F_BLK_SIZE = 6,
	F_FLUSH = 9,
	F_DISCARD = 13,
	F_WRITE_ZEROES = 14
};
enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
/* AGAIN is none that a driver sees. */
enum { OK = 0, IOERR = 1, UNSUPP = 2, AGAIN };
#define WRITE_ZEROES_UNMAP 1U

/* Keeps reads and writes, which are measured in instructions, free of what is asked for seldom. */
#define RARE __attribute__((noinline))

struct config {
	uint64_t capacity; /* sectors */
	uint32_t size_max, seg_max;
	uint32_t geometry;
	uint32_t blk_size;
	uint64_t topology;
	uint32_t writeback_and_queues;
	uint32_t max_discard_sectors, max_discard_seg, discard_alignment;
	uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
	uint32_t may_unmap;
};
static_assert(sizeof(struct config) <= VIRTIO_CONFIG_SIZE, "virtio 1.2, 5.2.4");
static_assert(offsetof(struct config, max_discard_sectors) == 36, "virtio 1.2, 5.2.4");

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct range {
	uint64_t sector;
	uint32_t count, flags;
};
static_assert(sizeof(struct header) == 16 && sizeof(struct range) == 16, "virtio 1.2, 5.2.6");

struct virtio *vblk_add(struct vm *vm, uint8_t *image, uint64_t size, bool read_only,
			const char *serial)
{
	uint64_t features = BIT(F_SIZE_MAX) | BIT(F_SEG_MAX) | BIT(F_BLK_SIZE) | BIT(F_FLUSH);
	struct config config = { .capacity = size / SECTOR,
				 .size_max = SEGMENT_SIZE,
				 .seg_max = SEGMENTS,
				 .blk_size = SECTOR };
	struct virtio *device;

	if (read_only) {
		features |= BIT(F_RO);
	} else {
		features |= BIT(F_DISCARD) | BIT(F_WRITE_ZEROES);
		config.max_discard_sectors = config.max_write_zeroes_sectors = MOST / SECTOR;
		config.max_discard_seg = config.max_write_zeroes_seg = 1;
		config.discard_alignment = 1;
	}
	device = virtio_add(vm, VIRTIO_BLK, features);
	if (!device)
		return NULL;
	memcpy(device->config, &config, sizeof(config));
	device->blk.image = image;
	device->blk.sectors = size / SECTOR;
	device->blk.read_only = read_only;
	str_copy(device->blk.serial, serial, sizeof(device->blk.serial));
	return device;
}

/* Whole words, as nearly all pieces are, without a call. Returns the end of what was read. */
static inline const uint8_t *copy(void *to, const uint8_t *from, uint32_t len)
{
#ifndef CLOISTER_HOST_TEST
	uint64_t words = len / 8;

	if (likely(len % 8 == 0)) {
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
		return from;
	}
#endif
	copy_bulk(to, from, len);
	return from + len;
}

/* The image from @sector on if @bytes from there are in it and may be moved at once. */
static uint8_t *locate(const struct vblk *blk, uint64_t sector, uint64_t bytes)
{
	if (bytes % SECTOR || bytes > MOST || sector > blk->sectors ||
	    bytes / SECTOR > blk->sectors - sector)
		return NULL;
	return blk->image + sector * SECTOR;
}

static uint8_t read_sectors(const struct vblk *blk, uint64_t sector, struct vring_chain *chain)
{
	const uint8_t *from = locate(blk, sector, chain->in_bytes);

	if (!from)
		return IOERR;
	for (const struct vring_piece *p = chain->out; p < chain->end; p++)
		from = copy(p->base, from, p->len);
	chain->in_bytes = 0;
	return OK;
}

static uint8_t write_sectors(const struct vblk *blk, uint64_t sector, struct vring_chain *chain)
{
	uint8_t *to = locate(blk, sector, chain->out_bytes);

	if (!to || blk->read_only)
		return IOERR;
	for (const struct vring_piece *p = chain->next; p < chain->out; p++) {
		copy(to, p->base, p->len);
		to += p->len;
	}
	return OK;
}

/* What is discarded reads as zeroes too. */
static RARE uint8_t zero_sectors(const struct virtio *device, uint32_t type,
				 struct vring_chain *chain, uint64_t *cost)
{
	unsigned feature = type == DISCARD ? F_DISCARD : F_WRITE_ZEROES;
	struct range range;
	uint8_t *to;

	if (!(device->accepted & BIT(feature)))
		return UNSUPP;
	if (chain->out_bytes != sizeof(range) || !vring_read(chain, &range, sizeof(range)))
		return IOERR;
	if (range.flags & ~(type == DISCARD ? 0 : WRITE_ZEROES_UNMAP))
		return UNSUPP;
	if (range.count > MOST / SECTOR)
		return IOERR;
	to = locate(&device->blk, range.sector, (uint64_t)range.count * SECTOR);
	if (!to || device->blk.read_only)
		return IOERR;
	if (!virtio_affords(*cost, (uint64_t)range.count * SECTOR))
		return AGAIN;
	*cost += (uint64_t)range.count * SECTOR;
	memset(to, 0, (uint64_t)range.count * SECTOR);
	return OK;
}

static RARE uint8_t get_id(const struct vblk *blk, struct vring_chain *chain)
{
	uint32_t len;

	for (uint32_t done = 0; done < sizeof(blk->serial); done += len) {
		uint8_t *to = vring_next(chain, true, sizeof(blk->serial) - done, &len);

		if (!to)
			break;
		memcpy(to, blk->serial + done, len);
	}
	return OK;
}

static uint8_t execute(const struct virtio *device, struct vring_chain *chain, uint64_t *cost)
{
	struct header header;

	/* Few enough bytes, but in very many pieces. */
	if (unlikely(chain->end - chain->piece > SEGMENTS + 2) && virtio_cost(chain) > VIRTIO_MOST)
		return IOERR;
	if (!vring_read(chain, &header, sizeof(header)))
		return IOERR;
	if (likely(header.type == IN))
		return read_sectors(&device->blk, header.sector, chain);
	switch (header.type) {
	case OUT:
		return write_sectors(&device->blk, header.sector, chain);
	case FLUSH: /* what is written is where it stays */
		return OK;
	case GET_ID:
		return get_id(&device->blk, chain);
	case DISCARD:
	case WRITE_ZEROES:
		return zero_sectors(device, header.type, chain, cost);
	default:
		return UNSUPP;
	}
}

static inline bool serve_one(struct vm *vm, struct virtio *device, struct vring_chain *chain,
			     uint32_t *written, uint64_t *cost)
{
	uint64_t room = chain->in_bytes;
	uint8_t *status, how;

	if (unlikely(chain->end <= chain->out)) {
		virtio_fail(vm, device, "a request has no room for its status");
		return true;
	}
	status = vring_last_byte(chain);
	how = execute(device, chain, cost);
	if (unlikely(how == AGAIN))
		return false;
	*status = how;
	*written = (uint32_t)(room - chain->in_bytes);
	return true;
}

void vblk_notify(struct vm *vm, struct virtio *device)
{
	virtio_serve(vm, device, &device->queue[0], 0, serve_one);
}
