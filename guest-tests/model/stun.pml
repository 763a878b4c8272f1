/* SPDX-License-Identifier: MIT */
/*
 * Stunning, Address Space Isolation and the core scheduler on the hardware threads of one core, under asi+stun.
 *
 * A comment "function: tag" marks the step that stands for what that function's comment "model: tag: code" (hv/, vmx/) names;
 * guest-tests/model/check compares the two, and the comment with the code, function by function and in order. docs/CHECKS.md says what is
 * modelled, what is not, and what came out.
 *
 * -D options: THREADS (2), SCHED (1: two VMs share the core; 0: one VM), HALT (1: vCPUs halt), LIVE (a pending
 * interrupt is what ends a guest's run: for the liveness claim), DEAF (thread 1 takes none), ONLY=n (assert property n alone; 6: none), and the names of mutants, MUTANT_x.
 */
#ifndef THREADS
#define THREADS 2
#endif
#ifndef SCHED
#define SCHED 1
#endif
#ifndef HALT
#define HALT 1
#endif

/*
 * Properties; each can be checked alone, so that a mutant is refuted by the one that is meant for it.
 *  1  while a thread is in full (from the acknowledgement to the release, and while its root is the full one), no
 *     thread of the core executes guest instructions
 *  2  nothing sensitive is in reach of a thread before its siblings are out of their guests
 *  3  when guest instructions execute, every thread that had sensitive data in reach has flushed since
 *  4  no two VMs' guests on a core at once, and nothing of another VM's in it: same rule as 3
 *  5  a guest is entered from the restricted map only, with nothing held
 */
#ifndef ONLY
#define ONLY 0
#endif
#define CHECK(n, x) assert((ONLY && ONLY != (n)) || (x))

#define SELF(i) (1 << (i))
#define ALL_THREADS ((1 << THREADS) - 1)
#define FIRST_SIBLING(i) ((i) == 0 -> 1 : 0)
#define NEXT_SIBLING(i, k) ((k) + 1 == (i) -> (k) + 2 : (k) + 1)

/* The gate's word, hv/asi/stun.h: the low half, and how often siblings have counted the high half down. */
byte low[THREADS];
byte holds[THREADS];
#define IN_GUEST(k) (low[k] & 1)

/*
 * x86-TSO. A plain store to a gate waits in its thread's buffer until store_buffer() writes it out, any time later; a
 * locked instruction begins when the buffer is empty. Loads are executed in order, and no thread loads a gate's half
 * that it has a store for in its buffer.
 */
mtype = { STORE_LOW, STORE_WORD };
chan buffer[THREADS] = [2] of { mtype, byte, byte, byte };
#define DRAINED(i) empty(buffer[i])

/* Sets of threads, a bit each. */
byte holding;	/* cpu->holding */
byte in_full;	/* CR3 holds the full root; asi_state follows it within the thread */
byte running;	/* VMX non-root operation */
byte ipi_stun;	/* pending in the local APIC */
byte ipi_kick;
byte kicked;	/* cpu->kicked */
byte resched;	/* cpu->resched */
byte asleep;	/* cpu->idle */

/* struct core; its lock makes each access one step. */
byte attached;
bit switching;
bit slice_over;	/* core->slice_end has come */
byte turn = 1;

byte window[THREADS]; /* VM whose window is mapped, 0: none */

/* What the properties speak of; no thread of the protocol reads it. */
byte acknowledged;	/* from the last acknowledgement to the release */
byte dirty;		/* sensitive data was in reach, and no flush came after */
byte brought[THREADS];	/* VM whose data were in reach, and no flush came after */
byte waiting;		/* for acknowledgements */
byte stunned;		/* at a shut gate */
byte idle;		/* in HLT, with no vCPU */

#define HAS(set, i) ((set) & SELF(i))
#define ADD(set, i) set = set | SELF(i)
#define DROP(set, i) set = set & (ALL_THREADS ^ SELF(i))

#define PENDING(i) ((ipi_stun | ipi_kick) & SELF(i))

