/* SPDX-License-Identifier: MIT */
/* A disk for the victim: one request at a time, polled. */
#ifndef VICTIM_H
#define VICTIM_H

#include "guest-tests/guests/lib/guest.h"

#define SECTOR 512

/* False: there is none. */
bool disk_open(void);
uint64_t disk_sectors(void);
/* Reads or writes one sector at @buffer; false: it failed, or did not come in time. */
bool disk_read(uint64_t sector, void *buffer);
bool disk_write(uint64_t sector, const void *buffer);

#endif
