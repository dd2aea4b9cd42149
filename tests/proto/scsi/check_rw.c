/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * READ and WRITE in all sizes: ranges, limits, FUA, short data-out [SCSI-13, SCSI-17, RES-01, RES-05].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include <stdlib.h>

#define BLOCK 512u
#define END   BENCH_BLOCKS
#define FUA   0x08
#define DPO   0x10

#define OK    0
#define RANGE SENSE_LBA_OUT_OF_RANGE
#define FIELD SENSE_INVALID_FIELD_IN_CDB
#define MOST  8192u /* blocks of the largest transfer */

/* [SCSI-13] Every row is tried with the READ and the WRITE of its size. */
static const struct {
	const char *what;
	uint8_t read, write;
	uint64_t lba;
	uint32_t blocks;
	uint32_t sense;
} range_rows[] = {
	{ "first block", 0x08, 0x0a, 0, 1, OK },
	{ "last block", 0x08, 0x0a, END - 1, 1, OK },
	{ "two at the last block", 0x08, 0x0a, END - 1, 2, RANGE },
	{ "256 blocks, written 0", 0x08, 0x0a, 3, 256, OK },
	{ "256 blocks, not 0, one too far", 0x08, 0x0a, END - 255, 256, RANGE },
	{ "beyond the end", 0x08, 0x0a, END, 1, RANGE },
	{ "the highest LBA", 0x08, 0x0a, 0x1fffff, 1, RANGE },

	{ "first block", 0x28, 0x2a, 0, 1, OK },
	{ "last block", 0x28, 0x2a, END - 1, 1, OK },
	{ "no block at 0", 0x28, 0x2a, 0, 0, OK },
	{ "no block at the end", 0x28, 0x2a, END, 0, OK },
	{ "no block beyond the end", 0x28, 0x2a, END + 1, 0, RANGE },
	{ "no block at 2^31", 0x28, 0x2a, 0x80000000, 0, RANGE },
	{ "no block at the highest LBA", 0x28, 0x2a, UINT32_MAX, 0, RANGE },
	{ "the largest transfer", 0x28, 0x2a, 0, MOST, OK },
	{ "the largest transfer at the end", 0x28, 0x2a, END - MOST, MOST, OK },
	{ "one more than the largest", 0x28, 0x2a, 0, MOST + 1, FIELD },
	{ "one block too far", 0x28, 0x2a, END - 1, 2, RANGE },
	{ "65535 blocks", 0x28, 0x2a, 0, 65535, RANGE },

	{ "first block", 0xa8, 0xaa, 0, 1, OK },
	{ "last block", 0xa8, 0xaa, END - 1, 1, OK },
	{ "no block beyond the end", 0xa8, 0xaa, END + 1, 0, RANGE },
	{ "the largest transfer", 0xa8, 0xaa, 1, MOST, OK },
	{ "one more than the largest", 0xa8, 0xaa, 1, MOST + 1, FIELD },
	{ "2^32 - 1 blocks", 0xa8, 0xaa, 0, UINT32_MAX, RANGE },
	{ "a sum that wraps 32 bits", 0xa8, 0xaa, UINT32_MAX, 2, RANGE },

	{ "first block", 0x88, 0x8a, 0, 1, OK },
	{ "last block", 0x88, 0x8a, END - 1, 1, OK },
	{ "no block at the end", 0x88, 0x8a, END, 0, OK },
	{ "no block beyond the end", 0x88, 0x8a, END + 1, 0, RANGE },
	{ "the largest transfer", 0x88, 0x8a, 5, MOST, OK },
	{ "one more than the largest", 0x88, 0x8a, 5, MOST + 1, FIELD },
	{ "a sum that wraps 64 bits", 0x88, 0x8a, UINT64_MAX, 2, RANGE },
	{ "a sum that wraps to the middle", 0x88, 0x8a, UINT64_MAX - 9, 20, RANGE },
	{ "an offset in bytes that wraps", 0x88, 0x8a, 1ull << 55, 1, RANGE },
	{ "an offset in bytes that wraps twice", 0x88, 0x8a, (1ull << 56) + 1, 1, RANGE },
	{ "2^32 - 1 blocks", 0x88, 0x8a, 1, UINT32_MAX, RANGE },
};

