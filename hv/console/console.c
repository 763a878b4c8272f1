// SPDX-License-Identifier: MIT
#include "hv/console/console.h"

#include "drivers/host/framebuffer.h"
#include "drivers/host/uart.h"
#include "hv/asi/asi.h"
#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/global.h"
#include "hv/base/print.h"
#include "hv/base/spinlock.h"
#include "hv/base/string.h"
#include "hv/config/config.h"
#include "hv/console/queue.h"
#include "hv/console/record.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/cpu/timer.h"
#include "mm/space.h"

#define NOBODY (-1)
/* Bytes that end a line somebody left open. */
#define LINE_BREAK 2
/* Bytes of a guest's line: the text, its name, and what surrounds them. */
#define LINE_MOST (CONSOLE_GUEST_LINE + CONFIG_NAME_LEN + 16)

/* What serial output needs; everything that passes through here is being shown to the operator. */
static struct {
	struct spinlock lock;
	struct uart com1, com2;
	bool framebuffer;
	bool on_screen;	 /* what is being written shows there too */
	bool line_open;	 /* the last byte that was sent is not a newline */
	bool queue_open; /* nor the last one in the queue */
	bool in_escape;	 /* on the screen */
	bool seized;
	bool queues;	  /* VMs go on while the UART sends what the hypervisor says */
	bool queueing;	  /* what is being written is queued */
	bool queued;	  /* there is something in the queue */
	bool guests_turn; /* but first a line of VM `next` */
	unsigned fill;	  /* bytes in the queue */
	bool writes_raw;  /* and not in lines */
	int writer;	  /* VM of which a line has begun and is not out yet; NOBODY */
	int next;	  /* VM that waits for its turn to be that; NOBODY */
	unsigned pumper;  /* CPU that sees to the queue; PERCPU_MAX: none yet */
} console GLOBAL_DATA(
	"port numbers, the state of the line, how much waits and whose turn it is; no text") = {
	.lock = SPINLOCK(LOCK_CONSOLE),
	.writer = NOBODY,
	.next = NOBODY,
	.pumper = PERCPU_MAX,
};

/* The picture shows every guest's output, so it is sensitive: full map only. */
static struct framebuffer screen;

BOOT void console_init_early(void)
{
	uart_init(&console.com1, UART_COM1);
}

BOOT void console_init(unsigned outputs, const struct boot_framebuffer *fb)
{
	if (!(outputs & CONFIG_CONSOLE_COM1))
		console.com1.port = 0;
	if (outputs & CONFIG_CONSOLE_COM2)
		uart_init(&console.com2, UART_COM2);
	if ((outputs & CONFIG_CONSOLE_FRAMEBUFFER) && fb->base.v) {
		volatile void *pixels =
			space_full_mmio(fb->base, (uint64_t)fb->pitch * fb->height, true);

		if (pixels) {
			framebuffer_init(&screen, pixels, fb);
			console.framebuffer = true;
		}
	}
}

/* A guest's bytes and the records go to the screen only where there is no serial port: each visit
 * costs an escalation, and moving the picture up costs millions of instructions. */
static bool is_alone(void)
{
	return console.framebuffer && !console.com1.port && !console.com2.port;
}

/* The way to full can end in a report of its own (hv/asi/stun.c), which needs the lock: so it is
 * gone before the lock is taken. That report goes out at once, for nothing sensitive may be
 * touched. */
static void lock_for(bool picture, bool queueing)
{
	bool closed = (picture || queueing) && this_cpu()->closed;

	if (unlikely(picture || queueing) && !closed)
		asi_exit(ASI_CAUSE_CONSOLE);
	if (!console.seized)
		spinlock_acquire(&console.lock);
	console.on_screen = picture;
	console.queueing = queueing && !closed && !console.seized;
	if (closed)
		console.writer = console.next =
			NOBODY; /* its CPU may be this one, and sends no more */
}

void console_lock(void)
{
	lock_for(console.framebuffer, console.queues);
}

void console_lock_record(void)
{
	lock_for(is_alone(), console.queues);
}

void console_unlock(void)
{
	bool first = console.queued && console.pumper == PERCPU_MAX;

	if (first)
		console.pumper = this_cpu()->id;
	/* The queue itself is sensitive: only who writes to it is in full for sure. */
	if (console.queueing)
		console.fill = console_queue_length();
	if (!console.seized)
		spinlock_release(&console.lock);
	if (first)
		timer_by(console_due());
}

