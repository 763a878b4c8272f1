/* SPDX-License-Identifier: MIT */
/*
 * What becomes of VMs: their ends, what the operator wants of them, and the end of the run. A VM's
 * memory goes back to the pool, scrubbed, when it has ended; `start` builds it again.
 *
 * All functions: full map, idle stack, no vCPU loaded, unless said. What an operator wants of a VM
 * that runs elsewhere is begun here and ended by the VM's own CPUs: vm_is_settled() tells when.
 */
#ifndef HV_VM_LIFE_H
#define HV_VM_LIFE_H

#include "hv/vm/record.h"

/** Prints the `vm` record of a change of state. */
FULL void vm_report_state(const char *name, const char *state, const char *reason);
/** The one that says that it runs. */
FULL void vm_report_running(const struct vm_record *record);

/**
 * This CPU is no longer one of the VM's (a vCPU's that was unloaded, or a visitor's). The window is
 * still current and is not afterwards. Whoever is the last of a VM that ends clears up behind it.
 */
FULL void vm_part(struct vm_record *record);

/** Comes in as one of the CPUs of VM @record, which stays until vm_part(), and makes its window the
 * current one, if its vCPUs run; else false. */
FULL bool vm_visit(struct vm_record *record);

/**
 * The operator ends VM @record (VM_WISH_STOP), ends it and builds it anew (VM_WISH_RESTART), or
 * puts it into its power-on state in the memory that it has (VM_WISH_RESET). If it is beginning
 * anew by itself, that is done once it does. -E_NOENT: it does not run; -E_BUSY: it is being taken
 * down for good, or an earlier wish is under way.
 */
FULL int vm_operate(struct vm_record *record, enum vm_wish wish);

/** Builds and starts VM @index, which does not run. -E_EXIST: it does run; -E_INVAL: its section of
 * the configuration is no good; -E_NOMEM: said already. */
FULL int vm_start(unsigned index);

/** Why a VM is held: no vCPU of it runs, its clock goes on. */
enum vm_hold { VM_HOLD_PAUSE = 1 << 0, VM_HOLD_LOOK = 1 << 1 };

/** Holds VM @record, whose vCPUs leave their CPUs; -E_NOENT, or -E_BUSY: it is being built or taken
 * down. And lets it go. */
FULL int vm_hold(struct vm_record *record, enum vm_hold why);
FULL void vm_release(struct vm_record *record, enum vm_hold why);

/** Has what was begun with the VM come to its end? Of a held one: no vCPU is on a CPU. */
FULL bool vm_is_settled(const struct vm_record *record);

/** Scrubs a piece of the memory of a VM that this CPU was the last to run, and ends what became of
 * it; true: there is more. A piece is short enough for others to wait for. */
FULL bool vm_scrub_some(void);

/** Says that VM @config of the configuration is not started (a `vm` record). Boot processor, before
 * the first runs. */
FULL void vm_refuse(const struct config_vm *config, const char *reason);

/** From now on @index (-1: none) has the console to itself; with -1 every VM's output is shown line
 * by line, and the last one attached keeps the input. */
FULL void vm_console_give(int index);

/** Sets what VM @record, which is about to run, may do with the console; of all, as another one has
 * come. */
FULL void vm_console_assign(struct vm_record *record);
FULL void vm_console_refresh(void);

#endif
