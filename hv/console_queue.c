// SPDX-License-Identifier: MIT
#include "hv/console_queue.h"

#define QUEUE_SIZE 32768U /* a power of two: the counters wrap */

static char queue[QUEUE_SIZE];
static uint32_t head, tail; /* bytes taken and put */

bool console_queue_put(char c)
{
	if (tail - head == QUEUE_SIZE)
		return false;
	queue[tail++ % QUEUE_SIZE] = c;
	return true;
}

bool console_queue_put_first(const char *text, unsigned length)
{
	if (QUEUE_SIZE - (tail - head) < length)
		return false;
	while (length)
		queue[--head % QUEUE_SIZE] = text[--length];
	return true;
}

bool console_queue_get(char *c)
{
	if (head == tail)
		return false;
	*c = queue[head++ % QUEUE_SIZE];
	return true;
}
