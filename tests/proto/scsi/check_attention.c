/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit attentions: who gets them, in which order, what reports and what clears them
 * [SCSI-20, TMF-10, SES-05].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include <pthread.h>

#define TEST_UNIT_READY CDB(0x00)

/* By precedence, as they must come out whatever the order they went in. */
static const uint32_t kinds[] = { UA_POWER_ON, UA_RESET, UA_NEXUS_LOSS, UA_CLEARED_BY_OTHER,
	UA_MODE_CHANGED, UA_CAPACITY_CHANGED, UA_LUNS_CHANGED, UA_CLEARED_BY_EVENT };

#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

START_TEST(test_first_attention)
{
	struct bench *bench = bench_new(&(struct bench_options){ .keep_attention = true });

	bench_send(bench, TEST_UNIT_READY);
	check_sense(bench, UA_POWER_ON);
	bench_send(bench, TEST_UNIT_READY);
	check_good(bench, 0);
	bench_free(bench);
}
END_TEST

START_TEST(test_precedence)
{
	struct bench *bench = bench_default();

	for (int i = 0; i < KINDS; i++)
		scsi_nexus_attention(bench->nexus, 0, kinds[(i * 3 + _i) % KINDS]);
	for (int i = 0; i < KINDS; i++) {
		bench_send(bench, TEST_UNIT_READY);
		check_sense(bench, kinds[i]);
	}
	bench_send(bench, TEST_UNIT_READY);
	check_good(bench, 0);
	bench_free(bench);
}
END_TEST

/* One of a kind: initiators give up after ten in a row. */
START_TEST(test_bounded)
{
	struct bench *bench = bench_default();

	ck_assert_int_le(KINDS, 10);
	for (int i = 0; i < 1000; i++)
		scsi_device_attention(bench->device, -1, UA_RESET, NULL);
	bench_send(bench, TEST_UNIT_READY);
	check_sense(bench, UA_RESET);
	bench_send(bench, TEST_UNIT_READY);
	check_good(bench, 0);
	bench_free(bench);
}
END_TEST

/* What runs although an attention is pending, and leaves it there. */
START_TEST(test_not_consumed)
{
	static const struct cdb through[] = {
		CDB(0x12, 0, 0, 0, 255),
		CDB(0x12, 1, 0x83, 0, 255),
		CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 255),
	};
	struct bench *bench = bench_new(&(struct bench_options){ .keep_attention = true });

	for (size_t i = 0; i < sizeof(through) / sizeof(through[0]); i++) {
		bench_send(bench, through[i]);
		ck_assert_int_eq(bench->task.status, SCSI_GOOD);
		ck_assert_uint_gt(bench->task.in_length, 0);
	}
	bench_send(bench, TEST_UNIT_READY);
	check_sense(bench, UA_POWER_ON);
	bench_free(bench);
}
END_TEST

/* Every other command reports it and does nothing else. */
START_TEST(test_consumed)
{
	struct bench *bench = bench_default();

	for (size_t i = 0; i < scsi_command_count; i++) {
		const struct scsi_command *command = &scsi_commands[i];

		if (command->flags & COMMAND_THROUGH_ATTENTION)
			continue;
		scsi_nexus_attention(bench->nexus, 0, UA_NEXUS_LOSS);
		bench_send(bench, CDB(command->opcode, command->service_action));
		check_sense(bench, UA_NEXUS_LOSS);
		bench_send(bench, TEST_UNIT_READY);
		check_good(bench, 0);
	}
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* REQUEST SENSE returns it as data, in the format asked for, and clears it. */
START_TEST(test_request_sense)
{
	struct bench *bench = bench_default();

	scsi_nexus_attention(bench->nexus, 0, UA_RESET);
	scsi_nexus_attention(bench->nexus, 0, UA_LUNS_CHANGED);
	bench_send(bench, CDB(0x03, 0, 0, 0, 252));
	check_good(bench, 18);
	ck_assert_uint_eq(bench->data[0], 0x70);
	ck_assert_uint_eq(bench->data[2], 0x06);
	ck_assert_uint_eq(bench->data[12], 0x29);
	ck_assert_uint_eq(bench->data[13], 0x03);
	bench_send(bench, CDB(0x03, 1, 0, 0, 252));
	check_good(bench, 8);
	ck_assert_uint_eq(bench->data[0], 0x72);
	ck_assert_uint_eq(bench->data[1], 0x06);
	ck_assert_uint_eq(bench->data[2], 0x3f);
	ck_assert_uint_eq(bench->data[3], 0x0e);
	bench_send(bench, CDB(0x03, 0, 0, 0, 252));
	check_good(bench, 18);
	ck_assert_uint_eq(bench->data[2], 0);
	bench_free(bench);
}
END_TEST

/* Whoever has read the new list of LUNs need not be told that it changed. */
START_TEST(test_report_luns_clears_its_own)
{
	struct bench *bench = bench_default();

	scsi_nexus_attention(bench->nexus, 0, UA_LUNS_CHANGED);
	scsi_nexus_attention(bench->nexus, 0, UA_CAPACITY_CHANGED);
	bench_send(bench, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 255));
	ck_assert_int_eq(bench->task.status, SCSI_GOOD);
	bench_send(bench, TEST_UNIT_READY);
	check_sense(bench, UA_CAPACITY_CHANGED);
	bench_send(bench, TEST_UNIT_READY);
	check_good(bench, 0);
	bench_free(bench);
}
END_TEST

