// SPDX-License-Identifier: MIT
#include "drivers/guest/frame_queue.h"

#define WRAP UINT32_MAX /* as a length: the next frame is at the beginning */

static uint32_t space_of(uint32_t length)
{
	return (uint32_t)ALIGN_UP(sizeof(struct frame) + length, 8);
}

static struct frame *frame_at(struct frame_queue *queue, uint32_t at)
{
	return (struct frame *)(queue->bytes + at);
}

/* One byte at least stays free, or full would look like empty. */
struct frame *frame_queue_room(struct frame_queue *queue, uint32_t length)
{
	uint32_t head = __atomic_load_n(&queue->head, __ATOMIC_ACQUIRE), tail = queue->tail;
	uint32_t need = space_of(length);

	if (tail < head)
		return need < head - tail ? frame_at(queue, tail) : NULL;
	if (need < FRAME_QUEUE_SIZE - tail)
		return frame_at(queue, tail);
	if (need >= head)
		return NULL;
	/* The marker fits: tail is a multiple of 8 and less than the size. */
	frame_at(queue, tail)->length = WRAP;
	return frame_at(queue, 0);
}

void frame_queue_add(struct frame_queue *queue, struct frame *frame, uint32_t length)
{
	frame->length = length;
	frame->next = 0;
	queue->frames++;
	queue->packets += frame->packets;
	__atomic_store_n(&queue->tail,
			 (uint32_t)((uint8_t *)frame - queue->bytes) + space_of(length),
			 __ATOMIC_RELEASE);
}

struct frame *frame_queue_first(struct frame_queue *queue)
{
	uint32_t tail = __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE);
	struct frame *frame = frame_at(queue, queue->head);

	if (queue->head == tail)
		return NULL;
	return frame->length == WRAP ? frame_at(queue, 0) : frame;
}

void frame_queue_remove(struct frame_queue *queue)
{
	const struct frame *frame = frame_queue_first(queue);

	__atomic_store_n(&queue->head,
			 (uint32_t)((const uint8_t *)frame - queue->bytes) +
				 space_of(frame->length),
			 __ATOMIC_RELEASE);
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
