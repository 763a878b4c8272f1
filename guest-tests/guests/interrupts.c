// SPDX-License-Identifier: MIT
/* Interrupts: the local APIC's rules of order, the windows, the NMI, and the IOAPIC with the UART
 * behind it. The option "software" says that the processor does not virtualise the APIC: the rules
 * are the same, what they cost is not. */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "interrupts";

#define VECTOR_A 0x61
#define VECTOR_B 0x62
#define VECTOR_LOW 0x45
#define VECTOR_HIGH 0xe0
#define VECTOR_UART 0x74
#define UART_LINE 4

#define ICR_SELF (1ULL << 18)
#define ICR_NMI (4ULL << 8)
#define ICR_LOGICAL BIT(11)
#define ICR_ALL (2ULL << 18)
#define ICR_OTHERS (3ULL << 18)
#define IOAPIC_LEVEL BIT(15)
#define IOAPIC_MASKED BIT(16)

#define UART_IER (COM1 + 1)
#define UART_IIR (COM1 + 2)
#define UART_MCR (COM1 + 4)
#define UART_SCRATCH (COM1 + 7)

#define MAX_LOG 32
static volatile unsigned log_count;
static volatile uint8_t log[MAX_LOG];
static volatile bool nest, no_eoi, rearm;
static volatile uint64_t seen_rip;
static bool software;

static void note(unsigned vector)
{
	if (log_count < MAX_LOG)
		log[log_count] = (uint8_t)vector;
	log_count++;
}

static void on_irq(struct frame *frame)
{
	note((unsigned)frame->vector);
	seen_rip = frame->rip;
	if (nest) {
		nest = false;
		interrupts_on();
		interrupts_off();
		note(0xff); /* the outer handler ends after what interrupted it */
	}
	if (!no_eoi)
		apic_eoi();
}

static void on_nmi(struct frame *frame)
{
	note((unsigned)frame->vector);
}

static void begin(void)
{
	log_count = 0;
	for (unsigned i = 0; i < MAX_LOG; i++)
		log[i] = 0;
}

static void self_ipi(uint64_t vector)
{
	wrmsr(X2APIC_SELF_IPI, vector);
}

static void send(uint64_t icr)
{
	wrmsr(X2APIC_ICR, icr);
}

/* Long enough for anything that is pending to be delivered. */
static void settle(void)
{
	interrupts_on();
	for (unsigned i = 0; i < 10; i++)
		cpu_relax();
	interrupts_off();
}

static void open_window(uint64_t unused)
{
	(void)unused;
	settle();
}

static bool logged(const char *expected, unsigned count)
{
	bool same = log_count == count;

	for (unsigned i = 0; i < count && same; i++)
		same = log[i] == (uint8_t)expected[i];
	if (!same) {
		print("log:");
		for (unsigned i = 0; i < log_count && i < MAX_LOG; i++)
			print(" %x", (uint64_t)log[i]);
		print("\n");
	}
	return same;
}
#define LOGGED(s) logged(s, sizeof(s) - 1)

static void test_self(void)
{
	const struct hypercall_stats *s;

	begin();
	self_ipi(VECTOR_A);
	check("nothing is delivered while IF is clear", log_count == 0);
	check("it waits in IRR", apic_bit(X2APIC_IRR, VECTOR_A) && !apic_bit(X2APIC_ISR, VECTOR_A));
	settle();
	check("and comes with STI", LOGGED("\x61"));
	check("IRR and ISR are empty again",
	      !apic_bit(X2APIC_IRR, VECTOR_A) && !apic_bit(X2APIC_ISR, VECTOR_A));

	begin();
	interrupts_on();
	self_ipi(VECTOR_A);
	interrupts_off();
	check("with IF set it comes at once", LOGGED("\x61"));

	begin();
	self_ipi(VECTOR_A);
	self_ipi(VECTOR_A);
	settle();
	check("two of the same before delivery are one", LOGGED("\x61"));

	begin();
	send(ICR_SELF | VECTOR_A);
	send(VECTOR_B);
	settle();
	check("by ICR: to self, and to physical id 0", LOGGED("\x62\x61"));
	begin();
	send(1ULL << 32 | ICR_LOGICAL | VECTOR_A);
	settle();
	check("by ICR: to logical id 1", LOGGED("\x61"));
	begin();
	send(ICR_ALL | VECTOR_A);
	send(ICR_OTHERS | VECTOR_B);
	send(7ULL << 32 | VECTOR_B);
	settle();
	check("to all including self; to others, or to an id that is not there, goes nowhere",
	      LOGGED("\x61"));

	begin();
	stats_begin();
	self_ipi(VECTOR_A);
	open_window(0);
	s = stats_end();
	check_eq("a waiting interrupt takes one window exit, in software",
		 s->exits_by_reason[EXIT_INTERRUPT_WINDOW], software);
	check_eq("and two writes of the APIC", s->exits_by_reason[EXIT_MSR_WRITE], 2 * software);
	check_eq("nothing else", s->exits, 3 * software);
	check_eq("and one injection", s->injected, software);
	expect_exits("STI with nothing pending takes no exit", ANY_REASON, 0, open_window, 0);
}

