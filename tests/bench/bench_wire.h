/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What load generator and ceiling target share: the terms both offer at login, text segments, a
 * queue of PDUs to send and a cutter of the received stream. Lean rather than careful: both ends
 * are ours, and what they cost is what the daemon is measured by.
 */
#ifndef PORTCULLIS_TESTS_BENCH_BENCH_WIRE_H
#define PORTCULLIS_TESTS_BENCH_BENCH_WIRE_H

#include "base/bytes.h"
#include "proto/iscsi/pdu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define BENCH_SEGMENT_MAX 262144u
#define BENCH_FIRST_BURST 65536u
#define BENCH_MAX_BURST   1048576u
#define BENCH_TEXT_MAX    8192u
#define BENCH_BUFFER      (1u << 20) /* of data: what goes out lies at its beginning */

/* A PDU to send: a header of our own and data out of one shared buffer. */
struct bench_pdu {
	uint8_t header[BHS_SIZE + DIGEST_SIZE];
	uint8_t tail[DIGEST_SIZE];
	const uint8_t *data;
	uint32_t data_length; /* a multiple of 4 */
	uint8_t header_length, tail_length;
};

/* A ring of PDUs, first in, first out. */
struct bench_queue {
	struct bench_pdu *ring;
	uint32_t size, first, count; /* PDUs */
	size_t sent;                 /* bytes of the first one */
};

/* The stream as it comes in; what of it is payload is passed over, or summed up. */
struct bench_input {
	uint8_t header[BHS_SIZE + DIGEST_SIZE];
	uint32_t have; /* bytes of the header */
	uint32_t skip; /* bytes of data and its digest still to come */
	uint32_t digest_left;
	uint32_t crc;
	uint8_t digest[DIGEST_SIZE];
	bool header_digest, data_digest;
};

/* Fills *pdu's lengths and digests; its header and data stand. */
void bench_seal(struct bench_pdu *pdu, bool header_digest, bool data_digest);
/* A place at the end of the ring, zeroed; the program ends when there is no room or no memory. */
struct bench_pdu *bench_queue_add(struct bench_queue *queue);
/* One sendmsg of what is queued. false: the connection is gone. */
bool bench_queue_send(struct bench_queue *queue, int fd);

/* Called for each PDU when all of it has come; `header` is valid for the call. */
typedef void bench_handler(void *context, const uint8_t *header, uint32_t data_length);
/* Cuts `length` more bytes; false when a digest was wrong. */
bool bench_input_take(struct bench_input *input, const uint8_t *bytes, size_t length,
	bench_handler *handler, void *context);

/* Monotonic nanoseconds. */
uint64_t bench_now(void);
/* Nanoseconds of CPU time of a process with all its threads, the ended ones too; 0 = it is gone. */
uint64_t bench_cpu(int pid);
/* Says why on stderr and ends the program. */
void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* More descriptors, one CPU if `cpu` >= 0. */
void bench_prepare(int cpu);

#endif
