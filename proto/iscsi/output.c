/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is to be sent: a queue of finished PDUs, handed to the transport as vectors that point to
 * where the bytes lie, so that read data is never copied (RFC 7143 sections 11.1 and 11.2).
 */
#include "proto/iscsi/connection.h"
#include "proto/iscsi/full.h"

#include <assert.h>
#include <stdlib.h>

#define SMALL_DATA (BHS_SIZE + 16u) /* sense data, a rejected header: no allocation for them */

struct output_pdu {
	struct output_pdu *next;
	struct iscsi_task *task; /* whose data it is; NULL: nobody's */
	bool last;               /* its task is freed with it */
	const uint8_t *data;
	uint8_t *copy; /* owned: what `data` points to when it is neither `small` nor a task's */
	uint32_t data_length;
	uint8_t header_length;
	uint8_t tail_length;
	uint8_t header[BHS_SIZE + DIGEST_SIZE];
	uint8_t tail[3 + DIGEST_SIZE]; /* padding, data digest */
	/* Of the data, what stands in `kept` instead: the rest of a block that was sent in part. */
	uint32_t kept_at, kept_length;
	uint8_t *kept; /* owned, a buffer of SCSI_KEPT_MAX */
	uint8_t small[SMALL_DATA];
};

size_t iscsi_pdu_size(void)
{
	return sizeof(struct output_pdu);
}

static size_t pdu_bytes(const struct output_pdu *pdu)
{
	return (size_t)pdu->header_length + pdu->data_length + pdu->tail_length;
}

static void pdu_free(struct iscsi_conn *conn, struct output_pdu *pdu)
{
	if (pdu->last)
		task_free(pdu->task);
	buffer_put(conn->worker->buffers, pdu->kept, SCSI_KEPT_MAX);
	if (pdu->copy)
		free(pdu->copy);
	pool_put(conn->worker->pdus, pdu);
}

/* Length, padding and digests: the header must be complete now. */
static void pdu_seal(const struct iscsi_conn *conn, struct output_pdu *pdu)
{
	uint32_t padding = -pdu->data_length & 3u;

	put_be24(pdu->header + BHS_DATA_LENGTH, pdu->data_length);
	pdu->header_length = BHS_SIZE;
	pdu->tail_length = (uint8_t)padding;
	if (conn->full && conn->parameters.header_digest) {
		digest_finish(
			digest_update(DIGEST_START, pdu->header, BHS_SIZE), pdu->header + BHS_SIZE);
		pdu->header_length = BHS_SIZE + DIGEST_SIZE;
	}
	if (conn->full && conn->parameters.data_digest && pdu->data_length > 0) {
		uint32_t crc = digest_update(DIGEST_START, pdu->data, pdu->data_length);
		digest_finish(digest_update(crc, pdu->tail, padding), pdu->tail + padding);
		pdu->tail_length = (uint8_t)(padding + DIGEST_SIZE);
	}
}

static void pdu_queue(struct iscsi_conn *conn, struct output_pdu *pdu, uint64_t now)
{
	struct conn_output *output = &conn->output;

	if (!output->head) {
		output->last = &output->head;
		if (conn->phase < ISCSI_PHASE_FINISHED)
			conn_arm(conn, TIMER_OUTPUT, now);
	}
	*output->last = pdu;
	output->last = &pdu->next;
	output->count++;
	output->bytes += pdu_bytes(pdu);
	conn->worker->host->wake(conn->owner);
}

/* A PDU with its header, or NULL: the connection is then RESET. */
static struct output_pdu *pdu_new(struct iscsi_conn *conn, const uint8_t *bhs, uint64_t now)
{
	struct output_pdu *pdu = pool_get(conn->worker->pdus);

	if (!pdu) {
		conn_enter(conn, ISCSI_PHASE_RESET, now);
		return NULL;
	}
	memcpy(pdu->header, bhs, BHS_SIZE);
	return pdu;
}

int conn_send(struct iscsi_conn *conn, uint8_t bhs[BHS_SIZE], const void *data, uint32_t length,
	uint64_t now)
{
	struct output_pdu *pdu = pdu_new(conn, bhs, now);

	if (!pdu)
		return -1;
	uint8_t *place = pdu->small;
	if (length > sizeof(pdu->small)) {
		place = pdu->copy = malloc(length);
		if (!place) {
			pdu_free(conn, pdu);
			conn_enter(conn, ISCSI_PHASE_RESET, now);
			return -1;
		}
	}
	if (length > 0)
		memcpy(place, data, length);
	pdu->data = place;
	pdu->data_length = length;
	pdu_seal(conn, pdu);
	pdu_queue(conn, pdu, now);
	return 0;
}

int conn_send_view(struct iscsi_task *task, uint8_t bhs[BHS_SIZE], const uint8_t *data,
	uint32_t length, bool last, uint64_t now)
{
	struct iscsi_conn *conn = task->conn;
	struct output_pdu *pdu = pdu_new(conn, bhs, now);

	if (!pdu) {
		if (last)
			task_free(task);
		return -1;
	}
	pdu->data = data;
	pdu->data_length = length;
	pdu->task = task;
	pdu->last = last;
	pdu_seal(conn, pdu);
	pdu_queue(conn, pdu, now);
	return 0;
}

