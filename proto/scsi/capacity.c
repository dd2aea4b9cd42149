/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * READ CAPACITY (SBC-3 sections 5.12, 5.13).
 */
#include "proto/scsi/task.h"

#include "base/bytes.h"

#define CAPACITY_10_SIZE 8

/* Its CDB has no allocation length. */
bool read_capacity_10_parse(struct scsi_task *task)
{
	task->direction = SCSI_DATA_IN;
	task->length = CAPACITY_10_SIZE;
	return true;
}

enum task_step read_capacity_10_step(struct scsi_task *task)
{
	uint64_t last = task->unit->blocks - 1;
	uint8_t data[CAPACITY_10_SIZE];

	put_be32(data, last < UINT32_MAX ? (uint32_t)last : UINT32_MAX);
	put_be32(data + 4, task->unit->block_size);
	return task_reply(task, data, sizeof(data));
}

enum task_step read_capacity_16_step(struct scsi_task *task)
{
	uint8_t data[32] = { 0 };

	put_be64(data, task->unit->blocks - 1);
	put_be32(data + 8, task->unit->block_size);
	data[13] = task->unit->physical_exponent;
	if (task->unit->thin)
		data[14] = 0xc0; /* LBPME, LBPRZ */
	return task_reply(task, data, sizeof(data));
}
