// SPDX-License-Identifier: MIT
#include "drivers/guest/lapic.h"

#include "drivers/guest/ioapic.h"

enum apic_register {
	APIC_ID = 0x02,
	APIC_VERSION = 0x03,
	APIC_TPR = 0x08,
	APIC_PPR = 0x0a,
	APIC_EOI = 0x0b,
	APIC_LDR = 0x0d,
	APIC_DFR = 0x0e,
	APIC_SVR = 0x0f,
	APIC_ISR = 0x10,
	APIC_TMR = 0x18,
	APIC_IRR = 0x20,
	APIC_ESR = 0x28,
	APIC_ICR = 0x30,
	APIC_ICR_HIGH = 0x31,
	APIC_LVT_TIMER = 0x32,
	APIC_LVT_THERMAL = 0x33,
	APIC_LVT_PERF = 0x34,
	APIC_LVT_LINT0 = 0x35,
	APIC_LVT_LINT1 = 0x36,
	APIC_LVT_ERROR = 0x37,
	APIC_TIMER_INITIAL = 0x38,
	APIC_TIMER_CURRENT = 0x39,
	APIC_TIMER_DIVIDE = 0x3e,
	APIC_SELF_IPI = 0x3f,
};

#define MSR_APIC_BASE 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC 0x800

#define BASE_ADDRESS 0xfee00000ULL
#define BASE_BSP BIT(8)
#define BASE_X2APIC BIT(10)
#define BASE_ENABLE BIT(11)

#define VERSION 0x00050014 /* six LVT entries */
#define SVR_ENABLE BIT(8)
#define SVR_WRITABLE 0x1ffU
#define LVT_MASKED BIT(16)
#define LVT_TIMER_BITS 0x700ffU
#define LVT_SENSOR_BITS 0x107ffU
#define LVT_LINT_BITS 0x1a7ffU
#define LVT_ERROR_BITS 0x100ffU
#define ESR_SEND_ILLEGAL BIT(5)
#define ESR_RECEIVE_ILLEGAL BIT(6)
#define ICR_LOGICAL BIT(11)
#define ICR_WRITABLE 0xffffffff000ccfffULL

enum {
	MODE_FIXED = 0,
	MODE_LOWEST = 1,
	MODE_NMI = 4,
	MODE_INIT = 5,
	MODE_SIPI = 6,
	MODE_EXTINT = 7
};
enum { TIMER_ONE_SHOT = 0, TIMER_PERIODIC = 1, TIMER_DEADLINE = 2 };

/* A period shorter than this would keep the vCPU in its timer handler for ever. */
#define MIN_PERIOD_TICKS 2000

static bool x2apic_mode(const struct vlapic *a)
{
	return a->base_msr & BASE_X2APIC;
}

bool vlapic_has_mmio(struct vcpu *vcpu)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);

	return (a->base_msr & BASE_ENABLE) && !x2apic_mode(a);
}

static unsigned timer_mode(const struct vlapic *a)
{
	return a->lvt_timer >> 17 & 3;
}

static void reset_registers(struct vlapic *a, unsigned id)
{
	uint64_t base = a->base_msr;

	*a = (struct vlapic){
		.base_msr = base, .id = id, .dfr = UINT32_MAX, .svr = 0xff, .isrv = -1
	};
	a->lvt_timer = a->lvt_thermal = a->lvt_perf = LVT_MASKED;
	a->lvt_lint0 = a->lvt_lint1 = a->lvt_error = LVT_MASKED;
}

void vlapic_reset(struct vcpu *vcpu, unsigned id, bool x2apic)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	a->base_msr =
		BASE_ADDRESS | BASE_ENABLE | (id == 0 ? BASE_BSP : 0) | (x2apic ? BASE_X2APIC : 0);
	reset_registers(a, id);
}

/* Highest set bit of a 256-bit register, -1 if there is none. */
static int highest(const uint32_t bits[8])
{
	for (int i = 7; i >= 0; i--)
		if (bits[i])
			return i * 32 + 31 - __builtin_clz(bits[i]);
	return -1;
}

