// SPDX-License-Identifier: MIT
/* What device models and exit handlers ask of a VM (drivers/guest/platform.h). All of it runs in
 * the restricted map. */
#include "hv/vm.h"

#include "drivers/host/lapic.h"
#include "hv/asm.h"
#include "hv/console.h"
#include "vmx/vcpu.h"

struct machine *vm_machine(struct vm *vm)
{
	return &vm->machine;
}

struct vlapic *vcpu_vlapic(struct vcpu *vcpu)
{
	return &vcpu->lapic;
}

unsigned vm_vcpu_count(const struct vm *vm)
{
	return vm->vcpu_count;
}

struct vcpu *vm_vcpu(struct vm *vm, unsigned index)
{
	(void)vm;
	return vcpu_here(index);
}

struct vm *vcpu_vm(struct vcpu *vcpu)
{
	return vcpu->vm;
}

uint64_t vm_ram_low(const struct vm *vm)
{
	return vm->ram_low;
}

uint64_t vm_ram_high(const struct vm *vm)
{
	return vm->ram_high;
}

static bool is_populated(const struct vm *vm, uint64_t gpa)
{
	uint64_t chunk = gpa / VM_POPULATE_CHUNK;

	return vm->populated[chunk / 8] >> (chunk % 8) & 1;
}

/* A guest's pointer may lead to memory that it has not touched yet: it gets its frames now. */
static bool populate_range(struct vm *vm, uint64_t gpa, uint64_t len)
{
	for (uint64_t at = ALIGN_DOWN(gpa, VM_POPULATE_CHUNK); at < gpa + len;
	     at += VM_POPULATE_CHUNK)
		if (!is_populated(vm, at) && vm_populate(vm, GPA(at)))
			return false;
	return true;
}

void *vm_ram(struct vm *vm, gpa_t gpa, uint64_t len)
{
	uint64_t end = gpa.v + len;
	bool low = end <= vm->ram_low;
	bool high = gpa.v >= GIB(4) && end <= GIB(4) + vm->ram_high;

	if (unlikely(end < gpa.v || !(low || high)))
		return NULL;
	if (unlikely(vm->lazy) && !populate_range(vm, gpa.v, len))
		return NULL;
	return (void *)(GUEST_BASE + gpa.v);
}

uint64_t vm_tsc(struct vm *vm)
{
	return rdtsc() + vm->tsc_offset;
}

uint64_t vm_tsc_hz(const struct vm *vm)
{
	return vm->tsc_hz;
}

uint64_t vm_epoch(const struct vm *vm)
{
	return vm->epoch;
}

void vcpu_notify(struct vcpu *vcpu)
{
	vcpu->work |= WORK_IRQ;
}

/*
 * The guest's clock runs behind the host's by a start time (or, if it was set forward, ahead of
 * it). A sum that wraps is a time that never comes; a difference that wraps one that is over.
 */
static uint64_t host_deadline(const struct vm *vm, uint64_t guest_tsc)
{
	uint64_t host = guest_tsc - vm->tsc_offset;

	if (likely((int64_t)vm->tsc_offset <= 0))
		return unlikely(host < guest_tsc) ? UINT64_MAX : host;
	return host > guest_tsc ? 1 : host;
}

void vcpu_timer_arm(struct vcpu *vcpu, uint64_t guest_tsc)
{
	uint64_t deadline = guest_tsc ? host_deadline(vcpu->vm, guest_tsc) : 0;

	vcpu->timer_deadline = deadline;
	if (likely(vcpu->vm->timer == VM_TIMER_DEADLINE))
		lapic_arm(deadline);
}

void vcpu_send_nmi(struct vcpu *vcpu)
{
	vcpu->nmi_pending = true;
	vcpu->work |= WORK_IRQ;
}

/* One vCPU a VM: there is nobody whom INIT or SIPI could wake. An INIT to oneself is a reset. */
void vcpu_send_init(struct vcpu *vcpu)
{
	vm_request(vcpu->vm, VM_REQUEST_REBOOT);
}

void vcpu_send_sipi(struct vcpu *vcpu, uint8_t vector)
{
	(void)vcpu;
	(void)vector;
}

static void flush_line(struct vm *vm)
{
	console_guest_line(vm->name, vm->console_line, vm->console_length);
	vm->console_length = 0;
}

void vm_console_write(struct vm *vm, uint8_t byte)
{
	if (vm->raw_console) {
		console_guest_putc((char)byte);
		return;
	}
	if (byte == '\n') {
		flush_line(vm);
		return;
	}
	if (byte == '\r')
		return;
	vm->console_line[vm->console_length++] = (char)byte;
	if (vm->console_length == VM_CONSOLE_LINE)
		flush_line(vm);
}

void vm_request(struct vm *vm, enum vm_request request)
{
	vm->request = request;
	vcpu_here(0)->work |= WORK_REQUEST;
}

void vm_stop(struct vcpu *vcpu, const char *reason, uint64_t detail)
{
	vcpu->vm->stop_reason = reason;
	vcpu->vm->stop_detail = detail;
	vcpu->work |= WORK_STOP;
}
