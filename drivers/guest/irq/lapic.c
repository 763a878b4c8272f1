// SPDX-License-Identifier: MIT
/* The local APIC's heart: what arrives, what is pending, what is in service, and what is sent. */
#include "drivers/guest/irq/lapic_internal.h"

#include "drivers/guest/irq/ioapic.h"
#include "hv/base/string.h"

#define ICR_LOGICAL BIT(11)
#define ICR_ASSERT BIT(14)

enum {
	MODE_FIXED = 0,
	MODE_LOWEST = 1,
	MODE_NMI = 4,
	MODE_INIT = 5,
	MODE_SIPI = 6,
	MODE_EXTINT = 7,
};

void vlapic_reset_registers(struct vcpu *vcpu)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	memset(a->page, 0, PAGE_SIZE);
	VLAPIC(a, LAPIC_ID) = a->id;
	VLAPIC(a, LAPIC_VERSION) = VLAPIC_VERSION;
	VLAPIC(a, LAPIC_LDR) = vlapic_is_x2apic(a) ? vlapic_x2apic_ldr(a) : 0;
	VLAPIC(a, LAPIC_DFR) = UINT32_MAX;
	VLAPIC(a, LAPIC_SVR) = 0xff;
	for (unsigned i = LAPIC_LVT_TIMER; i <= LAPIC_LVT_ERROR; i++)
		VLAPIC(a, i) = LAPIC_LVT_MASKED;
	a->esr_pending = 0;
	a->timer_start = a->tsc_deadline = 0;
	a->isrv = -1;
	a->irr_words = a->isr_words = 0;
	a->tmr_changed = true;
	vcpu_timer_arm(vcpu, 0);
}

void vlapic_reset(struct vcpu *vcpu, unsigned id, bool x2apic)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	a->base_msr = LAPIC_ADDRESS | LAPIC_BASE_ENABLE | (id == 0 ? LAPIC_BASE_BSP : 0) |
		      (x2apic ? LAPIC_BASE_X2APIC : 0);
	a->id = id;
	vlapic_reset_registers(vcpu);
}

/* Of IRR, ISR and TMR each 32 bits are a register. Those that @words leaves out are 0; where it
 * names one in vain it forgets it. */
static int highest(const struct vlapic *a, enum lapic_register first, uint8_t *words)
{
	while (*words) {
		unsigned i = 31U - (unsigned)__builtin_clz(*words);
		uint32_t bits = VLAPIC(a, first + i);

		if (likely(bits))
			return (int)(i * 32 + 31) - __builtin_clz(bits);
		*words ^= (uint8_t)(1U << i);
	}
	return -1;
}

static inline uint32_t *word(const struct vlapic *a, enum lapic_register first, uint8_t vector)
{
	return &VLAPIC(a, first + vector / 32U);
}

static inline uint32_t bit(uint8_t vector)
{
	return 1U << (vector % 32);
}

uint32_t vlapic_ppr(const struct vlapic *a)
{
	uint32_t in_service = a->isrv >= 0 ? (uint32_t)a->isrv : 0, tpr = VLAPIC(a, LAPIC_TPR);

	return (tpr & 0xf0) >= (in_service & 0xf0) ? tpr : in_service & 0xf0;
}

/* vlapic_accept_bits() of what is legal, while the APIC is enabled. Inline, for what is measured.
 */
static inline __attribute__((always_inline)) void accept_legal_bits(struct vcpu *vcpu,
								    struct vlapic *a,
								    unsigned index, uint32_t bits,
								    bool level)
{
	uint32_t *tmr = &VLAPIC(a, LAPIC_TMR + index);

	if (unlikely((level ? ~*tmr : *tmr) & bits)) {
		*tmr = level ? *tmr | bits : *tmr & ~bits;
		a->tmr_changed = true;
	}
	VLAPIC(a, LAPIC_IRR + index) |= bits;
	a->irr_words |= (uint8_t)(1U << index);
	vcpu_notify(vcpu);
}

/*
 * Errors gather until ESR is written; each raises the error interrupt, whose own vector may be
 * illegal only once. The vCPU is the calling CPU's.
 */
