/* SPDX-License-Identifier: MIT */
/*
 * What a test guest stands on. A guest is one C file with a name and a guest_main(); it says what
 * it expects by check(), and what the hypervisor had to do for it by expect_exits(). One line a
 * check: "ok NAME" or "FAIL NAME: why"; at the end "done GUEST: N passed, M failed".
 */
#ifndef GUEST_H
#define GUEST_H

#include "hv/base/asm.h"
#include "hv/base/errno.h"
#include "hv/base/hypercall_guest.h"
#include "vmx/exit_reason.h"

/* What the guest's file gives. */
extern const char guest_name[];
void guest_main(void);

/* Text. Formats: %s, %c, %d, %u, %x (0x is not added), all numbers 64 bits wide. */
void print(const char *fmt, ...);
/* Until a record is out that the hypervisor has queued, if that holds this VM's console up: what
 * comes then is not interrupted for it. */
void wait_for_line(void);

/* Does the command line hold this word? */
bool guest_option(const char *word);
/* What follows KEY= on the command line (up to its end, not to the next space), or NULL. */
const char *guest_value(const char *key);
/* The same as a decimal number; @otherwise if the key is not there. */
uint64_t guest_number(const char *key, uint64_t otherwise);
/* The decimal number that a text begins with; 0 without one. */
uint64_t number_in(const char *text);

/* Checks. */
void check(const char *name, bool ok);
void check_eq(const char *name, uint64_t got, uint64_t want);
/* Says what is about to happen that ends this VM: for the person who reads the log. */
void announce(const char *what);
/* Ends: HYPERCALL_END with 0 or 1, or with the option "poweroff" the ACPI way, so that other VMs go
 * on. */
_Noreturn void finish(void);
/* By the power-off register, whatever the command line says. */
_Noreturn void power_off(void);

#define hypercall(number, a, b, c) cloister_call(number, a, b, c)
void mark(const char *label, uint64_t value);
/* Puts measurements in order, the least first. */
void sort(uint64_t *values, unsigned count);

/* Exceptions and interrupts. */
enum {
	VECTOR_DE = 0,
	VECTOR_DB = 1,
	VECTOR_NMI = 2,
	VECTOR_BP = 3,
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_AC = 17,
};
#define NO_FAULT 0x100

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

struct fault {
	unsigned vector; /* NO_FAULT: there was none */
	uint64_t error, rip, cr2, dr6, rflags;
};

typedef void (*handler)(struct frame *frame);
/* From now on @vector calls @fn; NULL: it is unexpected again. */
void set_handler(unsigned vector, handler fn);
/* @vector's handler begins at stack @top each time (one such stack for all). */
void set_stack(unsigned vector, uint64_t top);

/* Runs @fn and tells which exception ended it; vectors with a handler do not count. */
struct fault try_call(void (*fn)(uint64_t), uint64_t arg);
/* The same at CPL 3 with @rflags. */
struct fault try_user(void (*fn)(uint64_t), uint64_t arg, uint64_t rflags);
/* check(): @fn raises exactly @vector (with this error code). */
void expect_fault(const char *name, unsigned vector, uint64_t error, void (*fn)(uint64_t),
		  uint64_t arg);

/* Statistics: what the hypervisor counted from stats_begin() to stats_end(), the calls themselves
 * left out, and of all exits the interrupts that come late where the machine is itself a guest. */
void stats_begin(void);
const struct hypercall_stats *stats_end(void);
#define ANY_REASON HYPERCALL_STATS_REASONS
/* check(): @fn causes @count exits for @reason, no other exit, and none of them leaves the
 * restricted map. */
void expect_exits(const char *name, unsigned reason, uint64_t count, void (*fn)(uint64_t),
		  uint64_t arg);
/* Both: an exception, and the exits that it took. */
void expect_fault_exits(const char *name, unsigned vector, unsigned reason, uint64_t count,
			void (*fn)(uint64_t), uint64_t arg);
