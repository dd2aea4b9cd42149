/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator for secrets (doc/architecture.md K8). The C library's heap can neither be kept out of core
 * dumps nor be trusted to wipe, so blocks are cut from mappings of our own: sizes are powers of
 * two, each with a list of idle blocks; a request larger than the largest class gets a mapping to
 * itself. Chunks are never given back: what was needed once will be needed again.
 */
#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sanitize.h"

#define CLASS_MIN_SHIFT 5u  /* 32 bytes, header included */
#define CLASS_MAX_SHIFT 15u /* 32 KiB */
#define CLASS_COUNT     (CLASS_MAX_SHIFT - CLASS_MIN_SHIFT + 1)
#define CHUNK_SIZE      ((size_t)256 << 10)

/* Stands before each block. The owner's bytes are all zero while the block is idle. */
struct block {
	size_t capacity; /* bytes for the owner */
	struct block
		*next; /* idle: the next of its class; in use: itself, so a second free shows */
	_Alignas(16) unsigned char bytes[];
};

static struct {
	pthread_mutex_t lock;
	struct block *idle[CLASS_COUNT];
	unsigned char *fresh; /* the part of the newest chunk not cut yet */
	size_t fresh_left;
	size_t in_use; /* blocks */
} arena = { .lock = PTHREAD_MUTEX_INITIALIZER };

void secret_wipe(void *memory, size_t length)
{
	if (length)
		explicit_bzero(memory, length);
}

bool secret_equal(const void *a, size_t a_length, const void *b, size_t b_length)
{
	/* volatile: the compiler may not leave the loop at the first difference. */
	const volatile unsigned char *left = a;
	const volatile unsigned char *right = b;
	volatile unsigned char difference = 0;

	if (a_length != b_length)
		return false;
	for (size_t i = 0; i < a_length; i++)
		difference |= left[i] ^ right[i];
	return difference == 0;
}

/* Zeroed pages outside core dumps, or NULL. Memory that would be dumped is no memory here. */
static void *map_pages(size_t length)
{
	void *pages = mmap(
		NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	if (madvise(pages, length, MADV_DONTDUMP) != 0) {
		munmap(pages, length);
		errno = ENOMEM;
		return NULL;
	}
	/* The limit on locked memory is the administrator's; beyond it secrets may be swapped. */
	int before = errno;
	(void)mlock(pages, length);
	errno = before;
	memory_root_add(pages, length);
	return pages;
}

static struct block *block_of(void *memory)
{
	struct block *block = (struct block *)((unsigned char *)memory - sizeof(struct block));

	assert(block->next == block);
	return block;
}

static bool is_large(size_t capacity)
{
	return capacity > ((size_t)1 << CLASS_MAX_SHIFT) - sizeof(struct block);
}

/* The smallest class whose blocks have `size` bytes for the owner. */
static unsigned class_of(size_t size)
{
	unsigned class = 0;

	while (((size_t)1 << (CLASS_MIN_SHIFT + class)) - sizeof(struct block) < size)
		class ++;
	return class;
}

static struct block *take_large(size_t size)
{
	const size_t page = 4096;
	struct block *block;

	if (size > PTRDIFF_MAX - sizeof(*block) - page) {
		errno = ENOMEM;
		return NULL;
	}
	size_t length = (size + sizeof(*block) + page - 1) / page * page;
	block = map_pages(length);
	if (block)
		block->capacity = length - sizeof(*block);
	return block;
}

/* The lock is held. */
static struct block *take_small(unsigned class)
{
	size_t length = (size_t)1 << (CLASS_MIN_SHIFT + class);
	struct block *block = arena.idle[class];

	if (block) {
		arena.idle[class] = block->next;
		memory_allow(block->bytes, block->capacity);
		return block;
	}
	if (arena.fresh_left < length) {
		unsigned char *chunk = map_pages(CHUNK_SIZE);
		if (!chunk)
			return NULL;
		arena.fresh = chunk;
		arena.fresh_left = CHUNK_SIZE;
	}
	block = (struct block *)(void *)arena.fresh;
	arena.fresh += length;
	arena.fresh_left -= length;
	block->capacity = length - sizeof(*block);
	return block;
}

void *secret_malloc(size_t size)
{
	struct block *block;

	pthread_mutex_lock(&arena.lock);
	block = is_large(size) ? take_large(size) : take_small(class_of(size));
	if (block) {
		block->next = block;
		arena.in_use++;
	}
	pthread_mutex_unlock(&arena.lock);
	return block ? block->bytes : NULL;
}

void secret_free(void *memory)
{
	if (!memory)
		return;
	struct block *block = block_of(memory);
	secret_wipe(block->bytes, block->capacity);
	pthread_mutex_lock(&arena.lock);
	arena.in_use--;
	if (is_large(block->capacity)) {
		size_t length = block->capacity + sizeof(*block);
		memory_root_drop(block, length);
		munmap(block, length);
	} else {
		unsigned class = class_of(block->capacity);
		block->next = arena.idle[class];
		arena.idle[class] = block;
		memory_forbid(block->bytes, block->capacity);
	}
	pthread_mutex_unlock(&arena.lock);
}

void *secret_realloc(void *memory, size_t size)
{
	if (!memory)
		return secret_malloc(size);
	if (size == 0) {
		secret_free(memory);
		return NULL;
	}
	struct block *block = block_of(memory);
	if (size <= block->capacity) {
		secret_wipe(block->bytes + size, block->capacity - size);
		return memory;
	}
	void *larger = secret_malloc(size);
	if (!larger)
		return NULL;
	memcpy(larger, memory, block->capacity);
	secret_free(memory);
	return larger;
}

size_t secret_in_use(void)
{
	pthread_mutex_lock(&arena.lock);
	size_t in_use = arena.in_use;
	pthread_mutex_unlock(&arena.lock);
	return in_use;
}
