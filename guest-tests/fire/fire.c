// SPDX-License-Identifier: MIT
#include "hv/base/fire.h"

#include "drivers/guest/net/frame_queue.h"
#include "drivers/host/lapic.h"
#include "hv/asi/flush.h"
#include "hv/asi/stun.h"
#include "hv/base/asm.h"
#include "hv/base/global.h"
#include "hv/base/layout.h"
#include "hv/base/print.h"
#include "hv/base/symbols.h"
#include "hv/console/record.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/vcpu.h"
#include "mm/pgtable.h"

/* How long to wait for an NMI to be taken before it is called lost: polls, far beyond any handler.
 */
#define PATIENCE 1000000
/* Turns between two shots, by a linear congruence: every distance, in no step with anything. */
#define LONGEST_PAUSE 83
/* Of so many shots one is followed by another before anybody looks whether it was taken. */
#define TWICE_EVERY 5
/* How often the victim's stacks are looked at, and how deep. */
#define SEARCH_EVERY 64
#define SEARCH_WORDS 96
/* guest-tests/guests/fire.c keeps these bits in its registers. */
#define GUEST_MARK 0x5ec2e7
#define MARK_SHIFT 40
#define ROOT_MASK 0x000ffffffffff000ULL

#ifdef BREAK_nmi_clobbers
extern const char vmx_exit_entry[], vmx_launch[];
#endif

/* Where NMIs hit: in each, one bit for each byte of text, however much of that there is
 * (linker.ld). */
extern uint8_t fire_restricted[], fire_full[], fire_between[];

/* Of each CPU as a victim. */
static struct victim {
	uint64_t in_root, outside, open, elsewhere, seconds;
	uint64_t sent, lost, left, left_idle; /* written by the CPU that shoots */
	bool shot_at;
} victims[PERCPU_MAX] GLOBAL_DATA("test build: how many NMIs came");

static bool over GLOBAL_DATA("test build: the run ends");
static unsigned shooting GLOBAL_DATA("test build: CPUs that shoot");

static uint64_t text_size(void)
{
	return (uint64_t)text_end - (uint64_t)text_start;
}

static void note(uint8_t *bits, uint64_t offset)
{
	__atomic_fetch_or(&bits[offset / 8], (uint8_t)(1U << offset % 8), __ATOMIC_RELAXED);
}

void fire_hit(const struct exception_frame *frame)
{
	struct percpu *cpu = this_cpu();
	struct victim *victim = &victims[cpu->id];
	uint64_t root = read_cr3() & ROOT_MASK, at = frame->rip - (uint64_t)text_start;
	bool full = root == (cpu->cr3_full & ROOT_MASK);

#ifdef BREAK_nmi_touches
	(void)*(volatile unsigned *)&cpu_count;
#endif
#ifdef BREAK_nmi_clobbers
	/* Where the guest's CR2 is, and no page fault's. */
	if (frame->rip >= (uint64_t)vmx_exit_entry && frame->rip < (uint64_t)vmx_launch)
		write_cr2(0);
#endif
	victim->in_root++;
	if (at < text_size()) {
		note(full ? fire_full : fire_restricted, at);
		if (full != (cpu->asi_state == ASI_FULL))
			note(fire_between, at);
	} else {
		victim->outside++;
	}
	victim->elsewhere += !full && root != (cpu->cr3_restricted & ROOT_MASK);
	for (unsigned i = 0; full && flush_actions()->stun && i < cpu->sibling_count; i++)
		victim->open += __atomic_load_n(&stun_gate(cpu->siblings[i].id)->word,
						__ATOMIC_ACQUIRE) >= 0;
}

/* How many words below @top, on a stack of CPU @id, hold what only the guest's registers do. */
static unsigned search(unsigned id, uint64_t top)
{
	unsigned found = 0;
	struct pg_leaf leaf;

	if (!pgtable_walk(&cpus[id].pair.full, top - PAGE_SIZE, &leaf))
		return 0;
	for (unsigned i = PAGE_SIZE / 8 - SEARCH_WORDS; i < PAGE_SIZE / 8; i++)
		found += ((volatile uint64_t *)hpa_to_ptr(leaf.hpa))[i] >> MARK_SHIFT == GUEST_MARK;
	return found;
}

