/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET LBA STATUS (SBC-3 section 5.4): where a thin unit has blocks and where it has none. Asked by whoever copies a
 * disk, piece by piece: what the parameter data does not reach is asked for next.
 */
#include "proto/scsi/task.h"

#include "base/bytes.h"

#include <string.h>

#define DESCRIPTORS     8u /* where they begin */
#define DESCRIPTOR_SIZE 16u
#define STEPS_MAX       16u /* questions to the store: it may look through what it holds for each */

enum provisioning { PROVISIONING_MAPPED = 0, PROVISIONING_DEALLOCATED = 1 };

bool lba_status_parse(struct scsi_task *task)
{
	task->lba = get_be64(task->cdb + 2);
	if (task->lba < task->unit->blocks)
		return true;
	scsi_task_fail(task, SENSE_LBA_OUT_OF_RANGE);
	return false;
}

/* The bytes of parameter data so far; it counts them itself, but for the first four. */
static uint32_t data_length(const struct scsi_task *task)
{
	return 4 + get_be32(task->scratch);
}

/* Adds what the store said last; false: there is no room. One descriptor is made whatever the ALLOCATION LENGTH. */
static bool describe(struct scsi_task *task)
{
	uint32_t length = data_length(task);
	uint32_t room = task->length > DESCRIPTORS + DESCRIPTOR_SIZE
				? task->length
				: DESCRIPTORS + DESCRIPTOR_SIZE;
	uint64_t blocks = task->request.extent >> task->unit->block_shift;
	uint8_t status = task->request.mapped ? PROVISIONING_MAPPED : PROVISIONING_DEALLOCATED;
	uint8_t *next = task->scratch + length;

	if (length > DESCRIPTORS) {
		uint8_t *last = next - DESCRIPTOR_SIZE;
		uint64_t sum = get_be32(last + 8) + blocks;

		if (last[12] == status && sum <= UINT32_MAX) {
			put_be32(last + 8, (uint32_t)sum);
			return true;
		}
	}
	if (length + DESCRIPTOR_SIZE > room)
		return false;
	put_be64(next, task->lba + (task->progress >> task->unit->block_shift));
	put_be32(next + 8, (uint32_t)blocks);
	next[12] = status;
	put_be32(task->scratch, length - 4 + DESCRIPTOR_SIZE);
	return true;
}

enum task_step lba_status_step(struct scsi_task *task)
{
	uint64_t most = (uint64_t)UINT32_MAX << task->unit->block_shift; /* of one descriptor */
	uint64_t left = (task->unit->blocks - task->lba) << task->unit->block_shift;
	bool more = true;

	if (task->step == 0) {
		if (!task->length || !task_take_scratch(task, RESPONSE_MAX))
			return TASK_ENDED;
		memset(task->scratch, 0, RESPONSE_MAX);
		put_be32(task->scratch, DESCRIPTORS - 4);
	} else {
		more = describe(task);
		task->progress += task->request.extent;
	}
	left -= task->progress;
	if (!more || !left || task->step == STEPS_MAX)
		return task_reply(task, task->scratch, data_length(task));
	task->step++;
	return task_request(task, STORE_EXTENT, task_offset(task) + task->progress,
		left < most ? left : most, NULL, 0);
}