/* An interrupt for a thread of this core, a store that precedes it included. */
inline send(set, k)
{
#ifdef DEAF
	if
	:: k != 1 -> ADD(set, k)
	:: else
	fi
#else
	ADD(set, k)
#endif
}

active [THREADS] proctype store_buffer()
{
	mtype what;
	byte gate, l, h;

end:	do
	:: atomic { buffer[_pid]?what, gate, l, h ->
		if
		:: what == STORE_WORD -> holds[gate] = h
		:: else
		fi;
		low[gate] = l;
		what = 0; gate = 0; l = 0; h = 0 }
	od
}

/* hv/sched/sched.c. The flag, then the interrupt for those that sleep; both sides' accesses are locked. */
inline kick_core()
{
	atomic { DRAINED(i) -> kicked = ALL_THREADS };	/* sched_kick: flag */
	ipi_kick = ipi_kick | asleep			/* sched_kick: interrupt */
}

/* hv/asi/stun.c */
inline stun_left_guest()
{
	atomic { nfull(buffer[i]) -> buffer[i]!STORE_LOW, i, 0, 0 }	/* stun_left_guest: out */
}

/* vmx/exit/entry.asm. The guest has no later effect than the exit, and the store one at any time after. */
inline leave_guest()
{
	DROP(running, i);
#ifndef MUTANT_NEVER_OUT
	buffer[i]!STORE_LOW, i, 0, 0			/* leave_guest: out */
#endif
}

/* The gates stay shut. What it prints may need what only full maps: then it ends there. */
inline fail_closed()
{
	atomic { DROP(waiting, i); k = 0; seen = 0 };	/* fail_closed: closed */
#ifdef MUTANT_REPORT_IN_FULL
	atomic { reach_sensitive() }			/* the gates are held, so stun_hold() would return */
#endif
	goto closed					/* stun_hold: closed; fail_closed: halt */
}

inline wait_for_ack()
{
	do
	:: atomic { !IN_GUEST(k) ->			/* wait_for_ack: out */
		k++;
		break }
#ifdef DEAF
	:: IN_GUEST(k) && k == 1 -> fail_closed()	/* wait_for_ack: bound */
#endif
	od
}

inline stun_hold()
{
	if
	:: HAS(holding, i)				/* stun_hold: again */
	:: atomic { !HAS(holding, i) ->
		ADD(holding, i);			/* stun_hold: holding */
		k = FIRST_SIBLING(i) };
		do
#ifdef MUTANT_PLAIN_HOLD
		:: atomic { k < THREADS && nfull(buffer[i]) ->
			seen = seen | (IN_GUEST(k) << k);
			buffer[i]!STORE_WORD, k, low[k], holds[k] + 1;
			k = NEXT_SIBLING(i, k) }
#else
		:: atomic { k < THREADS && DRAINED(i) ->
			seen = seen | (IN_GUEST(k) << k);
			holds[k]++;			/* stun_hold: count */
			k = NEXT_SIBLING(i, k) }
#endif
		:: atomic { k >= THREADS ->
			/* That some get theirs later makes no difference: any may be slow to take it. */
			k = 0;
			do
			:: k < THREADS && HAS(seen, k) ->
#ifndef MUTANT_NO_IPI
				send(ipi_stun, k);	/* stun_hold: interrupt */
#endif
				k++
			:: k < THREADS && !HAS(seen, k) -> k++
			:: k >= THREADS -> break
			od;
			k = 0;
			ADD(waiting, i);
			break }
		od;
		do
#ifdef MUTANT_NO_ACK
		:: atomic { k < THREADS -> k++ }
#else
		:: atomic { k < THREADS && !HAS(seen, k) -> k++ }
		:: k < THREADS && HAS(seen, k) ->
			wait_for_ack();			/* stun_hold: wait */
#endif
		:: atomic { k >= THREADS ->
			k = 0; seen = 0;
			DROP(waiting, i);
			ADD(acknowledged, i);
			break }
		od
	fi
}

