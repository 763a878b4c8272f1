// SPDX-License-Identifier: MIT
/* A test guest's own tables, its exceptions, and how it starts and ends. */
#include "guest-tests/guests/lib/guest.h"

#include "drivers/guest/legacy/power.h"

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS 0x28
#define VECTOR_USER_RETURN 0x80
#define STUB_SIZE 16
/* ACPI 4.8.3.7, the sleep control register. */
#define SLEEP_ENABLE BIT(5)
#define SLEEP_TYPE_SHIFT 2

extern void load_tables(const void *gdt_pointer, const void *idt_pointer, unsigned code,
			unsigned data, unsigned tss);
extern int call_guarded(void (*fn)(uint64_t), uint64_t arg);
extern int call_user(void (*fn)(uint64_t), uint64_t arg, uint64_t rflags, void *task);
extern const char exception_stubs[], try_recover[], try_recover_user[];
extern uint64_t try_rsp;

void guest_start(const char *cmdline);
void guest_exception(struct frame *frame);

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, attributes;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

/* SDM volume 3, 7.7. Only RSP0 and the first interrupt stack are used. */
static struct {
	uint32_t reserved;
	uint64_t rsp0;
	uint8_t rsp1_rsp2[24];
	uint64_t ist1;
	uint8_t rest[60];
} __attribute__((packed)) tss;
static_assert(sizeof(tss) == 104, "TSS");

/* Null, code, data, user data, user code, TSS (two entries), 32-bit code, 16-bit code, 16-bit data.
 */
uint64_t gdt[10] = {
	0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff, 0,
	0, 0x00cf9b000000ffff, 0x00009b000000ffff, 0x000093000000ffff,
};

static struct gate idt[256];
static uint64_t pml4[512] __attribute__((aligned(4096)));
static uint64_t pdpt[512] __attribute__((aligned(4096)));
static uint64_t pd[4][512] __attribute__((aligned(4096)));
static uint64_t pt[512] __attribute__((aligned(4096)));
static uint64_t pt_window = ~0ULL;

static char cmdline[1024];
static handler handlers[256];
static bool guarded;
static struct fault last_fault;

static void load_gdt(void)
{
	struct table_pointer gdtr = { sizeof(gdt) - 1, (uint64_t)gdt };
	struct table_pointer idtr = { sizeof(idt) - 1, (uint64_t)idt };
	uint64_t base = (uint64_t)&tss;

	gdt[5] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ULL << 40 |
		 (base >> 24 & 0xff) << 56;
	gdt[6] = base >> 32;
	load_tables(&gdtr, &idtr, SELECTOR_CODE, SELECTOR_DATA, SELECTOR_TSS);
}

/* The trampoline's selectors mean the same. */
void core_use_tables(void)
{
	struct table_pointer gdtr = { sizeof(gdt) - 1, (uint64_t)gdt };
	struct table_pointer idtr = { sizeof(idt) - 1, (uint64_t)idt };

	__asm__ volatile("lgdt %0; lidt %1" : : "m"(gdtr), "m"(idtr));
}

static void fill_idt(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t stub = (uint64_t)exception_stubs + (uint64_t)i * STUB_SIZE;

		idt[i] = (struct gate){ .offset_low = (uint16_t)stub,
					.selector = SELECTOR_CODE,
					.attributes = i == VECTOR_BP || i == VECTOR_USER_RETURN
							      ? 0xee
							      : 0x8e,
					.offset_middle = (uint16_t)(stub >> 16) };
	}
}

static void fill_page_tables(void)
{
	pml4[0] = (uint64_t)pdpt | PTE_P | PTE_W | PTE_U;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (uint64_t)pd[i] | PTE_P | PTE_W | PTE_U;
	for (uint64_t i = 0; i < 4 * 512ULL; i++)
		pd[i / 512][i % 512] = i << 21 | 0x80 | PTE_P | PTE_W | PTE_U;
	write_cr3((uint64_t)pml4);
}

