/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine's tests run over this instead of the device server; see the header. */
#include "tests/proto/iscsi/device_double.h"

#include "base/bytes.h"
#include "base/pool.h"

#include <assert.h>

struct device_double the_double;

uint8_t double_pattern(size_t offset)
{
	return (uint8_t)(offset * 7 + (offset >> 9) * 31 + 1);
}

void double_forget(void)
{
	memset((uint8_t *)&the_double + sizeof(the_double.disk), 0,
		sizeof(the_double) - sizeof(the_double.disk));
}

void double_reset(void)
{
	double_forget();
	for (size_t i = 0; i < sizeof(the_double.disk); i++)
		the_double.disk[i] = double_pattern(i);
}

int scsi_lun_number(uint64_t lun)
{
	return lun >> 56 == 0 && (lun << 16) == 0 ? (int)(lun >> 48) : -1;
}

bool scsi_lun_exists(const struct scsi_device *device, uint64_t lun)
{
	(void)device;
	return scsi_lun_number(lun) == DOUBLE_LUN_A || scsi_lun_number(lun) == DOUBLE_LUN_B;
}

void scsi_device_attention(
	struct scsi_device *device, int lun, uint32_t attention, const struct scsi_nexus *except)
{
	(void)device;
	the_double.raised = attention;
	the_double.raised_lun = lun;
	the_double.raised_except = except;
	the_double.raise_count++;
}

void scsi_nexus_attention(struct scsi_nexus *nexus, int lun, uint32_t attention)
{
	the_double.told = attention;
	the_double.told_lun = lun;
	the_double.told_nexus = nexus;
	the_double.told_count++;
}

void scsi_nexus_set_protocol_level(struct scsi_nexus *nexus, unsigned level)
{
	(void)nexus;
	the_double.protocol_level = level;
}

void scsi_device_reset(struct scsi_device *device, int lun, const struct scsi_nexus *issuer)
{
	(void)device;
	(void)issuer;
	the_double.reset_lun = lun;
	the_double.reset_count++;
}

void scsi_task_init(struct scsi_task *task)
{
	memset(task, 0, sizeof(*task));
}

void scsi_task_fail(struct scsi_task *task, uint32_t sense)
{
	memset(task->sense, 0, sizeof(task->sense));
	task->status = SCSI_CHECK_CONDITION;
	task->in_length = 0;
	task->sense_length = 18;
	task->sense[0] = 0x70;
	task->sense[2] = (uint8_t)(sense >> 16);
	task->sense[7] = 10;
	task->sense[12] = (uint8_t)(sense >> 8);
	task->sense[13] = (uint8_t)sense;
}

static enum scsi_answer fail(struct scsi_task *task, uint32_t sense)
{
	scsi_task_fail(task, sense);
	return SCSI_DONE;
}

static enum scsi_answer parse_blocks(struct scsi_task *task, enum scsi_direction direction)
{
	task->lba = get_be32(task->cdb + 2);
	task->blocks = get_be16(task->cdb + 7);
	if (task->lba + task->blocks > DOUBLE_BLOCKS)
		return fail(task, SCSI_SENSE(0x05, 0x21, 0x00));
	if (task->blocks > (the_double.small ? 128 : BUFFER_SIZE_MAX / DOUBLE_BLOCK))
		return fail(task, SENSE_INVALID_FIELD_IN_CDB);
	task->direction = task->blocks ? direction : SCSI_NO_DATA;
	task->length = task->blocks * DOUBLE_BLOCK;
	return SCSI_PENDING;
}

static enum scsi_answer parse_allocation(struct scsi_task *task, uint32_t length)
{
	task->direction = length ? SCSI_DATA_IN : SCSI_NO_DATA;
	task->length = length < 4096 ? length : 4096;
	return SCSI_PENDING;
}

