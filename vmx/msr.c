// SPDX-License-Identifier: MIT
/*
 * A guest's MSRs. One table says which accesses to each do not exit, where its value is while
 * another guest has the CPU, and what answers the accesses that do; the MSR bitmap, the switch and
 * the handlers follow from it. What is not in it does not exist: #GP.
 */
#include "vmx/msr.h"

#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/platform.h"
#include "hv/base/asm.h"
#include "hv/base/string.h"
#include "hv/vm/vm.h"
#include "vmx/caps.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

#define MSR_P5_MC_ADDR 0x0
#define MSR_P5_MC_TYPE 0x1
#define MSR_PLATFORM_ID 0x17
#define MSR_EBL_CR_POWERON 0x2a
#define MSR_TSC_ADJUST 0x3b
#define MSR_MCG_CAP 0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MTRR_VAR_FIRST 0x200
#define MSR_MTRR_VAR_LAST 0x20f
#define MSR_MTRR_FIX64K 0x250
#define MSR_MTRR_FIX16K_0 0x258
#define MSR_MTRR_FIX16K_1 0x259
#define MSR_MTRR_FIX4K_FIRST 0x268
#define MSR_MTRR_FIX4K_LAST 0x26f
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MSR_X2APIC_ICR 0x830
#define ICR_OFFSET (0x30 * 4) /* of struct vlapic's page */

/* Eight variable ranges, fixed ranges, write-combining. */
#define MTRRCAP_VALUE 0x508
/* Fast strings; branch-trace and PEBS unavailable, as they are. */
#define MISC_ENABLE_VALUE (BIT(0) | BIT(11) | BIT(12))
/* Locked, and VMX stays off. */
#define FEATURE_CONTROL_VALUE 1
#define UCODE_REV_VALUE (1ULL << 32)

/* Which accesses do not exit. */
enum { NONE, READS = 1, WRITES = 2, ALL = READS | WRITES };
/* Where the value is while another guest has the CPU. */
enum { SOFTWARE, IN_VMCS, AT_SWITCH };

/* What answers an access that exits: an expression of vcpu, msr and value; false: #GP. */
#define FAULTS false
#define IGNORED true
#define IS(what) (*value = (what), true)
#define KEPT(variable) ((variable) = value, true)

#define OWN(ROW, msr, place) ROW(msr, msr, ALL, place, FAULTS, FAULTS)
#define ANSWERED(ROW, msr, read, write) ROW(msr, msr, NONE, SOFTWARE, read, write)
/* The MTRRs keep what is written and have no effect: EPT says write-back for all of RAM and the
 * guest's PAT applies on top. @index: into vm->mtrr. */
#define MTRR(first, index) vcpu->vm->mtrr[(index) + (msr - (first))]
#define MTRRS(ROW, first, last, index)                                                             \
	ROW(first, last, NONE, SOFTWARE, IS(MTRR(first, index)), KEPT(MTRR(first, index)))

