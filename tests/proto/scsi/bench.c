/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bench of the device server's tests. The buffer of a command is allocated anew with exactly
 * the bytes it asks for, so that a sanitizer sees the first one too many.
 */
#include "tests/proto/scsi/bench.h"

#include "base/bytes.h"

#include <stdlib.h>

struct bench *bench_new(const struct bench_options *options)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	uint32_t block_size = options->block_size ? options->block_size : 512;
	uint64_t blocks = options->blocks ? options->blocks : BENCH_BLOCKS;

	ck_assert_ptr_nonnull(bench);
	bench->store = fake_store_new(blocks * block_size, block_size);
	bench->store->info.can_discard = !options->thick;
	bench->store->info.volatile_cache = !options->stable;

	struct scsi_unit_config unit = {
		.lun = options->lun,
		.store = bench->store,
		.block_size = block_size,
		.physical_block_size = options->physical_block_size ? options->physical_block_size
								    : 4096,
		.read_only = options->read_only,
		.serial = BENCH_SERIAL,
		.naa = { 0x6b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	};
	struct scsi_device_config config = {
		.target_name = BENCH_NAME,
		.units = &unit,
		.unit_count = 1,
	};

	bench->device = scsi_device_new(&config);
	ck_assert_ptr_nonnull(bench->device);
	bench->nexus = scsi_nexus_new(
		bench->device, "iqn.2026-11.example:host,i,0x1", BENCH_TAG, UA_POWER_ON);
	ck_assert_ptr_nonnull(bench->nexus);
	bench->lun = LUN(options->lun);
	if (!options->keep_attention)
		nexus_clear_attention(bench->nexus, UA_POWER_ON);
	return bench;
}

struct bench *bench_default(void)
{
	struct bench_options options = { 0 };

	return bench_new(&options);
}

void bench_free(struct bench *bench)
{
	scsi_nexus_free(bench->nexus);
	scsi_device_free(bench->device);
	fake_store_free(bench->store);
	free(bench->data);
	free(bench);
}

unsigned cdb_size(uint8_t opcode)
{
	static const uint8_t sizes[8] = { 6, 10, 10, 16, 16, 12, 16, 16 };

	return sizes[opcode >> 5];
}

struct cdb cdb_range(uint8_t opcode, uint8_t byte1, uint64_t lba, uint32_t blocks)
{
	struct cdb cdb = CDB(opcode, byte1);

	switch (cdb_size(opcode)) {
	case 6:
		put_be24(cdb.bytes + 1, (uint32_t)lba | (uint32_t)byte1 << 16);
		cdb.bytes[4] = (uint8_t)blocks;
		break;
	case 10:
		put_be32(cdb.bytes + 2, (uint32_t)lba);
		put_be16(cdb.bytes + 7, (uint16_t)blocks);
		break;
	case 12:
		put_be32(cdb.bytes + 2, (uint32_t)lba);
		put_be32(cdb.bytes + 6, blocks);
		break;
	default:
		put_be64(cdb.bytes + 2, lba);
		put_be32(cdb.bytes + 10, blocks);
		break;
	}
	return cdb;
}

/* --- a command's life --- */

static void count_done(struct scsi_task *task)
{
	struct bench *bench = (struct bench *)((char *)task - offsetof(struct bench, task));

	bench->done++;
}

/* What holds for every command that ended, whatever it was. */
static void check_outcome(const struct bench *bench)
{
	const struct scsi_task *task = &bench->task;

	ck_assert_uint_le(task->length, BUFFER_SIZE_MAX);
	ck_assert_uint_le(task->in_length, task->length);
	ck_assert_ptr_null(task->scratch);
	if (task->direction != SCSI_DATA_IN)
		ck_assert_uint_eq(task->in_length, 0);
	if (task->direction == SCSI_NO_DATA)
		ck_assert_uint_eq(task->length, 0);
	if (task->status != SCSI_CHECK_CONDITION) {
		ck_assert_uint_eq(task->sense_length, 0);
		return;
	}
	ck_assert_uint_eq(task->in_length, 0);
	ck_assert_uint_eq(task->sense_length, SENSE_FIXED_SIZE);
	ck_assert_uint_eq(task->sense[0] & 0x7f, 0x70);
	ck_assert_uint_ne(task->sense[2] & 0x0f, 0);
	ck_assert_uint_eq(task->sense[7], SENSE_FIXED_SIZE - 8);
}

