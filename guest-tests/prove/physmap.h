/* SPDX-License-Identifier: MIT */
/* Physical memory is the driver's: in front of files that reach it. */
#ifndef PROVE_PHYSMAP_H
#define PROVE_PHYSMAP_H

#include "hv/base/layout.h"

void *prove_ptr(hpa_t hpa);

#define hpa_to_ptr(hpa) prove_ptr(hpa)

#endif
