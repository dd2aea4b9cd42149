/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads of a file that need no copy: it is mapped, and what the page cache holds is sent from the mapping. A page that
 * is not there would make the sender wait in the kernel, and to ask for each (mincore(2)) costs more than to read a
 * small one. So what is asked is whether a whole chunk is there, of chunks that are read again and again, and the
 * answer is believed for some seconds; store_viewed() sees to it that a wrong one does no more harm than once.
 */
#include "store/file.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CHUNK  (64u << 10)
#define PAGES  (CHUNK / 4096u) /* at most, of a chunk */
#define FRESH  8u              /* seconds that a chunk that is there is believed to stay */
#define ABSENT 1u              /* likewise, that one that is not is not */

/* What is known of a chunk; the second of that stands above it. */
enum knowledge { UNKNOWN, TOUCHED, MISSING, RESIDENT };
#define KNOWLEDGE 3u

struct file_map {
	struct file_map *smaller; /* before the file grew; somebody may still send from it */
	uint64_t size;            /* bytes */
	uint8_t *bytes;
	_Atomic uint32_t *chunks; /* second << 2 | knowledge */
	size_t chunks_size;       /* bytes */
};

static void map_free(struct file_map *map)
{
	if (!map)
		return;
	if (map->bytes != MAP_FAILED)
		munmap(map->bytes, (size_t)map->size);
	if ((void *)map->chunks != MAP_FAILED)
		munmap((void *)map->chunks, map->chunks_size);
	free(map);
}

/* NULL where it cannot be had: reads are then copied. */
static struct file_map *map_new(int fd, uint64_t size)
{
	struct file_map *map = calloc(1, sizeof *map);
	if (!map)
		return NULL;
	map->size = size;
	map->chunks_size = (size_t)(size / CHUNK + 1) * sizeof *map->chunks;
	map->bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	/* Takes memory only for what is touched. */
	map->chunks = mmap(NULL, map->chunks_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map->bytes == MAP_FAILED || (void *)map->chunks == MAP_FAILED) {
		map_free(map);
		return NULL;
	}
	/* A core dump of the daemon is no place for a disk. */
	madvise(map->bytes, (size_t)size, MADV_DONTDUMP);
	return map;
}

/* To who may neither own nor write the file, the kernel does not tell what is cached, but says that all is. */
static bool may_ask(const struct file_store *file, const struct stat *status)
{
	return !file->base.info.read_only || status->st_uid == geteuid() || geteuid() == 0;
}

void file_view_grow(struct file_store *file, uint64_t size)
{
	struct file_map *before = atomic_load(&file->map);
	struct file_map *map = before && before->size < size ? map_new(file->fd, size) : NULL;
	if (!map)
		return;
	map->smaller = before;
	atomic_store(&file->map, map);
}

void file_view_open(struct file_store *file, const struct stat *status)
{
	if ((file->nowait || file->in_memory) && !file->base.info.direct && may_ask(file, status))
		atomic_store(&file->map, map_new(file->fd, file->base.info.size));
}

void file_view_close(struct file_store *file)
{
	struct file_map *map = atomic_load(&file->map);
	while (map) {
		struct file_map *smaller = map->smaller;
		map_free(map);
		map = smaller;
	}
}

/* Asks the kernel whether all of the chunk is in the page cache. */
static bool is_cached(const struct file_map *map, uint64_t chunk)
{
	unsigned char pages[PAGES];
	const uint64_t at = chunk * CHUNK, left = map->size - at;
	const size_t length = left < CHUNK ? (size_t)left : CHUNK;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	if (mincore(map->bytes + at, length, pages))
		return false;
	for (size_t i = 0; i < (length + page - 1) / page; i++)
		if (!(pages[i] & 1))
			return false;
	return true;
}

/* Whether the chunk is believed to be there; `whole`: worth a question at its first sight. */
static bool is_resident(struct file_map *map, uint64_t chunk, bool whole, uint32_t now)
{
	const uint32_t known = atomic_load_explicit(&map->chunks[chunk], memory_order_relaxed);
	const uint32_t age = now - (known >> 2);
	enum knowledge what = known & KNOWLEDGE;
	if (what == RESIDENT && age < FRESH)
		return true;
	if (what == MISSING && age < ABSENT)
		return false;
	if (what != UNKNOWN && age < 2 * FRESH)
		whole = true;
	what = !whole ? TOUCHED : is_cached(map, chunk) ? RESIDENT : MISSING;
	atomic_store_explicit(&map->chunks[chunk], now << 2 | what, memory_order_relaxed);
	return what == RESIDENT;
}

static uint32_t now_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)now.tv_sec;
}

const void *file_view(struct store *store, uint64_t offset, uint64_t length)
{
	struct file_map *map = atomic_load_explicit(&file_of(store)->map, memory_order_acquire);
	const uint32_t now = now_seconds();
	if (!map || length > map->size || offset > map->size - length)
		return NULL;
	for (uint64_t chunk = offset / CHUNK; chunk <= (offset + length - 1) / CHUNK; chunk++)
		if (!is_resident(map, chunk, length >= CHUNK, now))
			return NULL;
	return map->bytes + offset;
}
