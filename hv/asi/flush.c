// SPDX-License-Identifier: MIT
#include "hv/asi/flush.h"

#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/errno.h"
#include "hv/base/global.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/vcpu.h"
#include "mm/space.h"

/* Twice the largest L1D of the CPUs that need it, so that pseudo-LRU replacement cannot keep an old
 * line. */
#ifdef FIRE
#define FLUSH_BUFFER_SIZE KIB(8) /* each turn is like the others, and most NMIs would hit them */
#else
#define FLUSH_BUFFER_SIZE KIB(64)
#endif

#define PRED_CMD_IBPB BIT(0)

static const uint8_t *flush_buffer GLOBAL_DATA("address of a buffer of zeroes");

BOOT int flush_init(void)
{
	flush_buffer = space_global_alloc(FLUSH_BUFFER_SIZE, REASON_FLUSH_BUFFER);
	return flush_buffer ? 0 : -E_NOMEM;
}

/*
 * First a touch of every page, so that no page walk's own cache lines come in between the fill;
 * then each line. The fences keep the two passes apart and finish the loads before anything that
 * follows.
 */
static void fill_l1d(void)
{
	const uint8_t *p = flush_buffer;

	for (uint64_t i = 0; i < FLUSH_BUFFER_SIZE; i += PAGE_SIZE)
		__asm__ volatile("movzbl (%0), %%eax" : : "r"(p + i) : "eax");
	__asm__ volatile("lfence" : : : "memory");
	for (uint64_t i = 0; i < FLUSH_BUFFER_SIZE; i += CACHE_LINE)
		__asm__ volatile("movzbl (%0), %%eax" : : "r"(p + i) : "eax");
	__asm__ volatile("lfence" : : : "memory");
}

void flush_core(struct vcpu_stats *stats)
{
	const struct policy_actions *actions = flush_actions();
	static const uint16_t selector = GDT_DATA;

	switch (actions->l1d) {
	case POLICY_L1D_MSR:
		wrmsr(MSR_FLUSH_CMD, 1);
		break;
	case POLICY_L1D_SOFTWARE:
		fill_l1d();
		break;
	default:
		break;
	}
	if (actions->spec_ctrl_swap && actions->restricts)
		wrmsr(MSR_SPEC_CTRL, FLUSH_SPEC_CTRL_GUEST);
#ifndef BREAK_skip_verw
	if (actions->buffers == POLICY_BUFFERS_VERW)
		__asm__ volatile("verw %0" : : "m"(selector) : "cc", "memory");
#else
	(void)selector;
#endif
	if (stats) {
		stats->l1d_flush_msr += actions->l1d == POLICY_L1D_MSR;
		stats->l1d_flush_software += actions->l1d == POLICY_L1D_SOFTWARE;
		stats->verw += actions->buffers == POLICY_BUFFERS_VERW;
	}
}

bool flush_predictor(void)
{
	const struct policy_actions *actions = flush_actions();

	if (actions->rsb_fill)
		rsb_fill();
	if (actions->bhb == POLICY_BHB_CLEAR)
		bhb_clear();
	if (actions->spec_ctrl_swap)
		wrmsr(MSR_SPEC_CTRL, actions->spec_ctrl_host);
	return actions->rsb_fill || actions->bhb == POLICY_BHB_CLEAR || actions->spec_ctrl_swap;
}

bool flush_on_vm_switch(void)
{
	const struct policy_actions *actions = flush_actions();

	if (actions->ibpb)
		wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
	return actions->ibpb;
}

void flush_init_cpu(void)
{
	const struct policy_actions *actions = flush_actions();

	if (cpu_facts.ibrs)
		wrmsr(MSR_SPEC_CTRL, actions->spec_ctrl_host);
}
