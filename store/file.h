/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kind `file`, a regular file or a block device: what opening it (file_open.c) leaves to
 * serving it (file.c), and the syncs that its requests share (file_sync.c).
 */
#ifndef PORTCULLIS_STORE_FILE_H
#define PORTCULLIS_STORE_FILE_H

#include "store/operations.h"
#include "store/queue.h"

#include <sys/stat.h>

/* Who waits for what is written to be stable. Any worker's requests. */
struct file_sync {
	pthread_mutex_t lock;
	_Atomic uint64_t began;      /* store_clock_ns() of the one under way; 0: none */
	struct request_list covered; /* had written before it began: its end is theirs */
	struct request_list waiting; /* came since: for the next one */
};

/* Who changes what space the file has: a bounded number at once. Any worker's requests. */
struct file_allocations {
	pthread_mutex_t lock;
	unsigned under_way;
	struct request_list waiting;
};

#define FILE_FOLIO_SIZE (16u << 10) /* bytes, of what is new in the page cache */

struct file_map; /* file_view.c */

struct file_store {
	struct store base;
	int fd;
	struct file_map *_Atomic map; /* the file from its beginning; NULL: it cannot be had */
	bool in_memory;   /* tmpfs and its like: no device behind it, so nothing to wait for */
	bool nowait;      /* reads can say "only if cached" (RWF_NOWAIT) */
	bool in_pieces;   /* a large write of what is not cached goes piece by piece: file.c */
	void *zeros;      /* FILE_ZEROS_SIZE bytes, page aligned, read-only */
	atomic_bool lost; /* written data was lost, and not every FLUSH that should know does */
	_Atomic uint64_t queued_until; /* monotonic ns: inline writes waited, so none before */
	_Atomic uint64_t
		watched_until; /* likewise: one was slow, so whether they wait is watched */
	struct file_sync sync;
	struct file_allocations allocations;
};

#define FILE_ZEROS_SIZE (1u << 20)
#define FILE_SYNC_LEAD  1 /* a "result" that no sync has: make the next one */
#define FILE_TURN       1 /* likewise that no fallocate(2) has: its turn has come */

static inline struct file_store *file_of(const struct store *store)
{
	return (struct file_store *)store;
}

/* As store_operations.open. */
bool file_open(
	struct store *store, const struct store_config *config, char error[STORE_ERROR_SIZE]);
void file_close(struct store *store);
/*
 * An inline write took `took` ns until `end`. It has met a device, or other programs had the
 * processor meanwhile; `waited` = known to be the first. Only that is a reason to write through the
 * queue for a while, at several times the cost; telling them apart costs two system calls a write,
 * so it is done only while there is a suspicion: until `watched_until`.
 */
void file_write_was_slow(struct file_store *file, uint64_t took, uint64_t end, bool waited);

/* Part of opening and closing. */
void file_sync_init(struct file_store *file);
void file_sync_destroy(struct file_store *file);
/*
 * True: no sync is under way, the caller makes one and calls file_sync_ended(). False: one is, which may have begun
 * too early for the caller; `request` (NULL: none) is held and comes back with the result of the next one, or with
 * FILE_SYNC_LEAD to make it. Any thread.
 */
bool file_sync_lead(struct file_store *file, struct store_request *request);
/* The sync under way has ended with `result` (0 or -errno). Any thread. */
void file_sync_ended(struct file_store *file, int result);

/* Part of opening and closing. */
void file_allocate_init(struct file_store *file);
void file_allocate_destroy(struct file_store *file);
/*
 * True: it is the request's turn, the caller calls file_allocate_ended() behind it. False: it is held, and comes back with
 * FILE_TURN when it is. Any thread.
 */
bool file_allocate_begin(struct file_store *file, struct store_request *request);
void file_allocate_ended(struct file_store *file);

/* As store_operations.view. */
const void *file_view(struct store *store, uint64_t offset, uint64_t length);
/* Whether the range is believed to be in the page cache; false also where that cannot be known. Any thread. */
bool file_is_cached(const struct file_store *file, uint64_t offset, uint64_t length);
/* It is there now: it has just been written to the page cache. Any thread. */
void file_was_cached(const struct file_store *file, uint64_t offset, uint64_t length);
/* Part of opening and closing; `status` of the open file. */
void file_view_open(struct file_store *file, const struct stat *status);
void file_view_close(struct file_store *file);
/* The file has `size` bytes now. One caller at a time, beside file_view(). */
void file_view_grow(struct file_store *file, uint64_t size);

/* As store_operations.may_grow, and .grow. */
bool file_may_grow(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE]);
bool file_grow(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE]);
/* As store_operations.may_reopen. */
bool file_may_reopen(
	const struct store *store, const char *path, bool read_only, char error[STORE_ERROR_SIZE]);
/* What store_identity() tells of a file or block device of this status. */
uint64_t file_identity(const struct stat *status);

#endif
