/* prove: drivers/guest/net/frame_queue.c */
/* prove-options: precision=0 coverage=98 quick -eva-slevel=20 */
/* SPDX-License-Identifier: MIT */
/*
 * A queue wherever its producer and its consumer may stand: what each of them leaves is where the
 * other may begin, so that it holds for ever. The other one's offset is another one at each look.
 */
#include "drivers/guest/net/frame_queue.h"

#define ANYWHERE (8 * any_within(0, FRAME_QUEUE_SIZE / 8 - 1))

/* Eva does not relate where a frame begins to how long it is: behind the queue there is room for
 * one. */
static union {
	struct frame_queue queue;
	uint8_t room[sizeof(struct frame_queue) + sizeof(struct net_frame) + FRAME_LARGE];
} memory;
static struct frame_queue *const queue = &memory.queue;

static void produce(void)
{
	uint32_t length = any_within(FRAME_MIN, FRAME_LARGE);
	struct net_frame *frame;
	ptrdiff_t begins;

	queue->tail = ANYWHERE;
	queue->head = ANYWHERE;
	frame = frame_queue_room(queue, length);
	if (!frame)
		return;
	begins = (uint8_t *)frame - queue->bytes;
	/*@ assert it_begins_there: 0 <= begins < FRAME_QUEUE_SIZE && begins % 8 == 0; */
	any_bytes(frame->data, length);
	any_bytes(&frame->header, sizeof(frame->header));
	frame->packets = any16;
	queue->head = ANYWHERE;
	frame_queue_add(queue, frame);
	/*@ assert next_begins_there: queue->tail < FRAME_QUEUE_SIZE && queue->tail % 8 == 0; */
}

static void leave(struct net_frame *frame)
{
	frame->length = any_within(FRAME_MIN, FRAME_LARGE);
	frame->end = ANYWHERE;
}

/* What produce() leaves at @at: a frame, or the marker with a frame at the beginning. */
static void consume(uint32_t at)
{
	struct net_frame *here = (struct net_frame *)(queue->bytes + at), *frame;

	leave((struct net_frame *)queue->bytes);
	leave(here);
	if (at && any8)
		here->length = UINT32_MAX;
	queue->head = at;
	queue->tail = ANYWHERE;
	frame = frame_queue_first(queue);
	if (frame) {
		/*@ assert as_it_was_left: FRAME_MIN <= frame->length <= FRAME_LARGE; */
		any_bytes(frame->data, frame->length);
		queue->tail = ANYWHERE;
		frame_queue_remove(queue);
	}
	/*@ assert next_begins_there: queue->head < FRAME_QUEUE_SIZE && queue->head % 8 == 0; */
}

void prove(void)
{
	static const uint32_t places[] = { 0, 8, FRAME_QUEUE_SIZE / 2, FRAME_QUEUE_SIZE - 16,
					   FRAME_QUEUE_SIZE - 8 };

	any_bytes(&memory, sizeof(memory));
	produce();
	/* Nothing is computed from the place: some stand for all. */
	//@ loop unroll 5;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
		consume(places[i]);
	queue->head = queue->tail = ANYWHERE;
	frame_queue_used(queue);
	frame_queue_clear(queue);
}
