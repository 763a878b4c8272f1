/* SPDX-License-Identifier: MIT */
/*
 * The audit of all address spaces there are: each CPU's pair with the window that it shows, each
 * VM's window and EPT (what is proved: mm/space.h). Ends in one `audit` record.
 */
#ifndef HV_AUDIT_H
#define HV_AUDIT_H

#include "mm/space.h"

/* Looks at a page in a piece, which takes less than 100 us. */
#define AUDIT_PIECE 8

/** An audit under way. All zeroes but `space.pause_after`: at its beginning. */
struct audit {
	struct space_audit space;
	unsigned step;	   /* which CPU or VM it is at */
	unsigned reported; /* violations that were told */
};

/**
 * Goes on with an audit of everything, for AUDIT_PIECE if its `space.pause_after` is that. Returns
 * whether it is at its end. The first violations are records of their own. Full map; takes the
 * window lock of the CPU it is at, or the VM's lock.
 */
FULL bool audit_piece(struct audit *audit);

/**
 * The same for vCPU @vcpu of VM @vm, which calls until @done, and gets the number of violations
 * then. -E_BUSY: another vCPU of its VM has one under way.
 */
FULL int audit_for_guest(unsigned vm, unsigned vcpu, bool *done);

/** Tells what an audit that is at its end found; @when is for the record. Returns the number of
 * violations. */
FULL unsigned audit_report(const struct audit *audit, const char *when);

/** All of it, with vm_breathe() between the pieces. */
FULL unsigned audit_run(const char *when);

/**
 * A mapping has changed. Builds with -DDEBUG_AUDIT audit everything now and panic on a violation;
 * others do nothing. That takes longer than a time slice, so let no VMs share a core there. Full
 * map, none of those locks held.
 */
#ifdef DEBUG_AUDIT
void audit_changed(void);
#else
static inline void audit_changed(void)
{
}
#endif

#endif
