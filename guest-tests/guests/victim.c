// SPDX-License-Identifier: MIT
/*
 * An honest neighbour of the fuzzer. In turns it looks at the clock for a while, sums up its
 * memory, writes and reads its disk, sends frames from its first network card to its second, which
 * is on the same network, and back, takes what comes to its third, and prints a line. Each must be
 * as it left it. Each line says what the longest time was since the last one that it was not let
 * run, in ticks. `q` on the console ends it.
 */
#include "guest-tests/guests/lib/net.h"
#include "guest-tests/guests/victim/victim.h"

const char guest_name[] = "victim";

#define LOOK_TICKS 1500000
#define NAP_TICKS 4000000 /* so that most of the time is the fuzzer's */
#define BEAT_TICKS 10000000
#define WORDS 8192
#define SECTORS 64
#define FRAMES 8
#define FRAME 600
#define HEADER 14
#define PATIENCE_TICKS 500000000
#define LSR_DATA 1

static struct net cards[3];
static bool has_third;
static uint64_t memory[WORDS];
static uint64_t longest, rounds, beats;
static uint64_t recent; /* the longest one since the last line */
static uint64_t bad_sums, bad_sectors, bad_frames, lost_frames, foreign_frames;
static uint64_t written[SECTORS]; /* the round in which it was, 0: never */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* The worst gap between two looks at the clock. */
static void look_at_clock(void)
{
	uint64_t start = rdtsc(), last = start, now;

	do {
		now = rdtsc();
		if (now - last > recent)
			recent = now - last;
		last = now;
	} while (now - start < LOOK_TICKS);
}

/* All of it changes, by what it was. */
static void use_memory(void)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < WORDS; i++) {
		wrong += memory[i] != mix(i + rounds * WORDS);
		memory[i] = mix(i + (rounds + 1) * WORDS);
	}
	bad_sums += wrong != 0;
}

static void use_disk(void)
{
	static uint64_t sector[SECTOR / 8];
	uint64_t to = mix(rounds) % SECTORS, from = mix(rounds + 7) % SECTORS;
	bool ok;

	for (uint64_t i = 0; i < SECTOR / 8; i++)
		sector[i] = mix(to << 32 | rounds) + i;
	ok = disk_write(to, sector);
	written[to] = rounds;
	memset(sector, 0, sizeof(sector));
	ok &= disk_read(from, sector);
	for (uint64_t i = 0; i < SECTOR / 8 && written[from]; i++)
		ok &= sector[i] == mix(from << 32 | written[from]) + i;
	bad_sectors += !ok;
}

static bool is_ours(const uint8_t *frame, unsigned length, uint64_t number)
{
	const uint64_t *words = (const uint64_t *)(frame + HEADER + 2);
	bool ok = length == FRAME;

	for (uint64_t i = 0; ok && i < (FRAME - HEADER - 2) / 8; i++)
		ok = words[i] == mix(number) + i;
	return ok;
}

static void send_frame(struct net *from, const struct net *to, uint64_t number)
{
	uint8_t *buffer = net_buffer(from), *frame;

	if (!buffer) {
		lost_frames++;
		return;
	}
	memset(buffer, 0, NET_HEADER);
	frame = buffer + NET_HEADER;
	for (unsigned i = 0; i < 6; i++) {
		frame[i] = (uint8_t)(to->mac >> 8 * i);
		frame[6 + i] = (uint8_t)(from->mac >> 8 * i);
	}
	frame[12] = 0x88;
	frame[13] = 0xb5;
	for (uint64_t i = 0; i < (FRAME - HEADER - 2) / 8; i++)
		((uint64_t *)(frame + HEADER + 2))[i] = mix(number) + i;
	net_send(from, FRAME);
}

/* They come in order, all of them. */
static void exchange(struct net *from, struct net *to)
{
	uint64_t first = rounds * 2 * FRAMES, end;
	unsigned length, came = 0;

	for (unsigned i = 0; i < FRAMES; i++)
		send_frame(from, to, first + i);
	net_kick(from, NET_TX);
	end = rdtsc() + PATIENCE_TICKS;
	while (came < FRAMES && rdtsc() < end) {
		const uint8_t *buffer = net_receive(to, &length);

		if (!buffer) {
			cpu_relax();
			continue;
		}
		bad_frames += !is_ours(buffer + NET_HEADER, length, first + came);
		came++;
		net_received(to);
	}
	lost_frames += FRAMES - came;
}

/* Whatever the fuzzer sends on the network that is its own too. */
static void take_foreign(void)
{
	unsigned length;

	while (has_third && net_receive(&cards[2], &length)) {
		foreign_frames++;
		net_received(&cards[2]);
	}
}

static bool is_over(void)
{
	return (inb(COM1 + 5) & LSR_DATA) && inb(COM1) == 'q';
}

static void beat(void)
{
	print("beat %u longest %u\n", ++beats, recent);
	longest = recent > longest ? recent : longest;
	recent = 0;
}

void guest_main(void)
{
	uint64_t next = rdtsc();

	check("it has a disk", disk_open() && disk_sectors() >= SECTORS);
	check("and two network cards",
	      net_open(&cards[0], 0, NET_MAC, 0, true) && net_open(&cards[1], 1, NET_MAC, 0, true));
	nap_init();
	has_third = net_open(&cards[2], 2, NET_MAC, 0, true);
	for (uint64_t i = 0; i < WORDS; i++)
		memory[i] = mix(i + WORDS);
	for (rounds = 1; !is_over(); rounds++) {
		look_at_clock();
		use_memory();
		use_disk();
		exchange(&cards[rounds & 1], &cards[~rounds & 1]);
		take_foreign();
		if (rdtsc() >= next) {
			beat();
			next = rdtsc() + BEAT_TICKS;
		}
		nap(NAP_TICKS);
	}
	check("it worked", rounds > 1);
	check_eq("sums of its memory that are wrong", bad_sums, 0);
	check_eq("sectors of its disk that are", bad_sectors, 0);
	check_eq("frames that are", bad_frames, 0);
	check_eq("frames that are lost", lost_frames, 0);
	print("rounds %u foreign %u\n", rounds, foreign_frames);
	print("longest %u\n", longest);
}
