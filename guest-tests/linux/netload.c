// SPDX-License-Identifier: MIT
/*
 * netload KIB            takes a connection on port 7 and KIB KiB from it, and answers with a byte
 * netload KIB ADDRESS    sends them there, as fast as TCP lets it, and waits for that byte
 * What arrives is compared with what was sent: CHUNK bytes that differ from each other, over and
 * over.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 65521 /* prime: what is lost or comes twice is noticed */

static uint8_t sent[2 * CHUNK], got[CHUNK];

static int give(int fd, size_t count)
{
	for (size_t done = 0; done < count;) {
		size_t n = count - done < CHUNK ? count - done : CHUNK;
		ssize_t now = write(fd, sent + done % CHUNK, n);

		if (now <= 0)
			return 2;
		done += (size_t)now;
	}
	return read(fd, got, 1) == 1 && got[0] == 'k' ? 0 : 3;
}

static int take(int fd, size_t count)
{
	for (size_t done = 0; done < count;) {
		ssize_t now = read(fd, got, CHUNK);

		if (now <= 0 || memcmp(got, sent + done % CHUNK, (size_t)now))
			return 4;
		done += (size_t)now;
	}
	return write(fd, "k", 1) == 1 ? 0 : 5;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(7) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) * 1024 : 0;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i % CHUNK * 0x9e3779b1U >> 24);
	if (argc == 3) {
		if (!inet_aton(argv[2], &address.sin_addr) ||
		    connect(fd, (struct sockaddr *)&address, sizeof(address)))
			return 1;
		return give(fd, count);
	}
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
		return 1;
	fd = accept(fd, NULL, NULL);
	return fd < 0 ? 1 : take(fd, count);
}
