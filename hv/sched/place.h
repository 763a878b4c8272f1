/* SPDX-License-Identifier: MIT */
/* Which CPUs a VM's vCPUs get. Pure. */
#ifndef HV_PLACE_H
#define HV_PLACE_H

#include "hv/config/config.h"

struct place_cpu {
	uint32_t leader; /* first CPU of its core */
	bool usable;	 /* it runs, and is not parked */
};

/**
 * Chooses a CPU for each vCPU of @vm: the first ones of `cpus =`; without it, whole cores one after
 * the other, those with the fewest VMs first. @load[] counts the VMs of each core by its leader and
 * is raised. Returns 0, or a negative number: minus one, minus how many CPUs there are for it.
 */
ANY int place_vm(const struct config_vm *vm, const struct place_cpu *cpus, unsigned count,
		 unsigned *load, uint32_t *chosen);

#endif
