/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests/store/fault_store.c: what the end-to-end tests rely on. Held requests have no effect before
 * they are let go, errors are those that were ordered and leave the medium alone.
 */
#include "tests/store/rig.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void order(const char *words)
{
	int fd = open("control", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, words, strlen(words)), (ssize_t)strlen(words));
	close(fd);
}

static unsigned held(void)
{
	unsigned count = 0;
	FILE *file = fopen("control.held", "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%u", &count), 1);
	fclose(file);
	return count;
}

static void fault_open(struct rig *rig, int queue)
{
	char error[STORE_ERROR_SIZE];
	memset(rig, 0, sizeof *rig);
	unlink("image");
	unlink("control");
	rig->loop_fd = -1;
	rig->config = (struct store_config){
		.path = "/fault:control:image", .size = RIG_SIZE, .block_size = 512
	};
	rig->store = store_open(&rig->config, error);
	ck_assert_msg(rig->store, "%s", error);
	rig->queue = store_queue_new(rig_queue_kind(queue), 64);
	ck_assert_ptr_nonnull(rig->queue);
}

START_TEST(without_orders_it_is_a_file)
{
	struct rig rig;
	fault_open(&rig, _i);
	uint8_t *wrote = rig_buffer(8192, 1);
	uint8_t *read = rig_buffer(8192, 2);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 4096, 8192, wrote), STORE_OK);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, STORE_FUA, 65536, 8192, wrote), STORE_OK);
	ck_assert_int_eq(rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL), STORE_OK);
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 4096, 8192, read), STORE_OK);
	ck_assert_mem_eq(wrote, read, 8192);
	ck_assert_int_eq(rig_do(&rig, STORE_DISCARD, 0, 4096, 8192, NULL), STORE_OK);
	rig_check_zeros(&rig, 0, 65536);
	ck_assert_uint_ne(store_identity(rig.store), 0);
	free(wrote);
	free(read);
	rig_close(&rig);
}
END_TEST

START_TEST(ordered_errors_come_and_go)
{
	static const struct {
		const char *words;
		enum store_error read, write, discard, flush;
	} rows[] = {
		{ "eio-read", STORE_READ_FAILED, STORE_OK, STORE_OK, STORE_OK },
		{ "eio-write\n", STORE_OK, STORE_WRITE_FAILED, STORE_WRITE_FAILED, STORE_OK },
		{ "enospc", STORE_OK, STORE_NO_SPACE, STORE_NO_SPACE, STORE_OK },
		{ "eio-flush", STORE_OK, STORE_OK, STORE_OK, STORE_WRITE_FAILED },
		{ "eio-read enospc delay 20", STORE_READ_FAILED, STORE_NO_SPACE, STORE_NO_SPACE,
			STORE_OK },
		{ "", STORE_READ_FAILED, STORE_NO_SPACE, STORE_NO_SPACE, STORE_OK },
		{ "ok", STORE_OK, STORE_OK, STORE_OK, STORE_OK },
	};
	struct rig rig;
	fault_open(&rig, _i);
	uint8_t *buffer = rig_buffer(4096, 1);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		order(rows[i].words);
		ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 0, 4096, buffer), rows[i].read);
		ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 0, 4096, buffer), rows[i].write);
		ck_assert_int_eq(rig_do(&rig, STORE_DISCARD, 0, 0, 4096, NULL), rows[i].discard);
		ck_assert_int_eq(rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL), rows[i].flush);
	}
	free(buffer);
	rig_close(&rig);
}
END_TEST

START_TEST(a_failed_write_leaves_the_medium_alone)
{
	struct rig rig;
	fault_open(&rig, _i);
	uint8_t *buffer = rig_buffer(4096, 1);
	order("eio-write");
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 0, 4096, buffer), STORE_WRITE_FAILED);
	rig_check_zeros(&rig, 0, 4096);
	free(buffer);
	rig_close(&rig);
}
END_TEST

static unsigned finished;

static void count_done(struct store_request *request)
{
	ck_assert_int_eq(request->error, STORE_OK);
	finished++;
}

