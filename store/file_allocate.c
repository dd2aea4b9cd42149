/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Discards and zeroed ranges take turns. Each holds a thread of the kernel's until it is done, and the file's own lock, so
 * many at once gain nothing; on a disk that hangs they would hold all threads that a queue has, and its other disks hung too.
 */
#include "store/file.h"

#define TURNS 8u /* of one store at once, on all queues */

void file_allocate_init(struct file_store *file)
{
	pthread_mutex_init(&file->allocations.lock, NULL);
}

void file_allocate_destroy(struct file_store *file)
{
	pthread_mutex_destroy(&file->allocations.lock);
}

bool file_allocate_begin(struct file_store *file, struct store_request *request)
{
	struct file_allocations *allocations = &file->allocations;
	pthread_mutex_lock(&allocations->lock);
	bool begins = allocations->under_way < TURNS;
	if (begins)
		allocations->under_way++;
	else
		request_list_append(&allocations->waiting, request);
	pthread_mutex_unlock(&allocations->lock);
	return begins;
}

void file_allocate_ended(struct file_store *file)
{
	struct file_allocations *allocations = &file->allocations;
	pthread_mutex_lock(&allocations->lock);
	struct store_request *next = request_list_take(&allocations->waiting);
	if (!next)
		allocations->under_way--;
	pthread_mutex_unlock(&allocations->lock);
	if (next)
		store_queue_post(next, FILE_TURN);
}
