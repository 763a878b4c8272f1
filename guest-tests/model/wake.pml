/* SPDX-License-Identifier: MIT */
/*
 * Waking: two cores of one thread, and three vCPUs that may run on both. SLEEPER halts whenever it has nothing to do;
 * POSTER posts to it; HOG computes until it ends. Whatever is posted has to be taken, although only those that are asked end a slice
 * here: a time slice that is over would hide a wake-up that got lost.
 *
 * Comments and -D options as in stun.pml. The scheduler's lock makes what it guards one step but for accesses that
 * restricted shares: woken, wanted, resting, asleep, attached, remote.
 */
#ifndef ONLY
#define ONLY 0
#endif
#define CPUS 2
#define SLEEPER 1	/* in the order in which the scheduler prefers them */
#define POSTER 2
#define HOG 3
#define NOBODY 0

#define SELF(i) (1 << (i))
#define HAS(set, i) ((set) & SELF(i))
#define ADD(set, i) set = set | SELF(i)
#define DROP(set, i) set = set & (3 ^ SELF(i))

bit lock;
byte on[CPUS];		/* core->entity */
byte ready = 14;	/* entities that are READY, a bit each */
bit asleep, attached, remote;	/* of SLEEPER */
byte host;		/* its CPU, while it is attached */
bit asleep_state;	/* it is ASLEEP */
bit woken;
bit ended;		/* HOG */
byte wanted;		/* 0: no core is */

/* Sets of CPUs. */
byte resting, ipi_wake, ipi_kick;
byte halted;

#define IS_WANTED (woken || wanted)
#define PENDING(i) ((ipi_wake | ipi_kick) & SELF(i))

/* hv/sched/entity.c, hv/sched/wake.c: under the lock */
inline entity_publish()
{
	wanted = ready;						/* entity_publish: wanted; wake_set_wanted: wanted */
	if
	:: wanted -> ipi_wake = ipi_wake | resting
	:: else
	fi
}

inline entity_take_woken()
{
	taken = woken;						/* entity_take_woken: take */
	if
	:: taken && asleep_state ->
		atomic { asleep_state = 0;
			ready = ready | (1 << SLEEPER) };	/* entity_take_woken: ready; entity_make_ready: ready */
		entity_publish()				/* entity_take_woken: publish */
	:: else
	fi;
	if
	:: taken -> woken = 0					/* entity_take_woken: done; wake_done: done */
	:: else
	fi
}

inline call_scheduler()
{
	asked = 1; kicked = 1
}

inline give_up_soon()
{
	if
	:: !IS_WANTED						/* give_up_soon: wanted */
	:: else ->
		if
		:: running == NOBODY || waits -> call_scheduler()	/* give_up_soon: schedule */
		:: else -> soon = 1				/* timer_by: soon */
		fi
	fi
}

inline take_interrupts()
{
	if
	:: HAS(ipi_kick, i) -> DROP(ipi_kick, i);
		if
		:: running == SLEEPER -> remote = 0		/* vcpu_take_remote() */
		:: else -> kicked = 1
		fi
	:: HAS(ipi_wake, i) -> DROP(ipi_wake, i);
		give_up_soon()					/* wake_interrupt: soon */
	fi
}

inline begin_rest()
{
	ADD(resting, i);					/* wake_begin_rest: resting */
	found = IS_WANTED					/* wake_begin_rest: wanted */
}

inline send_wake()
{
	if
	:: resting & 1 -> ADD(ipi_wake, 0)
	:: !(resting & 1) && (resting & 2) -> ADD(ipi_wake, 1)
	:: !resting -> give_up_soon()
	fi
}

/* hv/vm/vm.c */
inline post()
{
#ifdef MUTANT_LOOK_BEFORE_POST
	found = attached;
	remote = 1;
#else
	remote = 1;						/* post: remote */
	found = attached;					/* post: attached */
#endif
	if
	:: found -> ADD(ipi_kick, host)
	:: else ->						/* post: wake */
		atomic { found = asleep; asleep = 0 };		/* wake_vcpu: awake */
		if
		:: found ->
#ifdef MUTANT_WOKEN_LATE
			send_wake();
			woken = 1
#else
			woken = 1;				/* wake_vcpu: woken */
#ifndef MUTANT_NO_INTERRUPT
			atomic { send_wake() }			/* wake_vcpu: look; wake_vcpu: interrupt; wake_vcpu: soon */
#endif
#endif
		:: else
		fi
	fi;
	found = 0
}

