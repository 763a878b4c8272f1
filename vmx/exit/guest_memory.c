// SPDX-License-Identifier: MIT
#include "vmx/exit/guest_memory.h"

#include "drivers/guest/platform.h"
#include "hv/base/asm.h"
#include "hv/base/layout.h"
#include "hv/vm/vcpu.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

#define PTE_PRESENT BIT(0)
#define PTE_WRITE BIT(1)
#define PTE_USER BIT(2)
#define PTE_ACCESSED BIT(5)
#define PTE_DIRTY BIT(6)
#define PTE_LARGE BIT(7)
#define PTE_NX BIT(63)
#define PTE_ADDRESS 0x000ffffffffff000ULL

#define ACCESS_UNUSABLE BIT(16)
#define ACCESS_CODE BIT(3)
#define ACCESS_EXPAND_DOWN BIT(2)
#define ACCESS_READ_OR_WRITE BIT(1) /* code: may be read; data: may be written */
#define ACCESS_BIG BIT(14)

/* Entries that change under the walk, as often as this, are called a fault. */
#define ATTEMPTS 4

/* A walk on its way. */
struct walk {
	void *entries[4];
	uint64_t values[4];
	unsigned count;
	bool user, write; /* by all entries so far */
};

static bool is_narrow(const struct guest_paging *paging)
{
	return paging->mode == PAGING_32;
}

/* Reads the entry at @gpa; false: nothing is there. */
static bool read_entry(struct vm *vm, const struct guest_paging *paging, uint64_t gpa,
		       struct walk *walk)
{
	void *entry = vm_ram(vm, GPA(gpa), is_narrow(paging) ? 4 : 8);

	if (!entry)
		return false;
	walk->entries[walk->count] = entry;
	walk->values[walk->count++] = is_narrow(paging) ? *(const volatile uint32_t *)entry
							: *(const volatile uint64_t *)entry;
	return true;
}

/* Bits that have to be zero, SDM 4.3 to 4.5; @shift is that of what the entry covers. */
static bool has_reserved_bits(const struct guest_paging *paging, uint64_t value, unsigned shift,
			      bool large)
{
	uint64_t reserved = 0;

	if (is_narrow(paging)) /* PSE-36 has 40 bits */
		return large && (value & BIT(21));
	reserved = PTE_ADDRESS & ~((1ULL << paging->phys_bits) - 1);
	if (!paging->nx)
		reserved |= PTE_NX;
	if (paging->mode == PAGING_PAE)
		reserved |= 0x7ff0000000000000ULL;
	if (large)
		reserved |= ((1ULL << shift) - 1) & PTE_ADDRESS & ~BIT(12); /* PAT */
	if (shift > PAGE_SHIFT + 18)
		reserved |= PTE_LARGE;
	return value & reserved;
}

static uint64_t frame_of(const struct guest_paging *paging, uint64_t value, unsigned shift)
{
	if (is_narrow(paging) && shift > PAGE_SHIFT)
		return (value & 0xffc00000U) | (value >> 13 & 0xff) << 32;
	return value & PTE_ADDRESS & ~((1ULL << shift) - 1);
}

