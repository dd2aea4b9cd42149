/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * READ CAPACITY 10 and 16 [SCSI-12, SCSI-08, WIN-03].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

#define CAPACITY_16(alloc) CDB(0x9e, 0x10, [13] = alloc)

static const struct {
	struct bench_options options;
	uint64_t blocks; /* 0: as the store; else put into the unit, for sizes no test can hold */
	uint64_t last;
	uint32_t last_10;
	uint32_t block_size;
	uint8_t exponent;
	uint8_t provisioning;
} rows[] = {
	{ { .block_size = 512 }, 0, BENCH_BLOCKS - 1, BENCH_BLOCKS - 1, 512, 3, 0xc0 },
	{ { .block_size = 512, .physical_block_size = 512 }, 0, BENCH_BLOCKS - 1, BENCH_BLOCKS - 1,
		512, 0, 0xc0 },
	{ { .block_size = 1024 }, 0, BENCH_BLOCKS - 1, BENCH_BLOCKS - 1, 1024, 2, 0xc0 },
	{ { .block_size = 2048 }, 0, BENCH_BLOCKS - 1, BENCH_BLOCKS - 1, 2048, 1, 0xc0 },
	{ { .block_size = 4096 }, 0, BENCH_BLOCKS - 1, BENCH_BLOCKS - 1, 4096, 0, 0xc0 },
	{ { .thick = true }, 0, BENCH_BLOCKS - 1, BENCH_BLOCKS - 1, 512, 3, 0 },
	{ { .blocks = 1 }, 0, 0, 0, 512, 3, 0xc0 },
	/* where 10 bytes end */
	{ { 0 }, UINT32_MAX, 0xfffffffe, 0xfffffffe, 512, 3, 0xc0 },
	{ { 0 }, 1ull << 32, 0xffffffff, UINT32_MAX, 512, 3, 0xc0 },
	{ { 0 }, (1ull << 32) + 1, 1ull << 32, UINT32_MAX, 512, 3, 0xc0 },
	{ { 0 }, 1ull << 54, (1ull << 54) - 1, UINT32_MAX, 512, 3, 0xc0 },
};

static struct bench *row_bench(int row)
{
	struct bench *bench = bench_new(&rows[row].options);

	if (rows[row].blocks)
		bench->device->units[0]->blocks = rows[row].blocks;
	return bench;
}

START_TEST(test_ten)
{
	struct bench *bench = row_bench(_i);

	bench_send(bench, CDB(0x25));
	check_good(bench, 8);
	ck_assert_uint_eq(get_be32(bench->data), rows[_i].last_10);
	ck_assert_uint_eq(get_be32(bench->data + 4), rows[_i].block_size);
	bench_free(bench);
}
END_TEST

START_TEST(test_sixteen)
{
	struct bench *bench = row_bench(_i);

	bench_send(bench, CAPACITY_16(32));
	check_good(bench, 32);
	ck_assert_uint_eq(get_be64(bench->data), rows[_i].last);
	ck_assert_uint_eq(get_be32(bench->data + 8), rows[_i].block_size);
	ck_assert_uint_eq(bench->data[12], 0); /* no protection */
	ck_assert_uint_eq(bench->data[13], rows[_i].exponent);
	ck_assert_uint_eq(bench->data[14], rows[_i].provisioning);
	for (int i = 15; i < 32; i++)
		ck_assert_uint_eq(bench->data[i], 0);
	bench_free(bench);
}
END_TEST

/* [WIN-03] Windows asks with 12 bytes; libiscsi with each of 0..16. */
START_TEST(test_allocation)
{
	struct bench *bench = bench_default();
	uint8_t whole[32];

	bench_send(bench, CAPACITY_16(32));
	memcpy(whole, bench->data, 32);
	for (unsigned alloc = 0; alloc < 256; alloc++) {
		unsigned given = alloc < 32 ? alloc : 32;

		bench_send(bench, CAPACITY_16((uint8_t)alloc));
		check_good(bench, given);
		if (given)
			ck_assert_mem_eq(bench->data, whole, given);
	}
	bench_free(bench);
}
END_TEST

/* PMI and the LBA that went with it are obsolete. */
START_TEST(test_partial_medium)
{
	struct bench *bench = bench_default();

	bench_send(bench, CDB(0x25, [8] = 1));
	check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 8, 0);
	bench_send(bench, CDB(0x25, [5] = 1));
	check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 5, 0);
	bench_send(bench, CDB(0x9e, 0x10, [14] = 1));
	check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 14, 0);
	bench_free(bench);
}
END_TEST

/* GET LBA STATUS and its neighbours under the same opcode are not there. */
START_TEST(test_other_actions)
{
	struct bench *bench = bench_default();

	for (unsigned action = 0; action < 32; action++) {
		bench_send(bench, CDB(0x9e, (uint8_t)action, [13] = 32));
		check_sense(bench, action == 0x10 || action == 0x12 ? 0 : SENSE_INVALID_OPCODE);
	}
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/capacity");
	TCase *tcase = tcase_create("capacity");

	tcase_add_rows(tcase, test_ten, rows);
	tcase_add_rows(tcase, test_sixteen, rows);
	tcase_add_test(tcase, test_allocation);
	tcase_add_test(tcase, test_partial_medium);
	tcase_add_test(tcase, test_other_actions);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
