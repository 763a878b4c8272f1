// SPDX-License-Identifier: MIT
/* What device models ask of their VM and its vCPUs (drivers/guest/platform.h), but for its RAM
 * (ram.c), its lines (print.c), its networks (hv/net/vm_net.c), timers (hv/cpu/timer.c) and other
 * vCPUs (hv/sched/remote.c). All of it runs in the restricted map. */
#include "hv/vm/vm.h"

#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/virtio/virtio.h"
#include "hv/base/asm.h"
#include "hv/console/console.h"
#include "hv/cpu/percpu.h"

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

void vm_lock(struct vm *vm)
{
	if (vm->vcpu_count > 1)
		spinlock_acquire(&vm->lock);
}

void vm_unlock(struct vm *vm)
{
	if (vm->vcpu_count > 1)
		spinlock_release(&vm->lock);
}

#ifdef DEBUG_LOCKS
void vm_assert_locked(const struct vm *vm)
{
	if (vm->vcpu_count > 1)
		spinlock_assert(&vm->lock);
}
#endif

uint64_t vm_tsc(struct vm *vm)
{
	return rdtsc() + vm->tsc_offset;
}

uint64_t vcpu_tsc(const struct vcpu *vcpu)
{
	return rdtsc() + vcpu->tsc_offset;
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

bool vcpu_is_here(const struct vcpu *vcpu)
{
	return this_cpu()->vcpu == vcpu;
}

void vm_request(struct vm *vm, enum vm_request request)
{
	vm->request = request;
	this_cpu()->vcpu->work |= WORK_REQUEST;
}

void vm_again(struct vm *vm, struct virtio *device, unsigned queue)
{
	struct vcpu *vcpu = this_cpu()->vcpu;

	(void)vm;
	vcpu->again = device;
	vcpu->again_queue = (uint8_t)queue;
}

/* Two lines for the operator are about as long as interrupts may wait, and so may have been what
 * led to them; and the devices' lock is held here. */
void vm_complain(struct vm *vm, const char *device, const char *what)
{
	struct vcpu *vcpu = this_cpu()->vcpu;

	(void)vm;
	if (vcpu->work & WORK_COMPLAIN)
		vm_print_complaint(vcpu);
	vcpu->complaint[0] = device;
	vcpu->complaint[1] = what;
	vcpu->work |= WORK_COMPLAIN;
}

void vm_print_complaint(struct vcpu *vcpu)
{
	vcpu->work &= ~(uint32_t)WORK_COMPLAIN;
	console_error("[vm %s] %s waits for a reset: %s", vcpu->vm->name, vcpu->complaint[0],
		      vcpu->complaint[1]);
}

void vm_stop(struct vcpu *vcpu, const char *reason, uint64_t detail)
{
	if (!vcpu->vm->stop_reason) {
		vcpu->vm->stop_reason = reason;
		vcpu->vm->stop_detail = detail;
	}
	vcpu->work |= WORK_STOP;
}
