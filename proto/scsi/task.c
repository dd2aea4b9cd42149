/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The road of every command: what is checked before it runs, and the loop that steps it through
 * its store requests, whether they finish inside the call or later.
 */
#include "proto/scsi/task.h"

#include "base/bytes.h"

#include <stdlib.h>

void scsi_task_init(struct scsi_task *task)
{
	memset(task, 0, sizeof(*task));
}

void task_fail_with(struct scsi_task *task, const struct sense_data *data)
{
	task->status = SCSI_CHECK_CONDITION;
	task->in_length = 0;
	task->sense_length = sense_write(
		task->sense, data, task->unit && task->unit->descriptor_sense);
}

void scsi_task_fail(struct scsi_task *task, uint32_t sense)
{
	struct sense_data data = { .code = sense };

	task_fail_with(task, &data);
}

void task_fail_field(struct scsi_task *task, unsigned byte, uint8_t bits)
{
	struct sense_data data = {
		.code = SENSE_INVALID_FIELD_IN_CDB,
		.field = SENSE_FIELD_IN_CDB,
		.field_byte = (uint16_t)byte,
		.field_bit = bits ? (uint8_t)(31 - __builtin_clz(bits)) : 7,
	};

	task_fail_with(task, &data);
}

enum task_step task_reply(struct scsi_task *task, const uint8_t *data, size_t length)
{
	task->in_length = length < task->length ? (uint32_t)length : task->length;
	if (task->in_length)
		memcpy(task->buffer, data, task->in_length);
	return TASK_ENDED;
}

bool task_take_scratch(struct scsi_task *task, uint32_t size)
{
	size_t whole = (size + BUFFER_ALIGNMENT - 1) & ~(size_t)(BUFFER_ALIGNMENT - 1);

	task->scratch = aligned_alloc(BUFFER_ALIGNMENT, whole);
	if (!task->scratch)
		task->status = SCSI_TASK_SET_FULL;
	return task->scratch;
}

/*
 * Whether no bit is set beyond the mask of the row, whatever the unit, in any byte but the first: true for
 * nearly every command, and seen in two steps instead of one for each byte.
 */
static bool is_plain(const struct scsi_task *task)
{
	uint64_t cdb[2], usage[2], opcode;

	memcpy(cdb, task->cdb, sizeof(cdb));
	memcpy(usage, task->command->usage, sizeof(usage));
	memcpy(&opcode, &(const uint8_t[8]){ 0xff }, sizeof(opcode));
	return ((cdb[0] & ~usage[0] & ~opcode) | (cdb[1] & ~usage[1])) == 0;
}

/* Whether no bit is set that the command does not know; else the task has failed. */
static bool check_cdb(struct scsi_task *task)
{
	const struct scsi_command *command = task->command;

	if (task->cdb_length < command->length) {
		scsi_task_fail(task, SENSE_INVALID_FIELD_IN_CDB);
		return false;
	}
	if (is_plain(task))
		return true;
	for (unsigned i = 1; i < command->length; i++) {
		uint8_t wrong = task->cdb[i] & (uint8_t)~command_usage(command, task->unit, i);

		if (wrong) {
			task_fail_field(task, i, wrong);
			return false;
		}
	}
	return true;
}

/* Whether the command may answer on this LUN; else the task has failed. */
static bool check_unit(struct scsi_task *task)
{
	const struct scsi_command *command = task->command;

	if (task->unit)
		return true;
	if (command && command->flags & COMMAND_WITHOUT_UNIT)
		return true;
	if (command && command->flags & COMMAND_WITHOUT_UNIT_0 && scsi_lun_number(task->lun) == 0)
		return true;
	scsi_task_fail(task, SENSE_LUN_NOT_SUPPORTED);
	return false;
}

/* Whether no unit attention stands in the way; else it is reported. */
static bool check_attention(struct scsi_task *task)
{
	if (!task->unit || task->command->flags & COMMAND_THROUGH_ATTENTION)
		return true;
	if (!nexus_has_attention(task->nexus, task->unit->lun))
		return true;

	uint32_t attention = nexus_take_attention(task->nexus, task->unit->lun);

	if (!attention)
		return true;
	scsi_task_fail(task, attention);
	return false;
}

/* Whether no other nexus has reserved the unit, or that does not matter; else the task has ended. */
static bool check_reservation(struct scsi_task *task)
{
	if (!task->unit || task->command->flags & COMMAND_THROUGH_RESERVATION ||
		!unit_is_reserved(task->unit, task->nexus))
		return true;
	task->status = SCSI_RESERVATION_CONFLICT;
	return false;
}

