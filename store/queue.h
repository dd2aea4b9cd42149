/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the two queues, io_uring and threads, have in common: the request list, and a mailbox
 * through which other threads give requests back.
 */
#ifndef PORTCULLIS_STORE_QUEUE_H
#define PORTCULLIS_STORE_QUEUE_H

#include "store/operations.h"

#include <pthread.h>

/* First in, first out, linked by request->next. */
struct request_list {
	struct store_request *first;
	struct store_request *last;
};

static inline void request_list_append(struct request_list *list, struct store_request *request)
{
	request->next = NULL;
	if (list->last)
		list->last->next = request;
	else
		list->first = request;
	list->last = request;
}

/* NULL when empty. */
static inline struct store_request *request_list_take(struct request_list *list)
{
	struct store_request *request = list->first;
	if (!request)
		return NULL;
	list->first = request->next;
	if (!list->first)
		list->last = NULL;
	return request;
}

/* All of `more` goes behind `list`; `more` is empty afterwards. */
static inline void request_list_join(struct request_list *list, struct request_list *more)
{
	if (!more->first)
		return;
	if (list->last)
		list->last->next = more->first;
	else
		list->first = more->first;
	list->last = more->last;
	*more = (struct request_list){ NULL, NULL };
}

struct queue_operations {
	const char *name;
	void (*free)(struct store_queue *queue);
	/* Takes a request whose describe() names a system call. */
	void (*start)(struct store_queue *queue, struct store_request *request);
	void (*flush)(struct store_queue *queue);
	/* As store_queue_reap(), behind the mailbox; NULL when the mailbox is all there is. */
	unsigned (*reap)(struct store_queue *queue, unsigned most);
	/* As store_queue_use_buffers(); NULL: nothing can be registered. */
	void (*use_buffers)(struct store_queue *queue, void *arena, size_t size);
};

struct store_queue {
	const struct queue_operations *operations;
	int fd;          /* what store_queue_fd() gives */
	pthread_t owner; /* the one thread that may use it, once owned */
	bool owned;
	unsigned under_way; /* requests between submit and done */
	bool reaping;
	uint64_t views_after; /* monotonic ns: no views before; 0: now */
	long faults;          /* its thread's that met a device, when last looked at; -1: never */

	pthread_mutex_t mailbox_lock;
	struct request_list mailbox; /* under the lock */
	bool bell_rung;              /* under the lock: event_fd is readable */
	int event_fd;
};

/* Prepares the common part of a zeroed queue. Returns 0 or an errno value. */
int store_queue_prepare(struct store_queue *queue, const struct queue_operations *operations);
/* Undoes store_queue_prepare(); the memory stays the caller's. */
void store_queue_dismantle(struct store_queue *queue);

/* Whether the calling thread may use it; the first one that asks becomes the owner. */
bool store_queue_is_mine(struct store_queue *queue);
/* Makes the descriptor readable though no request is finished. Any thread. */
void store_queue_ring(struct store_queue *queue);

/* Makes the system call of a request's present step, blocking. Any thread. Returns its result or -errno. */
int store_execute(const struct store_request *request);

/* Return 0 and the queue, or an errno value. `depth` has been checked. */
int store_uring_new(unsigned depth, struct store_queue **queue);
int store_threads_new(struct store_queue **queue);

#endif
