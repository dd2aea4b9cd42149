/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block stores: where the bytes of a logical unit live. One table of operations per kind behind
 * a wrapper that checks the contract on both sides. A store is opened once and used by all
 * workers; each worker has a queue of its own (io_uring, or a thread pool where that is forbidden).
 */
#ifndef PORTCULLIS_STORE_STORE_H
#define PORTCULLIS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct store_queue;

enum store_op {
	STORE_READ,    /* buffer <- [offset, offset + length) */
	STORE_WRITE,   /* buffer -> [offset, offset + length) */
	STORE_FLUSH,   /* all writes completed before are on stable storage; no offset, length */
	STORE_DISCARD, /* the range then reads as zeros, and gives its space back if possible */
	STORE_ZERO,    /* the range then reads as zeros, and keeps its space for later writes */
	STORE_EXTENT,  /* says how the range begins: `extent`, `mapped` */
};

enum store_error {
	STORE_OK = 0,
	STORE_NO_SPACE = -1,      /* the medium is full (07/27/07) */
	STORE_READ_FAILED = -2,   /* 03/11/00 */
	STORE_WRITE_FAILED = -3,  /* 03/0C/00 */
	STORE_WRITE_REFUSED = -4, /* a read-only store (07/27/00) */
};

/* WRITE, DISCARD, ZERO: on stable storage before done. READ: from the medium. */
#define STORE_FUA 1u
/* READ, WRITE: one of many in a row, so never inside store_submit(): the thread's others have their turn in between. */
#define STORE_PATIENT 2u

/*
 * One request. The caller owns it and its buffer from store_submit() until it is done. Offsets and
 * lengths are bytes, multiples of the store's block size, inside its size; length > 0 but for
 * FLUSH. The memory starts zeroed; a request that is done may be used again.
 */
struct store_request {
	enum store_op op;
	unsigned flags; /* STORE_FUA, STORE_PATIENT */
	uint64_t offset;
	uint64_t length; /* READ and WRITE: at most BUFFER_SIZE_MAX */
	void *buffer;    /* READ and WRITE; aligned to BUFFER_ALIGNMENT if the store is `direct` */
	/*
	 * WRITE: the data lies here and not yet in `buffer`; NULL = in `buffer`. It may go when
	 * store_submit() returns, which has written it by then or copied it to `buffer`. Cleared there.
	 */
	const void *lent;
	/* Called once, on the queue's thread from store_queue_reap(), never from store_submit(). */
	void (*done)(struct store_request *request);
	enum store_error error; /* set when done */
	/*
	 * EXTENT, set when done: bytes (whole blocks, 1 block to `length`) from `offset` on that are alike, and whether
	 * they take space; those that do not read as zeros. What follows may be the same once more.
	 */
	uint64_t extent;
	bool mapped;

	/* The store's own while the request is under way. */
	struct store *store;
	struct store_queue *queue;
	struct store_request *next;
	uint64_t progress;
	unsigned step;
	int result;
};

enum store_answer {
	STORE_DONE,    /* finished inside the call: `error` is set, `done` will not be called */
	STORE_PENDING, /* `done` will be called from store_queue_reap() */
};

struct store_config {
	const char *path;    /* a file, a block device, or "memory:" */
	uint64_t size;       /* bytes: creation size and floor (portcullis.conf(5)); 0 = as it is */
	uint32_t block_size; /* 512, 1024, 2048 or 4096 */
	bool read_only;
	bool direct;     /* O_DIRECT instead of the page cache */
	bool must_exist; /* never made, whatever `size` says: there is data that somebody relies on */
};

struct store_info {
	_Atomic uint64_t size; /* bytes, whole blocks; only ever grows */
	uint32_t block_size;
	bool read_only;
	bool direct;         /* buffers must be aligned */
	bool volatile_cache; /* a write is stable only after FLUSH or with STORE_FUA */
	bool can_discard;    /* thin: DISCARD gives space back; else DISCARD only writes zeros */
	uint32_t discard_granularity; /* bytes; a range below it may only be zeroed */
	bool created;                 /* this open made the file, sparse */
	bool grown;                   /* this open made the file as large as config.size */
};

#define STORE_ERROR_SIZE 256

/*
 * Opens, creating or growing the file as `size` says, and locks it against a second user. The
 * caller's strings are not kept. Returns the store, owned by the caller, or NULL with one clear
 * line in `error` ("/srv/a.img: is already in use by another process or another LUN", ...). The
 * process must ignore SIGXFSZ: a file size limit is then STORE_NO_SPACE instead of its death.
 */
