/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands about the unit as a whole: TEST UNIT READY, REQUEST SENSE (SPC-4 sections 6.39, 6.47),
 * START STOP UNIT and SYNCHRONIZE CACHE (SBC-3 sections 5.19, 5.22, 5.23).
 */
#include "proto/scsi/task.h"

enum task_step test_unit_ready_step(struct scsi_task *task)
{
	(void)task; /* that it came here says it is ready */
	return TASK_ENDED;
}

/* A pending unit attention is returned as parameter data, which clears it (SPC-4 section 6.39.1).
 */
enum task_step request_sense_step(struct scsi_task *task)
{
	struct sense_data data = { .code = SENSE_NONE };
	uint8_t sense[SCSI_SENSE_MAX];
	bool descriptor_format = task->cdb[1] & 0x01;

	if (!task->unit)
		data.code = SENSE_LUN_NOT_SUPPORTED;
	else if (nexus_has_attention(task->nexus, task->unit->lun))
		data.code = nexus_take_attention(task->nexus, task->unit->lun);
	return task_reply(task, sense, sense_write(sense, &data, descriptor_format));
}

static enum task_step flush_once(struct scsi_task *task)
{
	if (task->step++ > 0)
		return TASK_ENDED;
	return task_request(task, STORE_FLUSH, 0, 0, NULL, 0);
}

/* A shared virtual disk is not stopped by one of its initiators; but the cache is written as if it
 * were. */
enum task_step start_stop_step(struct scsi_task *task)
{
	bool start = task->cdb[4] & 0x01;
	bool no_flush = task->cdb[4] & 0x04;

	return start || no_flush ? TASK_ENDED : flush_once(task);
}

/* The store flushes all of it, whatever the range; with IMMED too, so that GOOD always means
 * stable. */
enum task_step synchronize_cache_step(struct scsi_task *task)
{
	return flush_once(task);
}
