/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vital product data: which pages there are, what they say, and that the limits they announce are
 * the limits that hold [SCSI-04 to SCSI-08, WIN-03].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

#define VPD(page) CDB(0x12, 1, page, 0x10, 0)

static const struct bench_options thin = { .thick = false };
static const struct bench_options thick = { .thick = true };

static const struct {
	const struct bench_options *options;
	size_t count;
	uint8_t pages[8];
} supported_rows[] = {
	{ &thin, 6, { 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2 } },
	{ &thick, 5, { 0x00, 0x80, 0x83, 0xb0, 0xb1 } },
};

/* [SCSI-04] Page 00h against all 256 pages; each page names itself and its length. */
START_TEST(test_supported)
{
	struct bench *bench = bench_new(supported_rows[_i].options);
	const uint8_t *pages = supported_rows[_i].pages;
	size_t count = supported_rows[_i].count;

	bench_send(bench, VPD(0));
	check_good(bench, (uint32_t)(4 + count));
	ck_assert_mem_eq(bench->data + 4, pages, count);
	for (unsigned page = 0; page < 256; page++) {
		bench_send(bench, VPD((uint8_t)page));
		if (!memchr(pages, (int)page, count)) {
			check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 2, -1);
			continue;
		}
		ck_assert_int_eq(bench->task.status, SCSI_GOOD);
		ck_assert_uint_eq(bench->data[0], 0);
		ck_assert_uint_eq(bench->data[1], page);
		ck_assert_uint_eq(get_be16(bench->data + 2) + 4u, bench->task.in_length);
	}
	bench_free(bench);
}
END_TEST

/* The allocation length cuts the page, not its PAGE LENGTH. */
START_TEST(test_allocation)
{
	struct bench *bench = bench_default();
	uint8_t page = supported_rows[0].pages[_i];
	uint8_t whole[RESPONSE_MAX];
	uint32_t length;

	bench_send(bench, VPD(page));
	length = bench->task.in_length;
	memcpy(whole, bench->data, length);
	for (uint32_t alloc = 0; alloc <= length + 1; alloc++) {
		uint32_t given = alloc < length ? alloc : length;

		bench_send(bench, CDB(0x12, 1, page, (uint8_t)(alloc >> 8), (uint8_t)alloc));
		check_good(bench, given);
		if (given)
			ck_assert_mem_eq(bench->data, whole, given);
	}
	bench_free(bench);
}
END_TEST

/* [SCSI-05, WIN-03] The serial number as it is: no padding, no NUL. */
START_TEST(test_serial)
{
	struct bench *bench = bench_default();

	bench_send(bench, VPD(0x80));
	check_good(bench, 4 + sizeof(BENCH_SERIAL) - 1);
	ck_assert_mem_eq(bench->data + 4, BENCH_SERIAL, sizeof(BENCH_SERIAL) - 1);
	bench_free(bench);
}
END_TEST

/* [SCSI-06] */
static const struct {
	uint8_t head[4];
	const char *bytes;
} designators[] = {
	{ { 0x01, 0x03, 0, 16 },
		"\x6b\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f" },
	{ { 0x02, 0x01, 0, 24 }, "PORTCULL" BENCH_SERIAL },
	{ { 0x51, 0x94, 0, 4 }, "\0\0\1\2" },
	{ { 0x51, 0x95, 0, 4 }, "\0\0\1\2" },
	{ { 0x53, 0x98, 0, 44 }, BENCH_NAME ",t,0x0102\0\0\0" },
	{ { 0x53, 0xa8, 0, 32 }, BENCH_NAME "\0\0" },
};

START_TEST(test_identification)
{
	struct bench *bench = bench_default();
	uint32_t at = 4;

	bench_send(bench, VPD(0x83));
	ck_assert_int_eq(bench->task.status, SCSI_GOOD);
	for (size_t i = 0; i < sizeof(designators) / sizeof(designators[0]); i++) {
		uint8_t length = designators[i].head[3];

		ck_assert_mem_eq(bench->data + at, designators[i].head, 4);
		ck_assert_mem_eq(bench->data + at + 4, designators[i].bytes, length);
		at += 4u + length;
	}
	ck_assert_uint_eq(at, bench->task.in_length);
	bench_free(bench);
}
END_TEST

