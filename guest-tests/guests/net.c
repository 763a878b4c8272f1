// SPDX-License-Identifier: MIT
/*
 * Network cards in several VMs, one role each, by the words of the command line. Frames between
 * them carry their number, a pattern that follows from it and a checksum.
 */
#include "guest-tests/guests/lib/net.h"

const char guest_name[] = "net";

#define TYPE 0xb588 /* 0x88b5 as it is on the wire: for experiments */
#define MAC(n) (0x000000005452ULL | (uint64_t)(n) << 40)
#define BROADCAST 0xffffffffffffULL
#define VECTOR 0x50
#define ACK_EVERY 128
#define ALL (NET_MAC | NET_STATUS | NET_MRG_RXBUF | NET_EVENT_IDX)
#define TICKS_S 100000000ULL /* of patience: far beyond what is needed */

enum { KIND_DATA = 1, KIND_HELLO, KIND_ACK };

struct packet {
	struct net_header header;
	uint8_t dst[6], src[6];
	uint16_t type;
	uint16_t sum; /* of all that follows the Ethernet header */
	uint16_t kind;
	uint32_t number;
	uint64_t words[];
} __attribute__((packed));
#define FIXED 22 /* the frame without words */
#define WORDS_MAX ((1514 - FIXED) / 8)

static struct net net;

