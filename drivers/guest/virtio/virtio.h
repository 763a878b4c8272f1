/* SPDX-License-Identifier: MIT */
/*
 * A virtio 1.2 device behind PCI registers (4.1): status, features, queues, notifications,
 * interrupts. What a kind of device does with its requests is in virtio_KIND.c. Device state lies
 * in struct vm; all functions are called with the VM's devices locked and work in restricted.
 */
#ifndef DRIVERS_GUEST_VIRTIO_H
#define DRIVERS_GUEST_VIRTIO_H

#include "drivers/guest/virtio/msix.h"
#include "drivers/guest/virtio/ring.h"

/**
 * Device types (virtio 1.2, 5); PCI device ids are the numbers plus 0x1040. ROW(name, number, name
 * for people, PCI class code, queues, how many a VM has at most).
 */
#define VIRTIO_KINDS(ROW)                                                                          \
	ROW(NET, 1, "virtio-net", 0x020000, 2, 4)                                                  \
	ROW(BLK, 2, "virtio-blk", 0x010000, 1, 4)                                                  \
	ROW(CONSOLE, 3, "virtio-console", 0x078000, 2, 1)                                          \
	ROW(RNG, 4, "virtio-rng", 0xff0000, 1, 1)

#define VIRTIO_KIND_NUMBER(name, number, text, class, queues, most) VIRTIO_##name = (number),
enum virtio_kind { VIRTIO_NONE, VIRTIO_KINDS(VIRTIO_KIND_NUMBER) };

#define VIRTIO_QUEUES (VMSIX_VECTORS - 1)
#define VIRTIO_CONFIG_SIZE 64
#define VIRTIO_F_VERSION_1 BIT(32)

#define VIRTIO_BROKEN_QUEUE "its driver broke the rules for queues"

/** What the device may do in one exit, in bytes that are copied, eight to an instruction, so that
 * with all else no exit takes more than 10,000. A request counts as so many more, each piece of it
 * too. A single one may take more, but none may take more than VIRTIO_MOST. */
#define VIRTIO_BUDGET KIB(56)
#define VIRTIO_MOST KIB(72)
#define VIRTIO_REQUEST_COST 2048
#define VIRTIO_PIECE_COST 256

static inline uint64_t virtio_cost(const struct vring_chain *chain)
{
	return VIRTIO_REQUEST_COST + chain->out_bytes + chain->in_bytes +
	       VIRTIO_PIECE_COST * (uint64_t)(chain->end - chain->piece);
}

/** May what costs @more be done in an exit that has cost @cost so far? */
static inline bool virtio_affords(uint64_t cost, uint64_t more)
{
	return !cost || cost + more <= VIRTIO_BUDGET;
}

/** Of a block device: its image, in the VM's window. */
struct vblk {
	uint8_t *image;
	uint64_t sectors;
	bool read_only;
	char serial[20]; /* zero-terminated unless it fills this */
};

#define VCONSOLE_FIFO 1024 /* a power of two */

/** Of a console: what was typed and not read yet, and how much of a long output is done. */
struct vconsole {
	uint16_t head, count;
	uint8_t fifo[VCONSOLE_FIFO];
	uint64_t sent;
};

/** Of a network card: how far the oldest frame of its inbox has come, whose buffers the driver gets
 * back all at once. */
struct vnet_arrival {
	uint16_t looked_at; /* buffers, for their size */
	uint16_t buffers;   /* that it takes; 0: not known yet */
	uint16_t filled;
	uint64_t size; /* of those looked at */
	uint64_t header_done, done;
};

struct virtio {
	uint8_t kind; /* enum virtio_kind */
	uint8_t unit; /* which one of its kind, by whoever attached it */
	uint8_t queues;
	uint8_t status, isr;
	uint8_t generation; /* of config[] */
	bool complained;    /* one line a life is enough */
	uint16_t queue_select, config_vector;
	uint32_t offered_select, accepted_select;
	uint64_t offered, accepted; /* features */
	struct vring queue[VIRTIO_QUEUES];
	struct vmsix msix;
	uint8_t config[VIRTIO_CONFIG_SIZE]; /* device-specific configuration, 0 behind its end */
	union {
		struct vblk blk;
		struct vconsole console;
		struct vnet_arrival arrival;
	};
};

/* Memory BAR: where the structures lie. */
enum {
	VIRTIO_BAR_COMMON = 0x000,
	VIRTIO_BAR_ISR = 0x100,
	VIRTIO_BAR_DEVICE = 0x200,
	VIRTIO_BAR_MSIX = 0x1000,
	VIRTIO_BAR_PBA = 0x1800,
	VIRTIO_BAR_SIZE = 0x2000,
	VIRTIO_COMMON_SIZE = 0x38,
};

/**
 * Gives the VM a device of @kind on its PCI bus, with @features (VERSION_1 and those of rings are
 * added) and an empty configuration, in its state after reset; NULL if the bus is full. While the
 * VM is built.
 */
ANY struct virtio *virtio_add(struct vm *vm, enum virtio_kind kind, uint64_t features);

/** A driver's reset: all but the MSI-X table, which is the bus's. */
ANY void virtio_reset(struct virtio *device);

/** Registers in the memory BAR: an access of 1, 2 or 4 bytes at @offset. */
ANY uint32_t virtio_read(struct virtio *device, unsigned offset, unsigned size);
ANY void virtio_write(struct vm *vm, struct virtio *device, unsigned offset, unsigned size,
		      uint32_t value);

/** The driver says that queue @queue has requests. */
ANY void virtio_notify(struct vm *vm, struct virtio *device, unsigned queue);

/** May the device use its queue now? */
ANY bool virtio_is_live(const struct virtio *device, unsigned queue);

/** Interrupts for @queue if the driver wants it by now. */
ANY void virtio_signal(struct vm *vm, struct virtio *device, struct vring *queue);

/** config[] has changed. */
ANY void virtio_config_changed(struct vm *vm, struct virtio *device);

/** The driver has broken the rules: says so, and the device wants to be reset. */
ANY void virtio_fail(struct vm *vm, struct virtio *device, const char *why);

/** Class code for PCI. */
ANY uint32_t virtio_class(const struct virtio *device);

/** The first device of @kind, or NULL; and what the request is taken into that is being served. */
ANY struct virtio *virtio_find(struct vm *vm, enum virtio_kind kind);
ANY struct vring_chain *virtio_chain(struct vm *vm);

/*
 * The kinds. serve() does one request and returns how many bytes it wrote; none may take longer
 * than the budget of an exit.
 */

/** Has the CPU random numbers? */
ANY bool vrng_exists(void);
ANY uint32_t vrng_serve(struct vring_chain *chain);

/**
 * Gives the VM a disk over the @size bytes (of which whole sectors count) at @image, which is in
 * its window. NULL: the bus is full.
 */
ANY struct virtio *vblk_add(struct vm *vm, uint8_t *image, uint64_t size, bool read_only,
			    const char *serial);
ANY void vblk_notify(struct vm *vm, struct virtio *device);

/** Output: false if there is more to it, so that it has to be served again. */
ANY bool vconsole_serve(struct vm *vm, struct virtio *device, struct vring_chain *chain);
/** Input: gives the driver what is waiting, if it has buffers; true: there is more of both. */
ANY bool vconsole_fill(struct vm *vm, struct virtio *device);
/** A byte is typed; false if there is no such console, or no driver that has started it. */
ANY bool vconsole_receive(struct vm *vm, uint8_t byte);

#endif
