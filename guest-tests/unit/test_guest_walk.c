/* unit-sources: vmx/exit/guest_memory.c */
/* SPDX-License-Identifier: MIT */
/* All rights that the tables of a guest can give, against what SDM 4.6 says in one sentence each.
 */
#include "guest-tests/unit/unit.h"
#include "vmx/exit/guest_memory.h"
#include "vmx/vcpu.h"

#define PAGES 8
#define ACCESSED 0x20ULL
#define DIRTY 0x40ULL
#define LARGE 0x80ULL

static uint64_t memory[PAGES][512] __attribute__((aligned(4096)));

void *vm_ram(struct vm *vm, gpa_t gpa, uint64_t len)
{
	(void)vm;
	return gpa.v + len <= sizeof(memory) ? (uint8_t *)memory + gpa.v : NULL;
}

void vcpu_inject_pf(struct vcpu *vcpu, uint64_t address, uint32_t error)
{
	(void)vcpu;
	(void)address;
	(void)error;
}

void vcpu_inject_fault(unsigned vector)
{
	(void)vector;
}

static struct guest_paging paging;

/* The level's table is page @level; the last one leads to page 0. */
static void set_tables(unsigned levels, const unsigned *bits)
{
	memset(memory, 0, sizeof(memory));
	for (unsigned i = 0; i < levels; i++)
		memory[1 + i][0] = (i + 1 < levels ? (2 + i) * PAGE_SIZE : 0) | bits[i];
}

static void check_walk(unsigned levels, const unsigned *bits, enum guest_access access)
{
	unsigned all = 7, absent = 0;
	uint32_t who = (paging.user ? 4U : 0) | (access == GUEST_WRITE ? 2U : 0), want = 0, got;
	gpa_t gpa;

	for (unsigned i = 0; i < levels; i++) {
		all &= bits[i];
		absent |= !(bits[i] & 1);
	}
	if (absent)
		want = PF_FAULT | who;
	else if (paging.user ? !(all & 4) || (access == GUEST_WRITE && !(all & 2))
			     : (paging.smap && (all & 4)) || (access == GUEST_WRITE &&
							      paging.write_protect && !(all & 2)))
		want = PF_FAULT | 1 | who;
	set_tables(levels, bits);
	got = guest_walk(NULL, &paging, 0x123, access, &gpa);
	CHECK(got == want);
	CHECK(got || gpa.v == 0x123);
	for (unsigned i = 0; i < levels; i++) {
		uint64_t marked = memory[1 + i][0] & (ACCESSED | DIRTY);
		bool leaf = i + 1 == levels;

		CHECK(marked == (got ? 0 : ACCESSED | (leaf && access == GUEST_WRITE ? DIRTY : 0)));
	}
}

static void all_rights(unsigned levels)
{
	for (unsigned pattern = 0; pattern < 1U << (3 * levels + 4); pattern++) {
		unsigned bits[4];

		for (unsigned i = 0; i < levels; i++)
			bits[i] = pattern >> (4 + 3 * i) & 7;
		paging.user = pattern & 1;
		paging.write_protect = pattern & 2;
		paging.smap = pattern & 4;
		check_walk(levels, bits, pattern & 8 ? GUEST_WRITE : GUEST_READ);
	}
}

TEST(all_rights_of_four_levels)
{
	paging = (struct guest_paging){ .mode = PAGING_4_LEVEL, .cr3 = PAGE_SIZE, .phys_bits = 36 };
	all_rights(4);
}

TEST(all_rights_of_pae)
{
	paging = (struct guest_paging){ .mode = PAGING_PAE, .phys_bits = 36 };
	paging.pdpte[0] = PAGE_SIZE | 1;
	all_rights(2);
	paging.pdpte[0] = 0;
	CHECK(guest_walk(NULL, &paging, 0, GUEST_READ, &(gpa_t){ 0 }) & PF_FAULT);
}

TEST(all_rights_of_32_bit_paging)
{
	paging = (struct guest_paging){ .mode = PAGING_32, .cr3 = PAGE_SIZE, .phys_bits = 36 };
	all_rights(2);
}

static uint32_t walk(uint64_t linear, uint64_t *gpa)
{
	gpa_t at = { 0 };
	uint32_t error = guest_walk(NULL, &paging, linear, GUEST_READ, &at);

	*gpa = at.v;
	return error;
}

TEST(large_pages)
{
	uint64_t gpa;

	paging = (struct guest_paging){ .mode = PAGING_4_LEVEL, .cr3 = PAGE_SIZE, .phys_bits = 36 };
	memset(memory, 0, sizeof(memory));
	memory[1][0] = 2 * PAGE_SIZE | 7;
	memory[2][1] = GIB(3) | LARGE | BIT(12) | 7;
	memory[2][0] = 3 * PAGE_SIZE | 7;
	memory[3][5] = MIB(18) | LARGE | 7;
	CHECK(walk(GIB(1) + 0x12345678, &gpa) == 0 && gpa == GIB(3) + 0x12345678);
	CHECK(walk(MIB(10) + 0x54321, &gpa) == 0 && gpa == MIB(18) + 0x54321);

	paging = (struct guest_paging){ .mode = PAGING_32, .cr3 = PAGE_SIZE, .phys_bits = 36 };
	memset(memory, 0, sizeof(memory));
	((uint32_t *)memory[1])[3] = MIB(8) | 5 << 13 | LARGE | 7;
	CHECK(walk(MIB(12) + 0x5678, &gpa) & PF_FAULT); /* a table beyond memory without PSE */
	paging.pse = true;
	CHECK(walk(MIB(12) + 0x5678, &gpa) == 0 && gpa == GIB(20) + MIB(8) + 0x5678);
}

TEST(reserved_bits_fault)
{
	static const struct {
		unsigned level;
		uint64_t bits;
	} wrong[] = {
		{ 0, BIT(36) }, { 3, BIT(51) }, { 3, BIT(63) }, { 0, LARGE }, { 2, LARGE | BIT(13) }
	};
	static const unsigned bits[] = { 7, 7, 7, 7 };
	uint64_t gpa;

	paging = (struct guest_paging){ .mode = PAGING_4_LEVEL, .cr3 = PAGE_SIZE, .phys_bits = 36 };
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		set_tables(4, bits);
		CHECK(walk(0, &gpa) == 0);
		memory[1 + wrong[i].level][0] |= wrong[i].bits;
		CHECK(walk(0, &gpa) == (PF_FAULT | PF_PRESENT | PF_RESERVED));
	}
	set_tables(4, bits);
	memory[4][0] |= BIT(63);
	paging.nx = true;
	CHECK(walk(0, &gpa) == 0);
}

TEST(tables_outside_memory_fault)
{
	static const unsigned bits[] = { 7, 7, 7, 7 };
	uint64_t gpa;

	paging = (struct guest_paging){ .mode = PAGING_4_LEVEL, .cr3 = PAGE_SIZE, .phys_bits = 36 };
	for (unsigned level = 0; level < 3; level++) {
		set_tables(4, bits);
		memory[1 + level][0] = GIB(1) | 7;
		CHECK(walk(0, &gpa) & PF_FAULT);
	}
	paging.cr3 = GIB(1);
	CHECK(walk(0, &gpa) & PF_FAULT);
}

UNIT_MAIN