enum scsi_answer scsi_task_parse(struct scsi_task *task)
{
	the_double.parsed++;
	if (the_double.attention) {
		uint32_t attention = the_double.attention;
		the_double.attention = 0;
		return fail(task, attention);
	}
	if (!scsi_lun_exists(NULL, task->lun))
		return fail(task, SCSI_SENSE(0x05, 0x25, 0x00));
	switch (task->cdb[0]) {
	case 0x28:
	case CDB_READ_BAD:
		return parse_blocks(task, SCSI_DATA_IN);
	case 0x2a:
		return parse_blocks(task, SCSI_DATA_OUT);
	case 0x12:
		return parse_allocation(task, get_be16(task->cdb + 3));
	case 0xa0:
		return parse_allocation(task, get_be32(task->cdb + 6));
	case CDB_READ_32:
		return task->cdb_length == 32 ? parse_allocation(task, 512)
					      : fail(task, SENSE_INVALID_FIELD_IN_CDB);
	case 0x00:
	case CDB_STATUS:
		return SCSI_PENDING;
	}
	return fail(task, SCSI_SENSE(0x05, 0x20, 0x00));
}

static void answer_data(struct scsi_task *task, uint32_t whole, uint8_t first)
{
	task->in_length = whole < task->length ? whole : task->length;
	if (task->in_length > 0) {
		memset(task->buffer, 0, task->in_length);
		task->buffer[0] = first;
	}
}

bool scsi_task_view(struct scsi_task *task, uint32_t pieces)
{
	if (!the_double.views || task->cdb[0] != 0x28 || task->length == 0 ||
		pieces & (DOUBLE_BLOCK - 1))
		return false;
	task->view = the_double.disk + task->lba * DOUBLE_BLOCK;
	return true;
}

uint32_t scsi_task_keep(struct scsi_task *task, uint32_t at, uint8_t kept[SCSI_KEPT_MAX])
{
	uint32_t rest = -at & (DOUBLE_BLOCK - 1);

	memcpy(kept, task->view + at, rest);
	return rest;
}

static void run(struct scsi_task *task)
{
	uint8_t *place = the_double.disk + task->lba * DOUBLE_BLOCK;

	task->status = SCSI_GOOD;
	assert(task->length == 0 || task->view ||
		(task->buffer && task->buffer_size >= task->length));
	switch (task->cdb[0]) {
	case 0x28:
		if (task->length > 0 && !task->view)
			memcpy(task->buffer, place, task->length);
		task->in_length = task->length;
		break;
	case 0x2a:
		if (task->out_length > 0)
			memcpy(place, task->lent ? task->lent : task->buffer,
				task->out_length / DOUBLE_BLOCK * DOUBLE_BLOCK);
		break;
	case 0x12:
		answer_data(task, 96, 0x5a);
		break;
	case 0xa0:
		answer_data(task, 88, 0);
		if (task->in_length >= 4)
			put_be32(task->buffer, 80);
		break;
	case CDB_READ_32:
		memset(task->buffer, task->cdb[31], task->length);
		task->in_length = task->length;
		break;
	case CDB_READ_BAD:
		scsi_task_fail(task, SCSI_SENSE(0x03, 0x11, 0x00));
		if (task->length > 0)
			memcpy(task->buffer, place, DOUBLE_BLOCK);
		task->in_length = task->length > 0 ? DOUBLE_BLOCK : 0;
		break;
	case CDB_STATUS:
		if (task->cdb[1] == SCSI_CHECK_CONDITION)
			scsi_task_fail(task, SCSI_SENSE(0x04, 0x44, 0x00));
		task->status = task->cdb[1];
		break;
	}
}

enum scsi_answer scsi_task_execute(struct scsi_task *task)
{
	if (the_double.executed < DOUBLE_HELD)
		the_double.order[the_double.executed] = task->blocks ? task->lba : task->cdb[0];
	the_double.executed++;
	if (the_double.pending) {
		assert(the_double.held_count < DOUBLE_HELD);
		the_double.held[the_double.held_count++] = task;
		if (task->lent && task->out_length > 0)
			memcpy(task->buffer, task->lent, task->out_length);
		task->lent = NULL;
		return SCSI_PENDING;
	}
	run(task);
	the_double.lent += task->lent != NULL;
	task->lent = NULL;
	return SCSI_DONE;
}

void double_finish_at(unsigned index)
{
	assert(index < the_double.held_count);
	struct scsi_task *task = the_double.held[index];

	the_double.held_count--;
	memmove(the_double.held + index, the_double.held + index + 1,
		(the_double.held_count - index) * sizeof(the_double.held[0]));
	run(task);
	task->done(task);
}

void double_finish(void)
{
	double_finish_at(0);
}

void double_finish_all(void)
{
	while (the_double.held_count > 0)
		double_finish();
}
