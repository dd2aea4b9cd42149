/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools for commands and their data: no allocation per command once a worker is warm.
 * An idle object or buffer holds the link to the next idle one in its own first bytes.
 * Buffers are mappings, not heap blocks, so that what is beyond `keep` leaves the process at once.
 */
#include "base/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sanitize.h"

#define BUFFER_CLASSES 11u /* 4 KiB << 0 .. 4 KiB << 10 */

_Static_assert(
	BUFFER_ALIGNMENT << (BUFFER_CLASSES - 1) == BUFFER_SIZE_MAX, "classes end at the maximum");

struct idle {
	struct idle *next;
};

struct pool {
	size_t size;
	size_t keep;
	size_t idle_count;
	size_t in_use;
	struct idle *idle;
};

struct pool *pool_new(size_t size, size_t keep)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->size = size < sizeof(struct idle) ? sizeof(struct idle) : size;
	pool->keep = keep;
	return pool;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	assert(pool->in_use == 0);
	while (pool->idle) {
		struct idle *object = pool->idle;
		memory_allow(object, pool->size);
		pool->idle = object->next;
		free(object);
	}
	free(pool);
}

void *pool_get(struct pool *pool)
{
	struct idle *object = pool->idle;

	if (object) {
		memory_allow(object, pool->size);
		pool->idle = object->next;
		pool->idle_count--;
		memset(object, 0, pool->size);
	} else {
		object = calloc(1, pool->size);
		if (!object)
			return NULL;
	}
	pool->in_use++;
	return object;
}

void pool_put(struct pool *pool, void *object)
{
	if (!object)
		return;
	assert(pool->in_use > 0);
	pool->in_use--;
	if (pool->idle_count >= pool->keep) {
		free(object);
		return;
	}
	struct idle *idle = object;
	idle->next = pool->idle;
	pool->idle = idle;
	pool->idle_count++;
	memory_forbid(object, pool->size);
}

size_t pool_in_use(const struct pool *pool)
{
	return pool->in_use;
}

struct buffer_pool {
	size_t keep;       /* bytes */
	size_t idle_bytes; /* at most `keep` */
	size_t in_use;     /* bytes */
	struct idle *idle[BUFFER_CLASSES];
};

static unsigned class_of(size_t size)
{
	unsigned class = 0;

	assert(size >= 1 && size <= BUFFER_SIZE_MAX);
	while ((size_t)BUFFER_ALIGNMENT << class < size)
		class ++;
	return class;
}

struct buffer_pool *buffer_pool_new(size_t keep)
{
	struct buffer_pool *pool = calloc(1, sizeof(*pool));

	if (pool)
		pool->keep = keep;
	return pool;
}

void buffer_pool_free(struct buffer_pool *pool)
{
	if (!pool)
		return;
	assert(pool->in_use == 0);
	for (unsigned class = 0; class < BUFFER_CLASSES; class ++) {
		size_t length = (size_t)BUFFER_ALIGNMENT << class;
		while (pool->idle[class]) {
			struct idle *buffer = pool->idle[class];
			memory_allow(buffer, length);
			pool->idle[class] = buffer->next;
			munmap(buffer, length);
		}
	}
	free(pool);
}

void *buffer_get(struct buffer_pool *pool, size_t size)
{
	unsigned class = class_of(size);
	size_t length = (size_t)BUFFER_ALIGNMENT << class;
	struct idle *buffer = pool->idle[class];

	if (buffer) {
		memory_allow(buffer, length);
		pool->idle[class] = buffer->next;
		pool->idle_bytes -= length;
	} else {
		void *pages = mmap(
			NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (pages == MAP_FAILED)
			return NULL;
		buffer = pages;
	}
	pool->in_use += length;
	memory_forbid((char *)buffer + size, length - size);
	return buffer;
}

void buffer_put(struct buffer_pool *pool, void *buffer, size_t size)
{
	if (!buffer)
		return;
	unsigned class = class_of(size);
	size_t length = (size_t)BUFFER_ALIGNMENT << class;

	assert(pool->in_use >= length);
	pool->in_use -= length;
	memory_allow(buffer, length);
	if (length > pool->keep - pool->idle_bytes) {
		munmap(buffer, length);
		return;
	}
	struct idle *idle = buffer;
	idle->next = pool->idle[class];
	pool->idle[class] = idle;
	pool->idle_bytes += length;
	memory_forbid(buffer, length);
}

size_t buffer_bytes_in_use(const struct buffer_pool *pool)
{
	return pool->in_use;
}
