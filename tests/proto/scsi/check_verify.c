/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VERIFY and WRITE AND VERIFY: BYTCHK, miscompare and where it is, pieces, errors [SCSI-13, WIN-03].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

#include <stdlib.h>

#define BLOCK 512u
#define END   BENCH_BLOCKS
#define PIECE SCRATCH_MAX

#define NONE 0x00
#define ALL  0x02
#define ONE  0x06

static const uint8_t verifies[] = { 0x2f, 0xaf, 0x8f };
static const uint8_t write_verifies[] = { 0x2e, 0xae, 0x8e };

/* Without BYTCHK the medium is read, from the medium, and no data moves. */
START_TEST(test_medium_only)
{
	struct bench *bench = bench_default();

	bench_send(bench, cdb_range(verifies[_i], NONE, 3, 4));
	check_good(bench, 0);
	ck_assert_int_eq(bench->task.direction, SCSI_NO_DATA);
	ck_assert_uint_eq(bench->store->requests, 1);
	check_request(bench, 0, STORE_READ, 3 * BLOCK, 4 * BLOCK, STORE_FUA);
	/* What an initiator sends along is ignored, as its test suite expects. */
	bench_send_data(bench, cdb_range(verifies[_i], NONE, 3, 4), "other data", 10);
	check_good(bench, 0);
	bench_free(bench);
}
END_TEST

/* Blocks compared, and the byte that is changed in the data-out buffer; found at that offset. */
static const struct {
	uint32_t blocks;
	int64_t wrong; /* -1: none */
} compare_rows[] = {
	{ 1, -1 },
	{ 1, 0 },
	{ 1, 511 },
	{ 2, 512 },
	{ 256, 256 * BLOCK - 1 },
	{ 512, -1 }, /* exactly one piece */
	{ 513, -1 },
	{ 513, PIECE - 1 },
	{ 513, PIECE },
	{ 513, PIECE + 511 },
	{ 1600, -1 },
	{ 1600, 3 * PIECE + 17 },
	{ 8192, -1 },
	{ 8192, 8192 * BLOCK - 1 },
};

static void compare_row(struct bench *bench, uint8_t opcode, int row)
{
	uint32_t length = compare_rows[row].blocks * BLOCK;
	uint8_t *data = malloc(length);

	pattern_fill(data, 5 * BLOCK, length);
	if (compare_rows[row].wrong >= 0)
		data[compare_rows[row].wrong] ^= 0x10;
	bench_send_data(bench, cdb_range(opcode, ALL, 5, compare_rows[row].blocks), data, length);
	free(data);
}

START_TEST(test_compare)
{
	struct bench *bench = bench_default();

	bench_fill(bench, 0, END * BLOCK);
	for (size_t i = 0; i < 3; i++) {
		bench->store->requests = 0;
		compare_row(bench, verifies[i], _i);
		ck_assert_uint_eq(bench->wanted, compare_rows[_i].blocks * BLOCK);
		if (compare_rows[_i].wrong < 0) {
			check_good(bench, 0);
			ck_assert_uint_eq(bench->store->requests,
				(compare_rows[_i].blocks * BLOCK + PIECE - 1) / PIECE);
			continue;
		}
		check_sense(bench, SENSE_MISCOMPARE);
		ck_assert_uint_eq(bench->task.sense[0], 0xf0);
		ck_assert_uint_eq(
			get_be32(bench->task.sense + 3), (uint32_t)compare_rows[_i].wrong);
	}
	bench_free(bench);
}
END_TEST

/* The pieces cover the range without a gap or an overlap. */
START_TEST(test_pieces)
{
	struct bench *bench = bench_default();

	bench_send(bench, cdb_range(0x2f, NONE, 5, 1100));
	check_good(bench, 0);
	ck_assert_uint_eq(bench->store->requests, 3);
	check_request(bench, 0, STORE_READ, 5 * BLOCK, PIECE, STORE_FUA);
	/* Behind the first others have their turn in between. */
	check_request(bench, 1, STORE_READ, 5 * BLOCK + PIECE, PIECE, STORE_FUA | STORE_PATIENT);
	check_request(
		bench, 2, STORE_READ, 5 * BLOCK + 2 * PIECE, 76 * BLOCK, STORE_FUA | STORE_PATIENT);
	bench_free(bench);
}
END_TEST