static void test_priority(void)
{
	begin();
	self_ipi(VECTOR_LOW);
	self_ipi(VECTOR_HIGH);
	self_ipi(VECTOR_A);
	settle();
	check("the highest comes first", LOGGED("\xe0\x61\x45"));

	begin();
	wrmsr(X2APIC_TPR, 0x60);
	self_ipi(VECTOR_A);
	self_ipi(VECTOR_HIGH);
	settle();
	check("TPR 0x60 holds class 6 back", LOGGED("\xe0"));
	check_eq("PPR is TPR", rdmsr(X2APIC_PPR), 0x60);
	wrmsr(X2APIC_TPR, 0x50);
	settle();
	check("and lets it through at 0x50", LOGGED("\xe0\x61"));
	begin();
	wrmsr(X2APIC_TPR, 0xf0);
	self_ipi(VECTOR_HIGH);
	settle();
	check("TPR 0xf0 holds all back", log_count == 0);
	interrupts_on();
	__asm__ volatile("mov %0, %%cr8" : : "r"(0ULL) : "memory");
	interrupts_off();
	check("lowering CR8 delivers at once", LOGGED("\xe0"));
}

static void test_nesting(void)
{
	begin();
	nest = true;
	self_ipi(VECTOR_A);
	interrupts_on();
	interrupts_off();
	check("one handler, then its end", LOGGED("\x61\xff"));

	begin();
	no_eoi = true;
	self_ipi(VECTOR_A);
	settle();
	no_eoi = false;
	check_eq("in service: PPR", rdmsr(X2APIC_PPR), 0x60);
	check("ISR holds it", apic_bit(X2APIC_ISR, VECTOR_A));
	self_ipi(VECTOR_B);
	self_ipi(VECTOR_LOW);
	settle();
	check("its own class and lower ones wait for EOI", LOGGED("\x61"));
	self_ipi(VECTOR_HIGH);
	settle();
	check("a higher one does not", LOGGED("\x61\xe0"));
	apic_eoi();
	settle();
	check("after EOI they come in order", LOGGED("\x61\xe0\x62\x45"));
	check_eq("PPR is 0", rdmsr(X2APIC_PPR), 0);
}

static void test_shadow(void)
{
	uint64_t during = 0;

	begin();
	self_ipi(VECTOR_A);
	__asm__ volatile("sti; mov %1, %0; nop; cli" : "=r"(during) : "m"(log_count) : "memory");
	check("STI shields one instruction", during == 0 && LOGGED("\x61"));
	begin();
	self_ipi(VECTOR_A);
	__asm__ volatile("sti; cli; nop; nop" : : : "memory");
	check("STI; CLI opens no window", log_count == 0);
	settle();
	begin();
	self_ipi(VECTOR_A);
	__asm__ volatile("sti; cpuid; nop; cli" : : "a"(0), "c"(0) : "rbx", "rdx", "memory");
	check("an exit in STI's shadow ends it", LOGGED("\x61"));
	begin();
	self_ipi(VECTOR_A);
	__asm__ volatile("sti; hlt; cli" : : : "memory");
	check("STI; HLT with one pending does not sleep", LOGGED("\x61"));
}

static void test_nmi(void)
{
	const struct hypercall_stats *s;

	begin();
	send(ICR_SELF | ICR_NMI);
	check("NMI comes although IF is clear", LOGGED("\x02"));
	begin();
	wrmsr(X2APIC_TPR, 0xf0);
	send(ICR_NMI);
	wrmsr(X2APIC_TPR, 0);
	check("TPR does not hold an NMI back", LOGGED("\x02"));
	begin();
	stats_begin();
	send(ICR_SELF | ICR_NMI);
	s = stats_end();
	check("an NMI to self is one exit, or two with its window", s->exits >= 1 && s->exits <= 2);
	begin();
	self_ipi(VECTOR_A);
	send(ICR_SELF | ICR_NMI);
	settle();
	check("NMI first, then what waited", LOGGED("\x02\x61"));
}

static void on_nmi_nested(struct frame *frame)
{
	note((unsigned)frame->vector);
	if (!rearm)
		return;
	rearm = false;
	send(ICR_SELF | ICR_NMI);
	cpuid(0, 0);
	note(0xff);
}

static void test_nmi_blocking(void)
{
	begin();
	rearm = true;
	set_handler(VECTOR_NMI, on_nmi_nested);
	send(ICR_SELF | ICR_NMI);
	check("an NMI inside its handler waits for IRET", LOGGED("\x02\xff\x02"));
	set_handler(VECTOR_NMI, on_nmi);
}

