/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * REPORT LUNS and REPORT SUPPORTED OPERATION CODES (SPC-4 sections 6.33, 6.35).
 */
#include "proto/scsi/task.h"

#include "base/bytes.h"

/* --- REPORT LUNS --- */

enum select_report { SELECT_ADDRESSABLE = 0, SELECT_WELL_KNOWN = 1, SELECT_ALL = 2 };

bool report_luns_parse(struct scsi_task *task)
{
	if (task->cdb[2] > SELECT_ALL) {
		task_fail_field(task, 2, 0x80);
		return false;
	}
	if (get_be32(task->cdb + 6) < 16) {
		task_fail_field(task, 6, 0x80);
		return false;
	}
	return true;
}

enum task_step report_luns_step(struct scsi_task *task)
{
	uint8_t data[8 + 8 * SCSI_LUN_MAX];
	struct writer w = writer_of(data, sizeof(data));

	_Static_assert(sizeof(data) <= RESPONSE_MAX, "the list must fit a response");
	write_be64(&w, 0);
	for (unsigned lun = 0; lun < SCSI_LUN_MAX; lun++) {
		/* No well-known logical unit is there to be reported. */
		if (task->nexus->device->units[lun] && task->cdb[2] != SELECT_WELL_KNOWN)
			write_be64(&w, (uint64_t)lun << 48); /* peripheral device addressing */
	}
	put_be32(data, (uint32_t)(w.length - 8));
	nexus_clear_attention(task->nexus, UA_LUNS_CHANGED);
	return task_reply(task, data, w.length);
}

/* --- REPORT SUPPORTED OPERATION CODES --- */

enum reporting_options { REPORT_ALL, REPORT_OPCODE, REPORT_ACTION, REPORT_EITHER };

enum support { NOT_SUPPORTED = 1, SUPPORTED = 3 };

#define TIMEOUTS_SIZE 12

static bool wants_timeouts(const struct scsi_task *task)
{
	return task->cdb[2] & 0x80;
}

/* A command timeouts descriptor that names no times. */
static void write_timeouts(struct writer *w)
{
	uint8_t *at = write_space(w, TIMEOUTS_SIZE);

	if (at)
		at[1] = TIMEOUTS_SIZE - 2;
}

bool report_opcodes_parse(struct scsi_task *task)
{
	unsigned options = task->cdb[2] & 7;
	const struct scsi_command *command = command_of_opcode(task->cdb[3]);
	bool has_actions = command && command->flags & COMMAND_HAS_ACTION;

	if (options > REPORT_EITHER) {
		task_fail_field(task, 2, 0x04);
		return false;
	}
	if ((options == REPORT_OPCODE && has_actions) ||
		(options == REPORT_ACTION && command && !has_actions)) {
		task_fail_field(task, 2, 0x04);
		return false;
	}
	return true;
}

static enum task_step report_all(struct scsi_task *task)
{
	uint8_t data[RESPONSE_MAX];
	struct writer w = writer_of(data, sizeof(data));

	write_be32(&w, 0);
	for (size_t i = 0; i < scsi_command_count; i++) {
		const struct scsi_command *command = &scsi_commands[i];
		bool has_action = command->flags & COMMAND_HAS_ACTION;

		if (!command_is_supported(command, task->unit))
			continue;
		write_u8(&w, command->opcode);
		write_u8(&w, 0);
		write_be16(&w, command->service_action);
		write_u8(&w, 0);
		write_u8(&w, (uint8_t)((wants_timeouts(task) ? 2 : 0) | (has_action ? 1 : 0)));
		write_be16(&w, command->length);
		if (wants_timeouts(task))
			write_timeouts(&w);
	}
	put_be32(data, (uint32_t)(w.length - 4));
	return task_reply(task, data, w.length);
}

/* The row that the CDB of REPORT SUPPORTED OPERATION CODES asks for; NULL when it is not supported.
 */
static const struct scsi_command *requested(const struct scsi_task *task)
{
	uint16_t action = get_be16(task->cdb + 4);
	const struct scsi_command *command = command_of_opcode(task->cdb[3]);

	if (!command)
		return NULL;
	if (command->flags & COMMAND_HAS_ACTION)
		command = action <= 0x1f ? command_find(task->cdb[3], (uint8_t)action) : NULL;
	else if (action != 0 && (task->cdb[2] & 7) == REPORT_EITHER)
		command = NULL;
	return command && command_is_supported(command, task->unit) ? command : NULL;
}

static enum task_step report_one(struct scsi_task *task)
{
	const struct scsi_command *command = requested(task);
	uint8_t data[4 + CDB_USAGE_SIZE + TIMEOUTS_SIZE];
	struct writer w = writer_of(data, sizeof(data));

	write_u8(&w, 0);
	if (!command) {
		write_u8(&w, NOT_SUPPORTED);
		write_be16(&w, 0);
		return task_reply(task, data, w.length);
	}
	write_u8(&w, (uint8_t)(SUPPORTED | (wants_timeouts(task) ? 0x80 : 0)));
	write_be16(&w, command->length);
	write_u8(&w, command->opcode);
	for (unsigned i = 1; i < command->length; i++) {
		uint8_t usage = command_usage(command, task->unit, i);

		if (i == 1 && command->flags & COMMAND_HAS_ACTION)
			usage = (uint8_t)((usage & 0xe0) | command->service_action);
		write_u8(&w, usage);
	}
	if (wants_timeouts(task))
		write_timeouts(&w);
	return task_reply(task, data, w.length);
}

enum task_step report_opcodes_step(struct scsi_task *task)
{
	return (task->cdb[2] & 7) == REPORT_ALL ? report_all(task) : report_one(task);
}
