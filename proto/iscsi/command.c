/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI commands, from the header of their PDU to the device server (RFC 7143 sections 11.2.2, 11.3,
 * 4.2.5). The data of a write is gathered whole before the device server sees any of it, so a
 * connection that goes away in between leaves no trace on the medium (doc/architecture.md K5).
 */
#include "proto/iscsi/full.h"

#include <assert.h>
#include <stdlib.h>

/* Task attributes, section 11.3.1. */
#define ATTRIBUTE_MASK          0x07
#define ATTRIBUTE_ORDERED       2
#define ATTRIBUTE_HEAD_OF_QUEUE 3

#define SENSE_INVALID_OPERATION_CODE SCSI_SENSE(0x05, 0x20, 0x00)

size_t iscsi_task_size(void)
{
	return sizeof(struct iscsi_task);
}

/* --- where tasks are kept --- */

static struct iscsi_task **bucket_of(struct iscsi_conn *conn, uint32_t itt)
{
	return &conn->tasks[(itt ^ itt >> 5 ^ itt >> 16) % TASK_BUCKETS];
}

struct iscsi_task *task_find(const struct iscsi_conn *conn, uint32_t itt)
{
	struct iscsi_task *task = *bucket_of((struct iscsi_conn *)(uintptr_t)conn, itt);

	while (task && task->itt != itt)
		task = task->bucket_next;
	return task;
}

static bool is_ordered(const struct iscsi_task *task)
{
	return (task->flags & ATTRIBUTE_MASK) == ATTRIBUTE_ORDERED;
}

static void task_link(struct iscsi_task *task)
{
	struct iscsi_conn *conn = task->conn;
	struct iscsi_task **bucket = bucket_of(conn, task->itt);

	task->bucket_next = *bucket;
	*bucket = task;
	task->older = conn->last_task;
	if (conn->last_task)
		conn->last_task->younger = task;
	else
		conn->first_task = task;
	conn->last_task = task;
	if (task->immediate)
		conn->immediates++;
	if (is_ordered(task))
		conn->ordered++;
}

/* Its tag is free for another command. */
static void task_unname(struct iscsi_task *task)
{
	struct iscsi_task **at = bucket_of(task->conn, task->itt);

	while (*at && *at != task)
		at = &(*at)->bucket_next;
	if (*at)
		*at = task->bucket_next;
}

void task_retire(struct iscsi_task *task)
{
	struct iscsi_conn *conn = task->conn;

	if (task->state == TASK_ANSWERED)
		return;
	task_unname(task);
	*(task->older ? &task->older->younger : &conn->first_task) = task->younger;
	*(task->younger ? &task->younger->older : &conn->last_task) = task->older;
	if (task->immediate)
		conn->immediates--;
	if (is_ordered(task))
		conn->ordered--;
	if (task->state == TASK_BARRED)
		conn->barred--;
	if (task->credit)
		sequence_return_credit(conn);
	task->state = TASK_ANSWERED;
}

static void unpark(struct iscsi_task *task)
{
	struct iscsi_conn *conn = task->conn;
	struct iscsi_task **at = &conn->parked;

	while (*at != task)
		at = &(*at)->parked_next;
	*at = task->parked_next;
	if (!*at)
		conn->parked_last = at;
	task->parked_next = NULL;
}

/* --- buffers --- */

void task_drop_buffer(struct iscsi_task *task)
{
	struct iscsi_conn *conn = task->conn;

	buffer_put(conn->worker->buffers, task->scsi.buffer, task->scsi.buffer_size);
	conn->buffered -= task->charged;
	task->charged = 0;
	if (task->scsi.view)
		conn->views--;
	task->scsi.view = NULL;
	task->scsi.lent = NULL;
	task->scsi.buffer = NULL;
	task->scsi.buffer_size = 0;
}

/* The bytes that its data came in are about to go. */
static void task_keep_data(struct iscsi_task *task)
{
	if (task->scsi.lent)
		memcpy(task->scsi.buffer, task->scsi.lent, task->received);
	task->scsi.lent = NULL;
}

static bool budget_allows(const struct iscsi_conn *conn, uint32_t size)
{
	return conn->buffered == 0 || conn->buffered + size <= BUFFER_BUDGET;
}