static void set_bit(uint32_t bits[8], uint8_t vector)
{
	bits[vector / 32] |= 1U << (vector % 32);
}

static void clear_bit(uint32_t bits[8], uint8_t vector)
{
	bits[vector / 32] &= ~(1U << (vector % 32));
}

static bool test_bit(const uint32_t bits[8], uint8_t vector)
{
	return bits[vector / 32] >> (vector % 32) & 1;
}

static uint32_t ppr(const struct vlapic *a)
{
	uint32_t in_service = a->isrv >= 0 ? (uint32_t)a->isrv : 0;

	return (a->tpr & 0xf0) >= (in_service & 0xf0) ? a->tpr : in_service & 0xf0;
}

/*
 * Errors gather until ESR is written; each raises the error interrupt, whose own vector may be
 * illegal only once.
 */
static void raise_error(struct vcpu *vcpu, struct vlapic *a, uint32_t error)
{
	uint8_t vector = (uint8_t)a->lvt_error;

	a->esr_pending |= error;
	if (a->lvt_error & LVT_MASKED)
		return;
	if (vector < 16)
		a->esr_pending |= ESR_RECEIVE_ILLEGAL;
	else
		vlapic_accept(vcpu, vector, false);
}

void vlapic_accept(struct vcpu *vcpu, uint8_t vector, bool level)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	if (!(a->svr & SVR_ENABLE))
		return;
	if (vector < 16) {
		raise_error(vcpu, a, ESR_RECEIVE_ILLEGAL);
		return;
	}
	if (level)
		set_bit(a->tmr, vector);
	else
		clear_bit(a->tmr, vector);
	set_bit(a->irr, vector);
	a->irr_pending = true;
	vcpu_notify(vcpu);
}

int vlapic_pending(struct vcpu *vcpu)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	int vector;

	if (!a->irr_pending || !(a->svr & SVR_ENABLE))
		return -1;
	vector = highest(a->irr);
	if (vector < 0) {
		a->irr_pending = false;
		return -1;
	}
	return ((uint32_t)vector & 0xf0) > (ppr(a) & 0xf0) ? vector : -1;
}

void vlapic_take(struct vcpu *vcpu, uint8_t vector)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	clear_bit(a->irr, vector);
	set_bit(a->isr, vector);
	a->isrv = vector;
	a->irr_pending = highest(a->irr) >= 0;
}

static void end_of_interrupt(struct vcpu *vcpu, struct vlapic *a)
{
	uint8_t vector;

	if (a->isrv < 0)
		return;
	vector = (uint8_t)a->isrv;
	clear_bit(a->isr, vector);
	a->isrv = highest(a->isr);
	if (test_bit(a->tmr, vector))
		vioapic_eoi(vcpu_vm(vcpu), vector);
	if (a->irr_pending)
		vcpu_notify(vcpu);
}

