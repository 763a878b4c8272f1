/* unit-sources: hv/base/string.c */
/* SPDX-License-Identifier: MIT */
/* The table of MSRs, the bitmaps that are made of it, and what it answers. */
#include "vmx/msr.c"

#include "guest-tests/unit/unit.h"

struct vmx_caps vmx_caps;
static struct vm vm;
static struct vcpu vcpu = { .vm = &vm };
static uint8_t bitmaps[BITMAP_COUNT * PAGE_SIZE];

bool vlapic_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	*value = msr + (uint64_t)v->id;
	return true;
}

bool vlapic_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	return value == msr + (uint64_t)v->id;
}

void vlapic_write_tsc_deadline(struct vcpu *v, uint64_t value)
{
	v->timer_deadline = value;
}

void vlapic_tsc_moved(struct vcpu *v, uint64_t delta)
{
	v->tsc_adjust += delta;
}

uint64_t vcpu_tsc(const struct vcpu *v)
{
	return v->tsc_offset;
}

void vcpu_post(struct vcpu *v, uint8_t vector, bool level)
{
	v->remote_vectors[vector / 32] |= level;
}

void vcpu_trap_step(void)
{
}

void vcpu_inject_gp(void)
{
}

/* Said once more, and independently: whoever opens an MSR to guests has to think of it here too. */
static bool may_reach(uint32_t msr, bool write, bool assisted)
{
	switch (msr) {
	case 0x10: /* the TSC */
		return !write;
	case 0x174 ... 0x176:		/* SYSENTER */
	case 0x277:			/* PAT */
	case 0xc0000080 ... 0xc0000084: /* EFER to FMASK */
	case 0xc0000100 ... 0xc0000102: /* FS, GS, the kernel's GS */
		return true;
	case 0xc0000103: /* TSC_AUX */
		return vmx_caps.rdtscp;
	case 0x802: /* the local APIC's registers by number, SDM table 10-6 */
	case 0x803:
	case 0x80a:
	case 0x80d:
	case 0x80f:
	case 0x810 ... 0x828:
	case 0x830:
	case 0x832 ... 0x838:
	case 0x83e:
		return assisted && !write;
	case 0x808: /* TPR */
		return assisted;
	case 0x80b: /* EOI */
	case 0x83f: /* SELF_IPI */
		return assisted && write;
	default:
		return false;
	}
}

static unsigned row_of(uint32_t msr)
{
	switch (msr) {
#define OPEN_OF(first, last, open, place, read, write)                                             \
	case first ... last:                                                                       \
		return open;
		MSRS(OPEN_OF)
	default:
		return NONE;
	}
}

static bool is_open(unsigned bitmap, uint32_t msr, bool write)
{
	const uint8_t *part =
		bitmaps + bitmap * PAGE_SIZE + (write ? 2048 : 0) + (msr >= 0xc0000000 ? 1024 : 0);

	return !(part[(msr & 0x1fff) / 8] >> (msr & 7) & 1);
}

static void walk(void)
{
	memset(bitmaps, 0x55, sizeof(bitmaps));
	msr_fill_bitmaps(bitmaps);
	for (unsigned i = 0; i < 2 * 8192 * 2 * BITMAP_COUNT; i++) {
		uint32_t msr = (i & 0x1fff) | (i & 0x2000 ? 0xc0000000 : 0);
		bool write = i & 0x4000, assisted = i & 0x8000;
		bool open = is_open(assisted ? BITMAP_ASSISTED : BITMAP_PLAIN, msr, write);

		if (open != may_reach(msr, write, assisted))
			printf("MSR 0x%x, write %d, assisted %d: open %d\n", msr, write, assisted,
			       open);
		CHECK(open == may_reach(msr, write, assisted));
		if (!assisted && exists(msr))
			CHECK(open == !!(row_of(msr) & (write ? WRITES : READS)));
	}
}

TEST(bitmaps_follow_the_table)
{
	for (unsigned rdtscp = 0; rdtscp < 2; rdtscp++) {
		vmx_caps.rdtscp = rdtscp;
		walk();
	}
}

