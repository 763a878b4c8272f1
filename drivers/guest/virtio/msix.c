// SPDX-License-Identifier: MIT
#include "drivers/guest/virtio/msix.h"

#include "drivers/guest/irq/lapic.h"

#define CONTROL_ENABLE BIT(15)
#define CONTROL_MASK BIT(14)
enum { ENTRY_ADDRESS, ENTRY_ADDRESS_HIGH, ENTRY_DATA, ENTRY_CONTROL };
#define ENTRY_MASKED BIT(0)
/* A message is a write to 0xfee00000 (SDM volume 3, "Message Signalled Interrupts"). */
#define IS_MESSAGE(address) ((address) >> 20 == 0xfee)
#define MESSAGE_DESTINATION(address) ((address) >> 12 & 0xff)
#define MESSAGE_LOGICAL BIT(2)
#define MESSAGE_MODE(data) ((data) >> 8 & 7)

void vmsix_reset(struct vmsix *msix)
{
	*msix = (struct vmsix){ 0 };
	for (unsigned i = 0; i < VMSIX_VECTORS; i++)
		msix->entry[i][ENTRY_CONTROL] = ENTRY_MASKED;
}

static bool is_masked(const struct vmsix *msix, unsigned vector)
{
	return (msix->control & CONTROL_MASK) ||
	       (msix->entry[vector][ENTRY_CONTROL] & ENTRY_MASKED);
}

void vmsix_raise(struct vm *vm, struct vmsix *msix, unsigned vector)
{
	const uint32_t *entry;

	if (vector >= VMSIX_VECTORS || !(msix->control & CONTROL_ENABLE))
		return;
	if (is_masked(msix, vector)) {
		msix->pending |= 1U << vector;
		return;
	}
	entry = msix->entry[vector];
	/* A write to any other address would be one to memory, which no driver wants. */
	if (IS_MESSAGE(entry[ENTRY_ADDRESS]) && !entry[ENTRY_ADDRESS_HIGH])
		vlapic_deliver(vm, MESSAGE_DESTINATION(entry[ENTRY_ADDRESS]),
			       entry[ENTRY_ADDRESS] & MESSAGE_LOGICAL,
			       MESSAGE_MODE(entry[ENTRY_DATA]), (uint8_t)entry[ENTRY_DATA], false);
}

static void send_pending(struct vm *vm, struct vmsix *msix)
{
	for (unsigned i = 0; i < VMSIX_VECTORS && msix->pending; i++) {
		if (!(msix->pending & 1U << i) || is_masked(msix, i))
			continue;
		msix->pending &= ~(1U << i);
		vmsix_raise(vm, msix, i);
	}
}

void vmsix_set_control(struct vm *vm, struct vmsix *msix, uint16_t control)
{
	msix->control = control & (CONTROL_ENABLE | CONTROL_MASK);
	if (control & CONTROL_ENABLE)
		send_pending(vm, msix);
}

uint32_t vmsix_read(const struct vmsix *msix, unsigned offset)
{
	unsigned vector = offset / VMSIX_ENTRY;

	return vector < VMSIX_VECTORS ? msix->entry[vector][offset % VMSIX_ENTRY / 4] : 0;
}

void vmsix_write(struct vm *vm, struct vmsix *msix, unsigned offset, uint32_t value)
{
	unsigned vector = offset / VMSIX_ENTRY, word = offset % VMSIX_ENTRY / 4;

	if (vector >= VMSIX_VECTORS)
		return;
	msix->entry[vector][word] = word == ENTRY_CONTROL ? value & ENTRY_MASKED : value;
	if (msix->control & CONTROL_ENABLE)
		send_pending(vm, msix);
}
