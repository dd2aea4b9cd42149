/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store of the device server's tests. It aborts on any breach of the contract of store.h, as
 * the real one does.
 */
#include "tests/proto/scsi/fake_store.h"

#include "base/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct store *fake_store_new(uint64_t size, uint32_t block_size)
{
	struct store *store = calloc(1, sizeof(*store));

	assert(store);
	store->bytes = calloc(1, size);
	assert(store->bytes);
	store->info = (struct store_info){
		.size = size,
		.block_size = block_size,
		.volatile_cache = true,
		.can_discard = true,
		.discard_granularity = 4096,
	};
	return store;
}

void fake_store_free(struct store *store)
{
	assert(!store->waiting);
	free(store->bytes);
	free(store);
}

const struct store_info *store_info(const struct store *store)
{
	return &store->info;
}

static void check_contract(const struct store *store, const struct store_request *request)
{
	bool has_data = request->op == STORE_READ || request->op == STORE_WRITE;

	assert(request->done);
	if (request->op == STORE_FLUSH)
		return;
	assert(request->length > 0);
	assert(request->length % store->info.block_size == 0);
	assert(request->offset % store->info.block_size == 0);
	assert(request->offset <= store->info.size);
	assert(request->length <= store->info.size - request->offset);
	assert(!has_data || request->length <= BUFFER_SIZE_MAX);
	assert(!has_data || request->buffer);
	assert(!request->lent || request->op == STORE_WRITE);
	assert(!has_data || !store->info.direct ||
		(uintptr_t)request->buffer % BUFFER_ALIGNMENT == 0);
}

static bool block_is_zero(const struct store *store, uint64_t offset)
{
	static const uint8_t zeros[4096];

	return memcmp(store->bytes + offset, zeros, store->info.block_size) == 0;
}

/* A block of zeros is one that is not there. */
static void find_extent(const struct store *store, struct store_request *request)
{
	uint64_t most = store->extent_max ? store->extent_max : UINT64_MAX;

	request->mapped = !block_is_zero(store, request->offset);
	request->extent = 0;
	do
		request->extent += store->info.block_size;
	while (request->extent < request->length && request->extent < most &&
		block_is_zero(store, request->offset + request->extent) == !request->mapped);
}

static void perform(struct store *store, struct store_request *request)
{
	request->error = STORE_OK;
	if (store->fail_with != STORE_OK) {
		if (store->fail_after == 0) {
			request->error = store->fail_with;
			store->fail_with = STORE_OK;
			return;
		}
		store->fail_after--;
	}
	switch (request->op) {
	case STORE_READ:
		memcpy(request->buffer, store->bytes + request->offset, request->length);
		break;
	case STORE_WRITE:
		memcpy(store->bytes + request->offset,
			request->lent ? request->lent : request->buffer, request->length);
		break;
	case STORE_DISCARD:
	case STORE_ZERO:
		memset(store->bytes + request->offset, 0, request->length);
		break;
	case STORE_EXTENT:
		find_extent(store, request);
		break;
	case STORE_FLUSH:
		break;
	}
}

enum store_answer store_submit(
	struct store *store, struct store_queue *queue, struct store_request *request)
{
	(void)queue;
	check_contract(store, request);
	if (store->requests < FAKE_LOG_SIZE)
		store->log[store->requests] = (struct fake_request){
			.op = request->op,
			.flags = request->flags,
			.offset = request->offset,
			.length = request->length,
		};
	store->requests++;
	if (store->later) {
		if (request->lent)
			memcpy(request->buffer, request->lent, request->length);
		request->lent = NULL;
		request->next = store->waiting;
		store->waiting = request;
		return STORE_PENDING;
	}
	perform(store, request);
	request->lent = NULL;
	return STORE_DONE;
}

const void *store_view(
	struct store *store, struct store_queue *queue, uint64_t offset, uint64_t length)
{
	(void)queue;
	assert(length > 0 && length % store->info.block_size == 0);
	assert(offset % store->info.block_size == 0);
	assert(offset <= store->info.size && length <= store->info.size - offset);
	return store->views ? store->bytes + offset : NULL;
}

bool store_read_now(struct store *store, uint64_t offset, uint64_t length, void *buffer)
{
	assert(length > 0 && length % store->info.block_size == 0);
	assert(offset % store->info.block_size == 0);
	assert(offset <= store->info.size && length <= store->info.size - offset);
	if (store->views)
		memcpy(buffer, store->bytes + offset, length);
	return store->views;
}

unsigned fake_store_reap(struct store *store)
{
	struct store_request *request = store->waiting;
	unsigned count = 0;

	store->waiting = NULL;
	while (request) {
		struct store_request *next = request->next;

		perform(store, request);
		request->done(request);
		request = next;
		count++;
	}
	return count;
}
