/* SPDX-License-Identifier: MIT */
/* What is said of the boot. */
#ifndef HV_BOOT_RECORD_H
#define HV_BOOT_RECORD_H

#include "hv/base/types.h"

/** When the first guest is about to run: prints the `boot` record. Does nothing afterwards. */
FULL void boot_report(void);

#endif
