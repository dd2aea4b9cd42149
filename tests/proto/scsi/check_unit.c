/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TEST UNIT READY, REQUEST SENSE, START STOP UNIT, SYNCHRONIZE CACHE [SCSI-15, SCSI-16].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#define END BENCH_BLOCKS

START_TEST(test_unit_ready)
{
	struct bench *bench = bench_default();

	bench_send(bench, CDB(0x00));
	check_good(bench, 0);
	ck_assert_int_eq(bench->task.direction, SCSI_NO_DATA);
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* Nothing to tell: NO SENSE, in the format that DESC asks for, cut to the allocation length. */
START_TEST(test_no_sense)
{
	static const uint8_t fixed[18] = { 0x70, [7] = 10 };
	static const uint8_t descriptors[8] = { 0x72 };
	struct bench *bench = bench_default();

	for (unsigned alloc = 0; alloc < 256; alloc++) {
		uint32_t given = alloc < 18 ? alloc : 18;

		bench_send(bench, CDB(0x03, 0, 0, 0, (uint8_t)alloc));
		check_good(bench, given);
		if (given)
			ck_assert_mem_eq(bench->data, fixed, given);
		given = alloc < 8 ? alloc : 8;
		bench_send(bench, CDB(0x03, 1, 0, 0, (uint8_t)alloc));
		check_good(bench, given);
		if (given)
			ck_assert_mem_eq(bench->data, descriptors, given);
	}
	bench_free(bench);
}
END_TEST

/* Stopping writes the cache, unless asked not to; starting does nothing; the unit stays ready. */
static const struct {
	uint8_t immed, byte4;
	bool flushes;
	uint32_t sense;
} start_rows[] = {
	{ 0, 0x00, true, 0 },
	{ 1, 0x00, true, 0 },
	{ 0, 0x01, false, 0 },
	{ 1, 0x01, false, 0 },
	{ 0, 0x04, false, 0 },
	{ 0, 0x05, false, 0 },
	{ 0, 0x02, false, SENSE_INVALID_FIELD_IN_CDB }, /* LOEJ: nothing to eject */
	{ 0, 0x03, false, SENSE_INVALID_FIELD_IN_CDB },
	{ 0, 0x10, false, SENSE_INVALID_FIELD_IN_CDB }, /* no power conditions */
	{ 0, 0x30, false, SENSE_INVALID_FIELD_IN_CDB },
	{ 0, 0xf0, false, SENSE_INVALID_FIELD_IN_CDB },
};

START_TEST(test_start_stop)
{
	struct bench *bench = bench_default();

	bench_send(bench, CDB(0x1b, start_rows[_i].immed, 0, 0, start_rows[_i].byte4));
	check_sense(bench, start_rows[_i].sense);
	ck_assert_uint_eq(bench->store->requests, start_rows[_i].flushes);
	if (start_rows[_i].flushes)
		check_request(bench, 0, STORE_FLUSH, 0, 0, 0);
	bench_send(bench, CDB(0x00));
	check_good(bench, 0);
	bench_send(bench, cdb_range(0x28, 0, 0, 1));
	check_good(bench, 512);
	bench_free(bench);
}
END_TEST

/* [SCSI-16] One flush of everything for any range that is there, with IMMED or without. */
static const struct {
	uint8_t opcode, byte1;
	uint64_t lba;
	uint32_t blocks;
	uint32_t sense;
} sync_rows[] = {
	{ 0x35, 0x00, 0, 0, 0 },
	{ 0x35, 0x02, 0, 0, 0 },
	{ 0x35, 0x00, 7, 9, 0 },
	{ 0x35, 0x00, END - 1, 1, 0 },
	{ 0x35, 0x00, END, 0, 0 },
	{ 0x35, 0x00, END, 1, SENSE_LBA_OUT_OF_RANGE },
	{ 0x35, 0x00, END + 1, 0, SENSE_LBA_OUT_OF_RANGE },
	{ 0x35, 0x00, 1, 65535, SENSE_LBA_OUT_OF_RANGE },
	{ 0x35, 0x04, 0, 0, SENSE_INVALID_FIELD_IN_CDB }, /* SYNC_NV: obsolete */
	{ 0x91, 0x00, 0, 0, 0 },
	{ 0x91, 0x02, 0, END, 0 },
	{ 0x91, 0x00, 1, END, SENSE_LBA_OUT_OF_RANGE },
	{ 0x91, 0x00, UINT64_MAX, 2, SENSE_LBA_OUT_OF_RANGE },
	{ 0x91, 0x00, UINT64_MAX, 0, SENSE_LBA_OUT_OF_RANGE },
};

START_TEST(test_synchronize)
{
	struct bench *bench = bench_default();

	bench_send(bench, cdb_range(sync_rows[_i].opcode, sync_rows[_i].byte1, sync_rows[_i].lba,
				  sync_rows[_i].blocks));
	check_sense(bench, sync_rows[_i].sense);
	ck_assert_uint_eq(bench->store->requests, sync_rows[_i].sense == 0);
	if (!sync_rows[_i].sense)
		check_request(bench, 0, STORE_FLUSH, 0, 0, 0);
	bench_free(bench);
}
END_TEST

/* [SCSI-16] GOOD comes after the flush, with IMMED too; a flush that fails is never GOOD. */
START_TEST(test_synchronize_waits)
{
	static const uint8_t immed[] = { 0x00, 0x02 };
	struct bench *bench = bench_default();

	bench->store->later = true;
	for (size_t i = 0; i < 2; i++) {
		bench_parse(bench, CDB(0x35, immed[i]));
		ck_assert_int_eq(bench_execute(bench, NULL, 0), SCSI_PENDING);
		ck_assert_uint_eq(bench->done, 0);
		ck_assert_uint_eq(fake_store_reap(bench->store), 1);
		ck_assert_uint_eq(bench->done, 1);
		check_good(bench, 0);

		bench->store->fail_with = STORE_WRITE_FAILED;
		bench_send(bench, CDB(0x35, immed[i]));
		check_sense(bench, SENSE_WRITE_ERROR);
	}
	bench_free(bench);
}
END_TEST

/* A store without a volatile cache is flushed all the same, and so is a read-only unit. */
START_TEST(test_synchronize_always_works)
{
	static const struct bench_options options[] = { { .stable = true }, { .read_only = true } };

	for (size_t i = 0; i < 2; i++) {
		struct bench *bench = bench_new(&options[i]);

		bench_send(bench, CDB(0x35));
		check_good(bench, 0);
		bench_free(bench);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/unit");
	TCase *tcase = tcase_create("unit");

	tcase_add_test(tcase, test_unit_ready);
	tcase_add_test(tcase, test_no_sense);
	tcase_add_rows(tcase, test_start_stop, start_rows);
	tcase_add_rows(tcase, test_synchronize, sync_rows);
	tcase_add_test(tcase, test_synchronize_waits);
	tcase_add_test(tcase, test_synchronize_always_works);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
