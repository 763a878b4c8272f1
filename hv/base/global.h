/* SPDX-License-Identifier: MIT */
#ifndef HV_GLOBAL_H
#define HV_GLOBAL_H

/**
 * Puts a variable into .data.global, which both maps show on every CPU. @reason says, for the
 * reviewer, why any guest may learn its content. Everything without this annotation is sensitive.
 */
#define GLOBAL_DATA(reason) __attribute__((section(".data.global")))

#endif