uint64_t *page_entry(uint64_t address)
{
	uint64_t window = address >> 21;

	if (window != pt_window) {
		if (pt_window != ~0ULL)
			pd[pt_window / 512][pt_window % 512] =
				pt_window << 21 | 0x80 | PTE_P | PTE_W | PTE_U;
		for (uint64_t i = 0; i < 512; i++)
			pt[i] = window << 21 | i << 12 | PTE_P | PTE_W | PTE_U;
		pd[window / 512][window % 512] = (uint64_t)pt | PTE_P | PTE_W | PTE_U;
		pt_window = window;
		write_cr3((uint64_t)pml4);
	}
	return &pt[address >> 12 & 511];
}

bool guest_option(const char *word)
{
	size_t n = strlen(word);

	for (const char *p = cmdline; *p;) {
		size_t len = 0;

		while (p[len] && p[len] != ' ')
			len++;
		if (len == n && !memcmp(p, word, n))
			return true;
		p += len;
		while (*p == ' ')
			p++;
	}
	return false;
}

const char *guest_value(const char *key)
{
	size_t n = strlen(key);

	for (const char *p = cmdline; *p; p++)
		if ((p == cmdline || p[-1] == ' ') && !memcmp(p, key, n) && p[n] == '=')
			return p + n + 1;
	return NULL;
}

uint64_t number_in(const char *text)
{
	uint64_t value = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	return value;
}

uint64_t guest_number(const char *key, uint64_t otherwise)
{
	const char *text = guest_value(key);

	return text ? number_in(text) : otherwise;
}

void set_handler(unsigned vector, handler fn)
{
	handlers[vector] = fn;
}

void set_stack(unsigned vector, uint64_t top)
{
	tss.ist1 = top;
	idt[vector].ist = 1;
}

static void recover(struct frame *frame, const char *where)
{
	frame->rip = (uint64_t)where;
	frame->rsp = try_rsp;
	frame->rflags = RFLAGS_FIXED;
	frame->cs = SELECTOR_CODE;
	frame->ss = SELECTOR_DATA;
}

void guest_exception(struct frame *frame)
{
	if (handlers[frame->vector]) {
		handlers[frame->vector](frame);
		return;
	}
	if (guarded && frame->vector == VECTOR_USER_RETURN) {
		recover(frame, try_recover_user);
		return;
	}
	if (guarded && frame->vector < 32) {
		last_fault = (struct fault){ .vector = (unsigned)frame->vector,
					     .error = frame->error,
					     .rip = frame->rip,
					     .cr2 = read_cr2(),
					     .dr6 = read_dr6(),
					     .rflags = frame->rflags };
		recover(frame, try_recover);
		return;
	}
	print("FAIL unexpected vector %u: error 0x%x, rip 0x%x, cr2 0x%x, rsp 0x%x\n",
	      frame->vector, frame->error, frame->rip, read_cr2(), frame->rsp);
	check("no unexpected exception", false);
	finish();
}

struct fault try_call(void (*fn)(uint64_t), uint64_t arg)
{
	last_fault = (struct fault){ .vector = NO_FAULT };
	guarded = true;
	call_guarded(fn, arg);
	guarded = false;
	return last_fault;
}

struct fault try_user(void (*fn)(uint64_t), uint64_t arg, uint64_t rflags)
{
	last_fault = (struct fault){ .vector = NO_FAULT };
	guarded = true;
	call_user(fn, arg, rflags | RFLAGS_FIXED, &tss);
	guarded = false;
	return last_fault;
}

void apic_enable(void)
{
	wrmsr(X2APIC_SVR, 0x1ff);
	wrmsr(X2APIC_TPR, 0);
}

void power_off(void)
{
	outb(VPOWER_SLEEP_CONTROL, SLEEP_ENABLE | VPOWER_S5 << SLEEP_TYPE_SHIFT);
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* The command line lies in memory that a test may use: it is copied first. */
void guest_start(const char *text)
{
	for (unsigned i = 0; i < sizeof(cmdline) - 1 && text && text[i]; i++)
		cmdline[i] = text[i];
	fill_idt();
	load_gdt();
	fill_page_tables();
	print("begin %s\n", guest_name);
	guest_main();
	finish();
}
