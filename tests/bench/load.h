/* SPDX-License-Identifier: BSD-2-Clause */
/* The load generator's parts: sessions (session.c), and what is measured with them (load.c). */
#ifndef PORTCULLIS_TESTS_BENCH_LOAD_H
#define PORTCULLIS_TESTS_BENCH_LOAD_H

#include "tests/bench/bench_wire.h"

#include <netinet/in.h>

#define LOAD_DEPTH_MAX 1024u
#define LOAD_BUCKETS   2048u /* of a histogram: 32 to each power of two of nanoseconds */

struct load_options {
	struct sockaddr_in address;
	const char *target, *user, *secret; /* user NULL: no CHAP */
	uint32_t sessions;
	uint32_t depth;  /* commands of a session under way at once */
	uint32_t deep;   /* likewise of the first session; 0 = as the others */
	uint32_t bytes;  /* of a command; a multiple of 4096 */
	uint32_t writes; /* percent */
	uint32_t lun;
	bool digests;
	bool fua;      /* of writes */
	uint64_t span; /* bytes of the unit that are used */
	double warmup, seconds;
	int pid, cpu; /* whose CPU time is read; where this program runs; -1 = nowhere */
};

struct load_histogram {
	uint64_t count[LOAD_BUCKETS];
	uint64_t total, longest;
};

struct load_session {
	int fd;
	bool writing; /* EPOLLOUT is asked for */
	uint32_t cmd_sn, max_cmd_sn, exp_stat_sn;
	uint32_t depth;
	uint32_t segment_max, first_burst; /* bytes: what the target declared and agreed to */
	bool immediate_data;
	uint8_t lun;
	struct bench_input input;
	struct bench_queue queue;
	uint32_t *idle; /* tags not under way */
	uint32_t idle_count;
	uint64_t *started;                /* by tag, ns */
	struct load_histogram *histogram; /* its own share of the whole; borrowed */
};

struct load {
	struct load_options options;
	int epoll;
	uint8_t *data, *received;
	struct load_session *sessions;
	struct load_histogram first, rest; /* latencies of the first session, and of the others */
	uint64_t random;
	uint64_t now;    /* of the last look at the clock */
	uint64_t last;   /* when a command last ended */
	uint64_t pause;  /* the longest time without one */
	uint64_t errors; /* commands that ended without GOOD */
	uint32_t ended;  /* sessions the target has closed */
	bool counting;
};

/* Connects and logs in, blocking; the session's number makes its ISID. Ends the program on failure. */
void session_login(struct load *load, struct load_session *session, uint32_t number);
/* Logs out and closes. */
void session_logout(struct load_session *session);
/* Empties the queue of unit attentions; blocking. */
void session_settle(struct load *load, struct load_session *session);
/* Queues commands up to the depth and the window. */
void session_fill(struct load *load, struct load_session *session);
/* The handler of a session's input: `context` is a struct session_turn. */
struct session_turn {
	struct load *load;
	struct load_session *session;
};
void session_receive(void *context, const uint8_t *header, uint32_t data_length);

#endif