static uint16_t sum_of(const uint8_t *data, unsigned length)
{
	const uint32_t *words = (const uint32_t *)data;
	uint64_t sum = 0;

	for (unsigned i = 0; i < length / 4; i++)
		sum += words[i];
	if (length & 2)
		sum += *(const uint16_t *)(data + length - 2);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint64_t mix(uint64_t x)
{
	return (x + 1) * 0x9e3779b97f4a7c15ULL;
}

static unsigned words_of(uint32_t number, bool small)
{
	return small ? 5 : 5 + (unsigned)(mix(number) >> 40) % (WORDS_MAX - 4);
}

/* With checksum offload the field holds what the pseudo header would be: here nothing. */
static void send(uint64_t to, unsigned kind, uint32_t number, unsigned words)
{
	struct packet *p = (struct packet *)net_buffer(&net);
	unsigned length = FIXED + 8 * words;
	uint64_t value = mix(number);

	memset(&p->header, 0, sizeof(p->header));
	memcpy(p->dst, &to, 6);
	memcpy(p->src, &net.mac, 6);
	p->type = TYPE;
	p->kind = (uint16_t)kind;
	p->number = number;
	for (unsigned i = 0; i < words; i++, value += 0x0123456789abcdefULL)
		p->words[i] = value;
	p->sum = 0;
	if (net.features & NET_CSUM) {
		p->header.flags = 1;
		p->header.csum_start = 14;
		p->header.csum_offset = 0;
	} else {
		p->sum = (uint16_t)~sum_of((uint8_t *)&p->sum, length - 14);
	}
	net_send(&net, length);
}

static bool is_right(const struct packet *p, unsigned length)
{
	uint64_t value = mix(p->number), wrong = 0;
	unsigned words = (length - FIXED) / 8;

	if (length < FIXED || (length - FIXED) % 8 || p->header.num_buffers != 1)
		return false;
	for (unsigned i = 0; i < words; i++, value += 0x0123456789abcdefULL)
		wrong |= p->words[i] ^ value;
	if (p->header.flags == 1) /* only where it was asked for */
		return !wrong && (net.features & NET_GUEST_CSUM) && p->header.csum_start == 14 &&
		       p->header.csum_offset == 0 && p->sum == 0;
	return !wrong && !p->header.flags &&
	       sum_of((const uint8_t *)&p->sum, length - 14) == 0xffff;
}

static uint64_t frames, corrupted, foreign;

/* The next good packet's kind, 0 if there is none; it stays until net_received(). */
static unsigned receive(uint32_t *number)
{
	unsigned length, kind;
	const struct packet *p = (const struct packet *)net_receive(&net, &length);

	if (!p)
		return 0;
	frames++;
	if (p->type != TYPE) { /* another guest's experiments */
		net_received(&net);
		return 0;
	}
	if (!is_right(p, length)) {
		corrupted++;
		net_received(&net);
		return 0;
	}
	foreign += p->dst[0] != 0xff && memcmp(p->dst, &net.mac, 6) != 0;
	kind = p->kind;
	*number = p->number;
	net_received(&net);
	return kind;
}

static uint64_t features(void)
{
	return (guest_option("plain") ? NET_MAC : ALL) | (guest_option("csum") ? NET_CSUM : 0) |
	       (guest_option("guest-csum") ? NET_GUEST_CSUM : 0);
}

static void wait_for_hello(void)
{
	uint32_t number;

	while (receive(&number) != KIND_HELLO)
		cpu_relax();
}

/* Until there is a frame. */
static void sleep(void)
{
	__asm__ volatile("cli");
	if (!net_arm(&net))
		__asm__ volatile("sti; hlt" : : : "memory");
	__asm__ volatile("sti");
}

/* So many packets to card 2, at most a window beyond what it has acknowledged. */
static void send_role(void)
{
	uint32_t count = (uint32_t)guest_number("count", 20000);
	uint32_t window = (uint32_t)guest_number("window", 512), next = 0, acked = 0;
	bool small = guest_option("small"), halts = guest_option("halt");
	uint64_t start, ticks;

	check("it starts", net_open(&net, 0, features(), halts ? VECTOR : 0, true));
	check_eq("its address is the configured one", net.mac, MAC(1));
	wait_for_hello();
	stats_begin();
	start = rdtsc();
	while (acked < count) {
		uint32_t number;

		if (receive(&number) == KIND_ACK)
			acked = number;
		else if (next < count && next - acked < window && net_buffer(&net)) {
			send(MAC(2), KIND_DATA, next, words_of(next, small));
			next++;
		} else if (halts) {
			sleep();
		}
	}
	ticks = rdtsc() - start;
	mark("net-tx.ticks", ticks / count);
	mark("net-tx.escalations-1000", stats_end()->escalations * 1000 / count);
	check_eq("what comes back is as it should be", corrupted + foreign, 0);
	check("the device asks for few notifications",
	      net.notifications * 8 < count || small || guest_option("nested"));
}

/* Takes them and acknowledges now and then. */
static void receive_role(void)
{
	uint32_t count = (uint32_t)guest_number("count", 20000), expected = 0, number = 0, said = 0;
	bool halts = guest_option("halt");
	uint64_t wrong = 0, hello = 0;

	check("it starts", net_open(&net, 0, features(), halts ? VECTOR : 0, true));
	check_eq("its address is the configured one", net.mac, MAC(2));
	while (expected < count) {
		if (receive(&number) == KIND_DATA) {
			wrong += number != expected;
			expected = number + 1;
			if (expected - said >= ACK_EVERY || expected == count) {
				send(MAC(1), KIND_ACK, expected, 5);
				said = expected;
			}
		} else if (!expected && rdtsc() - hello > 1000000) {
			hello = rdtsc();
			send(MAC(1), KIND_HELLO, 0, 5);
		} else if (halts && expected) {
			sleep();
		}
	}
	check_eq("all packets come once and in order", wrong, 0);
	check_eq("none is corrupted", corrupted, 0);
	check_eq("none was for another", foreign, 0);
	/* The last one is to reach the sender. */
	while (net.queue[NET_TX].avail.idx != net.queue[NET_TX].used.idx)
		cpu_relax();
}

/* As many broadcasts as it can make, whoever hears them. */
static void storm_role(void)
{
	uint32_t count = (uint32_t)guest_number("count", 20000), number;

	check("it starts", net_open(&net, 0, features(), 0, true));
	stats_begin();
	for (uint32_t i = 0; i < count;) {
		receive(&number);
		if (net_buffer(&net))
			send(BROADCAST, KIND_DATA, i++, 5);
	}
	mark("net-storm.escalations-1000", stats_end()->escalations * 1000 / count);
	check_eq("what it hears of others is as it should be", corrupted + foreign, 0);
}

/* Has a card and takes nothing from it. */
static void deaf_role(void)
{
	check("it starts", net_open(&net, 0, features(), 0, false));
	for (unsigned i = 0; i < guest_number("naps", 100); i++)
		nap(500000);
	check_eq("nothing is written where no buffer is", net.queue[NET_RX].used.idx, 0);
}

/* Sends without looking back: its receiver may be gone. */
static void blast_role(void)
{
	uint32_t count = (uint32_t)guest_number("count", 20000), number;

	check("it starts", net_open(&net, 0, features(), 0, true));
	for (uint32_t i = 0; i < count;) {
		receive(&number);
		if (net_buffer(&net))
			send(MAC(2), KIND_DATA, i, words_of(i, false)), i++;
	}
	check_eq("what comes is as it should be", corrupted + foreign, 0);
}

/* Takes some frames and starts anew, or ends badly, in the midst of others. */
static void fickle_role(void)
{
	uint32_t number;

	check("it starts", net_open(&net, 0, features(), 0, true));
	while (frames < 300)
		receive(&number);
	check_eq("all it got is right", corrupted + foreign, 0);
	if (guest_option("stops"))
		__asm__ volatile("cli; hlt");
	outb(0x602, 1);
}

static struct net other;

/* The headers that pass() writes: those of TCP over IPv4, of identification 1. */
static const uint8_t tcp_header[42] = { 8, 0, 0x45, [7] = 1, [8] = 0x40, [11] = 6, [34] = 0x50 };
static bool as_tcp;

/* Card 1 of this VM sends @length bytes to card 2, with this header; false: the buffer does not
 * come back. */
static bool pass(const struct net_header *header, unsigned length)
{
	uint8_t *buffer = net_buffer(&net);
	uint64_t from = net.mac, to = MAC(2), start = rdtsc();

	memcpy(buffer, header, NET_HEADER);
	for (unsigned i = 14; i < length; i++)
		buffer[NET_HEADER + i] = (uint8_t)(i * 7 + length);
	if (as_tcp)
		memcpy(buffer + NET_HEADER + 12, tcp_header, sizeof(tcp_header));
	memcpy(buffer + NET_HEADER, &to, 6);
	memcpy(buffer + NET_HEADER + 6, &from, 6);
	net_send(&net, length);
	net_kick(&net, NET_TX);
	while (net.queue[NET_TX].used.idx != net.queue[NET_TX].avail.idx)
		if (rdtsc() - start > TICKS_S)
			return false;
	return true;
}

/* Card 2's next frame, within a time that is longer than any window. */
static uint8_t *arrived(unsigned *length)
{
	uint64_t start = rdtsc();
	uint8_t *frame = NULL;

	while (!frame && rdtsc() - start < 1000000)
		frame = net_receive(&other, length);
	return frame;
}

static bool pattern_from(const uint8_t *frame, unsigned at, unsigned length, unsigned whole)
{
	for (unsigned i = 0; i < length; i++)
		if (at + i >= 14 && frame[i] != (uint8_t)((at + i) * 7 + whole))
			return false;
	return true;
}

static void check_refused(const char *what, struct net_header header, unsigned length)
{
	unsigned got;

	check(what, pass(&header, length) && !arrived(&got));
}

/* Reopens card 2 with buffers of @size bytes. */
static void open_other(uint64_t with, unsigned size)
{
	check("card 2 starts", net_open(&other, 1, with, 0, false));
	for (unsigned i = 0; i < NET_ENTRIES; i++)
		other.queue[NET_RX].desc[i].len = size;
	for (unsigned i = 0; i < NET_ENTRIES; i++)
		other.queue[NET_RX].avail.ring[i] = (uint16_t)i;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	other.queue[NET_RX].avail.idx = NET_ENTRIES;
	net_kick(&other, NET_RX);
}

static void merge(unsigned size, unsigned length)
{
	const struct net_header none = { 0 };
	unsigned want = (NET_HEADER + length + size - 1) / size, got = 0, at = 0, len;
	bool right = true;

	open_other(ALL, size);
	check("a frame goes to small buffers", pass(&none, length));
	for (; got < want; got++) {
		const uint8_t *buffer = arrived(&len);
		unsigned skip = got ? 0 : NET_HEADER, n = len + NET_HEADER - skip;

		if (!buffer || (!got && ((const struct net_header *)buffer)->num_buffers != want))
			break;
		right &= pattern_from(buffer + skip, at, n, length);
		at += n;
		other.queue[NET_RX].seen++;
	}
	check_eq("into as many as it needs", got, want);
	check_eq("which hold all of it", at, length);
	check("unchanged", right);
	check("and no more", !arrived(&len));
}

/* TCP over IPv4 in one frame of three segments: whole for a driver that takes it so, else cut. */
static void large(void)
{
	enum { HEADERS = 54, SEGMENT = 600, LENGTH = HEADERS + 3 * SEGMENT };
	const struct net_header header = {
		.flags = 1, .gso_type = 1, .gso_size = SEGMENT, .csum_start = 34, .csum_offset = 16
	};
	unsigned length, n = 0;
	uint8_t *frame;

	check("card 1 starts", net_open(&net, 0, ALL | NET_CSUM | NET_HOST_TSO4, 0, true));
	open_other(ALL | NET_GUEST_CSUM | NET_GUEST_TSO4, NET_BUFFER);
	as_tcp = true;
	check("a large frame is taken", pass(&header, LENGTH));
	frame = arrived(&length);
	check("and arrives whole", frame && length == LENGTH && frame[1] == 1 &&
					   pattern_from(frame + NET_HEADER + HEADERS, HEADERS,
							length - HEADERS, LENGTH));
	open_other(ALL, NET_BUFFER);
	check("another is taken", pass(&header, LENGTH));
	while ((frame = arrived(&length)) != NULL) {
		const uint8_t *data = frame + NET_HEADER;

		check("and arrives in packets",
		      length == HEADERS + SEGMENT && !frame[0] && !frame[1]);
		check("which hold its parts",
		      pattern_from(data + HEADERS, HEADERS + n * SEGMENT, SEGMENT, LENGTH));
		check_eq("each with a number of its own", data[19], (uint8_t)(n + 1));
		check_eq("and a checksum that is right", sum_of(data + 14, 20), 0xffff);
		net_received(&other);
		n++;
	}
	check_eq("of which there are three", n, 3);
	as_tcp = false;
	check("card 1 starts", net_open(&net, 0, ALL | NET_CSUM, 0, true));
}

/* Both ends in one VM: what the device makes of frames and buffers of all kinds. */
static void cards_role(void)
{
	const struct net_header none = { 0 };
	unsigned length = 0;
	uint8_t *frame;

	check("card 1 starts", net_open(&net, 0, ALL | NET_CSUM, 0, true));
	check_eq("it offers large frames of TCP, and no others", net.offered & 0x7f80, 0x1980);
	open_other(ALL, NET_BUFFER);
	check_eq("the addresses are the configured ones", net.mac ^ other.mac, MAC(1) ^ MAC(2));
	for (unsigned want = 14; want <= 1518; want += want < 1514 ? 100 : 4) {
		check("a frame is taken", pass(&none, want));
		frame = arrived(&length);
		check("and comes out whole",
		      frame && length == want && pattern_from(frame + NET_HEADER, 0, want, want));
		if (frame)
			net_received(&other);
	}
	check_refused("no frame is shorter than its header", none, 13);
	check_refused("none is longer than 1518 bytes", none, 1519);
	check_refused("segments were not agreed on", (struct net_header){ .gso_type = 1 }, 100);
	check_refused("a checksum lies in the frame",
		      (struct net_header){ .flags = 1, .csum_start = 90, .csum_offset = 9 }, 100);
	check_refused("and behind the addresses",
		      (struct net_header){ .flags = 1, .csum_start = 13, .csum_offset = 0 }, 100);
	check_refused("wherever its offset leads",
		      (struct net_header){ .flags = 1, .csum_start = 14, .csum_offset = 0xffff },
		      100);
	net.mac = MAC(2);
	check_refused("nobody sends from another's address", none, 100);
	net.mac = BROADCAST;
	check_refused("or from a group", none, 100);
	net.mac = MAC(1);
	check("a checksum is completed",
	      pass(&(struct net_header){ .flags = 1, .csum_start = 20, .csum_offset = 6 }, 101));
	frame = arrived(&length);
	check("for those who take none", frame && ((struct net_header *)frame)->flags == 0);
	if (frame) {
		uint64_t sum = 0;

		/* The field held a pattern, which counts in as a pseudo header's sum does. */
		for (unsigned i = 20; i < 101; i++)
			sum += (uint64_t)frame[NET_HEADER + i] << (i % 2 ? 8 : 0);
		sum -= (uint64_t)frame[NET_HEADER + 26] | (uint64_t)frame[NET_HEADER + 27] << 8;
		sum += (uint8_t)(26 * 7 + 101) | (uint64_t)(uint8_t)(27 * 7 + 101) << 8;
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		check_eq("and is right", frame[NET_HEADER + 26] | frame[NET_HEADER + 27] << 8,
			 (uint16_t)~sum);
		net_received(&other);
	}
	large();
	merge(200, 1500);
	merge(14, 600);
	/* 128 buffers of 11 bytes do not even hold the header's frame. */
	open_other(ALL, 11);
	check("a frame that never fits is lost", pass(&none, 1500) && !arrived(&length));
	check("and a smaller one is not", pass(&none, 60) && arrived(&length));
	open_other(NET_MAC, 100);
	check("without merging so is one that no buffer holds",
	      pass(&none, 89) && !arrived(&length));
	check("while others fit", pass(&none, 88) && arrived(&length) && length == 88);
}

static bool is_broken(void)
{
	return NET_REG8(&net, NET_DEVICE_STATUS) & NET_NEEDS_RESET;
}

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };

/* A transmit ring with one request, and the device has to give up on it; a reset mends that. */
static void check_broken(const char *what, struct net_desc first, struct net_desc second,
			 unsigned queue)
{
	check("the card starts", net_open(&net, 0, ALL | NET_INDIRECT, 0, false));
	net.queue[queue].desc[0] = first;
	net.queue[queue].desc[1] = second;
	net.queue[queue].avail.idx = 1;
	net_kick(&net, queue);
	if (queue == NET_RX) { /* it is looked at when something comes */
		const struct net_header none = { 0 };
		check("the other card sends", net_buffer(&other) != NULL);
		memcpy(net_buffer(&other), &none, NET_HEADER);
		memset(net_buffer(&other) + NET_HEADER, 0xff, 6);
		memcpy(net_buffer(&other) + NET_HEADER + 6, &other.mac, 6);
		net_send(&other, 60);
		net_kick(&other, NET_TX);
		for (uint64_t start = rdtsc(); rdtsc() - start < 1000000 && !is_broken();)
			cpu_relax();
	}
	check(what, is_broken());
}

static void hostile_role(void)
{
	uint64_t buffer = (uint64_t)net.queue[NET_TX].buffers[0];
	const struct net_desc nothing = { 0, 0, 0, 0 };
	/* Neither RAM nor a device. */
	const uint64_t nowhere = 0xd0000000, all = ~0ULL - 100;

	check("card 2 starts", net_open(&other, 1, ALL, 0, true));
	for (unsigned queue = NET_RX; queue <= NET_TX; queue++) {
		uint16_t write = queue == NET_RX ? DESC_WRITE : 0;

		check_broken("a buffer in no memory", (struct net_desc){ nowhere, 100, write, 0 },
			     nothing, queue);
		check_broken("one that wraps", (struct net_desc){ all, 2000, write, 0 }, nothing,
			     queue);
		check_broken("one of 4 GiB", (struct net_desc){ buffer, 0xffffffff, write, 0 },
			     nothing, queue);
		check_broken("a chain without end",
			     (struct net_desc){ buffer, 4, DESC_NEXT | write, 1 },
			     (struct net_desc){ buffer, 4, DESC_NEXT | write, 0 }, queue);
		check_broken("a chain out of the table",
			     (struct net_desc){ buffer, 4, DESC_NEXT | write, 500 }, nothing,
			     queue);
		check_broken("an indirect table in no memory",
			     (struct net_desc){ nowhere, 64, DESC_INDIRECT, 0 }, nothing, queue);
		check_broken("what is read behind what is written",
			     (struct net_desc){ buffer, 4, DESC_WRITE | DESC_NEXT, 1 },
			     (struct net_desc){ buffer, 4, 0, 0 }, queue);
	}
	check("the card starts", net_open(&net, 0, ALL, 0, false));
	net.queue[NET_TX].avail.idx = 1000;
	net_kick(&net, NET_TX);
	check("more requests than the ring holds", is_broken());
	check("the card starts", net_open(&net, 0, ALL, 0, false));
	net.queue[NET_TX].avail.ring[0] = 4000;
	net.queue[NET_TX].avail.idx = 1;
	net_kick(&net, NET_TX);
	check("a request out of the table", is_broken());
	/* Chaos: random rings, kicked again and again; nothing but this VM may mind. */
	for (unsigned round = 0; round < 200; round++) {
		uint64_t random = mix(round);

		net_open(&net, 0, mix(random), 0, false);
		for (unsigned i = 0; i < NET_ENTRIES; i++) {
			for (unsigned queue = 0; queue < 2; queue++) {
				struct net_queue *q = &net.queue[queue];

				random = mix(random);
				q->desc[i] = (struct net_desc){
					random >> 60 ? buffer + (random >> 40 & 0xffff) : random,
					(uint32_t)(random >> 8 & 0x3fff), (uint16_t)(random & 7),
					(uint16_t)(random >> 16 & 0xff)
				};
				q->avail.ring[i] = (uint16_t)(random >> 32 & 0x7f);
			}
		}
		for (unsigned i = 0; i < 20; i++) {
			random = mix(random);
			net.queue[i & 1].avail.idx += (uint16_t)(random >> 20 & 0x1f);
			net_kick(&net, i & 1);
		}
	}
	check("it starts after all that", net_open(&net, 0, ALL, 0, true));
	check_eq("and is whole", NET_REG8(&net, NET_DEVICE_STATUS), 15);
}

static void on_frame(struct frame *frame)
{
	(void)frame;
	apic_eoi();
}

void guest_main(void)
{
	set_handler(VECTOR, on_frame);
	nap_init();
	interrupts_on();
	if (guest_option("send"))
		send_role();
	else if (guest_option("receive"))
		receive_role();
	else if (guest_option("storm"))
		storm_role();
	else if (guest_option("deaf"))
		deaf_role();
	else if (guest_option("blast"))
		blast_role();
	else if (guest_option("fickle"))
		fickle_role();
	else if (guest_option("cards"))
		cards_role();
	else if (guest_option("hostile"))
		hostile_role();
}
