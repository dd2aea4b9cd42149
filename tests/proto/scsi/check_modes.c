/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MODE SENSE 6 and 10: pages, page control, block descriptors, the bits that must be true
 * [SCSI-14, SCSI-15].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

#define DBD   0x08
#define LLBAA 0x10

#define SENSE_6(byte1, page, subpage, alloc)  CDB(0x1a, byte1, page, subpage, alloc)
#define SENSE_10(byte1, page, subpage, alloc) CDB(0x5a, byte1, page, subpage, 0, 0, 0, 0x10, alloc)

#define CACHING    0x08, 18, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define CONTROL    0x0a, 10, 0x00, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0
#define EXCEPTIONS 0x1c, 10, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0

static const struct {
	uint8_t page, subpage;
	uint8_t length;
	uint8_t bytes[64];
} page_rows[] = {
	{ 0x08, 0x00, 20, { CACHING } },
	{ 0x0a, 0x00, 12, { CONTROL } },
	{ 0x1c, 0x00, 12, { EXCEPTIONS } },
	{ 0x3f, 0x00, 44, { CACHING, CONTROL, EXCEPTIONS } },
	{ 0x3f, 0xff, 44, { CACHING, CONTROL, EXCEPTIONS } },
	{ 0x0a, 0xff, 12, { CONTROL } },
};

/* Current and default values, with each way to have the block descriptor; lengths that agree. */
START_TEST(test_pages_6)
{
	struct bench *bench = bench_default();
	uint8_t length = page_rows[_i].length;

	for (unsigned control = 0; control <= 2; control += 2) {
		uint8_t page = (uint8_t)(page_rows[_i].page | control << 6);

		bench_send(bench, SENSE_6(DBD, page, page_rows[_i].subpage, 255));
		check_good(bench, 4u + length);
		ck_assert_uint_eq(bench->data[0], 3 + length);
		ck_assert_uint_eq(bench->data[1], 0);
		ck_assert_uint_eq(bench->data[2], 0x10); /* DPOFUA */
		ck_assert_uint_eq(bench->data[3], 0);
		ck_assert_mem_eq(bench->data + 4, page_rows[_i].bytes, length);

		bench_send(bench, SENSE_6(0, page, page_rows[_i].subpage, 255));
		check_good(bench, 12u + length);
		ck_assert_uint_eq(bench->data[0], 11 + length);
		ck_assert_uint_eq(bench->data[3], 8);
		ck_assert_uint_eq(get_be32(bench->data + 4), BENCH_BLOCKS);
		ck_assert_uint_eq(get_be32(bench->data + 8), 512);
		ck_assert_mem_eq(bench->data + 12, page_rows[_i].bytes, length);
	}
	bench_free(bench);
}
END_TEST

static const struct {
	uint8_t byte1;
	uint8_t descriptor; /* bytes */
} ten_rows[] = { { DBD, 0 }, { 0, 8 }, { LLBAA, 16 }, { LLBAA | DBD, 0 } };

START_TEST(test_pages_10)
{
	struct bench *bench = bench_default();
	uint8_t length = page_rows[_i].length;

	for (size_t i = 0; i < 4; i++) {
		uint8_t descriptor = ten_rows[i].descriptor;

		bench_send(bench,
			SENSE_10(ten_rows[i].byte1, page_rows[_i].page, page_rows[_i].subpage, 0));
		check_good(bench, 8u + descriptor + length);
		ck_assert_uint_eq(get_be16(bench->data), 6 + descriptor + length);
		ck_assert_uint_eq(bench->data[2], 0);
		ck_assert_uint_eq(bench->data[3], 0x10);
		ck_assert_uint_eq(bench->data[4], descriptor == 16); /* LONGLBA */
		ck_assert_uint_eq(get_be16(bench->data + 6), descriptor);
		ck_assert_mem_eq(bench->data + 8 + descriptor, page_rows[_i].bytes, length);
		if (descriptor == 8) {
			ck_assert_uint_eq(get_be32(bench->data + 8), BENCH_BLOCKS);
			ck_assert_uint_eq(get_be32(bench->data + 12), 512);
		} else if (descriptor == 16) {
			ck_assert_uint_eq(get_be64(bench->data + 8), BENCH_BLOCKS);
			ck_assert_uint_eq(get_be32(bench->data + 16), 0);
			ck_assert_uint_eq(get_be32(bench->data + 20), 512);
		}
	}
	bench_free(bench);
}
END_TEST

/* Nothing can be changed: the mask of each page is zero behind its two bytes. */
START_TEST(test_changeable)
{
	struct bench *bench = bench_default();
	uint8_t wanted[64] = { 0 };

	for (unsigned at = 0; at < page_rows[_i].length; at += 2u + wanted[at + 1])
		memcpy(wanted + at, page_rows[_i].bytes + at, 2);
	bench_send(bench, SENSE_6(DBD, page_rows[_i].page | 0x40, page_rows[_i].subpage, 255));
	check_good(bench, 4u + page_rows[_i].length);
	ck_assert_mem_eq(bench->data + 4, wanted, page_rows[_i].length);
	bench_free(bench);
}
END_TEST

