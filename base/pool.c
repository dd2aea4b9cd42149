/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools for commands and their data: no allocation per command once a worker is warm.
 * An idle object or buffer holds the link to the next idle one in its own first bytes.
 * Buffers are mappings, not heap blocks, so that what is beyond `keep` leaves the process at once. The first ones come
 * from one mapping, the arena, and stay: what lies there can be known to the kernel beforehand.
 */
#include "base/pool.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
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
	size_t keep;       /* bytes, of those outside the arena */
	size_t idle_bytes; /* likewise; at most `keep` */
	size_t in_use;     /* bytes */
	struct idle *in_arena[BUFFER_CLASSES];
	struct idle *mapped[BUFFER_CLASSES];
	size_t mapped_bytes[BUFFER_CLASSES]; /* idle ones; `idle_bytes` in all */
	char *arena;
	size_t arena_size, arena_used; /* bytes */
};

/* NULL when out of memory. */
static void *map_pages(size_t length)
{
	void *pages = mmap(
		NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

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
	size_t size = keep / 2 - keep / 2 % BUFFER_SIZE_MAX;

	if (!pool)
		return NULL;
	if (size > 0) {
		void *pages = map_pages(size);
		if (pages) {
			pool->arena = pages;
			pool->arena_size = size;
			memory_forbid(pages, size);
		}
	}
	pool->keep = keep - pool->arena_size;
	return pool;
}

void *buffer_pool_arena(const struct buffer_pool *pool, size_t *size)
{
	*size = pool->arena_size;
	return pool->arena;
}

static bool in_arena(const struct buffer_pool *pool, const void *buffer)
{
	return (uintptr_t)buffer - (uintptr_t)pool->arena < pool->arena_size;
}

/* The next free piece of the arena, at a multiple of its length; NULL when that is used up. */
static void *arena_take(struct buffer_pool *pool, size_t length)
{
	size_t at = (pool->arena_used + length - 1) & ~(length - 1);

	if (at + length > pool->arena_size)
		return NULL;
	pool->arena_used = at + length;
	memory_allow(pool->arena + at, length);
	return pool->arena + at;
}

/* The list's first buffer, NULL if it is empty. */
static void *list_take(struct idle **list, size_t length)
{
	struct idle *buffer = *list;

	if (buffer) {
		memory_allow(buffer, length);
		*list = buffer->next;
	}
	return buffer;
}

static void list_put(struct idle **list, void *buffer, size_t length)
{
	struct idle *idle = buffer;

	idle->next = *list;
	*list = idle;
	memory_forbid(buffer, length);
}

static void *mapped_take(struct buffer_pool *pool, unsigned class)
{
	size_t length = (size_t)BUFFER_ALIGNMENT << class;
	void *buffer = list_take(&pool->mapped[class], length);

	if (buffer) {
		pool->mapped_bytes[class] -= length;
		pool->idle_bytes -= length;
	}
	return buffer;
}

/*
 * Room for one more idle buffer of a class. What lies idle in other classes, most of all in the one that has the most,
 * belongs to work that is over, and gives way: it must not send the work of now to the kernel for each buffer.
 */
static bool make_room(struct buffer_pool *pool, unsigned class)
{
	size_t length = (size_t)BUFFER_ALIGNMENT << class;

	if (length > pool->keep)
		return false;
	while (length > pool->keep - pool->idle_bytes) {
		unsigned most = class;
		for (unsigned other = 0; other < BUFFER_CLASSES; other++)
			if (other != class && (most == class || pool->mapped_bytes[other] >
									pool->mapped_bytes[most]))
				most = other;
		if (pool->mapped_bytes[most] == 0)
			return false;
		munmap(mapped_take(pool, most), (size_t)BUFFER_ALIGNMENT << most);
	}
	return true;
}

void buffer_pool_free(struct buffer_pool *pool)
{
	if (!pool)
		return;
	assert(pool->in_use == 0);
	for (unsigned class = 0; class < BUFFER_CLASSES; class ++)
		for (void *buffer; (buffer = mapped_take(pool, class));)
			munmap(buffer, (size_t)BUFFER_ALIGNMENT << class);
	if (pool->arena) {
		memory_allow(pool->arena, pool->arena_size);
		munmap(pool->arena, pool->arena_size);
	}
	free(pool);
}

size_t buffer_room(size_t size)
{
	return (size_t)BUFFER_ALIGNMENT << class_of(size);
}

void *buffer_get(struct buffer_pool *pool, size_t size)
{
	unsigned class = class_of(size);
	size_t length = buffer_room(size);
	void *buffer = list_take(&pool->in_arena[class], length);

	if (!buffer)
		buffer = mapped_take(pool, class);
	if (!buffer)
		buffer = arena_take(pool, length);
	if (!buffer)
		buffer = map_pages(length);
	if (!buffer)
		return NULL;
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
	if (in_arena(pool, buffer)) {
		list_put(&pool->in_arena[class], buffer, length);
	} else if (make_room(pool, class)) {
		list_put(&pool->mapped[class], buffer, length);
		pool->mapped_bytes[class] += length;
		pool->idle_bytes += length;
	} else {
		munmap(buffer, length);
	}
}

size_t buffer_bytes_in_use(const struct buffer_pool *pool)
{
	return pool->in_use;
}
