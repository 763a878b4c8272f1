/* prove: vmx/exit/hypercall.c */
/* prove-before: guest-tests/prove/window.h guest-tests/prove/instructions.h */
/* prove-options: precision=2 coverage=95 quick */
/* SPDX-License-Identifier: MIT */
/* Any numbers in all registers, from a kernel and from a program, of VMs with any rights. */
#include "hv/vm/audit.h"
#include "hv/console/console.h"
#include "vmx/exit/hypercall.h"
#include "hv/sched/mitigation.h"
#include "hv/asi/asi.h"
#include "hv/asi/flush.h"
#include "hv/life/loading.h"
#include "hv/console/record.h"
#include "hv/cpu/stack.h"
#include "hv/vm/vm.h"
#include "vmx/vcpu.h"

/* As long again as the longest text, since Eva knows nothing of sums. */
#define RAM 0x10000ULL

static uint8_t ram[2 * RAM];
static struct vm the_vm;
bool mitigation_changing;
struct percpu prove_cpu;
struct vcpu prove_vcpu;

void *vm_ram(struct vm *vm, gpa_t gpa, uint64_t len)
{
	any_bytes(ram, sizeof(ram));
	return gpa.v <= RAM && len <= RAM - gpa.v ? ram + gpa.v : NULL;
}

bool vm_console_ready(const struct vm *vm)
{
	return any8 & 1;
}

bool console_has_room(enum console_share share)
{
	return any8 & 1;
}

void vm_copy_stats(const struct vm *vm, struct hypercall_stats *stats)
{
	any_bytes(stats, sizeof(*stats));
}

unsigned vcpu_copy_trace(const struct vcpu *vcpu, struct hypercall_trace *out, unsigned max)
{
	any_bytes(out, max * sizeof(*out));
	return max;
}

int mitigation_request(const struct mitigation_choice *choice)
{
	return any8 ? 0 : -1;
}

int audit_for_guest(unsigned vm, unsigned vcpu, bool *done)
{
	*done = any8 & 1;
	return (int)any32;
}

void record_str(const char *key, const char *value)
{
	/*@ assert ends: \valid_read(value + (0 .. 0)); */
}

_Noreturn void run_end(int64_t status, const char *why)
{
	prove_end();
}

int64_t vm_loaded(struct vcpu *vcpu, gpa_t entry, bool *again)
{
	*again = any8 & 1;
	return any8 ? 0 : -1;
}

int64_t vm_not_loaded(struct vcpu *vcpu)
{
	return any8 ? 0 : -1;
}

/* What nothing comes back from. */
void vm_lock(struct vm *vm)
{
}

void vm_unlock(struct vm *vm)
{
}

void vm_console_write(struct vm *vm, uint8_t byte)
{
}

bool vm_print_stats_piece(const struct vm *vm, unsigned *at)
{
	*at = any32;
	return !(any8 & 1); /* also where a fuzzer's input is at its end */
}

void vm_print_stats(const struct vm *vm)
{
}

void vcpu_reset_stats(struct vcpu *vcpu)
{
}

void vcpu_set_traced(struct vcpu *vcpu, bool traced)
{
}

void record_begin(const char *type)
{
}

void record_u64(const char *key, uint64_t value)
{
}

void record_end(void)
{
}

void console_let_guests(void)
{
}

void asi_exit(enum asi_cause cause)
{
}

void stack_goes_deep(void)
{
}

void prove(void)
{
	any_bytes(prove_vcpu.regs, sizeof(prove_vcpu.regs));
	prove_vcpu.vm = &the_vm;
	prove_cpu.vcpu = &prove_vcpu;
	the_vm.ends_run = any8 & 1;
	the_vm.sets_policy = any8 & 1;
	the_vm.debug_hypercalls = any8 & 1;
	the_vm.user_hypercalls = any8 & 1;
	the_vm.vcpu_count = 1;
	while (any8) {
		hypercall(&prove_vcpu, any64, any64, any64, any64);
		hypercall_user(&prove_vcpu, any64, any64, any64, any64);
	}
}
