// SPDX-License-Identifier: MIT
/*
 * blkload DEVICE DEPTH ROUNDS: reads DEPTH blocks of 4 KiB at a time, past the page cache, ROUNDS
 * times. One io_submit() for all of them, so that one notification carries them. Stands alone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>

#define BLOCK 4096
#define MOST 64
#define SPREAD 1024 /* blocks of the device that are read in turn */

static char buffers[MOST][BLOCK] __attribute__((aligned(BLOCK)));
static struct iocb requests[MOST], *pointers[MOST];
static struct io_event events[MOST];

static long call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

static long number(const char *s)
{
	long value = 0;

	while (*s >= '0' && *s <= '9')
		value = value * 10 + *s++ - '0';
	return value;
}

static int load(const char *device, long depth, long rounds)
{
	aio_context_t context = 0;
	long fd = call(SYS_open, (long)device, O_RDONLY | O_DIRECT, 0, 0, 0), block = 0;

	if (fd < 0 || depth < 1 || depth > MOST ||
	    call(SYS_io_setup, MOST, (long)&context, 0, 0, 0))
		return 1;
	while (rounds-- > 0) {
		for (long i = 0; i < depth;
		     i++, block += 2) { /* not neighbours: they would be merged */
			requests[i] = (struct iocb){ .aio_lio_opcode = IOCB_CMD_PREAD,
						     .aio_fildes = (unsigned)fd,
						     .aio_buf = (unsigned long)buffers[i],
						     .aio_nbytes = BLOCK,
						     .aio_offset = block % SPREAD * BLOCK };
			pointers[i] = &requests[i];
		}
		if (call(SYS_io_submit, (long)context, depth, (long)pointers, 0, 0) != depth ||
		    call(SYS_io_getevents, (long)context, depth, depth, (long)events, 0) != depth)
			return 2;
		for (long i = 0; i < depth; i++)
			if (events[i].res != BLOCK)
				return 3;
	}
	return 0;
}

/* The stack as the kernel leaves it: argc, argv[]. */
__attribute__((used)) void begin(const long *stack)
{
	const char *const *argv = (const char *const *)(stack + 1);

	call(SYS_exit, stack[0] == 4 ? load(argv[1], number(argv[2]), number(argv[3])) : 4, 0, 0, 0,
	     0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
