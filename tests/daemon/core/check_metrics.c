/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon/core/stats.c and metrics_text.c: what is counted where, and how numbers, labels and histograms
 * are written. Whole scrapes are test_metrics.py's.
 */
#include "daemon/core/stats.h"

#include "daemon/core/metrics_text.h"
#include "tests/suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- counting --- */

/* No test looks into it: a LUN either exists or not. */
#define SOME_UNIT ((struct scsi_unit *)(uintptr_t)8)

static const struct {
	uint8_t opcode;
	enum stats_operation operation;
} operations[] = {
	{ 0x08, STATS_READ },
	{ 0x28, STATS_READ },
	{ 0xa8, STATS_READ },
	{ 0x88, STATS_READ },
	{ 0x0a, STATS_WRITE },
	{ 0x2a, STATS_WRITE },
	{ 0xaa, STATS_WRITE },
	{ 0x8a, STATS_WRITE },
	{ 0x2e, STATS_WRITE },
	{ 0xae, STATS_WRITE },
	{ 0x8e, STATS_WRITE },
	{ 0x00, STATS_OTHER },
	{ 0x12, STATS_OTHER },
	{ 0x42, STATS_OTHER },
	{ 0x93, STATS_OTHER },
	{ 0xff, STATS_OTHER },
};

START_TEST(commands_are_told_apart)
{
	struct stats *stats = stats_new();
	struct stats_target *target = stats_target(stats, "a");
	const struct scsi_task task = { .cdb = { operations[_i].opcode }, .unit = SOME_UNIT };
	stats_command(stats, target, &task, 0, 1);
	stats_settle(stats, 2);
	const struct stats_lun *lun = stats_lun_of(target, 0);
	for (unsigned i = 0; i < STATS_OPERATIONS; i++)
		ck_assert_uint_eq(stats_read(&lun->commands[i][0]), i == operations[_i].operation);
	stats_free(stats);
}
END_TEST

/* A time that equals a bound is below it; there is a place for every time. */
START_TEST(times_find_their_bucket)
{
	struct stats *stats = stats_new();
	struct stats_target *target = stats_target(stats, "a");
	const struct scsi_task task = { .cdb = { 0x28 }, .unit = SOME_UNIT };
	const uint64_t bound = _i < STATS_BUCKETS - 1 ? stats_bounds[_i] : UINT64_C(1) << 60;
	stats_command(stats, target, &task, 0, 5);
	ck_assert(stats_unsettled(stats));
	stats_settle(stats, 5 + bound);
	ck_assert(!stats_unsettled(stats));
	ck_assert_uint_eq(stats_read(&stats_lun_of(target, 0)->commands[STATS_READ][_i]), 1);
	ck_assert_uint_eq(stats_read(&stats_lun_of(target, 0)->nanoseconds[STATS_READ]), bound);
	if (_i < STATS_BUCKETS - 1) {
		stats_command(stats, target, &task, 0, 5);
		stats_settle(stats, 5 + bound + 1);
		ck_assert_uint_eq(
			stats_read(&stats_lun_of(target, 0)->commands[STATS_READ][_i + 1]), 1);
	}
	stats_free(stats);
}
END_TEST

/* [SCSI] sense in both formats, other statuses, data in both directions, a LUN that is not there. */
static const struct {
	struct scsi_task task;
	unsigned lun, key; /* key: the sense key counted, STATS_SENSE_KEYS = none */
	unsigned refused, in, out;
} outcomes[] = {
	{ { .unit = SOME_UNIT, .direction = SCSI_DATA_IN }, 0, STATS_SENSE_KEYS, 0, 7, 0 },
	{ { .unit = SOME_UNIT, .direction = SCSI_DATA_OUT }, 0, STATS_SENSE_KEYS, 0, 0, 7 },
	{ { .unit = SOME_UNIT, .lun = UINT64_C(255) << 48, .direction = SCSI_DATA_OUT }, 255,
		STATS_SENSE_KEYS, 0, 0, 7 },
	{ { .lun = UINT64_C(9) << 48,
		  .status = SCSI_CHECK_CONDITION,
		  .sense = { 0x70, 0, 5 },
		  .sense_length = 18 },
		STATS_NO_LUN, 5, 0, 7, 0 },
	{ { .unit = SOME_UNIT,
		  .status = SCSI_CHECK_CONDITION,
		  .sense = { 0xf0, 0xff, 0x23 },
		  .sense_length = 18 },
		0, 3, 0, 7, 0 },
	{ { .unit = SOME_UNIT,
		  .status = SCSI_CHECK_CONDITION,
		  .sense = { 0x72, 0x0b, 0x44 },
		  .sense_length = 8 },
		0, 11, 0, 7, 0 },
	{ { .unit = SOME_UNIT, .status = SCSI_CHECK_CONDITION }, 0, 0, 0, 7, 0 },
	{ { .unit = SOME_UNIT, .status = SCSI_BUSY }, 0, STATS_SENSE_KEYS, 1, 7, 0 },
	{ { .unit = SOME_UNIT, .status = SCSI_RESERVATION_CONFLICT }, 0, STATS_SENSE_KEYS, 1, 7,
		0 },
	{ { .unit = SOME_UNIT, .status = SCSI_TASK_SET_FULL }, 0, STATS_SENSE_KEYS, 1, 7, 0 },
};

