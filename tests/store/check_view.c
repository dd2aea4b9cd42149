/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store/view.c, file_view.c: what may be sent from where it lies is what was written there; what is not
 * known to be in memory is not lent; a file that somebody made shorter is an error of a system call and nothing worse.
 */
#include "tests/store/rig.h"
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define KIB   1024u
#define MIB   (1024u * 1024u)
#define CHUNK (64u * KIB) /* what is asked for at once in file_view.c */

/* Nobody but a system call may touch a view: through one, into `bytes`; 0 or the error. */
static int take(const void *view, size_t length, uint8_t *bytes)
{
	int fd = memfd_create("taken", MFD_CLOEXEC);
	ssize_t got = write(fd, view, length);
	int reason = got < 0 ? errno : (size_t)got < length ? EFAULT : 0;
	if (!reason)
		ck_assert_int_eq(pread(fd, bytes, length, 0), (ssize_t)length);
	close(fd);
	return reason;
}

static void write_pattern(struct rig *rig, uint64_t offset, uint64_t length, unsigned seed)
{
	uint8_t *bytes = rig_buffer(length, seed);
	ck_assert_int_eq(rig_do(rig, STORE_WRITE, 0, offset, length, bytes), STORE_OK);
	free(bytes);
}

/* By somebody else: what is in the page cache then, the store does not know. */
static void fill(const struct rig *rig, uint64_t offset, uint64_t length)
{
	uint8_t *bytes = rig_buffer(length, 9);
	int fd = open(rig->path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, bytes, length, (off_t)offset), (ssize_t)length);
	close(fd);
	free(bytes);
}

static void check_view(struct rig *rig, uint64_t offset, uint64_t length, unsigned seed)
{
	uint8_t *expected = rig_buffer(length, seed), *bytes = malloc(length);
	const void *view = store_view(rig->store, rig->queue, offset, length);
	ck_assert_ptr_nonnull(view);
	ck_assert_int_eq(take(view, length, bytes), 0);
	ck_assert_mem_eq(bytes, expected, length);
	free(expected);
	free(bytes);
}

static bool lends(int row)
{
	return row / RIG_QUEUES != RIG_DIRECT && row / RIG_QUEUES != RIG_LOOP_DIRECT;
}

/* A large piece is looked at at once; of every medium but those past the page cache. */
START_TEST(what_lies_there_is_lent)
{
	struct rig rig;
	rig_open(&rig, _i);
	write_pattern(&rig, MIB, 256 * KIB, 1);
	if (lends(_i)) {
		check_view(&rig, MIB, 256 * KIB, 1);
		/* What is written later shows, where it was lent already too. */
		write_pattern(&rig, MIB, 256 * KIB, 2);
		check_view(&rig, MIB, 256 * KIB, 2);
		uint8_t *expected = rig_buffer(4 * KIB, 2), bytes[4 * KIB];
		ck_assert(store_read_now(rig.store, MIB, 4 * KIB, bytes));
		ck_assert_mem_eq(bytes, expected, 4 * KIB);
		free(expected);
	} else {
		ck_assert_ptr_null(store_view(rig.store, rig.queue, MIB, 256 * KIB));
	}
	rig_close(&rig);
}
END_TEST

/* A small one is lent when its chunk is seen again: asking the kernel costs more than reading it once. */
START_TEST(a_small_piece_is_lent_at_second_sight)
{
	struct rig rig;
	rig_open(&rig, RIG_FILE * RIG_QUEUES);
	fill(&rig, 0, 4 * CHUNK);
	ck_assert_ptr_null(store_view(rig.store, rig.queue, CHUNK, 4 * KIB));
	ck_assert_ptr_nonnull(store_view(rig.store, rig.queue, CHUNK + 8 * KIB, 4 * KIB));
	ck_assert_ptr_null(store_view(rig.store, rig.queue, 2 * CHUNK - 512, 512 + 512));
	ck_assert_ptr_nonnull(store_view(rig.store, rig.queue, 2 * CHUNK - 512, 512 + 512));
	rig_close(&rig);
}
END_TEST

