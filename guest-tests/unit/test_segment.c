/* unit-sources: drivers/guest/net/segment.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
/* Large frames: which ones are believed, and what they are cut into. The packets are judged as a
 * receiver judges them, by a checksum written anew here. */
#include "drivers/guest/net/segment.h"
#include "guest-tests/unit/unit.h"

#include <string.h>

static uint64_t space[2][(sizeof(struct net_frame) + FRAME_LARGE + 8) / 8];
static struct net_frame *const large = (struct net_frame *)space[0], *const packet =
									     (struct net_frame *)
										     space[1];
static uint64_t random_state = 5;

static uint32_t below(uint32_t limit)
{
	return (uint32_t)(unit_random(&random_state) % limit);
}

static uint32_t be(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | *at++;
	return value;
}

/* The sum of 16-bit words as they are on the wire, with what was summed before. */
static uint32_t add(uint32_t sum, const uint8_t *at, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		sum += (uint32_t)at[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

struct shape {
	bool v6, vlan;
	uint32_t options; /* of IPv4, or extension headers; multiples of 4 and 8 */
	uint32_t tcp;	  /* bytes of TCP's header */
	uint32_t payload;
	uint16_t size;
};

static uint32_t ip_at(const struct shape *s)
{
	return s->vlan ? 18 : 14;
}

static uint32_t pseudo(const struct shape *s, const uint8_t *ip, uint32_t length)
{
	uint32_t sum = s->v6 ? add(0, ip + 8, 32) : add(0, ip + 12, 8);

	return add(sum + 6 + length, NULL, 0);
}

/* A frame as a driver makes it, and its length. */
static uint32_t build(const struct shape *s)
{
	uint32_t ip = ip_at(s), tcp = ip + (s->v6 ? 40 : 20) + s->options;
	uint32_t length = tcp + s->tcp + s->payload, sum;
	uint8_t *d = large->data;

	memset(space, 0xee, sizeof(space));
	for (uint32_t i = 0; i < length; i++)
		d[i] = (uint8_t)below(256);
	if (s->vlan)
		memcpy(d + 12, "\x81\x00", 2);
	memcpy(d + ip - 2, s->v6 ? "\x86\xdd" : "\x08\x00", 2);
	if (s->v6) {
		d[ip] = 0x60;
	} else {
		d[ip] = (uint8_t)(0x40 | (20 + s->options) / 4);
		d[ip + 6] = 0x40;
		d[ip + 7] = 0;
		d[ip + 9] = 6;
	}
	d[tcp + 12] = (uint8_t)(s->tcp / 4 << 4 | (d[tcp + 12] & 15));
	sum = pseudo(s, d + ip, length - tcp);
	d[tcp + 16] = (uint8_t)(sum >> 8);
	d[tcp + 17] = (uint8_t)sum;
	large->length = length;
	large->header = (struct frame_header){ .flags = HEADER_NEEDS_CSUM,
					       .gso_type = s->v6 ? GSO_TCPV6 : GSO_TCPV4,
					       .hdr_len = (uint16_t)below(65536),
					       .gso_size = s->size,
					       .csum_start = (uint16_t)tcp,
					       .csum_offset = 16 };
	return length;
}

static struct shape random_shape(void)
{
	struct shape s = { .v6 = below(2), .vlan = !below(4), .tcp = 20 + 4 * below(11) };

	s.options = !below(3) ? (s.v6 ? 8 * below(5) : 4 * below(11)) : 0;
	s.size = (uint16_t)(1 + below(below(2) ? 1300 : 60));
	s.payload = 1 + below(below(2) ? 60000 : 3 * s.size);
	if (s.payload > SEGMENT_MOST * s.size)
		s.payload = SEGMENT_MOST * s.size;
	return s;
}

/* Packet @k is one that a receiver of the whole would have had to get. */
static void check_packet(const struct shape *s, uint32_t k, uint32_t *done)
{
	uint32_t ip = ip_at(s), tcp = large->header.csum_start, headers = large->header.hdr_len;
	bool last = k + 1 == large->packets;
	const uint8_t *p = packet->data, *d = large->data;
	uint32_t n = packet->length - headers;
	uint16_t sum;

	CHECK(packet->length <= FRAME_MAX && packet->packets == 1);
	CHECK(n == (last ? s->payload - *done : s->size) && n > 0);
	CHECK(!memcmp(p + headers, d + headers + *done, n));
	CHECK(!memcmp(p, d, ip));
	CHECK(packet->header.flags == HEADER_NEEDS_CSUM && packet->header.gso_type == GSO_NONE);
	CHECK(packet->header.csum_start == tcp && packet->header.csum_offset == 16);
	if (s->v6) {
		CHECK(be(p + ip + 4, 2) == packet->length - ip - 40);
		CHECK(!memcmp(p + ip + 6, d + ip + 6, tcp - ip - 6));
	} else {
		CHECK(be(p + ip + 2, 2) == packet->length - ip);
		CHECK(be(p + ip + 4, 2) == ((be(d + ip + 4, 2) + k) & 0xffff));
		CHECK(add(0, p + ip, tcp - ip) == 0xffff);
		CHECK(!memcmp(p + ip + 12, d + ip + 12, tcp - ip - 12));
	}
	CHECK(be(p + tcp + 4, 4) == be(d + tcp + 4, 4) + *done);
	CHECK(p[tcp + 13] == (d[tcp + 13] & (k ? 0x7f : 0xff) & (last ? 0xff : 0xf6)));
	CHECK(!memcmp(p + tcp + 18, d + tcp + 18, headers - tcp - 18));
	/* As it is completed later, it has to be right for a receiver. */
	sum = (uint16_t)~segment_sum(p + tcp, packet->length - tcp);
	memcpy(packet->data + tcp + 16, &sum, 2);
	CHECK(add(pseudo(s, p + ip, packet->length - tcp), p + tcp, packet->length - tcp) ==
	      0xffff);
	/* Nothing is written behind it. */
	CHECK(packet->data[packet->length] == 0xee);
	*done += n;
}

TEST(packets_are_what_the_whole_was)
{
	unsigned cut = 0;

	for (unsigned round = 0; round < 3000; round++) {
		struct shape s = random_shape();
		uint32_t length = build(&s), done = 0;

		CHECK(segment_check(large, length));
		CHECK(large->header.hdr_len == large->header.csum_start + s.tcp);
		CHECK(large->packets == (s.payload + s.size - 1) / s.size);
		for (uint32_t k = 0; k < large->packets; k++, cut++) {
			memset(packet, 0xee, sizeof(*packet) + FRAME_MAX + 8);
			segment_cut(large, k, packet);
			check_packet(&s, k, &done);
		}
		CHECK(done == s.payload);
	}
	CHECK(cut > 10000);
}

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		uint32_t length = build(&s);                                                       \
		change;                                                                            \
		CHECK(!segment_check(large, length));                                              \
	} while (0)

TEST(lies_are_refused)
{
	struct shape s = { .tcp = 20, .payload = 2000, .size = 1000 };

	for (unsigned v6 = 0; v6 < 2; v6++) {
		s.v6 = v6;
		CHECK(segment_check(large, build(&s)));
		REFUSED(large->header.flags = 0);
		REFUSED(large->header.gso_size = 0);
		REFUSED(large->header.gso_size = FRAME_MAX);
		REFUSED(large->header.gso_size = 0xffff);
		REFUSED(large->header.gso_size = 2000 / SEGMENT_MOST);
		REFUSED(large->header.gso_type = v6 ? GSO_TCPV4 : GSO_TCPV6);
		REFUSED(large->header.csum_offset = 6);
		REFUSED(large->header.csum_start = 13);
		REFUSED(large->header.csum_start = 30);
		REFUSED(large->header.csum_start = (uint16_t)(length - 19));
		REFUSED(large->header.csum_start = 0xffff);
		REFUSED(large->data[13] ^= 1);
		REFUSED(large->data[14] ^= 0x10);
		REFUSED(large->data[large->header.csum_start + 12] = 0x40);
		REFUSED(length = large->header.csum_start + 20);
		REFUSED(length = 53);
	}
	s.v6 = false;
	REFUSED(large->header.csum_start += 4);
	REFUSED(large->data[14] = 0x44);
	REFUSED(large->data[14] = 0x46);
	REFUSED(large->data[20] = 0x20); /* more fragments */
	REFUSED(large->data[21] = 1);	 /* a fragment */
	REFUSED(large->data[23] = 17);
	s.vlan = true;
	CHECK(segment_check(large, build(&s)));
	s.size = 1460; /* what Linux sends there: a tag more than without one */
	CHECK(segment_check(large, build(&s)) && large->packets == 2);
	REFUSED(large->header.gso_size++);
	REFUSED(memcpy(large->data + 16, "\x81\x00", 2)); /* one tag, not two */
	REFUSED(large->header.csum_start = 14);
}

/* Whatever is liked can be cut: the sanitizers watch. */
TEST(noise)
{
	unsigned liked = 0;

	for (unsigned round = 0; round < 200000; round++) {
		struct shape s = random_shape();
		uint32_t length;

		s.payload = 1 + s.payload % 200;
		length = build(&s);
		for (unsigned n = below(4); n; n--) {
			if (below(2))
				large->data[below(80)] = (uint8_t)below(256);
			else
				((uint8_t *)&large->header)[below(10)] = (uint8_t)below(256);
		}
		if (!below(4))
			length = 1 + below(length);
		large->length = length;
		if (!segment_check(large, length))
			continue;
		liked++;
		for (uint32_t k = 0, done = 0; k < large->packets; k++) {
			segment_cut(large, k, packet);
			CHECK(packet->length <= FRAME_MAX &&
			      packet->length > large->header.hdr_len);
			done += packet->length - large->header.hdr_len;
			CHECK((done + large->header.hdr_len == length) ==
			      (k + 1 == large->packets));
		}
	}
	CHECK(liked > 20000);
}

UNIT_MAIN
