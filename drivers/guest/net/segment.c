// SPDX-License-Identifier: MIT
#include "drivers/guest/net/segment.h"

#include "hv/base/string.h"

enum { TYPE_IPV4 = 0x0800, TYPE_VLAN = 0x8100, TYPE_IPV6 = 0x86dd };
enum { IPV4_LENGTH = 2, IPV4_ID = 4, IPV4_FRAGMENT = 6, IPV4_PROTOCOL = 9, IPV4_SUM = 10 };
enum { IPV4_MIN = 20, IPV4_NO_FRAGMENT = 0x4000, IPV6_LENGTH = 4, IPV6_MIN = 40, PROTOCOL_TCP = 6 };
enum { TCP_SEQUENCE = 4, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_SUM = 16, TCP_MIN = 20 };
enum { TCP_FIN = 1, TCP_PSH = 8, TCP_CWR = 0x80 };

static uint32_t get(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | *at++;
	return value;
}

static void put(uint8_t *at, unsigned bytes, uint32_t value)
{
	for (; bytes--; value >>= 8)
		at[bytes] = (uint8_t)value;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t segment_sum(const uint8_t *bytes, uint32_t length)
{
	uint64_t sum = 0;
	uint32_t word;

	for (uint32_t at = 0; at < length; at += 4) {
		uint32_t left = length - at;

		__builtin_memcpy(&word, bytes + at, 4);
		sum += left < 4 ? word & ((1U << 8 * left) - 1) : word;
	}
	return fold(sum);
}

/* Where the network header begins: behind one VLAN tag at most. */
static uint32_t network_header(const uint8_t *data)
{
	return get(data + 12, 2) == TYPE_VLAN ? FRAME_MIN + 4 : FRAME_MIN;
}

/* Does the network header lead to TCP at @tcp, with at least TCP_MIN bytes of the frame there? */
static bool leads_to(const uint8_t *ip, uint32_t type, uint32_t length, uint8_t gso_type)
{
	if (gso_type == GSO_TCPV6)
		return type == TYPE_IPV6 && ip[0] >> 4 == 6 && length >= IPV6_MIN;
	return type == TYPE_IPV4 && ip[0] >> 4 == 4 && length >= IPV4_MIN &&
	       length == (ip[0] & 15U) * 4 && ip[IPV4_PROTOCOL] == PROTOCOL_TCP &&
	       !(get(ip + IPV4_FRAGMENT, 2) & ~(uint32_t)IPV4_NO_FRAGMENT);
}

bool segment_check(struct net_frame *frame, uint32_t length)
{
	struct frame_header *header = &frame->header;
	uint32_t at, tcp = header->csum_start, headers, packets;

	if (length < FRAME_MIN + IPV4_MIN + TCP_MIN || tcp + TCP_MIN > length ||
	    tcp < FRAME_MIN + IPV4_MIN || tcp > FRAME_MAX - TCP_MIN ||
	    !(header->flags & HEADER_NEEDS_CSUM) || header->csum_offset != TCP_SUM)
		return false;
	at = network_header(frame->data);
	if (tcp < at ||
	    !leads_to(frame->data + at, get(frame->data + at - 2, 2), tcp - at, header->gso_type))
		return false;
	headers = tcp + (frame->data[tcp + TCP_OFFSET] >> 4) * 4U;
	if (headers < tcp + TCP_MIN || headers >= length || !header->gso_size ||
	    headers > FRAME_MAX || header->gso_size > FRAME_MAX - headers)
		return false;
	packets = (length - headers + header->gso_size - 1) / header->gso_size;
	if (packets > SEGMENT_MOST)
		return false;
	header->hdr_len = (uint16_t)headers;
	frame->packets = (uint16_t)packets;
	return true;
}

void segment_cut(const struct net_frame *large, uint32_t k, struct net_frame *packet)
{
	const struct frame_header *header = &large->header;
	uint32_t done = k * header->gso_size, from = header->hdr_len + done;
	uint32_t n = large->length - from, ip_at = network_header(large->data);
	bool last = true;
	uint8_t *ip = packet->data + ip_at, *tcp = packet->data + header->csum_start;

	if (n > header->gso_size) {
		n = header->gso_size;
		last = false;
	}
	copy_bulk(packet->data, large->data, header->hdr_len);
	copy_bulk(packet->data + header->hdr_len, large->data + from, n);
	packet->length = header->hdr_len + n;
	packet->packets = 1;
	packet->header = (struct frame_header){ .flags = HEADER_NEEDS_CSUM,
						.csum_start = header->csum_start,
						.csum_offset = header->csum_offset };
	if (header->gso_type == GSO_TCPV4) {
		uint16_t sum;

		put(ip + IPV4_LENGTH, 2, packet->length - ip_at);
		put(ip + IPV4_ID, 2, get(ip + IPV4_ID, 2) + k);
		put(ip + IPV4_SUM, 2, 0);
		sum = (uint16_t)~segment_sum(ip, header->csum_start - ip_at);
		__builtin_memcpy(ip + IPV4_SUM, &sum, 2);
	} else {
		put(ip + IPV6_LENGTH, 2, packet->length - ip_at - IPV6_MIN);
	}
	put(tcp + TCP_SEQUENCE, 4, get(tcp + TCP_SEQUENCE, 4) + done);
	if (k)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (!last)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	/* The sum of the pseudo header, which is there, holds the length of all. */
	put(tcp + TCP_SUM, 2,
	    fold(get(tcp + TCP_SUM, 2) + (packet->length - header->csum_start) +
		 (uint16_t) ~(large->length - header->csum_start)));
}