/* A command that is no command at all is not worth an attention. */
START_TEST(test_bad_command_comes_first)
{
	struct bench *bench = bench_new(&(struct bench_options){ .keep_attention = true });

	bench_send(bench, CDB(0xff));
	check_sense(bench, SENSE_INVALID_OPCODE);
	bench_send(bench, CDB(0x00, 0x80));
	check_sense(bench, SENSE_INVALID_FIELD_IN_CDB);
	bench_send(bench, TEST_UNIT_READY);
	check_sense(bench, UA_POWER_ON);
	bench_free(bench);
}
END_TEST

/* --- two nexuses, three units --- */

struct crowd {
	struct store *stores[3];
	struct scsi_device *device;
	struct scsi_nexus *nexuses[3];
};

static const uint16_t crowd_luns[3] = { 0, 5, 255 };

static void crowd_begin(struct crowd *crowd)
{
	struct scsi_unit_config units[3] = { 0 };
	struct scsi_device_config config = {
		.target_name = BENCH_NAME, .units = units, .unit_count = 3
	};

	for (int i = 0; i < 3; i++) {
		crowd->stores[i] = fake_store_new(1u << 16, 512);
		units[i].lun = crowd_luns[i];
		units[i].store = crowd->stores[i];
		units[i].block_size = units[i].physical_block_size = 512;
	}
	crowd->device = scsi_device_new(&config);
	ck_assert_ptr_nonnull(crowd->device);
	for (int i = 0; i < 3; i++) {
		crowd->nexuses[i] = scsi_nexus_new(crowd->device, "port", BENCH_TAG, UA_POWER_ON);
		nexus_clear_attention(crowd->nexuses[i], UA_POWER_ON);
	}
}

static void crowd_end(struct crowd *crowd)
{
	/* In an order that is neither that of a stack nor of a queue. */
	scsi_nexus_free(crowd->nexuses[1]);
	scsi_nexus_free(crowd->nexuses[0]);
	scsi_nexus_free(crowd->nexuses[2]);
	ck_assert_ptr_null(crowd->device->nexuses);
	scsi_device_free(crowd->device);
	for (int i = 0; i < 3; i++)
		fake_store_free(crowd->stores[i]);
}

static const struct {
	int lun;
	int except;         /* nexus; -1: none */
	bool pending[3][3]; /* by nexus and unit */
} spread_rows[] = {
	{ 0, -1, { { 1, 0, 0 }, { 1, 0, 0 }, { 1, 0, 0 } } },
	{ 0, 1, { { 1, 0, 0 }, { 0, 0, 0 }, { 1, 0, 0 } } },
	{ 255, 0, { { 0, 0, 0 }, { 0, 0, 1 }, { 0, 0, 1 } } },
	{ -1, -1, { { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 } } },
	{ -1, 2, { { 1, 1, 1 }, { 1, 1, 1 }, { 0, 0, 0 } } },
	{ 6, -1, { { 0 }, { 0 }, { 0 } } }, /* no such unit */
	{ 256, -1, { { 0 }, { 0 }, { 0 } } },
};

static void check_spread(const struct crowd *crowd, int row)
{
	for (int nexus = 0; nexus < 3; nexus++)
		for (int unit = 0; unit < 3; unit++)
			ck_assert_msg(
				nexus_has_attention(crowd->nexuses[nexus], crowd_luns[unit]) ==
					spread_rows[row].pending[nexus][unit],
				"nexus %d unit %d", nexus, unit);
}

