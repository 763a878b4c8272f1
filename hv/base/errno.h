/* SPDX-License-Identifier: MIT */
/* Error codes: functions return 0 or a negative one of these. */
#ifndef HV_ERRNO_H
#define HV_ERRNO_H

enum {
	E_NOMEM = 1,	/* no frame or no room in a fixed table */
	E_INVAL = 2,	/* an argument or an input is malformed */
	E_NOENT = 3,	/* the thing named does not exist */
	E_EXIST = 4,	/* it exists already */
	E_RANGE = 5,	/* an address or a size lies outside what is allowed */
	E_NOTSUP = 6,	/* this machine or this version cannot do it */
	E_PERM = 7,	/* the caller may not */
	E_TIMEDOUT = 8, /* a bounded wait ran out */
	E_FAULT = 9,	/* a guest address is not backed by memory */
	E_BUSY = 10,	/* something else is under way: later */
};

#endif
