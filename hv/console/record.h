/* SPDX-License-Identifier: MIT */
/*
 * Machine-readable records: one JSON object a line behind "@cloister ", written straight to the
 * console; or, where that queues, collected by the CPU that makes it, which only full shows, and
 * queued as a whole. Any map. docs/RECORDS in docs/ARCHITECTURE.md.
 */
#ifndef HV_RECORD_H
#define HV_RECORD_H

#include "hv/base/types.h"

/* A record that a CPU makes. */
struct record_text {
	unsigned length;
	bool comma;	  /* before the next member */
	bool has_console; /* it is longer than this, and on its way */
	char text[PAGE_SIZE - 8];
};
static_assert(sizeof(struct record_text) == PAGE_SIZE, "a frame");

/** Draws the key that every record begins with, and that no guest can write: its lines on the same
 * console are not records. Before the first one. */
ANY void record_init(void);

/** Opens a record of @type. Others may make theirs until record_end(), if the console queues; else
 * it is taken as long. */
ANY void record_begin(const char *type);
ANY void record_u64(const char *key, uint64_t value);
ANY void record_i64(const char *key, int64_t value);
ANY void record_hex(const char *key, uint64_t value);
ANY void record_bool(const char *key, bool value);
ANY void record_str(const char *key, const char *value);
/** A nested object: the members follow, then record_object_end(). */
ANY void record_object(const char *key);
ANY void record_object_end(void);
ANY void record_end(void);

#endif