/* Those that hardware switches neither at entry nor at exit. */
TEST(what_is_saved)
{
	static const uint32_t want[] = { 0xc0000081, 0xc0000082, 0xc0000083,
					 0xc0000084, 0xc0000102, 0xc0000103 };

	CHECK(ARRAY_SIZE(saved_msrs) == ARRAY_SIZE(want));
	for (unsigned i = 0; i < ARRAY_SIZE(saved_msrs); i++)
		CHECK(saved_msrs[i] == want[i]);
}

static uint64_t mtrr_value(uint32_t msr)
{
	return msr == MSR_MTRR_DEF_TYPE ? 0xc06 : 0x1000ULL * msr;
}

TEST(mtrrs_are_kept_apart)
{
	static const uint32_t ranges[][2] = { { 0x200, 0x20f },
					      { 0x250, 0x250 },
					      { 0x258, 0x259 },
					      { 0x268, 0x26f },
					      { 0x2ff, 0x2ff } };
	uint64_t value;

	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
		for (uint32_t msr = ranges[i][0]; msr <= ranges[i][1]; msr++)
			CHECK(answer_write(&vcpu, msr, mtrr_value(msr)));
	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
		for (uint32_t msr = ranges[i][0]; msr <= ranges[i][1]; msr++)
			CHECK(answer_read(&vcpu, msr, &value) && value == mtrr_value(msr));
	for (unsigned i = 0; i < VM_MTRR_COUNT; i++)
		CHECK(vm.mtrr[i]);
	CHECK(!answer_write(&vcpu, MSR_MTRR_DEF_TYPE, 0xc02));
	CHECK(!answer_write(&vcpu, MSR_MTRR_DEF_TYPE, 0x1c06));
}

TEST(answers)
{
	uint64_t value;

	vcpu.id = 3;
	vcpu.tsc_adjust = 77;
	CHECK(answer_read(&vcpu, MSR_TSC_ADJUST, &value) && value == 77);
	CHECK(answer_read(&vcpu, MSR_MISC_ENABLE, &value) && value == 0x1801);
	CHECK(answer_read(&vcpu, MSR_UCODE_REV, &value) && value == 1ULL << 32);
	CHECK(answer_read(&vcpu, MSR_MCG_CAP, &value) && value == 0);
	for (uint32_t msr = MSR_X2APIC_FIRST; msr <= MSR_X2APIC_LAST; msr++) {
		CHECK(answer_read(&vcpu, msr, &value) && value == msr + 3);
		CHECK(answer_write(&vcpu, msr, msr + 3) && !answer_write(&vcpu, msr, msr));
	}
	CHECK(answer_read(&vcpu, MSR_APIC_BASE, &value) && value == MSR_APIC_BASE + 3);
	CHECK(answer_write(&vcpu, MSR_TSC_DEADLINE, MSR_TSC_DEADLINE + 3));
	CHECK(answer_write(&vcpu, MSR_MISC_ENABLE, 5) && answer_write(&vcpu, MSR_UCODE_REV, 0));
	CHECK(answer_write(&vcpu, MSR_DEBUGCTL, 0) && !answer_write(&vcpu, MSR_DEBUGCTL, 1));
	CHECK(!answer_write(&vcpu, MSR_MTRRCAP, 0x508) && !answer_write(&vcpu, MSR_MCG_CAP, 0));
}

TEST(what_does_not_exist)
{
	static const uint32_t absent[] = { MSR_SPEC_CTRL, MSR_PRED_CMD, MSR_ARCH_CAPABILITIES,
					   MSR_FLUSH_CMD, 0xc1,		0x38f,
					   0x480,	  0x491,	0xda0,
					   0x210,	  MSR_TSC_AUX,	0xc0001234,
					   0x40000000,	  0xffffffff };
	uint64_t value;

	for (unsigned i = 0; i < ARRAY_SIZE(absent); i++)
		CHECK(!answer_read(&vcpu, absent[i], &value) && !answer_write(&vcpu, absent[i], 0));
}

UNIT_MAIN
