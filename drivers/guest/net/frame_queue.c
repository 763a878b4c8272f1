// SPDX-License-Identifier: MIT
#include "drivers/guest/net/frame_queue.h"

#define WRAP UINT32_MAX /* as a length: the next frame is at the beginning */

static struct net_frame *frame_at(struct frame_queue *queue, uint32_t at)
{
	return (struct net_frame *)(queue->bytes + at);
}

/* One byte at least stays free, or full would look like empty. */
struct net_frame *frame_queue_room(struct frame_queue *queue, uint32_t length)
{
	uint32_t head = __atomic_load_n(&queue->head, __ATOMIC_ACQUIRE), at = queue->tail;
	uint32_t space = (uint32_t)ALIGN_UP(sizeof(struct net_frame) + length, 8), end = at + space;
	struct net_frame *frame;

	if (end >= (at < head ? head : FRAME_QUEUE_SIZE)) {
		if (at < head || space >= head)
			return NULL;
		/* The marker fits: tail is a multiple of 8 and less than the size. */
		frame_at(queue, at)->length = WRAP;
		at = 0;
		end = space;
	}
	frame = frame_at(queue, at);
	frame->length = length;
	frame->end = queue->end = end;
	return frame;
}

void frame_queue_add(struct frame_queue *queue, struct net_frame *frame)
{
	frame->next = 0;
	queue->frames++;
	queue->packets += frame->packets;
	__atomic_store_n(&queue->tail, queue->end, __ATOMIC_RELEASE);
}

/* What follows the one that was removed last. */
static struct net_frame *oldest(struct frame_queue *queue)
{
	struct net_frame *frame = frame_at(queue, queue->head);

	return frame->length == WRAP ? frame_at(queue, 0) : frame;
}

struct net_frame *frame_queue_first(struct frame_queue *queue)
{
	uint32_t tail = __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE);

	return queue->head == tail ? NULL : oldest(queue);
}

void frame_queue_remove(struct frame_queue *queue)
{
	__atomic_store_n(&queue->head, oldest(queue)->end, __ATOMIC_RELEASE);
}

void frame_queue_clear(struct frame_queue *queue)
{
	__atomic_store_n(&queue->head, __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
}

uint32_t frame_queue_used(const struct frame_queue *queue)
{
	uint32_t head = __atomic_load_n(&queue->head, __ATOMIC_ACQUIRE);
	uint32_t tail = __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE);

	return tail >= head ? tail - head : FRAME_QUEUE_SIZE - head + tail;
}
