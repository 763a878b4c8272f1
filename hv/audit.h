/* SPDX-License-Identifier: MIT */
/*
 * The audit of all address spaces there are: each CPU's pair with the window that it shows, each
 * VM's window and EPT (what is proved: mm/space.h). Ends in one `audit` record.
 */
#ifndef HV_AUDIT_H
#define HV_AUDIT_H

/**
 * Audits everything; @when is for the record. Returns the number of violations, the first ones of
 * which are records of their own. Full map; takes each CPU's window lock and each VM's, in turn.
 */
unsigned audit_run(const char *when);

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
