/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a task: at once or later, errors of the store, cancelling, reuse, and what the fast
 * path must not do [SCSI-16, SCSI-17, SCSI-19, RES-06, ESX-04].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include <malloc.h>

#define BLOCK 512u

/* --- at once or later: the same outcome --- */

static const struct {
	uint8_t opcode, byte1;
	uint32_t blocks;
	uint32_t data; /* bytes of data-out */
	uint32_t in_length;
	unsigned requests;
} way_rows[] = {
	{ 0x08, 0, 4, 0, 4 * BLOCK, 1 },
	{ 0x28, 0, 4, 0, 4 * BLOCK, 1 },
	{ 0x88, 8, 4, 0, 4 * BLOCK, 1 },
	{ 0x2a, 0, 4, 4 * BLOCK, 0, 1 },
	{ 0x8a, 8, 4, 4 * BLOCK, 0, 1 },
	{ 0x2e, 2, 4, 4 * BLOCK, 0, 2 },
	{ 0x2f, 0, 2000, 0, 0, 4 },
	{ 0x41, 0, 2000, BLOCK, 0, 4 },
	{ 0x93, 1, 2000, 0, 0, 1 },
	{ 0x35, 0, 0, 0, 0, 1 },
};

START_TEST(test_ways)
{
	for (int later = 0; later < 2; later++) {
		struct bench *bench = bench_default();
		uint8_t data[4 * BLOCK];

		memset(data, 'd', sizeof(data));
		bench->store->later = later;
		bench_send_data(bench,
			cdb_range(way_rows[_i].opcode, way_rows[_i].byte1, 8, way_rows[_i].blocks),
			data, way_rows[_i].data);
		check_good(bench, way_rows[_i].in_length);
		ck_assert_uint_eq(bench->done, later);
		ck_assert_uint_eq(bench->store->requests, way_rows[_i].requests);
		bench_free(bench);
	}
}
END_TEST

/* `done` comes once, with the last request, never from inside execute(). */
START_TEST(test_done_once)
{
	struct bench *bench = bench_default();

	bench->store->later = true;
	bench_parse(bench, cdb_range(0x2f, 0, 0, 2000));
	ck_assert_int_eq(bench_execute(bench, NULL, 0), SCSI_PENDING);
	for (unsigned step = 0; step < 4; step++) {
		ck_assert_uint_eq(bench->done, 0);
		ck_assert_uint_eq(fake_store_reap(bench->store), 1);
	}
	ck_assert_uint_eq(bench->done, 1);
	ck_assert_uint_eq(fake_store_reap(bench->store), 0);
	bench_free(bench);
}
END_TEST

/* Parts of a command may finish inside the call and others later. */
START_TEST(test_mixed)
{
	struct bench *bench = bench_default();

	bench->store->later = true;
	bench_parse(bench, cdb_range(0x2f, 0, 0, 2000));
	ck_assert_int_eq(bench_execute(bench, NULL, 0), SCSI_PENDING);
	bench->store->later = false;
	ck_assert_uint_eq(fake_store_reap(bench->store), 1);
	ck_assert_uint_eq(bench->done, 1);
	ck_assert_uint_eq(bench->store->requests, 4);
	check_good(bench, 0);
	bench_free(bench);
}
END_TEST

/* --- errors of the store --- */

static const struct {
	uint8_t opcode;
	enum store_error error;
	uint32_t sense;
} error_rows[] = {
	{ 0x28, STORE_READ_FAILED, SENSE_READ_ERROR },
	{ 0x88, STORE_READ_FAILED, SENSE_READ_ERROR },
	{ 0x08, STORE_READ_FAILED, SENSE_READ_ERROR },
	{ 0x2a, STORE_WRITE_FAILED, SENSE_WRITE_ERROR },
	{ 0x2a, STORE_NO_SPACE, SENSE_SPACE_ALLOCATION_FAILED },
	{ 0x2a, STORE_WRITE_REFUSED, SENSE_WRITE_PROTECTED },
	{ 0x0a, STORE_NO_SPACE, SENSE_SPACE_ALLOCATION_FAILED },
	{ 0x35, STORE_WRITE_FAILED, SENSE_WRITE_ERROR },
	{ 0x91, STORE_NO_SPACE, SENSE_SPACE_ALLOCATION_FAILED },
	{ 0x1b, STORE_WRITE_FAILED, SENSE_WRITE_ERROR },
};

START_TEST(test_errors)
{
	uint8_t block[BLOCK] = { 1 };

	for (int later = 0; later < 2; later++) {
		struct bench *bench = bench_default();

		bench->store->later = later;
		bench->store->fail_with = error_rows[_i].error;
		bench_send_data(bench,
			error_rows[_i].opcode == 0x1b ? CDB(0x1b)
						      : cdb_range(error_rows[_i].opcode, 0, 0, 1),
			block, BLOCK);
		check_sense(bench, error_rows[_i].sense);
		ck_assert_uint_eq(bench->task.in_length, 0);
		/* The next command is a new one. */
		bench_send(bench, cdb_range(0x28, 0, 0, 1));
		check_good(bench, BLOCK);
		bench_free(bench);
	}
}
END_TEST

/* --- cancelling --- */

