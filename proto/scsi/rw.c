/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * READ and WRITE (SBC-3 sections 5.8 to 5.11, 5.30 to 5.33): one request to the store, straight
 * from or to the transport's buffer. Nothing here allocates or locks.
 */
#include "proto/scsi/task.h"

#include "base/bytes.h"

#define CDB_FUA 0x08 /* in byte 1, but of 6-byte CDBs */

/* Where LBA and length stand is fixed by the size of the CDB, for all commands of SBC-3. */
static unsigned decode(struct scsi_task *task)
{
	const uint8_t *cdb = task->cdb;

	switch (task->command->length) {
	case 6:
		task->lba = get_be24(cdb + 1) & 0x1fffff;
		task->blocks = cdb[4] ? cdb[4] : 256;
		return 4;
	case 10:
		task->lba = get_be32(cdb + 2);
		task->blocks = get_be16(cdb + 7);
		return 7;
	case 12:
		task->lba = get_be32(cdb + 2);
		task->blocks = get_be32(cdb + 6);
		return 6;
	default:
		task->lba = get_be64(cdb + 2);
		task->blocks = get_be32(cdb + 10);
		return 10;
	}
}

static bool range_check(struct scsi_task *task)
{
	/* The difference cannot wrap as the sum could. */
	if (task->lba <= task->unit->blocks && task->blocks <= task->unit->blocks - task->lba)
		return true;
	scsi_task_fail(task, SENSE_LBA_OUT_OF_RANGE);
	return false;
}

bool range_decode(struct scsi_task *task)
{
	decode(task);
	return range_check(task);
}

bool transfer_decode(struct scsi_task *task)
{
	unsigned length_byte = decode(task);

	if (!range_check(task))
		return false;
	if (task->blocks > unit_transfer_max(task->unit)) {
		task_fail_field(task, length_byte, 0x80);
		return false;
	}
	return true;
}

bool transfer_cut(struct scsi_task *task)
{
	uint32_t came = task->out_length < task->length ? task->out_length : task->length;

	if (came & (task->unit->block_size - 1)) {
		scsi_task_fail(task, SENSE_INVALID_FIELD_IN_INFO_UNIT);
		return false;
	}
	task->blocks = came >> task->unit->block_shift;
	return true;
}

static unsigned store_flags(const struct scsi_task *task)
{
	return task->command->length > 6 && task->cdb[1] & CDB_FUA ? STORE_FUA : 0;
}

bool read_parse(struct scsi_task *task)
{
	if (!transfer_decode(task))
		return false;
	task->length = (uint32_t)task_bytes(task);
	task->direction = task->length ? SCSI_DATA_IN : SCSI_NO_DATA;
	return true;
}

bool scsi_task_view(struct scsi_task *task, uint32_t pieces)
{
	/* Neither what is to come from the medium itself, nor any other data-in command. */
	if (task->command->step != read_step || store_flags(task) || !task->length ||
		pieces & (task->unit->block_size - 1))
		return false;
	task->view = store_view(
		task->unit->store, task->queue, task_offset(task), task_bytes(task));
	return task->view != NULL;
}

uint32_t scsi_task_keep(struct scsi_task *task, uint32_t at, uint8_t kept[SCSI_KEPT_MAX])
{
	const uint64_t offset = task_offset(task) + at;
	const uint32_t left = task->length - at, rest = -(uint32_t)offset & (SCSI_KEPT_MAX - 1);
	const uint32_t length = rest < left ? rest : left;
	const uint32_t before = (uint32_t)offset & (task->unit->block_size - 1);

	if (length == 0 ||
		!store_read_now(task->unit->store, offset - before, before + length, kept))
		return 0;
	memmove(kept, kept + before, length);
	return length;
}

enum task_step read_step(struct scsi_task *task)
{
	if (task->step++ == 0 && task->length && !task->view)
		return task_request(task, STORE_READ, task_offset(task), task->length, task->buffer,
			store_flags(task));
	task->in_length = task->length;
	return TASK_ENDED;
}

bool write_parse(struct scsi_task *task)
{
	if (!transfer_decode(task))
		return false;
	task->length = (uint32_t)task_bytes(task);
	task->direction = task->length ? SCSI_DATA_OUT : SCSI_NO_DATA;
	return true;
}

enum task_step write_step(struct scsi_task *task)
{
	if (task->step++ > 0 || !transfer_cut(task) || !task->blocks)
		return TASK_ENDED;
	task->request.lent = task->lent;
	return task_request(task, STORE_WRITE, task_offset(task), task_bytes(task), task->buffer,
		store_flags(task));
}