inline wake_detach()
{
	if
	:: waits -> asleep = 1					/* wake_detach: asleep */
	:: else
	fi;
#ifdef MUTANT_LOOK_BEFORE_DETACH
	if
	:: remote -> asleep = 0
	:: else
	fi;
	attached = 0
#else
	attached = 0;						/* wake_detach: attached */
	if
	:: remote -> asleep = 0					/* wake_detach: remote; wake_detach: awake */
	:: else
	fi
#endif
}

active [CPUS] proctype cpu()
{
	byte i = _pid;
	byte running;
	bit asked, kicked, soon, waits, found, taken;

cpu_loop:
	if
	:: atomic { PENDING(i) -> take_interrupts() }
	:: atomic { !PENDING(i) -> skip }
	fi;
	kicked = 0;
	atomic { !lock -> lock = 1 };
	entity_take_woken();					/* sched_rotate: woken */
	atomic {
		/* The one that it has goes on, unless it waits or somebody asked, and there is another. */
		if
		:: on[i] && (asked && ready || on[i] == HOG && ended) ->
			if
			:: on[i] == HOG && ended
			:: on[i] == SLEEPER && asleep -> asleep_state = 1	/* entity_end: asleep */
			:: !(on[i] == SLEEPER && asleep || on[i] == HOG && ended) -> ready = ready | (1 << on[i])
			fi;
			on[i] = NOBODY				/* sched_attach: end */
		:: else
		fi;
		asked = 0 };
	atomic {
		if
		:: !on[i] && ready & (1 << SLEEPER) -> on[i] = SLEEPER
		:: !on[i] && !(ready & (1 << SLEEPER)) && ready & (1 << POSTER) -> on[i] = POSTER
		:: !on[i] && ready == (1 << HOG) -> on[i] = HOG
		:: else
		fi;
		ready = ready & (15 ^ (1 << on[i])) };
	entity_publish();					/* begin_turn: publish */
	atomic { lock = 0; running = on[i]; soon = 0; waits = 0 };
	if
	:: running == NOBODY ->
		begin_rest();					/* rest: free */
		if
		:: found -> kicked = 1
		:: else
		fi;
		do
		:: kicked -> break
		:: else ->
			ADD(halted, i);
end_idle:		atomic { PENDING(i) -> DROP(halted, i); take_interrupts() }
		od;
		DROP(resting, i);				/* wake_end_rest: resting */
		found = 0;
		goto cpu_loop
	:: else
	fi;
	if
	:: running == SLEEPER ->
		host = i;
		attached = 1;
		asleep = 0;
		remote = 0
	:: else
	fi;

guest:
	do
	:: atomic { PENDING(i) -> take_interrupts() }
	:: atomic { soon -> soon = 0; call_scheduler() };
		break
	:: running == POSTER && !remote -> post()
	/* It may never post again, and then nothing that comes later makes good what was lost. */
	:: atomic { running == POSTER && !PENDING(i) && !soon -> skip }
	:: running == HOG -> ended = 1; break
	:: atomic { running == HOG && !PENDING(i) && !soon -> skip }
	:: running == SLEEPER ->
		waits = 1;					/* wake_begin_wait: waiting */
		begin_rest();					/* wake_begin_wait: rest; vcpu_wait: begin */
		if
		:: found -> call_scheduler()
		:: else ->
			ADD(halted, i);
end_halted:		atomic { PENDING(i) -> DROP(halted, i); take_interrupts() }
		fi;
		DROP(resting, i);
		found = 0;
		if
		:: kicked -> break
		:: else -> waits = 0
		fi
	od;
	if
	:: running == SLEEPER -> wake_detach()			/* after_leave: detach */
	:: else
	fi;
	atomic { running = NOBODY; waits = 0; asked = 1 };
	goto cpu_loop
}

/* What is posted is taken, and no core rests for good while somebody wants one. */
ltl progress {
	[]<>(!remote) && []<>(!(halted & 1) || !ready) && []<>(!(halted & 2) || !ready)
}
