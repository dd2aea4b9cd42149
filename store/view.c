/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending from where the data lies, the part that all kinds share. Whether bytes are in memory is known only as of a
 * moment ago. Where that was wrong the thread has waited in the kernel for a device, and all its connections with it;
 * so what was sent is looked at afterwards, and one such wait makes the thread read as if there were no views, for
 * many times as long as it took.
 */
#include "store/queue.h"

#include <sys/resource.h>

#define SLOW  2000000u /* ns: a system call that took longer may have met a device */
#define PAUSE 50u      /* times the slow one's time: at most 1/51 of a worker is lost */
#define PAUSE_FAILED                                                                               \
	UINT64_C(60000000000) /* ns: until then somebody has read it, and knows what is wrong */

/*
 * Monotonic ns: a view could not be read, so none before, on whatever queue: whose it was is not known, and the next
 * attempt may come by another thread.
 */
static _Atomic uint64_t failed_until;

static bool is_pausing(const struct store_queue *queue)
{
	uint64_t until = atomic_load_explicit(&failed_until, memory_order_relaxed);
	if (until < queue->views_after)
		until = queue->views_after;
	return until && store_clock_ns() < until;
}

const void *store_view(
	struct store *store, struct store_queue *queue, uint64_t offset, uint64_t length)
{
	store_assert_range(&store->info, offset, length);
	if (!store->operations->view || is_pausing(queue))
		return NULL;
	return store->operations->view(store, offset, length);
}

bool store_read_now(struct store *store, uint64_t offset, uint64_t length, void *buffer)
{
	store_assert_range(&store->info, offset, length);
	return store->operations->read_now &&
	       store->operations->read_now(store, offset, length, buffer);
}

/* Whether the thread has had to wait for a page since it was last asked. */
static bool has_faulted(struct store_queue *queue)
{
	struct rusage usage = { .ru_majflt = 0 };
	getrusage(RUSAGE_THREAD, &usage);
	const bool faulted = queue->faults >= 0 && usage.ru_majflt != queue->faults;
	queue->faults = usage.ru_majflt;
	return faulted;
}

void store_viewed(struct store_queue *queue, uint64_t took_ns, bool failed)
{
	if (failed)
		atomic_store(&failed_until, store_clock_ns() + PAUSE_FAILED);
	else if ((took_ns > SLOW || queue->faults < 0) && has_faulted(queue))
		queue->views_after = store_clock_ns() + PAUSE * took_ns;
}
