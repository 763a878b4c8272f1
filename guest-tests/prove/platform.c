/* SPDX-License-Identifier: MIT */
#include "guest-tests/prove/platform.h"

static struct vm the_vm;

uint8_t ram[2 * PROVE_RAM];
uint32_t apic_page[1024], other_apic_page[1024];
struct frame_queue outbox, inbox;

struct vm *any_vm(void)
{
	any_bytes(ram, sizeof(ram));
	the_vm.vcpu[0].lapic.page = apic_page;
	the_vm.vcpu[1].lapic.page = other_apic_page;
	return &the_vm;
}

struct vcpu *any_vcpu(struct vm *vm)
{
	return &vm->vcpu[any_within(0, PROVE_VCPUS - 1)];
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
	return PROVE_VCPUS;
}

struct vcpu *vm_vcpu(struct vm *vm, unsigned index)
{
	return &vm->vcpu[index];
}

struct vm *vcpu_vm(struct vcpu *vcpu)
{
	return &the_vm;
}

uint64_t vm_tsc(struct vm *vm)
{
	return any64;
}

uint64_t vcpu_tsc(const struct vcpu *vcpu)
{
	return any64;
}

/* A machine whose TSC has no frequency is refused at boot. */
uint64_t vm_tsc_hz(const struct vm *vm)
{
	uint64_t hz = any64;

	return hz ? hz : 1;
}

uint64_t vm_epoch(const struct vm *vm)
{
	return any64;
}

bool vcpu_is_here(const struct vcpu *vcpu)
{
	return any8 & 1;
}

bool vm_console_ready(const struct vm *vm)
{
	return any8 & 1;
}

struct frame_queue *vm_net_outbox(struct vm *vm, unsigned unit)
{
	return &outbox;
}

struct frame_queue *vm_net_inbox(struct vm *vm, unsigned unit)
{
	return &inbox;
}

uint64_t vm_net_window(struct vm *vm)
{
	return any64;
}

/* What nothing comes back from. */
void vm_lock(struct vm *vm)
{
}

void vm_unlock(struct vm *vm)
{
}

void vcpu_notify(struct vcpu *vcpu)
{
}

void vcpu_post(struct vcpu *vcpu, uint8_t vector, bool level)
{
}

void vcpu_timer_arm(struct vcpu *vcpu, uint64_t guest_tsc)
{
}

void vcpu_send_init(struct vcpu *vcpu)
{
}

void vcpu_send_sipi(struct vcpu *vcpu, uint8_t vector)
{
}

void vcpu_send_nmi(struct vcpu *vcpu)
{
}

void vm_console_write(struct vm *vm, uint8_t byte)
{
}

void vm_net_send(struct vm *vm)
{
}

void vm_net_poll_in(struct vm *vm, uint64_t ticks)
{
}

void vm_request(struct vm *vm, enum vm_request request)
{
}

void vm_again(struct vm *vm, struct virtio *device, unsigned queue)
{
}

void vm_complain(struct vm *vm, const char *device, const char *what)
{
}
