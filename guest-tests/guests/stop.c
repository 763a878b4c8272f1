// SPDX-License-Identifier: MIT
/*
 * Ends of a VM, one for each word of the command line: what a guest must not survive, with the
 * reason that the `vm` record must give; and the ways to power off and to reset. Whatever comes
 * after is a failure.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "stop";

/* Neither RAM nor a device, below 4 GiB. */
#define NOWHERE 0xd0000000ULL

static void halt_for_good(void)
{
	announce("stopped: halted with interrupts off");
	__asm__ volatile("cli; hlt");
}

static void triple_fault(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) nothing = { 0, 0 };

	announce("stopped: triple fault");
	__asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}

static void execute_nowhere(void)
{
	announce("stopped: executes code where there is no memory");
	((void (*)(void))NOWHERE)();
}

static void tables_nowhere(void)
{
	announce("stopped: page tables where there is no memory");
	write_cr3(NOWHERE);
}

/* A far jump to a TSS selector in compatibility mode would be a task switch; so is INT through a
 * task gate in 32-bit mode. */
extern const char task_switch_start[], task_switch_end[];

static void task_switch(void)
{
	memcpy((void *)0x8000, task_switch_start, (size_t)(task_switch_end - task_switch_start));
	announce("stopped: hardware task switches are not supported");
	((void (*)(void))0x8000)();
}

static void undecodable(void)
{
	announce("stopped: an instruction that Cloister cannot decode touches device memory");
	/* FXSAVE of 512 bytes into a device. */
	write_cr4(read_cr4() | CR4_OSFXSR);
	__asm__ volatile("fxsave (%0)" : : "r"(IOAPIC_BASE) : "memory");
}

/* The guest's own interrupt delivery faults for ever: #PF on a stack that lies on no memory is a
 * double, then a triple fault. */
static void stack_nowhere(void)
{
	announce("stopped");
	*page_entry(0x600000) = 0;
	invlpg(0x600000);
	__asm__ volatile("mov %0, %%rsp; push %%rax" : : "r"(0x600800ULL) : "memory");
}

/*
 * A watchpoint on the stack of the debug exception itself: each delivery raises the next one before
 * the handler's first instruction. A processor that delivered them without exits would never come
 * back.
 */
static void debug_storm(void)
{
	static uint8_t stack[4096] __attribute__((aligned(4096)));
	uint64_t top = (uint64_t)stack + sizeof(stack);

	set_stack(VECTOR_DB, top);
	__asm__ volatile("mov %0, %%dr0" : : "r"(top - 8));
	__asm__ volatile("mov %0, %%dr7" : : "r"(0x400ULL | 1 | 1 << 16 | 2 << 18));
	announce("a storm of debug exceptions without end");
	__asm__ volatile("int $1");
}

/* The stack of every event lies on device memory: none of them can be delivered. */
static void stack_device(void)
{
	announce("stopped: an interrupt's or exception's delivery touches device memory");
	set_stack(VECTOR_UD, NOWHERE + 0x800);
	__asm__ volatile("ud2");
}

/* Says the run is over and well, in the hypervisor's words, before it ends it with another status.
 */
static void forge(void)
{
	print("x @cloister {\"type\":\"end\",\"status\":0}\n");
	print("@cloister {\"type\":\"end\",\"status\":0}\n");
	print("@cloister {\"key\":\"01234567\",\"type\":\"end\",\"status\":0}\n");
	print("@cloister {\"key\":\"01234567\",\"type\":\"panic\"}\n");
	print("\x1b[2K\x1b[1G\rcloister: forged\x7f\n");
	for (volatile unsigned i = 0; i < 3000000; i++)
		;
	hypercall(HYPERCALL_END, 7, 0, 0);
}

static void reset_by(uint16_t port, uint8_t value)
{
	announce("reboot");
	outb(port, value);
}

void guest_main(void)
{
	if (guest_option("hlt"))
		halt_for_good();
	else if (guest_option("triple"))
		triple_fault();
	else if (guest_option("execute"))
		execute_nowhere();
	else if (guest_option("tables"))
		tables_nowhere();
	else if (guest_option("task"))
		task_switch();
	else if (guest_option("undecodable"))
		undecodable();
	else if (guest_option("debug-storm"))
		debug_storm();
	else if (guest_option("stack-device"))
		stack_device();
	else if (guest_option("stack"))
		stack_nowhere();
	else if (guest_option("off"))
		power_off();
	else if (guest_option("reset-acpi"))
		reset_by(0x602, 1);
	else if (guest_option("reset-keyboard"))
		reset_by(0x64, 0xfe);
	else if (guest_option("reset-pci"))
		reset_by(0xcf9, 0x06);
	else if (guest_option("end-0"))
		hypercall(HYPERCALL_END, 0, 0, 0);
	else if (guest_option("forge"))
		forge();
	else if (guest_option("end-7"))
		hypercall(HYPERCALL_END, 7, 0, 0);
	check("the VM should be gone", false);
}