void vlapic_raise_error(struct vcpu *vcpu, uint32_t error)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	uint8_t vector = (uint8_t)VLAPIC(a, LAPIC_LVT_ERROR);

	a->esr_pending |= error;
	if (VLAPIC(a, LAPIC_LVT_ERROR) & LAPIC_LVT_MASKED)
		return;
	if (vector < 16)
		a->esr_pending |= LAPIC_ESR_RECEIVE_ILLEGAL;
	else if (vlapic_is_enabled(a))
		accept_legal_bits(vcpu, a, vector / 32U, bit(vector), false);
}

void vlapic_accept_bits(struct vcpu *vcpu, unsigned index, uint32_t bits, bool level)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	if (unlikely(!vlapic_is_enabled(a)))
		return;
	if (unlikely(!index && (bits & 0xffff))) {
		vlapic_raise_error(vcpu, LAPIC_ESR_RECEIVE_ILLEGAL);
		bits &= ~0xffffU;
	}
	accept_legal_bits(vcpu, a, index, bits, level);
}

void vlapic_accept(struct vcpu *vcpu, uint8_t vector, bool level)
{
	if (vcpu_is_here(vcpu))
		vlapic_accept_bits(vcpu, vector / 32, bit(vector), level);
	else
		vcpu_post(vcpu, vector, level);
}

int vlapic_pending(struct vcpu *vcpu)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	int vector;

	if (a->assisted)
		vlapic_set_assisted(vcpu, true);
	if (!a->irr_words || !vlapic_is_enabled(a))
		return -1;
	vector = highest(a, LAPIC_IRR, &a->irr_words);
	return vector >= 0 && ((uint32_t)vector & 0xf0) > (vlapic_ppr(a) & 0xf0) ? vector : -1;
}

static inline void begin_service(struct vlapic *a, unsigned index, uint32_t bits, int vector)
{
	VLAPIC(a, LAPIC_ISR + index) |= bits;
	a->isr_words |= (uint8_t)(1U << index);
	a->isrv = vector;
}

void vlapic_take(struct vcpu *vcpu, uint8_t vector)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	*word(a, LAPIC_IRR, vector) &= ~bit(vector);
	if (!*word(a, LAPIC_IRR, vector))
		a->irr_words &= (uint8_t) ~(1U << vector / 32);
	begin_service(a, vector / 32, bit(vector), vector);
}

int vlapic_accept_and_take(struct vcpu *vcpu, unsigned index, uint32_t bits)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	uint32_t vector = 32 * index + (uint32_t)__builtin_ctz(bits);

	if ((bits & (bits - 1)) || a->irr_words || !vlapic_is_enabled(a) || vector < 16 ||
	    (VLAPIC(a, LAPIC_TMR + index) & bits) || (vector & 0xf0) <= (vlapic_ppr(a) & 0xf0)) {
		vlapic_accept_bits(vcpu, index, bits, false);
		return -1;
	}
	begin_service(a, index, bits, (int)vector);
	return (int)vector;
}

bool vlapic_may_be_assisted(const struct vlapic *a)
{
	return vlapic_is_x2apic(a) && vlapic_is_enabled(a);
}

int vlapic_set_assisted(struct vcpu *vcpu, bool assisted)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	a->assisted = assisted;
	a->irr_words = a->isr_words = UINT8_MAX;
	a->isrv = highest(a, LAPIC_ISR, &a->isr_words);
	return a->isrv;
}

uint8_t vlapic_requesting(struct vlapic *a, uint8_t rvi, uint8_t svi)
{
	int added = highest(a, LAPIC_IRR, &a->irr_words);

	a->irr_words = 0;
	a->isrv = svi ? svi : -1;
	return added > rvi ? (uint8_t)added : rvi;
}

uint64_t vlapic_level_vectors(const struct vlapic *a, unsigned index)
{
	return (uint64_t)VLAPIC(a, LAPIC_TMR + 2 * index + 1) << 32 |
	       VLAPIC(a, LAPIC_TMR + 2 * index);
}

void vlapic_after_eoi(struct vcpu *vcpu, uint8_t vector)
{
	struct vm *vm = vcpu_vm(vcpu);

	if (*word(vcpu_vlapic(vcpu), LAPIC_TMR, vector) & bit(vector)) {
		vm_lock(vm);
		vioapic_eoi(vm, vector);
		vm_unlock(vm);
	}
	vcpu_notify(vcpu);
}

