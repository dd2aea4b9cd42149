/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UNMAP: the parameter list and its limits, all or nothing [SCSI-09, SCSI-10].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

#include <stdlib.h>

#define BLOCK 512u
#define END   BENCH_BLOCKS
#define MOST  UNMAP_BLOCKS_MAX

#define LIST  SENSE_INVALID_FIELD_IN_PARAMETERS
#define RANGE SENSE_LBA_OUT_OF_RANGE

#define UNMAP_CDB(length) CDB(0x42, 0, 0, 0, 0, 0, 0, (uint8_t)((length) >> 8), (uint8_t)(length))

struct extent {
	uint64_t lba;
	uint32_t blocks;
};

/* Writes a list of `count` descriptors; returns its length. */
static uint32_t make_list(uint8_t *list, const struct extent *extents, size_t count)
{
	memset(list, 0, 8 + 16 * count);
	put_be16(list, (uint16_t)(6 + 16 * count));
	put_be16(list + 2, (uint16_t)(16 * count));
	for (size_t i = 0; i < count; i++) {
		put_be64(list + 8 + 16 * i, extents[i].lba);
		put_be32(list + 8 + 16 * i + 8, extents[i].blocks);
	}
	return (uint32_t)(8 + 16 * count);
}

static const struct {
	const char *what;
	size_t count;
	struct extent extents[4];
	uint32_t sense;
	int byte; /* of the field pointer into the list; -1: none */
	size_t requests;
} rows[] = {
	{ "no descriptor", 0, { { 0 } }, 0, -1, 0 },
	{ "one block", 1, { { 0, 1 } }, 0, -1, 1 },
	{ "the last block", 1, { { END - 1, 1 } }, 0, -1, 1 },
	{ "all of it", 1, { { 0, END } }, 0, -1, 1 },
	{ "no block", 1, { { 5, 0 } }, 0, -1, 0 },
	{ "no block at the end", 1, { { END, 0 } }, 0, -1, 0 },
	{ "several", 3, { { 9, 1 }, { 100, 50 }, { 3, 3 } }, 0, -1, 3 },
	{ "overlapping", 3, { { 8, 8 }, { 12, 8 }, { 8, 8 } }, 0, -1, 3 },
	{ "empty ones between", 4, { { 1, 0 }, { 2, 1 }, { 3, 0 }, { 4, 1 } }, 0, -1, 2 },
	{ "no block beyond the end", 1, { { END + 1, 0 } }, RANGE, -1, 0 },
	{ "beyond the end", 1, { { END, 1 } }, RANGE, -1, 0 },
	{ "over the end", 1, { { END - 1, 2 } }, RANGE, -1, 0 },
	{ "a sum that wraps", 1, { { UINT64_MAX, 2 } }, RANGE, -1, 0 },
	{ "the second beyond the end", 2, { { 0, 9 }, { END, 1 } }, RANGE, -1, 0 },
};

START_TEST(test_list)
{
	struct bench *bench = bench_default();
	uint8_t list[8 + 4 * 16];
	uint32_t length = make_list(list, rows[_i].extents, rows[_i].count);
	size_t request = 0;

	bench_fill(bench, 0, END * BLOCK);
	bench_send_data(bench, UNMAP_CDB(length), list, length);
	ck_assert_uint_eq(bench->wanted, length);
	check_sense(bench, rows[_i].sense);
	ck_assert_uint_eq(bench->store->requests, rows[_i].requests);
	for (size_t i = 0; i < rows[_i].count && rows[_i].requests; i++) {
		const struct extent *extent = &rows[_i].extents[i];

		if (extent->blocks == 0)
			continue;
		check_request(bench, request++, STORE_DISCARD, extent->lba * BLOCK,
			(uint64_t)extent->blocks * BLOCK, 0);
		/* [SCSI-09] LBPRZ */
		const uint8_t *at = bench->store->bytes + extent->lba * BLOCK;

		ck_assert_uint_eq(at[0], 0);
		ck_assert_mem_eq(at, at + 1, (size_t)extent->blocks * BLOCK - 1);
	}
	bench_free(bench);
}
END_TEST

/* A block beside an unmapped one keeps its data. */
START_TEST(test_neighbours)
{
	struct bench *bench = bench_default();
	static const struct extent extents[] = { { 9, 1 }, { 11, 1 } };
	uint8_t list[8 + 2 * 16];
	uint32_t length = make_list(list, extents, 2);

	memset(bench->store->bytes, 'n', 16 * BLOCK);
	bench_send_data(bench, UNMAP_CDB(length), list, length);
	check_good(bench, 0);
	for (unsigned block = 0; block < 16; block++)
		ck_assert_uint_eq(bench->store->bytes[block * BLOCK + 511],
			block == 9 || block == 11 ? 0 : 'n');
	bench_free(bench);
}
END_TEST