static unsigned length_byte(uint8_t opcode)
{
	return cdb_size(opcode) == 10 ? 7 : cdb_size(opcode) == 12 ? 6 : 10;
}

/* The row ended as it says, and without touching the medium if that was an error. */
static void check_row(const struct bench *bench, int row, uint32_t in_length)
{
	if (range_rows[row].sense == FIELD)
		check_field(bench, FIELD, true, length_byte(bench->task.cdb[0]), 7);
	else if (range_rows[row].sense)
		check_sense(bench, range_rows[row].sense);
	else
		check_good(bench, in_length);
	if (range_rows[row].sense || range_rows[row].blocks == 0)
		ck_assert_uint_eq(bench->store->requests, 0);
}

START_TEST(test_read_range)
{
	struct bench *bench = bench_default();
	uint32_t length = range_rows[_i].blocks * BLOCK;
	uint64_t offset = range_rows[_i].lba * BLOCK;

	bench_fill(bench, 0, END * BLOCK);
	bench_send(bench,
		cdb_range(range_rows[_i].read, 0, range_rows[_i].lba, range_rows[_i].blocks));
	check_row(bench, _i, length);
	if (!range_rows[_i].sense && length) {
		ck_assert_int_eq(bench->task.direction, SCSI_DATA_IN);
		ck_assert_mem_eq(bench->data, bench->store->bytes + offset, length);
		ck_assert_uint_eq(bench->store->requests, 1);
		check_request(bench, 0, STORE_READ, offset, length, 0);
	}
	bench_free(bench);
}
END_TEST

START_TEST(test_write_range)
{
	struct bench *bench = bench_default();
	uint32_t length = range_rows[_i].blocks * BLOCK;
	uint64_t offset = range_rows[_i].lba * BLOCK;
	uint32_t give = range_rows[_i].sense ? 0 : length;
	uint8_t *expected = malloc(END * BLOCK);
	uint8_t *data = malloc(give + 1);

	bench_fill(bench, 0, END * BLOCK);
	memcpy(expected, bench->store->bytes, END * BLOCK);
	memset(data, 'w', give + 1);
	if (give)
		memset(expected + offset, 'w', give);
	bench_send_data(bench,
		cdb_range(range_rows[_i].write, 0, range_rows[_i].lba, range_rows[_i].blocks), data,
		give);
	check_row(bench, _i, 0);
	ck_assert_mem_eq(bench->store->bytes, expected, END * BLOCK);
	if (give) {
		ck_assert_int_eq(bench->task.direction, SCSI_DATA_OUT);
		ck_assert_uint_eq(bench->wanted, length);
		check_request(bench, 0, STORE_WRITE, offset, length, 0);
	}
	free(expected);
	free(data);
	bench_free(bench);
}
END_TEST

/* [SCSI-17] FUA goes down to the store; DPO is accepted and means nothing. */
START_TEST(test_fua)
{
	static const uint8_t opcodes[] = { 0x28, 0xa8, 0x88, 0x2a, 0xaa, 0x8a };
	static const uint8_t flags[] = { 0, FUA, DPO, FUA | DPO };
	struct bench *bench = bench_default();
	uint8_t block[BLOCK] = { 1 };

	for (size_t i = 0; i < sizeof(opcodes); i++) {
		for (size_t j = 0; j < sizeof(flags); j++) {
			bool writes = opcodes[i] & 0x02;

			bench->store->requests = 0;
			bench_send_data(bench, cdb_range(opcodes[i], flags[j], 9, 1), block, BLOCK);
			check_good(bench, writes ? 0 : BLOCK);
			check_request(bench, 0, writes ? STORE_WRITE : STORE_READ, 9 * BLOCK, BLOCK,
				flags[j] & FUA ? STORE_FUA : 0);
		}
	}
	bench_free(bench);
}
END_TEST

/* In a 6-byte CDB the place of FUA is the LBA's. */
START_TEST(test_six_bytes_have_no_fua)
{
	struct bench *bench = bench_new(&(struct bench_options){ .blocks = 1u << 20 });

	bench_send(bench, cdb_range(0x08, 0x08, 2, 1));
	check_good(bench, BLOCK);
	check_request(bench, 0, STORE_READ, ((8u << 16) + 2) * BLOCK, BLOCK, 0);
	bench_free(bench);
}
END_TEST

