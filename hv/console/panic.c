// SPDX-License-Identifier: MIT
#include "hv/asi/stun.h"
#include "hv/base/asm.h"
#include "hv/base/global.h"
#include "hv/base/panic.h"
#include "hv/base/print.h"
#include "hv/base/symbols.h"
#include "hv/console/console.h"
#include "hv/console/end.h"
#include "hv/console/record.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"

#define MAX_STACK_WORDS 512
#define MAX_CALLERS 16

static bool in_panic GLOBAL_DATA("whether the machine is going down");

/* The stack holds return addresses between other words: whatever points behind a call in our code
 * is shown. */
static void print_stack(const uint64_t *sp, const uint64_t *top)
{
	char name[96];
	unsigned shown = 0;

	for (unsigned i = 0; i < MAX_STACK_WORDS && sp + i < top && shown < MAX_CALLERS; i++) {
		if (!symbols_is_code(sp[i]))
			continue;
		symbols_format(sp[i], name, sizeof(name));
		console_printf("  [%02x] %s", i * 8, name);
		shown++;
	}
}

/* The first page boundary that nothing above can be read from: guard pages follow every stack. */
static const uint64_t *stack_top(uint64_t sp)
{
	return (const uint64_t *)ALIGN_UP(sp + 1, PAGE_SIZE);
}

/*
 * What is interrupted may be any instruction of the protocol, on the way to full too: nothing
 * sensitive is touched before every sibling is out of its guest, for ever. With a silent one the
 * report is made in restricted, which has all that it needs, and nobody else is stopped.
 */
static void enter_panic(void)
{
	interrupts_off();
	if (in_panic) /* a fault while reporting one: what could be said has been said */
		halt_forever();
	in_panic = true;
	if (percpu_is_live()) {
		struct percpu *cpu = this_cpu();

		cpu->vcpu = NULL;
		if (stun_for_good(cpu)) {
			write_cr3(cpu->cr3_full);
			cpu->asi_state = ASI_FULL;
			ipi_stop_others();
		}
	}
	console_seize();
}

static _Noreturn void finish(const char *what, uint64_t rip)
{
	char site[96];

	symbols_format(rip, site, sizeof(site));
	record_begin("panic");
	record_str("what", what);
	record_str("site", site);
	record_hex("rip", rip);
	record_end();
	end_halt(END_PANIC);
}

void panic(const char *fmt, ...)
{
	char buf[200];
	va_list args;
	uint64_t here = (uint64_t)__builtin_return_address(0);
	const uint64_t *sp = __builtin_frame_address(0);

	enter_panic();
	va_start(args, fmt);
	fmt_vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	console_printf("panic: %s", buf);
	print_stack(sp, stack_top((uint64_t)sp));
	finish(buf, here);
}

void panic_exception(const struct exception_frame *f)
{
	char buf[120], site[96];
	uint64_t cr2 = read_cr2();

	enter_panic();
	symbols_format(f->rip, site, sizeof(site));
	fmt_snprintf(buf, sizeof(buf), "exception %u, error 0x%llx, at %s, CR2 0x%llx",
		     (unsigned)f->vector, (unsigned long long)f->error, site,
		     (unsigned long long)cr2);
	console_printf("panic: %s", buf);
	console_printf("  rax %016llx rbx %016llx rcx %016llx rdx %016llx",
		       (unsigned long long)f->rax, (unsigned long long)f->rbx,
		       (unsigned long long)f->rcx, (unsigned long long)f->rdx);
	console_printf("  rsi %016llx rdi %016llx rbp %016llx rsp %016llx",
		       (unsigned long long)f->rsi, (unsigned long long)f->rdi,
		       (unsigned long long)f->rbp, (unsigned long long)f->rsp);
	console_printf("  r8  %016llx r9  %016llx r10 %016llx r11 %016llx",
		       (unsigned long long)f->r8, (unsigned long long)f->r9,
		       (unsigned long long)f->r10, (unsigned long long)f->r11);
	console_printf("  r12 %016llx r13 %016llx r14 %016llx r15 %016llx",
		       (unsigned long long)f->r12, (unsigned long long)f->r13,
		       (unsigned long long)f->r14, (unsigned long long)f->r15);
	console_printf("  rip %016llx rflags %08llx cr3 %016llx", (unsigned long long)f->rip,
		       (unsigned long long)f->rflags, (unsigned long long)read_cr3());
	print_stack((const uint64_t *)(f + 1), stack_top((uint64_t)(f + 1)));
	finish(buf, f->rip);
}

void panic_tell_closed(unsigned silent)
{
	console_error("CPU %u does not answer CPU %u's stun: this core runs no guest any more, its "
		      "VMs stand still",
		      silent, this_cpu()->id);
	record_begin("stun");
	record_u64("cpu", this_cpu()->id);
	record_u64("silent", silent);
	record_str("core", "closed");
	record_end();
}
