// SPDX-License-Identifier: MIT
#include "vmx/exit/again.h"

#include "drivers/guest/virtio/virtio.h"
#include "hv/asi/stun.h"
#include "hv/base/asm.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/vcpu.h"

void vcpu_go_on(struct vcpu *vcpu)
{
	struct virtio *device;

	while ((device = vcpu->again) != NULL) {
		interrupts_take();
		if (vcpu->work || stun_keeps_waiting(this_cpu()))
			return;
		vcpu->again = NULL;
		vm_lock_devices(vcpu->vm);
		virtio_notify(vcpu->vm, device, vcpu->again_queue);
		vm_unlock_devices(vcpu->vm);
	}
}

void vcpu_leave_undone(struct vcpu *vcpu)
{
	struct virtio *device = vcpu->again;

	vcpu->again = NULL;
	vm_lock_devices(vcpu->vm);
	virtio_signal(vcpu->vm, device, &device->queue[vcpu->again_queue]);
	vm_unlock_devices(vcpu->vm);
}
