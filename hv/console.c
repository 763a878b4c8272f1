// SPDX-License-Identifier: MIT
#include "hv/console.h"

#include "drivers/host/framebuffer.h"
#include "drivers/host/uart.h"
#include "hv/asi.h"
#include "hv/config.h"
#include "hv/global.h"
#include "hv/lib/print.h"
#include "hv/percpu.h"
#include "hv/record.h"
#include "hv/spinlock.h"
#include "mm/space.h"

/* What serial output needs; everything that passes through here is being shown to the operator. */
static struct {
	struct spinlock lock;
	struct uart com1, com2;
	bool framebuffer;
	bool on_screen; /* what is being written shows there too */
	bool line_open; /* the last byte was not a newline */
	bool in_escape; /* on the screen */
	bool seized;
} console GLOBAL_DATA("port numbers and the state of the line; no text is kept");

/* The picture shows every guest's output, so it is sensitive: full map only. */
static struct framebuffer screen;

void console_init_early(void)
{
	uart_init(&console.com1, UART_COM1);
}

void console_init(unsigned outputs, const struct boot_framebuffer *fb)
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

/* The way to full can end in a report of its own (hv/stun.c), which needs the lock: so it is gone
 * before the lock is taken. */
static void lock_for(bool picture)
{
	if (unlikely(picture) && !this_cpu()->closed)
		asi_exit(ASI_CAUSE_CONSOLE);
	if (!console.seized)
		spinlock_acquire(&console.lock);
	console.on_screen = picture;
}

void console_lock(void)
{
	lock_for(console.framebuffer);
}

void console_lock_record(void)
{
	lock_for(is_alone());
}

void console_unlock(void)
{
	if (!console.seized)
		spinlock_release(&console.lock);
}

void console_seize(void)
{
	console.seized = true;
	/* Who was stopped may have written more than it noted. */
	console.com1.room = console.com2.room = 0;
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

static void put_raw(char c)
{
	uart_putc(&console.com1, c);
	uart_putc(&console.com2, c);
	if (unlikely(console.on_screen))
		put_screen(c);
}

static void put_guest(char c)
{
	uart_putc(&console.com1, c);
	uart_putc(&console.com2, c);
	if (unlikely(console.on_screen))
		put_screen(c);
	console.line_open = c != '\n';
}

static void put_guest_text(const char *s)
{
	while (*s)
		put_guest(*s++);
}

void console_putc(char c)
{
	if (c == '\n')
		put_raw('\r');
	put_raw(c);
	console.line_open = c != '\n';
}

void console_puts(const char *s)
{
	while (*s)
		console_putc(*s++);
}

void console_begin_line(void)
{
	if (console.line_open)
		console_putc('\n');
}

static void put_line(const char *prefix, const char *text)
{
	console_lock();
	console_begin_line();
	console_puts(prefix);
	console_puts(text);
	console_putc('\n');
	console_unlock();
}

void console_printf(const char *fmt, ...)
{
	char buf[256];
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	put_line("cloister: ", buf);
}

void console_error(const char *fmt, ...)
{
	char buf[320];
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	put_line("cloister: ", buf);
	record_begin("error");
	record_str("text", buf);
	record_end();
}

void console_guest_putc(char c)
{
	lock_for(is_alone());
	put_guest(c);
	console_unlock();
}

void console_guest_line(const char *name, unsigned id, const char *text, unsigned length)
{
	/* Green to cyan: what both dark and light screens show. */
	const char colour[] = { '\x1b', '[', '3', (char)('2' + id % 5), 'm', '\0' };

	lock_for(is_alone());
	if (console.line_open) {
		put_guest('\r');
		put_guest('\n');
	}
	put_guest_text(colour);
	put_guest('[');
	put_guest_text(name);
	put_guest(']');
	put_guest_text("\x1b[0m ");
	for (unsigned i = 0; i < length; i++)
		put_guest(text[i]);
	put_guest('\r');
	put_guest('\n');
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