START_TEST(outcomes_are_counted)
{
	struct stats *stats = stats_new();
	struct stats_target *target = stats_target(stats, "a");
	stats_command(stats, target, &outcomes[_i].task, 7, 1);
	for (unsigned i = 0; i <= STATS_NO_LUN; i++)
		ck_assert_int_eq(stats_lun_of(target, i) != NULL, i == outcomes[_i].lun);
	const struct stats_lun *lun = stats_lun_of(target, outcomes[_i].lun);
	for (unsigned i = 0; i < STATS_SENSE_KEYS; i++)
		ck_assert_uint_eq(stats_read(&lun->sense[i]), i == outcomes[_i].key);
	ck_assert_uint_eq(stats_read(&lun->refused), outcomes[_i].refused);
	ck_assert_uint_eq(stats_read(&lun->bytes_in), outcomes[_i].in);
	ck_assert_uint_eq(stats_read(&lun->bytes_out), outcomes[_i].out);
	stats_free(stats);
}
END_TEST

/* A turn may end more commands than there are places, and a clock that is behind makes no huge time. */
START_TEST(every_command_of_a_turn_is_counted)
{
	struct stats *stats = stats_new();
	struct stats_target *target = stats_target(stats, "a");
	const struct scsi_task task = { .cdb = { 0x28 }, .unit = SOME_UNIT };
	for (unsigned i = 0; i < 3 * STATS_ENDED_MAX + 1; i++)
		stats_command(stats, target, &task, 0, UINT64_MAX);
	stats_settle(stats, 0);
	stats_settle(stats, 0);
	const struct stats_lun *lun = stats_lun_of(target, 0);
	ck_assert_uint_eq(stats_read(&lun->commands[STATS_READ][0]), 3 * STATS_ENDED_MAX + 1);
	ck_assert_uint_eq(stats_read(&lun->nanoseconds[STATS_READ]), 0);
	stats_free(stats);
}
END_TEST

START_TEST(targets_are_kept_by_name)
{
	struct stats *stats = stats_new();
	ck_assert_ptr_null(stats_first(stats));
	struct stats_target *a = stats_target(stats, "a"), *b = stats_target(stats, "b");
	ck_assert_ptr_ne(a, b);
	ck_assert_ptr_eq(stats_target(stats, "a"), a);
	ck_assert_ptr_eq(stats_first(stats), b);
	ck_assert_ptr_eq(b->next, a);
	stats_session(a, 1);
	stats_session(a, 1);
	stats_session(a, -1);
	ck_assert_uint_eq(stats_read(&a->sessions), 1);
	ck_assert_uint_eq(stats_read(&b->sessions), 0);
	stats_login(b, STATS_LOGIN_NO_TARGET);
	ck_assert_uint_eq(stats_read(&b->logins[STATS_LOGIN_NO_TARGET]), 1);
	stats_turn(stats);
	ck_assert_uint_eq(stats_read(&stats->turns), 1);
	/* What could not get memory counts nothing. */
	stats_session(NULL, 1);
	stats_login(NULL, STATS_LOGIN_ACCEPTED);
	stats_command(stats, NULL, &(struct scsi_task){ 0 }, 1, 1);
	ck_assert(!stats_unsettled(stats));
	stats_free(stats);
	stats_free(NULL);
}
END_TEST

/* A reader meanwhile sees whole counters that never go back. For the thread sanitizer too. */
#define ROUNDS 20000u

static void *count_many(void *context)
{
	struct stats *stats = context;
	for (unsigned i = 0; i < ROUNDS; i++) {
		char name[2] = { (char)('a' + i % 26), '\0' };
		const struct scsi_task task = { .cdb = { 0x28 },
			.unit = SOME_UNIT,
			.lun = (uint64_t)(i % SCSI_LUN_MAX) << 48 };
		stats_command(stats, stats_target(stats, name), &task, 512, i);
		if (i % 7 == 0)
			stats_settle(stats, i);
	}
	return NULL;
}

static uint64_t count_all(const struct stats *stats)
{
	uint64_t sum = 0;
	for (const struct stats_target *target = stats_first(stats); target; target = target->next)
		for (unsigned i = 0; i <= STATS_NO_LUN; i++) {
			const struct stats_lun *lun = stats_lun_of(target, i);
			for (unsigned n = 0; lun && n < STATS_BUCKETS; n++)
				sum += stats_read(&lun->commands[STATS_READ][n]);
		}
	return sum;
}

START_TEST(reading_disturbs_nobody)
{
	struct stats *stats = stats_new();
	pthread_t writer;
	uint64_t last = 0;
	ck_assert_int_eq(pthread_create(&writer, NULL, count_many, stats), 0);
	for (unsigned i = 0; i < 50; i++) {
		const uint64_t now = count_all(stats);
		ck_assert_uint_ge(now, last);
		last = now;
	}
	pthread_join(writer, NULL);
	stats_settle(stats, ROUNDS);
	ck_assert_uint_eq(count_all(stats), ROUNDS);
	stats_free(stats);
}
END_TEST

