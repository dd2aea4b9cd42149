/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads of a file that need no copy: it is mapped, and what the page cache holds is sent from the mapping. A page that
 * is not there would make the sender wait in the kernel, and to ask for each (mincore(2)) costs more than to read a
 * small one. So what is asked is whether a whole chunk is there, of chunks that are read again and again, and the
 * answer is believed for some seconds; store_viewed() sees to it that a wrong one does no more harm than once.
 *
 * Each page that was sent leaves an entry in the process's page tables, which nobody takes back while it is mapped: 2 MiB
 * of them for each GiB. So a file is lent in regions, of which a bounded number takes part at a time, and one that
 * goes is mapped anew.
 */
#include "store/file.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK  (64u << 10)
#define PAGES  (CHUNK / 4096u) /* at most, of a chunk */
#define FRESH  8u              /* seconds that a chunk that is there is believed to stay */
#define ABSENT 1u              /* likewise, that one that is not is not */

#define REGION  (64u << 20)
#define REGIONS 128u /* of one file: 8 GiB, and 16 MiB of page tables */
#define STAY    1u   /* seconds between two that have to go, which takes about a millisecond */

/* What is known of a chunk; the second of that stands above it. */
enum knowledge { UNKNOWN, TOUCHED, MISSING, RESIDENT };
#define KNOWLEDGE 3u

struct file_map {
	struct file_map *smaller; /* before the file grew; somebody may still send from it */
	uint64_t size;            /* bytes */
	uint8_t *bytes;
	_Atomic uint32_t *chunks; /* second << 2 | knowledge */
	size_t chunks_size;       /* bytes */
	int fd;
	bool is_file; /* not a device: somebody may make it shorter */

	atomic_bool *taking_part; /* by region */
	pthread_mutex_t lock;     /* guards the rest */
	uint32_t ring[REGIONS];   /* those that take part, in the order in which they came */
	uint32_t came;            /* since the beginning */
	uint32_t went_at;         /* second of the last one that had to go */
	atomic_bool broken;       /* a part could not be mapped anew: nothing is lent any more */
};

static void map_free(struct file_map *map)
{
	if (!map)
		return;
	if (map->bytes != MAP_FAILED)
		munmap(map->bytes, (size_t)map->size);
	if ((void *)map->chunks != MAP_FAILED)
		munmap((void *)map->chunks, map->chunks_size);
	pthread_mutex_destroy(&map->lock);
	free((void *)map->taking_part);
	free(map);
}

/* A part of the file at its place; what was mapped there is exchanged in one step. */
static void *map_part(const struct file_map *map, void *at, uint64_t offset, uint64_t length)
{
	void *bytes = mmap(at, (size_t)length, PROT_READ, MAP_SHARED | (at ? MAP_FIXED : 0),
		map->fd, (off_t)offset);
	/* A core dump of the daemon is no place for a disk. */
	if (bytes != MAP_FAILED)
		madvise(bytes, (size_t)length, MADV_DONTDUMP);
	return bytes;
}

/* NULL where it cannot be had: reads are then copied. */
static struct file_map *map_new(int fd, bool is_file, uint64_t size)
{
	struct file_map *map = calloc(1, sizeof *map);
	if (!map)
		return NULL;
	pthread_mutex_init(&map->lock, NULL);
	map->fd = fd;
	map->is_file = is_file;
	map->size = size;
	map->taking_part = calloc((size_t)(size / REGION + 1), sizeof *map->taking_part);
	map->bytes = map_part(map, NULL, 0, size);
	/* Takes memory only for what is touched. */
	map->chunks_size = (size_t)(size / CHUNK + 1) * sizeof *map->chunks;
	map->chunks = mmap(NULL, map->chunks_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!map->taking_part || map->bytes == MAP_FAILED || (void *)map->chunks == MAP_FAILED) {
		map_free(map);
		return NULL;
	}
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
	struct file_map *map = before && before->size < size
				       ? map_new(file->fd, before->is_file, size)
				       : NULL;
	if (!map)
		return;
	map->smaller = before;
	atomic_store(&file->map, map);
}

