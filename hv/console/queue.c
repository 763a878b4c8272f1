// SPDX-License-Identifier: MIT
#include "hv/console/queue.h"

#include "hv/base/string.h"

#define PIECE 32

/* Nothing is ever put behind its end, by as much as a prover need not know where a piece begins. */
static char queue[CONSOLE_QUEUE_SIZE + PIECE];
static uint32_t head, tail; /* bytes taken and put */
/* Of these, as they were when tail had come so far; one that finds no room is left out. */
static uint32_t marks[256];
static uint32_t first_mark, mark_count;

unsigned console_queue_put(const char *text, unsigned length)
{
	unsigned done = 0;

	while (done < length && tail - head != CONSOLE_QUEUE_SIZE) {
		unsigned n = PIECE - tail % PIECE, room = CONSOLE_QUEUE_SIZE - (tail - head);

		if (n > room)
			n = room;
		if (n > length - done)
			n = length - done;
		memcpy(queue + tail % CONSOLE_QUEUE_SIZE, text + done, n);
		tail += n;
		done += n;
	}
	return done;
}

bool console_queue_put_first(const char *text, unsigned length)
{
	if (CONSOLE_QUEUE_SIZE - (tail - head) < length)
		return false;
	while (length)
		queue[--head % CONSOLE_QUEUE_SIZE] = text[--length];
	return true;
}

bool console_queue_get(char *c)
{
	if (head == tail)
		return false;
	*c = queue[head++ % CONSOLE_QUEUE_SIZE];
	return true;
}

unsigned console_queue_length(void)
{
	return tail - head;
}

void console_queue_mark(void)
{
	uint32_t last = marks[(first_mark + mark_count - 1) % ARRAY_SIZE(marks)];

	/* One that is there already, or that nothing stands before, would never be come to. */
	if (head != tail && mark_count < ARRAY_SIZE(marks) && !(mark_count && last == tail))
		marks[(first_mark + mark_count++) % ARRAY_SIZE(marks)] = tail;
}

bool console_queue_at_mark(void)
{
	if (!mark_count || marks[first_mark] != head)
		return false;
	first_mark = (first_mark + 1) % ARRAY_SIZE(marks);
	mark_count--;
	return true;
}