/* --- writing --- */

static const struct {
	uint64_t nanoseconds;
	const char *line;
} seconds[] = {
	{ 0, "m 0\n" },
	{ 1, "m 0.000000001\n" },
	{ 25000, "m 0.000025\n" },
	{ 1000000000, "m 1\n" },
	{ 10000000000, "m 10\n" },
	{ 2500000000, "m 2.5\n" },
	{ UINT64_MAX, "m 18446744073.709551615\n" },
};

START_TEST(times_are_seconds)
{
	struct metrics_text text = { 0 };
	metrics_seconds(&text, "m", "", "", seconds[_i].nanoseconds);
	ck_assert_str_eq(text.bytes, seconds[_i].line);
	free(text.bytes);
}
END_TEST

START_TEST(samples_have_labels)
{
	struct metrics_text text = { 0 };
	metrics_begin(&text, "m", "counter", "What it is.");
	metrics_sample(&text, "m", "", "", 0);
	metrics_sample(&text, "m", "_x", "a=\"1\",b=\"2\"", UINT64_MAX);
	ck_assert_str_eq(text.bytes, "# HELP m What it is.\n# TYPE m counter\nm 0\n"
				     "m_x{a=\"1\",b=\"2\"} 18446744073709551615\n");
	ck_assert_uint_eq(text.length, strlen(text.bytes));
	free(text.bytes);
}
END_TEST

START_TEST(histograms_are_cumulated)
{
	static const uint64_t counts[] = { 1, 0, 4 }, bounds[] = { 25000, 1000000000 };
	struct metrics_text text = { 0 };
	metrics_histogram(&text, "h", "a=\"1\"", counts, bounds, 3, 1500000000);
	metrics_histogram(&text, "h", "", counts, bounds, 1, 0);
	ck_assert_str_eq(text.bytes,
		"h_bucket{a=\"1\",le=\"0.000025\"} 1\nh_bucket{a=\"1\",le=\"1\"} 1\n"
		"h_bucket{a=\"1\",le=\"+Inf\"} 5\nh_sum{a=\"1\"} 1.5\nh_count{a=\"1\"} 5\n"
		"h_bucket{le=\"+Inf\"} 1\nh_sum 0\nh_count 1\n");
	free(text.bytes);
}
END_TEST

/* Labels that leave no room for the bound are a fault, not half a line. */
START_TEST(long_labels_are_no_half_lines)
{
	static const uint64_t counts[] = { 1 };
	static char labels[1024];
	struct metrics_text text = { 0 };
	memset(labels, 'x', sizeof labels - 1);
	metrics_histogram(&text, "h", labels, counts, NULL, 1, 0);
	ck_assert(text.failed);
	metrics_sample(&text, "m", "", "", 1);
	ck_assert_uint_eq(text.length, 0);
	free(text.bytes);
}
END_TEST

START_TEST(long_texts_grow)
{
	struct metrics_text text = { 0 };
	for (unsigned i = 0; i < 50000; i++)
		metrics_sample(&text, "metric", "", "label=\"value\"", i);
	ck_assert(!text.failed);
	ck_assert_uint_gt(text.length, 50000 * 20);
	ck_assert_ptr_nonnull(strstr(text.bytes, "metric{label=\"value\"} 49999\n"));
	free(text.bytes);
}
END_TEST

static const struct {
	const char *value, *escaped;
	size_t size;
} escapes[] = {
	{ "", "", 8 },
	{ "iqn.a:b", "iqn.a:b", 16 },
	{ "a\"b\\c\nd", "a\\\"b\\\\c\\nd", 16 },
	{ "abcdef", "abc", 5 },
	{ "ab\"", "ab", 4 },
	{ "\xc3\xa9", "\xc3\xa9", 8 },
};

START_TEST(labels_are_escaped)
{
	char escaped[16];
	ck_assert_str_eq(
		metrics_escape(escaped, escapes[_i].size, escapes[_i].value), escapes[_i].escaped);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tcase = tcase_create("counting");
	tcase_add_rows(tcase, commands_are_told_apart, operations);
	tcase_add_loop_test(tcase, times_find_their_bucket, 0, STATS_BUCKETS);
	tcase_add_rows(tcase, outcomes_are_counted, outcomes);
	tcase_add_test(tcase, every_command_of_a_turn_is_counted);
	tcase_add_test(tcase, targets_are_kept_by_name);
	tcase_add_test(tcase, reading_disturbs_nobody);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("writing");
	tcase_add_rows(tcase, times_are_seconds, seconds);
	tcase_add_test(tcase, samples_have_labels);
	tcase_add_test(tcase, histograms_are_cumulated);
	tcase_add_test(tcase, long_labels_are_no_half_lines);
	tcase_add_test(tcase, long_texts_grow);
	tcase_add_rows(tcase, labels_are_escaped, escapes);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