/* With the lock held for the picture too, which knows no colours and moves no cursor: sequences
 * that begin with ESC do not show. */
static void put_screen(char c)
{
	if (c == '\x1b') {
		console.in_escape = true;
		return;
	}
	if (console.in_escape) {
		console.in_escape = c == '[' || c < '@';
		return;
	}
	if (!this_cpu()->closed)
		framebuffer_putc(&screen, c);
}

static void send(char c)
{
	console.line_open = c != '\n';
	uart_putc(&console.com1, c);
	uart_putc(&console.com2, c);
}

static bool has_room(unsigned bytes)
{
	return uart_has_room(&console.com1, bytes) && uart_has_room(&console.com2, bytes);
}

static void send_queued(void)
{
	char c;

	console.queued = console_queue_get(&c);
	if (!console.queued)
		return;
	send(c);
	/* Marks stand behind whole lines. */
	if (c == '\n' && console_queue_at_mark())
		console.guests_turn = console.next != NOBODY;
}

static void put_raw(const char *text, size_t length)
{
	size_t done = 0;

	while (done < length && console.queueing) {
		done += console_queue_put(text + done, (unsigned)(length - done));
		console.queued = true;
		if (done)
			console.queue_open = text[done - 1] != '\n';
		if (done < length) /* it is full: this CPU waits */
			send_queued();
	}
	for (; done < length; done++)
		send(text[done]);
	for (size_t i = 0; unlikely(console.on_screen) && i < length; i++)
		put_screen(text[i]);
}

void console_queue_output(void)
{
	console.queues = !is_alone();
}

void console_pump(void)
{
	unsigned id = this_cpu()->id;

	if (!console.queued)
		return;
	spinlock_acquire(&console.lock);
	if (console.pumper == PERCPU_MAX || percpu_core_is_closed(console.pumper))
		console.pumper = id;
	while (console.pumper == id && console.writer == NOBODY && !console.guests_turn &&
	       console.queued && has_room(1))
		send_queued();
	if (!console.queued)
		console.pumper = PERCPU_MAX;
	console.fill = console_queue_length();
	spinlock_release(&console.lock);
}

bool console_is_sent(void)
{
	return !__atomic_load_n(&console.queued, __ATOMIC_RELAXED);
}

uint64_t console_due(void)
{
	if (!console.queued || console.pumper != this_cpu()->id)
		return 0;
	return rdtsc() + cpu_facts.tsc_hz / 1000000 * UART_FIFO_US;
}

void console_seize(void)
{
	console.seized = true;
	/* Who was stopped may have written more than it noted. */
	console.com1.room = console.com2.room = 0;
	while (console.queued && this_cpu()->asi_state == ASI_FULL)
		send_queued();
}

void console_put_plain(const char *text, size_t length)
{
	put_raw(text, length);
}

static void put(const char *text, size_t length)
{
	while (length) {
		size_t run = 0;

		while (run < length && text[run] != '\n')
			run++;
		put_raw(text, run);
		if (run < length) {
			put_raw("\r\n", 2);
			run++;
		}
		text += run;
		length -= run;
	}
}

void console_puts(const char *s)
{
	put(s, strlen(s));
}

bool console_queues(void)
{
	return console.queues;
}

bool console_reach_queue(void)
{
	if (this_cpu()->closed || console.seized)
		return false;
	asi_exit(ASI_CAUSE_CONSOLE);
	return true;
}

/* Where does what is written now come to stand? Behind a guest's text that is on its way nobody
 * knows, if that is not in lines. */
void console_begin_line(void)
{
	bool open = console.line_open;

	if (console.queueing && console.queued)
		open = console.queue_open;
	else if (console.queueing && console.writer != NOBODY)
		open = console.writes_raw;
	if (open)
		console_puts("\n");
}

static void put_line(const char *prefix, const char *text)
{
	console_lock();
	console_begin_line();
	console_puts(prefix);
	console_puts(text);
	console_puts("\n");
	console_unlock();
}

void console_printf(const char *fmt, ...)
{
	char buf[256];
	va_list args;

	stack_goes_deep();
	va_start(args, fmt);
	fmt_vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	put_line("cloister: ", buf);
}

void console_error(const char *fmt, ...)
{
	char buf[320];
	va_list args;

	stack_goes_deep();
	va_start(args, fmt);
	fmt_vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	put_line("cloister: ", buf);
	record_begin("error");
	record_str("text", buf);
	record_end();
}

