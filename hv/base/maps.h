/* SPDX-License-Identifier: MIT */
/*
 * In which map a function may be called (docs/ASI.md): one of these words stands before the
 * declaration of each public function that is code of its own in the image. The compiler sees none
 * of them; tools/check-maps follows the machine code and proves that nothing that may run in
 * restricted calls a FULL function, or touches a sensitive variable, on a way without asi_exit().
 */
#ifndef HV_MAPS_H
#define HV_MAPS_H

/** Needs the full map: touches variables outside GLOBAL_DATA, the physmap, page tables, frames or
 * other CPUs' records. The caller is in it. */
#define FULL

/** Runs in either, and touches only what restricted maps; or goes to full itself where it needs
 * more. */
#define ANY

/** Runs in restricted, or where exits land in full in that map, and must not leave it. */
#define RESTRICTED

#endif
