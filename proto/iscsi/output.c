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
	struct iscsi_task *task; /* freed with this PDU */
	const uint8_t *data;
	uint8_t *copy; /* owned: what `data` points to when it is neither `small` nor a task's */
	uint32_t data_length;
	uint8_t header_length;
	uint8_t tail_length;
	uint8_t header[BHS_SIZE + DIGEST_SIZE];
	uint8_t tail[3 + DIGEST_SIZE]; /* padding, data digest */
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
	if (pdu->task)
		task_free(pdu->task);
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

int conn_send_view(struct iscsi_conn *conn, uint8_t bhs[BHS_SIZE], const uint8_t *data,
	uint32_t length, struct iscsi_task *last, uint64_t now)
{
	struct output_pdu *pdu = pdu_new(conn, bhs, now);

	if (!pdu) {
		if (last)
			task_free(last);
		return -1;
	}
	pdu->data = data;
	pdu->data_length = length;
	pdu->task = last;
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

int iscsi_conn_output(struct iscsi_conn *conn, struct iovec *vectors, int capacity)
{
	uint32_t skip = conn->output.sent;
	int count = 0;

	for (struct output_pdu *pdu = conn->output.head; pdu; pdu = pdu->next) {
		const struct {
			const uint8_t *bytes;
			uint32_t length;
		} parts[] = {
			{ pdu->header, pdu->header_length },
			{ pdu->data, pdu->data_length },
			{ pdu->tail, pdu->tail_length },
		};
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			if (count == capacity)
				return count;
			count += vector_add(
				vectors + count, parts[i].bytes, parts[i].length, &skip);
		}
	}
	return count;
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
	if (!output->head)
		conn_disarm(conn, TIMER_OUTPUT);
	else if (conn->phase < ISCSI_PHASE_FINISHED)
		conn_arm(conn, TIMER_OUTPUT, now);
	conn_settle(conn, now);
}
