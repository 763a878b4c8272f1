/* SPDX-License-Identifier: MIT */
/*
 * The CMOS clock at ports 0x70 and 0x71 (MC146818): time of day, and registers that hold what is
 * written.
 */
#ifndef DRIVERS_GUEST_RTC_H
#define DRIVERS_GUEST_RTC_H

#include "drivers/guest/platform.h"

#define VRTC_INDEX_PORT 0x70
#define VRTC_DATA_PORT 0x71

struct vrtc {
	uint8_t index;
	uint8_t cmos[128];
};

ANY void vrtc_reset(struct vm *vm);
ANY uint8_t vrtc_read(struct vm *vm);
ANY void vrtc_write(struct vm *vm, uint16_t port, uint8_t value);

#endif
