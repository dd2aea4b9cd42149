/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INQUIRY: the standard data of present and absent units, allocation lengths [SCSI-01, LIBI-02].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

#define INQUIRY(alloc) CDB(0x12, 0, 0, (uint8_t)((alloc) >> 8), (uint8_t)(alloc))
#define FULL           74

START_TEST(test_standard)
{
	struct bench *bench = bench_default();
	const uint8_t *data;

	bench_send(bench, INQUIRY(255));
	check_good(bench, FULL);
	ck_assert_int_eq(bench->task.direction, SCSI_DATA_IN);
	data = bench->data;
	ck_assert_uint_eq(data[0], 0x00); /* a connected disk */
	ck_assert_uint_eq(data[1], 0x00); /* not removable */
	ck_assert_uint_eq(data[2], 0x06); /* SPC-4 */
	ck_assert_uint_eq(data[3], 0x12); /* HISUP, format 2, no NORMACA */
	ck_assert_uint_eq(data[4], FULL - 5);
	ck_assert_uint_eq(data[5], 0x00); /* no TPGS, no 3PC, no PROTECT */
	ck_assert_uint_eq(data[6], 0x00);
	ck_assert_uint_eq(data[7], 0x02); /* CMDQUE */
	ck_assert_mem_eq(data + 8, "PORTCULLVIRTUAL DISK    0001", 28);
	for (int i = 36; i < 58; i++)
		ck_assert_uint_eq(data[i], 0);
	bench_free(bench);
}
END_TEST

START_TEST(test_version_descriptors)
{
	static const uint16_t wanted[8] = { 0x00a0, 0x0961, 0x0460, 0x04c0 };
	struct bench *bench = bench_default();

	bench_send(bench, INQUIRY(255));
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(get_be16(bench->data + 58 + 2 * i), wanted[i]);
	bench_free(bench);
}
END_TEST

/* [KEY-20] The iSCSI descriptor grows with the negotiated protocol level. */
START_TEST(test_protocol_level)
{
	static const unsigned levels[] = { 0, 1, 2, 31 };
	struct bench *bench = bench_default();

	for (size_t i = 0; i < 4; i++) {
		scsi_nexus_set_protocol_level(bench->nexus, levels[i]);
		bench_send(bench, INQUIRY(255));
		ck_assert_uint_eq(get_be16(bench->data + 60), 0x0960 + levels[i]);
	}
	bench_free(bench);
}
END_TEST

/* Cut to the allocation length, with ADDITIONAL LENGTH as of the whole. */
START_TEST(test_allocation)
{
	struct bench *bench = bench_default();
	uint8_t whole[FULL];

	bench_send(bench, INQUIRY(FULL));
	memcpy(whole, bench->data, FULL);
	for (unsigned alloc = 0; alloc <= 512; alloc++) {
		unsigned given = alloc < FULL ? alloc : FULL;

		bench_send(bench, INQUIRY(alloc));
		check_good(bench, given);
		ck_assert_int_eq(bench->task.direction, alloc ? SCSI_DATA_IN : SCSI_NO_DATA);
		if (given)
			ck_assert_mem_eq(bench->data, whole, given);
	}
	bench_send(bench, INQUIRY(65535));
	check_good(bench, FULL);
	bench_free(bench);
}
END_TEST

/* An absent LUN says so in its first byte, with GOOD status; LUN 0 could be there but is not. */
static const struct {
	uint64_t lun;
	uint8_t peripheral;
} absent_rows[] = {
	{ LUN(0), 0x3f },
	{ 0x4000000000000000, 0x3f },
	{ LUN(ABSENT_LUN), 0x7f },
	{ 0x40ff000000000000, 0x7f },
	{ 0x4100000000000000, 0x7f },
	{ 0xc101000000000000, 0x7f },
	{ 0xffffffffffffffff, 0x7f },
};

START_TEST(test_absent)
{
	struct bench *bench = bench_new(&(struct bench_options){ .lun = 9 });

	bench->lun = absent_rows[_i].lun;
	bench_send(bench, INQUIRY(36));
	check_good(bench, 36);
	ck_assert_uint_eq(bench->data[0], absent_rows[_i].peripheral);
	ck_assert_uint_eq(bench->data[4], FULL - 5);
	bench_send(bench, CDB(0x12, 1, 0, 0, 255));
	check_good(bench, 5);
	ck_assert_uint_eq(bench->data[0], absent_rows[_i].peripheral);
	bench_free(bench);
}
END_TEST

/* [SCSI-04] A page code needs EVPD. */
START_TEST(test_page_without_evpd)
{
	struct bench *bench = bench_default();

	for (unsigned page = 1; page < 256; page++) {
		bench_send(bench, CDB(0x12, 0, (uint8_t)page, 0, 255));
		check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 2, -1);
	}
	bench_free(bench);
}
END_TEST

/* CMDDT is obsolete. */
START_TEST(test_cmddt)
{
	struct bench *bench = bench_default();

	bench_send(bench, CDB(0x12, 2, 0, 0, 255));
	check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 1, 1);
	bench_free(bench);
}
END_TEST

/* [LIBI-02] The same unit, built a second time, gives the same bytes. */
START_TEST(test_stable)
{
	struct bench *one = bench_default();
	struct bench *two = bench_default();
	static const struct cdb cdbs[] = { INQUIRY(255), CDB(0x12, 1, 0x80, 0, 255),
		CDB(0x12, 1, 0x83, 4, 0) };

	for (size_t i = 0; i < 3; i++) {
		bench_send(one, cdbs[i]);
		bench_send(two, cdbs[i]);
		ck_assert_uint_eq(one->task.in_length, two->task.in_length);
		ck_assert_mem_eq(one->data, two->data, one->task.in_length);
	}
	bench_free(one);
	bench_free(two);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/inquiry");
	TCase *tcase = tcase_create("inquiry");

	tcase_add_test(tcase, test_standard);
	tcase_add_test(tcase, test_version_descriptors);
	tcase_add_test(tcase, test_protocol_level);
	tcase_add_test(tcase, test_allocation);
	tcase_add_rows(tcase, test_absent, absent_rows);
	tcase_add_test(tcase, test_page_without_evpd);
	tcase_add_test(tcase, test_cmddt);
	tcase_add_test(tcase, test_stable);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
