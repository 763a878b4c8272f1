/* SPDX-License-Identifier: MIT */
/*
 * The console: every line of text and every `@cloister` record goes out here, whole. Serial output
 * needs no memory that is not visible everywhere, so it works in either map; the framebuffer is
 * full map only and costs an escalation.
 */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include "boot/boot_info.h"
#include "hv/base/types.h"

/** COM1 only, before any configuration is known. */
ANY void console_init_early(void);
/** The outputs that the configuration asks for (bits of enum config_console). */
FULL void console_init(unsigned outputs, const struct boot_framebuffer *fb);

/** One line for people: "cloister: " and the text. */
ANY void console_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** An error line for people and the same as an `error` record. */
ANY void console_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Takes and gives back the console; what is written in between stays together. Not recursive. */
ANY void console_lock(void);
ANY void console_unlock(void);
/** The same for what programs read: on the screen only if there is no serial port. */
ANY void console_lock_record(void);
/** With the lock held: raw output; begin starts a fresh line if somebody left one open. */
ANY void console_begin_line(void);
ANY void console_puts(const char *s);
/** Text without a newline. */
ANY void console_put_plain(const char *text, size_t length);
/** Is the hypervisor's text queued? */
ANY bool console_queues(void);
/** Goes to full, where the queue is; false: this CPU's core is closed, or the console seized, so
 * that text goes out directly. */
ANY bool console_reach_queue(void);

/** From now on the hypervisor's text is queued, unless only a picture shows it: no VM is to wait
 * while the UART sends what is said of another, nor a core while it sends what is said of anything.
 */
ANY void console_queue_output(void);
/** The scheduler's part of that: sends what the UART takes. */
FULL void console_pump(void);
/** Behind text that a guest can cause without end: lines of other guests may come now, or they
 * would never. Leaves the restricted map as that text did. */
ANY void console_let_guests(void);
/** Has all of it gone out? */
ANY bool console_is_sent(void);
/** When this CPU is to come back and do so, TSC; 0: it need not. */
FULL uint64_t console_due(void);

/** A byte of a guest that has the console to itself: false if it cannot be sent at once; and
 * whether one could. */
ANY bool console_guest_putc(char c);
ANY bool console_guest_room(void);

/* Quarters of what the hypervisor's text has room for, of which some is always left to those that
 * come behind, and to what the operator asks for. */
enum console_share { CONSOLE_FOR_RECORDS = 2, CONSOLE_FOR_STARTS = 3 };

/** Is there room for records that guests ask for, or that their starts make? They wait until it is
 * so. */
ANY bool console_has_room(enum console_share share);

/* Bytes of a guest's line, without what surrounds it. */
#define CONSOLE_GUEST_LINE 160

/** Lines of a guest that are on their way out; lies in its VM's window, guarded by the VM's lock.
 */
struct console_text {
	uint32_t length, sent;
	bool raw; /* of one that has the console to itself: as it comes */
	char text[1024];
};

/** Has it room for a line of any length? Then console_guest_line() does not wait. */
ANY bool console_guest_fits(const struct console_text *out);
/** Adds a line of VM @id behind "[name] " in its colour. */
ANY void console_guest_line(struct console_text *out, const char *name, unsigned id,
			    const char *text, unsigned length);
/** Adds a byte of a VM that has the console to itself. */
ANY void console_guest_add(struct console_text *out, unsigned id, char c);
/** Sends what the UART takes, if it is this VM's turn; true: nothing is left. Nothing comes between
 * the pieces of a line, unless the queue is full. Restricted suffices if there is a UART. */
ANY bool console_guest_send(struct console_text *out, unsigned id);
/** The VM leaves this CPU: what is left of lines that have begun is queued, and all if it @ends or
 * has no room for more. Leaves the restricted map. */
ANY void console_guest_leave(struct console_text *out, unsigned id, bool ends);

/** One byte of input, or -1. */
ANY int console_getc(void);

/** Waits until all output has left. */
ANY void console_drain(void);
/** Receive interrupts on (once the line is routed) or off: what arrives meanwhile stays in the
 * UART. */
ANY void console_set_input(bool on);

/** From now on nobody else gets the lock: a panicking CPU owns the console. */
ANY void console_seize(void);

#endif
