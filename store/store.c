/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wrapper around the kinds of stores: checks the contract on both sides, so that a kind may
 * trust its caller and the caller its kind. What it refuses by assertion no byte from outside can
 * reach: the device server has judged every command before.
 */
#include "store/store.h"
#include "store/operations.h"
#include "store/queue.h"
#include "base/pool.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SHOWN 120 /* of a path in an error line, so that the reason always fits */

bool store_explain(char error[STORE_ERROR_SIZE], const char *path, const char *format, ...)
{
	size_t length = strlen(path);
	bool whole = length <= PATH_SHOWN;
	int used = snprintf(error, STORE_ERROR_SIZE, "%s%s: ", whole ? "" : "...",
		whole ? path : path + length - PATH_SHOWN);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error + used, STORE_ERROR_SIZE - (size_t)used, format, arguments);
	va_end(arguments);
	return false;
}

static bool config_ok(const struct store_config *config, char *error)
{
	uint32_t block = config->block_size;
	if (!config->path || !*config->path)
		return store_explain(error, "\"\"", "is no path of a file or block device");
	if (block != 512 && block != 1024 && block != 2048 && block != 4096)
		return store_explain(error, config->path,
			"block_size is %u, expected 512, 1024, 2048 or 4096", block);
	if (config->size % block)
		return store_explain(error, config->path,
			"size is %llu bytes, expected a multiple of the block_size of %u",
			(unsigned long long)config->size, block);
	if (config->size > INT64_MAX)
		return store_explain(error, config->path,
			"size is %llu bytes, larger than any file can be",
			(unsigned long long)config->size);
	return true;
}

static const struct store_operations *kind_of(const char *path)
{
	for (const struct store_operations *const *kind = store_kinds; *kind; kind++)
		if ((*kind)->matches(path))
			return *kind;
	return NULL;
}

static void assert_info(const struct store_info *info, const struct store_config *config)
{
	assert(info->block_size == config->block_size);
	assert(info->size > 0 && info->size <= INT64_MAX);
	assert(info->size % info->block_size == 0);
	assert(info->read_only == config->read_only);
	assert(!info->can_discard || info->discard_granularity >= info->block_size);
}

struct store *store_open(const struct store_config *config, char error[STORE_ERROR_SIZE])
{
	if (!config_ok(config, error))
		return NULL;
	const struct store_operations *operations = kind_of(config->path);
	if (!operations) {
		store_explain(error, config->path, "is no path that any kind of store knows");
		return NULL;
	}
	size_t unit = _Alignof(struct store);
	size_t size = (operations->size + unit - 1) / unit * unit;
	struct store *store = aligned_alloc(unit, size);
	if (!store) {
		store_explain(error, config->path, "no memory is left to open it");
		return NULL;
	}
	memset(store, 0, size);
	store->operations = operations;
	if (!operations->open(store, config, error)) {
		free(store);
		return NULL;
	}
	assert_info(&store->info, config);
	return store;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	assert(atomic_load(&store->under_way) == 0);
	store->operations->close(store);
	free(store);
}

void store_abandon(struct store *store, const char *path)
{
	/* Before the lock goes with it: from then on the file may be somebody's. */
	if (store && store->info.created)
		unlink(path);
	store_close(store);
}

/* Whether a size could be one of this store's, as far as that does not depend on its kind. */
static bool size_is_possible(const struct store *store, uint64_t size, char error[STORE_ERROR_SIZE])
{
	uint64_t now = store->info.size;

	if (size % store->info.block_size || size > INT64_MAX)
		snprintf(error, STORE_ERROR_SIZE,
			"size is %llu bytes, expected a multiple of the block_size of %u",
			(unsigned long long)size, store->info.block_size);
	else if (size < now)
		snprintf(error, STORE_ERROR_SIZE,
			"size is %llu bytes, expected at least the %llu that it has",
			(unsigned long long)size, (unsigned long long)now);
	else if (!store->operations->grow)
		snprintf(error, STORE_ERROR_SIZE, "a store of the kind \"%s\" cannot grow",
			store->operations->kind);
	else
		return true;
	return false;
}

