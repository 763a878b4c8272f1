// SPDX-License-Identifier: MIT
#include "hv/sched/place.h"

#include "hv/vm/vm.h"

static bool allowed(const struct config_vm *vm, const struct place_cpu *cpus, unsigned i)
{
	return cpus[i].usable && (!vm->cpu_mask || (i < 64 && (vm->cpu_mask >> i & 1)));
}

static bool is_chosen(const uint32_t *chosen, unsigned n, unsigned cpu)
{
	for (unsigned i = 0; i < n; i++)
		if (chosen[i] == cpu)
			return true;
	return false;
}

/* The next CPU: with a list the lowest number, else a thread of a core that is in use already, else
 * of the core with the least load. */
static int next_cpu(const struct config_vm *vm, const struct place_cpu *cpus, unsigned count,
		    const unsigned *load, const uint32_t *chosen, unsigned n)
{
	int best = -1;

	for (unsigned i = 0; i < count; i++) {
		if (!allowed(vm, cpus, i) || is_chosen(chosen, n, i))
			continue;
		if (vm->cpu_mask)
			return (int)i;
		if (n && cpus[i].leader == cpus[chosen[n - 1]].leader)
			return (int)i;
		if (best < 0 || load[cpus[i].leader] < load[cpus[best].leader])
			best = (int)i;
	}
	return best;
}

int place_vm(const struct config_vm *vm, const struct place_cpu *cpus, unsigned count,
	     unsigned *load, uint32_t *chosen)
{
	for (unsigned n = 0; n < vm->vcpus; n++) {
		int cpu = next_cpu(vm, cpus, count, load, chosen, n);

		if (cpu < 0)
			return -1 - (int)n;
		chosen[n] = (uint32_t)cpu;
	}
	for (unsigned n = 0; n < vm->vcpus; n++) {
		bool counted = false;

		for (unsigned m = 0; m < n; m++)
			counted |= cpus[chosen[m]].leader == cpus[chosen[n]].leader;
		load[cpus[chosen[n]].leader] += !counted;
	}
	return 0;
}