/* Is the policy one that has a restricted map? */
bool policy_restricts(void);

/* @number in all registers that outlive an instruction: vectors, x87, debug registers, MSRs, CR2.
 */
void plant_registers(uint32_t number);
/* Do all of them still hold it? CR2 and those that are not the processor's own are left out. */
bool registers_hold(uint32_t number);
/* Exits of many kinds with it in the general registers too; a long loop without one. */
void exit_with_registers(void);
void spin_with_registers(void);

/* Paging: identity for 4 GiB, all of it usable at CPL 3; page_4k() gives the entry of one 4 KiB
 * page. */
uint64_t *page_entry(uint64_t address);
#define PTE_P 1ULL
#define PTE_W 2ULL
#define PTE_U 4ULL
static inline void invlpg(uint64_t address)
{
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* x2APIC registers by MSR. */
enum {
	X2APIC_ID = 0x802,
	X2APIC_VERSION = 0x803,
	X2APIC_TPR = 0x808,
	X2APIC_PPR = 0x80a,
	X2APIC_EOI = 0x80b,
	X2APIC_LDR = 0x80d,
	X2APIC_SVR = 0x80f,
	X2APIC_ISR = 0x810,
	X2APIC_TMR = 0x818,
	X2APIC_IRR = 0x820,
	X2APIC_ESR = 0x828,
	X2APIC_ICR = 0x830,
	X2APIC_LVT_TIMER = 0x832,
	X2APIC_LVT_LINT0 = 0x835,
	X2APIC_LVT_ERROR = 0x837,
	X2APIC_TIMER_INITIAL = 0x838,
	X2APIC_TIMER_CURRENT = 0x839,
	X2APIC_TIMER_DIVIDE = 0x83e,
	X2APIC_SELF_IPI = 0x83f,
};
#define LVT_DEADLINE (2U << 17) /* the timer's mode */
/* Turns the APIC on with a spurious vector of 0xff and everything masked. */
void apic_enable(void);
static inline void apic_eoi(void)
{
	wrmsr(X2APIC_EOI, 0);
}
static inline bool apic_bit(uint32_t first, unsigned vector)
{
	return rdmsr(first + vector / 32) >> (vector % 32) & 1;
}

/* Sleeps of so many ticks, by the TSC deadline; nap_init() comes first and turns the APIC on. */
void nap_init(void);
void nap(uint64_t ticks);
extern volatile uint64_t naps_ended; /* interrupts that came */

/* Starts vCPU @id, which runs @fn on a stack of its own with the first one's tables; false if it
 * does not come. */
bool start_cpu(unsigned id, void (*fn)(void));
void send_ipi(unsigned id, unsigned vector);
void send_ipi_to_others(unsigned vector);
/* This CPU uses the guest's GDT and IDT (no task register: no user mode, no interrupt stack). */
void core_use_tables(void);

/* IOAPIC. */
#define IOAPIC_BASE 0xfec00000ULL
#define IOAPIC_INDEX (*(volatile uint32_t *)IOAPIC_BASE)
#define IOAPIC_DATA (*(volatile uint32_t *)(IOAPIC_BASE + 0x10))
static inline uint32_t ioapic_read(uint32_t index)
{
	IOAPIC_INDEX = index;
	return IOAPIC_DATA;
}
static inline void ioapic_write(uint32_t index, uint32_t value)
{
	IOAPIC_INDEX = index;
	IOAPIC_DATA = value;
}

/* Ports that hv/base/asm.h lacks. */
static inline uint32_t inl(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}
static inline void outl(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
#define COM1 0x3f8
#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71

static inline void interrupts_on(void)
{
	__asm__ volatile("sti; nop" : : : "memory");
}
static inline uint64_t read_rflags(void)
{
	uint64_t value;

	__asm__ volatile("pushfq; pop %0" : "=r"(value));
	return value;
}

void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
void *memmove(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

#endif
