/* SPDX-License-Identifier: MIT */
/*
 * PCI: configuration by ports 0xCF8 and 0xCFC and by ECAM, a host bridge, and behind it on bus 0
 * virtio devices, one function each, with MSI-X and without interrupt lines. Functions are handed
 * over with their BARs placed and decoding, as firmware does it.
 */
#ifndef DRIVERS_GUEST_PCI_H
#define DRIVERS_GUEST_PCI_H

#include "drivers/guest/virtio/virtio.h"

#define VPCI_ADDRESS_PORT 0xcf8
#define VPCI_DATA_PORT 0xcfc

/* The same by memory (ECAM): bus 0. */
#define VPCI_ECAM_BASE 0xe0000000ULL
#define VPCI_ECAM_SIZE 0x100000ULL

/* Where the first function's BARs lie. */
#define VPCI_IO_BASE 0xc000U
#define VPCI_MEMORY_BASE 0xc0000000ULL

/* What the DSDT gives the bus. BARs decode there and nowhere else, whatever a guest writes to them:
 * none lies over another device of the machine, or over memory. */
#define VPCI_IO_FIRST 0x0d00U
#define VPCI_IO_END 0x10000U
#define VPCI_MEMORY_END VPCI_ECAM_BASE

/* All devices that a VM can have at once. */
#define VPCI_KIND_ROOM(name, number, text, class, queues, most) uint8_t name[most];
struct vpci_room {
	VIRTIO_KINDS(VPCI_KIND_ROOM)
};
#define VPCI_FUNCTIONS ((unsigned)sizeof(struct vpci_room))

struct vpci_function {
	uint16_t command;
	uint8_t line;	    /* of the interrupt: software's own note */
	uint32_t bar[2];    /* VPCI_BAR_NOTIFY, VPCI_BAR_MEMORY: base addresses */
	uint32_t window[3]; /* of VIRTIO_PCI_CAP_PCI_CFG: BAR, offset, length */
	struct virtio device;
};

/* Notifications come by port, which costs a guest less than memory that has to be decoded. */
enum { VPCI_BAR_NOTIFY, VPCI_BAR_MEMORY };
#define VPCI_NOTIFY_SIZE 16

struct vpci {
	uint32_t address;
	unsigned count; /* functions: devices 1 to this */
	struct vpci_function function[VPCI_FUNCTIONS];
	struct vring_chain chain; /* the request that is being served */
};

/** Power-on state of the bus and its devices. */
ANY void vpci_reset(struct vm *vm);

/** The ports 0xcf8 to 0xcff. */
ANY uint32_t vpci_read(struct vm *vm, uint16_t port, unsigned size);
ANY void vpci_write(struct vm *vm, uint16_t port, unsigned size, uint32_t value);

/** Configuration space at @address within the ECAM area; 1, 2 or 4 bytes. */
ANY uint32_t vpci_ecam_read(struct vm *vm, uint64_t address);
ANY void vpci_ecam_write(struct vm *vm, uint64_t address, unsigned size, uint32_t value);

/** Ports and memory of the functions; false if no BAR decodes the address. */
ANY bool vpci_io(struct vm *vm, uint16_t port, bool write, uint32_t *value);
ANY bool vpci_memory(struct vm *vm, uint64_t gpa, bool write, unsigned size, uint32_t *value);

#endif
