// SPDX-License-Identifier: MIT
/* Makes a vCPU: its VMCS with controls, host state and the guest's power-on state. */
#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/platform.h"
#include "hv/asi/actions.h"
#include "hv/asi/flush.h"
#include "hv/asi/stun.h"
#include "hv/base/asm.h"
#include "hv/base/errno.h"
#include "hv/base/layout.h"
#include "hv/base/string.h"
#include "hv/config/boot_state.h"
#include "hv/config/config.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/record.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "mm/frames.h"
#include "vmx/caps.h"
#include "vmx/msr.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

#define NO_APIC_ID UINT32_MAX /* an APIC id that no CPU has */
/* A loop around PAUSE that takes at most so many ticks a round, and so many altogether, waits for
 * another vCPU (SDM 26.1.3). */
#define PAUSE_LOOP_GAP 128
#define PAUSE_LOOP_WINDOW 4096
#define EPTP_WB_4_LEVELS (6 | 3 << 3)

static void vmclear(hpa_t vmcs)
{
	__asm__ volatile("vmclear %0" : : "m"(vmcs.v) : "cc", "memory");
}

static void vmptrld(hpa_t vmcs)
{
	__asm__ volatile("vmptrld %0" : : "m"(vmcs.v) : "cc", "memory");
}

int vcpu_create(struct vm_record *record)
{
	record->msr_bitmap = frames_alloc(VCPU_MSR_BITMAP_ORDER, MEM_SENSITIVE, PURPOSE_VMX);
	static_assert(BITMAP_COUNT == 1 << VCPU_MSR_BITMAP_ORDER, "one allocation");
	record->msr_area = frames_alloc(0, MEM_SENSITIVE, PURPOSE_VMX);
	if (hpa_is_none(record->msr_bitmap) || hpa_is_none(record->msr_area))
		return -E_NOMEM;
	msr_fill_bitmaps(hpa_to_ptr(record->msr_bitmap));
	for (unsigned i = 0; i < record->config->vcpus; i++) {
		record->vmcs[i] = frames_alloc(0, MEM_SENSITIVE, PURPOSE_VMX);
		if (hpa_is_none(record->vmcs[i]))
			return -E_NOMEM;
		*(uint32_t *)hpa_to_ptr(record->vmcs[i]) = vmx_caps.revision;
	}
	return 0;
}

static void write_controls(const struct vm_record *record, const struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;

	vmcs_write(VMCS_PIN_CONTROLS,
		   vmx_caps.pin | (vm->timer == VM_TIMER_PREEMPTION ? PIN_PREEMPTION_TIMER : 0));
	vmcs_write(VMCS_EXIT_CONTROLS, vmx_caps.exit);
	vmcs_write(VMCS_PROC_CONTROLS, vmx_caps.proc);
	vmcs_write(VMCS_PROC2_CONTROLS,
		   vmx_caps.proc2 & ~(uint32_t)(vm->vcpu_count > 1 ? 0 : PROC2_PAUSE_LOOP));
	if (vmx_caps.pause_loop) {
		vmcs_write(VMCS_PLE_GAP, PAUSE_LOOP_GAP);
		vmcs_write(VMCS_PLE_WINDOW, PAUSE_LOOP_WINDOW);
	}
	vmcs_write(VMCS_ENTRY_CONTROLS, vmx_caps.entry | ENTRY_IA32E);
	/* #DB and #AC: a guest could otherwise loop in their delivery for ever; #MC is the host's
	 * business. */
	vmcs_write(VMCS_EXCEPTION_BITMAP,
		   BIT(EXCEPTION_DB) | BIT(EXCEPTION_AC) | BIT(EXCEPTION_MC));
	vmcs_write(VMCS_PF_ERROR_MASK, 0);
	vmcs_write(VMCS_PF_ERROR_MATCH, 0);
	vmcs_write(VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VMCS_LINK_POINTER, ~0ULL);
	vmcs_write(VMCS_MSR_BITMAP, record->msr_bitmap.v);
	vmcs_write(VMCS_TSC_OFFSET, vcpu->tsc_offset);
	if (vm->apicv)
		vmcs_write(VMCS_VIRTUAL_APIC_PAGE, record->apic_page[vcpu->id].v);
	vmcs_write(VMCS_EPT_POINTER, record->ept.root.v | EPTP_WB_4_LEVELS);
	/* Each vCPU its own: two of one VM can take turns on a CPU. */
	if (vmx_caps.vpid)
		vmcs_write(VMCS_VPID, vm->id * CONFIG_MAX_VCPUS + vcpu->id + 1U);
}

