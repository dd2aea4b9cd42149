/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a kind of store is made of, and what the queues and the wrapper do for it. A request moves
 * in steps: the kind says what comes next, the queue makes the one system call of that step away
 * from the worker, and the kind judges the result. So kinds know no io_uring and no thread, and
 * queues know no file.
 */
#ifndef PORTCULLIS_STORE_OPERATIONS_H
#define PORTCULLIS_STORE_OPERATIONS_H

#include "store/store.h"

#include <stdatomic.h>
#include <time.h>

/* The common part; a kind's own struct begins with it. */
struct store {
	const struct store_operations *operations;
	struct store_info info;             /* filled in by open() */
	uint64_t identity;                  /* filled in by open(); 0 = none */
	_Alignas(64) atomic_uint under_way; /* on a cache line of its own: workers share the rest */
};

static inline uint64_t store_clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

enum store_io_kind {
	STORE_IO_READ,
	STORE_IO_WRITE,
	STORE_IO_SYNC,
	STORE_IO_ALLOCATE,
	STORE_IO_SEEK
};

/* One system call on a file. */
struct store_io {
	enum store_io_kind kind; /* preadv2, pwritev2, fdatasync, fallocate, lseek */
	int fd;
	int flags; /* READ, WRITE: RWF_*; ALLOCATE: FALLOC_FL_*; SEEK: SEEK_DATA, SEEK_HOLE */
	uint64_t offset;
	uint64_t length; /* READ, WRITE: fits 32 bits */
	void *buffer;    /* READ, WRITE */
};

#define STORE_SEEK_MAX (1 << 30)

enum store_step {
	STORE_STEP_FINISHED, /* request->error is set */
	STORE_STEP_IO,       /* describe() says which system call comes next */
	STORE_STEP_HELD,     /* the kind keeps it; it goes on by store_queue_post() */
};

struct store_operations {
	const char *kind;
	size_t size; /* of the kind's own struct */
	bool (*matches)(const char *path);
	/* Fills info and identity of a zeroed store. On failure: everything undone, one line in
	 * `error`. */
	bool (*open)(struct store *store, const struct store_config *config,
		char error[STORE_ERROR_SIZE]);
	void (*close)(struct store *store);
	/* Makes room for `size` bytes, or only tries; one line in `error`, without a path. NULL: cannot grow. */
	bool (*may_grow)(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE]);
	bool (*grow)(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE]);
	/* As store_may_reopen(); NULL: always. */
	bool (*may_reopen)(const struct store *store, const char *path, bool read_only,
		char error[STORE_ERROR_SIZE]);
	/* As store_view(); NULL: nothing can be sent from where it lies. Any thread. */
	const void *(*view)(struct store *store, uint64_t offset, uint64_t length);
	/* As store_read_now(). There if `view` is. */
	bool (*read_now)(struct store *store, uint64_t offset, uint64_t length, void *buffer);
	/*
	 * The first step; `step` and `progress` are 0. Must not block on a device for long. The only one
	 * that finds the data of a WRITE at store_request_data(); afterwards it is in `buffer`.
	 */
	enum store_step (*submit)(struct store_request *request);
	/* The system call of the present step. Any thread; NULL in a kind that never says STEP_IO.
	 */
	void (*describe)(const struct store_request *request, struct store_io *io);
	/* The next step after a result (bytes, of SEEK those from `offset` to what was found, at most
	 * STORE_SEEK_MAX; 0 or -errno; or what was posted). The queue's thread. */
	enum store_step (*advance)(struct store_request *request, int result);
};

/* Every kind of this program, the first that matches a path opens it; ends with NULL. */
extern const struct store_operations *const store_kinds[];

extern const struct store_operations store_file;
extern const struct store_operations store_memory;

/* Writes "PATH: what is wrong" into `error`; a long path loses its beginning, not the message.
 * Returns false. */
bool store_explain(char error[STORE_ERROR_SIZE], const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Puts a held request back on its queue: store_queue_reap() there will call advance() with
 * `result`. Any thread; the request is the queue's again with the call.
 */
void store_queue_post(struct store_request *request, int result);

/* The contract of every range: whole blocks inside the size, at least one. Aborts otherwise. */
void store_assert_range(const struct store_info *info, uint64_t offset, uint64_t length);

/* Where the data of a WRITE lies while submit() runs: lent, or in its buffer. */
static inline const void *store_request_data(const struct store_request *request)
{
	return request->lent ? request->lent : request->buffer;
}

/* For queues, in reap: lets the kind judge and acts on its answer. Returns whether the request is
 * done. */
bool store_continue(struct store_request *request, int result);

#endif