inline stun_release()
{
	if
	:: !HAS(holding, i)				/* stun_release: not */
	:: atomic { HAS(holding, i) -> DROP(acknowledged, i); k = FIRST_SIBLING(i) };
		do
		:: atomic { k < THREADS && DRAINED(i) ->
			holds[k]--;			/* stun_release: count */
			k = NEXT_SIBLING(i, k) }
		:: atomic { k >= THREADS ->
			k = 0;
			DROP(holding, i);		/* stun_release: holding */
			break }
		od
	fi
}

inline stun_wait()
{
	ADD(stunned, i);
#ifndef MUTANT_WAIT_IN_GUEST
	stun_left_guest();				/* stun_wait: out */
#endif
#ifdef DEAF
end_shut:
#endif
	/* Nobody holds it, and it is passed: one locked instruction. */
	atomic { holds[i] == 0 && DRAINED(i) ->		/* stun_wait: shut */
		low[i]++;
		DROP(stunned, i) }
}

/* hv/asi/asi.c */

/* Whatever the full root maps may be touched as soon as it is loaded and as long as it is, speculatively at least. */
inline reach_sensitive()
{
	ADD(in_full, i);
	ADD(dirty, i);
	CHECK(2, !(running & (ALL_THREADS ^ SELF(i))))
}

inline leave()
{
	stun_hold();					/* leave: hold */
	atomic { reach_sensitive();			/* leave: root */
#ifndef MUTANT_WORK_FORGOTTEN
		work_asi = attached_here		/* leave: work */
#endif
	}
}

inline asi_exit()
{
	if
	:: !HAS(in_full, i) -> leave()			/* asi_exit: leave */
	:: else
	fi
}

/* As long as a map is loaded, what it maps may come back at once: a flush counts for what is out of reach. */
inline flush()
{
	if
	:: !HAS(in_full, i) -> DROP(dirty, i)
	:: else
	fi;
	brought[i] = window[i]
}

inline asi_enter()
{
#if defined(MUTANT_FLUSH_IN_FULL)
	atomic { flush() };
	DROP(in_full, i);
	stun_release();
#elif defined(MUTANT_RELEASE_FIRST)
	stun_release();
	DROP(in_full, i);
	atomic { flush() };
#elif defined(MUTANT_RELEASE_BEFORE_FLUSH)
	DROP(in_full, i);
	stun_release();
	atomic { flush() };
#elif defined(MUTANT_NO_FLUSH)
	DROP(in_full, i);
	stun_release();
#elif defined(MUTANT_NO_RELEASE)
	DROP(in_full, i);
	atomic { flush() };
#else
	DROP(in_full, i);					/* asi_enter: root */
	atomic { flush() };				/* asi_enter: flush */
	stun_release();					/* asi_enter: release */
#endif
	work_asi = 0					/* asi_enter: work */
}

inline asi_rest()
{
#if defined(MUTANT_IDLE_IN_FULL)
	stun_release()
#elif defined(MUTANT_IDLE_HOLDING)
	skip
#else
	if
	:: HAS(in_full, i) -> asi_enter()			/* asi_rest: enter */
	:: else
	fi
#endif
}

/* vmx/exit/host_interrupt.c; a handler may touch what only full maps. */
inline take_kick()
{
	ADD(kicked, i);					/* take_kick: kicked */
	if
	:: attached_here && HAS(resched, i) -> work_switch = 1	/* take_kick: switch */
	:: else
	fi
}

inline call_scheduler()
{
	slice_over = 1;
	ADD(kicked, i);					/* wake_call_scheduler: kicked */
	work_switch = attached_here			/* wake_call_scheduler: switch */
}

inline escalate_or_not()
{
	if
	:: asi_exit()
	:: skip
	fi
}