static bool addressed(const struct vlapic *a, uint32_t dest, bool logical)
{
	bool x2apic = x2apic_mode(a);

	if (dest == UINT32_MAX || (dest == 0xff && (!logical || !x2apic)))
		return true;
	if (!logical)
		return dest == a->id;
	if (x2apic) {
		uint32_t ldr = (a->id >> 4) << 16 | 1U << (a->id & 15);

		return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
	}
	if (a->dfr >> 28 == 0xf) /* flat */
		return dest & a->ldr >> 24;
	return (dest >> 4 == a->ldr >> 28) && (dest & a->ldr >> 24 & 0xf);
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

static void send_ipi(struct vcpu *vcpu, struct vlapic *a)
{
	unsigned mode = (unsigned)(a->icr >> 8) & 7, shorthand = (unsigned)(a->icr >> 18) & 3;
	uint8_t vector = (uint8_t)a->icr;
	struct vm *vm = vcpu_vm(vcpu);

	if ((mode == MODE_FIXED || mode == MODE_LOWEST) && vector < 16) {
		raise_error(vcpu, a, ESR_SEND_ILLEGAL);
		return;
	}
	if (mode == MODE_INIT &&
	    !(a->icr & BIT(14))) /* de-assert: does nothing since the Pentium 4 */
		return;
	switch (shorthand) {
	case 0:
		vlapic_deliver(vm,
			       x2apic_mode(a) ? (uint32_t)(a->icr >> 32) : (uint32_t)(a->icr >> 56),
			       a->icr & ICR_LOGICAL, mode, vector, false);
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

/*
 * Ticks of the TSC for one of the timer: the bus clock is the TSC (CPUID leaf 15H says so),
 * divided.
 */
static unsigned divide_shift(const struct vlapic *a)
{
	unsigned code = (a->timer_divide & 3) | (a->timer_divide >> 1 & 4);

	return (code + 1) & 7;
}

static uint64_t period(const struct vlapic *a)
{
	uint64_t ticks = (uint64_t)a->timer_initial << divide_shift(a);

	return ticks < MIN_PERIOD_TICKS && timer_mode(a) == TIMER_PERIODIC ? MIN_PERIOD_TICKS
									   : ticks;
}

static void start_timer(struct vcpu *vcpu, struct vlapic *a)
{
	if (timer_mode(a) == TIMER_DEADLINE)
		return;
	a->timer_start = vm_tsc(vcpu_vm(vcpu));
	vcpu_timer_arm(vcpu, a->timer_initial ? a->timer_start + period(a) : 0);
}

static uint32_t current_count(struct vcpu *vcpu, const struct vlapic *a)
{
	uint64_t elapsed, count;

	if (!a->timer_initial || timer_mode(a) == TIMER_DEADLINE)
		return 0;
	elapsed = (vm_tsc(vcpu_vm(vcpu)) - a->timer_start) >> divide_shift(a);
	count = a->timer_initial;
	if (elapsed < count)
		return (uint32_t)(count - elapsed);
	return timer_mode(a) == TIMER_PERIODIC ? (uint32_t)(count - elapsed % count) : 0;
}

void vlapic_timer_expired(struct vcpu *vcpu)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	if (timer_mode(a) == TIMER_DEADLINE) {
		a->tsc_deadline = 0;
	} else if (timer_mode(a) == TIMER_PERIODIC && a->timer_initial) {
		uint64_t step = period(a), now = vm_tsc(vcpu_vm(vcpu));

		/* Ticks that were missed are not made up for. */
		a->timer_start += step;
		if (now - a->timer_start >= step)
			a->timer_start = now;
		vcpu_timer_arm(vcpu, a->timer_start + step);
	}
	if (!(a->lvt_timer & LVT_MASKED))
		vlapic_accept(vcpu, (uint8_t)a->lvt_timer, false);
}

void vlapic_write_tsc_deadline(struct vcpu *vcpu, uint64_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	if (unlikely(timer_mode(a) != TIMER_DEADLINE))
		return;
	a->tsc_deadline = value;
	vcpu_timer_arm(vcpu, value);
}

static bool write_lvt(const struct vlapic *a, uint32_t *lvt, uint32_t value, uint32_t bits)
{
	if (value & ~(bits | 0x1000)) /* delivery status is read-only */
		return false;
	*lvt = value & bits;
	if (!(a->svr & SVR_ENABLE))
		*lvt |= LVT_MASKED;
	return true;
}

static bool write_lvt_timer(struct vcpu *vcpu, struct vlapic *a, uint32_t value)
{
	unsigned old = timer_mode(a);

	if (!write_lvt(a, &a->lvt_timer, value, LVT_TIMER_BITS))
		return false;
	if (timer_mode(a) != old && (timer_mode(a) == TIMER_DEADLINE || old == TIMER_DEADLINE)) {
		a->timer_initial = 0;
		a->tsc_deadline = 0;
		vcpu_timer_arm(vcpu, 0);
	}
	return true;
}

static bool write_svr(struct vlapic *a, uint32_t value)
{
	if (value & ~(SVR_WRITABLE | 0x1200))
		return false;
	a->svr = value & SVR_WRITABLE;
	if (!(a->svr & SVR_ENABLE)) {
		a->lvt_timer |= LVT_MASKED;
		a->lvt_thermal |= LVT_MASKED;
		a->lvt_perf |= LVT_MASKED;
		a->lvt_lint0 |= LVT_MASKED;
		a->lvt_lint1 |= LVT_MASKED;
		a->lvt_error |= LVT_MASKED;
	}
	return true;
}

/* Registers that both modes write alike. False: no such register, or reserved bits. */
static bool write_common(struct vcpu *vcpu, struct vlapic *a, unsigned reg, uint32_t value)
{
	switch (reg) {
	case APIC_TPR:
		a->tpr = value & 0xff;
		vcpu_notify(vcpu);
		return value <= 0xff;
	case APIC_EOI:
		end_of_interrupt(vcpu, a);
		return true;
	case APIC_SVR:
		return write_svr(a, value);
	case APIC_ESR:
		a->esr = a->esr_pending;
		a->esr_pending = 0;
		return true;
	case APIC_LVT_TIMER:
		return write_lvt_timer(vcpu, a, value);
	case APIC_LVT_THERMAL:
		return write_lvt(a, &a->lvt_thermal, value, LVT_SENSOR_BITS);
	case APIC_LVT_PERF:
		return write_lvt(a, &a->lvt_perf, value, LVT_SENSOR_BITS);
	case APIC_LVT_LINT0:
		return write_lvt(a, &a->lvt_lint0, value, LVT_LINT_BITS);
	case APIC_LVT_LINT1:
		return write_lvt(a, &a->lvt_lint1, value, LVT_LINT_BITS);
	case APIC_LVT_ERROR:
		return write_lvt(a, &a->lvt_error, value, LVT_ERROR_BITS);
	case APIC_TIMER_INITIAL:
		a->timer_initial = timer_mode(a) == TIMER_DEADLINE ? 0 : value;
		start_timer(vcpu, a);
		return true;
	case APIC_TIMER_DIVIDE:
		a->timer_divide = value & 0xb;
		return true;
	default:
		return false;
	}
}

static bool read_common(struct vcpu *vcpu, const struct vlapic *a, unsigned reg, uint32_t *value)
{
	if (reg >= APIC_ISR && reg < APIC_ESR) {
		const uint32_t *bits = reg < APIC_TMR ? a->isr : reg < APIC_IRR ? a->tmr : a->irr;

		*value = bits[reg & 7];
		return true;
	}
	switch (reg) {
	case APIC_VERSION:
		*value = VERSION;
		return true;
	case APIC_TPR:
		*value = a->tpr;
		return true;
	case APIC_PPR:
		*value = ppr(a);
		return true;
	case APIC_SVR:
		*value = a->svr;
		return true;
	case APIC_ESR:
		*value = a->esr;
		return true;
	case APIC_LVT_TIMER:
		*value = a->lvt_timer;
		return true;
	case APIC_LVT_THERMAL:
		*value = a->lvt_thermal;
		return true;
	case APIC_LVT_PERF:
		*value = a->lvt_perf;
		return true;
	case APIC_LVT_LINT0:
		*value = a->lvt_lint0;
		return true;
	case APIC_LVT_LINT1:
		*value = a->lvt_lint1;
		return true;
	case APIC_LVT_ERROR:
		*value = a->lvt_error;
		return true;
	case APIC_TIMER_INITIAL:
		*value = a->timer_initial;
		return true;
	case APIC_TIMER_CURRENT:
		*value = current_count(vcpu, a);
		return true;
	case APIC_TIMER_DIVIDE:
		*value = a->timer_divide;
		return true;
	default:
		return false;
	}
}

/* SDM 10.12.5: only some changes of mode are legal. */
static bool write_base(struct vlapic *a, uint64_t value)
{
	bool enable = value & BASE_ENABLE, x2apic = value & BASE_X2APIC;

	if ((value & ~(BASE_ENABLE | BASE_X2APIC | BASE_BSP)) != BASE_ADDRESS ||
	    (x2apic && !enable))
		return false;
	if (x2apic_mode(a) && enable && !x2apic)
		return false;
	if (!(a->base_msr & BASE_ENABLE) && x2apic)
		return false;
	a->base_msr = (value & ~BASE_BSP) | (a->base_msr & BASE_BSP);
	if (!enable)
		reset_registers(a, a->id);
	return true;
}

bool vlapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);
	uint32_t low;

	if (msr == MSR_APIC_BASE) {
		*value = a->base_msr;
		return true;
	}
	if (msr == MSR_TSC_DEADLINE) {
		*value = a->tsc_deadline;
		return true;
	}
	if (!x2apic_mode(a))
		return false;
	switch (msr - MSR_X2APIC) {
	case APIC_ID:
		*value = a->id;
		return true;
	case APIC_LDR:
		*value = (uint64_t)(a->id >> 4) << 16 | 1U << (a->id & 15);
		return true;
	case APIC_ICR:
		*value = a->icr;
		return true;
	default:
		if (!read_common(vcpu, a, msr - MSR_X2APIC, &low))
			return false;
		*value = low;
		return true;
	}
}

