/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a write into the page cache costs by what brought the file there: CPU time of a pwrite() of 4 KiB and of 256 KiB
 * at random places, after the cache was filled in pieces of different sizes. Each of several rounds fills it anew; the
 * median is told.
 *
 *   folios FILE        makes it, 64 MiB; as good as the file system that it is on
 */
#include "tests/bench/bench_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SPAN   (64u << 20)
#define ROUNDS 5
#define SMALL  4096u
#define LARGE  (256u << 10)

static uint8_t *bytes;
static uint64_t random_state = 1;

static off_t somewhere(size_t piece)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (off_t)((random_state >> 20) % (SPAN / piece) * piece);
}

static void write_all(int fd, size_t piece, off_t at)
{
	if (pwrite(fd, bytes, piece, at) != (ssize_t)piece)
		bench_die("pwrite: %s", strerror(errno));
}

static void read_all(int fd, size_t piece, off_t at)
{
	if (pread(fd, bytes, piece, at) != (ssize_t)piece)
		bench_die("pread: %s", strerror(errno));
}

/* Nothing of it is in the cache afterwards. */
static void forget(int fd)
{
	if (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		bench_die("cannot take it out of the cache: %s", strerror(errno));
}

static void by_writes(int fd, size_t piece)
{
	for (off_t at = 0; at < SPAN; at += (off_t)piece)
		write_all(fd, piece, at);
}

static void by_reads(int fd, size_t piece)
{
	for (off_t at = 0; at < SPAN; at += (off_t)piece)
		read_all(fd, piece, at);
}

static void by_random_reads(int fd, size_t piece)
{
	for (size_t i = 0; i < 12 * (SPAN / piece); i++)
		read_all(fd, piece, somewhere(piece));
}

static uint64_t process_cpu(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* Nanoseconds for one write. */
static uint64_t measure(int fd, size_t piece)
{
	const unsigned count = piece == SMALL ? 16384 : 512;
	uint64_t began = process_cpu();

	for (unsigned i = 0; i < count; i++)
		write_all(fd, piece, somewhere(piece));
	return (process_cpu() - began) / count;
}

static int compare(const void *one, const void *other)
{
	const uint64_t *a = one, *b = other;

	return (*a > *b) - (*a < *b);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fill)(int fd, size_t piece);
		size_t piece;
	} fills[] = {
		{ "writes of 4 KiB", by_writes, 4 << 10 },
		{ "writes of 16 KiB", by_writes, 16 << 10 },
		{ "writes of 64 KiB", by_writes, 64 << 10 },
		{ "writes of 256 KiB", by_writes, 256 << 10 },
		{ "writes of 1 MiB", by_writes, 1 << 20 },
		{ "reads of 128 KiB in sequence", by_reads, 128 << 10 },
		{ "reads of 4 KiB at random", by_random_reads, 4 << 10 },
	};
	uint64_t small[ROUNDS], large[ROUNDS];
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		bench_die("usage: folios FILE");
	bytes = aligned_alloc(4096, BENCH_BUFFER);
	if (!bytes)
		bench_die("out of memory");
	memset(bytes, 0x5a, BENCH_BUFFER);
	by_writes(fd, BENCH_BUFFER);
	for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
		for (unsigned round = 0; round < ROUNDS; round++) {
			forget(fd);
			fills[i].fill(fd, fills[i].piece);
			small[round] = measure(fd, SMALL);
			large[round] = measure(fd, LARGE);
		}
		qsort(small, ROUNDS, sizeof(small[0]), compare);
		qsort(large, ROUNDS, sizeof(large[0]), compare);
		printf("%-30s 4 KiB %6lu ns   256 KiB %6lu ns\n", fills[i].name,
			(unsigned long)small[ROUNDS / 2], (unsigned long)large[ROUNDS / 2]);
	}
	close(fd);
	return 0;
}
