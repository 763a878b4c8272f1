/* SPDX-License-Identifier: MIT */
/*
 * What a device model may ask of the hypervisor: the only view that drivers/guest/ has of a VM.
 * Implemented by hv/vm/vm.c (and by fakes in unit tests). All of it runs in the restricted map.
 */
#ifndef DRIVERS_GUEST_PLATFORM_H
#define DRIVERS_GUEST_PLATFORM_H

#include "hv/base/types.h"

struct vm;
struct vcpu;
struct machine;
struct vlapic;
struct frame_queue;
struct virtio;

/** The VM's devices, and a vCPU's local APIC. */
ANY struct machine *vm_machine(struct vm *vm);
ANY struct vlapic *vcpu_vlapic(struct vcpu *vcpu);

ANY unsigned vm_vcpu_count(const struct vm *vm);
ANY struct vcpu *vm_vcpu(struct vm *vm, unsigned index);
ANY struct vm *vcpu_vm(struct vcpu *vcpu);

/**
 * Pointer to @len bytes of guest RAM at @gpa, or NULL if any of them is not RAM. The current VM
 * only.
 */
ANY void *vm_ram(struct vm *vm, gpa_t gpa, uint64_t len);
/** RAM from guest-physical address 0 on that is there as a whole: all below the hole, or nothing
 * (@size 0) if memory is populated on first touch. Stays so while the VM lives. */
ANY uint8_t *vm_ram_flat(struct vm *vm, uint64_t *size);

/** Nobody else touches the VM's devices in between. Not nested; no access to sensitive data inside.
 */
ANY void vm_lock(struct vm *vm);
ANY void vm_unlock(struct vm *vm);
/** A device model is at work: builds with -DDEBUG_LOCKS panic if others may be so too. */
#ifdef DEBUG_LOCKS
void vm_assert_locked(const struct vm *vm);
#else
static inline void vm_assert_locked(const struct vm *vm)
{
	(void)vm;
}
#endif

/** Ticks since the VM began, whatever it does to its counters; a vCPU's time stamp counter now; the
 * frequency of both. */
ANY uint64_t vm_tsc(struct vm *vm);
ANY uint64_t vcpu_tsc(const struct vcpu *vcpu);
ANY uint64_t vm_tsc_hz(const struct vm *vm);
/** Seconds since 1970 when the VM's clock was 0 (from the host's RTC). */
ANY uint64_t vm_epoch(const struct vm *vm);

/**
 * Something for the vCPU to take may have appeared in its local APIC: look before the next entry.
 */
ANY void vcpu_notify(struct vcpu *vcpu);
/** Is this the vCPU that the calling CPU runs? Only then may its local APIC be touched. */
ANY bool vcpu_is_here(const struct vcpu *vcpu);
/** vlapic_accept() for a vCPU that runs elsewhere: its own CPU does it. */
ANY void vcpu_post(struct vcpu *vcpu, uint8_t vector, bool level);
/** The local APIC has changed its mode, or SVR turned it on or off: who works on its page may
 * change. */
ANY void vcpu_apic_mode_changed(struct vcpu *vcpu);
/** Call vlapic_timer_expired() on this vCPU once its TSC reaches @guest_tsc; 0 cancels. */
ANY void vcpu_timer_arm(struct vcpu *vcpu, uint64_t guest_tsc);
/** INIT or SIPI for this vCPU (@vector as in the SIPI; ignored for INIT). */
ANY void vcpu_send_init(struct vcpu *vcpu);
ANY void vcpu_send_sipi(struct vcpu *vcpu, uint8_t vector);
ANY void vcpu_send_nmi(struct vcpu *vcpu);

/** A byte that the guest writes to its console; and whether the next one goes there without that
 * anybody waits for the UART. Who has more than a byte asks. */
ANY void vm_console_write(struct vm *vm, uint8_t byte);
ANY bool vm_console_ready(const struct vm *vm);

/** Where network card @unit puts what it sends, and takes what came for it. */
ANY struct frame_queue *vm_net_outbox(struct vm *vm, unsigned unit);
ANY struct frame_queue *vm_net_inbox(struct vm *vm, unsigned unit);
/** What is in the outboxes goes to the switch before the calling vCPU's next entry. */
ANY void vm_net_send(struct vm *vm);
/** How long a frame may wait for others to go with it, in ticks of the TSC. */
ANY uint64_t vm_net_window(struct vm *vm);
/** Calls vnet_receive() and vnet_send_on() in @ticks of the TSC, or earlier. */
ANY void vm_net_poll_in(struct vm *vm, uint64_t ticks);

enum vm_request { VM_REQUEST_POWEROFF = 1, VM_REQUEST_REBOOT = 2 };
/** The guest wants to end or to start anew; takes effect after the current exit. */
ANY void vm_request(struct vm *vm, enum vm_request request);

/**
 * The guest's access that is being served, a notification of queue @queue of @device, has more to
 * do than interrupts should wait for: it is made again, behind them.
 */
ANY void vm_again(struct vm *vm, struct virtio *device, unsigned queue);

/** Tells the operator in one line what the guest did wrong to its device @device. */
ANY void vm_complain(struct vm *vm, const char *device, const char *what);

#endif
