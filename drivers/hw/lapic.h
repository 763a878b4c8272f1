/* SPDX-License-Identifier: MIT */
/* The local APIC's registers by number: R at 16 * R in the page of xAPIC mode, MSR 800H + R in
 * x2APIC mode (SDM volume 3, chapter "APIC", tables 10-1 and 10-6). */
#ifndef DRIVERS_HW_LAPIC_H
#define DRIVERS_HW_LAPIC_H

#include "hv/base/types.h"

#define LAPIC_ADDRESS 0xfee00000ULL
#define LAPIC_MSR_FIRST 0x800

enum lapic_register {
	LAPIC_ID = 0x02,
	LAPIC_VERSION = 0x03,
	LAPIC_TPR = 0x08,
	LAPIC_PPR = 0x0a,
	LAPIC_EOI = 0x0b,
	LAPIC_LDR = 0x0d,
	LAPIC_DFR = 0x0e,
	LAPIC_SVR = 0x0f,
	LAPIC_ISR = 0x10, /* eight each */
	LAPIC_TMR = 0x18,
	LAPIC_IRR = 0x20,
	LAPIC_ESR = 0x28,
	LAPIC_ICR = 0x30,
	LAPIC_ICR_HIGH = 0x31,
	LAPIC_LVT_TIMER = 0x32,
	LAPIC_LVT_THERMAL = 0x33,
	LAPIC_LVT_PERF = 0x34,
	LAPIC_LVT_LINT0 = 0x35,
	LAPIC_LVT_LINT1 = 0x36,
	LAPIC_LVT_ERROR = 0x37,
	LAPIC_TIMER_INITIAL = 0x38,
	LAPIC_TIMER_CURRENT = 0x39,
	LAPIC_TIMER_DIVIDE = 0x3e,
	LAPIC_SELF_IPI = 0x3f,
};

/* IA32_APIC_BASE. */
#define LAPIC_BASE_BSP BIT(8)
#define LAPIC_BASE_X2APIC BIT(10)
#define LAPIC_BASE_ENABLE BIT(11)
#define LAPIC_SVR_ENABLE BIT(8)
#define LAPIC_LVT_MASKED BIT(16)
#define LAPIC_LVT_DEADLINE (2U << 17)
#define LAPIC_LVT_NMI 0x400
#define LAPIC_ICR_BUSY BIT(12)
/* With the level bit, which is to be set whatever the mode. */
#define LAPIC_ICR_FIXED 0x4000
#define LAPIC_ICR_NMI 0x4400
#define LAPIC_ICR_INIT 0x4500
#define LAPIC_ICR_STARTUP 0x4600
#define LAPIC_ICR_SELF 0x40000
#define LAPIC_ESR_SEND_ILLEGAL BIT(5)
#define LAPIC_ESR_RECEIVE_ILLEGAL BIT(6)

#endif
