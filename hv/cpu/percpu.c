// SPDX-License-Identifier: MIT
#include "hv/cpu/percpu.h"

#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/errno.h"
#include "hv/cpu/cpu.h"
#include "mm/frames.h"

struct cpu_record cpus[PERCPU_MAX];
unsigned cpu_count;

extern const char exception_stubs[];
void percpu_load_tables(const void *gdtr, const void *idtr, uint16_t tss_selector);

enum { IST_NMI = 1, IST_MC = 2, IST_DF = 3 };
enum { VECTOR_NMI = 2, VECTOR_DF = 8, VECTOR_MC = 18 };
#define GATE_INTERRUPT 0x8e
#define STUB_SIZE 16

static BOOT int alloc_stack(struct space_pair *pair, unsigned id, uint64_t va, unsigned pages)
{
	void *unused;

	return space_cpu_alloc(pair, (uint16_t)id, va, pages, &unused);
}

static BOOT void fill_tables(struct percpu *cpu)
{
	uint64_t tss = CPU_BASE + offsetof(struct percpu, tss);
	uint64_t limit = sizeof(cpu->tss) - 1;

	cpu->gdt[GDT_CODE / 8] = 0x00af9b000000ffffULL;
	cpu->gdt[GDT_DATA / 8] = 0x00cf93000000ffffULL;
	cpu->gdt[GDT_TSS / 8] =
		limit | (tss & 0xffffff) << 16 | 0x89ULL << 40 | (tss >> 24 & 0xff) << 56;
	cpu->gdt[GDT_TSS / 8 + 1] = tss >> 32;

	cpu->tss.ist[IST_NMI - 1] = PERCPU_NMI_STACK_TOP;
	cpu->tss.ist[IST_MC - 1] = PERCPU_MC_STACK + PERCPU_IST_PAGES * PAGE_SIZE;
	cpu->tss.ist[IST_DF - 1] = PERCPU_DF_STACK + PERCPU_IST_PAGES * PAGE_SIZE;
	cpu->tss.iomap_base = sizeof(cpu->tss);

	for (unsigned v = 0; v < ARRAY_SIZE(cpu->idt); v++) {
		uint64_t handler = (uint64_t)exception_stubs + (uint64_t)v * STUB_SIZE;

		cpu->idt[v].offset_low = (uint16_t)handler;
		cpu->idt[v].offset_middle = (uint16_t)(handler >> 16);
		cpu->idt[v].offset_high = (uint32_t)(handler >> 32);
		cpu->idt[v].selector = GDT_CODE;
		cpu->idt[v].type = GATE_INTERRUPT;
	}
	cpu->idt[VECTOR_NMI].ist = IST_NMI;
	cpu->idt[VECTOR_MC].ist = IST_MC;
	cpu->idt[VECTOR_DF].ist = IST_DF;
}

BOOT int percpu_create(unsigned id, uint32_t apic_id)
{
	struct cpu_record *record = &cpus[id];
	struct percpu *cpu;
	hpa_t text = frames_alloc(0, MEM_SENSITIVE, PURPOSE_OTHER);
	void *first;
	int err;

	if (hpa_is_none(text))
		return -E_NOMEM;
	record->record = hpa_to_ptr(text);
	err = space_pair_create(&record->pair, (uint16_t)id);
	if (!err)
		err = space_cpu_alloc(&record->pair, (uint16_t)id, CPU_BASE,
				      ALIGN_UP(sizeof(*cpu), PAGE_SIZE) / PAGE_SIZE, &first);
	if (!err)
		err = alloc_stack(&record->pair, id, PERCPU_IDLE_STACK, PERCPU_STACK_PAGES);
	if (!err)
		err = alloc_stack(&record->pair, id, PERCPU_NMI_STACK, PERCPU_IST_PAGES);
	if (!err)
		err = alloc_stack(&record->pair, id, PERCPU_MC_STACK, PERCPU_IST_PAGES);
	if (!err)
		err = alloc_stack(&record->pair, id, PERCPU_DF_STACK, PERCPU_IST_PAGES);
	if (err)
		return err;

	cpu = first;
	cpu->id = id;
	cpu->apic_id = apic_id;
	cpu->core = cpu_core_of(apic_id);
	cpu->asi_state = ASI_FULL;
	cpu->uses_pcid = cpu_facts.pcid;
	cpu->cr3_restricted = record->pair.restricted.root.v;
	cpu->cr3_full = record->pair.full.root.v;
	if (cpu->uses_pcid) {
		cpu->cr3_restricted |= ASI_PCID_RESTRICTED | CR3_NOFLUSH;
		cpu->cr3_full |= ASI_PCID_FULL | CR3_NOFLUSH;
	}
	fill_tables(cpu);

	spinlock_set_rank(&record->window_lock, LOCK_WINDOW);
	record->percpu = cpu;
	record->apic_id = apic_id;
	record->core = cpu->core;
	return 0;
}

BOOT void percpu_activate(unsigned id)
{
	struct cpu_record *record = &cpus[id];
	struct percpu *cpu = this_cpu();
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr, idtr;

	/* The tables use NX, which is a reserved bit until it is turned on. */
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NX);
	/* PCIDE can only be set while the current PCID is 0 (SDM 4.10.1), hence two loads of CR3.
	 */
	write_cr3(record->pair.full.root.v);
	cpu_enable_features();
	write_cr3(cpu->cr3_full & ~CR3_NOFLUSH);

	gdtr.limit = sizeof(cpu->gdt) - 1;
	gdtr.base = (uint64_t)cpu->gdt;
	idtr.limit = sizeof(cpu->idt) - 1;
	idtr.base = (uint64_t)cpu->idt;
	cpu->gdt[GDT_TSS / 8] &= ~(2ULL << 40); /* LTR wants the TSS not busy */
	percpu_load_tables(&gdtr, &idtr, GDT_TSS);
}

bool percpu_core_is_closed(unsigned id)
{
	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i].core == cpus[id].core && cpus[i].online &&
		    __atomic_load_n(&cpus[i].percpu->closed, __ATOMIC_ACQUIRE))
			return true;
	return false;
}
