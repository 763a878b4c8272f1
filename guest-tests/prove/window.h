/* SPDX-License-Identifier: MIT */
/* What lies at fixed addresses is the driver's: in front of files that look there. */
#ifndef PROVE_WINDOW_H
#define PROVE_WINDOW_H

#include "hv/asi/flush.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/vm.h"

extern struct percpu prove_cpu;
extern struct vcpu prove_vcpu;

#define this_cpu() (&prove_cpu)
#define flush_actions() (&prove_cpu.actions)
#define vcpu_here(index) (&prove_vcpu)

#endif
