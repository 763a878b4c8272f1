/* SPDX-License-Identifier: MIT */
#ifndef DRIVERS_HOST_PIC_H
#define DRIVERS_HOST_PIC_H

#include "hv/base/maps.h"

/**
 * Silences the two 8259 interrupt controllers, which a legacy BIOS leaves on with vectors among the
 * exceptions. Boot processor, once.
 */
ANY void pic_disable(void);

#endif