/* Exchanges the task's buffer for one of `size` bytes, keeping what it received. false: no memory. */
static bool task_take_buffer(struct iscsi_task *task, uint32_t size, uint32_t charge)
{
	struct iscsi_conn *conn = task->conn;
	uint8_t *buffer = buffer_get(conn->worker->buffers, size);

	if (!buffer)
		return false;
	if (task->scsi.buffer) {
		uint32_t keep = task->received < size ? task->received : size;
		memcpy(buffer, task->scsi.lent ? task->scsi.lent : task->scsi.buffer, keep);
		task_drop_buffer(task);
	}
	task->scsi.buffer = buffer;
	task->scsi.buffer_size = size;
	task->charged = charge;
	conn->buffered += charge;
	return true;
}

/*
 * Room for the data that comes unasked. The whole transfer's at once if the budget allows it, else
 * the first burst alone, which the command window bounds.
 */
static void take_unsolicited_buffer(struct iscsi_task *task)
{
	const struct iscsi_conn *conn = task->conn;
	uint32_t whole = task->edtl < BUFFER_SIZE_MAX ? task->edtl : BUFFER_SIZE_MAX;
	uint32_t first = conn->parameters.first_burst_length;
	bool taken;

	if (whole == 0)
		return;
	if (whole <= first)
		taken = task_take_buffer(task, whole, 0);
	else if (!conn->parked && budget_allows(conn, whole))
		taken = task_take_buffer(task, whole, whole);
	else
		taken = task_take_buffer(task, first, 0);
	if (!taken)
		task->error = ERROR_NO_BUFFER;
}

/* --- the end of a task --- */

static void drop_holds(struct iscsi_task *task)
{
	while (task->holds) {
		struct task_hold *hold = task->holds;
		task->holds = hold->next;
		iscsi_management_release(hold->management);
		free(hold);
	}
}

void task_free(struct iscsi_task *task)
{
	struct iscsi_conn *conn = task->conn;

	if (task->state == TASK_PARKED)
		unpark(task);
	if (task->state == TASK_HELD)
		sequence_forget(conn, task);
	input_forget(conn, task);
	task_retire(task);
	task_drop_buffer(task);
	/* Last: a function that waited for this task alone answers now, and tells the new window. */
	drop_holds(task);
	pool_put(conn->worker->tasks, task);
}

void task_abort(struct iscsi_task *task, struct iscsi_management *by)
{
	if (task->state != TASK_EXECUTING) {
		task_free(task);
		return;
	}
	if (!task->fenced)
		task_unname(task);
	task->fenced = true;
	task->scsi.cancelled = true; /* no further step of it, so it comes back soon */
	if (!by)
		return;
	struct task_hold *hold = malloc(sizeof(*hold));
	if (!hold) {
		atomic_store(&by->incomplete, true);
		return;
	}
	hold->management = by;
	hold->next = task->holds;
	task->holds = hold;
	atomic_fetch_add(&by->holds, 1);
}

void task_fail(struct iscsi_task *task, uint32_t error)
{
	if (task->ended)
		return;
	task->ended = true;
	if (error == ERROR_NO_BUFFER)
		task->scsi.status = SCSI_BUSY;
	else
		scsi_task_fail(&task->scsi, error);
}

bool task_awaits_data(const struct iscsi_task *task)
{
	return task->unsolicited || task->r2t_done < task->r2t_sent;
}

/* --- the header of a SCSI Command --- */

/* One additional header segment: `body` is what follows its first four bytes. Section 11.2.2. */
static bool parse_segment(
	struct iscsi_task *task, uint8_t type, uint16_t length, struct reader *ahs)
{
	enum { EXTENDED_CDB = 1, BIDI_READ_LENGTH = 2 };
	uint32_t size = length - 1u; /* without the reserved byte */
	const uint8_t *body = read_bytes(ahs, (size + 3) & ~3u);

	if (!body)
		return false;
	if (type == BIDI_READ_LENGTH && length == 5) {
		task->read_edtl = get_be32(body);
		return true;
	}
	if (type != EXTENDED_CDB || length < 2 || BHS_CDB_SIZE + size > SCSI_CDB_MAX ||
		task->scsi.cdb_length > BHS_CDB_SIZE)
		return false;
	memcpy(task->scsi.cdb + BHS_CDB_SIZE, body, size);
	task->scsi.cdb_length = (uint16_t)(BHS_CDB_SIZE + size);
	return true;
}