/* [SCSI-25] No protection information: any RDPROTECT or WRPROTECT is an error. */
START_TEST(test_protect)
{
	static const uint8_t opcodes[] = { 0x28, 0xa8, 0x88, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e,
		0x2f, 0xaf, 0x8f, 0x41, 0x93 };
	struct bench *bench = bench_default();

	for (size_t i = 0; i < sizeof(opcodes); i++) {
		for (unsigned protect = 1; protect < 8; protect++) {
			bench_send(bench, cdb_range(opcodes[i], (uint8_t)(protect << 5), 0, 1));
			check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, 1, -1);
		}
	}
	ck_assert_uint_eq(bench->store->requests, 0);
	bench_free(bench);
}
END_TEST

/* [RES-05] What libiscsi's residual tests send: the CDB's blocks, the bytes that came, what is written. */
static const struct {
	uint32_t blocks;
	uint32_t came;
	uint32_t written;
	uint32_t sense;
} short_rows[] = {
	{ 1, 0, 0, OK },
	{ 1, 2 * BLOCK, BLOCK, OK },
	{ 2, BLOCK, BLOCK, OK },
	{ 1, 10000, BLOCK, OK },
	{ 1, 200, 0, SENSE_INVALID_FIELD_IN_INFO_UNIT },
	{ 4, 2 * BLOCK + 1, 0, SENSE_INVALID_FIELD_IN_INFO_UNIT },
	{ 4, 4 * BLOCK - 1, 0, SENSE_INVALID_FIELD_IN_INFO_UNIT },
	{ 4, 3 * BLOCK, 3 * BLOCK, OK },
};

static const uint8_t short_writes[] = { 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e };

START_TEST(test_short_data_out)
{
	struct bench *bench = bench_default();
	uint8_t data[10000];
	uint8_t expected[8 * BLOCK];

	memset(data, 'b', sizeof(data));
	for (size_t i = 0; i < sizeof(short_writes); i++) {
		memset(bench->store->bytes, 'a', sizeof(expected));
		memset(expected, 'a', sizeof(expected));
		memset(expected + BLOCK, 'b', short_rows[_i].written);
		bench_send_data(bench, cdb_range(short_writes[i], 0, 1, short_rows[_i].blocks),
			data, short_rows[_i].came);
		ck_assert_uint_eq(bench_sense(bench), short_rows[_i].sense);
		/* The residual counts against what the CDB asks, whatever the status. */
		ck_assert_uint_eq(bench->task.length, short_rows[_i].blocks * BLOCK);
		ck_assert_mem_eq(bench->store->bytes, expected, sizeof(expected));
	}
	bench_free(bench);
}
END_TEST

/* Data that is lent arrives, though the lender takes its bytes back while the store still works. */
START_TEST(test_lent)
{
	static const uint8_t opcodes[] = { 0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0x41 };
	struct bench *bench = bench_default();
	uint8_t data[2 * BLOCK];

	bench->store->later = _i & 1;
	bench->in_buffer = _i & 2;
	for (size_t i = 0; i < sizeof(opcodes); i++) {
		uint32_t blocks = opcodes[i] == 0x41 ? 1 : 2;

		memset(data, 'a' + (int)i, sizeof(data));
		data[1] = 'z';
		bench_send_data(bench, cdb_range(opcodes[i], 0, 3 * (uint32_t)i, blocks), data,
			blocks * BLOCK);
		check_good(bench, 0);
		ck_assert_mem_eq(bench->store->bytes + 3 * i * BLOCK, data, blocks * BLOCK);
		/* What was given to the store at once needed no copy. */
		bool copied = _i != 0 || opcodes[i] == 0x2e || opcodes[i] == 0x41;
		ck_assert_int_eq(memcmp(bench->data, data, blocks * BLOCK) == 0, copied);
	}
	bench_free(bench);
}
END_TEST

/* [SCSI-12] Every block size moves the offset and the limit. */
/*
 * What a READ sends from where it lies asks the store for nothing; what must come from the medium does not lie there. Nor
 * is it sent so in pieces that divide a block.
 */