/* [SCSI-07] As many descriptors as announced, and one more. */
START_TEST(test_descriptor_limit)
{
	struct bench *bench = bench_default();
	struct extent extents[UNMAP_DESCRIPTORS_MAX + 1];
	uint8_t *list = malloc(8 + 16 * (UNMAP_DESCRIPTORS_MAX + 1));
	uint32_t length;

	for (unsigned i = 0; i <= UNMAP_DESCRIPTORS_MAX; i++)
		extents[i] = (struct extent){ i, 1 };
	length = make_list(list, extents, UNMAP_DESCRIPTORS_MAX);
	bench_send_data(bench, UNMAP_CDB(length), list, length);
	check_good(bench, 0);
	ck_assert_uint_eq(bench->store->requests, UNMAP_DESCRIPTORS_MAX);
	length = make_list(list, extents, UNMAP_DESCRIPTORS_MAX + 1);
	bench_send_data(bench, UNMAP_CDB(length), list, length);
	check_field(bench, LIST, false, 2, 7);
	ck_assert_uint_eq(bench->store->requests, UNMAP_DESCRIPTORS_MAX);
	free(list);
	bench_free(bench);
}
END_TEST

/* [SCSI-07] As many blocks as announced over all descriptors, and one more. */
START_TEST(test_block_limit)
{
	struct bench *bench = bench_new(&(struct bench_options){ .blocks = 1 });
	struct extent extents[2] = { { 0, MOST - 1 }, { 0, 2 } };
	uint8_t list[8 + 2 * 16];
	uint32_t length = make_list(list, extents, 2);

	/* Larger than its store: the limit is checked before anything is submitted. */
	bench->device->units[0]->blocks = 2 * MOST;
	bench_send_data(bench, UNMAP_CDB(length), list, length);
	check_field(bench, LIST, false, 8 + 16 + 8, 7);
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);

	bench = bench_new(&(struct bench_options){ .blocks = MOST });
	extents[1].blocks = 1;
	length = make_list(list, extents, 2);
	bench_send_data(bench, UNMAP_CDB(length), list, length);
	check_good(bench, 0);
	ck_assert_uint_eq(bench->store->requests, 2);
	bench_free(bench);
}
END_TEST

/* [SCSI-10] Lengths that do not agree: incomplete descriptors are ignored, none is invented. */
static const struct {
	uint16_t parameter_list;
	uint16_t block_descriptors;
	size_t unmapped;
	uint32_t sense;
} length_rows[] = {
	{ 0, 16, 0, 0 },
	{ 1, 16, 0, SENSE_PARAMETER_LIST_LENGTH },
	{ 7, 16, 0, SENSE_PARAMETER_LIST_LENGTH },
	{ 8, 16, 0, 0 },
	{ 23, 16, 0, 0 },
	{ 24, 16, 1, 0 },
	{ 24, 15, 0, 0 },
	{ 24, 0, 0, 0 },
	{ 24, 32, 1, 0 },
	{ 24, 0xffff, 1, 0 },
	{ 40, 16, 1, 0 },
	{ 40, 31, 1, 0 },
	{ 40, 32, 2, 0 },
};

START_TEST(test_lengths)
{
	struct bench *bench = bench_default();
	static const struct extent extents[] = { { 1, 1 }, { 2, 1 }, { 3, 1 } };
	uint8_t list[8 + 3 * 16];

	make_list(list, extents, 3);
	put_be16(list + 2, length_rows[_i].block_descriptors);
	bench_send_data(bench, UNMAP_CDB(length_rows[_i].parameter_list), list,
		length_rows[_i].parameter_list);
	check_sense(bench, length_rows[_i].sense);
	ck_assert_uint_eq(bench->store->requests, length_rows[_i].unmapped);
	bench_free(bench);
}
END_TEST

/* Half a list is no list. */
START_TEST(test_short_data)
{
	struct bench *bench = bench_default();
	static const struct extent extents[] = { { 1, 1 }, { 2, 1 } };
	uint8_t list[8 + 2 * 16];

	make_list(list, extents, 2);
	for (uint32_t came = 0; came < sizeof(list); came++) {
		bench_send_data(bench, UNMAP_CDB(sizeof(list)), list, came);
		check_sense(bench, SENSE_INVALID_FIELD_IN_INFO_UNIT);
	}
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

START_TEST(test_anchor)
{
	struct bench *bench = bench_default();

	bench_send(bench, CDB(0x42, 1));
	check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 1, 0);
	bench_free(bench);
}
END_TEST

/* The first extent that fails ends the command; later, too. */
START_TEST(test_store_fails)
{
	struct bench *bench = bench_default();
	static const struct extent extents[] = { { 1, 1 }, { 2, 1 }, { 3, 1 } };
	uint8_t list[8 + 3 * 16];
	uint32_t length = make_list(list, extents, 3);

	bench->store->later = _i;
	bench->store->fail_after = 1;
	bench->store->fail_with = STORE_WRITE_FAILED;
	bench_send_data(bench, UNMAP_CDB(length), list, length);
	check_sense(bench, SENSE_WRITE_ERROR);
	ck_assert_uint_eq(bench->store->requests, 2);
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/unmap");
	TCase *tcase = tcase_create("unmap");

	tcase_add_rows(tcase, test_list, rows);
	tcase_add_test(tcase, test_neighbours);
	tcase_add_test(tcase, test_descriptor_limit);
	tcase_add_test(tcase, test_block_limit);
	tcase_add_rows(tcase, test_lengths, length_rows);
	tcase_add_test(tcase, test_short_data);
	tcase_add_test(tcase, test_anchor);
	tcase_add_loop_test(tcase, test_store_fails, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
