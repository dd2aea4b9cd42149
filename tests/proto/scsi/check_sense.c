/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sense data, byte by byte, in both formats [SCSI-25, RES-06].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#define MISCOMPARE SENSE_MISCOMPARE
#define IN_CDB     SENSE_FIELD_IN_CDB
#define IN_LIST    SENSE_FIELD_IN_PARAMETERS

static const struct {
	struct sense_data data;
	bool descriptor_format;
	uint8_t length;
	uint8_t bytes[SCSI_SENSE_MAX];
} rows[] = {
	{ { .code = SENSE_NONE }, false, 18, { 0x70, [7] = 10 } },
	{ { .code = UA_POWER_ON }, false, 18, { 0x70, [2] = 6, [7] = 10, [12] = 0x29 } },
	{ { .code = SENSE_SPACE_ALLOCATION_FAILED }, false, 18,
		{ 0x70, [2] = 7, [7] = 10, [12] = 0x27, 7 } },
	/* the field pointer: C/D with the CDB, not with a parameter list */
	{ { .code = SENSE_INVALID_FIELD_IN_CDB, .field = IN_CDB, .field_byte = 6, .field_bit = 5 },
		false, 18, { 0x70, [2] = 5, [7] = 10, [12] = 0x24, 0, 0, 0xcd, 0, 6 } },
	{ { .code = SENSE_INVALID_FIELD_IN_PARAMETERS, .field = IN_LIST, .field_byte = 0x1234 },
		false, 18, { 0x70, [2] = 5, [7] = 10, [12] = 0x26, 0, 0, 0x88, 0x12, 0x34 } },
	/* INFORMATION that fits, and one that does not: VALID tells */
	{ { .code = MISCOMPARE, .has_information = true, .information = 0xfedcba98 }, false, 18,
		{ 0xf0, [2] = 0x0e, 0xfe, 0xdc, 0xba, 0x98, 10, [12] = 0x1d } },
	{ { .code = MISCOMPARE, .has_information = true, .information = 0 }, false, 18,
		{ 0xf0, [2] = 0x0e, [7] = 10, [12] = 0x1d } },
	{ { .code = MISCOMPARE, .has_information = true, .information = 1ull << 32 }, false, 18,
		{ 0x70, [2] = 0x0e, [7] = 10, [12] = 0x1d } },

	{ { .code = SENSE_NONE }, true, 8, { 0x72 } },
	{ { .code = SENSE_LUN_NOT_SUPPORTED }, true, 8, { 0x72, 5, 0x25, 0 } },
	{ { .code = SENSE_INVALID_FIELD_IN_CDB, .field = IN_CDB, .field_byte = 1, .field_bit = 3 },
		true, 16, { 0x72, 5, 0x24, 0, [7] = 8, 0x02, 6, 0, 0, 0xcb, 0, 1, 0 } },
	{ { .code = MISCOMPARE, .has_information = true, .information = 0x0123456789abcdef }, true,
		20,
		{ 0x72, 0x0e, 0x1d, 0, [7] = 12, 0x00, 10, 0x80, 0, 0x01, 0x23, 0x45, 0x67, 0x89,
			0xab, 0xcd, 0xef } },
	{ { .code = MISCOMPARE,
		  .has_information = true,
		  .information = 1,
		  .field = IN_LIST,
		  .field_byte = 2 },
		true, 28,
		{ 0x72, 0x0e, 0x1d, 0, [7] = 20, 0x00, 10, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x02, 6,
			0, 0, 0x88, 0, 2, 0 } },
};

START_TEST(test_bytes)
{
	uint8_t sense[SCSI_SENSE_MAX];

	memset(sense, 0xee, sizeof(sense));
	ck_assert_uint_eq(
		sense_write(sense, &rows[_i].data, rows[_i].descriptor_format), rows[_i].length);
	ck_assert_mem_eq(sense, rows[_i].bytes, sizeof(sense));
}
END_TEST

/* D_SENSE of the unit chooses the format, for the transport's own errors too. */
START_TEST(test_format_of_unit)
{
	struct bench *bench = bench_default();
	struct scsi_task *task = &bench->task;

	bench_parse(bench, CDB(0x00));
	scsi_task_fail(task, SENSE_PROTOCOL_SERVICE_CRC_ERROR);
	ck_assert_int_eq(task->status, SCSI_CHECK_CONDITION);
	ck_assert_uint_eq(task->sense_length, 18);
	ck_assert_uint_eq(bench_sense(bench), SENSE_PROTOCOL_SERVICE_CRC_ERROR);

	bench->device->units[0]->descriptor_sense = true;
	scsi_task_fail(task, SENSE_NOT_ENOUGH_UNSOLICITED_DATA);
	ck_assert_uint_eq(task->sense_length, 8);
	ck_assert_uint_eq(task->sense[0], 0x72);
	ck_assert_uint_eq(task->sense[1], 0x0b);
	ck_assert_uint_eq(task->sense[2], 0x0c);
	ck_assert_uint_eq(task->sense[3], 0x0d);
	bench_free(bench);
}
END_TEST

/* The transport may fail a task that was never parsed. */
START_TEST(test_before_parse)
{
	struct scsi_task task;

	scsi_task_init(&task);
	task.in_length = 7;
	scsi_task_fail(&task, SENSE_UNEXPECTED_UNSOLICITED_DATA);
	ck_assert_int_eq(task.status, SCSI_CHECK_CONDITION);
	ck_assert_uint_eq(task.in_length, 0);
	ck_assert_uint_eq(task.sense_length, 18);
	ck_assert_uint_eq(task.sense[12], 0x0c);
	ck_assert_uint_eq(task.sense[13], 0x0c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/sense");
	TCase *tcase = tcase_create("sense");

	tcase_add_rows(tcase, test_bytes, rows);
	tcase_add_test(tcase, test_format_of_unit);
	tcase_add_test(tcase, test_before_parse);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
