/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public face of queues: choosing one, and the mailbox by which a request comes back from a
 * thread that is not the queue's own.
 */
#include "store/queue.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct store_queue *store_queue_new(enum store_queue_kind kind, unsigned depth)
{
	struct store_queue *queue = NULL;
	if (depth == 0 || depth > STORE_QUEUE_DEPTH_MAX) {
		errno = EINVAL;
		return NULL;
	}
	int error = kind == STORE_QUEUE_THREADS ? ENOTSUP : store_uring_new(depth, &queue);
	if (error && kind != STORE_QUEUE_URING)
		error = store_threads_new(&queue);
	if (error)
		errno = error;
	return queue;
}

int store_queue_prepare(struct store_queue *queue, const struct queue_operations *operations)
{
	queue->event_fd = eventfd(0, EFD_CLOEXEC);
	if (queue->event_fd < 0)
		return errno;
	int error = pthread_mutex_init(&queue->mailbox_lock, NULL);
	if (error) {
		close(queue->event_fd);
		return error;
	}
	queue->operations = operations;
	queue->faults = -1;
	queue->fd = queue->event_fd;
	return 0;
}

void store_queue_dismantle(struct store_queue *queue)
{
	pthread_mutex_destroy(&queue->mailbox_lock);
	close(queue->event_fd);
}

void store_queue_free(struct store_queue *queue)
{
	if (!queue)
		return;
	assert(queue->under_way == 0);
	queue->operations->free(queue);
}

void store_queue_use_buffers(struct store_queue *queue, void *arena, size_t size)
{
	if (arena && queue->operations->use_buffers)
		queue->operations->use_buffers(queue, arena, size);
}

const char *store_queue_name(const struct store_queue *queue)
{
	return queue->operations->name;
}

int store_queue_fd(const struct store_queue *queue)
{
	return queue->fd;
}

void store_queue_flush(struct store_queue *queue)
{
	queue->operations->flush(queue);
}

bool store_queue_is_mine(struct store_queue *queue)
{
	if (!queue->owned) {
		queue->owner = pthread_self();
		queue->owned = true;
	}
	return pthread_equal(queue->owner, pthread_self());
}

/* Under the lock. */
static void ring_bell(struct store_queue *queue)
{
	if (queue->bell_rung)
		return;
	queue->bell_rung = true;
	eventfd_write(queue->event_fd, 1);
}

void store_queue_ring(struct store_queue *queue)
{
	pthread_mutex_lock(&queue->mailbox_lock);
	ring_bell(queue);
	pthread_mutex_unlock(&queue->mailbox_lock);
}

void store_queue_post(struct store_request *request, int result)
{
	struct store_queue *queue = request->queue;
	request->result = result;
	pthread_mutex_lock(&queue->mailbox_lock);
	request_list_append(&queue->mailbox, request);
	ring_bell(queue);
	pthread_mutex_unlock(&queue->mailbox_lock);
}

static struct request_list empty_mailbox(struct store_queue *queue)
{
	pthread_mutex_lock(&queue->mailbox_lock);
	struct request_list list = queue->mailbox;
	queue->mailbox = (struct request_list){ NULL, NULL };
	if (queue->bell_rung) {
		eventfd_t count;
		eventfd_read(queue->event_fd, &count);
		queue->bell_rung = false;
	}
	pthread_mutex_unlock(&queue->mailbox_lock);
	return list;
}

static void refill_mailbox(struct store_queue *queue, struct request_list *rest)
{
	pthread_mutex_lock(&queue->mailbox_lock);
	request_list_join(rest, &queue->mailbox);
	queue->mailbox = *rest;
	ring_bell(queue);
	pthread_mutex_unlock(&queue->mailbox_lock);
}

unsigned store_queue_reap(struct store_queue *queue, unsigned most)
{
	assert(!queue->reaping);
	bool is_mine = store_queue_is_mine(queue);
	assert(is_mine);
	(void)is_mine;
	queue->reaping = true;
	unsigned done = 0;
	unsigned left = most;
	/* Taken whole: what is posted from now on waits for the next call, or this one might not
	 * end. */
	struct request_list list = empty_mailbox(queue);
	while (left && list.first) {
		struct store_request *request = request_list_take(&list);
		left--;
		done += store_continue(request, request->result);
	}
	if (list.first)
		refill_mailbox(queue, &list);
	if (left && queue->operations->reap)
		done += queue->operations->reap(queue, left);
	queue->reaping = false;
	return done;
}