/* The parse of a command that returns parameter data. */
static void parse_allocation(struct scsi_task *task)
{
	const struct scsi_command *command = task->command;
	uint32_t length = 0;

	for (unsigned i = 0; i < command->allocation.width; i++)
		length = length << 8 | task->cdb[command->allocation.offset + i];
	task->length = length < RESPONSE_MAX ? length : RESPONSE_MAX;
	task->direction = length ? SCSI_DATA_IN : SCSI_NO_DATA;
}

static const struct scsi_command *find(struct scsi_nexus *nexus, const uint8_t *cdb)
{
	const struct scsi_command *last = nexus->last;

	if (!last || last->opcode != cdb[0] || last->flags & COMMAND_HAS_ACTION)
		nexus->last = last = command_find(cdb[0], cdb[1] & 0x1f);
	return last;
}

/* All checks, in the order in which their failures take precedence. */
static bool parse(struct scsi_task *task)
{
	int lun = scsi_lun_number(task->lun);

	task->unit = lun < 0 ? NULL : task->nexus->device->units[lun];
	task->command = find(task->nexus, task->cdb);
	if (!check_unit(task))
		return false;
	if (!task->command || !command_is_supported(task->command, task->unit)) {
		scsi_task_fail(task, SENSE_INVALID_OPCODE);
		return false;
	}

	bool refused = task->command->flags & COMMAND_WRITES && task->unit->read_only;

	/* The medium is read-only also for a write with options that such a unit does not know. */
	if ((!refused && !check_cdb(task)) || !check_attention(task) || !check_reservation(task))
		return false;
	if (refused) {
		scsi_task_fail(task, SENSE_WRITE_PROTECTED);
		return false;
	}
	if (task->command->allocation.width)
		parse_allocation(task);
	return !task->command->parse || task->command->parse(task);
}

enum scsi_answer scsi_task_parse(struct scsi_task *task)
{
	task->direction = SCSI_NO_DATA;
	task->length = 0;
	task->status = SCSI_GOOD;
	task->in_length = 0;
	task->sense_length = 0;
	task->step = 0;
	task->progress = 0;
	task->scratch = NULL;
	if (parse(task))
		return SCSI_PENDING;
	task->direction = SCSI_NO_DATA;
	task->length = 0;
	return SCSI_DONE;
}

/* Whether the request that just ended did so without error; else the task has failed. */
static bool check_store(struct scsi_task *task)
{
	static const struct {
		enum store_error error;
		uint32_t sense;
	} senses[] = {
		{ STORE_NO_SPACE, SENSE_SPACE_ALLOCATION_FAILED },
		{ STORE_READ_FAILED, SENSE_READ_ERROR },
		{ STORE_WRITE_REFUSED, SENSE_WRITE_PROTECTED },
	};
	uint32_t sense = SENSE_WRITE_ERROR;

	if (task->request.error == STORE_OK)
		return true;
	for (size_t i = 0; i < sizeof(senses) / sizeof(senses[0]); i++)
		if (senses[i].error == task->request.error)
			sense = senses[i].sense;
	scsi_task_fail(task, sense);
	return false;
}

static enum scsi_answer finish(struct scsi_task *task)
{
	free(task->scratch);
	task->scratch = NULL;
	return SCSI_DONE;
}

/* Steps the task until it ends or a request of it is under way. */
static enum scsi_answer run(struct scsi_task *task)
{
	for (;;) {
		if (task->command->step(task) == TASK_ENDED)
			return finish(task);
		if (task->cancelled) {
			task->status = SCSI_TASK_ABORTED;
			return finish(task);
		}
		if (store_submit(task->unit->store, task->queue, &task->request) == STORE_PENDING)
			return SCSI_PENDING;
		if (!check_store(task))
			return finish(task);
	}
}

static void request_done(struct store_request *request)
{
	struct scsi_task *task = (struct scsi_task *)((char *)request -
						      offsetof(struct scsi_task, request));

	if (check_store(task)) {
		if (run(task) == SCSI_PENDING)
			return;
	} else {
		finish(task);
	}
	task->done(task);
}

enum task_step task_request(struct scsi_task *task, enum store_op op, uint64_t offset,
	uint64_t length, void *buffer, unsigned flags)
{
	struct store_request *request = &task->request;

	request->op = op;
	request->flags = flags;
	request->offset = offset;
	request->length = length;
	request->buffer = buffer;
	request->done = request_done;
	request->error = STORE_OK;
	return TASK_SUBMIT;
}

enum scsi_answer scsi_task_execute(struct scsi_task *task)
{
	if (task->lent && !(task->command->flags & COMMAND_HANDS_ON)) {
		memcpy(task->buffer, task->lent, task->out_length);
		task->lent = NULL;
	}
	enum scsi_answer answer = run(task);
	task->lent = NULL;
	return answer;
}
