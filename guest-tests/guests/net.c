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
#define ACK_EVERY 64
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

static uint64_t number_of(const char *key, uint64_t otherwise)
{
	const char *p = guest_value(key);
	uint64_t value = 0;

	if (!p)
		return otherwise;
	while (*p >= '0' && *p <= '9')
		value = value * 10 + (uint64_t)(*p++ - '0');
	return value;
}

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

/* Until there is a frame. Interrupts are on elsewhere: the emulator hears no other CPU's while the
 * guest's flag is clear. */
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
	uint32_t count = (uint32_t)number_of("count", 20000);
	uint32_t window = (uint32_t)number_of("window", 512), next = 0, acked = 0;
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
	check("the device asks for few notifications", net.notifications * 8 < count || small);
}

/* Takes them and acknowledges now and then. */
static void receive_role(void)
{
	uint32_t count = (uint32_t)number_of("count", 20000), expected = 0, number = 0, said = 0;
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

static void on_frame(struct frame *frame)
{
	(void)frame;
	apic_eoi();
}

void guest_main(void)
{
	set_handler(VECTOR, on_frame);
	apic_enable();
	interrupts_on();
	if (guest_option("send"))
		send_role();
	else if (guest_option("receive"))
		receive_role();
}
