/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of writes: unsolicited Data-Out, Ready To Transfer and what answers it (RFC 7143 sections
 * 4.2.5.2, 11.7, 11.8). Offsets ascend without a gap (DataPDUInOrder and DataSequenceInOrder are Yes),
 * so one count of received bytes says what the next PDU must be.
 */
#include "proto/iscsi/full.h"

/* An R2T's Target Transfer Tag: the task's serial number, and which of its R2Ts it is. */
#define R2T_NUMBER_BITS 14 /* a 4 MiB transfer has at most 2^13 sequences of 512 bytes */
#define R2T_NUMBER_MASK ((1u << R2T_NUMBER_BITS) - 1)
#define SERIAL_MASK     (UINT32_MAX >> R2T_NUMBER_BITS)
#define RECENT_TASKS    1024u /* whose late data is dropped in silence */

static uint32_t r2t_tag(const struct iscsi_task *task, uint32_t number)
{
	return (task->serial & SERIAL_MASK) << R2T_NUMBER_BITS | (number & R2T_NUMBER_MASK);
}

/* Whether this tag was given to a task that ended not long ago: its data may still be on its way. */
static bool tag_is_recent(const struct iscsi_conn *conn, uint32_t tag)
{
	return ((conn->serial - (tag >> R2T_NUMBER_BITS)) & SERIAL_MASK) < RECENT_TASKS;
}

/* Where the sequence that is coming in ends: bytes from the start of the transfer. */
static uint32_t sequence_limit(const struct iscsi_task *task)
{
	const struct iscsi_parameters *parameters = &task->conn->parameters;
	uint64_t end;

	if (task->unsolicited)
		return task->edtl < parameters->first_burst_length ? task->edtl
								   : parameters->first_burst_length;
	end = task->r2t_base + (uint64_t)(task->r2t_done + 1) * parameters->max_burst_length;
	return end < task->want ? (uint32_t)end : task->want;
}

/* Whether the PDU belongs to the sequence that the task awaits. */
static bool belongs(const struct iscsi_task *task, const struct iscsi_pdu *pdu)
{
	uint32_t tag = get_be32(pdu->bhs + BHS_TTT);

	/* Some initiators leave the LUN out. */
	if (pdu->lun != 0 && pdu->lun != task->scsi.lun)
		return false;
	if (tag == RESERVED_TAG)
		return task->unsolicited;
	return !task->unsolicited && task->r2t_done < task->r2t_sent &&
	       tag == r2t_tag(task, task->r2t_done);
}

/* Ends the task as soon as no more data is due; a held one when its turn comes. */
static void data_error(struct iscsi_task *task, uint32_t error)
{
	if (task->state == TASK_HELD) {
		if (!task->error)
			task->error = error;
	} else {
		task_fail(task, error);
	}
}

static bool is_failed(const struct iscsi_task *task)
{
	return task->ended || task->error;
}

void dataout_header(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	struct conn_input *input = &conn->input;
	struct iscsi_task *task = task_find(conn, pdu->itt);
	uint32_t tag = get_be32(pdu->bhs + BHS_TTT);

	if (!task && (tag == RESERVED_TAG || tag_is_recent(conn, tag)))
		return;
	if (!task || (task->state != TASK_GATHERING && task->state != TASK_HELD) ||
		!belongs(task, pdu)) {
		conn_reject(conn, pdu, REJECT_INVALID_FIELD, now);
		return;
	}
	input->task = task;
	if (is_failed(task))
		return;
	if (get_be32(pdu->bhs + BHS_OFFSET) != task->received ||
		get_be32(pdu->bhs + BHS_DATA_SN) != task->data_sn ||
		pdu->data_length > sequence_limit(task) - task->received) {
		data_error(task, SENSE_NOT_ENOUGH_UNSOLICITED_DATA);
		return;
	}
	if (pdu->data_length > 0) {
		input->place = task->scsi.buffer + task->received;
		input->room = pdu->data_length;
	}
}

