/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device: which configurations it takes, LUN addressing [SCSI-02, SCSI-12], what an absent LUN
 * answers [SCSI-01, SCSI-25].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

static const struct {
	const char *what;
	uint32_t block_size, physical_block_size;
	uint16_t lun;
	uint64_t size;
	bool good;
} unit_rows[] = {
	{ "512n", 512, 512, 0, 1 << 20, true },
	{ "512e", 512, 4096, 0, 1 << 20, true },
	{ "1 KiB", 1024, 1024, 0, 1 << 20, true },
	{ "2 KiB", 2048, 4096, 0, 1 << 20, true },
	{ "4Kn", 4096, 4096, 0, 1 << 20, true },
	{ "the largest physical block", 512, 512 << 15, 0, 1 << 20, true },
	{ "the last LUN", 512, 512, 255, 1 << 20, true },
	{ "one block", 512, 512, 0, 512, true },
	{ "LUN 256", 512, 512, 256, 1 << 20, false },
	{ "no block", 512, 512, 0, 511, false },
	{ "256 byte blocks", 256, 512, 0, 1 << 20, false },
	{ "8 KiB blocks", 8192, 8192, 0, 1 << 20, false },
	{ "520 byte blocks", 520, 520, 0, 1 << 20, false },
	{ "no block size", 0, 512, 0, 1 << 20, false },
	{ "physical below logical", 4096, 512, 0, 1 << 20, false },
	{ "physical not a power of two", 512, 1536, 0, 1 << 20, false },
	{ "no physical size", 512, 0, 0, 1 << 20, false },
	{ "physical beyond its field", 512, 512 << 16, 0, 1 << 20, false },
};

START_TEST(test_unit)
{
	struct store *store = fake_store_new(unit_rows[_i].size, 512);
	struct scsi_unit_config unit = {
		.lun = unit_rows[_i].lun,
		.store = store,
		.block_size = unit_rows[_i].block_size,
		.physical_block_size = unit_rows[_i].physical_block_size,
	};
	struct scsi_device_config config = {
		.target_name = BENCH_NAME, .units = &unit, .unit_count = 1
	};
	struct scsi_device *device = scsi_device_new(&config);

	ck_assert_msg((device != NULL) == unit_rows[_i].good, "%s", unit_rows[_i].what);
	scsi_device_free(device);
	fake_store_free(store);
}
END_TEST

START_TEST(test_lun_twice)
{
	struct store *store = fake_store_new(4096, 512);
	struct scsi_unit_config units[2] = {
		{ .lun = 3, .store = store, .block_size = 512, .physical_block_size = 512 },
		{ .lun = 3, .store = store, .block_size = 512, .physical_block_size = 512 },
	};
	struct scsi_device_config config = {
		.target_name = BENCH_NAME, .units = units, .unit_count = 2
	};

	ck_assert_ptr_null(scsi_device_new(&config));
	fake_store_free(store);
}
END_TEST

START_TEST(test_name_length)
{
	char name[226] = { 0 };
	struct scsi_device_config config = { .target_name = name };

	memset(name, 'n', 223);
	struct scsi_device *device = scsi_device_new(&config);
	ck_assert_ptr_nonnull(device);
	ck_assert_str_eq(device->target_name, name);
	scsi_device_free(device);
	name[223] = 'n';
	ck_assert_ptr_null(scsi_device_new(&config));
}
END_TEST

START_TEST(test_null_is_fine)
{
	scsi_device_free(NULL);
	scsi_nexus_free(NULL);
}
END_TEST

/* [SCSI-02] */
static const struct {
	uint64_t field;
	int number;
} lun_rows[] = {
	{ 0x0000000000000000, 0 },
	{ 0x0001000000000000, 1 },
	{ 0x00ff000000000000, 255 },
	{ 0x4000000000000000, 0 }, /* flat space */
	{ 0x4001000000000000, 1 },
	{ 0x40ff000000000000, 255 },
	{ 0x4100000000000000, -1 }, /* flat 256 */
	{ 0x7fff000000000000, -1 }, /* flat 16383 */
	{ 0x0101000000000000, -1 }, /* bus 1 */
	{ 0x3f00000000000000, -1 },
	{ 0x8001000000000000, -1 }, /* logical unit addressing */
	{ 0xc101000000000000, -1 }, /* the REPORT LUNS well-known unit */
	{ 0xffffffffffffffff, -1 },
	{ 0x0001000000000001, -1 }, /* a second level */
	{ 0x0001000100000000, -1 },
	{ 0x4001800000000000, -1 },
};

START_TEST(test_lun_number)
{
	ck_assert_int_eq(scsi_lun_number(lun_rows[_i].field), lun_rows[_i].number);
}
END_TEST

/* Commands reach the unit by either format, and by no other. */
START_TEST(test_lun_reaches)
{
	int number = lun_rows[_i].number;
	struct bench *bench = bench_new(
		&(struct bench_options){ .lun = number < 0 ? 1 : (uint16_t)number });

	ck_assert_int_eq(scsi_lun_exists(bench->device, lun_rows[_i].field), number >= 0);
	bench->lun = lun_rows[_i].field;
	bench_send(bench, CDB(0x00));
	check_sense(bench, number >= 0 ? 0 : SENSE_LUN_NOT_SUPPORTED);
	bench_free(bench);
}
END_TEST

START_TEST(test_lun_exists)
{
	struct bench *bench = bench_new(&(struct bench_options){ .lun = 9 });

	for (unsigned lun = 0; lun < 256; lun++)
		ck_assert_int_eq(scsi_lun_exists(bench->device, LUN(lun)), lun == 9);
	bench_free(bench);
}
END_TEST

/* [SCSI-25] Where there is no unit, only these answer; all 256 opcodes are tried. */
static const uint64_t absent_luns[] = { LUN(0), LUN(ABSENT_LUN), LUN(255), 0x4000000000000000,
	0x0101000000000000, 0xc101000000000000, 0xffffffffffffffff };

START_TEST(test_absent_lun)
{
	struct bench *bench = bench_new(&(struct bench_options){ .lun = 9 });
	bool zero = scsi_lun_number(absent_luns[_i]) == 0;

	bench->lun = absent_luns[_i];
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		bool answers = opcode == 0x12 || opcode == 0x03 || (opcode == 0xa0 && zero);

		if (opcode == 0xa0)
			bench_send(bench, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
		else
			bench_send(bench, CDB((uint8_t)opcode));
		check_sense(bench, answers ? 0 : SENSE_LUN_NOT_SUPPORTED);
	}
	bench_free(bench);
}
END_TEST

/* The sense of a LUN that is not there comes as REQUEST SENSE's data. */
START_TEST(test_absent_request_sense)
{
	struct bench *bench = bench_default();

	bench->lun = LUN(ABSENT_LUN);
	bench_send(bench, CDB(0x03, 0, 0, 0, 18));
	check_good(bench, 18);
	ck_assert_uint_eq(bench->data[2], 0x05);
	ck_assert_uint_eq(bench->data[12], 0x25);
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/device");
	TCase *tcase = tcase_create("device");

	tcase_add_rows(tcase, test_unit, unit_rows);
	tcase_add_test(tcase, test_lun_twice);
	tcase_add_test(tcase, test_name_length);
	tcase_add_test(tcase, test_null_is_fine);
	tcase_add_rows(tcase, test_lun_number, lun_rows);
	tcase_add_rows(tcase, test_lun_reaches, lun_rows);
	tcase_add_test(tcase, test_lun_exists);
	tcase_add_rows(tcase, test_absent_lun, absent_luns);
	tcase_add_test(tcase, test_absent_request_sense);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