void vlapic_end_of_interrupt(struct vcpu *vcpu)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	uint8_t vector;

	if (a->isrv < 0)
		return;
	vector = (uint8_t)a->isrv;
	*word(a, LAPIC_ISR, vector) &= ~bit(vector);
	a->isrv = highest(a, LAPIC_ISR, &a->isr_words);
	if (a->irr_words || (*word(a, LAPIC_TMR, vector) & bit(vector)))
		vlapic_after_eoi(vcpu, vector);
}

static bool addressed(const struct vlapic *a, uint32_t dest, bool logical)
{
	bool x2apic = vlapic_is_x2apic(a);
	uint32_t ldr;

	if (dest == UINT32_MAX || (dest == 0xff && (!logical || !x2apic)))
		return true;
	if (!logical)
		return dest == a->id;
	ldr = x2apic ? vlapic_x2apic_ldr(a) : VLAPIC(a, LAPIC_LDR);
	if (x2apic)
		return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
	if (VLAPIC(a, LAPIC_DFR) >> 28 == 0xf) /* flat */
		return dest & ldr >> 24;
	return (dest >> 4 == ldr >> 28) && (dest & ldr >> 24 & 0xf);
}

static void deliver_one(struct vcpu *vcpu, unsigned mode, uint8_t vector, bool level)
{
	switch (mode) {
	case MODE_FIXED:
	case MODE_LOWEST:
	case MODE_EXTINT:
		vlapic_accept(vcpu, vector, level);
		break;
	case MODE_NMI:
		vcpu_send_nmi(vcpu);
		break;
	case MODE_INIT:
		vcpu_send_init(vcpu);
		break;
	case MODE_SIPI:
		vcpu_send_sipi(vcpu, vector);
		break;
	default: /* SMI and the reserved mode: nothing here has them */
		break;
	}
}

void vlapic_deliver(struct vm *vm, uint32_t dest, bool logical, unsigned mode, uint8_t vector,
		    bool level)
{
	for (unsigned i = 0; i < vm_vcpu_count(vm); i++) {
		struct vcpu *vcpu = vm_vcpu(vm, i);

		if (!addressed(vcpu_vlapic(vcpu), dest, logical))
			continue;
		deliver_one(vcpu, mode, vector, level);
		if (mode == MODE_LOWEST) /* one is enough */
			return;
	}
}

void vlapic_send_ipi(struct vcpu *vcpu)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);
	uint64_t icr = vlapic_icr(a);
	unsigned mode = (unsigned)(icr >> 8) & 7, shorthand = (unsigned)(icr >> 18) & 3;
	uint8_t vector = (uint8_t)icr;
	struct vm *vm = vcpu_vm(vcpu);

	if ((mode == MODE_FIXED || mode == MODE_LOWEST) && vector < 16) {
		vlapic_raise_error(vcpu, LAPIC_ESR_SEND_ILLEGAL);
		return;
	}
	if (mode == MODE_INIT &&
	    !(icr & ICR_ASSERT)) /* de-assert: does nothing since the Pentium 4 */
		return;
	switch (shorthand) {
	case 0:
		vlapic_deliver(vm, (uint32_t)(icr >> (vlapic_is_x2apic(a) ? 32 : 56)),
			       icr & ICR_LOGICAL, mode, vector, false);
		break;
	case 1:
		deliver_one(vcpu, mode, vector, false);
		break;
	default:
		for (unsigned i = 0; i < vm_vcpu_count(vm); i++)
			if (shorthand == 2 || vm_vcpu(vm, i) != vcpu)
				deliver_one(vm_vcpu(vm, i), mode, vector, false);
		break;
	}
}

uint8_t vlapic_get_cr8(struct vcpu *vcpu)
{
	return (uint8_t)(VLAPIC(vcpu_vlapic(vcpu), LAPIC_TPR) >> 4);
}

void vlapic_set_cr8(struct vcpu *vcpu, uint8_t cr8)
{
	VLAPIC(vcpu_vlapic(vcpu), LAPIC_TPR) = (uint32_t)cr8 << 4;
	vcpu_notify(vcpu);
}