bool store_may_grow(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE])
{
	return size_is_possible(store, size, error) &&
	       store->operations->may_grow(store, size, error);
}

bool store_grow(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE])
{
	if (!size_is_possible(store, size, error) || !store->operations->grow(store, size, error))
		return false;
	store->info.size = size;
	return true;
}

bool store_may_reopen(
	const struct store *store, const char *path, bool read_only, char error[STORE_ERROR_SIZE])
{
	return !store->operations->may_reopen ||
	       store->operations->may_reopen(store, path, read_only, error);
}

const struct store_info *store_info(const struct store *store)
{
	return &store->info;
}

uint64_t store_identity(const struct store *store)
{
	return store->identity;
}

void store_assert_range(const struct store_info *info, uint64_t offset, uint64_t length)
{
	assert(length > 0);
	assert(length % info->block_size == 0);
	assert(offset % info->block_size == 0);
	assert(offset <= info->size);
	assert(length <= info->size - offset);
	(void)info, (void)offset, (void)length;
}

static void assert_request(const struct store_info *info, const struct store_request *request)
{
	assert(request->op <= STORE_EXTENT);
	assert((request->flags & ~(STORE_FUA | STORE_PATIENT)) == 0);
	assert(request->done);
	assert(!request->lent || request->op == STORE_WRITE);
	if (request->op == STORE_FLUSH)
		return;
	store_assert_range(info, request->offset, request->length);
	if (request->op == STORE_READ || request->op == STORE_WRITE) {
		assert(request->length <= BUFFER_SIZE_MAX);
		assert(request->buffer);
		assert(!info->direct || (uintptr_t)request->buffer % BUFFER_ALIGNMENT == 0);
	}
}

static void assert_outcome(const struct store_request *request)
{
	assert(request->error <= STORE_OK && request->error >= STORE_WRITE_REFUSED);
	if (request->op != STORE_EXTENT || request->error != STORE_OK)
		return;
	assert(request->extent > 0 && request->extent <= request->length);
	assert(request->extent % request->store->info.block_size == 0);
}

/* What waits must not depend on bytes that the caller is about to use again. */
static void keep_data(struct store_request *request)
{
	if (request->lent)
		memcpy(request->buffer, request->lent, (size_t)request->length);
	request->lent = NULL;
}

enum store_answer store_submit(
	struct store *store, struct store_queue *queue, struct store_request *request)
{
	assert_request(&store->info, request);
	assert(!request->store); /* under way already, or memory that did not start zeroed */
	bool is_mine = store_queue_is_mine(queue);
	assert(is_mine);
	(void)is_mine;
	if (store->info.read_only && request->op != STORE_READ && request->op != STORE_EXTENT) {
		request->error = request->op == STORE_FLUSH ? STORE_OK : STORE_WRITE_REFUSED;
		request->lent = NULL;
		return STORE_DONE;
	}
	request->store = store;
	request->queue = queue;
	request->step = 0;
	request->progress = 0;
	enum store_step step = store->operations->submit(request);
	if (step == STORE_STEP_FINISHED) {
		assert_outcome(request);
		request->lent = NULL;
		request->store = NULL;
		return STORE_DONE;
	}
	keep_data(request);
	queue->under_way++;
	atomic_fetch_add_explicit(&store->under_way, 1, memory_order_relaxed);
	if (step == STORE_STEP_IO)
		queue->operations->start(queue, request);
	return STORE_PENDING;
}

bool store_continue(struct store_request *request, int result)
{
	struct store *store = request->store;
	struct store_queue *queue = request->queue;
	assert(store); /* done already */
	enum store_step step = store->operations->advance(request, result);
	if (step == STORE_STEP_IO)
		queue->operations->start(queue, request);
	if (step != STORE_STEP_FINISHED)
		return false;
	assert_outcome(request);
	assert(queue->under_way > 0);
	queue->under_way--;
	atomic_fetch_sub_explicit(&store->under_way, 1, memory_order_release);
	request->store = NULL;
	request->done(request);
	return true;
}
