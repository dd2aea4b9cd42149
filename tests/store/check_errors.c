/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store/file.c when things go wrong: full media, failing devices, files that others cut short.
 * Each becomes the one error that the device server turns into sense data, to each who must hear it.
 */
#include "tests/store/rig.h"
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#define MIB (1024u * 1024u)

/* Opens `path` as it is or with RIG_SIZE, over the queue of row _i. */
static void open_path(struct rig *rig, const char *path, bool create, int row)
{
	char error[STORE_ERROR_SIZE];
	memset(rig, 0, sizeof *rig);
	rig->loop_fd = -1;
	rig->config = (struct store_config){
		.path = path, .size = create ? RIG_SIZE : 0, .block_size = 512
	};
	rig->store = store_open(&rig->config, error);
	ck_assert_msg(rig->store, "%s", error);
	rig->queue = store_queue_new(rig_queue_kind(row), 8);
	ck_assert_ptr_nonnull(rig->queue);
}

/* Writes MiB after MiB until one fails; returns with what. */
static enum store_error fill(struct rig *rig, unsigned flags, const void *buffer)
{
	enum store_error error = STORE_OK;
	for (uint64_t at = 0; at < RIG_SIZE && error == STORE_OK; at += MIB)
		error = rig_do(rig, STORE_WRITE, flags, at, MIB, (void *)buffer);
	return error;
}

static const unsigned flag_rows[] = { 0, STORE_FUA };

/* [SCSI-17] A full file system is NO_SPACE, and the store goes on: reads, rewrites, discard and write. */
START_TEST(a_full_medium_is_no_space)
{
	struct rig rig;
	char path[] = "../tiny/image";
	open_path(&rig, path, true, _i);
	uint8_t *wrote = rig_buffer(MIB, 1);
	uint8_t *read = rig_buffer(MIB, 2);
	ck_assert_int_eq(fill(&rig, flag_rows[_i / 2], wrote), STORE_NO_SPACE);
	ck_assert_int_eq(rig_do(&rig, STORE_ZERO, 0, 6 * MIB, MIB, NULL), STORE_NO_SPACE);
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 0, MIB, read), STORE_OK);
	ck_assert_mem_eq(wrote, read, MIB);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 512, MIB - 512, wrote), STORE_OK);
	ck_assert_int_eq(rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL), STORE_OK);
	ck_assert_int_eq(rig_do(&rig, STORE_DISCARD, 0, 0, RIG_SIZE, NULL), STORE_OK);
	ck_assert_int_eq(
		rig_do(&rig, STORE_WRITE, flag_rows[_i / 2], 7 * MIB, MIB, wrote), STORE_OK);
	free(wrote);
	free(read);
	rig_close(&rig);
	unlink(path);
}
END_TEST

START_TEST(a_file_size_limit_is_no_space)
{
	struct rig rig;
	struct rlimit limit = { 3 * MIB / 2, 3 * MIB / 2 };
	open_path(&rig, "image", true, _i);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	uint8_t *buffer = rig_buffer(MIB, 1);
	ck_assert_int_eq(fill(&rig, flag_rows[_i / 2], buffer), STORE_NO_SPACE);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 0, MIB, buffer), STORE_OK);
	free(buffer);
	rig_close(&rig);
}
END_TEST

/* Somebody cuts the file short behind our back: an error, no signal and no stale bytes. */
START_TEST(a_truncated_file_fails_reads_behind_its_end)
{
	struct rig rig;
	open_path(&rig, _i / 2 ? "../large/image" : "image", true, _i);
	uint8_t *buffer = rig_buffer(MIB, 1);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 3 * MIB, MIB, buffer), STORE_OK);
	ck_assert_int_eq(truncate(rig.config.path, 3 * MIB + 4096), 0);
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 3 * MIB, 4096, buffer), STORE_OK);
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 3 * MIB, 8192, buffer), STORE_READ_FAILED);
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 4 * MIB, 4096, buffer), STORE_READ_FAILED);
	ck_assert_int_eq(
		rig_do(&rig, STORE_READ, STORE_FUA, 4 * MIB, 4096, buffer), STORE_READ_FAILED);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, RIG_SIZE - 4096, 4096, buffer), STORE_OK);
	rig_check_zeros(&rig, 4 * MIB, MIB);
	free(buffer);
	rig_close(&rig);
	unlink("../large/image");
}
END_TEST

