/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * WRITE SAME 10 and 16: patterns, zeros, UNMAP, NDOB, limits [SCSI-11, SCSI-08].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include <stdlib.h>

#define BLOCK  512u
#define END    BENCH_BLOCKS
#define PIECE  SCRATCH_MAX
#define UNMAP  0x08
#define NDOB   0x01
#define ANCHOR 0x10

#define FIELD SENSE_INVALID_FIELD_IN_CDB
#define RANGE SENSE_LBA_OUT_OF_RANGE

static const uint8_t opcodes[] = { 0x41, 0x93 };

/* A pattern reaches every block of the range, in pieces, and none beside it. */
static const uint32_t pattern_rows[] = { 1, 2, 256, 511, 512, 513, 1024, 1600 };

START_TEST(test_pattern)
{
	struct bench *bench = bench_default();
	uint32_t blocks = pattern_rows[_i];
	uint8_t *expected = malloc(END * BLOCK);
	uint8_t block[BLOCK];

	pattern_fill(block, 12345, BLOCK);
	for (size_t i = 0; i < 2; i++) {
		for (unsigned unmap = 0; unmap <= UNMAP; unmap += UNMAP) {
			bench_fill(bench, 0, END * BLOCK);
			memcpy(expected, bench->store->bytes, END * BLOCK);
			for (uint32_t j = 0; j < blocks; j++)
				memcpy(expected + (9 + j) * BLOCK, block, BLOCK);
			bench->store->requests = 0;
			bench_send_data(bench, cdb_range(opcodes[i], (uint8_t)unmap, 9, blocks),
				block, BLOCK);
			check_good(bench, 0);
			ck_assert_uint_eq(bench->wanted, BLOCK);
			ck_assert_uint_eq(
				bench->store->requests, (blocks * BLOCK + PIECE - 1) / PIECE);
			ck_assert_mem_eq(bench->store->bytes, expected, END * BLOCK);
		}
	}
	free(expected);
	bench_free(bench);
}
END_TEST

/* Zeros become one request over the whole range: kept with ZERO, given back with DISCARD. */
static const struct {
	uint8_t opcode, byte1;
	uint32_t data; /* bytes of data-out */
	enum store_op op;
} zero_rows[] = {
	{ 0x41, 0, BLOCK, STORE_ZERO },
	{ 0x41, UNMAP, BLOCK, STORE_DISCARD },
	{ 0x93, 0, BLOCK, STORE_ZERO },
	{ 0x93, UNMAP, BLOCK, STORE_DISCARD },
	{ 0x93, NDOB, 0, STORE_ZERO },
	{ 0x93, UNMAP | NDOB, 0, STORE_DISCARD },
};

START_TEST(test_zeros)
{
	struct bench *bench = bench_default();
	uint8_t zeros[BLOCK] = { 0 };

	bench_fill(bench, 0, END * BLOCK);
	bench_send_data(bench, cdb_range(zero_rows[_i].opcode, zero_rows[_i].byte1, 7, 5000), zeros,
		zero_rows[_i].data);
	check_good(bench, 0);
	ck_assert_uint_eq(bench->wanted, zero_rows[_i].data);
	ck_assert_int_eq(bench->task.direction, zero_rows[_i].data ? SCSI_DATA_OUT : SCSI_NO_DATA);
	ck_assert_uint_eq(bench->store->requests, 1);
	check_request(bench, 0, zero_rows[_i].op, 7 * BLOCK, 5000 * BLOCK, 0);
	bench_free(bench);
}
END_TEST

/* One byte that is not zero is a pattern, wherever it is in the block. */
START_TEST(test_nearly_zeros)
{
	struct bench *bench = bench_default();

	for (unsigned at = 0; at < BLOCK; at++) {
		uint8_t block[BLOCK] = { 0 };

		block[at] = 1;
		bench->store->requests = 0;
		bench_send_data(bench, cdb_range(0x93, UNMAP, 3, 2), block, BLOCK);
		check_good(bench, 0);
		check_request(bench, 0, STORE_WRITE, 3 * BLOCK, 2 * BLOCK, 0);
		ck_assert_mem_eq(bench->store->bytes + 4 * BLOCK, block, BLOCK);
	}
	bench_free(bench);
}
END_TEST

/* The largest range of a big block. */
START_TEST(test_big_blocks)
{
	struct bench *bench = bench_new(
		&(struct bench_options){ .block_size = 4096, .blocks = 5000 });
	uint8_t block[4096];

	memset(block, 'p', sizeof(block));
	bench_send_data(bench, cdb_range(0x93, 0, 0, 4096), block, sizeof(block));
	check_good(bench, 0);
	ck_assert_uint_eq(bench->store->requests, 64);
	check_request(bench, 0, STORE_WRITE, 0, PIECE, 0);
	/* So that others have their turn in between. */
	check_request(bench, 63, STORE_WRITE, 63 * PIECE, PIECE, STORE_PATIENT);
	ck_assert_uint_eq(bench->store->bytes[4096 * 4096 - 1], 'p');
	ck_assert_uint_eq(bench->store->bytes[4096 * 4096], 0);
	bench_free(bench);
}
END_TEST

