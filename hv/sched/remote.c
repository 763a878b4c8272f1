// SPDX-License-Identifier: MIT
#include "hv/sched/remote.h"

#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/platform.h"
#include "drivers/host/lapic.h"
#include "hv/cpu/ipi.h"
#include "hv/sched/wake.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "vmx/vcpu.h"

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
/* model: remote: set_remote(); attached: __atomic_load_n(&vcpu->attached; wake: wake_vcpu() */
static inline void post(struct vm *vm, struct vcpu *vcpu, unsigned bit)
{
	if (!set_remote(vcpu, bit))
		return;
	if (__atomic_load_n(&vcpu->attached, __ATOMIC_SEQ_CST))
		lapic_send(vcpu->host_apic_id, HOST_VECTOR_KICK);
	else
		wake_vcpu(vm, vcpu);
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
