// SPDX-License-Identifier: MIT
#include "guest-tests/unit/fake_platform.h"

#include <string.h>

static struct vm the_vm;
static struct frame_queue outboxes[VNET_MAX], inboxes[VNET_MAX];

struct vm *fake_vm(unsigned vcpus, bool x2apic)
{
	struct vm *vm = &the_vm;

	memset(vm, 0, sizeof(*vm));
	vm->outbox = outboxes;
	vm->inbox = inboxes;
	for (unsigned i = 0; i < VNET_MAX; i++) {
		memset(&outboxes[i], 0, offsetof(struct frame_queue, bytes));
		memset(&inboxes[i], 0, offsetof(struct frame_queue, bytes));
	}
	vm->vcpus = vcpus;
	vm->tsc = 1000;
	for (unsigned i = 0; i < vcpus; i++) {
		vm->vcpu[i].vm = vm;
		vm->vcpu[i].lapic.page = vm->vcpu[i].apic_page;
		vlapic_reset(&vm->vcpu[i], i, x2apic);
	}
	machine_reset(vm);
	return vm;
}

unsigned fake_run_until(struct vm *vm, uint64_t tsc)
{
	unsigned expired = 0;

	for (;;) {
		struct vcpu *next = NULL;

		for (unsigned i = 0; i < vm->vcpus; i++) {
			struct vcpu *v = &vm->vcpu[i];

			if (v->armed && v->armed <= tsc && (!next || v->armed < next->armed))
				next = v;
		}
		if (!next)
			break;
		if (vm->tsc < next->armed)
			vm->tsc = next->armed;
		next->armed = 0;
		vlapic_timer_expired(next);
		expired++;
	}
	vm->tsc = tsc;
	return expired;
}

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
	return vm->vcpus;
}

struct vcpu *vm_vcpu(struct vm *vm, unsigned index)
{
	return &vm->vcpu[index];
}

struct vm *vcpu_vm(struct vcpu *vcpu)
{
	return vcpu->vm;
}

void vm_lock(struct vm *vm)
{
	vm->locks += !vm->locked;
	vm->locked = true;
}

void vm_unlock(struct vm *vm)
{
	vm->locked = false;
}

bool vcpu_is_here(const struct vcpu *vcpu)
{
	return !vcpu->elsewhere;
}

void vcpu_post(struct vcpu *vcpu, uint8_t vector, bool level)
{
	vcpu->posted++;
	vcpu->posted_vector = vector;
	vcpu->posted_level = level;
}

uint64_t vm_tsc(struct vm *vm)
{
	return vm->tsc;
}

uint64_t vcpu_tsc(const struct vcpu *vcpu)
{
	return vcpu->vm->tsc;
}

uint64_t vm_tsc_hz(const struct vm *vm)
{
	(void)vm;
	return FAKE_TSC_HZ;
}

uint64_t vm_epoch(const struct vm *vm)
{
	return vm->epoch;
}

void vcpu_apic_mode_changed(struct vcpu *vcpu)
{
	vlapic_set_assisted(vcpu, vcpu->vm->assists && vlapic_may_be_assisted(&vcpu->lapic));
}

void vcpu_notify(struct vcpu *vcpu)
{
	vcpu->notified++;
}

void vcpu_timer_arm(struct vcpu *vcpu, uint64_t guest_tsc)
{
	vcpu->armed = guest_tsc;
}

void vcpu_send_init(struct vcpu *vcpu)
{
	vcpu->inits++;
}

void vcpu_send_sipi(struct vcpu *vcpu, uint8_t vector)
{
	vcpu->sipis++;
	vcpu->sipi_vector = vector;
}

void vcpu_send_nmi(struct vcpu *vcpu)
{
	vcpu->nmis++;
}

void vm_console_write(struct vm *vm, uint8_t byte)
{
	if (vm->console_length < FAKE_CONSOLE)
		vm->console[vm->console_length++] = byte;
}

bool vm_console_ready(const struct vm *vm)
{
	(void)vm;
	return true;
}

void vm_request(struct vm *vm, enum vm_request request)
{
	vm->request = request;
}

struct frame_queue *vm_net_outbox(struct vm *vm, unsigned unit)
{
	return &vm->outbox[unit];
}

struct frame_queue *vm_net_inbox(struct vm *vm, unsigned unit)
{
	return &vm->inbox[unit];
}

void vm_net_send(struct vm *vm)
{
	vm->sends++;
}

uint64_t vm_net_window(struct vm *vm)
{
	(void)vm;
	return FAKE_WINDOW;
}

void vm_net_poll_in(struct vm *vm, uint64_t ticks)
{
	if (!vm->poll_in || ticks < vm->poll_in)
		vm->poll_in = ticks;
}

void *vm_ram(struct vm *vm, gpa_t gpa, uint64_t len)
{
	if (vm->meddle)
		vm->meddle(vm);
	return gpa.v <= FAKE_RAM && len <= FAKE_RAM - gpa.v ? vm->ram + gpa.v : NULL;
}

uint8_t *vm_ram_flat(struct vm *vm, uint64_t *size)
{
	*size = vm->flat ? FAKE_RAM : 0;
	return vm->ram;
}

void vm_again(struct vm *vm, struct virtio *device, unsigned queue)
{
	(void)device;
	(void)queue;
	vm->agains++;
}

void vm_complain(struct vm *vm, const char *device, const char *what)
{
	(void)device;
	(void)what;
	vm->complaints++;
}
