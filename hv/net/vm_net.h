/* SPDX-License-Identifier: MIT */
/* A VM's network cards between their device model and the switch. */
#ifndef HV_VM_NET_H
#define HV_VM_NET_H

#include "hv/vm/record.h"

/** Makes the VM's network cards, their queues and ports, as its configuration says. 0,
 * -E_NOMEM. */
FULL int vm_net_create(struct vm_record *record);

/** The VM's ports take part in their networks, with empty inboxes, or do not. Nobody is attached to
 * the VM. */
FULL void vm_net_set_up(struct vm_record *record, bool up);

/** WORK_NET, WORK_SEND, or the vCPU is about to rest or to be taken off while its deadline runs:
 * serves the network cards, and leaves the restricted map if there is something to send. */
ANY void vm_net_work(struct vcpu *vcpu);

#endif