void console_let_guests(void)
{
	if (!console.queues)
		return;
	lock_for(false, true);
	if (console.queueing)
		console_queue_mark();
	console_unlock();
}

bool console_guest_putc(char c)
{
	bool sent;

	lock_for(is_alone(), false);
	sent = !console.queued && console.writer == NOBODY && has_room(1);
	if (likely(sent))
		put_raw(&c, 1);
	console_unlock();
	return sent;
}

bool console_guest_room(void)
{
	bool room;

	lock_for(false, false);
	room = !console.queued && console.writer == NOBODY && has_room(1);
	console_unlock();
	return room;
}

bool console_has_room(enum console_share share)
{
	return __atomic_load_n(&console.fill, __ATOMIC_RELAXED) <
	       CONSOLE_QUEUE_SIZE / 4 * (unsigned)share;
}

bool console_guest_fits(const struct console_text *out)
{
	return sizeof(out->text) - out->length >= LINE_MOST;
}

static void add(struct console_text *out, const char *text, size_t length)
{
	memcpy(out->text + out->length, text, length);
	out->length += length;
}

void console_guest_line(struct console_text *out, const char *name, unsigned id, const char *text,
			unsigned length)
{
	/* Green to cyan: what both dark and light screens show. */
	const char colour[] = { '\x1b', '[', '3', (char)('2' + id % 5), 'm', '[', '\0' };
	static const char behind_name[] = "]\x1b[0m ";
	size_t extra = sizeof(colour) + strlen(name) + sizeof(behind_name) + 2;

	if (out->length + extra + length > sizeof(out->text))
		console_guest_leave(out, id, true);
	out->raw = false;
	add(out, colour, strlen(colour));
	add(out, name, strlen(name));
	add(out, behind_name, strlen(behind_name));
	add(out, text, length);
	add(out, "\r\n", 2);
}

void console_guest_add(struct console_text *out, unsigned id, char c)
{
	if (out->length == sizeof(out->text))
		console_guest_leave(out, id, true);
	out->raw = true;
	add(out, &c, 1);
}

bool console_guest_send(struct console_text *out, unsigned id)
{
	bool done;

	lock_for(is_alone(), false);
	if (out->length && (!console.queued || console.guests_turn) && console.writer == NOBODY &&
	    (console.next == NOBODY || console.next == (int)id) && has_room(LINE_BREAK)) {
		console.writer = (int)id;
		console.writes_raw = out->raw;
		console.next = NOBODY;
		console.guests_turn = false;
		if (!out->raw)
			console_begin_line();
	} else if (out->length && console.writer != (int)id && console.next == NOBODY) {
		console.next = (int)id; /* or who writes without end would never let it */
	}
	while (console.writer == (int)id && has_room(1)) {
		put_raw(&out->text[out->sent++], 1);
		if (out->sent == out->length) {
			out->sent = out->length = 0;
			console.writer = NOBODY;
		}
	}
	done = !out->length;
	console_unlock();
	return done;
}

void console_guest_leave(struct console_text *out, unsigned id, bool ends)
{
	unsigned left = out->length - out->sent;
	const char *text = out->text + out->sent;

	if (!left)
		return;
	lock_for(is_alone(), true);
	if (console.next == (int)id) {
		console.next = NOBODY;
		console.guests_turn = false;
	}
	/* What has not begun waits for the VM's next turn, and its guest with it: else whoever
	 * comes to the scheduler often could fill the queue, and the others' lines wait for that.
	 */
	if (console.writer != (int)id && !ends) {
		console_unlock();
		return;
	}
	if (console.writer == (int)id && console_queue_put_first(text, left)) {
		if (!console.queued)
			console.queue_open = text[left - 1] != '\n';
		console.queued = true;
	} else {
		/* That there is no room for it is no reason to tear a line. */
		if (console.writer == (int)id)
			console.queueing = false;
		else if (!out->raw)
			console_begin_line();
		put_raw(text, left);
	}
	if (console.writer == (int)id)
		console.writer = NOBODY;
	out->sent = out->length = 0;
	console_unlock();
}

int console_getc(void)
{
	int c = uart_getc(&console.com1);

	return c >= 0 ? c : uart_getc(&console.com2);
}

void console_drain(void)
{
	uart_drain(&console.com1);
	uart_drain(&console.com2);
}

void console_set_input(bool on)
{
	uart_set_receive_irq(&console.com1, on);
	uart_set_receive_irq(&console.com2, on);
}
