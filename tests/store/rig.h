/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of stores share: the media they run over, each with both queues, and synchronous
 * requests. Everything lives in a scratch directory that is the working directory of the tests.
 */
#ifndef PORTCULLIS_TESTS_STORE_RIG_H
#define PORTCULLIS_TESTS_STORE_RIG_H

#include "store/store.h"

#include "tests/suite.h"

enum rig_medium {
	RIG_MEMORY,
	RIG_FILE,
	RIG_DIRECT,
	RIG_TMPFS,
	RIG_LOOP,
	RIG_LOOP_DIRECT,
	RIG_MEDIA
};

/* A row of a loop test is a medium and a queue: _i = medium * RIG_QUEUES + queue. */
#define RIG_QUEUES 2
#define RIG_ROWS   (RIG_MEDIA * RIG_QUEUES)

#define RIG_SIZE (8u << 20) /* bytes of a store that rig_open() made */

struct rig {
	struct store *store;
	struct store_queue *queue;
	struct store_config config;
	char path[64];
	int loop_fd; /* -1 if none; the loop device ends with it */
};

/* Adds `test` for every row whose medium and queue this machine has; says which it leaves out. */
void rig_add_rows(TCase *tcase, const TTest *test);

/* Whether the kernel lets us use io_uring. */
bool rig_has_uring(void);
/* The queue of a row; where io_uring is forbidden, as in most containers, always threads. */
enum store_queue_kind rig_queue_kind(int row);

/* Opens an empty store of RIG_SIZE with blocks of 512, and a queue. */
void rig_open(struct rig *rig, int row);
void rig_close(struct rig *rig);

/* A page-aligned buffer filled with a pattern that depends on `seed`; the caller frees it. */
uint8_t *rig_buffer(size_t length, unsigned seed);

/* One request, start to end; at most 20 s. */
enum store_error rig_do(struct rig *rig, enum store_op op, unsigned flags, uint64_t offset,
	uint64_t length, void *buffer);
/* Waits for the queue's descriptor and reaps until `*count` has reached `wanted`; at most 20 s. */
void rig_wait(struct store_queue *queue, const unsigned *count, unsigned wanted);
/* How many zeros the bytes begin with. (An assertion for every byte would take minutes.) */
size_t rig_zeros(const uint8_t *bytes, size_t length);
/* Fails unless the range reads as zeros. */
void rig_check_zeros(struct rig *rig, uint64_t offset, uint64_t length);

/* Makes a loop device over a file. Returns its descriptor, with whose end it ends, or -1. */
int rig_loop(const char *backing, char path[64]);
/* Whether rig_loop() works here; says so if not. */
bool rig_has_loops(void);
/* Gives the loop device of `rig` physical blocks of that size. */
bool rig_loop_block_size(const struct rig *rig, unsigned size);
/* A fixture: the test runs in an empty directory of its own. */
void rig_enter(void);
/* Whether a tmpfs of 2 MiB could be mounted at "tiny". */
bool rig_has_tiny(void);

/* suite_main() in a scratch directory with a "large" (64 MiB) and a "tiny" tmpfs where allowed. */
int rig_main(Suite *suite);
/* To be called before the suite is built. */
void rig_prepare(void);

#endif