void bench_parse(struct bench *bench, struct cdb cdb)
{
	struct scsi_task *task = &bench->task;

	scsi_task_init(task);
	task->nexus = bench->nexus;
	task->lun = bench->lun;
	memcpy(task->cdb, cdb.bytes, sizeof(cdb.bytes));
	task->cdb_length = sizeof(cdb.bytes);
	task->done = count_done;
	bench->done = 0;
	free(bench->data);
	bench->data = NULL;
	bench->parsed = scsi_task_parse(task) == SCSI_PENDING;
	bench->wanted = task->direction == SCSI_DATA_OUT ? task->length : 0;
	if (!bench->parsed) {
		ck_assert_int_ne(task->status, SCSI_GOOD);
		ck_assert_int_eq(task->direction, SCSI_NO_DATA);
		check_outcome(bench);
	}
	ck_assert_uint_le(task->length, BUFFER_SIZE_MAX);
}

enum scsi_answer bench_execute(struct bench *bench, const void *data, uint32_t length)
{
	struct scsi_task *task = &bench->task;

	ck_assert(bench->parsed);
	if (task->length) {
		bench->data = malloc(task->length);
		ck_assert_ptr_nonnull(bench->data);
		memset(bench->data, 0xa5, task->length);
	}
	task->buffer = bench->data;
	task->buffer_size = task->length;
	task->offered = length;
	task->out_length = length < bench->wanted ? length : bench->wanted;

	uint8_t *lent = NULL;

	if (task->out_length && bench->in_buffer)
		memcpy(task->buffer, data, task->out_length);
	else if (task->out_length)
		task->lent = lent = memcpy(malloc(task->out_length), data, task->out_length);

	enum scsi_answer answer = scsi_task_execute(task);

	ck_assert_ptr_null(task->lent);
	if (lent)
		memset(lent, 0xee, task->out_length);
	free(lent);
	if (answer == SCSI_DONE)
		check_outcome(bench);
	return answer;
}

void bench_finish(struct bench *bench)
{
	while (bench->done == 0)
		ck_assert_uint_eq(fake_store_reap(bench->store), 1);
	ck_assert_uint_eq(bench->done, 1);
	check_outcome(bench);
}

void bench_send_data(struct bench *bench, struct cdb cdb, const void *data, uint32_t length)
{
	bench_parse(bench, cdb);
	if (!bench->parsed)
		return;
	if (bench_execute(bench, data, length) == SCSI_DONE)
		ck_assert_uint_eq(bench->done, 0);
	else
		bench_finish(bench);
}

void bench_send(struct bench *bench, struct cdb cdb)
{
	bench_send_data(bench, cdb, NULL, 0);
}

/* --- what came of it --- */

uint32_t bench_sense(const struct bench *bench)
{
	const uint8_t *sense = bench->task.sense;

	if (bench->task.status == SCSI_GOOD)
		return 0;
	ck_assert_int_eq(bench->task.status, SCSI_CHECK_CONDITION);
	return SCSI_SENSE(sense[2] & 0x0f, sense[12], sense[13]);
}

void check_good(const struct bench *bench, uint32_t in_length)
{
	ck_assert_msg(bench->task.status == SCSI_GOOD, "%02x: status %02x, sense %06x",
		bench->task.cdb[0], bench->task.status, bench_sense(bench));
	ck_assert_uint_eq(bench->task.in_length, in_length);
}

void check_sense(const struct bench *bench, uint32_t sense)
{
	ck_assert_msg(bench_sense(bench) == sense, "%02x: sense %06x, not %06x", bench->task.cdb[0],
		bench_sense(bench), sense);
}

void check_field(const struct bench *bench, uint32_t sense, bool in_cdb, unsigned byte, int bit)
{
	const uint8_t *specific = bench->task.sense + 15;

	check_sense(bench, sense);
	ck_assert_uint_eq(specific[0] & 0x80, 0x80);
	ck_assert_uint_eq(specific[0] & 0x40, in_cdb ? 0x40 : 0);
	ck_assert_uint_eq(specific[0] & 0x08, 0x08);
	ck_assert_uint_eq(get_be16(specific + 1), byte);
	if (bit >= 0)
		ck_assert_int_eq(specific[0] & 7, bit);
}

void check_request(const struct bench *bench, size_t index, enum store_op op, uint64_t offset,
	uint64_t length, unsigned flags)
{
	const struct fake_request *request = &bench->store->log[index];

	ck_assert_uint_lt(index, bench->store->requests);
	ck_assert_int_eq(request->op, op);
	ck_assert_uint_eq(request->flags, flags);
	ck_assert_uint_eq(request->offset, offset);
	ck_assert_uint_eq(request->length, length);
}

void pattern_fill(uint8_t *bytes, uint64_t offset, uint64_t length)
{
	for (uint64_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)((offset + i) * 7 + ((offset + i) >> 9) * 13 + 1);
}

void bench_fill(struct bench *bench, uint64_t offset, uint64_t length)
{
	pattern_fill(bench->store->bytes + offset, offset, length);
}
