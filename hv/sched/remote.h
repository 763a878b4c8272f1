/* SPDX-License-Identifier: MIT */
/* What a CPU asks of a vCPU that another one runs, or none. */
#ifndef HV_REMOTE_H
#define HV_REMOTE_H

#include "hv/vm/record.h"

/** The VM ends: vCPU @vcpu, which may run on another CPU, is to leave. Or it is to look whether its
 * exits are traced. Of the VM whose window is current. */
ANY void vcpu_post_stop(struct vcpu *vcpu);
ANY void vcpu_post_trace(struct vcpu *vcpu);

/** Its VM has got frames: it is to look for them. */
FULL void vcpu_post_net(struct vm_record *record);

/** Turns what other CPUs asked of this CPU's vCPU into work. */
ANY void vcpu_take_remote(struct vcpu *vcpu);

#endif
