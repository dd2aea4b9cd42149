/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue over threads, for kernels and containers that forbid io_uring: a few threads make the
 * blocking system calls, the mailbox brings the results home. Threads are started as work piles up.
 */
#include "store/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define THREADS_MAX       16
#define THREADS_PER_STORE 8 /* so that a disk that hangs leaves threads to the others */

struct queue_threads;

struct thread {
	struct queue_threads *pool;
	pthread_t id;
	const struct store *busy_on; /* under the pool's lock */
};

struct queue_threads {
	struct store_queue base;
	struct request_list prepared; /* the owner's: started, not yet flushed */
	unsigned prepared_count;
	unsigned thread_count; /* the owner's */
	struct thread threads[THREADS_MAX];

	pthread_mutex_t lock;
	pthread_cond_t work;
	struct request_list todo; /* under the lock, as the next three */
	unsigned todo_count;
	unsigned idle; /* those woken but not yet running included */
	bool stopping;
};

static struct queue_threads *threads_of(struct store_queue *queue)
{
	return (struct queue_threads *)queue;
}

static ssize_t seek(const struct store_io *io)
{
	off_t found = lseek(io->fd, (off_t)io->offset, io->flags);
	if (found < 0)
		return -1;
	off_t distance = found - (off_t)io->offset;
	return distance < STORE_SEEK_MAX ? distance : STORE_SEEK_MAX;
}

int store_execute(const struct store_request *request)
{
	struct store_io io;
	request->store->operations->describe(request, &io);
	struct iovec piece = { .iov_base = io.buffer, .iov_len = (size_t)io.length };
	ssize_t result = -1;
	switch (io.kind) {
	case STORE_IO_READ:
		result = preadv2(io.fd, &piece, 1, (off_t)io.offset, io.flags);
		break;
	case STORE_IO_WRITE:
		result = pwritev2(io.fd, &piece, 1, (off_t)io.offset, io.flags);
		break;
	case STORE_IO_SYNC:
		result = fdatasync(io.fd);
		break;
	case STORE_IO_ALLOCATE:
		result = fallocate(io.fd, io.flags, (off_t)io.offset, (off_t)io.length);
		break;
	case STORE_IO_SEEK:
		result = seek(&io);
		break;
	}
	return result < 0 ? -errno : (int)result;
}

static bool may_serve(const struct queue_threads *pool, const struct store *store)
{
	unsigned busy = 0;
	for (unsigned i = 0; i < THREADS_MAX; i++)
		busy += pool->threads[i].busy_on == store;
	return busy < THREADS_PER_STORE;
}

/* The oldest request whose store has not got its share of threads, or NULL. Under the lock. */
static struct store_request *take_work(struct queue_threads *pool)
{
	struct store_request *before = NULL;
	struct store_request *request = pool->todo.first;
	while (request && !may_serve(pool, request->store)) {
		before = request;
		request = request->next;
	}
	if (!request)
		return NULL;
	if (before)
		before->next = request->next;
	else
		pool->todo.first = request->next;
	if (pool->todo.last == request)
		pool->todo.last = before;
	pool->todo_count--;
	return request;
}

static void *thread_run(void *argument)
{
	struct thread *self = argument;
	struct queue_threads *pool = self->pool;
	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct store_request *request = take_work(pool);
		if (request) {
			self->busy_on = request->store;
			pthread_mutex_unlock(&pool->lock);
			store_queue_post(request, store_execute(request));
			pthread_mutex_lock(&pool->lock);
			self->busy_on = NULL;
		} else if (pool->stopping) {
			break;
		} else {
			pool->idle++;
			pthread_cond_wait(&pool->work, &pool->lock);
			pool->idle--;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Returns 0 or an errno value. */
static int add_thread(struct queue_threads *pool)
{
	struct thread *thread = &pool->threads[pool->thread_count];
	thread->pool = pool;
	sigset_t all, before;
	sigfillset(&all);
	/* Signals are for the main thread; a new one inherits the mask. */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread->id, NULL, thread_run, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		pool->thread_count++;
	return error;
}

static void threads_start(struct store_queue *queue, struct store_request *request)
{
	struct queue_threads *pool = threads_of(queue);
	request_list_append(&pool->prepared, request);
	pool->prepared_count++;
}

static void threads_flush(struct store_queue *queue)
{
	struct queue_threads *pool = threads_of(queue);
	if (!pool->prepared.first)
		return;
	pthread_mutex_lock(&pool->lock);
	request_list_join(&pool->todo, &pool->prepared);
	pool->todo_count += pool->prepared_count;
	unsigned lacking = pool->todo_count > pool->idle ? pool->todo_count - pool->idle : 0;
	if (pool->prepared_count == 1)
		pthread_cond_signal(&pool->work);
	else
		pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	pool->prepared_count = 0;
	/* If none can be started the present ones do it all, only later. */
	while (lacking-- && pool->thread_count < THREADS_MAX)
		if (add_thread(pool))
			break;
}

static void threads_free(struct store_queue *queue)
{
	struct queue_threads *pool = threads_of(queue);
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i].id, NULL);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	store_queue_dismantle(queue);
	free(pool);
}

static const struct queue_operations threads_operations = {
	.name = "threads",
	.free = threads_free,
	.start = threads_start,
	.flush = threads_flush,
};

int store_threads_new(struct store_queue **queue)
{
	struct queue_threads *pool = calloc(1, sizeof *pool);
	if (!pool)
		return ENOMEM;
	int error = store_queue_prepare(&pool->base, &threads_operations);
	if (error) {
		free(pool);
		return error;
	}
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	error = add_thread(pool);
	if (error) {
		threads_free(&pool->base);
		return error;
	}
	*queue = &pool->base;
	return 0;
}
