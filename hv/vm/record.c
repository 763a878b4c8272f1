// SPDX-License-Identifier: MIT
#include "hv/vm/record.h"

#include "hv/config/boot_state.h"

struct vm_record vm_records[CONFIG_MAX_VMS] = {
	[0 ... CONFIG_MAX_VMS - 1].lock = SPINLOCK(LOCK_VM),
};

bool vm_join(struct vm_record *record, unsigned vcpu)
{
	bool may;

	spinlock_acquire(&record->lock);
	may = !record->held && (record->state == VM_LIVE || record->state == VM_LOADING ||
				(record->state == VM_READY && vcpu == 0));
	if (may && record->state == VM_READY)
		record->state = VM_BEGINNING;
	record->joined += may;
	spinlock_release(&record->lock);
	return may;
}

bool vm_is_single(void)
{
	unsigned possible = 0;

	for (unsigned i = 0; i < boot_state_config()->vm_count; i++)
		possible += vm_records[i].config != NULL;
	return possible == 1;
}