/* One entry of an MSR-load area, SDM 24.7.2. */
struct msr_load {
	uint32_t msr, reserved;
	uint64_t value;
};

/*
 * What of the policy lies in the VMCS and in this CPU: the root and the code that an exit finds,
 * the swap of IA32_SPEC_CTRL (SDM 24.7.2 and 24.8.2), flushing at every entry.
 */
static void apply_policy(const struct vm_record *record, struct vcpu *vcpu, const char *exit)
{
	const struct policy_actions *actions = flush_actions();
	const struct percpu *cpu = this_cpu();
	struct msr_load *area = hpa_to_ptr(record->msr_area);
	bool swap = actions->spec_ctrl_swap && !actions->restricts;

	vmcs_write(VMCS_HOST_CR3,
		   (actions->restricts ? cpu->cr3_restricted : cpu->cr3_full) & ~CR3_NOFLUSH);
	vmcs_write(VMCS_HOST_RIP, (uint64_t)exit);
	area[0] = (struct msr_load){ MSR_SPEC_CTRL, 0, actions->spec_ctrl_host };
	area[1] = (struct msr_load){ MSR_SPEC_CTRL, 0, FLUSH_SPEC_CTRL_GUEST };
	vmcs_write(VMCS_EXIT_MSR_LOAD_ADDRESS, record->msr_area.v);
	vmcs_write(VMCS_ENTRY_MSR_LOAD_ADDRESS, record->msr_area.v + sizeof(area[0]));
	vmcs_write(VMCS_EXIT_MSR_LOAD_COUNT, swap);
	vmcs_write(VMCS_ENTRY_MSR_LOAD_COUNT, swap);
	vcpu->work =
		(vcpu->work & ~(uint32_t)WORK_FLUSH) | (actions->flush_always ? WORK_FLUSH : 0);
	flush_init_cpu();
}

static void write_host_state(const struct vcpu *vcpu)
{
	const struct percpu *cpu = this_cpu();

	vmcs_write(VMCS_HOST_CR0, read_cr0());
	vmcs_write(VMCS_HOST_CR4, read_cr4());
	vmcs_write(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmcs_write(VMCS_HOST_PAT, HOST_PAT);
	vmcs_write(VMCS_HOST_ES, GDT_DATA);
	vmcs_write(VMCS_HOST_CS, GDT_CODE);
	vmcs_write(VMCS_HOST_SS, GDT_DATA);
	vmcs_write(VMCS_HOST_DS, GDT_DATA);
	vmcs_write(VMCS_HOST_FS, 0);
	vmcs_write(VMCS_HOST_GS, 0);
	vmcs_write(VMCS_HOST_TR, GDT_TSS);
	vmcs_write(VMCS_HOST_FS_BASE, 0);
	vmcs_write(VMCS_HOST_GS_BASE, 0);
	vmcs_write(VMCS_HOST_TR_BASE, (uint64_t)&cpu->tss);
	vmcs_write(VMCS_HOST_GDTR_BASE, (uint64_t)cpu->gdt);
	vmcs_write(VMCS_HOST_IDTR_BASE, (uint64_t)cpu->idt);
	vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
	vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_HOST_RSP, (uint64_t)vcpu + sizeof(vcpu->regs));
}

/* Segment access rights, SDM 24.4.1: type, S, P, G. */
enum { ACCESS_CODE32 = 0xc09b, ACCESS_DATA = 0xc093, ACCESS_TSS = 0x8b, ACCESS_UNUSABLE = 0x10000 };

/* Protected mode without paging, all segments flat, as a boot loader jumps to its kernel. There is
 * no table of descriptors yet. */
