/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's virtual address space: every region has its own PML4 slot, so that a hierarchy
 * is a list of slots (docs/ARCHITECTURE.md has the picture).
 */
#ifndef HV_LAYOUT_H
#define HV_LAYOUT_H

#include "hv/base/types.h"

/* Slot 256: all RAM. Full map only. */
#define PHYSMAP_BASE 0xffff800000000000ULL
/* Slot 288: the current VM, and nothing of any other. Same subtree in both maps. */
#define WINDOW_BASE 0xffff900000000000ULL
/* Guest RAM: guest-physical address g is at GUEST_BASE + g. */
#define GUEST_BASE WINDOW_BASE
#define GUEST_SPAN GIB(256)
/* What the hypervisor keeps about the VM: struct vm first, then a block per vCPU. */
#define VM_PRIV_BASE (WINDOW_BASE + GUEST_SPAN)
#define VM_PRIV_SPAN MIB(16)
#define VM_VCPU_BASE (VM_PRIV_BASE + VM_PRIV_SPAN)
#define VM_VCPU_STRIDE KIB(64)
/* Disk images, one a span. */
#define VM_DISK_BASE (WINDOW_BASE + GIB(320))
#define VM_DISK_SPAN GIB(32)
/* Slot 320: this CPU's private data; same address on every CPU, different frames. */
#define CPU_BASE 0xffffa00000000000ULL
/* Slot 352: data that every CPU may see in either map, each with a written reason; and device
 * registers. */
#define GLOBAL_BASE 0xffffb00000000000ULL
#define GLOBAL_MMIO_BASE (GLOBAL_BASE + GIB(64))
/* Slot 384: device memory that only the full map shows (the framebuffer). */
#define FULL_MMIO_BASE 0xffffc00000000000ULL
/* Slot 511: the hypervisor's image. */
#define IMAGE_BASE 0xffffffff80000000ULL

/* What is zeroed of a stack is a multiple of this, so the last bytes are not used (hv/cpu/stack.h).
 */
#define STACK_ROUND 128

#define PML4_SLOT(va) (((va) >> 39) & 511)

#ifdef CLOISTER_HOST_TEST
/* Unit tests back "physical memory" by an ordinary buffer. */
extern uint8_t *host_test_physmap;
#define PHYSMAP_POINTER host_test_physmap
#else
#define PHYSMAP_POINTER ((uint8_t *)PHYSMAP_BASE)
#endif

/** Pointer to physical memory through the physmap. Full map only: in restricted, using it
 * escalates. */
static inline void *hpa_to_ptr(hpa_t hpa)
{
	return PHYSMAP_POINTER + hpa.v;
}

/** Inverse of hpa_to_ptr(). */
static inline hpa_t ptr_to_hpa(const void *ptr)
{
	return HPA((uint64_t)((const uint8_t *)ptr - (const uint8_t *)PHYSMAP_POINTER));
}

#endif