static bool parse_ahs(struct iscsi_task *task, const struct iscsi_pdu *pdu)
{
	struct reader ahs = reader_of(pdu->ahs, pdu->ahs_length);

	while (ahs.left > 0) {
		uint16_t length = read_be16(&ahs);
		uint8_t type = read_u8(&ahs) & 0x3f;
		(void)read_u8(&ahs);
		if (ahs.failed || length == 0 || !parse_segment(task, type, length, &ahs))
			return false;
	}
	return true;
}

/* What may be wrong with a command's header. 0, or the reason to reject it. Section 11.3.1. */
static enum iscsi_reject check_header(const struct iscsi_conn *conn, const struct iscsi_pdu *pdu)
{
	bool moves = (pdu->flags & (COMMAND_READ | COMMAND_WRITE)) != 0;

	if (task_find(conn, pdu->itt) || tmf_find(conn, pdu->itt))
		return REJECT_TASK_IN_PROGRESS;
	if (pdu->itt == RESERVED_TAG || !(pdu->flags & (FINAL | COMMAND_WRITE)) ||
		(!moves && get_be32(pdu->bhs + BHS_EDTL) != 0))
		return REJECT_INVALID_FIELD;
	if (pdu->immediate && conn->immediates >= IMMEDIATE_MAX)
		return REJECT_IMMEDIATE;
	return 0;
}

/* What the data that came or is announced without being asked for breaks; 0: nothing. */
static uint32_t check_unsolicited(const struct iscsi_task *task, uint32_t length)
{
	const struct iscsi_parameters *parameters = &task->conn->parameters;

	if (length == 0 && !task->unsolicited)
		return 0;
	if (!(task->flags & COMMAND_WRITE) || (length > 0 && !parameters->immediate_data) ||
		(task->unsolicited && parameters->initial_r2t))
		return SENSE_UNEXPECTED_UNSOLICITED_DATA;
	if (length > parameters->first_burst_length || length > task->edtl)
		return SENSE_NOT_ENOUGH_UNSOLICITED_DATA;
	return 0;
}

static struct iscsi_task *task_new(struct iscsi_conn *conn, const struct iscsi_pdu *pdu)
{
	struct iscsi_task *task = pool_get(conn->worker->tasks);

	if (!task)
		return NULL;
	task->conn = conn;
	task->itt = pdu->itt;
	task->flags = pdu->flags;
	task->immediate = pdu->immediate;
	task->began = conn->worker->ticks;
	task->unsolicited = !(pdu->flags & FINAL);
	task->cmd_sn = get_be32(pdu->bhs + BHS_CMD_SN);
	task->edtl = get_be32(pdu->bhs + BHS_EDTL);
	task->scsi.nexus = conn->grant.nexus;
	task->scsi.queue = conn->worker->queue;
	task->scsi.lun = pdu->lun;
	task->scsi.cdb_length = BHS_CDB_SIZE;
	memcpy(task->scsi.cdb, pdu->bhs + BHS_CDB, BHS_CDB_SIZE);
	task->error = check_unsolicited(task, pdu->data_length);
	return task;
}

void command_header(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	struct conn_input *input = &conn->input;
	enum iscsi_reject reason;
	struct iscsi_task *task;

	if (!pdu->immediate &&
		sequence_judge(conn, get_be32(pdu->bhs + BHS_CMD_SN)) == SEQUENCE_IGNORE)
		return;
	reason = check_header(conn, pdu);
	if (reason) {
		conn_reject(conn, pdu, reason, now);
		return;
	}
	task = task_new(conn, pdu);
	if (!task || !parse_ahs(task, pdu)) {
		conn_reject(conn, pdu, task ? REJECT_INVALID_FIELD : REJECT_OUT_OF_RESOURCES, now);
		pool_put(conn->worker->tasks, task);
		return;
	}
	task->serial = ++conn->serial;
	task_link(task);
	if (!task->error && (pdu->data_length > 0 || task->unsolicited))
		take_unsolicited_buffer(task);
	input->task = task;
	if (!task->error) {
		input->place = task->scsi.buffer;
		input->room = pdu->data_length;
	}
}

