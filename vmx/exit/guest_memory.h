/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory as its own instructions reach it: what is emulated has the rights of the
 * instruction that it stands for, and no more. Where the processor would have refused, its fault is
 * queued for the next entry. Any map; the VMCS is current.
 */
#ifndef VMX_GUEST_MEMORY_H
#define VMX_GUEST_MEMORY_H

#include "hv/vm/vm.h"

enum guest_access { GUEST_READ, GUEST_WRITE };

/* In the order of the VMCS fields. */
enum guest_segment {
	GUEST_ES,
	GUEST_CS,
	GUEST_SS,
	GUEST_DS,
	GUEST_FS,
	GUEST_GS,
	GUEST_SEGMENT_MASK = 7
};

/** How the guest translates, and who asks: what guest_walk() goes by. */
struct guest_paging {
	enum { PAGING_OFF, PAGING_32, PAGING_PAE, PAGING_4_LEVEL } mode;
	uint64_t cr3;
	uint64_t pdpte[4]; /* PAE: registers of the processor */
	bool user;	   /* CPL 3 */
	bool write_protect, smap, pse, nx;
	unsigned phys_bits;
	/* Fetches what the processor has just executed: rights were passed, accessed bits are set.
	 */
	bool trusted;
};

/** Bits of a page fault's error code, SDM 4.7. */
#define PF_PRESENT BIT(0)
#define PF_WRITE BIT(1)
#define PF_USER BIT(2)
#define PF_RESERVED BIT(3)
/* What guest_walk() says besides: it is a fault, even if no other bit is set. */
#define PF_FAULT BIT(31)

/**
 * Guest-physical address of @linear by the guest's tables, whose accessed and dirty bits it sets as
 * the processor does (SDM 4.8). 0, or PF_FAULT with the error code of the page fault.
 */
ANY uint32_t guest_walk(struct vm *vm, const struct guest_paging *paging, uint64_t linear,
			enum guest_access access, gpa_t *gpa);

/** The same for the current vCPU; false: the page fault is queued. */
ANY bool guest_translate(struct vcpu *vcpu, uint64_t linear, enum guest_access access, gpa_t *gpa);

/** The same for the code at @linear, which the vCPU has just executed, so that its rights have been
 * looked at; false: it has been unmapped meanwhile, and nothing is queued. */
ANY bool guest_translate_code(struct vcpu *vcpu, uint64_t linear, gpa_t *gpa);

/** Linear address of @size bytes at @offset of segment @segment; false: #GP or #SS is queued. */
ANY bool guest_linear(unsigned segment, uint64_t offset, unsigned size, enum guest_access access,
		      uint64_t *linear);

#endif
