// SPDX-License-Identifier: MIT
#include "vmx/exit/hypercall.h"

#include "drivers/guest/platform.h"
#include "hv/asi/actions.h"
#include "hv/asi/asi.h"
#include "hv/asi/flush.h"
#include "hv/base/errno.h"
#include "hv/base/fire.h"
#include "hv/base/hypercall_abi.h"
#include "hv/base/string.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/console/record.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/life/loading.h"
#include "hv/life/run.h"
#include "hv/life/stats.h"
#include "hv/sched/mitigation.h"
#include "hv/vm/audit.h"
#include "hv/vm/vcpu.h"
#include "vmx/exit/trace.h"
#include "vmx/vmcs.h"

/* Keeps the dispatch itself free of what only one case needs: VERSION is measured in instructions.
 */
#define OWN_FRAME __attribute__((noinline))

#define MAX_WRITE 4096
#define MAX_LABEL 32

/* What its section of the configuration has to say for a VM to make a call. Without it a guest
 * reaches nothing beyond itself. */
enum right {
	RIGHT_OWN, /* nothing */
	RIGHT_END_RUN,
	RIGHT_SET_POLICY,
	RIGHT_DEBUG,
};

static const struct {
	uint8_t right;
	bool user; /* for programs too, of a VM with user-hypercalls = on */
} calls[] = {
	[HYPERCALL_VERSION] = { RIGHT_OWN, true },
	[HYPERCALL_CONSOLE_WRITE] = { RIGHT_OWN, false },
	[HYPERCALL_STATS_PRINT] = { RIGHT_OWN, false },
	[HYPERCALL_STATS_READ] = { RIGHT_OWN, false },
	[HYPERCALL_STATS_RESET] = { RIGHT_OWN, false },
	[HYPERCALL_MARK] = { RIGHT_OWN, false },
	[HYPERCALL_END] = { RIGHT_END_RUN, false },
	[HYPERCALL_POLICY] = { RIGHT_OWN, true }, /* to change it takes RIGHT_SET_POLICY */
	[HYPERCALL_TRACE] = { RIGHT_OWN, false },
	[HYPERCALL_STATS_WORD] = { RIGHT_OWN, true },
	[HYPERCALL_MARK_WORDS] = { RIGHT_OWN, true },
	[HYPERCALL_LOADER_DONE] = { RIGHT_OWN, false },
	[HYPERCALL_LOADER_FAIL] = { RIGHT_OWN, false },
};

static bool has_right(const struct vm *vm, enum right right)
{
	switch (right) {
	case RIGHT_OWN:
		return true;
	case RIGHT_END_RUN:
		return vm->ends_run;
	case RIGHT_SET_POLICY:
		return vm->sets_policy;
	default:
		return vm->debug_hypercalls;
	}
}

/* What HYPERCALL_DEBUG_TOUCH_SENSITIVE reads: ordinary data of the hypervisor, hence sensitive. It
 * has a line of its own, as the oracle calls a line by the first variable on it. */
static volatile uint64_t sensitive_word __attribute__((aligned(CACHE_LINE))) = 0x5ec4e7;

static OWN_FRAME int64_t console_write(struct vm *vm, uint64_t gpa, uint64_t size)
{
	const uint8_t *text;
	uint64_t written = 0;

	if (size > MAX_WRITE)
		return -E_INVAL;
	text = vm_ram(vm, GPA(gpa), size);
	if (!text)
		return -E_FAULT;
	vm_lock(vm);
	while (written < size && vm_console_ready(vm))
		vm_console_write(vm, text[written++]);
	vm_unlock(vm);
	return (int64_t)written;
}

static OWN_FRAME int64_t stats_read(const struct vcpu *vcpu, uint64_t gpa, uint64_t size)
{
	struct hypercall_stats stats;
	uint8_t *out;

	stack_goes_deep();
	if (size > sizeof(stats))
		size = sizeof(stats);
	out = vm_ram(vcpu->vm, GPA(gpa), size);
	if (!out)
		return -E_FAULT;
	vm_copy_stats(vcpu->vm, &stats);
	memcpy(out, &stats, size);
	return (int64_t)size;
}

static OWN_FRAME int64_t stats_reset(struct vcpu *vcpu)
{
#ifdef BREAK_wild_pointer
	*(volatile uint64_t *)0xdead000 = 0;
#endif
	for (unsigned i = 0; i < vcpu->vm->vcpu_count; i++)
		vcpu_reset_stats(vcpu_here(i));
	return 0;
}

