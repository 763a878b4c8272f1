/* SPDX-License-Identifier: MIT */
#ifndef HV_VERSION_H
#define HV_VERSION_H

#define CLOISTER_VERSION "0.1"

#endif
