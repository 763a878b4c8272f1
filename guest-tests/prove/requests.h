/* SPDX-License-Identifier: MIT */
/* Giving requests back is proved in prove_ring.c: in front of files that do it. */
#ifndef PROVE_REQUESTS_H
#define PROVE_REQUESTS_H

#include "drivers/guest/virtio/ring.h"

#define vring_put(ring, ahead, head, written) ((void)(written))
#define vring_publish(ring, count) ((void)(count))
#define vring_push(ring, head, written) ((void)(written))

#endif