/* Names of every length end with a NUL and at a multiple of four; the longest fits. */
START_TEST(test_names)
{
	char name[TARGET_NAME_MAX + 1] = { 0 };

	memset(name, 'x', sizeof(name) - 1);
	for (size_t length = 1; length <= TARGET_NAME_MAX; length += 2) {
		struct bench *bench = bench_default();
		const uint8_t *at, *end;

		memcpy(bench->device->target_name, name + TARGET_NAME_MAX - length, length + 1);
		bench_send(bench, VPD(0x83));
		ck_assert_int_eq(bench->task.status, SCSI_GOOD);
		at = bench->data + 4;
		end = bench->data + bench->task.in_length;
		while (at < end) {
			if ((at[1] & 0x0f) == 8) {
				ck_assert_uint_eq(at[3] % 4, 0);
				ck_assert_uint_ge(strnlen((const char *)at + 4, at[3]), length);
				ck_assert_uint_lt(strnlen((const char *)at + 4, at[3]), at[3]);
				ck_assert_uint_ge(strnlen((const char *)at + 4, at[3]) + 4, at[3]);
			}
			at += 4 + at[3];
		}
		ck_assert_ptr_eq(at, end);
		bench_free(bench);
	}
}
END_TEST

/* [SCSI-07] */
static const struct {
	struct bench_options options;
	uint16_t optimal_granularity;
	uint32_t transfer, optimal, unmap_blocks, unmap_descriptors, granularity, alignment;
	uint64_t write_same;
} limit_rows[] = {
	{ { .block_size = 512 }, 8, 8192, 2048, 1 << 20, 256, 8, 0x80000000, 32768 },
	{ { .block_size = 512, .physical_block_size = 512 }, 1, 8192, 2048, 1 << 20, 256, 8,
		0x80000000, 32768 },
	/* no granularity beyond 512 byte blocks: QEMU would die of it */
	{ { .block_size = 1024 }, 4, 4096, 1024, 1 << 20, 256, 0, 0, 16384 },
	{ { .block_size = 4096 }, 1, 1024, 256, 1 << 20, 256, 0, 0, 4096 },
	{ { .block_size = 512, .thick = true }, 8, 8192, 2048, 0, 0, 0, 0, 32768 },
};

START_TEST(test_limits)
{
	struct bench *bench = bench_new(&limit_rows[_i].options);
	const uint8_t *data;

	bench_send(bench, VPD(0xb0));
	check_good(bench, 64);
	data = bench->data;
	ck_assert_uint_eq(get_be16(data + 2), 0x3c);
	ck_assert_uint_eq(data[4], 0x01); /* WSNZ */
	ck_assert_uint_eq(data[5], 0);    /* no COMPARE AND WRITE */
	ck_assert_uint_eq(get_be16(data + 6), limit_rows[_i].optimal_granularity);
	ck_assert_uint_eq(get_be32(data + 8), limit_rows[_i].transfer);
	ck_assert_uint_eq(get_be32(data + 12), limit_rows[_i].optimal);
	ck_assert_uint_eq(get_be32(data + 20), limit_rows[_i].unmap_blocks);
	ck_assert_uint_eq(get_be32(data + 24), limit_rows[_i].unmap_descriptors);
	ck_assert_uint_eq(get_be32(data + 28), limit_rows[_i].granularity);
	ck_assert_uint_eq(get_be32(data + 32), limit_rows[_i].alignment);
	ck_assert_uint_eq(get_be64(data + 36), limit_rows[_i].write_same);
	for (int i = 44; i < 64; i++)
		ck_assert_uint_eq(data[i], 0);
	bench_free(bench);
}
END_TEST

/* What the store says in bytes, in blocks; one that is finer than a block is one block. */
START_TEST(test_granularity)
{
	static const uint32_t rows[][2] = { { 512, 1 }, { 0, 1 }, { 4096, 8 }, { 1 << 20, 2048 } };
	struct bench *bench = bench_default();

	for (size_t i = 0; i < 4; i++) {
		bench->store->info.discard_granularity = rows[i][0];
		bench_send(bench, VPD(0xb0));
		ck_assert_uint_eq(get_be32(bench->data + 28), rows[i][1]);
		ck_assert_uint_eq(get_be32(bench->data + 32), 0x80000000);
	}
	bench_free(bench);
}
END_TEST

