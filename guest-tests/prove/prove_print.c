/* prove: hv/base/print.c */
/* prove-with: hv/base/string.c */
/* prove-options: precision=0 coverage=98 quick -eva-min-loop-unroll=24 -eva-slevel-function=put_number:60,put_padded:30,put_string:40 */
/* SPDX-License-Identifier: MIT */
/* All conversions of any values and strings, into any room. */
#include "hv/base/print.h"
#include "hv/base/string.h"

void prove(void)
{
	char out[48], text[24];
	uint8_t from[64], to[64];
	size_t size = any_within(0, sizeof(out));

	any_bytes(text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	fmt_snprintf(out, size, "%s %-12s %.9s", text, text, text);
	fmt_snprintf(out, size, "%12s %c%c%%", any8 ? text : NULL, (char)any8, (char)any8);
	fmt_snprintf(out, size, "%d %4d %-4d %08d", (int)any32, (int)any32, (int)any32, (int)any32);
	fmt_snprintf(out, size, "%lld %20lld", (long long)any64, (long long)any64);
	fmt_snprintf(out, size, "%u %x %X %08x", any32, any32, any32, any32);
	fmt_snprintf(out, size, "%llu %016llx %p", (unsigned long long)any64,
		     (unsigned long long)any64, (void *)any64);
	fmt_snprintf(out, size, "%q %");
	str_copy(out, text, size);
	str_append(out, size, any_within(0, sizeof(out)), text);
	any_bytes(from, sizeof(from));
	copy_bulk(to, from, any_within(0, sizeof(to)));
}
