/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * REPORT LUNS [SCSI-02, RES-02] and REPORT SUPPORTED OPERATION CODES [SCSI-24].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

/* --- REPORT LUNS --- */

#define REPORT_LUNS(select, alloc)                                                                 \
	CDB(0xa0, 0, select, 0, 0, 0, (uint8_t)((alloc) >> 24), (uint8_t)((alloc) >> 16),          \
		(uint8_t)((alloc) >> 8), (uint8_t)(alloc))

struct many {
	struct bench bench;
	struct store *store;
};

/* A device with `count` units on LUNs step, 2 * step, ... (or 0 ... when step is 1). */
static void many_begin(struct many *many, unsigned count, unsigned step)
{
	struct scsi_unit_config units[SCSI_LUN_MAX] = { 0 };
	struct scsi_device_config config = {
		.target_name = BENCH_NAME, .units = units, .unit_count = count
	};

	memset(many, 0, sizeof(*many));
	many->store = fake_store_new(4096, 512);
	for (unsigned i = 0; i < count; i++) {
		units[i].lun = (uint16_t)(i * step);
		units[i].store = many->store;
		units[i].block_size = units[i].physical_block_size = 512;
	}
	many->bench.store = many->store;
	many->bench.device = scsi_device_new(&config);
	ck_assert_ptr_nonnull(many->bench.device);
	many->bench.nexus = scsi_nexus_new(many->bench.device, "port", BENCH_TAG, UA_POWER_ON);
}

static void many_end(struct many *many)
{
	scsi_nexus_free(many->bench.nexus);
	scsi_device_free(many->bench.device);
	fake_store_free(many->store);
	free(many->bench.data);
}

static const struct {
	unsigned count, step;
} many_rows[] = { { 0, 1 }, { 1, 1 }, { 2, 100 }, { 10, 1 }, { 51, 5 }, { 256, 1 } };

/* Ascending, and each LUN field as it is reported is accepted back. */
START_TEST(test_luns)
{
	unsigned count = many_rows[_i].count;
	struct many many;

	many_begin(&many, count, many_rows[_i].step);
	bench_send(&many.bench, REPORT_LUNS(0, 4096));
	check_good(&many.bench, 8 + 8 * count);
	ck_assert_uint_eq(get_be32(many.bench.data), 8 * count);
	ck_assert_uint_eq(get_be32(many.bench.data + 4), 0);
	for (unsigned i = 0; i < count; i++) {
		uint64_t lun = get_be64(many.bench.data + 8 + 8 * i);

		ck_assert_uint_eq(lun, LUN(i * many_rows[_i].step));
		ck_assert(scsi_lun_exists(many.bench.device, lun));
	}
	many_end(&many);
}
END_TEST

/* [RES-02] Cut to the allocation length; the list's length is that of the whole. */
START_TEST(test_luns_allocation)
{
	struct many many;

	many_begin(&many, 10, 1);
	for (unsigned alloc = 0; alloc < 120; alloc++) {
		bench_send(&many.bench, REPORT_LUNS(0, alloc));
		if (alloc < 16) {
			check_field(&many.bench, SENSE_INVALID_FIELD_IN_CDB, true, 6, 7);
			continue;
		}
		check_good(&many.bench, alloc < 88 ? alloc : 88);
		ck_assert_uint_eq(get_be32(many.bench.data), 80);
	}
	bench_send(&many.bench, REPORT_LUNS(0, 0xffffffffu));
	check_good(&many.bench, 88);
	many_end(&many);
}
END_TEST

static const struct {
	uint8_t select;
	int luns; /* -1: 05/24 */
} select_rows[] = { { 0, 3 }, { 1, 0 }, { 2, 3 }, { 3, -1 }, { 0x10, -1 }, { 0x80, -1 },
	{ 0xff, -1 } };

START_TEST(test_luns_select)
{
	struct many many;

	many_begin(&many, 3, 1);
	bench_send(&many.bench, REPORT_LUNS(select_rows[_i].select, 256));
	if (select_rows[_i].luns < 0)
		check_field(&many.bench, SENSE_INVALID_FIELD_IN_CDB, true, 2, 7);
	else
		check_good(&many.bench, 8 + 8 * (uint32_t)select_rows[_i].luns);
	many_end(&many);
}
END_TEST

