/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * WRITE SAME (SBC-3 sections 5.43, 5.44). Zeros become one ZERO or DISCARD of the store; any other
 * block is written in bounded pieces.
 */
#include "proto/scsi/task.h"

#include <string.h>

#define CDB_UNMAP 0x08 /* byte 1 */
#define CDB_NDOB  0x01 /* byte 1, the 16-byte CDB only: its usage mask sees to that */

enum phase { PHASE_BEGIN, PHASE_LAST, PHASE_PATTERN };

bool write_same_parse(struct scsi_task *task)
{
	unsigned length_byte = task->command->length == 10 ? 7 : 10;

	if (!range_decode(task))
		return false;
	/* WSNZ=1: zero does not stand for "to the end". */
	if (task->blocks == 0 || task->blocks > unit_write_same_max(task->unit)) {
		task_fail_field(task, length_byte, 0x80);
		return false;
	}
	if (!(task->cdb[1] & CDB_NDOB)) {
		task->direction = SCSI_DATA_OUT;
		task->length = task->unit->block_size;
	}
	return true;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static uint32_t piece_size(const struct scsi_task *task)
{
	uint64_t left = task_bytes(task) - task->progress;

	return left < SCRATCH_MAX ? (uint32_t)left : SCRATCH_MAX;
}

static enum task_step write_pattern(struct scsi_task *task)
{
	if (task->step == PHASE_PATTERN)
		task->progress += task->request.length;
	if (task->progress == task_bytes(task))
		return TASK_ENDED;
	if (!task->scratch) {
		uint32_t size = piece_size(task);

		if (!task_take_scratch(task, size))
			return TASK_ENDED;
		for (uint32_t done = 0; done < size; done += task->unit->block_size)
			memcpy(task->scratch + done, task->buffer, task->unit->block_size);
	}
	task->step = PHASE_PATTERN;
	return task_request(task, STORE_WRITE, task_offset(task) + task->progress, piece_size(task),
		task->scratch, task_patience(task));
}

enum task_step write_same_step(struct scsi_task *task)
{
	enum store_op op = task->cdb[1] & CDB_UNMAP ? STORE_DISCARD : STORE_ZERO;

	if (task->step == PHASE_LAST)
		return TASK_ENDED;
	if (task->step == PHASE_PATTERN)
		return write_pattern(task);
	if (task->out_length < task->length || task->offered > task->length) {
		scsi_task_fail(task, SENSE_INVALID_FIELD_IN_INFO_UNIT);
		return TASK_ENDED;
	}
	/* Unmapped blocks read as zeros here, so only zeros may be unmapped instead of written. */
	if (task->length && !is_zero(task->buffer, task->length))
		return write_pattern(task);
	task->step = PHASE_LAST;
	return task_request(task, op, task_offset(task), task_bytes(task), NULL, 0);
}
