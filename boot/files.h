/* SPDX-License-Identifier: MIT */
/* Which files boot_info must list: the configuration and what it names. Pure; for both loaders. */
#ifndef BOOT_FILES_H
#define BOOT_FILES_H

#include "boot/boot_info.h"

#define BOOT_CONFIG_NAME "cloister.conf"

/** Finds the file called @name, NULL if it is not listed. */
FULL struct boot_file *files_find(struct boot_info *bi, const char *name);

/** Lists the configuration, as missing, unless it is there already. */
FULL void files_expect_config(struct boot_info *bi);

/**
 * Reads the configuration, if it has status BOOT_FILE_OK, and lists each kernel, initrd,
 * module and disk that it names, as missing, unless it is there already. @bi's file addresses must
 * be valid pointers (identity map).
 */
FULL void files_expect_named(struct boot_info *bi);

#endif