/* [SCSI-07] The limits as announced: each is kept, and one more is refused. */
static const struct {
	uint8_t opcode, byte1;
	unsigned offset, width; /* of the limit in page B0h */
} kept_rows[] = {
	{ 0x28, 0, 8, 4 },
	{ 0x2a, 0, 8, 4 },
	{ 0xa8, 0, 8, 4 },
	{ 0xaa, 0, 8, 4 },
	{ 0x88, 0, 8, 4 },
	{ 0x8a, 0, 8, 4 },
	{ 0x2e, 0, 8, 4 },
	{ 0xae, 0, 8, 4 },
	{ 0x8e, 0, 8, 4 },
	{ 0x2f, 0, 8, 4 },
	{ 0xaf, 2, 8, 4 },
	{ 0x8f, 6, 8, 4 },
	{ 0x93, 0, 36, 8 },
	{ 0x93, 8, 36, 8 },
	{ 0x93, 9, 36, 8 },
};

START_TEST(test_limits_are_kept)
{
	struct bench *bench = bench_new(&(struct bench_options){ .blocks = 70000 });
	uint64_t limit = 0;

	bench_send(bench, VPD(0xb0));
	for (unsigned i = 0; i < kept_rows[_i].width; i++)
		limit = limit << 8 | bench->data[kept_rows[_i].offset + i];
	bench_parse(
		bench, cdb_range(kept_rows[_i].opcode, kept_rows[_i].byte1, 1, (uint32_t)limit));
	ck_assert(bench->parsed);
	bench_parse(bench,
		cdb_range(kept_rows[_i].opcode, kept_rows[_i].byte1, 1, (uint32_t)limit + 1));
	ck_assert(!bench->parsed);
	check_sense(bench, SENSE_INVALID_FIELD_IN_CDB);
	bench_free(bench);
}
END_TEST

START_TEST(test_characteristics)
{
	struct bench *bench = bench_default();

	bench_send(bench, VPD(0xb1));
	check_good(bench, 64);
	ck_assert_uint_eq(get_be16(bench->data + 2), 0x3c);
	ck_assert_uint_eq(get_be16(bench->data + 4), 0x0001);
	for (int i = 6; i < 64; i++)
		ck_assert_uint_eq(bench->data[i], 0);
	bench_free(bench);
}
END_TEST

/* [SCSI-08] One story of thin provisioning: the page, READ CAPACITY(16), and what the commands do. */
START_TEST(test_provisioning)
{
	static const uint8_t wanted[8] = { 0x00, 0xb2, 0, 4, 0, 0xe4, 0x02, 0 };
	struct bench *bench = bench_default();
	uint8_t zeros[512] = { 0 };

	bench_send(bench, VPD(0xb2));
	check_good(bench, 8);
	ck_assert_mem_eq(bench->data, wanted, 8);
	bench_send(bench, CDB(0x9e, 0x10, [13] = 32));
	ck_assert_uint_eq(bench->data[14] & 0xc0, 0xc0); /* LBPME, LBPRZ as in the page */
	bench_send(bench, CDB(0x42));                    /* LBPU */
	check_good(bench, 0);
	bench_send_data(bench, cdb_range(0x93, 0x08, 0, 8), zeros, 512); /* LBPWS */
	check_good(bench, 0);
	bench_send_data(bench, cdb_range(0x41, 0x08, 0, 8), zeros, 512); /* LBPWS10 */
	check_good(bench, 0);
	ck_assert_uint_eq(bench->store->requests, 2);
	check_request(bench, 0, STORE_DISCARD, 0, 4096, 0);
	check_request(bench, 1, STORE_DISCARD, 0, 4096, 0);
	bench_free(bench);
}
END_TEST

START_TEST(test_no_provisioning)
{
	struct bench *bench = bench_new(&thick);

	bench_send(bench, CDB(0x9e, 0x10, [13] = 32));
	ck_assert_uint_eq(bench->data[14] & 0xc0, 0);
	bench_send(bench, CDB(0x42));
	check_sense(bench, SENSE_INVALID_OPCODE);
	bench_send(bench, cdb_range(0x93, 0x08, 0, 8));
	check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 1, 3);
	bench_send(bench, cdb_range(0x41, 0x08, 0, 8));
	check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 1, 3);
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/vpd");
	TCase *tcase = tcase_create("vpd");

	tcase_add_rows(tcase, test_supported, supported_rows);
	tcase_add_loop_test(tcase, test_allocation, 0, 6);
	tcase_add_test(tcase, test_serial);
	tcase_add_test(tcase, test_identification);
	tcase_add_test(tcase, test_names);
	tcase_add_rows(tcase, test_limits, limit_rows);
	tcase_add_test(tcase, test_granularity);
	tcase_add_rows(tcase, test_limits_are_kept, kept_rows);
	tcase_add_test(tcase, test_characteristics);
	tcase_add_test(tcase, test_provisioning);
	tcase_add_test(tcase, test_no_provisioning);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
