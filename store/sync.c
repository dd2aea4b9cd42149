/* SPDX-License-Identifier: BSD-2-Clause */
/* A flush that waits: the ordinary road of FLUSH, on a queue of its own for the time of the call. */
#include "store/store.h"

#include <poll.h>

struct waiting {
	struct store_request request; /* first: `done` gets a pointer to it */
	bool done;
};

static void sync_done(struct store_request *request)
{
	((struct waiting *)request)->done = true;
}

enum store_error store_sync(struct store *store)
{
	struct waiting waiting = { .request = { .op = STORE_FLUSH, .done = sync_done } };
	struct store_queue *queue = store_queue_new(STORE_QUEUE_THREADS, 1);

	if (!queue)
		return STORE_WRITE_FAILED;
	waiting.done = store_submit(store, queue, &waiting.request) == STORE_DONE;
	while (!waiting.done) {
		struct pollfd ready = { .fd = store_queue_fd(queue), .events = POLLIN };
		/* Each time: a reap may prepare the next step, as the sync that somebody else's was waited for. */
		store_queue_flush(queue);
		poll(&ready, 1, -1);
		store_queue_reap(queue, 1);
	}
	store_queue_free(queue);
	return waiting.request.error;
}