/* BYTCHK 3: one block of data against every block of the range. */
START_TEST(test_one_block)
{
	struct bench *bench = bench_default();
	uint8_t block[BLOCK];

	memset(block, 'v', BLOCK);
	memset(bench->store->bytes + 10 * BLOCK, 'v', 1100 * BLOCK);
	for (size_t i = 0; i < 3; i++) {
		bench_send_data(bench, cdb_range(verifies[i], ONE, 10, 1100), block, BLOCK);
		check_good(bench, 0);
		ck_assert_uint_eq(bench->wanted, BLOCK);
	}
	bench->store->bytes[(10 + 1099) * BLOCK + 100] = 'w';
	for (size_t i = 0; i < 3; i++) {
		bench_send_data(bench, cdb_range(verifies[i], ONE, 10, 1099), block, BLOCK);
		check_good(bench, 0);
		bench_send_data(bench, cdb_range(verifies[i], ONE, 10, 1100), block, BLOCK);
		check_sense(bench, SENSE_MISCOMPARE);
		ck_assert_uint_eq(get_be32(bench->task.sense + 3), 100);
	}
	bench_free(bench);
}
END_TEST

START_TEST(test_reserved_bytchk)
{
	struct bench *bench = bench_default();

	for (size_t i = 0; i < 3; i++) {
		bench_send(bench, cdb_range(verifies[i], 0x04, 0, 1));
		check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 1, 2);
		for (uint8_t bytchk = 0x04; bytchk <= 0x06; bytchk += 2) {
			bench_send(bench, cdb_range(write_verifies[i], bytchk, 0, 1));
			check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 1, 2);
		}
	}
	bench_free(bench);
}
END_TEST

static const struct {
	uint64_t lba;
	uint32_t blocks;
	uint32_t sense;
} range_rows[] = {
	{ 0, 0, 0 },
	{ END, 0, 0 },
	{ END + 1, 0, SENSE_LBA_OUT_OF_RANGE },
	{ END, 1, SENSE_LBA_OUT_OF_RANGE },
	{ END - 1, 2, SENSE_LBA_OUT_OF_RANGE },
	{ UINT32_MAX, 0, SENSE_LBA_OUT_OF_RANGE },
	{ 0, 8193, SENSE_INVALID_FIELD_IN_CDB },
};