/* The last PDU of a sequence has come. */
static void sequence_end_reached(struct iscsi_task *task)
{
	uint32_t limit = sequence_limit(task);

	task->data_sn = 0;
	if (!is_failed(task) && task->received != limit)
		data_error(task, SENSE_NOT_ENOUGH_UNSOLICITED_DATA);
	if (task->unsolicited)
		task->unsolicited = false;
	else
		task->r2t_done++;
}

void dataout_receive(
	struct iscsi_conn *conn, const struct iscsi_pdu *pdu, bool digest_good, uint64_t now)
{
	struct iscsi_task *task = conn->input.task;

	if (!task)
		return;
	conn->input.task = NULL;
	if (!digest_good) {
		conn_reject(conn, pdu, REJECT_DATA_DIGEST, now);
		data_error(task, SENSE_PROTOCOL_SERVICE_CRC_ERROR);
	}
	task->progress_at = now;
	task->data_sn++;
	if (!is_failed(task)) {
		if (pdu->data)
			memcpy(task->scsi.buffer + task->received, pdu->data, pdu->data_length);
		task->received += pdu->data_length;
	}
	if (!(pdu->flags & FINAL))
		return;
	sequence_end_reached(task);
	if (task->state == TASK_GATHERING)
		command_proceed(task, now);
}

static void send_r2t(struct iscsi_task *task, uint32_t offset, uint32_t length, uint64_t now)
{
	struct iscsi_conn *conn = task->conn;
	uint8_t bhs[BHS_SIZE] = { OP_R2T, FINAL };

	put_be64(bhs + BHS_LUN, task->scsi.lun);
	put_be32(bhs + BHS_ITT, task->itt);
	put_be32(bhs + BHS_TTT, r2t_tag(task, task->r2t_sent));
	put_be32(bhs + BHS_DATA_SN, task->r2t_sent);
	put_be32(bhs + BHS_OFFSET, offset);
	put_be32(bhs + BHS_RESIDUAL, length);
	conn_stamp(conn, bhs, false);
	task->r2t_sent++;
	(void)conn_send(conn, bhs, NULL, 0, now);
}

void dataout_await(struct iscsi_conn *conn, uint64_t now)
{
	if (conn->timers[TIMER_DATA] == ISCSI_NO_DEADLINE)
		conn_arm(conn, TIMER_DATA, now);
}

void dataout_solicit(struct iscsi_task *task, uint64_t now)
{
	struct iscsi_conn *conn = task->conn;
	uint32_t burst = conn->parameters.max_burst_length;

	if (conn->phase != ISCSI_PHASE_FULL || tmf_covers(conn, task))
		return;
	if (task->r2t_sent == 0)
		task->r2t_base = task->received;
	while (task->r2t_sent - task->r2t_done < conn->parameters.max_outstanding_r2t) {
		uint64_t offset = task->r2t_base + (uint64_t)task->r2t_sent * burst;
		if (offset >= task->want)
			break;
		uint32_t left = task->want - (uint32_t)offset;
		send_r2t(task, (uint32_t)offset, left < burst ? left : burst, now);
		task->progress_at = now;
	}
	dataout_await(conn, now);
}

/* Whether the peer owes data for this task, or the command whose CmdSN comes before its own. */
static bool is_due(const struct iscsi_task *task)
{
	return task->state == TASK_HELD ||
	       (task_awaits_data(task) && task->state != TASK_RECEIVING);
}

void data_late(struct iscsi_conn *conn, uint64_t now)
{
	uint64_t oldest = ISCSI_NO_DEADLINE;

	for (struct iscsi_task *task = conn->first_task; task; task = task->younger) {
		if (!is_due(task))
			continue;
		if (task->progress_at == 0)
			task->progress_at = now;
		if (task->progress_at < oldest)
			oldest = task->progress_at;
	}
	if (oldest == ISCSI_NO_DEADLINE)
		return;
	if (oldest < conn->excused_at)
		oldest = conn->excused_at;
	conn_arm(conn, TIMER_DATA, oldest);
	if (conn->timers[TIMER_DATA] > now)
		return;
	conn_disarm(conn, TIMER_DATA);
	conn_event(conn, ISCSI_EVENT_TIMEOUT, 0, "the data of a write, or a command in between");
	iscsi_conn_close(conn, ISCSI_CLOSE_CLEAN, now);
}
