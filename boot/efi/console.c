// SPDX-License-Identifier: MIT
#include "boot/efi/loader.h"

#include "drivers/host/uart.h"
#include "hv/base/asm.h"
#include "hv/base/print.h"

#define MAX_MESSAGE 240

static void put_serial(struct uart *uart, const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			uart_putc(uart, '\r');
		uart_putc(uart, *s);
	}
}

static void put_firmware(const struct loader *loader, const char *s)
{
	CHAR16 wide[MAX_MESSAGE * 2];
	unsigned n = 0;

	for (; *s && n < ARRAY_SIZE(wide) - 2; s++) {
		if (*s == '\n')
			wide[n++] = '\r';
		wide[n++] = (CHAR16)*s;
	}
	wide[n] = 0;
	if (loader->system->ConOut)
		loader->system->ConOut->OutputString(loader->system->ConOut, wide);
}

/*
 * The firmware may or may not send its console to COM1, so the line can appear there twice; the
 * record cannot.
 */
void loader_fail(const struct loader *loader, const char *what, const char *advice)
{
	char text[MAX_MESSAGE], record[MAX_MESSAGE];
	struct uart uart;

	fmt_snprintf(text, sizeof(text), "\ncloister: %s: %s\n", what, advice);
	fmt_snprintf(record, sizeof(record),
		     "@cloister {\"type\":\"end\",\"status\":1,\"reason\":\"%s\"}\n", what);
	put_firmware(loader, text);
	uart_init(&uart, UART_COM1);
	put_serial(&uart, text);
	put_serial(&uart, record);
	uart_drain(&uart);
	halt_forever();
}
