/* SPDX-License-Identifier: MIT */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include "hv/vm/vm.h"

/** Hypercall @number of a guest at CPL 0 with three arguments (hv/base/hypercall_abi.h); its
 * result. Restricted but for the debug ones. */
ANY int64_t hypercall(struct vcpu *vcpu, uint64_t number, uint64_t a, uint64_t b, uint64_t c);

/** The same for a guest's program, CPL 3: the harmless ones, if the VM's configuration lets it,
 * else -E_PERM. */
ANY int64_t hypercall_user(struct vcpu *vcpu, uint64_t number, uint64_t a, uint64_t b, uint64_t c);

#endif
