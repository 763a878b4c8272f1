// SPDX-License-Identifier: MIT
/* What device models and exit handlers ask of a VM (drivers/guest/platform.h). All of it runs in
 * the restricted map. */
#include "hv/vm/vm.h"

#include "drivers/host/lapic.h"
#include "hv/asi/asi.h"
#include "hv/base/asm.h"
#include "hv/console/console.h"
#include "vmx/exit/host_interrupt.h"
#include "hv/cpu/percpu.h"
#include "hv/asi/stun.h"
#include "hv/sched/wake.h"
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

bool vm_is_populated(const struct vm *vm, uint64_t gpa)
{
	uint64_t chunk = gpa / VM_POPULATE_CHUNK;

	return vm->populated[chunk / 8] >> (chunk % 8) & 1;
}

/* A guest's pointer may lead to memory that it has not touched yet: it gets its frames now. */
static bool populate_range(struct vm *vm, uint64_t gpa, uint64_t len)
{
	for (uint64_t at = ALIGN_DOWN(gpa, VM_POPULATE_CHUNK); at < gpa + len;
	     at += VM_POPULATE_CHUNK)
		if (!vm_is_populated(vm, at) && vm_populate(vm, GPA(at), false))
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

uint8_t *vm_ram_flat(struct vm *vm, uint64_t *size)
{
	*size = vm->lazy ? 0 : vm->ram_low;
	return (uint8_t *)GUEST_BASE;
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

/*
 * The guest's clock runs behind the host's by a start time (or, if it was set forward, ahead of
 * it). A sum that wraps is a time that never comes; a difference that wraps one that is over.
 */
static uint64_t host_deadline(const struct vcpu *vcpu, uint64_t guest_tsc)
{
	uint64_t host = guest_tsc - vcpu->tsc_offset;

	if (likely((int64_t)vcpu->tsc_offset <= 0))
		return unlikely(host < guest_tsc) ? UINT64_MAX : host;
	return host > guest_tsc ? 1 : host;
}

void vcpu_timer_arm(struct vcpu *vcpu, uint64_t guest_tsc)
{
	uint64_t deadline = guest_tsc ? host_deadline(vcpu, guest_tsc) : 0;

	vcpu->timer_deadline = deadline;
	if (likely(vcpu->vm->timer == VM_TIMER_DEADLINE))
		lapic_arm(tsc_earlier(tsc_earlier(deadline, vcpu->net_deadline),
				      this_cpu()->slice_end));
}

void vcpu_timer_program(const struct vcpu *vcpu)
{
	uint64_t deadline = 0;

	/* The preemption timer counts in guest mode only: while halted, this one stands in. */
	if (vcpu && (vcpu->vm->timer == VM_TIMER_DEADLINE || (vcpu->work & WORK_HALT)))
		deadline = vcpu->timer_deadline;
	if (vcpu)
		deadline = tsc_earlier(deadline, vcpu->net_deadline);
	lapic_arm(tsc_earlier(deadline, this_cpu()->slice_end));
}

bool vcpu_is_here(const struct vcpu *vcpu)
{
	return this_cpu()->vcpu == vcpu;
}

/* False: the bit is set already, and whoever set it does the rest. */
static inline bool set_remote(struct vcpu *vcpu, unsigned bit)
{
	bool was;

	__asm__ volatile("lock btsl %2, %0"
			 : "+m"(vcpu->remote), "=@ccc"(was)
			 : "r"(bit)
			 : "memory");
	return !was;
}

/* The vCPU's CPU is told, once, until it takes the bit; one that has no CPU is brought to one. @vm
 * is its VM, seen as @vcpu is: in the current window or through the physmap. */
static inline void post(struct vm *vm, struct vcpu *vcpu, unsigned bit)
{
	if (!set_remote(vcpu, bit)) /* model: remote */
		return;
	if (__atomic_load_n(&vcpu->attached, __ATOMIC_SEQ_CST)) /* model: attached */
		lapic_send(vcpu->host_apic_id, HOST_VECTOR_KICK);
	else
		wake_vcpu(vm, vcpu); /* model: wake */
}

void vcpu_post(struct vcpu *vcpu, uint8_t vector, bool level)
{
	unsigned word = vector / 32 + (level ? 8 : 0);

	__atomic_fetch_or(&vcpu->remote_vectors[word], 1U << (vector % 32), __ATOMIC_SEQ_CST);
	post(VM_HERE, vcpu, REMOTE_VECTORS + word);
}

void vcpu_post_stop(struct vcpu *vcpu)
{
	post(VM_HERE, vcpu, REMOTE_STOP);
}

/* Its sender has another VM's window. */
void vcpu_post_net(struct vm_record *record)
{
	post(record->vm, record->vcpus[0], REMOTE_NET);
}

void vcpu_post_trace(struct vcpu *vcpu)
{
	/* One that has no CPU takes it when it comes to one: this does not bring it there. */
	if (set_remote(vcpu, REMOTE_TRACE) && __atomic_load_n(&vcpu->attached, __ATOMIC_SEQ_CST))
		lapic_send(vcpu->host_apic_id, HOST_VECTOR_KICK);
}

static inline void take_vectors(struct vcpu *vcpu, unsigned word)
{
	uint32_t bits = __atomic_exchange_n(&vcpu->remote_vectors[word], 0, __ATOMIC_SEQ_CST);

	/* One that came while the word was taken before is not there any more. */
	if (unlikely(!bits))
		return;
	if (likely(word < 8))
		vcpu_accept(vcpu, word, bits);
	else
		vlapic_accept_bits(vcpu, word - 8, bits, true);
}

static __attribute__((noinline)) void take_several(struct vcpu *vcpu, uint32_t bits)
{
	if (bits & BIT(REMOTE_NMI))
		vcpu_send_nmi(vcpu);
	if (bits & BIT(REMOTE_INIT))
		vcpu->work |= WORK_INIT;
	/* One that does not wait for it ignores it. */
	if ((bits & BIT(REMOTE_SIPI)) && (vcpu->work & (WORK_INIT | WORK_SIPI)))
		vcpu->sipi_pending = true;
	if (bits & BIT(REMOTE_NET))
		vcpu->work |= WORK_NET;
	if (bits & BIT(REMOTE_STOP))
		vcpu->work |= WORK_STOP;
	if (bits & BIT(REMOTE_TRACE))
		vcpu->work =
			(vcpu->work & ~(uint32_t)WORK_TRACE) | (vcpu->vm->traced ? WORK_TRACE : 0);
	for (bits >>= REMOTE_VECTORS; bits; bits &= bits - 1)
		take_vectors(vcpu, (unsigned)__builtin_ctz(bits));
}

void vcpu_take_remote(struct vcpu *vcpu)
{
	uint32_t bits = __atomic_exchange_n(&vcpu->remote, 0, __ATOMIC_SEQ_CST);

	if (likely(bits >= BIT(REMOTE_VECTORS) && !(bits & (bits - 1))))
		take_vectors(vcpu, (unsigned)__builtin_ctz(bits) - REMOTE_VECTORS);
	else
		take_several(vcpu, bits);
}

void vcpu_send_nmi(struct vcpu *vcpu)
{
	if (!vcpu_is_here(vcpu)) {
		post(VM_HERE, vcpu, REMOTE_NMI);
		return;
	}
	vcpu->nmi_pending = true;
	vcpu->work |= WORK_IRQ;
}

/* An INIT to a VM's only vCPU is the reset that some use to reboot. */
void vcpu_send_init(struct vcpu *vcpu)
{
	if (vcpu->vm->vcpu_count == 1)
		vm_request(vcpu->vm, VM_REQUEST_REBOOT);
	else if (vcpu_is_here(vcpu))
		vcpu->work |= WORK_INIT;
	else
		post(VM_HERE, vcpu, REMOTE_INIT);
}

void vcpu_send_sipi(struct vcpu *vcpu, uint8_t vector)
{
	if (vcpu_is_here(vcpu)) /* it runs, so it does not wait for one */
		return;
	vcpu->remote_sipi = vector;
	post(VM_HERE, vcpu, REMOTE_SIPI);
}

static void flush_line(struct vm *vm)
{
	if (vm->console_view != VM_VIEW_HIDDEN)
		console_guest_line(&vm->console_out, vm->name, vm->id, vm->console_line,
				   vm->console_length);
	vm->console_length = 0;
}

void vm_print(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	bool done;

	vm_lock(vm);
	done = console_guest_send(&vm->console_out, vm->id);
	vm_unlock(vm);
	if (done && (!vcpu->awaits_room || console_has_room(CONSOLE_FOR_RECORDS))) {
		vcpu->awaits_room = false;
		vcpu->work &= ~(uint32_t)WORK_PRINT;
		return;
	}
	/* A sibling at its gate may be the one that is to send what is waited for. */
	if (stun_keeps_waiting(this_cpu()))
		asi_rest();
	/* The core is somebody else's meanwhile if its slice is over. */
	interrupts_take();
	if (wake_check_slice(rdtsc()))
		vcpu_timer_program(vcpu);
	if (this_cpu()->asi_state != ASI_FULL)
		asi_wake();
}

void vm_leave_console(struct vm *vm, bool ends)
{
	vm_lock(vm);
	if (ends && vm->console_length)
		flush_line(vm);
	console_guest_leave(&vm->console_out, vm->id, ends);
	vm_unlock(vm);
}

void vm_console_write(struct vm *vm, uint8_t byte)
{
	if (vm->console_view == VM_VIEW_RAW) {
		if (likely(!vm->console_out.length) && console_guest_putc((char)byte))
			return;
		console_guest_add(&vm->console_out, vm->id, (char)byte);
		this_cpu()->vcpu->work |= WORK_PRINT;
		return;
	}
	if (byte == '\r')
		return;
	/* What would move the cursor, or the operator's eye, is shown as what it is. */
	if ((byte < ' ' && byte != '\n' && byte != '\t') || byte == 0x7f) {
		vm->console_line[vm->console_length++] = '^';
		byte ^= 0x40;
	}
	if (byte != '\n')
		vm->console_line[vm->console_length++] = (char)byte;
	if (byte == '\n' || vm->console_length >= CONSOLE_GUEST_LINE - 1) {
		flush_line(vm);
		this_cpu()->vcpu->work |= WORK_PRINT;
	}
}

bool vm_console_ready(const struct vm *vm)
{
	if (vm->console_view == VM_VIEW_RAW)
		return !vm->console_out.length && console_guest_room();
	return vm->console_view == VM_VIEW_HIDDEN || console_guest_fits(&vm->console_out);
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