/* WSNZ=1: no block is an error, not "to the end". */
static const struct {
	uint8_t opcode, byte1;
	uint64_t lba;
	uint32_t blocks;
	uint32_t sense;
	int byte;
} error_rows[] = {
	{ 0x41, 0, 0, 0, FIELD, 7 }, { 0x93, 0, 0, 0, FIELD, 10 }, { 0x93, UNMAP, 0, 0, FIELD, 10 },
	{ 0x93, UNMAP | NDOB, 0, 0, FIELD, 10 }, { 0x41, 0, END, 0, FIELD, 7 },
	{ 0x41, 0, END + 1, 0, RANGE, -1 }, { 0x41, 0, UINT32_MAX, 0, RANGE, -1 },
	{ 0x41, 0, END, 1, RANGE, -1 }, { 0x41, 0, END - 1, 2, RANGE, -1 },
	{ 0x93, 0, UINT64_MAX, 2, RANGE, -1 }, { 0x93, 0, 1, UINT32_MAX, RANGE, -1 },
	{ 0x41, ANCHOR, 0, 1, FIELD, 1 }, { 0x41, ANCHOR | UNMAP, 0, 1, FIELD, 1 },
	{ 0x93, ANCHOR | UNMAP, 0, 1, FIELD, 1 },
	{ 0x41, NDOB, 0, 1, FIELD, 1 }, /* only the 16-byte CDB has it */
	{ 0x41, 0x02, 0, 1, FIELD, 1 }, /* LBDATA */
	{ 0x93, 0x04, 0, 1, FIELD, 1 }, /* PBDATA */
};

START_TEST(test_errors)
{
	struct bench *bench = bench_default();

	bench_send(bench, cdb_range(error_rows[_i].opcode, error_rows[_i].byte1, error_rows[_i].lba,
				  error_rows[_i].blocks));
	if (error_rows[_i].byte >= 0)
		check_field(bench, error_rows[_i].sense, true, (unsigned)error_rows[_i].byte, -1);
	else
		check_sense(bench, error_rows[_i].sense);
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* Data-out is one block: less of it, or more, is an error [SCSI-11]. */
START_TEST(test_data_size)
{
	static const uint32_t sizes[] = { 0, 1, BLOCK / 2, BLOCK - 1, BLOCK + 1, 2 * BLOCK };
	struct bench *bench = bench_default();
	uint8_t data[2 * BLOCK] = { 0 };

	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < 6; j++) {
			bench_send_data(bench, cdb_range(opcodes[i], UNMAP, 0, 1), data, sizes[j]);
			check_sense(bench, SENSE_INVALID_FIELD_IN_INFO_UNIT);
		}
	}
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* A transport that does not tell what was announced is believed. */
START_TEST(test_nothing_told)
{
	struct bench *bench = bench_default();
	uint8_t block[BLOCK] = { 0 };

	bench_parse(bench, cdb_range(0x41, 0, 0, 1));
	bench->task.buffer = block;
	bench->task.buffer_size = bench->task.out_length = BLOCK;
	bench->task.offered = 0;
	ck_assert_int_eq(scsi_task_execute(&bench->task), SCSI_DONE);
	check_good(bench, 0);
	bench_free(bench);
}
END_TEST

/* [SCSI-19] What was written before the error stays; the command ends there. */
START_TEST(test_store_fails)
{
	static const struct {
		enum store_error error;
		uint32_t sense;
	} errors[] = {
		{ STORE_NO_SPACE, SENSE_SPACE_ALLOCATION_FAILED },
		{ STORE_WRITE_FAILED, SENSE_WRITE_ERROR },
		{ STORE_WRITE_REFUSED, SENSE_WRITE_PROTECTED },
	};
	uint8_t block[BLOCK] = { 1 };

	for (size_t i = 0; i < 3; i++) {
		struct bench *bench = bench_default();

		bench->store->later = _i;
		bench->store->fail_after = 2;
		bench->store->fail_with = errors[i].error;
		bench_send_data(bench, cdb_range(0x93, 0, 0, 4096), block, BLOCK);
		check_sense(bench, errors[i].sense);
		ck_assert_uint_eq(bench->store->requests, 3);
		ck_assert_uint_eq(bench->store->bytes[2 * PIECE - BLOCK], 1);
		ck_assert_uint_eq(bench->store->bytes[2 * PIECE], 0);
		bench_free(bench);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/write_same");
	TCase *tcase = tcase_create("write_same");

	tcase_add_rows(tcase, test_pattern, pattern_rows);
	tcase_add_rows(tcase, test_zeros, zero_rows);
	tcase_add_test(tcase, test_nearly_zeros);
	tcase_add_test(tcase, test_big_blocks);
	tcase_add_rows(tcase, test_errors, error_rows);
	tcase_add_test(tcase, test_data_size);
	tcase_add_test(tcase, test_nothing_told);
	tcase_add_loop_test(tcase, test_store_fails, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
