/* SPDX-License-Identifier: MIT */
/*
 * The hypercall ABI: VMCALL with the number in RAX, arguments in RDI, RSI, RDX; the result comes
 * back in RAX (negative: -errno of hv/base/errno.h), all other registers keep their value. From CPL
 * 0; from others only in a VM with `user-hypercalls = on`, and only those that say so (elsewhere
 * -E_PERM). What a program may call takes no address: the hypervisor neither walks the guest's page
 * tables for it nor writes to its memory. hv/base/hypercall_guest.h has the calls as C functions.
 * CPUID leaf 0x40000000 says "CloisterHV" in EBX, ECX, EDX; EAX of leaf 0x40000001 is
 * HYPERCALL_ABI_VERSION. This header is self-contained, so that guests can include it.
 */
#ifndef HV_HYPERCALL_ABI_H
#define HV_HYPERCALL_ABI_H

#include <stdint.h>

#define HYPERCALL_ABI_VERSION 1

enum hypercall {
	HYPERCALL_VERSION = 0, /* -> HYPERCALL_ABI_VERSION; CPL 3 too */
	/* RDI gpa, RSI bytes (4096 at most) -> bytes written: what the console takes at once,
	 * which can be none */
	HYPERCALL_CONSOLE_WRITE = 1,
	HYPERCALL_STATS_PRINT = 2, /* this VM's statistics as records on the console -> 0 */
	HYPERCALL_STATS_READ = 3, /* RDI gpa, RSI bytes -> bytes of struct hypercall_stats copied */
	HYPERCALL_STATS_RESET = 4, /* this VM's counters to zero -> 0 */
	/* RDI gpa of a label, RSI its length (<= 32), RDX value: a `bench` record -> 0 */
	HYPERCALL_MARK = 5,
	/* RDI status: this VM ends the run of all VMs; does not return, but without `end-run =
	 * on`: -E_PERM */
	HYPERCALL_END = 6,
	/* RDI enum hypercall_policy, optionally with HYPERCALL_POLICY_PARANOID and
	 * HYPERCALL_POLICY_SMT_OFF: every CPU goes over to it, then the guests go on -> 0, or
	 * -E_BUSY while an earlier change is under way; only with `set-policy = on`, else
	 * -E_PERM. RDI HYPERCALL_POLICY_GET, always: -> the policy of the calling CPU with the
	 * same flags, and HYPERCALL_POLICY_CHANGING. CPL 3 too */
	HYPERCALL_POLICY = 7,
	/* RDI enum hypercall_trace_op. READ: RSI gpa, RDX bytes: what was recorded of the
	 * calling vCPU's last exits, oldest first, as struct hypercall_trace -> bytes written,
	 * whole entries. ON, OFF: whether exits of this VM are recorded -> 0 */
	HYPERCALL_TRACE = 8,
	/* RDI index of a 64-bit word of struct hypercall_stats -> the word as it is now, or
	 * -E_RANGE; CPL 3 too */
	HYPERCALL_STATS_WORD = 9,
	/* RDI value; RSI, RDX, R8, R9: a label of up to 32 characters, the first in SIL,
	 * filled up with zeros: as MARK; CPL 3 too */
	HYPERCALL_MARK_WORDS = 10,

	/* Of the loader program, which runs before the kernel; afterwards -E_PERM. */
	/* RDI gpa at which the kernel is entered next -> 0, or -E_NOMEM */
	HYPERCALL_LOADER_DONE = 11,
	HYPERCALL_LOADER_FAIL = 12, /* struct loader_boot says why: the VM is refused */

	/* Only with `debug-hypercalls = on`, else -E_PERM: what tests need to provoke. */
	/* the handler reads a word of sensitive memory -> that word */
	HYPERCALL_DEBUG_TOUCH_SENSITIVE = 0x100,
	/* audits the maps of all CPUs and VMs, an `audit` record -> number of violations, or
	 * -E_BUSY: another vCPU's is under way */
	HYPERCALL_AUDIT = 0x101,
};

/* The mitigation policies: ROW(name, number, word, what stands before the word in their list). */
#define HYPERCALL_POLICIES(ROW)                                                                    \
	ROW(AUTO, 0, "auto", "")                                                                   \
	ROW(OFF, 1, "off", ", ")                                                                   \
	ROW(ALWAYS_FLUSH, 2, "always-flush", ", ")                                                 \
	ROW(ALWAYS_FLUSH_STUN, 3, "always-flush+stun", ", ")                                       \
	ROW(COND_FLUSH, 4, "cond-flush", ", ")                                                     \
	ROW(ASI, 5, "asi", ", ")                                                                   \
	ROW(ASI_STUN, 6, "asi+stun", " or ")

#define HYPERCALL_POLICY_NUMBER(name, number, word, before) HYPERCALL_POLICY_##name = (number),
enum hypercall_policy { HYPERCALL_POLICIES(HYPERCALL_POLICY_NUMBER) HYPERCALL_POLICY_COUNT };
#define HYPERCALL_POLICY_WORD(name, number, word, before) [number] = (word),
#define HYPERCALL_POLICY_PARANOID 0x100
#define HYPERCALL_POLICY_CHANGING 0x200
#define HYPERCALL_POLICY_SMT_OFF 0x400
#define HYPERCALL_POLICY_GET (~0ULL)

enum hypercall_trace_op {
	HYPERCALL_TRACE_READ = 0,
	HYPERCALL_TRACE_ON = 1,
	HYPERCALL_TRACE_OFF = 2,
};
#define HYPERCALL_TRACE_ENTRIES 64 /* kept of each vCPU */

/** One VM exit. */
struct hypercall_trace {
	uint64_t tsc;		/* the host's, when it had been handled */
	uint64_t rip;		/* where the guest goes on */
	uint64_t qualification; /* SDM 27.2.1; of an EPT violation the guest-physical address */
	uint32_t reason;	/* basic exit reason */
	uint32_t reserved;
};

#define HYPERCALL_STATS_REASONS 80

/** What HYPERCALL_STATS_READ gives: counters of the calling VM since its start or the last reset.
 */
struct hypercall_stats {
	uint32_t version; /* HYPERCALL_ABI_VERSION */
	uint32_t size;	  /* of this struct */
	uint64_t exits;
	uint64_t exits_restricted; /* handled without leaving the restricted map */
	uint64_t escalations;
	uint64_t l1d_flush_msr;
	uint64_t l1d_flush_software;
	uint64_t verw;
	uint64_t injected;				   /* interrupts given to the guest */
	uint64_t exits_by_reason[HYPERCALL_STATS_REASONS]; /* by basic exit reason */
	uint64_t ticks_by_reason[HYPERCALL_STATS_REASONS]; /* TSC ticks in root mode */
	uint64_t stuns_sent; /* siblings that were interrupted for this VM's escalations */
	uint64_t stun_wait_min, stun_wait_median, stun_wait_p99; /* ticks to the acknowledgement */
	uint64_t stunned;   /* entries that waited for a sibling in the full map */
	uint64_t run_ticks; /* TSC ticks on CPUs, not halted, of all vCPUs since the VM's start */
};

#endif
