/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answer to a SCSI command: Data-In and SCSI Response, residuals and sense (RFC 7143 sections
 * 11.4 and 11.7).
 */
#include "proto/iscsi/full.h"

/* Residuals of one direction: flags and count. Section 11.4.5. */
struct residual {
	uint8_t flags;
	uint32_t count;
};

/* `presented` is what the device server moves, `expected` what the initiator offered room or data for. */
static struct residual residual_of(uint32_t presented, uint32_t expected)
{
	if (presented > expected)
		return (struct residual){ RESPONSE_OVERFLOW, presented - expected };
	if (presented < expected)
		return (struct residual){ RESPONSE_UNDERFLOW, expected - presented };
	return (struct residual){ 0, 0 };
}

static struct residual task_residual(const struct iscsi_task *task)
{
	uint32_t presented = 0; /* section 11.4.5.2: SPDTL */
	/* What a read moves does not count against the data that a write flag announced. */
	bool writes = (task->flags & COMMAND_WRITE) && task->edtl > 0;

	if (task->executed && task->scsi.direction == SCSI_DATA_IN && !writes)
		presented = task->scsi.in_length;
	else if (task->executed && task->scsi.direction == SCSI_DATA_OUT)
		presented = task->scsi.length;
	return residual_of(presented, task->edtl);
}

/* How many bytes one Data-In may carry: whole words, so that only the last one is padded. */
static uint32_t segment_limit(const struct iscsi_conn *conn)
{
	return conn->parameters.initiator_max_recv & ~3u;
}

/*
 * Sends `length` bytes of the task's data in sequences of at most MaxBurstLength. With `status`, the
 * last PDU carries it, and takes the task over. Returns the number of PDUs.
 */
static uint32_t send_data(struct iscsi_task *task, uint32_t length, bool status, uint64_t now)
{
	struct iscsi_conn *conn = task->conn;
	struct residual residual = task_residual(task);
	uint32_t burst = conn->parameters.max_burst_length;
	uint32_t limit = segment_limit(conn);
	uint32_t data_sn = 0, burst_end = burst, piece;
	const uint8_t *data = task->scsi.view ? task->scsi.view : task->scsi.buffer;

	for (uint32_t offset = 0; offset < length; offset += piece) {
		uint8_t bhs[BHS_SIZE] = { OP_DATA_IN };
		uint32_t end = burst_end < length ? burst_end : length;
		piece = end - offset < limit ? end - offset : limit;
		bool last = offset + piece == length;

		put_be32(bhs + BHS_ITT, task->itt);
		put_be32(bhs + BHS_TTT, RESERVED_TAG);
		put_be32(bhs + BHS_DATA_SN, data_sn++);
		put_be32(bhs + BHS_OFFSET, offset);
		if (offset + piece == end)
			bhs[BHS_FLAGS] = FINAL;
		if (last && status) {
			bhs[BHS_FLAGS] = FINAL | DATA_IN_STATUS | residual.flags;
			put_be32(bhs + BHS_RESIDUAL, residual.count);
		}
		conn_stamp(conn, bhs, last && status);
		(void)conn_send_view(task, bhs, data + offset, piece, last && status, now);
		if (offset + piece == burst_end)
			burst_end += burst;
	}
	return data_sn;
}

/* SCSI Response; the task goes with it. `sent` = Data-In PDUs before it. */
static void send_response(struct iscsi_task *task, uint32_t sent, uint64_t now)
{
	struct iscsi_conn *conn = task->conn;
	const struct scsi_task *scsi = &task->scsi;
	struct residual residual = task_residual(task);
	uint8_t bhs[BHS_SIZE] = { OP_SCSI_RESPONSE, FINAL | residual.flags, 0,
		(uint8_t)scsi->status };
	uint32_t length = 0;

	put_be32(bhs + BHS_ITT, task->itt);
	put_be32(bhs + BHS_DATA_SN, sent);
	put_be32(bhs + BHS_RESIDUAL, residual.count);
	if (task->read_edtl > 0 && (task->flags & COMMAND_READ) && (task->flags & COMMAND_WRITE)) {
		bhs[BHS_FLAGS] |= RESPONSE_BIDI_UNDERFLOW;
		put_be32(bhs + BHS_OFFSET, task->read_edtl);
	}
	if (scsi->status == SCSI_CHECK_CONDITION && scsi->sense_length > 0) {
		put_be16(task->segment, scsi->sense_length);
		memcpy(task->segment + 2, scsi->sense, scsi->sense_length);
		length = 2u + scsi->sense_length;
	}
	if (sent == 0)
		task_drop_buffer(task);
	conn_stamp(conn, bhs, true);
	(void)conn_send_view(task, bhs, task->segment, length, true, now);
}

void command_respond(struct iscsi_task *task, uint64_t now)
{
	struct iscsi_conn *conn = task->conn;
	const struct scsi_task *scsi = &task->scsi;
	uint32_t length = 0, written = 0;
	bool collapse = scsi->status == SCSI_GOOD;

	/* Before anything is stamped: the response itself tells of the place in the window. */
	task_retire(task);
	if (task->executed && scsi->direction == SCSI_DATA_OUT && collapse) {
		written = scsi->out_length;
		conn->bytes_written += written;
	}
	if (task->executed && scsi->direction == SCSI_DATA_IN && (task->flags & COMMAND_READ))
		length = scsi->in_length < task->edtl ? scsi->in_length : task->edtl;
	conn->bytes_read += length;
	if (conn->worker->host->command)
		conn->worker->host->command(conn->owner, scsi, length + written, task->began);
	if (length > 0 && collapse) {
		(void)send_data(task, length, true, now);
		return;
	}
	send_response(task, length > 0 ? send_data(task, length, false, now) : 0, now);
}