/* clang-format off */
#define MSRS(ROW)                                                                                  \
	/* first, last, does not exit, where it is kept, RDMSR, WRMSR */                           \
	ANSWERED(ROW, MSR_P5_MC_ADDR, IS(0), IGNORED)                                              \
	ANSWERED(ROW, MSR_P5_MC_TYPE, IS(0), IGNORED)                                              \
	/* in the VMCS as an offset */                                                             \
	ROW(MSR_TSC, MSR_TSC, READS, IN_VMCS, FAULTS, shift_tsc(vcpu, value - vcpu_tsc(vcpu)))     \
	ANSWERED(ROW, MSR_PLATFORM_ID, IS(0), FAULTS)                                              \
	ANSWERED(ROW, MSR_APIC_BASE, APIC_READ, APIC_WRITE)                                        \
	ANSWERED(ROW, MSR_EBL_CR_POWERON, IS(0), FAULTS)                                           \
	ANSWERED(ROW, MSR_FEATURE_CONTROL, IS(FEATURE_CONTROL_VALUE), FAULTS)                      \
	ANSWERED(ROW, MSR_TSC_ADJUST, IS(vcpu->tsc_adjust),                                        \
		 shift_tsc(vcpu, value - vcpu->tsc_adjust))                                        \
	ANSWERED(ROW, MSR_UCODE_REV, IS(UCODE_REV_VALUE), IGNORED)                                 \
	ANSWERED(ROW, MSR_MTRRCAP, IS(MTRRCAP_VALUE), FAULTS)                                      \
	OWN(ROW, MSR_SYSENTER_CS, IN_VMCS)                                                         \
	OWN(ROW, MSR_SYSENTER_ESP, IN_VMCS)                                                        \
	OWN(ROW, MSR_SYSENTER_EIP, IN_VMCS)                                                        \
	ANSWERED(ROW, MSR_MCG_CAP, IS(0), FAULTS)                                                  \
	ANSWERED(ROW, MSR_MCG_STATUS, IS(0), value == 0)                                           \
	/* the bits that Linux turns off are off, the others are not offered */                    \
	ANSWERED(ROW, MSR_MISC_ENABLE, IS(MISC_ENABLE_VALUE), IGNORED)                             \
	ANSWERED(ROW, MSR_DEBUGCTL, IS(0), value == 0)                                             \
	MTRRS(ROW, MSR_MTRR_VAR_FIRST, MSR_MTRR_VAR_LAST, 0)                                       \
	MTRRS(ROW, MSR_MTRR_FIX64K, MSR_MTRR_FIX64K, 24)                                           \
	MTRRS(ROW, MSR_MTRR_FIX16K_0, MSR_MTRR_FIX16K_1, 25)                                       \
	MTRRS(ROW, MSR_MTRR_FIX4K_FIRST, MSR_MTRR_FIX4K_LAST, 16)                                  \
	OWN(ROW, MSR_PAT, IN_VMCS)                                                                 \
	ANSWERED(ROW, MSR_MTRR_DEF_TYPE, IS(vcpu->vm->mtrr[VM_MTRR_DEF_TYPE]),                     \
		 valid_def_type(value) && KEPT(vcpu->vm->mtrr[VM_MTRR_DEF_TYPE]))                  \
	ANSWERED(ROW, MSR_TSC_DEADLINE, APIC_READ, APIC_WRITE)                                     \
	/* NONE but for the assisted bitmap: open_x2apic() */                                      \
	ROW(MSR_X2APIC_FIRST, MSR_X2APIC_LAST, NONE, IN_VMCS, APIC_READ, APIC_WRITE)               \
	OWN(ROW, MSR_EFER, IN_VMCS)                                                                \
	OWN(ROW, MSR_STAR, AT_SWITCH)                                                              \
	OWN(ROW, MSR_LSTAR, AT_SWITCH)                                                             \
	OWN(ROW, MSR_CSTAR, AT_SWITCH)                                                             \
	OWN(ROW, MSR_FMASK, AT_SWITCH)                                                             \
	OWN(ROW, MSR_FS_BASE, IN_VMCS)                                                             \
	OWN(ROW, MSR_GS_BASE, IN_VMCS)                                                             \
	OWN(ROW, MSR_KERNEL_GS_BASE, AT_SWITCH)                                                    \
	OWN(ROW, MSR_TSC_AUX, AT_SWITCH)
/* clang-format on */

/* With a place of its own, or one guest would find what another wrote. */
#define CHECK_ROW(first, last, open, place, read, write)                                           \
	static_assert((open) == NONE || (place) != SOFTWARE, #first ": open, and nowhere kept");   \
	static_assert((place) != AT_SWITCH || (first) == (last), #first ": saved one by one");
MSRS(CHECK_ROW)

/* Of those that are saved and loaded where guests take turns on a CPU. */
#define SAVED_SOFTWARE(msr)
#define SAVED_IN_VMCS(msr)
#define SAVED_AT_SWITCH(msr) msr,
#define SAVED_ROW(first, last, open, place, read, write) SAVED_##place(first)
static const uint32_t saved_msrs[] = { MSRS(SAVED_ROW) };
static_assert(ARRAY_SIZE(saved_msrs) <= VCPU_SAVED_MSRS, "struct vcpu_hardware");

static bool exists(uint32_t msr)
{
	return msr != MSR_TSC_AUX || vmx_caps.rdtscp;
}

enum {
	BITMAP_READ_LOW = 0,
	BITMAP_READ_HIGH = 1024,
	BITMAP_WRITE_LOW = 2048,
	BITMAP_WRITE_HIGH = 3072
};

static void bitmap_open(uint8_t *bitmap, uint32_t msr, bool write)
{
	unsigned base = msr >= 0xc0000000 ? (write ? BITMAP_WRITE_HIGH : BITMAP_READ_HIGH)
					  : (write ? BITMAP_WRITE_LOW : BITMAP_READ_LOW);
	unsigned bit = msr & 0x1fff;

	bitmap[base + bit / 8] &= (uint8_t) ~(1U << (bit % 8));
}

/* What the processor serves from the page of registers: reads of what lies there, and writes of
 * TPR, EOI and SELF_IPI. All others have to exit: they would reach the host's own APIC. */
static void open_x2apic(uint8_t *bitmap)
{
	static const uint8_t written[] = { 0x08, 0x0b, 0x3f };

	for (unsigned i = 0; i < 64; i++)
		if (VLAPIC_READABLE >> i & 1 && i != VLAPIC_CURRENT_COUNT)
			bitmap_open(bitmap, MSR_X2APIC_FIRST + i, false);
	for (unsigned i = 0; i < ARRAY_SIZE(written); i++)
		bitmap_open(bitmap, MSR_X2APIC_FIRST + written[i], true);
}

static void open_row(uint8_t *bitmap, uint32_t first, uint32_t last, unsigned open)
{
	for (uint32_t msr = first; open && msr <= last; msr++) {
		if ((open & READS) && exists(msr))
			bitmap_open(bitmap, msr, false);
		if ((open & WRITES) && exists(msr))
			bitmap_open(bitmap, msr, true);
	}
}

void msr_fill_bitmaps(uint8_t *bitmaps)
{
	memset(bitmaps, 0xff, BITMAP_COUNT * PAGE_SIZE);
	for (unsigned i = 0; i < BITMAP_COUNT; i++) {
#define OPEN_ROW(first, last, open, place, read, write)                                            \
	open_row(bitmaps + i * PAGE_SIZE, first, last, open);
		MSRS(OPEN_ROW)
	}
	open_x2apic(bitmaps + BITMAP_ASSISTED * PAGE_SIZE);
}

void msr_load(const struct vcpu_hardware *hardware)
{
	for (unsigned i = 0; i < ARRAY_SIZE(saved_msrs); i++)
		if (exists(saved_msrs[i]))
			wrmsr(saved_msrs[i], hardware->msrs[i]);
}

void msr_save(struct vcpu_hardware *hardware)
{
	for (unsigned i = 0; i < ARRAY_SIZE(saved_msrs); i++)
		if (exists(saved_msrs[i]))
			hardware->msrs[i] = rdmsr(saved_msrs[i]);
}

void msr_scrub(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(saved_msrs); i++)
		if (exists(saved_msrs[i]))
			wrmsr(saved_msrs[i], 0);
}

/* The vCPU moves its clock by @delta; its TSC_ADJUST follows, as SDM 17.17.3 wants. True. */
static bool shift_tsc(struct vcpu *vcpu, uint64_t delta)
{
	vcpu->tsc_adjust += delta;
	vcpu->tsc_offset += delta;
	vmcs_write(VMCS_TSC_OFFSET, vcpu->tsc_offset);
	vlapic_tsc_moved(vcpu, delta);
	return true;
}

/* Of MTRR_DEF_TYPE. */
static bool valid_def_type(uint64_t value)
{
	uint64_t type = value & 0xff;

	return !(value & ~0xcffULL) && type < 8 && (0x73U >> type & 1); /* UC, WC, WT, WP, WB */
}

#define APIC_READ vlapic_msr_read(vcpu, msr, value)
#define APIC_WRITE vlapic_msr_write(vcpu, msr, value)

static bool is_x2apic(uint32_t msr)
{
	return msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST;
}

/* NOLINTBEGIN(bugprone-branch-clone): a row each */
static bool answer_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	switch (msr) {
#define READ_ROW(first, last, open, place, read, write)                                            \
	case (first)...(last):                                                                     \
		return (read);
		MSRS(READ_ROW)
	default:
		return false;
	}
}

