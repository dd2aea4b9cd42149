/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UNMAP (SBC-3 section 5.25): the whole list is checked before the first block is given back.
 */
#include "proto/scsi/task.h"

#include "base/bytes.h"

#define HEADER_SIZE     8u
#define DESCRIPTOR_SIZE 16u

bool unmap_parse(struct scsi_task *task)
{
	task->length = get_be16(task->cdb + 7);
	if (task->length == 0)
		return true;
	if (task->length < HEADER_SIZE) {
		scsi_task_fail(task, SENSE_PARAMETER_LIST_LENGTH);
		return false;
	}
	task->direction = SCSI_DATA_OUT;
	return true;
}

/* Whole descriptors in the list; a last one that is cut is ignored. */
static uint32_t descriptor_count(const struct scsi_task *task)
{
	uint32_t present = task->length - HEADER_SIZE;
	uint32_t given = get_be16(task->buffer + 2);

	return (given < present ? given : present) / DESCRIPTOR_SIZE;
}

static const uint8_t *descriptor(const struct scsi_task *task, uint64_t index)
{
	return task->buffer + HEADER_SIZE + index * DESCRIPTOR_SIZE;
}

static void fail_parameter(struct scsi_task *task, size_t byte)
{
	struct sense_data data = {
		.code = SENSE_INVALID_FIELD_IN_PARAMETERS,
		.field = SENSE_FIELD_IN_PARAMETERS,
		.field_byte = (uint16_t)byte,
		.field_bit = 7,
	};

	task_fail_with(task, &data);
}

static bool check_list(struct scsi_task *task)
{
	uint32_t count = descriptor_count(task);
	uint64_t total = 0;

	if (count > UNMAP_DESCRIPTORS_MAX) {
		fail_parameter(task, 2);
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t lba = get_be64(descriptor(task, i));
		uint32_t blocks = get_be32(descriptor(task, i) + 8);

		if (lba > task->unit->blocks || blocks > task->unit->blocks - lba) {
			scsi_task_fail(task, SENSE_LBA_OUT_OF_RANGE);
			return false;
		}
		total += blocks;
		if (total > UNMAP_BLOCKS_MAX) {
			fail_parameter(task, HEADER_SIZE + i * DESCRIPTOR_SIZE + 8);
			return false;
		}
	}
	return true;
}

enum task_step unmap_step(struct scsi_task *task)
{
	if (task->length == 0)
		return TASK_ENDED;
	if (task->out_length < task->length) {
		scsi_task_fail(task, SENSE_INVALID_FIELD_IN_INFO_UNIT);
		return TASK_ENDED;
	}
	if (task->step++ == 0 && !check_list(task))
		return TASK_ENDED;
	/* Here progress counts descriptors. */
	while (task->progress < descriptor_count(task)) {
		const uint8_t *at = descriptor(task, task->progress++);
		uint8_t shift = task->unit->block_shift;

		if (get_be32(at + 8) != 0)
			return task_request(task, STORE_DISCARD, get_be64(at) << shift,
				(uint64_t)get_be32(at + 8) << shift, NULL, 0);
	}
	return TASK_ENDED;
}