struct store *store_open(const struct store_config *config, char error[STORE_ERROR_SIZE]);
/* No request may be under way. Flushes nothing. NULL is fine. */
void store_close(struct store *store);
/* As store_close(), for who opened it and failed later: a file that this very open made, at `path`, is removed. */
void store_abandon(struct store *store, const char *path);
/*
 * Makes it `size` bytes long (whole blocks, not less than it is), while requests are under way; new blocks read as
 * zeros. A file is enlarged, a file or block device that has grown is used as far as it reaches. false with one line in
 * `error`; then it is as it was. One caller at a time.
 */
bool store_grow(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE]);
/* Whether store_grow() would do it, as far as it can be told; leaves it as it is. */
bool store_may_grow(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE]);
/*
 * Whether it could be closed and opened anew at `path`, as far as it can be told: the same file or device is still
 * there, and may be read or, unless `read_only`, written. false with one line in `error`.
 */
bool store_may_reopen(
	const struct store *store, const char *path, bool read_only, char error[STORE_ERROR_SIZE]);
/* Writes all that was completed to stable storage, blocking: for the way out, never for a worker. */
enum store_error store_sync(struct store *store);
/* What the store is; borrowed, valid until store_close(). */
const struct store_info *store_info(const struct store *store);
/* Two LUNs with the same identity are the same file, whatever path named it. 0 = no identity
 * (memory). */
uint64_t store_identity(const struct store *store);

enum store_queue_kind { STORE_QUEUE_BEST, STORE_QUEUE_URING, STORE_QUEUE_THREADS };

#define STORE_QUEUE_DEPTH_MAX 4096u

/*
 * A queue for one thread: the first that submits or reaps; when it has ended any may free it. BEST
 * takes io_uring where the kernel allows it, else threads. `depth` (1..STORE_QUEUE_DEPTH_MAX) =
 * requests that one system call hands over at most; more are no error and only cost another call.
 * Returns NULL with errno set.
 */
struct store_queue *store_queue_new(enum store_queue_kind kind, unsigned depth);
/* No request may be under way. NULL is fine. */
void store_queue_free(struct store_queue *queue);
/*
 * Tells where the thread's buffers lie (buffer_pool_arena()): those of `direct` stores are then registered with the
 * kernel, BUFFER_SIZE_MAX at a time when the first request comes from there, and stay resident. Before the first
 * submit; the arena must outlive the queue. Where the kernel or RLIMIT_MEMLOCK refuses, requests go as they would
 * without; a queue of threads knows no registration.
 */
void store_queue_use_buffers(struct store_queue *queue, void *arena, size_t size);
/* "io_uring" or "threads": for one log line. */
const char *store_queue_name(const struct store_queue *queue);
/* A descriptor that becomes readable when store_queue_reap() has something to do. */
int store_queue_fd(const struct store_queue *queue);
/*
 * Hands what was prepared since the last call to the kernel, in one system call. Once per turn of
 * the loop, behind the turn's submits and reaps (a reap may prepare the next step of a request);
 * free when there is nothing to hand over.
 */
void store_queue_flush(struct store_queue *queue);
/*
 * Calls `done` of at most `most` finished requests; returns how many. Never blocks. `done` may
 * submit again, but not reap. What is left over keeps the descriptor readable.
 */
unsigned store_queue_reap(struct store_queue *queue, unsigned most);

/*
 * Starts a request on the caller's queue. Never blocks on a device for long. A breach of the
 * contract (range, alignment, a request under way already, another thread's queue) aborts: no byte
 * from outside may reach it. On a read-only store writes are answered STORE_WRITE_REFUSED, FLUSH
 * STORE_OK. A failed FLUSH is reported once more by the next one: the data it lost was everybody's.
 */
enum store_answer store_submit(
	struct store *store, struct store_queue *queue, struct store_request *request);

/*
 * Where [offset, offset + length) lies (whole blocks, inside the size; length > 0), if it may be sent from there now
 * without waiting for a device; NULL: submit a READ. It is for system calls alone, which say EFAULT where a file is
 * shorter than it was or its device fails; to touch it there would end the process. What is written meanwhile shows.
 * Good until store_close().
 */
const void *store_view(
	struct store *store, struct store_queue *queue, uint64_t offset, uint64_t length);
/* Reads a range at once, if that takes no waiting for a device. Any thread. Whether all of it is in `buffer`. */
bool store_read_now(struct store *store, uint64_t offset, uint64_t length, void *buffer);
/*
 * What a system call that was given views made of them: how long it took, and whether it failed with EFAULT. One that
 * had to wait for a device, although nobody expected it, is the last for a while on this queue; one that failed, on all.
 */
void store_viewed(struct store_queue *queue, uint64_t took_ns, bool failed);

#endif