static bool answer_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	switch (msr) {
#define WRITE_ROW(first, last, open, place, read, write)                                           \
	case (first)...(last):                                                                     \
		return (write);
		MSRS(WRITE_ROW)
	default:
		return false;
	}
}

/* NOLINTEND(bugprone-branch-clone) */

void msr_exit_read(struct vcpu *vcpu)
{
	uint32_t msr = (uint32_t)vcpu->regs[REG_RCX];
	uint64_t value;
	bool ok;

	/* The frequent ones first. */
	if (msr == MSR_MISC_ENABLE)
		ok = answer_read(vcpu, MSR_MISC_ENABLE, &value);
	else if (is_x2apic(msr))
		ok = vlapic_msr_read(vcpu, msr, &value);
	else
		ok = answer_read(vcpu, msr, &value);
	if (unlikely(!ok)) {
		vcpu_inject_gp();
		return;
	}
	vcpu->regs[REG_RAX] = (uint32_t)value;
	vcpu->regs[REG_RDX] = value >> 32;
	vcpu_skip();
}

/* What most IPIs are, a vector for one other vCPU: straight to where that one looks. */
static bool send_plain_ipi(struct vcpu *vcpu, uint64_t icr)
{
	uint64_t to = icr >> 32;

	if ((uint32_t)icr - 16 >= 0xf0 || to >= vcpu->vm->vcpu_count || to == vcpu->id ||
	    !(vcpu->lapic.base_msr & APIC_BASE_X2APIC))
		return false;
	vcpu->lapic.page[ICR_OFFSET] = (uint32_t)icr;
	vcpu->lapic.page[ICR_OFFSET + 1] = (uint32_t)to;
	vcpu_post(vcpu_here((unsigned)to), (uint8_t)icr, false);
	return true;
}

void msr_exit_write(struct vcpu *vcpu)
{
	uint32_t msr = (uint32_t)vcpu->regs[REG_RCX];
	uint64_t value = vcpu->regs[REG_RDX] << 32 | (uint32_t)vcpu->regs[REG_RAX];

	if (likely(msr == MSR_TSC_DEADLINE)) {
		vlapic_write_tsc_deadline(vcpu, value);
	} else if (msr != MSR_X2APIC_ICR || !send_plain_ipi(vcpu, value)) {
		bool ok = is_x2apic(msr) ? vlapic_msr_write(vcpu, msr, value)
					 : answer_write(vcpu, msr, value);

		if (unlikely(!ok)) {
			vcpu_inject_gp();
			return;
		}
	}
	vcpu_skip();
}
