/* SPDX-License-Identifier: MIT */
/* A vCPU's VMCS-held state, for the exit handlers. The VMCS is current on this CPU. Any map unless
 * said. */
#ifndef VMX_VCPU_H
#define VMX_VCPU_H

#include "hv/base/asm.h"
#include "hv/vm/record.h"
#include "vmx/vmcs.h"

/* CR0 and CR4 bits that the guest cannot change without an exit. */
#define VCPU_CR0_OWNED (CR0_NE | CR0_NW | CR0_CD)
/* Set whatever the guest believes: VMX needs the one, and without the other a machine check, which
 * may come to all CPUs at once, would switch the machine off. */
#define VCPU_CR4_FORCED (CR4_VMXE | CR4_MCE)

/* A VM's MSR bitmaps, a page each and one behind the other: of 1 << this pages, BITMAP_COUNT. */
#define VCPU_MSR_BITMAP_ORDER 1

/** Allocates the VMCSs and the MSR bitmaps of VM @record. 0 or -E_NOMEM. */
FULL int vcpu_create(struct vm_record *record);

/**
 * Gives the vCPU its power-on state: in 32-bit protected mode at @entry, or waiting for a start-up
 * IPI if that is 0. The VM's window is current; no VMCS is afterwards.
 */
FULL void vcpu_reset(struct vm_record *record, struct vcpu *vcpu, uint32_t entry);

/** Loads the vCPU onto this CPU (VMCS, host state, what hardware keeps outside the VMCS), where its
 * exits land at @exit, and takes it off again, leaving nothing of it in registers. Its window is
 * current. */
FULL void vcpu_load(const struct vm_record *record, struct vcpu *vcpu, const char *exit);
FULL void vcpu_unload(const struct vm_record *record, struct vcpu *vcpu);

/** Resets, loads and saves what hardware keeps outside the VMCS (vmx/switch.c). */
FULL void vcpu_reset_hardware(struct vcpu *vcpu);
FULL void vcpu_load_hardware(const struct vcpu *vcpu);
FULL void vcpu_save_hardware(struct vcpu *vcpu);

/** Makes the VMCS of a vCPU that is on no CPU the current one, to look at it, and undoes that. */
FULL void vcpu_make_current(const struct vm_record *record, const struct vcpu *vcpu);
FULL void vcpu_make_idle(const struct vm_record *record, const struct vcpu *vcpu);

/** Prints the guest's registers, of a vCPU of VM @record that is on no CPU and cannot come to one.
 * No VMCS is current, before and after. */
FULL void vcpu_dump(const struct vm_record *record, const struct vcpu *vcpu);

/** WORK_INIT: as after an INIT, from now on waiting for a start-up IPI. Its VMCS is current. */
ANY void vcpu_take_init(struct vcpu *vcpu);

/** Its start-up IPI has come (vcpu.remote_sipi): it runs, in real mode. Its VMCS is current. */
ANY void vcpu_start_up(struct vcpu *vcpu);

/** Is the guest in 64-bit mode, not in compatibility mode or without it? */
static inline bool vcpu_is_64bit(void)
{
	return (vmcs_read(VMCS_GUEST_CS_ACCESS) & BIT(13)) &&
	       (vmcs_read(VMCS_GUEST_EFER) & EFER_LMA);
}

/** RFLAGS.TF is set, and an instruction of the guest, or a round of a repeated one, was executed
 * for it: queues the #DB that is due behind it (SDM 17.3.1.4). */
ANY void vcpu_trap_step(void);

/** Moves RIP on by @length bytes; what STI or MOV SS held back is over, and a guest that steps gets
 * its trap. Where RIP has 32 bits, the next entry sees whether it has become more, and fails
 * (exit_entry_failure()). */
static inline void vcpu_skip_bytes(uint64_t length)
{
	uint64_t interruptibility = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
	vmcs_write(VMCS_GUEST_RIP, vmcs_read(VMCS_GUEST_RIP) + length);
	if (unlikely(interruptibility & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)))
		vmcs_write(VMCS_GUEST_INTERRUPTIBILITY,
			   interruptibility & ~(INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
	if (unlikely(vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_TF))
		vcpu_trap_step();
}

/** Continues behind the instruction that caused the exit. */
static inline void vcpu_skip(void)
{
	vcpu_skip_bytes(vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
}

enum {
	EXCEPTION_DB = 1,
	EXCEPTION_BP = 3,
	EXCEPTION_UD = 6,
	EXCEPTION_DF = 8,
	EXCEPTION_SS = 12,
	EXCEPTION_GP = 13,
	EXCEPTION_PF = 14,
	EXCEPTION_AC = 17,
	EXCEPTION_MC = 18,
};

/** Queues an exception for the next entry. */
ANY void vcpu_inject_ud(void);
ANY void vcpu_inject_gp(void);
/** One with an error code, which is 0; a page fault with @error. */
ANY void vcpu_inject_fault(unsigned vector);
ANY void vcpu_inject_pf(struct vcpu *vcpu, uint64_t address, uint32_t error);

/** Queues again what the exit interrupted in its delivery (IDT-vectoring information, SDM 27.2.4);
 * was there anything? */
ANY bool vcpu_requeue_event(struct vcpu *vcpu);

/** WORK_IRQ: gives the guest its next NMI or interrupt, or asks for the window in which it can be
 * given. */
ANY void vcpu_inject_pending(struct vcpu *vcpu);

/** Other vCPUs' interrupts: @bits, not 0, of IRR's register @index, edge-triggered. What can be
 * taken with the next entry goes there without a detour. The VMCS is current. */
ANY void vcpu_accept(struct vcpu *vcpu, unsigned index, uint32_t bits);

/** For WORK_IRQ while the processor delivers by itself: tells it what requests and which EOIs are
 * to exit. */
ANY void apicv_hand_over(struct vcpu *vcpu);

/** Which of the two MSR bitmaps of a VM. */
enum { BITMAP_PLAIN, BITMAP_ASSISTED, BITMAP_COUNT };

/** Writes of the control registers as the guest means them; false: #GP. */
ANY bool vcpu_write_cr0(struct vcpu *vcpu, uint64_t value);
ANY bool vcpu_write_cr4(struct vcpu *vcpu, uint64_t value);
ANY uint64_t vcpu_read_cr0(void);

/** General register @index; RSP comes from the VMCS. */
static inline uint64_t vcpu_get_reg(const struct vcpu *vcpu, unsigned index)
{
	return unlikely(index == REG_RSP) ? vmcs_read(VMCS_GUEST_RSP) : vcpu->regs[index];
}

static inline void vcpu_set_reg(struct vcpu *vcpu, unsigned index, uint64_t value)
{
	if (unlikely(index == REG_RSP))
		vmcs_write(VMCS_GUEST_RSP, value);
	else
		vcpu->regs[index] = value;
}

/** CPL of the guest. */
static inline unsigned vcpu_cpl(void)
{
	return vmcs_read(VMCS_GUEST_SS_ACCESS) >> 5 & 3;
}

/**
 * Where the guest's timer is the preemption timer: expires a deadline that has come, and sets the
 * timer to what is left of the next one, as the time spent in the hypervisor does not count for it.
 */
ANY void vcpu_poll_timer(struct vcpu *vcpu);

#endif