bool vlapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	if (msr == MSR_TSC_DEADLINE) {
		vlapic_write_tsc_deadline(vcpu, value);
		return true;
	}
	if (msr == MSR_APIC_BASE)
		return write_base(a, value);
	if (!x2apic_mode(a))
		return false;
	if (msr == MSR_X2APIC + APIC_ICR) {
		if (value & ~ICR_WRITABLE)
			return false;
		a->icr = value;
		send_ipi(vcpu, a);
		return true;
	}
	if (value >> 32)
		return false;
	switch (msr - MSR_X2APIC) {
	case APIC_EOI:
	case APIC_ESR:
		return value == 0 && write_common(vcpu, a, msr - MSR_X2APIC, 0);
	case APIC_SELF_IPI:
		if (value > 0xff)
			return false;
		if (value < 16)
			raise_error(vcpu, a, ESR_SEND_ILLEGAL);
		else
			vlapic_accept(vcpu, (uint8_t)value, false);
		return true;
	case APIC_DFR:
		return false;
	default:
		return write_common(vcpu, a, msr - MSR_X2APIC, (uint32_t)value);
	}
}

uint32_t vlapic_mmio_read(struct vcpu *vcpu, unsigned offset)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);
	uint32_t value = 0;

	switch (offset >> 4) {
	case APIC_ID:
		return a->id << 24;
	case APIC_LDR:
		return a->ldr;
	case APIC_DFR:
		return a->dfr;
	case APIC_ICR:
		return (uint32_t)a->icr;
	case APIC_ICR_HIGH:
		return (uint32_t)(a->icr >> 32);
	default:
		read_common(vcpu, a, offset >> 4, &value);
		return value;
	}
}

void vlapic_mmio_write(struct vcpu *vcpu, unsigned offset, uint32_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	switch (offset >> 4) {
	case APIC_LDR:
		a->ldr = value & 0xff000000;
		break;
	case APIC_DFR:
		a->dfr = value | 0x0fffffff;
		break;
	case APIC_ICR:
		a->icr = (a->icr & ~0xffffffffULL) | (value & (uint32_t)ICR_WRITABLE);
		send_ipi(vcpu, a);
		break;
	case APIC_ICR_HIGH:
		a->icr = (uint64_t)(value & 0xff000000) << 32 | (uint32_t)a->icr;
		break;
	default: /* what the register does not take is ignored */
		write_common(vcpu, a, offset >> 4, value);
		break;
	}
}

uint8_t vlapic_get_cr8(struct vcpu *vcpu)
{
	return (uint8_t)(vcpu_vlapic(vcpu)->tpr >> 4);
}

void vlapic_set_cr8(struct vcpu *vcpu, uint8_t cr8)
{
	vcpu_vlapic(vcpu)->tpr = (uint32_t)cr8 << 4;
	vcpu_notify(vcpu);
}
