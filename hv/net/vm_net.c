// SPDX-License-Identifier: MIT
/*
 * A VM's network cards between their device model and the switch. All queues of a card lie in its
 * own VM's window. So both of its directions are served in restricted, by a CPU of its VM; full is
 * needed for the copies from its outboxes into the inboxes of others, and for nothing else.
 */
#include "hv/net/vm_net.h"

#include "drivers/guest/net/frame_queue.h"
#include "drivers/guest/platform.h"
#include "drivers/guest/virtio/net.h"
#include "hv/asi/asi.h"
#include "hv/base/asm.h"
#include "hv/base/errno.h"
#include "hv/base/spinlock.h"
#include "hv/config/config.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/timer.h"
#include "hv/net/netswitch.h"
#include "hv/sched/remote.h"
#include "hv/vm/breathe.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "mm/space.h"

#define WINDOW_FLUSHES 16
#define WINDOW_MIN_US 100
#define WINDOW_MAX_US 1000

#define QUEUE_PAGES (ALIGN_UP(sizeof(struct frame_queue), PAGE_SIZE) / PAGE_SIZE)
static_assert(sizeof(struct frame_queue) <= VM_NET_STRIDE / 2, "two for each card");
static_assert(VNET_MAX >= CONFIG_MAX_NICS, "each card has its state");

static uint64_t outbox_at(unsigned unit)
{
	return VM_NET_BASE + unit * VM_NET_STRIDE;
}

static uint64_t inbox_at(unsigned unit)
{
	return outbox_at(unit) + VM_NET_STRIDE / 2;
}

struct frame_queue *vm_net_outbox(struct vm *vm, unsigned unit)
{
	(void)vm;
	return (struct frame_queue *)outbox_at(unit);
}

struct frame_queue *vm_net_inbox(struct vm *vm, unsigned unit)
{
	(void)vm;
	return (struct frame_queue *)inbox_at(unit);
}

static unsigned port_of(const struct vm *vm, unsigned unit)
{
	return vm->id * CONFIG_MAX_NICS + unit;
}

int vm_net_create(struct vm_record *record)
{
	const struct config_vm *config = record->config;

	netswitch_set_age(cpu_facts.tsc_hz * NETSWITCH_AGE_S);
	for (unsigned i = 0; i < config->nic_count; i++) {
		void *outbox, *inbox;

		vm_breathe();
		if (space_window_alloc(&record->window, outbox_at(i), QUEUE_PAGES, &outbox))
			return -E_NOMEM;
		vm_breathe();
		if (space_window_alloc(&record->window, inbox_at(i), QUEUE_PAGES, &inbox) ||
		    !vnet_add(record->vm, i, config->nics[i].mac))
			return -E_NOMEM;
		netswitch_connect(record->window.vm_id * CONFIG_MAX_NICS + i, &config->nics[i],
				  outbox, inbox);
	}
	record->vm->nic_count = (uint8_t)config->nic_count;
	return 0;
}

void vm_net_set_up(struct vm_record *record, bool up)
{
	const struct vm *vm = record->vm;

	for (unsigned i = 0; i < vm->nic_count; i++) {
		/* What was meant for the VM before its restart is not for the one behind it. */
		frame_queue_clear(vm_net_inbox(VM_HERE, i));
		frame_queue_clear(vm_net_outbox(VM_HERE, i));
		netswitch_set_up(port_of(vm, i), up);
	}
}

/* Long enough for the price of an escalation to be a small part of it, within what a guest's
 * protocols do not mind. */
uint64_t vm_net_window(struct vm *vm)
{
	uint64_t us = vm->tsc_hz / 1000000 + 1;
	uint64_t ticks = this_cpu()->vcpu->flush_ticks * WINDOW_FLUSHES;

	if (ticks < WINDOW_MIN_US * us)
		return WINDOW_MIN_US * us;
	return ticks < WINDOW_MAX_US * us ? ticks : WINDOW_MAX_US * us;
}

void vm_net_send(struct vm *vm)
{
	(void)vm;
	this_cpu()->vcpu->work |= WORK_SEND;
}

void vm_net_poll_in(struct vm *vm, uint64_t ticks)
{
	struct vcpu *vcpu = this_cpu()->vcpu;

	(void)vm;
	vcpu->net_deadline = timer_earlier(vcpu->net_deadline, rdtsc() + ticks);
	timer_program(vcpu);
}

/* Once a VM's end has begun its vCPUs may be gone; while its lock is held it does not begin. */
static void tell(struct vm_record *record)
{
	spinlock_acquire(&record->lock);
	if (record->state == VM_LIVE)
		vcpu_post_net(record);
	spinlock_release(&record->lock);
}

void netswitch_wait(void)
{
	vm_breathe();
}

/* All of a full outbox, as long as its frames are not tiny: pieces for one card at a time. */
#define PIECES 24

/* False: all is sent. Between the pieces others have their turn. */
static bool forward(struct vcpu *vcpu)
{
	uint64_t reached = 0, now = rdtsc();
	unsigned pieces = 0;
	bool more = false;

	asi_exit(ASI_CAUSE_NET);
	for (unsigned i = 0; i < vcpu->vm->nic_count; i++) {
		while ((more = netswitch_forward(port_of(vcpu->vm, i), now, &reached)) &&
		       ++pieces < PIECES)
			vm_breathe();
		if (more)
			break;
	}
	while (reached) {
		unsigned to = (unsigned)__builtin_ctzll(reached) / CONFIG_MAX_NICS;

		reached &= ~(((1ULL << CONFIG_MAX_NICS) - 1) << to * CONFIG_MAX_NICS);
		tell(&vm_records[to]);
	}
	return more;
}

/* What its guest has queued is to be on its way before the vCPU rests. */
static void run_cards(struct vcpu *vcpu, bool rests)
{
	struct vm *vm = vcpu->vm;
	unsigned pieces = 0;
	bool more;

	do {
		more = false;
		vcpu->work &= ~(uint32_t)WORK_NET;
		vcpu->net_deadline = 0;
		for (unsigned i = 0; i < vm->nic_count; i++) {
			interrupts_take();
			vm_lock(vm);
			vnet_receive(vm, i);
			vm_unlock(vm);
			interrupts_take();
			vm_lock(vm);
			more |= vnet_send_on(vm, i, rests);
			vm_unlock(vm);
		}
	} while (more && rests && ++pieces < PIECES);
}

void vm_net_work(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	bool rests = vcpu->work & (WORK_HALT | WORK_SWITCH | WORK_STOP | WORK_REQUEST);

	if ((vcpu->work & WORK_NET) || vcpu->net_deadline)
		run_cards(vcpu, rests);
	interrupts_take();
	/* Without the VM's lock, as siblings may have to be stunned. */
	if ((vcpu->work & WORK_SEND) || vcpu->sends_on) {
		vcpu->work &= ~(uint32_t)WORK_SEND;
		vcpu->sends_on = forward(vcpu);
		if (vcpu->sends_on)
			vm_net_poll_in(vm, 1);
	}
}