/* LUN 0 answers though it has no unit; other absent LUNs do not. */
START_TEST(test_luns_without_unit)
{
	struct bench *bench = bench_new(&(struct bench_options){ .lun = 9 });

	bench->lun = LUN(0);
	bench_send(bench, REPORT_LUNS(0, 256));
	check_good(bench, 16);
	ck_assert_uint_eq(get_be64(bench->data + 8), LUN(9));
	bench->lun = LUN(10);
	bench_send(bench, REPORT_LUNS(0, 256));
	check_sense(bench, SENSE_LUN_NOT_SUPPORTED);
	bench_free(bench);
}
END_TEST

/* --- REPORT SUPPORTED OPERATION CODES --- */

#define REPORT(options, opcode, action, alloc)                                                     \
	CDB(0xa3, 0x0c, options, opcode, (uint8_t)((action) >> 8), (uint8_t)(action), 0, 0,        \
		(uint8_t)((alloc) >> 8), (uint8_t)(alloc))

#define RCTD 0x80

/* All commands: the table in its own order, with timeouts descriptors or without. */
static void check_all(struct bench *bench, bool timeouts)
{
	uint32_t size = timeouts ? 20 : 8;
	uint32_t at = 4;

	bench_send(bench, REPORT(timeouts ? RCTD : 0, 0, 0, 65535));
	for (size_t i = 0; i < scsi_command_count; i++) {
		const struct scsi_command *command = &scsi_commands[i];
		bool has_action = command->flags & COMMAND_HAS_ACTION;
		const uint8_t *data = bench->data + at;

		if (!command_is_supported(command, bench->device->units[0]))
			continue;
		ck_assert_uint_le(at + size, bench->task.in_length);
		ck_assert_uint_eq(data[0], command->opcode);
		ck_assert_uint_eq(get_be16(data + 2), has_action ? command->service_action : 0);
		ck_assert_uint_eq(data[5], (timeouts ? 2 : 0) | has_action);
		ck_assert_uint_eq(get_be16(data + 6), command->length);
		if (timeouts)
			ck_assert_uint_eq(get_be16(data + 8), 10);
		at += size;
	}
	check_good(bench, at);
	ck_assert_uint_eq(get_be32(bench->data), at - 4);
}

START_TEST(test_all)
{
	struct bench *bench = bench_new(&(struct bench_options){ .thick = _i });

	check_all(bench, false);
	check_all(bench, true);
	bench_free(bench);
}
END_TEST

START_TEST(test_all_allocation)
{
	struct bench *bench = bench_default();
	uint32_t whole;

	bench_send(bench, REPORT(0, 0, 0, 65535));
	whole = bench->task.in_length;
	for (unsigned alloc = 0; alloc < whole + 2; alloc++) {
		bench_send(bench, REPORT(0, 0, 0, alloc));
		check_good(bench, alloc < whole ? alloc : whole);
		if (alloc >= 4)
			ck_assert_uint_eq(get_be32(bench->data), whole - 4);
	}
	bench_free(bench);
}
END_TEST

#define FAILS  0xff /* 05/24 */
#define ABSENT 1
#define THERE  3

/* What each reporting option says of commands with and without service actions. */
static const struct {
	uint8_t options, opcode;
	uint16_t action;
	uint8_t support;
} one_rows[] = {
	{ 1, 0x28, 0, THERE },
	{ 1, 0x28, 5, THERE }, /* the action is not looked at */
	{ 1, 0x9e, 0x10, FAILS },
	{ 1, 0xa3, 0x0c, FAILS },
	{ 1, 0x83, 0, ABSENT },
	{ 1, 0x5e, 0, ABSENT },
	{ 1, 0x89, 0, ABSENT },
	{ 2, 0x28, 0, FAILS },
	{ 2, 0x00, 0, FAILS },
	{ 2, 0x9e, 0x10, THERE },
	{ 2, 0x9e, 0x12, THERE },
	{ 2, 0x9e, 0x13, ABSENT },
	{ 2, 0x9e, 0x110, ABSENT },
	{ 2, 0xa3, 0x0c, THERE },
	{ 2, 0xa3, 0x0a, ABSENT },
	{ 2, 0x7f, 0x09, ABSENT },
	{ 3, 0x28, 0, THERE },
	{ 3, 0x28, 1, ABSENT },
	{ 3, 0x9e, 0x10, THERE },
	{ 3, 0x9e, 0x11, ABSENT },
	{ 3, 0x9e, 0xff10, ABSENT },
	{ 3, 0xff, 0, ABSENT },
	{ 4, 0x28, 0, FAILS },
	{ 7, 0x28, 0, FAILS },
};