static void write_entry_state(uint32_t entry)
{
	enum { SELECTOR_CODE = 0x10, SELECTOR_DATA = 0x18 };

	/* ES, CS, SS, DS, FS, GS, LDTR, TR. */
	for (unsigned i = 0; i < 8; i++) {
		bool code = i == 1, system = i >= 6;
		uint32_t access = code ? ACCESS_CODE32 : ACCESS_DATA;

		if (system)
			access = i == 7 ? ACCESS_TSS : ACCESS_UNUSABLE;
		vmcs_write(VMCS_GUEST_ES + 2 * i, system ? 0
						  : code ? SELECTOR_CODE
							 : SELECTOR_DATA);
		vmcs_write(VMCS_GUEST_ES_BASE + 2 * i, 0);
		vmcs_write(VMCS_GUEST_ES_LIMIT + 2 * i, system ? 0xffff : 0xffffffff);
		vmcs_write(VMCS_GUEST_ES_ACCESS + 2 * i, access);
	}
	vmcs_write(VMCS_GUEST_GDTR_BASE, 0);
	vmcs_write(VMCS_GUEST_GDTR_LIMIT, 0);
	vmcs_write(VMCS_GUEST_IDTR_BASE, 0);
	vmcs_write(VMCS_GUEST_IDTR_LIMIT, 0);
	vmcs_write(VMCS_GUEST_CR0, CR0_PE | CR0_ET | CR0_NE);
	/* It begins with nothing else on. */
	vmcs_write(VMCS_CR0_SHADOW, CR0_PE | CR0_ET);
	vmcs_write(VMCS_GUEST_CR3, 0);
	vmcs_write(VMCS_GUEST_CR4, VCPU_CR4_FORCED);
	vmcs_write(VMCS_CR4_SHADOW, 0);
	vmcs_write(VMCS_GUEST_EFER, 0);
	vmcs_clear_bits(VMCS_ENTRY_CONTROLS, ENTRY_IA32E);
	vmcs_write(VMCS_GUEST_RIP, entry);
	vmcs_write(VMCS_GUEST_RSP, 0);
}

/* Real mode at @vector's page, as after a start-up IPI (SDM 10.4.7.4 and table 9-1). */
static void write_startup_state(uint8_t vector)
{
	enum { ACCESS_CODE16 = 0x9b, ACCESS_DATA16 = 0x93, ACCESS_LDT = 0x82 };

	for (unsigned i = 0; i < 8; i++) {
		uint32_t access = i == 1 ? ACCESS_CODE16 : ACCESS_DATA16;

		if (i >= 6)
			access = i == 7 ? ACCESS_TSS : ACCESS_LDT;
		vmcs_write(VMCS_GUEST_ES + 2 * i, i == 1 ? (uint64_t)vector << 8 : 0);
		vmcs_write(VMCS_GUEST_ES_BASE + 2 * i, i == 1 ? (uint64_t)vector << 12 : 0);
		vmcs_write(VMCS_GUEST_ES_LIMIT + 2 * i, 0xffff);
		vmcs_write(VMCS_GUEST_ES_ACCESS + 2 * i, access);
	}
	vmcs_write(VMCS_GUEST_GDTR_BASE, 0);
	vmcs_write(VMCS_GUEST_GDTR_LIMIT, 0xffff);
	vmcs_write(VMCS_GUEST_IDTR_BASE, 0);
	vmcs_write(VMCS_GUEST_IDTR_LIMIT, 0xffff);
	vmcs_write(VMCS_GUEST_CR0, CR0_ET | CR0_NE);
	vmcs_write(VMCS_CR0_SHADOW, CR0_ET | CR0_CD | CR0_NW);
	vmcs_write(VMCS_GUEST_CR3, 0);
	vmcs_write(VMCS_GUEST_CR4, VCPU_CR4_FORCED);
	vmcs_write(VMCS_CR4_SHADOW, 0);
	vmcs_write(VMCS_GUEST_EFER, 0);
	vmcs_clear_bits(VMCS_ENTRY_CONTROLS, ENTRY_IA32E);
	vmcs_write(VMCS_GUEST_RIP, 0);
	vmcs_write(VMCS_GUEST_RSP, 0);
}

