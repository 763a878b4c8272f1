// SPDX-License-Identifier: MIT
/*
 * A guest that means harm, with a fixed seed: random ports, MSRs, device addresses, CPUID leaves,
 * hypercalls and control registers. What it gets does not matter; that hypervisor and neighbours go
 * on does. Left out is only what would end this VM by its own request.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "hostile";

#define ROUNDS 40000

static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Small, near an edge, or anything. */
static uint64_t value(void)
{
	static const uint64_t edges[] = { 0,
					  1,
					  0xff,
					  0xfff,
					  0xffff,
					  0x7fffffff,
					  0x80000000,
					  0xffffffff,
					  0x100000000,
					  0x7fffffffffff,
					  0x800000000000,
					  0x7fffffffffffffff,
					  0x8000000000000000,
					  ~0ULL,
					  0xfee00000,
					  0xfec00000 };
	uint64_t r = random();

	switch (r & 3) {
	case 0:
		return random();
	case 1:
		return edges[r >> 8 & 15];
	case 2:
		return edges[r >> 8 & 15] + (r >> 16 & 15) - 8;
	default:
		return r >> 8 & 0xff;
	}
}

static bool is_power_port(uint16_t port)
{
	return port == 0x64 || port == 0xcf9 || (port >= 0x5fd && port <= 0x602) ||
	       (port >= 0xcf6 && port <= 0xcf9);
}

static void do_port(uint64_t r)
{
	uint16_t port = r & 1 ? (uint16_t)value() : (uint16_t)(0x3f8 + (r >> 8 & 7));

	if (is_power_port(port))
		port = 0x1234;
	/* Not the UART's data: the log would drown. */
	if (port == COM1)
		port = 0xcfc;
	switch (r >> 16 & 7) {
	case 0:
		inb(port);
		break;
	case 1:
		inw(port);
		break;
	case 2:
		inl(port);
		break;
	case 3:
		outb(port, (uint8_t)value());
		break;
	case 4:
		outw(port, (uint16_t)value());
		break;
	case 5:
		outl(port, (uint32_t)value());
		break;
	case 6:
		__asm__ volatile("rep insb"
				 :
				 : "D"(value()), "c"(random() & 255), "d"(port)
				 : "memory");
		break;
	default:
		__asm__ volatile("rep outsl"
				 :
				 : "S"(value()), "c"(random() & 255), "d"(port)
				 : "memory");
		break;
	}
}

static uint32_t random_msr(uint64_t r)
{
	switch (r & 7) {
	case 0:
		return (uint32_t)value();
	case 1:
		return 0x800 + (uint32_t)(r >> 8 & 0xff);
	case 2:
		return 0xc0000080 + (uint32_t)(r >> 8 & 7);
	case 3:
		return 0x480 + (uint32_t)(r >> 8 & 31);
	case 4:
		return 0x200 + (uint32_t)(r >> 8 & 0xff);
	case 5:
		return MSR_TSC_DEADLINE;
	case 6:
		return MSR_APIC_BASE;
	default:
		return (uint32_t)(r >> 8 & 0x1fff);
	}
}

static void do_msr(uint64_t r)
{
	uint32_t msr = random_msr(r >> 8);

	if (r & 1)
		rdmsr(msr);
	/* An INIT to oneself is a reset, that is an end of one's own wish. */
	else if (msr != X2APIC_ICR && msr != MSR_EFER)
		wrmsr(msr, value());
}

/* Reads and writes outside RAM; everything below 2 GiB might be the guest's own code. */
static void do_mmio(uint64_t r)
{
	static const uint64_t bases[] = { 0xfec00000, 0xfec00010, 0xfee00000, 0xd0000000,
					  0xfffffff0, 0xfed00000, 0xc0000000, 0xfebfffff };
	uint64_t address = bases[r & 7] + (r >> 8 & 0x3f);

	if (address > 0xfffffff0)
		address = 0xfffffff0;
	switch (r >> 16 & 7) {
	case 0:
		(void)*(volatile uint8_t *)address;
		break;
	case 1:
		(void)*(volatile uint16_t *)address;
		break;
	case 2:
		(void)*(volatile uint64_t *)address;
		break;
	case 3:
		*(volatile uint8_t *)address = (uint8_t)random();
		break;
	case 4:
		*(volatile uint16_t *)address = (uint16_t)random();
		break;
	case 5:
		*(volatile uint64_t *)address = random();
		break;
	case 6:
		__asm__ volatile("lock xaddl %%eax, (%0)"
				 :
				 : "r"(0x200000ULL)
				 : "rax", "memory", "cc");
		break;
	default:
		*(volatile uint32_t *)address ^= (uint32_t)random();
		break;
	}
}

