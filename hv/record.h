/* SPDX-License-Identifier: MIT */
/*
 * Machine-readable records: one JSON object a line behind "@cloister ", written straight to the
 * console, or to its queue by way of a buffer, both of which only full shows. Any map. docs/RECORDS
 * in docs/ARCHITECTURE.md.
 */
#ifndef HV_RECORD_H
#define HV_RECORD_H

#include "hv/types.h"

/** Draws the key that every record begins with, and that no guest can write: its lines on the same
 * console are not records. Before the first one. */
void record_init(void);

/** Opens a record of @type; takes the console until record_end(). */
void record_begin(const char *type);
void record_u64(const char *key, uint64_t value);
void record_i64(const char *key, int64_t value);
void record_hex(const char *key, uint64_t value);
void record_bool(const char *key, bool value);
void record_str(const char *key, const char *value);
/** A nested object: the members follow, then record_object_end(). */
void record_object(const char *key);
void record_object_end(void);
void record_end(void);

#endif
