/* SPDX-License-Identifier: MIT */
/* What an address that made a CPU leave the restricted map belongs to. */
#ifndef HV_OBJECT_H
#define HV_OBJECT_H

#include "hv/base/types.h"

struct escalation_site;

/**
 * Notes at @site what @site->address is: a variable, memory by class and owner of its frame, device
 * registers. @cpu is the running CPU. Full map: the tables that say so are sensitive.
 */
FULL void object_identify(struct escalation_site *site, unsigned cpu);

/** Kind of what was found: "variable", "physmap", "device", "request" (the code asked by itself),
 * "unknown". */
ANY const char *object_class(const struct escalation_site *site);

/** Writes its name ("sensitive_word", "vm 1 ram", "page table") into @buf. Any map: variables'
 * names are public. */
ANY void object_name(const struct escalation_site *site, char *buf, size_t size);

#endif
