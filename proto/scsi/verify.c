/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VERIFY and WRITE AND VERIFY (SBC-3 sections 5.26 to 5.28, 5.34 to 5.36): reads the medium back in
 * bounded pieces and, as BYTCHK says, compares it with the data-out buffer.
 */
#include "proto/scsi/task.h"

#include <string.h>

enum bytchk { BYTCHK_NONE = 0, BYTCHK_ALL = 1, BYTCHK_RESERVED = 2, BYTCHK_ONE_BLOCK = 3 };

enum phase { PHASE_BEGIN, PHASE_WRITTEN, PHASE_READ };

static enum bytchk bytchk_of(const struct scsi_task *task)
{
	return (enum bytchk)(task->cdb[1] >> 1 & 3);
}

bool verify_parse(struct scsi_task *task)
{
	enum bytchk bytchk = bytchk_of(task);

	if (bytchk == BYTCHK_RESERVED) {
		task_fail_field(task, 1, 0x04);
		return false;
	}
	if (!transfer_decode(task))
		return false;
	if (bytchk == BYTCHK_NONE || task->blocks == 0)
		return true;
	task->direction = SCSI_DATA_OUT;
	task->length = bytchk == BYTCHK_ALL ? (uint32_t)task_bytes(task) : task->unit->block_size;
	return true;
}

static void fail_miscompare(
	struct scsi_task *task, const uint8_t *expected, const uint8_t *found, uint64_t offset)
{
	struct sense_data data = { .code = SENSE_MISCOMPARE, .has_information = true };

	while (*expected == *found) {
		expected++;
		found++;
		offset++;
	}
	/* As for COMPARE AND WRITE: the offset in the data-out buffer of the first byte that
	 * differs. */
	data.information = offset;
	task_fail_with(task, &data);
}

/* Compares what was read last; false: it differs, the task has failed. */
static bool compare(struct scsi_task *task)
{
	uint32_t length = (uint32_t)task->request.length;
	uint32_t piece = length;
	uint64_t offset = task->progress;

	if (bytchk_of(task) == BYTCHK_NONE)
		return true;
	if (bytchk_of(task) == BYTCHK_ONE_BLOCK) {
		piece = task->unit->block_size;
		offset = 0;
	}
	for (uint32_t done = 0; done < length; done += piece) {
		if (memcmp(task->buffer + offset, task->scratch + done, piece) != 0) {
			fail_miscompare(task, task->buffer + offset, task->scratch + done, offset);
			return false;
		}
	}
	return true;
}

static uint32_t piece_size(const struct scsi_task *task)
{
	uint64_t left = task_bytes(task) - task->progress;

	return left < SCRATCH_MAX ? (uint32_t)left : SCRATCH_MAX;
}

/* Checks the range as BYTCHK says, from wherever the task stands. */
static enum task_step check_medium(struct scsi_task *task)
{
	if (task->step == PHASE_READ) {
		if (!compare(task))
			return TASK_ENDED;
		task->progress += task->request.length;
	}
	if (task->progress == task_bytes(task))
		return TASK_ENDED;
	if (!task->scratch && !task_take_scratch(task, piece_size(task)))
		return TASK_ENDED;
	task->step = PHASE_READ;
	return task_request(task, STORE_READ, task_offset(task) + task->progress, piece_size(task),
		task->scratch, STORE_FUA | task_patience(task));
}

enum task_step verify_step(struct scsi_task *task)
{
	/* Cut short, GOOD would vouch for blocks that nobody compared. */
	if (task->step == PHASE_BEGIN && task->out_length < task->length) {
		scsi_task_fail(task, SENSE_INVALID_FIELD_IN_INFO_UNIT);
		return TASK_ENDED;
	}
	return check_medium(task);
}

enum task_step write_verify_step(struct scsi_task *task)
{
	if (task->step != PHASE_BEGIN)
		return check_medium(task);
	if (!transfer_cut(task) || !task->blocks)
		return TASK_ENDED;
	task->step = PHASE_WRITTEN;
	return task_request(
		task, STORE_WRITE, task_offset(task), task_bytes(task), task->buffer, STORE_FUA);
}
