/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared part of load generator and ceiling target: bench_wire.h. */
#include "tests/bench/bench_wire.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define VECTORS 256

static uint32_t crc_of(uint32_t crc, const uint8_t *bytes, size_t length)
{
	return crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)length, crc);
}

static void crc_put(uint8_t *at, uint32_t crc)
{
	crc = ~crc;
	for (unsigned i = 0; i < DIGEST_SIZE; i++)
		at[i] = (uint8_t)(crc >> 8 * i);
}

void bench_seal(struct bench_pdu *pdu, bool header_digest, bool data_digest)
{
	put_be24(pdu->header + BHS_DATA_LENGTH, pdu->data_length);
	pdu->header_length = BHS_SIZE;
	pdu->tail_length = 0;
	if (header_digest) {
		crc_put(pdu->header + BHS_SIZE, crc_of(~0u, pdu->header, BHS_SIZE));
		pdu->header_length += DIGEST_SIZE;
	}
	if (data_digest && pdu->data_length > 0) {
		crc_put(pdu->tail, crc_of(~0u, pdu->data, pdu->data_length));
		pdu->tail_length = DIGEST_SIZE;
	}
}

struct bench_pdu *bench_queue_add(struct bench_queue *queue)
{
	if (queue->count == queue->size) {
		uint32_t size = queue->size ? 2 * queue->size : 16;
		struct bench_pdu *ring = calloc(size, sizeof(*ring));
		if (!ring)
			bench_die("out of memory");
		for (uint32_t i = 0; i < queue->count; i++)
			ring[i] = queue->ring[(queue->first + i) % queue->size];
		free(queue->ring);
		queue->ring = ring;
		queue->size = size;
		queue->first = 0;
	}
	struct bench_pdu *pdu = &queue->ring[(queue->first + queue->count++) & (queue->size - 1)];
	memset(pdu->header, 0, BHS_SIZE);
	pdu->data = NULL;
	pdu->data_length = 0;
	return pdu;
}

static int add_part(struct iovec *vector, const uint8_t *bytes, size_t length, size_t *skip)
{
	if (*skip >= length) {
		*skip -= length;
		return 0;
	}
	*vector = (struct iovec){ (uint8_t *)(uintptr_t)bytes + *skip, length - *skip };
	*skip = 0;
	return 1;
}

static void queue_advance(struct bench_queue *queue, size_t sent)
{
	queue->sent += sent;
	while (queue->count) {
		const struct bench_pdu *pdu = &queue->ring[queue->first];
		size_t whole = (size_t)pdu->header_length + pdu->data_length + pdu->tail_length;
		if (queue->sent < whole)
			return;
		queue->sent -= whole;
		queue->first = (queue->first + 1) & (queue->size - 1);
		queue->count--;
	}
}

bool bench_queue_send(struct bench_queue *queue, int fd)
{
	while (queue->count) {
		struct iovec vectors[VECTORS];
		size_t skip = queue->sent, length = 0;
		int count = 0;
		for (uint32_t i = 0; i < queue->count && count + 3 <= VECTORS; i++) {
			const struct bench_pdu *pdu =
				&queue->ring[(queue->first + i) & (queue->size - 1)];
			count += add_part(vectors + count, pdu->header, pdu->header_length, &skip);
			count += add_part(vectors + count, pdu->data, pdu->data_length, &skip);
			count += add_part(vectors + count, pdu->tail, pdu->tail_length, &skip);
		}
		for (int i = 0; i < count; i++)
			length += vectors[i].iov_len;
		struct msghdr message = { .msg_iov = vectors, .msg_iovlen = (size_t)count };
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		queue_advance(queue, (size_t)sent);
		if ((size_t)sent < length)
			return true;
	}
	return true;
}

/* The header has come; false when its digest is wrong. */
static bool input_header(struct bench_input *input)
{
	uint8_t digest[DIGEST_SIZE];

	if (input->header_digest) {
		crc_put(digest, crc_of(~0u, input->header, BHS_SIZE));
		if (memcmp(digest, input->header + BHS_SIZE, DIGEST_SIZE) != 0)
			return false;
	}
	uint32_t data = get_be24(input->header + BHS_DATA_LENGTH);
	input->skip = (data + 3) & ~3u;
	input->digest_left = input->data_digest && data ? DIGEST_SIZE : 0;
	input->crc = ~0u;
	return true;
}

static size_t input_data(struct bench_input *input, const uint8_t *bytes, size_t length)
{
	if (input->skip) {
		size_t piece = length < input->skip ? length : input->skip;
		if (input->data_digest)
			input->crc = crc_of(input->crc, bytes, piece);
		input->skip -= (uint32_t)piece;
		return piece;
	}
	input->digest[DIGEST_SIZE - input->digest_left--] = *bytes;
	return 1;
}

static bool input_digest_is_good(const struct bench_input *input, uint32_t data_length)
{
	uint8_t digest[DIGEST_SIZE];

	if (!input->data_digest || !data_length)
		return true;
	crc_put(digest, input->crc);
	return memcmp(digest, input->digest, DIGEST_SIZE) == 0;
}

bool bench_input_take(struct bench_input *input, const uint8_t *bytes, size_t length,
	bench_handler *handler, void *context)
{
	for (;;) {
		uint32_t whole = BHS_SIZE + (input->header_digest ? DIGEST_SIZE : 0);
		if (input->have < whole) {
			size_t piece = whole - input->have < length ? whole - input->have : length;
			memcpy(input->header + input->have, bytes, piece);
			input->have += (uint32_t)piece;
			bytes += piece;
			length -= piece;
			if (input->have < whole)
				return true;
			if (!input_header(input))
				return false;
		}
		while (length && (input->skip || input->digest_left)) {
			size_t piece = input_data(input, bytes, length);
			bytes += piece;
			length -= piece;
		}
		if (input->skip || input->digest_left)
			return true;
		uint32_t data_length = get_be24(input->header + BHS_DATA_LENGTH);
		if (!input_digest_is_good(input, data_length))
			return false;
		input->have = 0;
		handler(context, input->header, data_length);
	}
}

uint64_t bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_cpu(int pid)
{
	struct timespec used;
	clockid_t clock;

	if (pid <= 0 || clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

void bench_die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

void bench_prepare(int cpu)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (cpu >= 0) {
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET((size_t)cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			bench_die("cannot run on CPU %d", cpu);
	}
}