/* A loop device whose backing file is on a full file system: takes writes, and fails to store them. */
static void open_failing_device(struct rig *rig, int row)
{
	char path[64];
	int file = open("../tiny/backing", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_eq(ftruncate(file, RIG_SIZE), 0);
	close(file);
	int loop = rig_loop("../tiny/backing", path);
	ck_assert_int_ge(loop, 0);
	open_path(rig, path, false, row);
	rig->loop_fd = loop;
}

/* The flush that meets the error reports it, so does the next (another initiator's), then it is over. */
START_TEST(lost_writes_are_reported_to_two_flushes)
{
	struct rig rig;
	open_failing_device(&rig, _i);
	uint8_t *buffer = rig_buffer(MIB, 1);
	ck_assert_int_eq(fill(&rig, 0, buffer), STORE_OK);
	ck_assert_int_lt(rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL), STORE_OK);
	ck_assert_int_lt(rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL), STORE_OK);
	ck_assert_int_eq(rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL), STORE_OK);
	free(buffer);
	rig_close(&rig);
	unlink("../tiny/backing");
}
END_TEST

START_TEST(a_failed_write_with_fua_is_reported_at_once)
{
	struct rig rig;
	open_failing_device(&rig, _i);
	uint8_t *buffer = rig_buffer(MIB, 1);
	ck_assert_int_lt(fill(&rig, STORE_FUA, buffer), STORE_OK);
	free(buffer);
	rig_close(&rig);
	unlink("../tiny/backing");
}
END_TEST

/* The backing file is gone from under the device: every read that must go there is an I/O error. */
START_TEST(a_failing_device_fails_reads)
{
	struct rig rig;
	open_failing_device(&rig, _i);
	uint8_t *buffer = rig_buffer(MIB, 1);
	ck_assert_int_eq(truncate("../tiny/backing", 0), 0);
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 4 * MIB, 4096, buffer), STORE_READ_FAILED);
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 6 * MIB, MIB, buffer), STORE_READ_FAILED);
	free(buffer);
	rig_close(&rig);
	unlink("../tiny/backing");
}
END_TEST

static void ignore_done(struct store_request *request)
{
	(void)request;
}

enum { MAX_RESULTS = 5 };

/*
 * One request and the results of its system calls, as no real device will give them in this order;
 * `calls` says which were asked for: r, w (W with RWF_DSYNC), s, p(unch), z(ero range).
 */
static const struct {
	enum store_op op;
	unsigned flags;
	uint64_t length;
	int results[MAX_RESULTS];
	const char *calls;
	enum store_error error;
} scripts[] = {
	{ STORE_READ, STORE_FUA, 4096, { 0, 4096 }, "sr", STORE_OK },
	{ STORE_READ, STORE_FUA, 4096, { 0, 512, 3000, 584 }, "srrr", STORE_OK },
	{ STORE_READ, STORE_FUA, 4096, { 0, 512, 0 }, "srr", STORE_READ_FAILED },
	{ STORE_READ, STORE_FUA, 4096, { 0, -EINTR, -EAGAIN, 4096 }, "srrr", STORE_OK },
	{ STORE_READ, STORE_FUA, 4096, { 0, -EIO }, "sr", STORE_READ_FAILED },
	{ STORE_READ, STORE_FUA, 4096, { 0, -ENOSPC }, "sr", STORE_READ_FAILED },
	{ STORE_READ, STORE_FUA, 4096, { -EIO }, "s", STORE_READ_FAILED },
	{ STORE_WRITE, STORE_FUA, 4096, { 4096 }, "W", STORE_OK },
	{ STORE_WRITE, 0, 512, { 512 }, "w", STORE_OK },
	{ STORE_WRITE, STORE_FUA, 4096, { 1024, 3072 }, "WW", STORE_OK },
	{ STORE_WRITE, STORE_FUA, 4096, { 1024, 0 }, "WW", STORE_WRITE_FAILED },
	{ STORE_WRITE, STORE_FUA, 4096, { -EINTR, 4096 }, "WW", STORE_OK },
	{ STORE_WRITE, STORE_FUA, 4096, { -EIO }, "W", STORE_WRITE_FAILED },
	{ STORE_WRITE, STORE_FUA, 4096, { -ENOSPC }, "W", STORE_NO_SPACE },
	{ STORE_WRITE, STORE_FUA, 4096, { 512, -EDQUOT }, "WW", STORE_NO_SPACE },
	{ STORE_WRITE, STORE_FUA, 4096, { -EFBIG }, "W", STORE_NO_SPACE },
	{ STORE_WRITE, STORE_FUA, 4096, { -EROFS }, "W", STORE_WRITE_REFUSED },
	{ STORE_WRITE, STORE_FUA, 4096, { -ENOMEM }, "W", STORE_WRITE_FAILED },
	{ STORE_FLUSH, 0, 0, { 0 }, "s", STORE_OK },
	{ STORE_FLUSH, 0, 0, { -EIO }, "s", STORE_WRITE_FAILED },
	{ STORE_FLUSH, 0, 0, { -ENOSPC }, "s", STORE_NO_SPACE },
	{ STORE_DISCARD, 0, 8192, { 0 }, "p", STORE_OK },
	{ STORE_DISCARD, STORE_FUA, 8192, { 0, 0 }, "ps", STORE_OK },
	{ STORE_DISCARD, STORE_FUA, 8192, { 0, -EIO }, "ps", STORE_WRITE_FAILED },
	{ STORE_DISCARD, 0, 8192, { -EIO }, "p", STORE_WRITE_FAILED },
	{ STORE_DISCARD, 0, 8192, { -EOPNOTSUPP, 0 }, "pz", STORE_OK },
	{ STORE_DISCARD, 0, 8192, { -EOPNOTSUPP, -EINVAL, 4096, 4096 }, "pzww", STORE_OK },
	{ STORE_DISCARD, STORE_FUA, 8192, { -EINVAL, -ENODEV, 8192, 0 }, "pzws", STORE_OK },
	{ STORE_ZERO, 0, 8192, { 0 }, "z", STORE_OK },
	{ STORE_ZERO, STORE_FUA, 8192, { 0, 0 }, "zs", STORE_OK },
	{ STORE_ZERO, 0, 8192, { -ENOSPC }, "z", STORE_NO_SPACE },
	{ STORE_ZERO, 0, 2 * MIB + 512, { -EOPNOTSUPP, MIB, MIB, 512 }, "zwww", STORE_OK },
	{ STORE_ZERO, 0, 8192, { -EOPNOTSUPP, 4096, -ENOSPC }, "zww", STORE_NO_SPACE },
	{ STORE_ZERO, 0, 8192, { -EOPNOTSUPP, 0 }, "zw", STORE_WRITE_FAILED },
};

