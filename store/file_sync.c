/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One sync for many. While one is under way, whoever else wants what it has written to be stable waits for the
 * next one, which begins later and serves all that have come meanwhile, from whatever worker.
 */
#include "store/file.h"

void file_sync_init(struct file_store *file)
{
	pthread_mutex_init(&file->sync.lock, NULL);
}

void file_sync_destroy(struct file_store *file)
{
	pthread_mutex_destroy(&file->sync.lock);
}

bool file_sync_lead(struct file_store *file, struct store_request *request)
{
	struct file_sync *sync = &file->sync;
	pthread_mutex_lock(&sync->lock);
	bool leads = !atomic_load_explicit(&sync->began, memory_order_relaxed);
	if (leads)
		atomic_store_explicit(&sync->began, store_clock_ns(), memory_order_relaxed);
	else if (request)
		request_list_append(&sync->waiting, request);
	pthread_mutex_unlock(&sync->lock);
	return leads;
}

void file_sync_ended(struct file_store *file, int result)
{
	struct file_sync *sync = &file->sync;
	pthread_mutex_lock(&sync->lock);
	struct request_list served = sync->covered;
	struct store_request *leader = request_list_take(&sync->waiting);
	sync->covered = sync->waiting;
	sync->waiting = (struct request_list){ NULL, NULL };
	atomic_store_explicit(&sync->began, leader ? store_clock_ns() : 0, memory_order_relaxed);
	pthread_mutex_unlock(&sync->lock);
	for (struct store_request *one; (one = request_list_take(&served));)
		store_queue_post(one, result);
	if (leader)
		store_queue_post(leader, FILE_SYNC_LEAD);
}