static const char *const stalls[] = { "stall-write", "stall" };

/* [CRED-05] A stalled write reaches the medium when it is let go, and not before. */
START_TEST(a_stalled_write_lands_on_release)
{
	struct rig rig;
	struct store_request requests[2];
	uint8_t *buffers[2];
	uint8_t *read = rig_buffer(1024, 9);
	fault_open(&rig, _i % 2);
	memset(requests, 0, sizeof requests);
	order(stalls[_i / 2]);
	for (unsigned i = 0; i < 2; i++) {
		buffers[i] = rig_buffer(512, i + 1);
		requests[i].op = STORE_WRITE;
		requests[i].offset = i * 512;
		requests[i].length = 512;
		requests[i].buffer = buffers[i];
		requests[i].done = count_done;
		ck_assert_int_eq(store_submit(rig.store, rig.queue, &requests[i]), STORE_PENDING);
		ck_assert_uint_eq(held(), i + 1);
	}
	store_queue_flush(rig.queue);
	ck_assert_uint_eq(store_queue_reap(rig.queue, 100), 0);
	int image = open("image", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(image, read, 1024, 0), 1024);
	ck_assert_uint_eq(rig_zeros(read, 1024), 1024);
	order("ok");
	rig_wait(rig.queue, &finished, 2);
	ck_assert_uint_eq(held(), 0);
	ck_assert_int_eq(pread(image, read, 1024, 0), 1024);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_mem_eq(read + i * 512, buffers[i], 512);
		free(buffers[i]);
	}
	close(image);
	free(read);
	rig_close(&rig);
}
END_TEST

START_TEST(stalled_kinds_do_not_hold_the_others)
{
	struct rig rig;
	fault_open(&rig, _i);
	struct store_request flush = { .op = STORE_FLUSH, .done = count_done };
	uint8_t *buffer = rig_buffer(4096, 1);
	order("stall-flush");
	ck_assert_int_eq(store_submit(rig.store, rig.queue, &flush), STORE_PENDING);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 0, 4096, buffer), STORE_OK);
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 0, 4096, buffer), STORE_OK);
	ck_assert_uint_eq(finished, 0);
	order("stall-read");
	rig_wait(rig.queue, &finished, 1);
	free(buffer);
	rig_close(&rig);
}
END_TEST

START_TEST(bad_paths_are_refused)
{
	static const struct {
		const char *path, *error;
	} rows[] = {
		{ "/fault:control", "/fault:control: expected \"/fault:CONTROL:IMAGE\"" },
		{ "/fault:nowhere/control:image", "nowhere/control.held: cannot be opened" },
		{ "/fault:control:.",
			".: is a directory, expected a regular file or a block device" },
	};
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char error[STORE_ERROR_SIZE] = "";
		struct store_config config = {
			.path = rows[i].path, .size = RIG_SIZE, .block_size = 512
		};
		ck_assert_ptr_null(store_open(&config, error));
		ck_assert_msg(strstr(error, rows[i].error) == error, "%s", error);
	}
}
END_TEST

START_TEST(an_unknown_order_aborts)
{
	struct rig rig;
	fault_open(&rig, 0);
	order("eio-wriet");
	rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL);
}
END_TEST

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("fault");
	TCase *tcase = tcase_create("both queues");
	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, without_orders_it_is_a_file, 0, RIG_QUEUES);
	tcase_add_loop_test(tcase, ordered_errors_come_and_go, 0, RIG_QUEUES);
	tcase_add_loop_test(tcase, a_failed_write_leaves_the_medium_alone, 0, RIG_QUEUES);
	tcase_add_loop_test(tcase, a_stalled_write_lands_on_release, 0, 2 * RIG_QUEUES);
	tcase_add_loop_test(tcase, stalled_kinds_do_not_hold_the_others, 0, RIG_QUEUES);
	tcase_add_test(tcase, bad_paths_are_refused);
	tcase_add_test_raise_signal(tcase, an_unknown_order_aborts, 6);
	suite_add_tcase(suite, tcase);
	return rig_main(suite);
}