static char letter_of(const struct store_io *io)
{
	switch (io->kind) {
	case STORE_IO_READ:
		return 'r';
	case STORE_IO_WRITE:
		return io->flags & RWF_DSYNC ? 'W' : 'w';
	case STORE_IO_SYNC:
		return 's';
	case STORE_IO_SEEK:
		return 'l';
	case STORE_IO_ALLOCATE:
		break;
	}
	return io->flags & FALLOC_FL_PUNCH_HOLE ? 'p' : 'z';
}

START_TEST(results_lead_to_the_next_step)
{
	struct rig rig;
	uint8_t *buffer = rig_buffer(4096, 1);
	open_path(&rig, "image", true, 0);
	struct store_request request = {
		.op = scripts[_i].op,
		.flags = scripts[_i].flags,
		.offset = 512,
		.length = scripts[_i].length,
		.buffer = buffer,
		.done = ignore_done,
		.store = rig.store,
		.queue = rig.queue,
	};
	char calls[MAX_RESULTS + 1] = "";
	unsigned count = 0;
	enum store_step step = store_file.submit(&request);
	while (step == STORE_STEP_IO && count < MAX_RESULTS) {
		struct store_io io;
		store_file.describe(&request, &io);
		calls[count] = letter_of(&io);
		ck_assert_int_eq(io.fd, file_of(rig.store)->fd);
		if (io.kind != STORE_IO_SYNC) {
			ck_assert_uint_eq(io.offset, 512 + request.progress);
			ck_assert_uint_le(io.length, request.length - request.progress);
		}
		step = store_file.advance(&request, scripts[_i].results[count++]);
	}
	ck_assert_str_eq(calls, scripts[_i].calls);
	ck_assert_int_eq(step, STORE_STEP_FINISHED);
	ck_assert_int_eq(request.error, scripts[_i].error);
	free(buffer);
	rig_close(&rig);
}
END_TEST

/* A flush's error is told once by the kernel, whoever syncs: a write or read with FUA may take it away. */
START_TEST(an_error_taken_by_fua_reaches_the_next_flush)
{
	static const struct {
		enum store_op op;
		unsigned flags;
		int result;
		enum store_error flush;
	} rows[] = {
		{ STORE_WRITE, STORE_FUA, -EIO, STORE_WRITE_FAILED },
		{ STORE_READ, STORE_FUA, -EIO, STORE_WRITE_FAILED },
		{ STORE_FLUSH, 0, -EIO, STORE_WRITE_FAILED },
		{ STORE_WRITE, STORE_FUA, -ENOSPC, STORE_OK },
		{ STORE_WRITE, 0, -EIO, STORE_OK },
	};
	struct rig rig;
	uint8_t *buffer = rig_buffer(4096, 1);
	open_path(&rig, "image", true, 0);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct store_request request = {
			.op = rows[i].op,
			.flags = rows[i].flags,
			.offset = 512,
			.length = 512,
			.buffer = buffer,
			.done = ignore_done,
			.store = rig.store,
			.queue = rig.queue,
		};
		ck_assert_int_eq(store_file.submit(&request), STORE_STEP_IO);
		ck_assert_int_eq(store_file.advance(&request, rows[i].result), STORE_STEP_FINISHED);
		ck_assert_int_lt(request.error, STORE_OK);
		ck_assert_int_eq(rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL), rows[i].flush);
		ck_assert_int_eq(rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL), STORE_OK);
	}
	free(buffer);
	rig_close(&rig);
}
END_TEST