/* A file whose first 4 MiB have data, and none of it is in the page cache. */
static void open_cold(struct rig *rig)
{
	rig_open(rig, RIG_FILE * RIG_QUEUES);
	write_pattern(rig, 0, 4 * MIB, 4);
	store_close(rig->store);
	int fd = open(rig->path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fsync(fd), 0);
	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
	char error[STORE_ERROR_SIZE];
	rig->store = store_open(&rig->config, error);
	ck_assert_msg(rig->store, "%s", error);
}

START_TEST(what_is_not_in_memory_is_not_lent)
{
	struct rig rig;
	open_cold(&rig);
	if (file_of(rig.store)->nowait) {
		ck_assert_ptr_null(store_view(rig.store, rig.queue, MIB, 256 * KIB));
		/* Nor when that has just been found out. */
		ck_assert_ptr_null(store_view(rig.store, rig.queue, MIB, 256 * KIB));
	}
	rig_close(&rig);
}
END_TEST

START_TEST(what_has_grown_is_lent)
{
	char error[STORE_ERROR_SIZE];
	struct rig rig;
	rig_open(&rig, RIG_FILE * RIG_QUEUES);
	write_pattern(&rig, 0, CHUNK, 5);
	const void *before = store_view(rig.store, rig.queue, 0, CHUNK);
	for (unsigned times = 2; times < 5; times++) {
		ck_assert_msg(store_grow(rig.store, times * RIG_SIZE, error), "%s", error);
		write_pattern(&rig, (times - 1) * RIG_SIZE, CHUNK, times);
		check_view(&rig, (times - 1) * RIG_SIZE, CHUNK, times);
	}
	/* What was lent before it grew is still good. */
	uint8_t *expected = rig_buffer(CHUNK, 5), bytes[CHUNK];
	ck_assert_int_eq(take(before, CHUNK, bytes), 0);
	ck_assert_mem_eq(bytes, expected, CHUNK);
	free(expected);
	rig_close(&rig);
}
END_TEST

START_TEST(a_file_made_shorter_fails_softly)
{
	uint8_t bytes[CHUNK];
	struct rig rig;
	rig_open(&rig, RIG_FILE * RIG_QUEUES);
	write_pattern(&rig, MIB, CHUNK, 6);
	const void *view = store_view(rig.store, rig.queue, MIB, CHUNK);
	ck_assert_ptr_nonnull(view);
	ck_assert_int_eq(truncate(rig.path, 0), 0);
	ck_assert_int_eq(take(view, CHUNK, bytes), EFAULT);
	store_viewed(rig.queue, 1, true);
	/* From now on it is read, which says what is wrong. */
	ck_assert_ptr_null(store_view(rig.store, rig.queue, MIB, CHUNK));
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, MIB, CHUNK, bytes), STORE_READ_FAILED);
	rig_close(&rig);
}
END_TEST

/* Its last page is in memory up to the page's end, wherever the file ends. */
START_TEST(what_was_cut_off_is_not_lent)
{
	struct rig rig;
	rig_open(&rig, RIG_FILE * RIG_QUEUES);
	fill(&rig, RIG_SIZE - CHUNK, CHUNK);
	ck_assert_int_eq(truncate(rig.path, RIG_SIZE - 512), 0);
	ck_assert_ptr_null(store_view(rig.store, rig.queue, RIG_SIZE - CHUNK, CHUNK));
	rig_close(&rig);
}
END_TEST

#define REGION  (64u * MIB) /* of file_view.c, as the next one */
#define REGIONS 128u

static const void *view_of_region(struct rig *rig, unsigned region)
{
	return store_view(rig->store, rig->queue, (uint64_t)region * REGION, CHUNK);
}