static OWN_FRAME int64_t stats_word(const struct vcpu *vcpu, uint64_t index)
{
	struct hypercall_stats stats;
	int64_t word;

	stack_goes_deep();
	if (index >= sizeof(stats) / sizeof(word))
		return -E_RANGE;
	vm_copy_stats(vcpu->vm, &stats);
	memcpy(&word, (const uint8_t *)&stats + index * sizeof(word), sizeof(word));
	return word;
}

/* exit_vmcall() goes on behind the instruction. A guest that steps gets a trap for each time. */
static void call_again(void)
{
	vmcs_write(VMCS_GUEST_RIP,
		   vmcs_read(VMCS_GUEST_RIP) - vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
}

/*
 * What a guest has printed of itself is the hypervisor's text, and one queue has it for all VMs. If
 * that is half full the call is made again when it is not, and this vCPU alone waits.
 */
static bool must_wait(void)
{
	struct vcpu *vcpu = this_cpu()->vcpu;

	if (likely(console_has_room(CONSOLE_FOR_RECORDS)))
		return false;
	vcpu->awaits_room = true;
	vcpu->work |= WORK_PRINT;
	call_again();
	return true;
}

static int64_t print_mark(const struct vm *vm, const void *text, uint64_t length, uint64_t value)
{
	char label[MAX_LABEL + 1];

	memcpy(label, text, length);
	label[length] = '\0';
	record_begin("bench");
	record_str("vm", vm->name);
	record_str("label", label);
	record_u64("value", value);
	record_end();
	console_let_guests();
	return 0;
}

static OWN_FRAME int64_t mark(struct vm *vm, uint64_t gpa, uint64_t length, uint64_t value)
{
	const void *text;

	if (length > MAX_LABEL)
		return -E_INVAL;
	if (must_wait())
		return HYPERCALL_MARK;
	text = vm_ram(vm, GPA(gpa), length);
	return text ? print_mark(vm, text, length, value) : -E_FAULT;
}

static OWN_FRAME int64_t mark_words(const struct vcpu *vcpu)
{
	const uint64_t label[] = { vcpu->regs[REG_RSI], vcpu->regs[REG_RDX], vcpu->regs[REG_R8],
				   vcpu->regs[REG_R8 + 1] };

	static_assert(sizeof(label) == MAX_LABEL, "four registers");
	if (must_wait())
		return HYPERCALL_MARK_WORDS;
	return print_mark(vcpu->vm, label, sizeof(label), vcpu->regs[REG_RDI]);
}

/* A piece for each time that the call is made, and it is made until all is looked at. */
static int64_t audit(const struct vcpu *vcpu)
{
	int64_t violations;
	bool done;

	asi_exit(ASI_CAUSE_CHECK);
	violations = audit_for_guest(vcpu->vm->id, vcpu->id, &done);
	if (done)
		return violations;
	call_again();
	return HYPERCALL_AUDIT;
}

static OWN_FRAME int64_t debug(const struct vcpu *vcpu, uint64_t number)
{
	int64_t result;

	switch (number) {
	case HYPERCALL_DEBUG_TOUCH_SENSITIVE:
		result = (int64_t)sensitive_word;
		/* Who announces himself in full already is else too rare to be hit. */
		FIRE_ONLY(asi_exit(ASI_CAUSE_CHECK));
		return result;
	case HYPERCALL_AUDIT:
		return audit(vcpu);
	default:
		return -E_NOENT;
	}
}

static int64_t policy_now(void)
{
	const struct policy_actions *actions = flush_actions();

	return actions->mode | (actions->paranoid ? HYPERCALL_POLICY_PARANOID : 0) |
	       (actions->parked ? HYPERCALL_POLICY_SMT_OFF : 0) |
	       (mitigation_is_changing() ? HYPERCALL_POLICY_CHANGING : 0);
}

static OWN_FRAME int64_t policy(struct vcpu *vcpu, uint64_t wanted)
{
	const unsigned bits = 0xff | HYPERCALL_POLICY_PARANOID | HYPERCALL_POLICY_SMT_OFF;
	int err;

	if (wanted == HYPERCALL_POLICY_GET)
		return policy_now();
	if (!has_right(vcpu->vm, RIGHT_SET_POLICY))
		return -E_PERM;
	if (wanted & ~(uint64_t)bits)
		return -E_INVAL;
	asi_exit(ASI_CAUSE_POLICY);
	err = mitigation_request(
		&(struct mitigation_choice){ .mode = (enum hypercall_policy)(wanted & 0xff),
					     .paranoid = wanted & HYPERCALL_POLICY_PARANOID,
					     .smt = !(wanted & HYPERCALL_POLICY_SMT_OFF) });
	/* This CPU follows before its guest goes on. */
	if (!err)
		vcpu->work |= WORK_SWITCH;
	return err;
}

static OWN_FRAME int64_t trace(struct vcpu *vcpu, uint64_t op, uint64_t gpa, uint64_t size)
{
	unsigned max = HYPERCALL_TRACE_ENTRIES;
	void *out;

	if (op == HYPERCALL_TRACE_ON || op == HYPERCALL_TRACE_OFF) {
		vcpu_set_traced(vcpu, op == HYPERCALL_TRACE_ON);
		return 0;
	}
	if (op != HYPERCALL_TRACE_READ)
		return -E_INVAL;
	if (size < max * sizeof(struct hypercall_trace))
		max = (unsigned)(size / sizeof(struct hypercall_trace));
	out = vm_ram(vcpu->vm, GPA(gpa), max * sizeof(struct hypercall_trace));
	if (!out)
		return -E_FAULT;
	return (int64_t)(vcpu_copy_trace(vcpu, out, max) * sizeof(struct hypercall_trace));
}

/* One record for each time that the call is made. */
static OWN_FRAME int64_t stats_print(struct vcpu *vcpu)
{
	bool done;

	if (must_wait())
		return HYPERCALL_STATS_PRINT;
	done = vm_print_stats_piece(vcpu->vm, &vcpu->printed);
	console_let_guests();
	if (!done) {
		call_again();
		return HYPERCALL_STATS_PRINT;
	}
	vcpu->printed = 0;
	return 0;
}

static OWN_FRAME int64_t loader_done(struct vcpu *vcpu, gpa_t entry)
{
	bool again;
	int64_t result = vm_loaded(vcpu, entry, &again);

	if (!again)
		return result;
	call_again();
	return HYPERCALL_LOADER_DONE;
}

static OWN_FRAME int64_t end(const struct vm *vm, uint64_t status)
{
	vm_print_stats(vm);
	run_end((int64_t)status, "a guest ended the run");
}

int64_t hypercall(struct vcpu *vcpu, uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	struct vm *vm = vcpu->vm;

	if (number == HYPERCALL_VERSION)
		return HYPERCALL_ABI_VERSION;
	if (!has_right(vm, number < ARRAY_SIZE(calls)		       ? calls[number].right
			   : number >= HYPERCALL_DEBUG_TOUCH_SENSITIVE ? RIGHT_DEBUG
								       : RIGHT_OWN))
		return -E_PERM;
	switch (number) {
	case HYPERCALL_CONSOLE_WRITE:
		return console_write(vm, a, b);
	case HYPERCALL_STATS_PRINT:
		return stats_print(vcpu);
	case HYPERCALL_STATS_READ:
		return stats_read(vcpu, a, b);
	case HYPERCALL_STATS_RESET:
		return stats_reset(vcpu);
	case HYPERCALL_MARK:
		return mark(vm, a, b, c);
	case HYPERCALL_TRACE:
		return trace(vcpu, a, b, c);
	case HYPERCALL_POLICY:
		return policy(vcpu, a);
	case HYPERCALL_STATS_WORD:
		return stats_word(vcpu, a);
	case HYPERCALL_MARK_WORDS:
		return mark_words(vcpu);
	case HYPERCALL_END:
		return end(vm, a);
	case HYPERCALL_LOADER_DONE:
		return loader_done(vcpu, GPA(a));
	case HYPERCALL_LOADER_FAIL:
		return vm_not_loaded(vcpu);
	default:
		return number >= HYPERCALL_DEBUG_TOUCH_SENSITIVE ? debug(vcpu, number) : -E_NOENT;
	}
}

int64_t hypercall_user(struct vcpu *vcpu, uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	if (!vcpu->vm->user_hypercalls || number >= ARRAY_SIZE(calls) || !calls[number].user)
		return -E_PERM;
	return hypercall(vcpu, number, a, b, c);
}