/* After a slow inline write the queue takes over for a while, and gives back. */
START_TEST(slow_inline_writes_go_to_the_queue)
{
	struct rig rig;
	uint8_t *buffer = rig_buffer(4096, 1);
	open_path(&rig, "image", true, 0);
	struct store_request request = {
		.op = STORE_WRITE,
		.length = 4096,
		.buffer = buffer,
		.done = ignore_done,
		.store = rig.store,
		.queue = rig.queue,
	};
	atomic_store(&file_of(rig.store)->queued_until, UINT64_MAX);
	ck_assert_int_eq(store_file.submit(&request), STORE_STEP_IO);
	ck_assert_uint_eq(request.progress, 0);
	atomic_store(&file_of(rig.store)->queued_until, 1);
	request.step = 0;
	ck_assert_int_eq(store_file.submit(&request), STORE_STEP_FINISHED);
	ck_assert_int_eq(request.error, STORE_OK);
	free(buffer);
	rig_close(&rig);
}
END_TEST

/* A slow write alone is only a suspicion: the processor may have been elsewhere. */
START_TEST(only_a_write_that_waited_sends_others_to_the_queue)
{
	struct rig rig;
	open_path(&rig, "image", true, 0);
	struct file_store *file = file_of(rig.store);
	file_write_was_slow(file, 5000000, 1000, false);
	ck_assert_uint_eq(file->queued_until, 0);
	ck_assert_uint_gt(file->watched_until, 1000);
	file_write_was_slow(file, 5000000, 2000, true);
	ck_assert_uint_ge(file->queued_until, 2000 + 5 * 5000000);
	ck_assert_uint_gt(file->watched_until, file->queued_until);
	rig_close(&rig);
}
END_TEST

/* A disk that does not end a sync may not end a write either, which would take the worker along. */
START_TEST(a_sync_that_hangs_sends_writes_to_the_queue)
{
	struct rig rig;
	uint8_t *buffer = rig_buffer(4096, 1);
	open_path(&rig, "image", true, 0);
	struct file_store *file = file_of(rig.store);
	struct store_request request = {
		.op = STORE_WRITE, .length = 4096, .buffer = buffer, .store = rig.store
	};
	ck_assert(file_sync_lead(file, NULL));
	ck_assert_int_eq(store_file.submit(&request), STORE_STEP_FINISHED);
	request.progress = 0;
	atomic_fetch_sub(&file->sync.began, 1100000000u);
	ck_assert_int_eq(store_file.submit(&request), STORE_STEP_IO);
	ck_assert_uint_eq(request.progress, 0);
	file_sync_ended(file, 0);
	ck_assert_int_eq(store_file.submit(&request), STORE_STEP_FINISHED);
	free(buffer);
	rig_close(&rig);
}
END_TEST

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("errors");
	TCase *tcase = tcase_create("both queues");
	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, rig_enter, NULL);
	if (rig_has_tiny()) {
		tcase_add_loop_test(tcase, a_full_medium_is_no_space, 0, 2 * RIG_QUEUES);
		if (rig_has_loops()) {
			tcase_add_loop_test(
				tcase, lost_writes_are_reported_to_two_flushes, 0, RIG_QUEUES);
			tcase_add_loop_test(
				tcase, a_failed_write_with_fua_is_reported_at_once, 0, RIG_QUEUES);
			tcase_add_loop_test(tcase, a_failing_device_fails_reads, 0, RIG_QUEUES);
		}
	}
	tcase_add_loop_test(tcase, a_file_size_limit_is_no_space, 0, 2 * RIG_QUEUES);
	tcase_add_loop_test(tcase, a_truncated_file_fails_reads_behind_its_end, 0, 2 * RIG_QUEUES);
	tcase_add_rows(tcase, results_lead_to_the_next_step, scripts);
	tcase_add_test(tcase, an_error_taken_by_fua_reaches_the_next_flush);
	tcase_add_test(tcase, slow_inline_writes_go_to_the_queue);
	tcase_add_test(tcase, only_a_write_that_waited_sends_others_to_the_queue);
	tcase_add_test(tcase, a_sync_that_hangs_sends_writes_to_the_queue);
	suite_add_tcase(suite, tcase);
	return rig_main(suite);
}
