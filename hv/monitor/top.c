// SPDX-License-Identifier: MIT
/* `top`: what each VM did between two looks. The counters are its CPUs', who write on. */
#include "hv/base/asm.h"
#include "hv/base/hypercall_abi.h"
#include "hv/base/spinlock.h"
#include "hv/base/string.h"
#include "hv/config/boot_state.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/cpu/cpu.h"
#include "hv/monitor/commands.h"
#include "hv/sched/wake.h"
#include "hv/vm/breathe.h"
#include "hv/vm/record.h"
#include "hv/vm/vcpu.h"

struct sample {
	uint64_t exits, escalations, run, halted; /* run and halted: ticks */
};

static struct sample last[CONFIG_MAX_VMS];
static uint64_t last_tsc;

/* What is under way counts up to now. */
static uint64_t since(const uint64_t *start, uint64_t now)
{
	uint64_t from = __atomic_load_n(start, __ATOMIC_RELAXED);

	return from && from < now ? now - from : 0;
}

/* False: it has no memory to count in. */
static bool take_sample(struct vm_record *record, uint64_t now, struct sample *sum)
{
	bool built;

	memset(sum, 0, sizeof(*sum));
	spinlock_acquire(&record->lock);
	built = record->state >= VM_READY;
	for (unsigned i = 0; built && i < record->config->vcpus; i++) {
		const struct vcpu *vcpu = record->vcpus[i];

		for (unsigned j = 0; j < HYPERCALL_STATS_REASONS; j++)
			sum->exits += vcpu->stats.exits[j];
		sum->escalations += vcpu->stats.escalations;
		sum->run += vm_run_ticks(record->vm, i);
		sum->halted += vcpu->stats.halted_ticks + since(&vcpu->halted_since, now);
	}
	spinlock_release(&record->lock);
	return built;
}

/* Counters start anew with the VM. */
static uint64_t grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static unsigned percent(uint64_t ticks, uint64_t of)
{
	return of ? (unsigned)(ticks * 100 / of) : 0;
}

void monitor_show_top(bool first)
{
	uint64_t now = rdtsc(), ticks = now - last_tsc;
	uint64_t ms = ticks / (cpu_facts.tsc_hz / 1000);

	if (!first) {
		/* Home, and all that was there is gone. */
		console_lock();
		console_puts("\x1b[H\x1b[J");
		console_unlock();
		console_printf("top: a key ends it");
	}
	for (unsigned i = 0; i < boot_state_config()->vm_count; i++) {
		struct sample sample;
		const char *name = boot_state_config()->vms[i].name;
		bool built = take_sample(&vm_records[i], now, &sample);

		if (!first && built && ms)
			console_printf(
				"%s: %llu exits/s, %llu escalations/s, %u %% CPU, %u %% halted",
				name,
				(unsigned long long)(grown(sample.exits, last[i].exits) * 1000 /
						     ms),
				(unsigned long long)(grown(sample.escalations,
							   last[i].escalations) *
						     1000 / ms),
				percent(grown(sample.run, last[i].run), ticks),
				percent(grown(sample.halted, last[i].halted), ticks));
		else if (!first)
			console_printf("%s: does not run", name);
		last[i] = sample;
		vm_breathe();
	}
	last_tsc = now;
}