START_TEST(test_ranges)
{
	static const uint8_t bytchks[] = { NONE, ALL, ONE };
	struct bench *bench = bench_default();

	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < 3; j++) {
			bench_send(bench, cdb_range(verifies[i], bytchks[j], range_rows[_i].lba,
						  range_rows[_i].blocks));
			check_sense(bench, range_rows[_i].sense);
			if (j == 2)
				continue; /* no such WRITE AND VERIFY */
			bench_send(bench, cdb_range(write_verifies[i], bytchks[j],
						  range_rows[_i].lba, range_rows[_i].blocks));
			check_sense(bench, range_rows[_i].sense);
		}
	}
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* GOOD vouches for all blocks, so data-out that is short of them is an error. */
START_TEST(test_short_data)
{
	struct bench *bench = bench_default();
	uint8_t zeros[2 * BLOCK] = { 0 };
	static const uint32_t lengths[] = { 0, 1, BLOCK, 2 * BLOCK - 1 };

	for (size_t i = 0; i < 4; i++) {
		bench_send_data(bench, cdb_range(0x2f, ALL, 0, 2), zeros, lengths[i]);
		check_sense(bench, SENSE_INVALID_FIELD_IN_INFO_UNIT);
	}
	bench_send_data(bench, cdb_range(0x2f, ONE, 0, 2), zeros, BLOCK - 1);
	check_sense(bench, SENSE_INVALID_FIELD_IN_INFO_UNIT);
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* --- WRITE AND VERIFY --- */

/* Written through to the medium, then read back from it. */
START_TEST(test_write_verify)
{
	struct bench *bench = bench_default();
	uint8_t *data = malloc(1000 * BLOCK);

	pattern_fill(data, 999, 1000 * BLOCK);
	for (unsigned bytchk = NONE; bytchk <= ALL; bytchk += ALL) {
		bench->store->requests = 0;
		memset(bench->store->bytes, 0, END * BLOCK);
		bench_send_data(bench, cdb_range(write_verifies[_i], (uint8_t)bytchk, 20, 1000),
			data, 1000 * BLOCK);
		check_good(bench, 0);
		ck_assert_uint_eq(bench->store->requests, 3);
		check_request(bench, 0, STORE_WRITE, 20 * BLOCK, 1000 * BLOCK, STORE_FUA);
		check_request(bench, 1, STORE_READ, 20 * BLOCK, PIECE, STORE_FUA);
		check_request(bench, 2, STORE_READ, 20 * BLOCK + PIECE, 1000 * BLOCK - PIECE,
			STORE_FUA | STORE_PATIENT);
		ck_assert_mem_eq(bench->store->bytes + 20 * BLOCK, data, 1000 * BLOCK);
	}
	free(data);
	bench_free(bench);
}
END_TEST

/* A medium that does not keep what is written: BYTCHK finds it, its absence does not look. */
START_TEST(test_medium_forgets)
{
	struct bench *bench = bench_default();
	uint8_t data[4 * BLOCK];

	memset(data, 'd', sizeof(data));
	bench->store->later = true;
	for (unsigned bytchk = NONE; bytchk <= ALL; bytchk += ALL) {
		bench_parse(bench, cdb_range(write_verifies[_i], (uint8_t)bytchk, 0, 4));
		ck_assert_int_eq(bench_execute(bench, data, sizeof(data)), SCSI_PENDING);
		ck_assert_uint_eq(fake_store_reap(bench->store), 1);
		ck_assert_uint_eq(bench->done, 0);
		bench->store->bytes[3 * BLOCK + 7] = 'x';
		ck_assert_uint_eq(fake_store_reap(bench->store), 1);
		ck_assert_uint_eq(bench->done, 1);
		check_sense(bench, bytchk ? SENSE_MISCOMPARE : 0);
	}
	ck_assert_uint_eq(get_be32(bench->task.sense + 3), 3 * BLOCK + 7);
	bench_free(bench);
}
END_TEST

/* [SCSI-19] Errors of each step, in or after the call. */
static const struct {
	uint8_t opcode, byte1;
	unsigned fail_after;
	enum store_error error;
	uint32_t sense;
} error_rows[] = {
	{ 0x2f, NONE, 0, STORE_READ_FAILED, SENSE_READ_ERROR },
	{ 0x2f, NONE, 1, STORE_READ_FAILED, SENSE_READ_ERROR },
	{ 0x2f, ALL, 1, STORE_READ_FAILED, SENSE_READ_ERROR },
	{ 0x2f, ALL, 2, STORE_READ_FAILED, 0 }, /* never reached */
	{ 0x2e, ALL, 0, STORE_WRITE_FAILED, SENSE_WRITE_ERROR },
	{ 0x2e, ALL, 0, STORE_NO_SPACE, SENSE_SPACE_ALLOCATION_FAILED },
	{ 0x2e, ALL, 1, STORE_READ_FAILED, SENSE_READ_ERROR },
	{ 0x2e, NONE, 2, STORE_READ_FAILED, SENSE_READ_ERROR },
};

START_TEST(test_errors)
{
	uint8_t *zeros = calloc(1, 1000 * BLOCK);

	for (int later = 0; later < 2; later++) {
		struct bench *bench = bench_default();

		bench->store->later = later;
		bench->store->fail_after = error_rows[_i].fail_after;
		bench->store->fail_with = error_rows[_i].error;
		bench_send_data(bench,
			cdb_range(error_rows[_i].opcode, error_rows[_i].byte1, 0, 1000), zeros,
			1000 * BLOCK);
		check_sense(bench, error_rows[_i].sense);
		bench_free(bench);
	}
	free(zeros);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/verify");
	TCase *tcase = tcase_create("verify");

	tcase_add_loop_test(tcase, test_medium_only, 0, 3);
	tcase_add_rows(tcase, test_compare, compare_rows);
	tcase_add_test(tcase, test_pieces);
	tcase_add_test(tcase, test_one_block);
	tcase_add_test(tcase, test_reserved_bytchk);
	tcase_add_rows(tcase, test_ranges, range_rows);
	tcase_add_test(tcase, test_short_data);
	tcase_add_loop_test(tcase, test_write_verify, 0, 3);
	tcase_add_loop_test(tcase, test_medium_forgets, 0, 3);
	tcase_add_rows(tcase, test_errors, error_rows);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