START_TEST(test_view)
{
	static const struct {
		uint8_t opcode, byte1;
		uint32_t blocks;
		bool viewed;
	} rows[] = {
		{ 0x08, 0, 1, true },
		{ 0x28, 0, 8, true },
		{ 0xa8, DPO, MOST, true },
		{ 0x88, 0, 2, true },
		{ 0x28, FUA, 8, false },
		{ 0x88, FUA, 8, false },
		{ 0x28, 0, 0, false },
		{ 0x12, 0, 36, false },
		{ 0x2f, 0, 8, false },
		{ 0x2a, 0, 8, false },
	};
	struct bench *bench = bench_default();
	bench->store->views = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t before = bench->store->requests;
		struct cdb cdb = rows[i].opcode == 0x12
					 ? CDB(0x12, 0, 0, 0, (uint8_t)rows[i].blocks)
					 : cdb_range(rows[i].opcode, rows[i].byte1, 5,
						   rows[i].blocks);
		bench_parse(bench, cdb);
		ck_assert(bench->parsed);
		ck_assert(!scsi_task_view(&bench->task, 8 * BLOCK | 1000));
		ck_assert_int_eq(scsi_task_view(&bench->task, 9 * BLOCK), rows[i].viewed);
		if (!rows[i].viewed) {
			ck_assert_ptr_null(bench->task.view);
			continue;
		}
		ck_assert_ptr_eq(bench->task.view, bench->store->bytes + 5 * BLOCK);
		ck_assert_int_eq(bench_execute(bench, NULL, 0), SCSI_DONE);
		check_good(bench, rows[i].blocks * BLOCK);
		ck_assert_uint_eq(bench->store->requests, before);
	}
	/* It may have none just now. */
	bench->store->views = false;
	bench_parse(bench, cdb_range(0x28, 0, 5, 1));
	ck_assert(!scsi_task_view(&bench->task, BLOCK));
	ck_assert_int_eq(bench_execute(bench, NULL, 0), SCSI_DONE);
	check_good(bench, BLOCK);
	bench_free(bench);
}
END_TEST

/* The rest of a block that was sent in part, as far as the command reads. */
START_TEST(test_keep)
{
	static const struct {
		uint32_t lba, blocks, at, kept;
	} rows[] = {
		{ 8, 16, 0, 0 },              /* between two */
		{ 8, 16, 4096, 0 },           /* likewise */
		{ 8, 16, 1, 4095 },           /* in the first, to its end */
		{ 8, 16, 4096 + 4095, 1 },    /* the last byte */
		{ 9, 1, 100, 412 },           /* no more than is read */
		{ 9, 16, 3 * 512 + 7, 2041 }, /* by where it lies on the unit */
	};
	uint8_t kept[SCSI_KEPT_MAX];
	struct bench *bench = bench_default();
	bench->store->views = true;
	for (size_t i = 0; i < 64 * BLOCK; i++)
		bench->store->bytes[i] = (uint8_t)(i * 7 + i / BLOCK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bench_parse(bench, cdb_range(0x28, 0, rows[i].lba, rows[i].blocks));
		ck_assert(scsi_task_view(&bench->task, BLOCK));
		ck_assert_uint_eq(scsi_task_keep(&bench->task, rows[i].at, kept), rows[i].kept);
		ck_assert(memcmp(kept, bench->task.view + rows[i].at, rows[i].kept) == 0);
		ck_assert_int_eq(bench_execute(bench, NULL, 0), SCSI_DONE);
	}
	/* Not to be had without waiting: then as it will be. */
	bench_parse(bench, cdb_range(0x28, 0, 8, 16));
	ck_assert(scsi_task_view(&bench->task, BLOCK));
	bench->store->views = false;
	ck_assert_uint_eq(scsi_task_keep(&bench->task, 1, kept), 0);
	bench_free(bench);
}
END_TEST