START_TEST(test_spread)
{
	struct crowd crowd;
	int except = spread_rows[_i].except;

	crowd_begin(&crowd);
	scsi_device_attention(crowd.device, spread_rows[_i].lun, UA_CAPACITY_CHANGED,
		except < 0 ? NULL : crowd.nexuses[except]);
	check_spread(&crowd, _i);
	crowd_end(&crowd);
}
END_TEST

/* [TMF-10] A reset tells everybody but the one who asked for it. */
START_TEST(test_reset)
{
	struct crowd crowd;
	int except = spread_rows[_i].except;

	crowd_begin(&crowd);
	scsi_device_reset(
		crowd.device, spread_rows[_i].lun, except < 0 ? NULL : crowd.nexuses[except]);
	check_spread(&crowd, _i);
	for (int i = 0; i < 3; i++)
		if (nexus_has_attention(crowd.nexuses[i], 0))
			ck_assert_uint_eq(nexus_take_attention(crowd.nexuses[i], 0), UA_RESET);
	crowd_end(&crowd);
}
END_TEST

/* An attention is one nexus's own: that another has seen it changes nothing. */
START_TEST(test_each_its_own)
{
	struct crowd crowd;

	crowd_begin(&crowd);
	scsi_device_attention(crowd.device, 5, UA_MODE_CHANGED, NULL);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(nexus_take_attention(crowd.nexuses[i], 5), UA_MODE_CHANGED);
		ck_assert_uint_eq(nexus_take_attention(crowd.nexuses[i], 5), 0);
	}
	crowd_end(&crowd);
}
END_TEST

/* A LUN without a unit never has one pending, so that nothing stays behind in its queue. */
START_TEST(test_absent_lun)
{
	struct crowd crowd;

	crowd_begin(&crowd);
	scsi_nexus_attention(crowd.nexuses[0], -1, UA_RESET);
	for (uint16_t lun = 0; lun < SCSI_LUN_MAX; lun++)
		ck_assert_int_eq(nexus_has_attention(crowd.nexuses[0], lun),
			lun == 0 || lun == 5 || lun == 255);
	crowd_end(&crowd);
}
END_TEST

/* --- many threads --- */

#define ROUNDS 20000

static void *tell(void *context)
{
	struct crowd *crowd = context;

	for (int i = 0; i < ROUNDS; i++)
		scsi_device_attention(crowd->device, i % 2 ? 0 : -1, kinds[i % KINDS], NULL);
	return NULL;
}

static void *come_and_go(void *context)
{
	struct crowd *crowd = context;

	for (int i = 0; i < ROUNDS / 10; i++)
		scsi_nexus_free(scsi_nexus_new(crowd->device, "passing", BENCH_TAG, UA_POWER_ON));
	return NULL;
}

static void *take(void *context)
{
	struct crowd *crowd = context;
	uintptr_t taken = 0;

	for (int i = 0; i < ROUNDS; i++)
		if (nexus_take_attention(crowd->nexuses[0], 0))
			taken++;
	return (void *)taken;
}

/* Workers tell, take, come and go at once: nothing is lost for good, nothing comes from nowhere. */
START_TEST(test_threads)
{
	static void *(*const bodies[])(void *) = { tell, come_and_go, take, tell };
	struct crowd crowd;
	pthread_t threads[4];

	crowd_begin(&crowd);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, bodies[i], &crowd), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < KINDS; i++)
		ck_assert_uint_eq(nexus_take_attention(crowd.nexuses[1], 0), kinds[i]);
	ck_assert_uint_eq(nexus_take_attention(crowd.nexuses[1], 0), 0);
	crowd_end(&crowd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/attention");
	TCase *tcase = tcase_create("attention");

	tcase_add_test(tcase, test_first_attention);
	tcase_add_loop_test(tcase, test_precedence, 0, KINDS);
	tcase_add_test(tcase, test_bounded);
	tcase_add_test(tcase, test_not_consumed);
	tcase_add_test(tcase, test_consumed);
	tcase_add_test(tcase, test_request_sense);
	tcase_add_test(tcase, test_report_luns_clears_its_own);
	tcase_add_test(tcase, test_bad_command_comes_first);
	tcase_add_rows(tcase, test_spread, spread_rows);
	tcase_add_rows(tcase, test_reset, spread_rows);
	tcase_add_test(tcase, test_each_its_own);
	tcase_add_test(tcase, test_absent_lun);
	tcase_add_test(tcase, test_threads);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