/* A command of many steps ends with its next one; what it held is given back. */
START_TEST(test_cancel)
{
	struct bench *bench = bench_default();

	bench->store->later = true;
	bench_parse(bench, cdb_range(0x2f, 0, 0, 8192));
	ck_assert_int_eq(bench_execute(bench, NULL, 0), SCSI_PENDING);
	fake_store_reap(bench->store);
	bench->task.cancelled = true;
	ck_assert_uint_eq(fake_store_reap(bench->store), 1);
	ck_assert_uint_eq(bench->done, 1);
	ck_assert_int_eq(bench->task.status, SCSI_TASK_ABORTED);
	ck_assert_uint_eq(bench->task.sense_length, 0);
	ck_assert_ptr_null(bench->task.scratch);
	ck_assert_uint_eq(bench->store->requests, 2);
	bench_free(bench);
}
END_TEST

/* One that has no step left ends as it would have. */
START_TEST(test_cancel_too_late)
{
	struct bench *bench = bench_default();

	bench->store->later = true;
	bench_parse(bench, cdb_range(0x28, 0, 0, 1));
	ck_assert_int_eq(bench_execute(bench, NULL, 0), SCSI_PENDING);
	bench->task.cancelled = true;
	ck_assert_uint_eq(fake_store_reap(bench->store), 1);
	check_good(bench, BLOCK);
	bench_free(bench);
}
END_TEST

START_TEST(test_cancel_before)
{
	struct bench *bench = bench_default();
	uint8_t block[BLOCK] = { 1 };

	bench_parse(bench, cdb_range(0x2a, 0, 0, 1));
	bench->task.cancelled = true;
	ck_assert_int_eq(bench_execute(bench, block, BLOCK), SCSI_DONE);
	ck_assert_int_eq(bench->task.status, SCSI_TASK_ABORTED);
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* --- reuse --- */

/* Parsing leaves nothing of an earlier command in the task. */
START_TEST(test_reuse)
{
	struct bench *bench = bench_default();
	struct scsi_task task;

	scsi_task_init(&task);
	task.nexus = bench->nexus;
	task.cdb_length = 16;
	task.cdb[0] = 0xff;
	ck_assert_int_eq(scsi_task_parse(&task), SCSI_DONE);
	ck_assert_int_eq(task.status, SCSI_CHECK_CONDITION);
	task.cdb[0] = 0x00;
	ck_assert_int_eq(scsi_task_parse(&task), SCSI_PENDING);
	ck_assert_int_eq(task.status, SCSI_GOOD);
	ck_assert_uint_eq(task.sense_length, 0);
	ck_assert_int_eq(scsi_task_execute(&task), SCSI_DONE);
	ck_assert_int_eq(task.status, SCSI_GOOD);
	bench_free(bench);
}
END_TEST

/* A parsed task may be dropped: it owns nothing (the leak checker looks). */
START_TEST(test_dropped)
{
	struct bench *bench = bench_default();

	for (size_t i = 0; i < scsi_command_count; i++)
		bench_parse(bench,
			cdb_range(scsi_commands[i].opcode, scsi_commands[i].service_action, 0, 1));
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* --- the fast path --- */

/* A READ and a WRITE, parse to end, allocate nothing. */
START_TEST(test_no_allocation)
{
	struct bench *bench = bench_default();
	uint8_t block[BLOCK] = { 1 };
	struct scsi_task task;
	size_t before;

	bench->store->later = true;
	bench_send(bench, cdb_range(0x28, 0, 0, 1));
	scsi_task_init(&task);
	task.nexus = bench->nexus;
	task.cdb_length = 16;
	task.done = bench->task.done;
	task.buffer = block;
	task.buffer_size = task.out_length = BLOCK;
	before = mallinfo2().uordblks;
	for (unsigned opcode = 0x28; opcode <= 0x2a; opcode += 2) {
		struct cdb cdb = cdb_range((uint8_t)opcode, 0, 5, 1);

		memcpy(task.cdb, cdb.bytes, 16);
		ck_assert_int_eq(scsi_task_parse(&task), SCSI_PENDING);
		ck_assert_int_eq(scsi_task_execute(&task), SCSI_PENDING);
		ck_assert_uint_eq(mallinfo2().uordblks, before);
		/* Whoever holds the lock of the device's nexuses does not hold up a READ or a WRITE. */
		pthread_mutex_lock(&bench->device->lock);
		ck_assert_int_eq(scsi_task_parse(&task), SCSI_PENDING);
		pthread_mutex_unlock(&bench->device->lock);
		bench->store->waiting = NULL;
	}
	bench_free(bench);
}
END_TEST

/* Buffers that go to a store which wants them aligned are aligned; the fake store checks. */
START_TEST(test_alignment)
{
	struct bench *bench = bench_default();
	static uint8_t block[BLOCK] __attribute__((aligned(4096)));

	bench->store->info.direct = true;
	memset(block, 1, sizeof(block));
	bench_send(bench, cdb_range(0x2f, 0, 1, 1300));
	check_good(bench, 0);
	bench_parse(bench, cdb_range(0x93, 0, 1, 1300));
	bench->task.buffer = block;
	bench->task.out_length = bench->task.buffer_size = BLOCK;
	ck_assert_int_eq(scsi_task_execute(&bench->task), SCSI_DONE);
	check_good(bench, 0);
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/task");
	TCase *tcase = tcase_create("task");

	tcase_add_rows(tcase, test_ways, way_rows);
	tcase_add_test(tcase, test_done_once);
	tcase_add_test(tcase, test_mixed);
	tcase_add_rows(tcase, test_errors, error_rows);
	tcase_add_test(tcase, test_cancel);
	tcase_add_test(tcase, test_cancel_too_late);
	tcase_add_test(tcase, test_cancel_before);
	tcase_add_test(tcase, test_reuse);
	tcase_add_test(tcase, test_dropped);
	tcase_add_test(tcase, test_no_allocation);
	tcase_add_test(tcase, test_alignment);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