/* A turn is several instructions, so the odd ones come besides: every distance has to occur. */
static void pause_for(unsigned turns, uint64_t odd)
{
	for (unsigned i = 0; i < turns; i++)
		__asm__ volatile("");
	if (odd & 1)
		__asm__ volatile("nop");
	if (odd & 2)
		__asm__ volatile("nop; nop");
	if (odd & 4)
		__asm__ volatile("nop; nop; nop; nop");
}

static void shoot(unsigned id, struct victim *victim, const volatile uint64_t *taken)
{
	uint64_t before = *taken;

	victim->sent++;
	lapic_send_nmi(cpus[id].apic_id);
	/* It comes while the first one blocks NMIs, or is one with it if that still waits. */
	if (victim->sent % TWICE_EVERY == 0) {
		pause_for(victim->sent % LONGEST_PAUSE / 4, 0);
		victim->seconds++;
		lapic_send_nmi(cpus[id].apic_id);
	}
	for (unsigned i = 0; *taken == before; i++) {
		cpu_relax();
		if (i == PATIENCE) {
			victim->lost++;
			return;
		}
	}
}

void fire_shoot(void)
{
	struct percpu *cpu = this_cpu();
	unsigned id = cpu->id - cpu_count / 2;
	uint64_t chance = id;
	struct victim *victim = &victims[id];
	const struct percpu *other;

	/* A core without VMs shoots at one with: not at its own. */
	if (cpu->id < cpu_count / 2 || cpus[id].leader == cpus[cpu->id].leader)
		return;
	other = cpus[id].percpu;
	__atomic_fetch_add(&shooting, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST) && !cpu->kicked) {
		if (!victim->shot_at) { /* from its first VM on */
			victim->shot_at = *(struct vcpu *const volatile *)&other->vcpu != NULL;
			cpu_relax();
			continue;
		}
		shoot(id, victim, &other->nmis);
		chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
		pause_for((unsigned)(chance >> 40) % LONGEST_PAUSE, chance >> 33);
		/* What is still there when the handler has long returned is left. */
		if (victim->sent % SEARCH_EVERY == 0) {
			pause_for(LONGEST_PAUSE, 0);
			victim->left += search(id, PERCPU_NMI_STACK_TOP);
			victim->left_idle += search(id, PERCPU_IDLE_STACK_TOP);
		}
	}
	__atomic_fetch_sub(&shooting, 1, __ATOMIC_SEQ_CST);
}

/*
 * The addresses in rising order, each as its distance from the one before: a letter for one to 52
 * bytes, else "+", the distance in hex, ";". Serial lines are slow.
 */
static void write_hits(const char *map, const uint8_t *bits)
{
	enum { ROOM = 120, LONGEST = 12, LETTERS = 26 };
	unsigned last = 0, at = 0;

	while (at < text_size()) {
		char line[ROOM];
		unsigned used = 0;

		for (; at < text_size() && used < ROOM - LONGEST; at++) {
			unsigned distance = at - last;

			if (!(bits[at / 8] >> at % 8 & 1))
				continue;
			if (distance - 1 < LETTERS)
				line[used++] = (char)('a' + distance - 1);
			else if (distance - 1 < 2 * LETTERS)
				line[used++] = (char)('A' + distance - 1 - LETTERS);
			else
				used += (unsigned)fmt_snprintf(line + used, LONGEST, "+%x;",
							       distance);
			last = at;
		}
		line[used] = '\0';
		record_begin("fire-hits");
		record_str("map", map);
		record_str("distances", line);
		record_end();
	}
}

void fire_cease(void)
{
	__atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&shooting, __ATOMIC_SEQ_CST))
		cpu_relax();
}

void fire_report(void)
{
	for (unsigned i = 0; i < cpu_count; i++) {
		const struct victim *victim = &victims[i];

		if (!victim->in_root)
			continue;
		record_begin("fire");
		record_u64("cpu", i);
		record_u64("sent", victim->sent);
		record_u64("taken", cpus[i].percpu->nmis);
		record_u64("seconds", victim->seconds);
		record_u64("in_root", victim->in_root);
		record_u64("lost", victim->lost);
		record_u64("outside", victim->outside);
		record_u64("open", victim->open);
		record_u64("elsewhere", victim->elsewhere);
		record_u64("left", victim->left);
		record_u64("left_idle", victim->left_idle);
		record_end();
	}
	write_hits("restricted", fire_restricted);
	write_hits("full", fire_full);
	write_hits("between", fire_between);
}