/* Sets what @bits are missing in entry @index; false: it has changed. */
static bool mark_entry(const struct guest_paging *paging, const struct walk *walk, unsigned index,
		       uint64_t bits)
{
	uint64_t old = walk->values[index];
	uint32_t old32 = (uint32_t)old;

	if ((old & bits) == bits)
		return true;
	if (is_narrow(paging))
		return __atomic_compare_exchange_n((uint32_t *)walk->entries[index], &old32,
						   (uint32_t)(old | bits), false, __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST);
	return __atomic_compare_exchange_n((uint64_t *)walk->entries[index], &old, old | bits,
					   false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static bool mark(const struct guest_paging *paging, const struct walk *walk,
		 enum guest_access access)
{
	uint64_t leaf = PTE_ACCESSED | (access == GUEST_WRITE ? PTE_DIRTY : 0);

	for (unsigned i = 0; i < walk->count; i++)
		if (!mark_entry(paging, walk, i, i + 1 == walk->count ? leaf : PTE_ACCESSED))
			return false;
	return true;
}

static bool may_access(const struct guest_paging *paging, const struct walk *walk,
		       enum guest_access access)
{
	if (paging->user)
		return walk->user && (access == GUEST_READ || walk->write);
	if (walk->user && paging->smap)
		return false;
	return access == GUEST_READ || walk->write || !paging->write_protect;
}

/* Follows the tables down to the page; its frame, or an error. */
static uint32_t descend(struct vm *vm, const struct guest_paging *paging, uint64_t linear,
			struct walk *walk, uint64_t *frame, unsigned *shift)
{
	unsigned bits = is_narrow(paging) ? 10 : 9, size = is_narrow(paging) ? 4 : 8;
	uint64_t table = paging->cr3 & (is_narrow(paging) ? 0xfffff000U : PTE_ADDRESS);

	*shift = PAGE_SHIFT + bits * (paging->mode == PAGING_4_LEVEL ? 3 : 1);
	if (paging->mode == PAGING_PAE) {
		table = paging->pdpte[linear >> 30 & 3];
		if (!(table & PTE_PRESENT))
			return PF_FAULT;
		table &= PTE_ADDRESS;
	}
	for (;; *shift -= bits) {
		uint64_t value, at = table + (linear >> *shift & ((1U << bits) - 1)) * size;
		bool large;

		if (!read_entry(vm, paging, at, walk))
			return PF_FAULT | PF_PRESENT | PF_RESERVED;
		value = walk->values[walk->count - 1];
		if (!(value & PTE_PRESENT))
			return PF_FAULT;
		large = *shift > PAGE_SHIFT && *shift <= PAGE_SHIFT + 18 && (value & PTE_LARGE) &&
			(!is_narrow(paging) || paging->pse);
		if (has_reserved_bits(paging, value, *shift, large))
			return PF_FAULT | PF_PRESENT | PF_RESERVED;
		walk->user &= (value & PTE_USER) != 0;
		walk->write &= (value & PTE_WRITE) != 0;
		if (*shift == PAGE_SHIFT || large) {
			*frame = frame_of(paging, value, *shift);
			return 0;
		}
		table = value & PTE_ADDRESS;
	}
}

uint32_t guest_walk(struct vm *vm, const struct guest_paging *paging, uint64_t linear,
		    enum guest_access access, gpa_t *gpa)
{
	uint32_t who = (paging->user ? (uint32_t)PF_USER : 0) |
		       (access == GUEST_WRITE ? (uint32_t)PF_WRITE : 0);

	if (paging->mode != PAGING_4_LEVEL)
		linear &= UINT32_MAX;
	if (paging->mode == PAGING_OFF) {
		*gpa = GPA(linear);
		return 0;
	}
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		struct walk walk = { .user = true, .write = true };
		unsigned shift;
		uint64_t frame = 0;
		uint32_t error = descend(vm, paging, linear, &walk, &frame, &shift);

		if (error)
			return error | who;
		*gpa = GPA(frame | (linear & ((1ULL << shift) - 1)));
		if (paging->trusted)
			return 0;
		if (!may_access(paging, &walk, access))
			return PF_FAULT | PF_PRESENT | who;
		if (mark(paging, &walk, access))
			return 0;
	}
	return PF_FAULT | who;
}

static struct guest_paging current_paging(unsigned phys_bits)
{
	uint64_t cr0 = vmcs_read(VMCS_GUEST_CR0), cr4 = vmcs_read(VMCS_GUEST_CR4);
	uint64_t efer = vmcs_read(VMCS_GUEST_EFER);
	struct guest_paging paging = {
		.mode = PAGING_OFF,
		.cr3 = vmcs_read(VMCS_GUEST_CR3),
		.user = vcpu_cpl() == 3,
		.write_protect = cr0 & CR0_WP,
		.smap = (cr4 & CR4_SMAP) && !(vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_AC),
		.pse = cr4 & CR4_PSE,
		.nx = efer & EFER_NX,
		.phys_bits = phys_bits,
	};

	if (efer & EFER_LMA)
		paging.mode = PAGING_4_LEVEL;
	else if (cr0 & CR0_PG)
		paging.mode = cr4 & CR4_PAE ? PAGING_PAE : PAGING_32;
	for (unsigned i = 0; paging.mode == PAGING_PAE && i < 4; i++)
		paging.pdpte[i] = vmcs_read(VMCS_GUEST_PDPTE0 + 2 * i);
	return paging;
}

bool guest_translate(struct vcpu *vcpu, uint64_t linear, enum guest_access access, gpa_t *gpa)
{
	struct guest_paging paging = current_paging(vcpu->vm->phys_bits);
	uint32_t error = guest_walk(vcpu->vm, &paging, linear, access, gpa);

	if (error)
		vcpu_inject_pf(vcpu, linear, error & ~(uint32_t)PF_FAULT);
	return !error;
}

/* A table's entry. Tables nearly always lie in low memory that is there. */
static inline const void *table_entry(struct vm *vm, uint64_t gpa)
{
	if (likely(gpa < vm->ram_low - 8 && !vm->lazy))
		return (const void *)(GUEST_BASE + gpa);
	return vm_ram(vm, GPA(gpa), 8);
}

/* The short way where nearly all code is: every access to a device goes it. */
static bool walk_4_levels(struct vm *vm, uint64_t table, uint64_t address, gpa_t *gpa)
{
	for (unsigned shift = PAGE_SHIFT + 27;; shift -= 9) {
		const uint64_t *entry = table_entry(vm, table + ((address >> shift) & 511) * 8);
		uint64_t value;

		if (unlikely(!entry))
			return false;
		value = *(const volatile uint64_t *)entry;
		if (unlikely(!(value & PTE_PRESENT)))
			return false;
		table = value & PTE_ADDRESS;
		if (shift == PAGE_SHIFT || ((value & PTE_LARGE) && shift <= PAGE_SHIFT + 18)) {
			uint64_t mask = (1ULL << shift) - 1;

			*gpa = GPA((table & ~mask) | (address & mask));
			return true;
		}
	}
}

bool guest_translate_code(struct vcpu *vcpu, uint64_t linear, gpa_t *gpa)
{
	struct guest_paging paging;

	if (likely(vmcs_read(VMCS_GUEST_EFER) & EFER_LMA))
		return walk_4_levels(vcpu->vm, vmcs_read(VMCS_GUEST_CR3) & PTE_ADDRESS, linear,
				     gpa);
	paging = current_paging(vcpu->vm->phys_bits);
	paging.trusted = true;
	return !guest_walk(vcpu->vm, &paging, linear, GUEST_READ, gpa);
}

static bool is_canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Outside 64-bit mode: type and limit, SDM 5.3 to 5.5. */
static bool segment_allows(unsigned segment, uint64_t offset, unsigned size,
			   enum guest_access access)
{
	uint64_t rights = vmcs_read(VMCS_GUEST_ES_ACCESS + 2 * segment);
	uint64_t limit = vmcs_read(VMCS_GUEST_ES_LIMIT + 2 * segment);
	uint64_t last = offset + size - 1;

	if (rights & ACCESS_UNUSABLE)
		return false;
	if (rights & ACCESS_CODE) {
		if (access == GUEST_WRITE || !(rights & ACCESS_READ_OR_WRITE))
			return false;
	} else {
		if (access == GUEST_WRITE && !(rights & ACCESS_READ_OR_WRITE))
			return false;
		if (rights & ACCESS_EXPAND_DOWN)
			return offset > limit &&
			       last <= (rights & ACCESS_BIG ? UINT32_MAX : UINT16_MAX);
	}
	return last <= limit;
}

bool guest_linear(unsigned segment, uint64_t offset, unsigned size, enum guest_access access,
		  uint64_t *linear)
{
	uint64_t base = vmcs_read(VMCS_GUEST_ES_BASE + 2 * segment);
	bool allowed;

	if (vcpu_is_64bit()) {
		*linear = offset + (segment >= GUEST_FS ? base : 0);
		allowed = is_canonical(*linear) && is_canonical(*linear + size - 1);
	} else {
		*linear = (base + offset) & UINT32_MAX;
		allowed = segment_allows(segment, offset, size, access);
	}
	if (!allowed)
		vcpu_inject_fault(segment == GUEST_SS ? EXCEPTION_SS : EXCEPTION_GP);
	return allowed;
}