START_TEST(test_one)
{
	struct bench *bench = bench_default();
	uint8_t options = one_rows[_i].options;

	bench_send(bench, REPORT(options, one_rows[_i].opcode, one_rows[_i].action, 256));
	if (one_rows[_i].support == FAILS) {
		check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 2, 2);
	} else {
		ck_assert_int_eq(bench->task.status, SCSI_GOOD);
		ck_assert_uint_eq(bench->data[1], one_rows[_i].support);
		ck_assert_uint_eq(get_be16(bench->data + 2) + 4u, bench->task.in_length);
	}
	bench_free(bench);
}
END_TEST

/* CDB usage data, with what only a thin unit has. */
static const struct {
	uint8_t options, opcode;
	uint16_t action;
	bool thick;
	uint8_t length;
	uint8_t usage[16];
} usage_rows[] = {
	{ 1, 0x00, 0, false, 6, { 0x00 } },
	{ 1, 0x12, 0, false, 6, { 0x12, 0x01, 0xff, 0xff, 0xff, 0 } },
	{ 1, 0x28, 0, false, 10, { 0x28, 0x18, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0 } },
	{ 1, 0x2f, 0, false, 10, { 0x2f, 0x16, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0 } },
	{ 1, 0x41, 0, false, 10, { 0x41, 0x08, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0 } },
	{ 1, 0x41, 0, true, 10, { 0x41, 0x00, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0 } },
	{ 1, 0x42, 0, false, 10, { 0x42, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0 } },
	{ 1, 0x93, 0, false, 16,
		{ 0x93, 0x09, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0, 0 } },
	{ 1, 0x93, 0, true, 16,
		{ 0x93, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0, 0 } },
	{ 2, 0x9e, 0x10, false, 16,
		{ 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0 } },
	{ 2, 0x9e, 0x12, false, 16,
		{ 0x9e, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0, 0 } },
	{ 2, 0xa3, 0x0c, false, 12,
		{ 0xa3, 0x0c, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0 } },
};

START_TEST(test_usage)
{
	struct bench *bench = bench_new(&(struct bench_options){ .thick = usage_rows[_i].thick });
	uint8_t length = usage_rows[_i].length;
	uint8_t options = usage_rows[_i].options;

	bench_send(bench, REPORT(options, usage_rows[_i].opcode, usage_rows[_i].action, 256));
	check_good(bench, 4u + length);
	ck_assert_uint_eq(bench->data[1], THERE);
	ck_assert_uint_eq(get_be16(bench->data + 2), length);
	ck_assert_mem_eq(bench->data + 4, usage_rows[_i].usage, length);

	bench_send(
		bench, REPORT(RCTD | options, usage_rows[_i].opcode, usage_rows[_i].action, 256));
	check_good(bench, 4u + length + 12u);
	ck_assert_uint_eq(bench->data[1], 0x80 | THERE);
	ck_assert_mem_eq(bench->data + 4, usage_rows[_i].usage, length);
	ck_assert_uint_eq(get_be16(bench->data + 4 + length), 10);
	bench_free(bench);
}
END_TEST

/* UNMAP is reported only where it works. */
START_TEST(test_unmap_on_thick)
{
	struct bench *bench = bench_new(&(struct bench_options){ .thick = true });

	bench_send(bench, REPORT(1, 0x42, 0, 256));
	check_good(bench, 4);
	ck_assert_uint_eq(bench->data[1], ABSENT);
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/report");
	TCase *tcase = tcase_create("report");

	tcase_add_rows(tcase, test_luns, many_rows);
	tcase_add_test(tcase, test_luns_allocation);
	tcase_add_rows(tcase, test_luns_select, select_rows);
	tcase_add_test(tcase, test_luns_without_unit);
	tcase_add_loop_test(tcase, test_all, 0, 2);
	tcase_add_test(tcase, test_all_allocation);
	tcase_add_rows(tcase, test_one, one_rows);
	tcase_add_rows(tcase, test_usage, usage_rows);
	tcase_add_test(tcase, test_unmap_on_thick);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