/* Nothing is saved, whatever page it is. */
START_TEST(test_saved)
{
	struct bench *bench = bench_default();

	bench_send(bench, SENSE_6(0, page_rows[_i].page | 0xc0, page_rows[_i].subpage, 255));
	check_sense(bench, SENSE_SAVING_NOT_SUPPORTED);
	bench_send(bench, SENSE_10(0, page_rows[_i].page | 0xc0, page_rows[_i].subpage, 0));
	check_sense(bench, SENSE_SAVING_NOT_SUPPORTED);
	bench_free(bench);
}
END_TEST

/* [WIN-03] All 64 pages and all 256 subpages of each: those that are not there are 05/24. */
START_TEST(test_unknown)
{
	struct bench *bench = bench_default();

	for (unsigned page = 0; page < 64; page++) {
		bool there = page == 0x08 || page == 0x0a || page == 0x1c || page == 0x3f;

		for (unsigned subpage = 0; subpage < 256; subpage++) {
			bench_send(bench, SENSE_6(0, (uint8_t)page, (uint8_t)subpage, 255));
			if (!there)
				check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 2, 5);
			else if (subpage != 0 && subpage != 255)
				check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 3, 7);
			else
				ck_assert_int_eq(bench->task.status, SCSI_GOOD);
		}
	}
	bench_free(bench);
}
END_TEST

/* [RES-02] The allocation length cuts the data, not MODE DATA LENGTH. */
START_TEST(test_allocation)
{
	struct bench *bench = bench_default();
	uint8_t whole[56];

	bench_send(bench, SENSE_6(0, 0x3f, 0, 255));
	check_good(bench, sizeof(whole));
	memcpy(whole, bench->data, sizeof(whole));
	for (unsigned alloc = 0; alloc < 256; alloc++) {
		unsigned given = alloc < sizeof(whole) ? alloc : sizeof(whole);

		bench_send(bench, SENSE_6(0, 0x3f, 0, (uint8_t)alloc));
		check_good(bench, given);
		if (given)
			ck_assert_mem_eq(bench->data, whole, given);
	}
	bench_free(bench);
}
END_TEST

/* [SCSI-15] WCE says what the store is: without it Linux never flushes. */
START_TEST(test_write_cache)
{
	struct bench *cached = bench_new(&(struct bench_options){ .stable = false });
	struct bench *stable = bench_new(&(struct bench_options){ .stable = true });

	bench_send(cached, SENSE_6(DBD, 0x08, 0, 255));
	ck_assert_uint_eq(cached->data[4 + 2], 0x04);
	bench_send(stable, SENSE_6(DBD, 0x08, 0, 255));
	ck_assert_uint_eq(stable->data[4 + 2], 0x00);
	bench_free(cached);
	bench_free(stable);
}
END_TEST

START_TEST(test_write_protect)
{
	struct bench *bench = bench_new(&(struct bench_options){ .read_only = true });

	bench_send(bench, SENSE_6(DBD, 0x3f, 0, 255));
	ck_assert_uint_eq(bench->data[2], 0x90); /* WP, DPOFUA */
	bench_send(bench, SENSE_10(DBD, 0x3f, 0, 0));
	ck_assert_uint_eq(bench->data[3], 0x90);
	bench_free(bench);
}
END_TEST

START_TEST(test_descriptor_sense)
{
	struct bench *bench = bench_default();

	bench->device->units[0]->descriptor_sense = true;
	bench_send(bench, SENSE_6(DBD, 0x0a, 0, 255));
	ck_assert_uint_eq(bench->data[4 + 2], 0x04);
	bench_free(bench);
}
END_TEST

/* More blocks than the short descriptor counts: it says so, the long one counts on. */
START_TEST(test_huge)
{
	struct bench *bench = bench_default();

	bench->device->units[0]->blocks = 1ull << 33;
	bench_send(bench, SENSE_6(0, 0x08, 0, 255));
	ck_assert_uint_eq(get_be32(bench->data + 4), UINT32_MAX);
	bench_send(bench, SENSE_10(LLBAA, 0x08, 0, 0));
	ck_assert_uint_eq(get_be64(bench->data + 8), 1ull << 33);
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/modes");
	TCase *tcase = tcase_create("modes");

	tcase_set_timeout(tcase, 300);
	tcase_add_rows(tcase, test_pages_6, page_rows);
	tcase_add_rows(tcase, test_pages_10, page_rows);
	tcase_add_rows(tcase, test_changeable, page_rows);
	tcase_add_rows(tcase, test_saved, page_rows);
	tcase_add_test(tcase, test_unknown);
	tcase_add_test(tcase, test_allocation);
	tcase_add_test(tcase, test_write_cache);
	tcase_add_test(tcase, test_write_protect);
	tcase_add_test(tcase, test_descriptor_sense);
	tcase_add_test(tcase, test_huge);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
