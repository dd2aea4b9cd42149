/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RESERVE and RELEASE: who is kept out of what, and what ends a reservation
 * [SCSI-22, SES-06, SES-08, CRED-16, ESX-04].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include <pthread.h>

#define TEST_UNIT_READY CDB(0x00)
#define RESERVE_6       CDB(0x16)
#define RELEASE_6       CDB(0x17)

static struct bench *bench;
static struct scsi_nexus *first, *second;

static void setup(void)
{
	bench = bench_default();
	first = bench->nexus;
	second = scsi_nexus_new(bench->device, "second", BENCH_TAG, UA_POWER_ON);
	ck_assert_ptr_nonnull(second);
	bench->nexus = second;
	bench_send(bench, TEST_UNIT_READY);
	check_sense(bench, UA_POWER_ON);
}

static void teardown(void)
{
	bench->nexus = first;
	scsi_nexus_free(second);
	bench_free(bench);
}

static void send_as(struct scsi_nexus *nexus, struct cdb cdb)
{
	bench->nexus = nexus;
	bench_send(bench, cdb);
}

static void check_conflict(void)
{
	ck_assert_int_eq(bench->task.status, SCSI_RESERVATION_CONFLICT);
	ck_assert_uint_eq(bench->task.sense_length, 0);
	ck_assert_uint_eq(bench->task.in_length, 0);
}

static void check_free(void)
{
	send_as(second, TEST_UNIT_READY);
	if (bench->task.status == SCSI_CHECK_CONDITION) /* what ended it has told so */
		send_as(second, TEST_UNIT_READY);
	check_good(bench, 0);
}

static const struct {
	struct cdb cdb;
	bool allowed;
} command_rows[] = {
	{ { { 0x00 } }, false },
	{ { { 0x08, 0, 0, 0, 1 } }, false },
	{ { { 0x0a, 0, 0, 0, 1 } }, false },
	{ { { 0x28, 0, 0, 0, 0, 0, 0, 0, 1 } }, false },
	{ { { 0x2a, 0, 0, 0, 0, 0, 0, 0, 1 } }, false },
	{ { { 0x88, [13] = 1 } }, false },
	{ { { 0x8a, [13] = 1 } }, false },
	{ { { 0x93, [13] = 1 } }, false },
	{ { { 0x42, [8] = 24 } }, false },
	{ { { 0x2f, [8] = 1 } }, false },
	{ { { 0x35 } }, false },
	{ { { 0x1b } }, false },
	{ { { 0x1a, 0, 0x3f, 0, 255 } }, false },
	{ { { 0x9e, 0x12, [13] = 24 } }, false },
	{ { { 0x16 } }, false },
	{ { { 0x56 } }, false },
	{ { { 0x03, 0, 0, 0, 18 } }, true },
	{ { { 0x12, 0, 0, 0, 36 } }, true },
	{ { { 0xa0, [9] = 64 } }, true },
	{ { { 0xa3, 0x0c, [9] = 64 } }, true },
	{ { { 0x25 } }, true },
	{ { { 0x9e, 0x10, [13] = 32 } }, true },
	{ { { 0x17 } }, true },
	{ { { 0x57 } }, true },
};

START_TEST(test_commands)
{
	send_as(first, RESERVE_6);
	check_good(bench, 0);
	send_as(second, command_rows[_i].cdb);
	if (command_rows[_i].allowed)
		ck_assert_int_eq(bench->task.status, SCSI_GOOD);
	else
		check_conflict();
	ck_assert_uint_eq(bench->store->requests, 0);
	/* Whatever it was, the holder keeps it. */
	send_as(first, TEST_UNIT_READY);
	check_good(bench, 0);
	send_as(second, TEST_UNIT_READY);
	check_conflict();
}
END_TEST

START_TEST(test_holder)
{
	send_as(first, CDB(0x56));
	check_good(bench, 0);
	send_as(first, RESERVE_6); /* once more is no more */
	check_good(bench, 0);
	send_as(first, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1));
	check_good(bench, 512);
	send_as(first, RELEASE_6);
	check_good(bench, 0);
	check_free();
	send_as(second, RESERVE_6);
	check_good(bench, 0);
	send_as(first, RELEASE_6); /* not its own: nothing happens */
	check_good(bench, 0);
	send_as(first, TEST_UNIT_READY);
	check_conflict();
}
END_TEST