void conn_stamp(struct iscsi_conn *conn, uint8_t bhs[BHS_SIZE], bool counts)
{
	put_be32(bhs + BHS_STAT_SN, conn->stat_sn);
	put_be32(bhs + BHS_EXP_CMD_SN, conn->exp_cmd_sn);
	put_be32(bhs + BHS_MAX_CMD_SN, conn->max_cmd_sn);
	conn->max_cmd_sn_sent = conn->max_cmd_sn;
	if (counts)
		conn->stat_sn++;
}

void conn_reject(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, enum iscsi_reject reason,
	uint64_t now)
{
	uint8_t bhs[BHS_SIZE] = { OP_REJECT, FINAL, (uint8_t)reason };
	uint8_t bad[BHS_SIZE + AHS_SIZE_MAX];
	uint32_t length = BHS_SIZE + pdu->ahs_length;
	uint32_t most = conn->parameters.initiator_max_recv;

	memcpy(bad, pdu->bhs, BHS_SIZE);
	if (pdu->ahs_length > 0)
		memcpy(bad + BHS_SIZE, pdu->ahs, pdu->ahs_length);
	put_be32(bhs + BHS_ITT, RESERVED_TAG);
	conn_stamp(conn, bhs, true);
	(void)conn_send(conn, bhs, bad, length < most ? length : most, now);
}

void output_drop(struct iscsi_conn *conn)
{
	struct conn_output *output = &conn->output;

	while (output->head) {
		struct output_pdu *pdu = output->head;
		output->head = pdu->next;
		pdu_free(conn, pdu);
	}
	output->last = &output->head;
	output->count = output->sent = 0;
	output->bytes = 0;
	conn_disarm(conn, TIMER_OUTPUT);
}

bool iscsi_conn_has_views(const struct iscsi_conn *conn)
{
	return conn->views > 0;
}

/* Adds the part of `bytes` that lies beyond *skip; less is then left to skip. */
static int vector_add(struct iovec *vector, const uint8_t *bytes, uint32_t length, uint32_t *skip)
{
	if (*skip >= length) {
		*skip -= length;
		return 0;
	}
	vector->iov_base = (uint8_t *)(uintptr_t)bytes + *skip;
	vector->iov_len = length - *skip;
	*skip = 0;
	return 1;
}

/* The data of a PDU of which a part stands elsewhere: up to three vectors. */
static int data_add(struct iovec *vectors, int room, const struct output_pdu *pdu, uint32_t *skip)
{
	const uint32_t behind = pdu->kept_at + pdu->kept_length;
	int count = 0;

	if (room > count)
		count += vector_add(vectors + count, pdu->data, pdu->kept_at, skip);
	if (room > count)
		count += vector_add(vectors + count, pdu->kept, pdu->kept_length, skip);
	if (room > count)
		count += vector_add(
			vectors + count, pdu->data + behind, pdu->data_length - behind, skip);
	return count;
}

int iscsi_conn_output(struct iscsi_conn *conn, struct iovec *vectors, int capacity)
{
	uint32_t skip = conn->output.sent;
	int count = 0;

	for (struct output_pdu *pdu = conn->output.head; pdu; pdu = pdu->next) {
		if (count < capacity)
			count += vector_add(
				vectors + count, pdu->header, pdu->header_length, &skip);
		if (pdu->kept_length > 0)
			count += data_add(vectors + count, capacity - count, pdu, &skip);
		else if (count < capacity)
			count += vector_add(vectors + count, pdu->data, pdu->data_length, &skip);
		if (count == capacity)
			break;
		count += vector_add(vectors + count, pdu->tail, pdu->tail_length, &skip);
	}
	return count;
}

/*
 * Sending stopped within data that is sent from where it lies, and may go on much later: what is written there until
 * then must not show in the second half of a block.
 */
static void keep_block(struct iscsi_conn *conn, struct output_pdu *pdu, uint32_t sent)
{
	const uint32_t at = sent - pdu->header_length;

	if (sent <= pdu->header_length || at >= pdu->data_length || !pdu->task ||
		!pdu->task->scsi.view || at < pdu->kept_at + pdu->kept_length)
		return;
	if (!pdu->kept)
		pdu->kept = buffer_get(conn->worker->buffers, SCSI_KEPT_MAX);
	if (!pdu->kept)
		return;
	struct scsi_task *scsi = &pdu->task->scsi;
	const uint32_t in_view = (uint32_t)(pdu->data - scsi->view) + at;
	const uint32_t left = pdu->data_length - at;
	const uint32_t rest = scsi_task_keep(scsi, in_view, pdu->kept);
	pdu->kept_at = at;
	pdu->kept_length = rest < left ? rest : left;
}

void iscsi_conn_sent(struct iscsi_conn *conn, size_t length, uint64_t now)
{
	struct conn_output *output = &conn->output;

	assert(length <= output->bytes);
	if (!iscsi_conn_wants_input(conn))
		input_excuse(conn, now);
	output->bytes -= length;
	while (output->head && length >= pdu_bytes(output->head) - output->sent) {
		struct output_pdu *pdu = output->head;
		length -= pdu_bytes(pdu) - output->sent;
		output->sent = 0;
		output->head = pdu->next;
		output->count--;
		pdu_free(conn, pdu);
	}
	output->sent += (uint32_t)length;
	if (output->head && conn->views > 0)
		keep_block(conn, output->head, output->sent);
	if (!output->head)
		conn_disarm(conn, TIMER_OUTPUT);
	else if (conn->phase < ISCSI_PHASE_FINISHED)
		conn_arm(conn, TIMER_OUTPUT, now);
	conn_settle(conn, now);
}