void file_view_open(struct file_store *file, const struct stat *status)
{
	if ((file->nowait || file->in_memory) && !file->base.info.direct && may_ask(file, status))
		atomic_store(&file->map,
			map_new(file->fd, S_ISREG(status->st_mode), file->base.info.size));
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

/* Asks the kernel whether all of the chunk is in the page cache; the last page is, also behind the end of the file. */
static bool is_cached(const struct file_map *map, uint64_t chunk)
{
	unsigned char pages[PAGES];
	const uint64_t at = chunk * CHUNK, left = map->size - at;
	const size_t length = left < CHUNK ? (size_t)left : CHUNK;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct stat status;
	if (map->is_file && (fstat(map->fd, &status) || (uint64_t)status.st_size < at + length))
		return false;
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

/* The region that came first goes, if the last one went long enough ago. Under the lock. */
static bool one_goes(struct file_map *map, uint32_t now)
{
	const uint32_t first = map->ring[map->came % REGIONS];
	const uint64_t at = (uint64_t)first * REGION, left = map->size - at;
	if (now - map->went_at < STAY)
		return false;
	map->went_at = now;
	atomic_store_explicit(&map->taking_part[first], false, memory_order_relaxed);
	/* What is queued of it is sent all the same. */
	if (map_part(map, map->bytes + at, at, left < REGION ? left : REGION) == MAP_FAILED)
		atomic_store(&map->broken, true);
	return !atomic_load(&map->broken);
}

/* Whether the region takes part, from now on if need be. */
static bool takes_part(struct file_map *map, uint32_t region, uint32_t now)
{
	if (atomic_load_explicit(&map->taking_part[region], memory_order_relaxed))
		return true;
	/* Nobody waits for it: then it is copied. */
	if (pthread_mutex_trylock(&map->lock))
		return false;
	bool taken = atomic_load_explicit(&map->taking_part[region], memory_order_relaxed);
	if (!taken && (map->came < REGIONS || one_goes(map, now))) {
		map->ring[map->came++ % REGIONS] = region;
		atomic_store_explicit(&map->taking_part[region], true, memory_order_relaxed);
		taken = true;
	}
	pthread_mutex_unlock(&map->lock);
	return taken;
}

static uint32_t now_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)now.tv_sec;
}

bool file_is_cached(const struct file_store *file, uint64_t offset, uint64_t length)
{
	struct file_map *map = atomic_load_explicit(&file->map, memory_order_acquire);
	const uint32_t now = now_seconds();
	if (!map || length > map->size || offset > map->size - length)
		return false;
	for (uint64_t chunk = offset / CHUNK; chunk <= (offset + length - 1) / CHUNK; chunk++)
		if (!is_resident(map, chunk, length >= CHUNK, now))
			return false;
	return true;
}

void file_was_cached(const struct file_store *file, uint64_t offset, uint64_t length)
{
	struct file_map *map = atomic_load_explicit(&file->map, memory_order_acquire);
	const uint32_t known = now_seconds() << 2 | RESIDENT;
	if (!map || length > map->size || offset > map->size - length)
		return;
	for (uint64_t chunk = (offset + CHUNK - 1) / CHUNK; (chunk + 1) * CHUNK <= offset + length;
		chunk++)
		atomic_store_explicit(&map->chunks[chunk], known, memory_order_relaxed);
}

const void *file_view(struct store *store, uint64_t offset, uint64_t length)
{
	const struct file_store *file = file_of(store);
	if (!file_is_cached(file, offset, length))
		return NULL;
	/* It may have grown since, never shrunk. */
	struct file_map *map = atomic_load_explicit(&file->map, memory_order_acquire);
	const uint32_t now = now_seconds();
	for (uint64_t region = offset / REGION; region <= (offset + length - 1) / REGION; region++)
		if (!takes_part(map, (uint32_t)region, now))
			return NULL;
	return atomic_load_explicit(&map->broken, memory_order_relaxed) ? NULL
									: map->bytes + offset;
}