/* Puts a whole command into the order of CmdSN. */
static void command_queue(struct iscsi_task *task, const struct iscsi_pdu *pdu, uint64_t now)
{
	struct iscsi_conn *conn = task->conn;

	if (task->immediate) {
		command_deliver(task, now);
		return;
	}
	switch (sequence_judge(conn, task->cmd_sn)) {
	case SEQUENCE_TURN:
		conn->exp_cmd_sn++;
		task->credit = true;
		command_deliver(task, now);
		break;
	case SEQUENCE_EARLY:
		if (sequence_hold(conn, task->cmd_sn, task, NULL) == 0) {
			task->state = TASK_HELD;
			dataout_await(conn, now);
			break;
		}
		conn_reject(conn, pdu, REJECT_OUT_OF_RESOURCES, now);
		task_free(task);
		break;
	case SEQUENCE_IGNORE:
		/* A task management function filled its place while it was coming in. */
		task_free(task);
		break;
	}
}

void command_receive(
	struct iscsi_conn *conn, const struct iscsi_pdu *pdu, bool digest_good, uint64_t now)
{
	struct iscsi_task *task = conn->input.task;

	if (!task)
		return;
	if (!digest_good) {
		/* As if it had never come: its CmdSN stays a gap until it is sent again or aborted. */
		conn_reject(conn, pdu, REJECT_DATA_DIGEST, now);
		task_free(task);
		return;
	}
	task->progress_at = now;
	if (!task->error) {
		task->received = pdu->data_length;
		task->scsi.lent = task->scsi.buffer ? pdu->data : NULL;
	}
	command_queue(task, pdu, now);
	/* Still ours unless it is gone, see input_forget(). */
	if (conn->input.task)
		task_keep_data(task);
	conn->input.task = NULL;
}

/* --- its turn --- */

/* The device server or the store gives a task back. */
static void command_done(struct scsi_task *scsi)
{
	struct iscsi_task *task = (struct iscsi_task *)scsi;
	struct iscsi_conn *conn = task->conn;

	assert(task->state == TASK_EXECUTING);
	conn->executing--;
	if (task->fenced) {
		task_free(task);
		conn->worker->host->wake(conn->owner);
	} else {
		command_respond(task, 0);
	}
	conn_settle(conn, 0);
}

/*
 * Whether a command that takes data was announced as a read: it would change nothing and report
 * success. A read that was announced as a write does no harm: the initiator has no room for data,
 * so it gets none, and the residual says so.
 */
static bool lacks_its_data(const struct iscsi_task *task)
{
	return task->scsi.direction == SCSI_DATA_OUT && task->scsi.length > 0 && task->edtl > 0 &&
	       !(task->flags & COMMAND_WRITE);
}

void command_deliver(struct iscsi_task *task, uint64_t now)
{
	struct scsi_task *scsi = &task->scsi;
	bool both = (task->flags & COMMAND_READ) && (task->flags & COMMAND_WRITE);

	task->state = TASK_GATHERING;
	task->place = ++task->conn->commands;
	scsi->done = command_done;
	if (task->error)
		task_fail(task, task->error);
	else if (both && (task->edtl > 0 || task->read_edtl > 0))
		task_fail(task, SENSE_INVALID_OPERATION_CODE);
	else if (scsi_task_parse(scsi) == SCSI_DONE)
		task->ended = true;
	else if (lacks_its_data(task))
		task_fail(task, SENSE_INVALID_FIELD_IN_CDB);
	if (!task->ended && scsi->direction == SCSI_DATA_OUT)
		task->want = scsi->length < task->edtl ? scsi->length : task->edtl;
	command_proceed(task, now);
}

static void execute(struct iscsi_task *task, uint64_t now)
{
	struct iscsi_conn *conn = task->conn;

	if (task->scsi.direction == SCSI_DATA_OUT) {
		task->scsi.out_length = task->received < task->want ? task->received : task->want;
		task->scsi.offered = task->edtl;
	}
	task->executed = true;
	task->state = TASK_EXECUTING;
	conn->executing++;
	if (scsi_task_execute(&task->scsi) == SCSI_PENDING)
		return;
	conn->executing--;
	command_respond(task, now);
}

/*
 * Whether the data needs no buffer, since it can be sent from where it lies. It counts as one of that size, since what is
 * queued binds the connection likewise. Not when a digest is taken of it: it may still change before it is sent. And not
 * while there is an ORDERED command, which would wait for it, or is it and keeps what comes behind from changing it.
 */