active [THREADS] proctype thread()
{
	byte i = _pid - THREADS;
	byte k, seen;		/* stun_hold() */
	bit attached_here;	/* cpu->vcpu */
	bit work_asi, work_switch;
	bit waits;		/* WORK_HALT or WORK_SIPI */
	bit turned;

cpu_loop:
	atomic {					/* cpu_loop: take */
		DROP(ipi_stun, i);
		if
		:: HAS(ipi_kick, i) -> DROP(ipi_kick, i); take_kick()
		:: else
		fi
	};
	asi_exit();					/* cpu_loop: full */
	DROP(kicked, i);				/* cpu_loop: kicked */
#if SCHED
	if
	:: atomic { slice_over && !switching ->		/* cpu_loop: rotate; sched_rotate: switch */
		switching = 1;				/* begin_switch: switching */
		resched = resched | (ALL_THREADS ^ SELF(i));	/* begin_switch: resched */
#ifndef MUTANT_ROTATE_SILENTLY
		ipi_kick = ipi_kick | (ALL_THREADS ^ SELF(i))	/* begin_switch: interrupt */
#endif
		}
	:: else
	fi;
#endif
	atomic {					/* cpu_loop: attach */
#ifdef MUTANT_NO_RENDEZVOUS
		if
		:: switching ->
#else
		if
		:: switching && !attached ->		/* sched_attach: last */
#endif
			switching = 0;			/* sched_attach: switching */
			turn = 3 - turn;		/* sched_attach: begin; begin_turn: turn */
			slice_over = 0;
			turned = 1
		:: else
		fi;
		if
		:: !switching ->			/* sched_attach: turn */
			attached++;			/* sched_attach: attached */
			attached_here = 1
		:: else
		fi;
		if
		:: switching -> ADD(resched, i)		/* sched_attach: resched */
		:: else -> DROP(resched, i)
		fi
	};
	if
	:: atomic { turned -> turned = 0 };
#ifndef MUTANT_TURN_SILENTLY
		kick_core()				/* sched_attach: kick */
#endif
	:: else
	fi;
	if
	:: attached_here -> goto vm_run			/* cpu_loop: run */
	:: else
	fi;
#ifndef MUTANT_ASLEEP_LATE
	atomic { DRAINED(i) -> ADD(asleep, i) };		/* cpu_loop: sleep; rest: idle */
#endif
	/* A time slice that ends meanwhile wakes it too; that a turn is not missed must not rest on it. */
	do
	:: HAS(kicked, i) -> break			/* rest: kicked */
	:: else ->
#ifdef MUTANT_ASLEEP_LATE
		ADD(asleep, i);
#endif
		asi_rest();				/* rest: rest */
		ADD(idle, i);
end_idle:	if					/* rest: wait */
		:: atomic { HAS(ipi_stun, i) -> DROP(ipi_stun, i); DROP(idle, i) }
		:: atomic { HAS(ipi_kick, i) -> DROP(ipi_kick, i); DROP(idle, i); take_kick() }
		fi;
		escalate_or_not()
	od;
	DROP(asleep, i);				/* rest: idle */
	goto cpu_loop;

vm_run:
	atomic {
		window[i] = turn;			/* vm_run: window */
		brought[i] = (brought[i] == 0 || brought[i] == turn -> turn : 3);
		/* It comes halted, or never was sent its SIPI, or not. */
#if HALT
		if
		:: waits = 1
		:: skip
		fi;
#endif
		work_asi = 1				/* vm_enter: work */
	};

	/* vmx/exit/exit.c */
vmx_do_work:
	do
	:: work_switch -> goto vm_yield			/* hold_back: switch */
	:: !work_switch && waits ->			/* hold_back: wait */
		asi_rest();				/* vcpu_wait: rest */
		/* With a timer that is armed, or for what others send. */
		if					/* vcpu_wait: wait */
		:: goto vcpu_wait_timer
		:: skip
		fi;
end_halted:	if
		:: atomic { HAS(ipi_stun, i) -> DROP(ipi_stun, i) }
		:: atomic { HAS(ipi_kick, i) -> DROP(ipi_kick, i); take_kick();
			if
			:: waits = 0
			:: skip
			fi }
		fi;
		goto vcpu_wait_handled;
vcpu_wait_timer:
		atomic {
			if
			:: waits = 0
#if SCHED
			:: call_scheduler()
#endif
			fi
		};
vcpu_wait_handled:
		escalate_or_not()
	:: !work_switch && !waits -> break
	od;
	if
	:: work_asi -> asi_enter()			/* vmx_do_work: enter */
	:: else
	fi;

	/* vmx/exit/entry.asm; interrupts are off, and an NMI does nothing to what is modelled. */
resume:
#ifdef MUTANT_PLAIN_GATE
	atomic { nfull(buffer[i]) -> turned = holds[i] != 0; buffer[i]!STORE_WORD, i, 1, holds[i] };
#else
	atomic { DRAINED(i) ->
		low[i]++;				/* vmx_exit_entry: count; vmx_launch: count */
		turned = holds[i] != 0 };
#endif
#ifndef MUTANT_NO_GATE
	if
	:: atomic { turned -> turned = 0; goto shut }	/* vmx_exit_entry: test; vmx_launch: test */
	:: else
	fi;
#endif
enter:
	atomic { ADD(running, i);			/* vmx_exit_entry: enter; vmx_launch: enter */
		turned = 0;
		CHECK(5, !HAS(in_full, i) && !HAS(holding, i)) };
guest:
	do
	:: atomic {
#ifdef LIVE
			!PENDING(i) ->
#endif
			CHECK(1, !((in_full | acknowledged) & (ALL_THREADS ^ SELF(i))));
			CHECK(3, !dirty);
			k = 0;
			do
			:: k < THREADS ->
				CHECK(4, brought[k] == 0 || brought[k] == window[i]);
				CHECK(4, !HAS(running, k) || window[k] == window[i]);
				k++
			:: else -> break
			od;
			k = 0
		}
	:: atomic { HAS(ipi_stun, i) && nfull(buffer[i]) ->
			DROP(ipi_stun, i);
			leave_guest();
			break }
	:: atomic { HAS(ipi_kick, i) && nfull(buffer[i]) ->
			DROP(ipi_kick, i);
			leave_guest() };
		atomic { take_kick() };
		break
	/* For a reason of its own. */
#ifdef LIVE
	:: atomic { !PENDING(i) && nfull(buffer[i]) ->
#else
	:: atomic { nfull(buffer[i]) ->
#endif
			leave_guest();
			if
			:: skip
#if HALT
			:: waits = 1
#endif
#if SCHED
			:: call_scheduler()
			/* An event for another vCPU, hv/vm/vm.c */
			:: ipi_kick = ipi_kick | (ALL_THREADS ^ SELF(i))
#endif
			fi;
			break }
	od;
	escalate_or_not();
	goto vmx_do_work;
shut:
	stun_wait();					/* vmx_exit_entry: wait; vmx_launch: wait; vmx_wait_at_gate: wait */
	atomic { take_kick() };				/* vmx_wait_at_gate: kick */
	if
	:: work_switch ->
		stun_left_guest();			/* vmx_wait_at_gate: out */
		goto vmx_do_work
	:: else
	fi;
	goto enter;

	/* hv/life/run.c */
vm_yield:
	asi_exit();					/* vm_yield: full */
	atomic { work_switch = 0; work_asi = 0;		/* after_leave: work */
		attached_here = 0 };			/* after_leave: vcpu */
	window[i] = 0;					/* vm_part: window */
	atomic { attached--;				/* sched_detach: attached */
		waits = 0 };
	goto cpu_loop;

end_closed:
closed:	false
}

/*
 * Nobody waits for ever for an acknowledgement, at a gate that stays shut, at one that is open, for the others in a VM
 * switch, or idle although a VM is there to be run.
 */
#define UNLESS(set, i, x) []<>(!((set) & SELF(i)) || (x))
ltl progress {
	UNLESS(waiting, 0, false) && UNLESS(waiting, 1, false) &&
	UNLESS(stunned, 0, holds[0] == 0) && UNLESS(stunned, 1, holds[1] == 0) &&
	UNLESS(stunned, 0, holds[0] != 0) && UNLESS(stunned, 1, holds[1] != 0) &&
	UNLESS(idle, 0, switching) && UNLESS(idle, 1, switching) &&
	[]<>(!switching)
}