/* What both beginnings share. */
static void write_common_state(const struct vm *vm)
{
	vmcs_write(VMCS_CR0_MASK, VCPU_CR0_OWNED);
	/* Turning PCIDs on or leaving PAE has conditions that the processor checks itself. */
	vmcs_write(VMCS_CR4_MASK, ~vm->cr4_allowed | VCPU_CR4_FORCED);
	vmcs_write(VMCS_GUEST_PAT, 0x0007040600070406ULL);
	vmcs_write(VMCS_GUEST_DR7, 0x400);
	vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
	vmcs_write(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	vmcs_write(VMCS_GUEST_SYSENTER_CS, 0);
	vmcs_write(VMCS_GUEST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_GUEST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmcs_write(VMCS_GUEST_ACTIVITY, 0);
	vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
	vmcs_write(VMCS_ENTRY_INTERRUPTION, 0);
	for (unsigned i = 0; i < 4; i++)
		vmcs_write(VMCS_GUEST_PDPTE0 + 2 * i, 0);
}

void vcpu_reset(struct vm_record *record, struct vcpu *vcpu, uint32_t entry)
{
	hpa_t vmcs = record->vmcs[vcpu->id];

	vcpu->tsc_offset = vcpu->vm->tsc_offset;
	vcpu->tsc_adjust = 0;
	vcpu->msr_bitmaps = record->msr_bitmap.v;
	vcpu->lapic.assisted = false;
	vmclear(vmcs);
	vmptrld(vmcs);
	write_controls(record, vcpu);
	write_common_state(vcpu->vm);
	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	if (entry)
		write_entry_state(entry);
	vmclear(vmcs);
	vcpu_reset_hardware(vcpu);
	vcpu->cr2 = 0;
	vcpu->xcr0 = 1;
	vcpu->work = (entry ? 0 : WORK_SIPI) |
		     (vcpu->vm->timer == VM_TIMER_PREEMPTION ? WORK_TIMER : 0) |
		     (vcpu->vm->traced ? WORK_TRACE : 0);
	vcpu->nmi_pending = vcpu->sipi_pending = false;
	vcpu->timer_deadline = 0;
	vcpu->host_apic_id = NO_APIC_ID;
	vcpu->remote = 0;
	memset(vcpu->remote_vectors, 0, sizeof(vcpu->remote_vectors));
}

void vcpu_make_current(const struct vm_record *record, const struct vcpu *vcpu)
{
	vmptrld(record->vmcs[vcpu->id]);
}

void vcpu_make_idle(const struct vm_record *record, const struct vcpu *vcpu)
{
	vmclear(record->vmcs[vcpu->id]);
}

void vcpu_load(const struct vm_record *record, struct vcpu *vcpu, const char *exit)
{
	vmptrld(record->vmcs[vcpu->id]);
	/* The CPU keeps no translation of the guest's of an earlier stay: vm_leave_window(). */
	vcpu->host_apic_id = this_cpu()->apic_id;
	write_host_state(vcpu);
	vcpu_load_hardware(vcpu);
	vcpu->gate = stun_gate(this_cpu()->id);
	apply_policy(record, vcpu, exit);
}

void vcpu_unload(const struct vm_record *record, struct vcpu *vcpu)
{
	vmclear(record->vmcs[vcpu->id]);
	vcpu_save_hardware(vcpu);
}

void vcpu_take_init(struct vcpu *vcpu)
{
	vcpu->work = (vcpu->work & ~(uint32_t)(WORK_INIT | WORK_HALT | WORK_IRQ)) | WORK_SIPI;
	vcpu->nmi_pending = false;
	vlapic_reset(vcpu, vcpu->id, vcpu->lapic.base_msr & APIC_BASE_X2APIC);
	vcpu_apic_mode_changed(vcpu);
	vcpu->work &= ~(uint32_t)WORK_IRQ;
}

void vcpu_start_up(struct vcpu *vcpu)
{
	write_common_state(vcpu->vm);
	write_startup_state(__atomic_load_n(&vcpu->remote_sipi, __ATOMIC_SEQ_CST));
	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs[REG_RDX] = cpuid(1, 0).eax; /* the signature, as after a reset */
	vcpu->cr2 = 0;
	vcpu->sipi_pending = false;
	vcpu->work = (vcpu->work & ~(uint32_t)WORK_SIPI) | WORK_CR2;
}