/* A unit attention is told first; a command that is wrong by itself does not hear of the conflict. */
START_TEST(test_precedence)
{
	send_as(first, RESERVE_6);
	scsi_nexus_attention(second, 0, UA_MODE_CHANGED);
	send_as(second, TEST_UNIT_READY);
	check_sense(bench, UA_MODE_CHANGED);
	send_as(second, TEST_UNIT_READY);
	check_conflict();
	send_as(second, CDB(0x00, 1));
	check_sense(bench, SENSE_INVALID_FIELD_IN_CDB);
}
END_TEST

/* What was on its way before is not stopped. */
START_TEST(test_under_way)
{
	uint8_t data[512] = { 'x' };

	bench->nexus = second;
	bench_parse(bench, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 1));
	ck_assert(bench->parsed);
	struct scsi_task write = bench->task;
	send_as(first, RESERVE_6);
	bench->task = write;
	bench->parsed = true;
	bench->wanted = sizeof(data);
	bench->nexus = second;
	(void)bench_execute(bench, data, sizeof(data));
	check_good(bench, 0);
	ck_assert_uint_eq(bench->store->bytes[0], 'x');
}
END_TEST

START_TEST(test_nexus_loss)
{
	send_as(first, RESERVE_6);
	scsi_nexus_free(first);
	first = scsi_nexus_new(bench->device, "first again", BENCH_TAG, UA_NEXUS_LOSS);
	check_free();
}
END_TEST

static const struct {
	int lun;
	bool ends;
} reset_rows[] = { { -1, true }, { 0, true }, { 1, false } };

START_TEST(test_reset)
{
	send_as(first, RESERVE_6);
	scsi_device_reset(bench->device, reset_rows[_i].lun, second);
	if (reset_rows[_i].ends) {
		check_free();
	} else {
		send_as(second, TEST_UNIT_READY);
		check_conflict();
	}
}
END_TEST

/* Many reserve at once, from threads of their own: one at a time has it. */
enum { RACERS = 4, ROUNDS = 2000 };

static struct race {
	pthread_t thread;
	struct scsi_nexus *nexus;
	unsigned won;
} races[RACERS];
static atomic_uint inside;
static atomic_bool crowded;

static void *race_run(void *context)
{
	struct race *race = context;
	struct scsi_task task;

	for (unsigned i = 0; i < ROUNDS; i++) {
		scsi_task_init(&task);
		task.nexus = race->nexus;
		task.cdb[0] = 0x16;
		task.cdb_length = 16;
		if (scsi_task_parse(&task) != SCSI_PENDING)
			continue;
		(void)scsi_task_execute(&task);
		if (task.status != SCSI_GOOD)
			continue;
		race->won++;
		if (atomic_fetch_add(&inside, 1) > 0)
			atomic_store(&crowded, true);
		atomic_fetch_sub(&inside, 1);
		scsi_task_init(&task);
		task.nexus = race->nexus;
		task.cdb[0] = 0x17;
		task.cdb_length = 16;
		(void)scsi_task_parse(&task);
		(void)scsi_task_execute(&task);
	}
	return NULL;
}

START_TEST(test_race)
{
	unsigned won = 0;

	for (int i = 0; i < RACERS; i++) {
		races[i].nexus = scsi_nexus_new(bench->device, "racer", BENCH_TAG, UA_POWER_ON);
		send_as(races[i].nexus, TEST_UNIT_READY);
		ck_assert_int_eq(pthread_create(&races[i].thread, NULL, race_run, &races[i]), 0);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(races[i].thread, NULL);
		won += races[i].won;
	}
	for (int i = 0; i < RACERS; i++)
		scsi_nexus_free(races[i].nexus);
	ck_assert(!atomic_load(&crowded));
	ck_assert_uint_gt(won, 0);
	check_free();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/reserve");
	TCase *tcase = tcase_create("RESERVE and RELEASE");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_rows(tcase, test_commands, command_rows);
	tcase_add_test(tcase, test_holder);
	tcase_add_test(tcase, test_precedence);
	tcase_add_test(tcase, test_under_way);
	tcase_add_test(tcase, test_nexus_loss);
	tcase_add_rows(tcase, test_reset, reset_rows);
	tcase_add_test(tcase, test_race);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