static void do_hypercall(uint64_t r)
{
	uint64_t number = r & 1 ? value() : r >> 8 & 7;

	/* Not the end, not the escalations: they are tested elsewhere; not too much text, and the
	 * counts are wanted. */
	if (number == HYPERCALL_END || number == HYPERCALL_STATS_RESET ||
	    number == HYPERCALL_STATS_PRINT || number == HYPERCALL_MARK ||
	    number >= HYPERCALL_DEBUG_TOUCH_SENSITIVE)
		number = HYPERCALL_VERSION;
	if (number == HYPERCALL_CONSOLE_WRITE)
		/* Outside RAM: what it printed would be noise in the log. */
		hypercall(number, value() | 0x80000000, value(), 0);
	else if (number == HYPERCALL_STATS_READ)
		/* Into the hole or into 4 MiB upwards, not over the code. */
		hypercall(number, value() | 0x400000, value(), 0);
	else
		hypercall(number, value(), value(), value());
}

static void do_control(uint64_t r)
{
	switch (r & 7) {
	case 0:
		write_cr4((read_cr4() | BIT(r >> 8 & 63)) &
			  ~(CR4_SMEP | CR4_SMAP | CR4_PCIDE | CR4_TSD));
		break;
	case 1:
		write_cr0(read_cr0() | BIT(r >> 8 & 63));
		break;
	case 2:
		__asm__ volatile("mov %0, %%cr8" : : "r"(value()));
		break;
	case 3:
		xsetbv((uint32_t)(r >> 8 & 1), value());
		break;
	case 4:
		__asm__ volatile("vmlaunch" : : : "cc");
		break;
	case 5:
		__asm__ volatile("invd");
		break;
	case 6:
		__asm__ volatile("rdpmc" : : "c"(value()) : "rax", "rdx");
		break;
	default:
		write_cr0((read_cr0() | CR0_PE | CR0_PG | CR0_ET) &
			  ~(CR0_CD | CR0_NW | CR0_EM | CR0_TS | CR0_WP | CR0_AM));
		break;
	}
}

static void act(uint64_t r)
{
	switch (r >> 48 & 7) {
	case 0:
	case 1:
		do_port(r);
		break;
	case 2:
	case 3:
		do_msr(r);
		break;
	case 4:
		do_mmio(r);
		break;
	case 5:
		do_hypercall(r);
		break;
	case 6:
		do_control(r);
		break;
	default:
		cpuid((uint32_t)value(), (uint32_t)value());
		break;
	}
}

static volatile uint64_t interrupts;

static void on_interrupt(struct frame *frame)
{
	interrupts++;
	if (frame->vector >= 16)
		wrmsr(X2APIC_EOI, 0);
}

void guest_main(void)
{
	uint64_t faults = 0;

	apic_enable();
	/* A local APIC delivers vectors from 16; the exceptions among them do not arise here by
	 * themselves. */
	for (unsigned i = 16; i < 256; i++)
		set_handler(i, on_interrupt);
	set_handler(VECTOR_NMI, on_interrupt);
	for (unsigned i = 0; i < ROUNDS; i++) {
		faults += try_call(act, random()).vector != NO_FAULT;
		if (i % 64 == 0)
			interrupts_on();
		interrupts_off();
	}
	print("%u faults, %u interrupts\n", faults, interrupts);
	check("it came through", faults > 1000 && faults < ROUNDS);
	check_eq("the maps have no violation", (uint64_t)hypercall(HYPERCALL_AUDIT, 0, 0, 0), 0);
}
