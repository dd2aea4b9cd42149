/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET LBA STATUS: what the store says becomes descriptors, merged, bounded, cut to the allocation
 * length [SCSI-09, SCSI-24, WIN-05].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

#define BLOCK 512u
#define END   BENCH_BLOCKS

#define STATUS_CDB(lba, length)                                                                    \
	CDB(0x9e, 0x12, 0, 0, 0, 0, (uint8_t)((lba) >> 24), (uint8_t)((lba) >> 16),                \
		(uint8_t)((lba) >> 8), (uint8_t)(lba), 0, 0, (uint8_t)((length) >> 8),             \
		(uint8_t)(length), 0, 0)

static uint32_t descriptors(const struct bench *bench)
{
	ck_assert_uint_eq(bench_sense(bench), 0);
	ck_assert_uint_ge(bench->task.in_length, 8);
	uint32_t length = get_be32(bench->data);
	ck_assert_uint_eq(length % 16, 4);
	for (unsigned i = 4; i < 8; i++)
		ck_assert_uint_eq(bench->data[i], 0);
	return length / 16;
}

static void check_descriptor(
	const struct bench *bench, uint32_t index, uint64_t lba, uint32_t blocks, uint8_t status)
{
	const uint8_t *at = bench->data + 8 + 16 * (size_t)index;

	ck_assert_uint_le(8 + 16 * (index + 1), bench->task.in_length);
	ck_assert_uint_eq(get_be64(at), lba);
	ck_assert_uint_eq(get_be32(at + 8), blocks);
	ck_assert_uint_eq(at[12], status);
	ck_assert_uint_eq(at[13] | at[14] | at[15], 0);
}

/* Blocks 10 to 19 and the last one are mapped. */
static struct bench *bench_sparse(void)
{
	struct bench *bench = bench_default();

	bench_fill(bench, 10 * BLOCK, 10 * BLOCK);
	bench_fill(bench, (uint64_t)(END - 1) * BLOCK, BLOCK);
	return bench;
}

START_TEST(test_whole)
{
	static const uint64_t limits[] = { 0, 1 << 20, 3 << 20 };
	struct bench *bench = bench_sparse();

	/* Whatever pieces the store tells them in, those that are alike are one. */
	bench->store->extent_max = limits[_i % 3];
	bench->store->later = _i >= 3;
	bench_send(bench, STATUS_CDB(0, 4096));
	check_good(bench, 8 + 4 * 16);
	ck_assert_uint_eq(descriptors(bench), 4);
	check_descriptor(bench, 0, 0, 10, 1);
	check_descriptor(bench, 1, 10, 10, 0);
	check_descriptor(bench, 2, 20, END - 21, 1);
	check_descriptor(bench, 3, END - 1, 1, 0);
	bench_free(bench);
}
END_TEST

static const struct {
	uint32_t lba, first;
	uint8_t status;
} begin_rows[] = {
	{ 0, 10, 1 },
	{ 9, 1, 1 },
	{ 10, 10, 0 },
	{ 15, 5, 0 },
	{ 19, 1, 0 },
	{ 20, END - 21, 1 },
	{ END - 2, 1, 1 },
	{ END - 1, 1, 0 },
};

START_TEST(test_begin)
{
	struct bench *bench = bench_sparse();

	bench_send(bench, STATUS_CDB(begin_rows[_i].lba, 24));
	check_good(bench, 24);
	ck_assert_uint_eq(descriptors(bench), 1);
	check_descriptor(bench, 0, begin_rows[_i].lba, begin_rows[_i].first, begin_rows[_i].status);
	bench_free(bench);
}
END_TEST

static const struct {
	uint32_t length, in_length, count;
} length_rows[] = {
	{ 8, 8, 1 }, /* at least one descriptor is meant, though it is cut off */
	{ 23, 23, 1 },
	{ 24, 24, 1 },
	{ 39, 24, 1 },
	{ 40, 40, 2 },
	{ 72, 72, 4 },
	{ 65535, 72, 4 },
};

START_TEST(test_lengths)
{
	struct bench *bench = bench_sparse();

	bench_send(bench, STATUS_CDB(0, length_rows[_i].length));
	check_good(bench, length_rows[_i].in_length);
	ck_assert_uint_eq(descriptors(bench), length_rows[_i].count);
	bench_free(bench);
}
END_TEST

START_TEST(test_no_length)
{
	struct bench *bench = bench_sparse();

	bench_send(bench, STATUS_CDB(0, 0));
	check_good(bench, 0);
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* A store that tells little at a time is not asked without end: the rest is for the next command. */
START_TEST(test_bounded)
{
	struct bench *bench = bench_sparse();

	bench->store->extent_max = 16 * BLOCK;
	bench_send(bench, STATUS_CDB(20, 4096));
	ck_assert_uint_eq(bench->store->requests, 16);
	ck_assert_uint_eq(descriptors(bench), 1);
	check_descriptor(bench, 0, 20, 16 * 16, 1);
	bench_free(bench);
}
END_TEST

/* More pieces than descriptors fit. */
START_TEST(test_many)
{
	struct bench *bench = bench_default();

	for (uint32_t lba = 0; lba < 100; lba += 2)
		bench_fill(bench, (uint64_t)lba * BLOCK, BLOCK);
	bench_send(bench, STATUS_CDB(0, 4096));
	ck_assert_uint_eq(descriptors(bench), 16);
	for (uint32_t i = 0; i < 16; i++)
		check_descriptor(bench, i, i, 1, i % 2);
	bench_free(bench);
}
END_TEST

START_TEST(test_beyond)
{
	struct bench *bench = bench_sparse();

	bench_send(bench, STATUS_CDB(END, 24));
	check_sense(bench, SENSE_LBA_OUT_OF_RANGE);
	bench_send(bench,
		CDB(0x9e, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 24));
	check_sense(bench, SENSE_LBA_OUT_OF_RANGE);
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* More than 32 bits of blocks: one descriptor says as much as it can. */
START_TEST(test_large)
{
	struct bench *bench = bench_default();

	bench->store->info.size = (uint64_t)BLOCK << 34;
	scsi_device_grown(bench->device, 0);
	bench_send(bench, CDB(0)); /* the unit attention of the growth */
	bench->store->extent_max = BLOCK;
	bench->store->fail_with = STORE_READ_FAILED;
	bench_send(bench, STATUS_CDB(1, 24));
	check_request(bench, 0, STORE_EXTENT, BLOCK, (uint64_t)UINT32_MAX * BLOCK, 0);
	check_sense(bench, SENSE_READ_ERROR);
	bench_free(bench);
}
END_TEST

START_TEST(test_thick)
{
	struct bench *bench = bench_new(&(struct bench_options){ .thick = true });

	bench_send(bench, STATUS_CDB(0, 24));
	check_sense(bench, SENSE_INVALID_OPCODE);
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/lba_status");
	TCase *tcase = tcase_create("GET LBA STATUS");

	tcase_add_loop_test(tcase, test_whole, 0, 6);
	tcase_add_rows(tcase, test_begin, begin_rows);
	tcase_add_rows(tcase, test_lengths, length_rows);
	tcase_add_test(tcase, test_no_length);
	tcase_add_test(tcase, test_bounded);
	tcase_add_test(tcase, test_many);
	tcase_add_test(tcase, test_beyond);
	tcase_add_test(tcase, test_large);
	tcase_add_test(tcase, test_thick);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
