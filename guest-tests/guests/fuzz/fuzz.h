/* SPDX-License-Identifier: MIT */
/*
 * A guest that does at random what a processor lets it do. Each vCPU is a `core` with tables of its
 * own and an endless loop of steps; whatever an exception or an interrupt ends, it comes back to
 * that loop with its state made good again (core_loop).
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "guest-tests/guests/lib/guest.h"

#define FUZZ_CORES 4
#define CORE_SIZE 0x10000UL /* also its alignment: entry.asm finds it by the stack's address */
#define GDT_ENTRIES 64

/* Memory that any core may write what it likes to, and that programs may touch: code, tables, rings
 * and data of each core, one after the other. What is below is the image's. */
#define ARENA 0x400000UL
#define ARENA_END 0x800000UL /* the VM has 8 MiB */
#define ARENA_SHARE 0x100000UL
/* In the share of a core. */
enum {
	ARENA_CODE = 0,
	ARENA_CODE_SIZE = 0x8000,
	ARENA_TABLES = 0x8000, /* PML4, PDPT, PD, PT */
	ARENA_GDT = 0xc000,
	ARENA_IDT = 0xd000,
	ARENA_TSS = 0xe000,
	ARENA_POINTERS = 0xf000, /* operands of LGDT and LIDT */
	ARENA_RINGS = 0x10000,
	ARENA_DATA = 0x20000,
};

/* Selectors: the library's, and behind them our own. */
enum {
	SEL_CODE = 0x08,
	SEL_DATA = 0x10,
	SEL_USER_DATA = 0x1b,
	SEL_USER_CODE = 0x23,
	SEL_TSS = 0x28,
	SEL_CODE32 = 0x38,
	SEL_CODE16 = 0x40,
	SEL_USER_CODE32 = 0x4b,
	SEL_USER_CODE16 = 0x53,
	SEL_DATA16 = 0x58,
	SEL_OTHER_TSS = 0x60,
	SEL_RANDOM = 0x70, /* from here on anything */
};

/* What a step may have left behind. */
enum {
	DIRTY_TABLES = 1, /* GDT, IDT, TSS */
	DIRTY_APIC = 2,
	DIRTY_CLOCK = 4,
	DIRTY_ALL = 7,
};

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, attributes;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

struct tss {
	uint32_t reserved;
	uint64_t rsp[3], reserved2, ist[7];
	uint64_t reserved3;
	uint16_t reserved4, io_map;
} __attribute__((packed));

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

/* What a piece of code begins with, as POP and IRETQ take it. */
struct launch {
	uint64_t gpr[15]; /* RAX, RCX, RDX, RBX, RBP, RSI, RDI, R8 to R15 */
	uint64_t rip, cs, rflags, rsp, ss;
};
enum { RAX, RCX, RDX, RBX, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

struct core {
	uint64_t cr3; /* entry.asm knows these three by their offsets */
	uint64_t stack_top;
	struct launch launch;
	uint64_t random;
	uint64_t share; /* its part of the arena */
	uint32_t id, dirty;
	uint32_t steps;	 /* done */
	uint32_t prints; /* that it may still make the console do */
	volatile uint32_t beat;
	volatile bool alive;
	uint32_t seen_beat, seen_steps; /* of the next core, when it was looked at */
	bool warned;
	uint64_t tables; /* CR3 of the next launch, 0: the core's own */
	uint64_t gdt[GDT_ENTRIES];
	struct tss tss;
	uint64_t pml4[512] __attribute__((aligned(4096)));
	uint64_t pdpt[512];
	uint64_t pd[4][512];
	struct gate idt[256];
	uint8_t ist[8192], stack[16384];
} __attribute__((aligned(CORE_SIZE)));
static_assert(sizeof(struct core) == CORE_SIZE, "entry.asm rounds down to it");
static_assert(__builtin_offsetof(struct core, pml4) == 0x1000, "and begins there");

/* Not in the image's .bss: with several CPUs the emulator makes them all wait for a REP. */
#define cores ((struct core *)0x300000UL)
extern unsigned core_count, step_limit;
extern unsigned show_from; /* steps from this one on are shown */
extern bool show_registers;

/* core.c: tables, and what a core finds itself in at the beginning of each step. */
void core_make_gates(void);
void core_init(struct core *core, unsigned id, uint64_t seed);
void core_load(struct core *core);
void core_restore(struct core *core, unsigned vector);
void core_fill_tables(struct core *core);
/* CR3 for tables without any device. */
uint64_t core_memory_only(void);
/* fuzz.c: never returns; entry.asm calls it for each event. */
_Noreturn void core_loop(struct core *core, unsigned vector);
/* entry.asm: starts what core->launch says. */
_Noreturn void core_launch(struct core *core, uint64_t cr3);
/* A core that got its start-up interrupt; the page for it. */
#define FUZZ_AP_START 0x8000UL
extern const uint8_t fuzz_ap_start[], fuzz_ap_end[], fuzz_stubs[], fuzz_syscall[];
#define FUZZ_STUB_SIZE 16

/* random.c */
uint64_t random64(struct core *core);
/* One of @n. */
unsigned pick(struct core *core, unsigned n);
/* Once in @n times. */
bool once_in(struct core *core, unsigned n);
/* Small, near an edge, an address, or anything. */
uint64_t value(struct core *core);
/* Of a register, of nothing, of the end of memory. */
uint64_t device_address(struct core *core);
uint64_t arena_address(struct core *core);
/* An address for an instruction: any of the two, or others. */
uint64_t operand_address(struct core *core);
uint32_t random_msr(struct core *core);
uint16_t random_port(struct core *core);
uint64_t random_call(struct core *core);
/* Physical address and bits of a page-table entry, of the lowest level or another. */
uint64_t random_entry(struct core *core, bool leaf);

/* code.c: writes a piece of code and runs it. */
void step_code(struct core *core);
/* The same with one instruction. */
void step_bytes(struct core *core, const uint8_t *bytes, unsigned length, bool user);

/* devices.c */
void step_pci(struct core *core);
void step_virtio(struct core *core);
/* events.c */
void step_event(struct core *core);
void step_descriptors(struct core *core);
/* paging.c */
void step_paging(struct core *core);
void step_scribble(struct core *core);
/* ipi.c */
void step_ipi(struct core *core);
/* Starts a core anew, and sees that the next one goes on. */
void revive(const struct core *core);
void watch_next(struct core *core);

#endif