START_TEST(test_block_sizes)
{
	static const uint32_t sizes[] = { 512, 1024, 2048, 4096 };
	uint32_t size = sizes[_i];
	struct bench *bench = bench_new(&(struct bench_options){
		.block_size = size, .blocks = BENCH_BLOCKS * BLOCK / size });

	bench_send(bench, cdb_range(0x28, 0, 5, 2));
	check_good(bench, 2 * size);
	check_request(bench, 0, STORE_READ, 5 * size, 2 * size, 0);
	bench_send(bench, cdb_range(0x28, 0, 0, BUFFER_SIZE_MAX / size));
	check_good(bench, BUFFER_SIZE_MAX);
	bench_send(bench, cdb_range(0x28, 0, 0, BUFFER_SIZE_MAX / size + 1));
	check_sense(bench, FIELD);
	bench_send(bench, cdb_range(0x28, 0, BENCH_BLOCKS * BLOCK / size, 1));
	check_sense(bench, RANGE);
	bench_free(bench);
}
END_TEST

/* A read-only unit refuses every command that writes before it takes a byte, and reads on. */
START_TEST(test_read_only)
{
	struct bench *bench = bench_new(&(struct bench_options){ .read_only = true });
	size_t refused = 0;

	for (size_t i = 0; i < scsi_command_count; i++) {
		const struct scsi_command *command = &scsi_commands[i];

		if (!(command->flags & COMMAND_WRITES))
			continue;
		bench_send(bench, command->opcode == 0x42 ? CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 24)
							  : cdb_range(command->opcode, 0, 0, 1));
		check_sense(bench, SENSE_WRITE_PROTECTED);
		refused++;
	}
	/* WRITE 6 10 12 16, WRITE AND VERIFY 10 12 16, WRITE SAME 10 16, UNMAP */
	ck_assert_uint_eq(refused, 10);
	/* Also with a bit that means nothing here, for such a unit is not thin. */
	bench->device->units[0]->thin = false;
	bench_send(bench, cdb_range(0x41, 0x08, 0, 1));
	check_sense(bench, SENSE_WRITE_PROTECTED);
	bench_send(bench, cdb_range(0x93, 0x08, 0, 1));
	check_sense(bench, SENSE_WRITE_PROTECTED);
	bench_send(bench, cdb_range(0x28, 0, 0, 1));
	check_good(bench, BLOCK);
	bench_free(bench);
}
END_TEST

/* What stands before the refusal: that the command exists, and a unit attention. */
START_TEST(test_read_only_comes_later)
{
	struct bench *bench = bench_new(&(struct bench_options){
		.read_only = true, .thick = true, .keep_attention = true });

	bench_send(bench, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 24));
	check_sense(bench, SENSE_INVALID_OPCODE);
	bench_send(bench, cdb_range(0x93, 0x08, 0, 1));
	check_sense(bench, UA_POWER_ON);
	bench_send(bench, cdb_range(0x93, 0x08, 0, 1));
	check_sense(bench, SENSE_WRITE_PROTECTED);
	bench_free(bench);
}
END_TEST

/* A store that is read-only itself makes its unit so. */
START_TEST(test_read_only_store)
{
	struct store *store = fake_store_new(1u << 20, BLOCK);
	struct scsi_unit_config unit = {
		.store = store, .block_size = BLOCK, .physical_block_size = BLOCK
	};
	struct scsi_device_config config = {
		.target_name = BENCH_NAME, .units = &unit, .unit_count = 1
	};

	store->info.read_only = true;

	struct scsi_device *device = scsi_device_new(&config);

	ck_assert_ptr_nonnull(device);
	ck_assert(device->units[0]->read_only);
	scsi_device_free(device);
	fake_store_free(store);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/rw");
	TCase *tcase = tcase_create("rw");

	tcase_add_rows(tcase, test_read_range, range_rows);
	tcase_add_rows(tcase, test_write_range, range_rows);
	tcase_add_rows(tcase, test_short_data_out, short_rows);
	tcase_add_loop_test(tcase, test_block_sizes, 0, 4);
	tcase_add_loop_test(tcase, test_lent, 0, 4);
	tcase_add_test(tcase, test_view);
	tcase_add_test(tcase, test_keep);
	tcase_add_test(tcase, test_fua);
	tcase_add_test(tcase, test_six_bytes_have_no_fua);
	tcase_add_test(tcase, test_protect);
	tcase_add_test(tcase, test_read_only);
	tcase_add_test(tcase, test_read_only_comes_later);
	tcase_add_test(tcase, test_read_only_store);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