static bool take_view(struct iscsi_task *task)
{
	struct iscsi_conn *conn = task->conn;
	const uint32_t pieces = conn->parameters.initiator_max_recv |
				conn->parameters.max_burst_length;

	if (task->scsi.direction != SCSI_DATA_IN || conn->parameters.data_digest ||
		conn->ordered > 0 || !scsi_task_view(&task->scsi, pieces))
		return false;
	conn->views++;
	task->charged += task->scsi.length;
	conn->buffered += task->scsi.length;
	return true;
}

/* Whether the buffer is there, or an error that says why not; false: parked. */
static bool has_buffer(struct iscsi_task *task)
{
	struct iscsi_conn *conn = task->conn;
	uint32_t need = task->scsi.direction == SCSI_NO_DATA ? 0 : task->scsi.length;

	if (need <= task->scsi.buffer_size)
		return true;
	if (task->state == TASK_PARKED ? conn->parked != task : conn->parked != NULL)
		return false;
	/* By what the buffer takes: of small answers that nobody reads there can be thousands. */
	const uint32_t room = (uint32_t)buffer_room(need);
	if (!budget_allows(conn, room))
		return false;
	if (!take_view(task) && !task_take_buffer(task, need, room))
		task_fail(task, ERROR_NO_BUFFER);
	return true;
}

/* Those who wait hold nothing of the budget, so those who run can always finish. false: the task has ended. */
static bool give_room(struct iscsi_task *task, uint64_t now)
{
	if (task->charged == 0 ||
		task_take_buffer(task, task->conn->parameters.first_burst_length, 0))
		return true;
	task_fail(task, ERROR_NO_BUFFER);
	command_respond(task, now);
	return false;
}

static void park(struct iscsi_task *task, uint64_t now)
{
	struct iscsi_conn *conn = task->conn;

	if (task->state == TASK_PARKED || !give_room(task, now))
		return;
	task->state = TASK_PARKED;
	*conn->parked_last = task;
	conn->parked_last = &task->parked_next;
}

/*
 * Whether SAM-5 section 8.6 lets the task wait for another one of its logical unit, within this session. What has not
 * had its turn is not in the task set: nobody waits for it, least of all an immediate command.
 */
static bool is_barred(const struct iscsi_task *task)
{
	const struct iscsi_conn *conn = task->conn;

	if (conn->ordered == 0 || (task->flags & ATTRIBUTE_MASK) == ATTRIBUTE_HEAD_OF_QUEUE)
		return false;
	if (is_ordered(task) && conn->views > 0)
		return true; /* what is read then is what lies there when it is sent */
	for (const struct iscsi_task *other = conn->first_task; other; other = other->younger)
		if (other != task && (is_ordered(task) || is_ordered(other)) &&
			other->scsi.lun == task->scsi.lun && other->place != 0 &&
			other->place < task->place)
			return true;
	return false;
}

static void bar(struct iscsi_task *task, uint64_t now)
{
	if (task->state == TASK_BARRED || !give_room(task, now))
		return;
	task->state = TASK_BARRED;
	task->conn->barred++;
}

void command_unbar(struct iscsi_conn *conn, uint64_t now)
{
	struct iscsi_task *task = conn->first_task;

	while (conn->barred > 0 && task) {
		if (task->state == TASK_BARRED && !is_barred(task)) {
			conn->barred--;
			task->state = TASK_GATHERING;
			command_proceed(task, now);
			task = conn->first_task; /* the list has changed */
		} else {
			task = task->younger;
		}
	}
}

void command_proceed(struct iscsi_task *task, uint64_t now)
{
	if (task_awaits_data(task)) {
		dataout_await(task->conn, now);
		if (!task->ended && !task->unsolicited)
			dataout_solicit(task, now);
		return;
	}
	/* Who is parked has had to wait for nobody, and nobody has come before it since. */
	if (!task->ended && task->state != TASK_PARKED && is_barred(task)) {
		bar(task, now);
		return;
	}
	if (!task->ended && !has_buffer(task)) {
		park(task, now);
		return;
	}
	if (task->state == TASK_PARKED) {
		unpark(task);
		task->state = TASK_GATHERING;
	}
	if (task->ended)
		command_respond(task, now);
	else if (task->received < task->want)
		dataout_solicit(task, now);
	else
		execute(task, now);
}

void command_unpark(struct iscsi_conn *conn, uint64_t now)
{
	while (conn->parked) {
		struct iscsi_task *task = conn->parked;
		command_proceed(task, now);
		if (conn->parked == task)
			return;
	}
}
