// SPDX-License-Identifier: MIT
/* A core's own tables, and how it gets back to a state in which the next step can begin. */
#include "guest-tests/guests/fuzz/fuzz.h"

#define CR0_GOOD (CR0_PE | BIT(4) | BIT(5) | CR0_WP | CR0_PG)
#define EFER_GOOD (BIT(0) | EFER_LME | EFER_LMA | EFER_NX)
#define BUSY BIT(41)
#define LEAF_1_ECX_XSAVE BIT(26)
#define APIC_PAGE 0xfee00000ULL
#define TIMER_VECTOR 0xef
/* Interrupts that a step may have left in service. */
#define MOST_IN_SERVICE 16
#define MSR_TSC_ADJUST 0x3b

static uint64_t xgetbv(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static uint64_t cr4_good(void)
{
	return CR4_PAE | CR4_OSFXSR | BIT(10) |
	       (cpuid(1, 0).ecx & LEAF_1_ECX_XSAVE ? CR4_OSXSAVE : 0);
}

static uint64_t descriptor(uint64_t flags, uint64_t base)
{
	return flags | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
}

static void set_tss(struct core *core, unsigned selector, const struct tss *tss)
{
	core->gdt[selector / 8] =
		descriptor(0x0000890000000000 | (sizeof(*tss) - 1), (uint64_t)tss);
	core->gdt[selector / 8 + 1] = (uint64_t)tss >> 32;
}

static void copy(void *to, const void *from, size_t size)
{
	size /= 8;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* No REP: see `cores`. */
static void fill(void *to, uint64_t with, size_t size)
{
	size /= 8;
	for (volatile uint64_t *at = to; size; size--)
		*at++ = with;
}

static void fill_gdt(struct core *core)
{
	static const uint64_t fixed[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff,
					  0x00cff3000000ffff, 0x00affb000000ffff };
	uint64_t code = core->share + ARENA_CODE;

	memcpy(core->gdt, fixed, sizeof(fixed));
	set_tss(core, SEL_TSS, &core->tss);
	core->gdt[SEL_CODE32 / 8] = 0x00cf9b000000ffff;
	core->gdt[SEL_CODE16 / 8] = descriptor(0x00009b000000ffff, code);
	core->gdt[SEL_USER_CODE32 / 8] = 0x00cffb000000ffff;
	core->gdt[SEL_USER_CODE16 / 8] = descriptor(0x0000fb000000ffff, code);
	core->gdt[SEL_DATA16 / 8] = descriptor(0x000093000000ffff, code);
	set_tss(core, SEL_OTHER_TSS, (const struct tss *)(core->share + ARENA_TSS));
}

/* As all cores have it. */
static struct gate gates[256];

void core_make_gates(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t stub = (uint64_t)fuzz_stubs + (uint64_t)i * FUZZ_STUB_SIZE;

		gates[i] = (struct gate){ .offset_low = (uint16_t)stub,
					  .selector = SEL_CODE,
					  .ist = 1,
					  .attributes = i >= 3 && i < 6 ? 0xee : 0x8e,
					  .offset_middle = (uint16_t)(stub >> 16) };
	}
}

void core_fill_tables(struct core *core)
{
	fill_gdt(core);
	copy(core->idt, gates, sizeof(gates));
	memset(&core->tss, 0, sizeof(core->tss));
	core->tss.ist[0] = (uint64_t)core->ist + sizeof(core->ist) - 64;
	core->tss.rsp[0] = core->tss.ist[0];
	core->tss.io_map = sizeof(core->tss);
	/* The second one differs in what is not needed. */
	copy((void *)(core->share + ARENA_TSS), &core->tss, sizeof(core->tss));
	copy((void *)(core->share + ARENA_GDT), core->gdt, sizeof(core->gdt));
	copy((void *)(core->share + ARENA_IDT), gates, sizeof(gates));
}

/* Identity for what is memory: an address that leads elsewhere faults. The same for all. */
static uint64_t memory_tables[3][512] __attribute__((aligned(4096)));

uint64_t core_memory_only(void)
{
	for (uint64_t i = 0; i < 2; i++)
		memory_tables[i][0] = (uint64_t)memory_tables[i + 1] | PTE_P | PTE_W | PTE_U;
	for (uint64_t i = 0; i < ARENA_END >> 21; i++)
		memory_tables[2][i] =
			i << 21 | 0x80 | PTE_P | PTE_W | (i >= ARENA >> 21 ? PTE_U : 0);
	return (uint64_t)memory_tables;
}

/* Identity for 4 GiB; programs may touch all but the image. */
static void fill_page_tables(struct core *core)
{
	core->pml4[0] = (uint64_t)core->pdpt | PTE_P | PTE_W | PTE_U;
	for (uint64_t i = 0; i < 4; i++)
		core->pdpt[i] = (uint64_t)core->pd[i] | PTE_P | PTE_W | PTE_U;
	for (uint64_t i = 0; i < 4 * 512ULL; i++)
		core->pd[i / 512][i % 512] =
			i << 21 | 0x80 | PTE_P | PTE_W | (i >= ARENA >> 21 ? PTE_U : 0);
	core->cr3 = (uint64_t)core->pml4;
}

void core_init(struct core *core, unsigned id, uint64_t seed)
{
	fill(core, 0, sizeof(*core));
	core->id = id;
	core->share = ARENA + id * ARENA_SHARE;
	/* SplitMix64: neighbouring seeds have nothing in common. */
	seed += (id + 1) * 0x9e3779b97f4a7c15;
	seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9;
	core->random = (seed ^ seed >> 27) | 1;
	core->stack_top = (uint64_t)core->stack + sizeof(core->stack) - 16;
	core->prints = 6;
	core->dirty = DIRTY_ALL;
	fill_page_tables(core);
	fill((void *)core->share, 0xcccccccccccccccc, ARENA_SHARE);
	for (unsigned i = SEL_RANDOM / 8; i < GDT_ENTRIES; i++)
		core->gdt[i] = random64(core);
	core_fill_tables(core);
}

static void load_descriptors(struct core *core)
{
	struct table_pointer gdtr = { sizeof(core->gdt) - 1, (uint64_t)core->gdt };
	struct table_pointer idtr = { sizeof(core->idt) - 1, (uint64_t)core->idt };

	core->gdt[SEL_TSS / 8] &= ~BUSY;
	__asm__ volatile("lgdt %0\n\t"
			 "lidt %1\n\t"
			 "mov %2, %%ds\n\t"
			 "mov %2, %%es\n\t"
			 "mov %2, %%ss\n\t"
			 "mov %3, %%fs\n\t"
			 "mov %3, %%gs\n\t"
			 "lldt %w3\n\t"
			 "ltr %w4\n\t"
			 "push %5\n\t"
			 "lea 1f(%%rip), %%rax\n\t"
			 "push %%rax\n\t"
			 "lretq\n"
			 "1:"
			 :
			 : "m"(gdtr), "m"(idtr), "r"(SEL_DATA), "r"(0), "r"(SEL_TSS), "i"(SEL_CODE)
			 : "rax", "memory");
}

static void load_control(void)
{
	uint64_t cr4 = cr4_good();

	if (read_cr0() != CR0_GOOD)
		write_cr0(CR0_GOOD);
	if (read_cr4() != cr4)
		write_cr4(cr4);
	if (rdmsr(MSR_EFER) != EFER_GOOD)
		wrmsr(MSR_EFER, EFER_GOOD);
	__asm__ volatile("mov %0, %%dr7" : : "r"(0x400ULL));
	if ((cr4 & CR4_OSXSAVE) && xgetbv() != 1)
		xsetbv(0, 1);
	wrmsr(MSR_LSTAR, (uint64_t)fuzz_syscall);
	wrmsr(MSR_STAR, (uint64_t)SEL_CODE << 32 | (uint64_t)SEL_DATA << 48);
	wrmsr(MSR_FMASK, 0);
	wrmsr(MSR_SYSENTER_CS, SEL_CODE);
	wrmsr(MSR_SYSENTER_EIP, (uint64_t)fuzz_syscall);
	wrmsr(MSR_SYSENTER_ESP, 0);
}

static bool in_service(void)
{
	for (unsigned i = 0; i < 8; i++)
		if (rdmsr(X2APIC_ISR + i))
			return true;
	return false;
}

/* In x2APIC mode, on, nothing masked, nothing in service. */
static void load_apic(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) | 0x800;

	wrmsr(MSR_APIC_BASE, base);
	wrmsr(MSR_APIC_BASE, base | 0x400);
	wrmsr(X2APIC_SVR, 0x1ff);
	wrmsr(X2APIC_TPR, 0);
	wrmsr(X2APIC_LVT_TIMER, LVT_DEADLINE | TIMER_VECTOR);
	for (unsigned i = 0; i < MOST_IN_SERVICE && in_service(); i++)
		apic_eoi();
}

void core_load(struct core *core)
{
	core->dirty = DIRTY_ALL;
	core_restore(core, NO_FAULT);
}

void core_restore(struct core *core, unsigned vector)
{
	if (core->dirty & DIRTY_TABLES)
		core_fill_tables(core);
	load_descriptors(core);
	load_control();
	if (core->dirty & DIRTY_APIC)
		load_apic();
	else if (vector >= 32 && vector < 256)
		apic_eoi();
	if (core->dirty & DIRTY_CLOCK)
		wrmsr(MSR_TSC_ADJUST, 0);
	core->dirty = 0;
	core->tables = 0;
}