/* So many regions of a file are lent at a time, others in their place one by one; what was lent stays good. */
START_TEST(regions_take_turns)
{
	char error[STORE_ERROR_SIZE];
	struct rig rig;
	rig_open(&rig, RIG_FILE * RIG_QUEUES);
	store_close(rig.store);
	rig.config.size = (uint64_t)(REGIONS + 2) * REGION; /* all holes */
	rig.store = store_open(&rig.config, error);
	ck_assert_msg(rig.store, "%s", error);
	for (unsigned i = 0; i < REGIONS + 2; i++)
		write_pattern(&rig, (uint64_t)i * REGION, CHUNK, i);
	const void *first = view_of_region(&rig, 0);
	for (unsigned i = 0; i < REGIONS; i++)
		ck_assert_ptr_nonnull(view_of_region(&rig, i));
	/* One may go at once, the next a second later. */
	ck_assert_ptr_nonnull(view_of_region(&rig, REGIONS));
	while (!view_of_region(&rig, REGIONS + 1))
		usleep(10000);
	while (!view_of_region(&rig, 0))
		usleep(10000);
	uint8_t *expected = rig_buffer(CHUNK, 0), bytes[CHUNK];
	ck_assert_int_eq(take(first, CHUNK, bytes), 0);
	ck_assert_mem_eq(bytes, expected, CHUNK);
	free(expected);
	for (unsigned i = 3; i < REGIONS + 2; i++)
		check_view(&rig, (uint64_t)i * REGION, CHUNK, i);
	rig_close(&rig);
}
END_TEST

static long major_faults(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_majflt;
}

/* Makes this thread wait for a page; false where none can be made to. */
static bool wait_for_a_page(void)
{
	long before = major_faults();
	int fd = open("cold", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(ftruncate(fd, MIB), 0);
	ck_assert_int_eq(pwrite(fd, "x", 1, MIB / 2), 1);
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	volatile char *bytes = mmap(NULL, MIB, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_int_eq(bytes[MIB / 2], 'x');
	munmap((void *)(uintptr_t)bytes, MIB);
	close(fd);
	return major_faults() > before;
}

START_TEST(one_that_had_to_wait_is_the_last_for_a_while)
{
	const uint64_t slow = 5000000; /* ns */
	struct rig rig;
	rig_open(&rig, RIG_MEMORY * RIG_QUEUES);
	write_pattern(&rig, 0, CHUNK, 7);
	/* The first one only learns what this thread's faults were until then. */
	store_viewed(rig.queue, slow, false);
	ck_assert_ptr_nonnull(store_view(rig.store, rig.queue, 0, CHUNK));
	/* The processor was somebody else's. */
	store_viewed(rig.queue, slow, false);
	ck_assert_ptr_nonnull(store_view(rig.store, rig.queue, 0, CHUNK));
	if (wait_for_a_page()) {
		store_viewed(rig.queue, slow, false);
		ck_assert_ptr_null(store_view(rig.store, rig.queue, 0, CHUNK));
		while (!store_view(rig.store, rig.queue, 0, CHUNK))
			usleep(1000);
	}
	rig_close(&rig);
}
END_TEST

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("view");
	TCase *media = tcase_create("media"), *files = tcase_create("files");
	rig_add_rows(media, what_lies_there_is_lent);
	tcase_add_checked_fixture(files, rig_enter, NULL);
	tcase_add_test(files, a_small_piece_is_lent_at_second_sight);
	tcase_add_test(files, what_is_not_in_memory_is_not_lent);
	tcase_add_test(files, what_has_grown_is_lent);
	tcase_set_timeout(files, 300);
	tcase_add_test(files, what_was_cut_off_is_not_lent);
	tcase_add_test(files, regions_take_turns);
	tcase_add_test(files, a_file_made_shorter_fails_softly);
	tcase_add_test(files, one_that_had_to_wait_is_the_last_for_a_while);
	suite_add_tcase(suite, media);
	suite_add_tcase(suite, files);
	return rig_main(suite);
}