static void test_soft_off(void)
{
	begin();
	wrmsr(X2APIC_SVR, 0xff);
	self_ipi(VECTOR_A);
	settle();
	check("a disabled APIC delivers nothing", log_count == 0);
	apic_enable();
	settle();
	begin();
	wrmsr(X2APIC_LVT_ERROR, 0x63);
	wrmsr(X2APIC_ESR, 0);
	self_ipi(0x05);
	settle();
	check("vector 5 is illegal: the error interrupt", LOGGED("\x63"));
	wrmsr(X2APIC_ESR, 0);
	check("ESR says: send illegal vector", rdmsr(X2APIC_ESR) & BIT(5));
	wrmsr(X2APIC_LVT_ERROR, IOAPIC_MASKED);
}

static void route(uint32_t flags)
{
	ioapic_write(0x11 + 2 * UART_LINE, 0);
	ioapic_write(0x10 + 2 * UART_LINE, VECTOR_UART | flags);
}

/* What check() prints goes through the same UART and raises its interrupt: results first, words
 * later. */
static void test_uart_edge(void)
{
	uint8_t first, second;
	bool came, masked, cut;

	outb(UART_MCR, 0x0b);
	route(0);
	begin();
	outb(UART_IER, 2);
	settle();
	first = inb(UART_IIR);
	second = inb(UART_IIR);
	outb(UART_IER, 0);
	came = log_count == 1 && log[0] == VECTOR_UART;

	begin();
	route(IOAPIC_MASKED);
	outb(UART_IER, 2);
	settle();
	outb(UART_IER, 0);
	inb(UART_IIR);
	masked = log_count == 0;

	route(0);
	outb(UART_MCR, 0);
	outb(UART_IER, 2);
	settle();
	outb(UART_IER, 0);
	inb(UART_IIR);
	cut = log_count == 0;
	outb(UART_MCR, 0x0b);
	route(IOAPIC_MASKED);

	check("UART transmit interrupt through an edge-triggered line, once", came);
	check_eq("IIR: transmitter empty", first & 0xf, 2);
	check_eq("IIR: reading it takes the cause back", second & 0xf, 1);
	check("a masked line delivers nothing", masked);
	check("without OUT2 the UART's line is cut off", cut);
}

static volatile unsigned level_left;

static void on_level(struct frame *frame)
{
	note((unsigned)frame->vector);
	if (level_left && --level_left == 0)
		outb(UART_IER, 0); /* the cause goes away */
	apic_eoi();
}

static uint32_t remote_irr(void)
{
	return ioapic_read(0x10 + 2 * UART_LINE) >> 14 & 1;
}

static void test_uart_level(void)
{
	bool three, level;
	uint32_t at_end, before, after;

	begin();
	level_left = 3;
	set_handler(VECTOR_UART, on_level);
	route(IOAPIC_LEVEL);
	outb(UART_IER, 2);
	settle();
	settle();
	settle();
	three = log_count == 3 && log[2] == VECTOR_UART;
	level = apic_bit(X2APIC_TMR, VECTOR_UART);
	at_end = remote_irr();

	no_eoi = true;
	set_handler(VECTOR_UART, on_irq);
	begin();
	inb(UART_IIR);
	outb(UART_IER, 2);
	settle();
	before = remote_irr();
	outb(UART_IER, 0);
	apic_eoi();
	after = remote_irr();
	settle();
	no_eoi = false;
	route(IOAPIC_MASKED);

	check("a level-triggered line comes again after EOI while it is up", three);
	check("TMR marked it as level", level);
	check_eq("remote IRR is clear at the end", at_end, 0);
	check_eq("remote IRR is set before EOI", before, 1);
	check_eq("and clear after it", after, 0);
	check("one interrupt", LOGGED("\x74"));
}

static void test_storm(void)
{
	const struct hypercall_stats *s;

	begin();
	stats_begin();
	interrupts_on();
	for (unsigned i = 0; i < 1000; i++)
		self_ipi(VECTOR_A);
	interrupts_off();
	s = stats_end();
	check_eq("1000 interrupts to self", log_count, 1000);
	check_eq("take 1000 writes and 1000 EOIs, in software", s->exits, software ? 2000 : 0);
	check_eq("and no escalation", s->escalations, 0);
}

void guest_main(void)
{
	static const uint8_t vectors[] = { VECTOR_A,	VECTOR_B,    VECTOR_LOW,
					   VECTOR_HIGH, VECTOR_UART, 0x63 };

	for (unsigned i = 0; i < sizeof(vectors); i++)
		set_handler(vectors[i], on_irq);
	set_handler(VECTOR_NMI, on_nmi);
	software = guest_option("software");
	apic_enable();
	test_self();
	test_priority();
	test_nesting();
	test_shadow();
	test_nmi();
	test_nmi_blocking();
	test_soft_off();
	test_uart_edge();
	test_uart_level();
	test_storm();
}
