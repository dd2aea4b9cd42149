/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The byte stream, cut into PDUs (RFC 7143 sections 11.1, 11.2, 7.7, 7.8). Lengths are checked before
 * anything is allocated for them; data that is whole in the caller's bytes is read where it lies; what comes
 * in pieces goes straight to its command's buffer, or is gathered if it is not SCSI data.
 */
#include "proto/iscsi/full.h"

#include <stdlib.h>

#define LOGIN_DATA_MAX 8192u /* section 6.3: the default rules during login */
#define OUTPUT_HIGH                                                                                \
	(4u << 20)         /* bytes queued at which the peer must take some before it gives more */
#define OUTPUT_PDUS 16384u /* likewise PDUs */

/* A piece of the stream that is still to be read. */
struct piece {
	const uint8_t *at;
	size_t left;
};

bool iscsi_conn_wants_input(const struct iscsi_conn *conn)
{
	return conn->phase <= ISCSI_PHASE_FULL && conn->output.bytes < OUTPUT_HIGH &&
	       conn->output.count < OUTPUT_PDUS;
}

static void input_next(struct conn_input *input)
{
	free(input->gather);
	/* The other fields are set when the next header is there. */
	input->stage = INPUT_HEADER;
	input->have = input->room = 0;
	input->began = 0;
	input->gather = input->place = NULL;
	input->task = NULL;
	input->taken = false;
}

void input_end(struct iscsi_conn *conn)
{
	input_next(&conn->input);
}

/* Gives the PDU that has begun the time that is left of it; none has: no deadline. */
static void input_await(struct iscsi_conn *conn, uint64_t now)
{
	struct conn_input *input = &conn->input;

	if (conn->phase > ISCSI_PHASE_FULL)
		return;
	if (input->stage == INPUT_HEADER && input->have == 0) {
		conn_disarm(conn, TIMER_INPUT);
		return;
	}
	if (input->began == 0)
		input->began = now;
	uint64_t stalled = now + PDU_STALL_MS, whole = input->began + PDU_WHOLE_MS;
	conn_arm_at(conn, TIMER_INPUT, stalled < whole ? stalled : whole);
}

void input_excuse(struct iscsi_conn *conn, uint64_t now)
{
	conn->heard_at = conn->excused_at = now;
	conn->input.began = 0;
	input_await(conn, now);
}

void input_forget(struct iscsi_conn *conn, const struct iscsi_task *task)
{
	if (conn->input.task != task)
		return;
	conn->input.task = NULL;
	conn->input.place = NULL;
	conn->input.room = 0;
}

/* --- lengths --- */

static bool has_header_digest(const struct iscsi_conn *conn)
{
	return conn->full && conn->parameters.header_digest;
}

static bool has_data_digest(const struct iscsi_conn *conn)
{
	return conn->full && conn->parameters.data_digest;
}

static uint32_t padding(const struct conn_input *input)
{
	return -input->pdu.data_length & 3u;
}

static uint32_t stage_length(const struct iscsi_conn *conn)
{
	const struct conn_input *input = &conn->input;

	switch (input->stage) {
	case INPUT_HEADER:
		return BHS_SIZE;
	case INPUT_AHS:
		return input->pdu.ahs_length;
	case INPUT_HEADER_DIGEST:
		return has_header_digest(conn) ? DIGEST_SIZE : 0;
	case INPUT_DATA:
		return input->pdu.data_length;
	case INPUT_TAIL:
		break;
	}
	if (input->pdu.data_length == 0)
		return 0;
	return padding(input) + (has_data_digest(conn) ? DIGEST_SIZE : 0);
}

/* --- what a complete stage leads to --- */

static void header_complete(struct iscsi_conn *conn, uint64_t now)
{
	struct conn_input *input = &conn->input;
	uint32_t ahs = input->header[BHS_AHS_LENGTH] * 4u;
	bool allowed = conn->phase == ISCSI_PHASE_FULL && !conn->identity.discovery &&
		       (input->header[0] & OPCODE_MASK) == OP_SCSI_COMMAND;

	input->pdu = pdu_view(input->header);
	input->pdu.data_length = get_be24(input->header + BHS_DATA_LENGTH);
	if (ahs == 0)
		return;
	input->pdu.ahs_length = ahs;
	if (!allowed) {
		conn_protocol_error(conn, "an additional header where none is allowed", now);
		return;
	}
	input->pdu.ahs = input->gather = malloc(ahs);
	if (!input->gather)
		conn_enter(conn, ISCSI_PHASE_RESET, now);
}

/* The whole header has come: from here on it is believed. */
static void header_verified(struct iscsi_conn *conn, uint64_t now)
{
	struct conn_input *input = &conn->input;
	uint32_t most = conn->full ? conn->parameters.target_max_recv : LOGIN_DATA_MAX;
	uint8_t digest[DIGEST_SIZE];

	if (has_header_digest(conn)) {
		uint32_t crc = digest_update(DIGEST_START, input->header, BHS_SIZE);
		digest_finish(digest_update(crc, input->gather, input->pdu.ahs_length), digest);
		if (memcmp(digest, input->tail, DIGEST_SIZE) != 0) {
			conn_protocol_error(conn, "a header digest error", now);
			return;
		}
	}
	if (input->pdu.data_length > most) {
		conn_protocol_error(conn, "a data segment longer than declared", now);
		return;
	}
	input->crc = DIGEST_START;
	input->in_full = conn->full;
	if (conn->full)
		full_header(conn, &input->pdu, now);
}

static bool data_is_good(const struct iscsi_conn *conn)
{
	const struct conn_input *input = &conn->input;
	uint8_t digest[DIGEST_SIZE];

	if (!has_data_digest(conn) || input->pdu.data_length == 0)
		return true;
	digest_finish(digest_update(input->crc, input->tail, padding(input)), digest);
	return memcmp(digest, input->tail + padding(input), DIGEST_SIZE) == 0;
}

/* `view`: the data where it lies in the caller's buffer, or NULL. */
static void pdu_complete(struct iscsi_conn *conn, const uint8_t *view, uint64_t now)
{
	struct conn_input *input = &conn->input;
	struct iscsi_pdu *pdu = &input->pdu;

	pdu->data = view || input->taken ? view : input->gather;
	if (conn->full != input->in_full)
		conn_protocol_error(conn, "a request before the end of the login", now);
	else if (!conn->full)
		login_receive(conn, pdu, now);
	else if (!input->taken || input->task)
		full_receive(conn, pdu, data_is_good(conn), now);
	input_next(input);
}

static void stage_complete(struct iscsi_conn *conn, const uint8_t **view, uint64_t now)
{
	struct conn_input *input = &conn->input;
	enum input_stage stage = input->stage;

	input->stage = stage + 1;
	input->have = 0;
	switch (stage) {
	case INPUT_HEADER:
		header_complete(conn, now);
		break;
	case INPUT_HEADER_DIGEST:
		header_verified(conn, now);
		break;
	case INPUT_TAIL:
		pdu_complete(conn, *view, now);
		*view = NULL;
		break;
	case INPUT_AHS:
	case INPUT_DATA:
		break;
	}
}

/* --- bytes --- */

/* Read where it lies if all of it is there; else it needs a place. */
static int data_begin(struct iscsi_conn *conn, const struct piece *piece, const uint8_t **view)
{
	struct conn_input *input = &conn->input;
	size_t tail = padding(input) + (has_data_digest(conn) ? DIGEST_SIZE : 0);

	if (input->have > 0)
		return 0;
	if (piece->left >= input->pdu.data_length + tail) {
		*view = piece->at;
		return 0;
	}
	if (input->taken)
		return 0;
	input->gather = malloc(input->pdu.data_length);
	input->place = input->gather;
	input->room = input->pdu.data_length;
	return input->gather ? 0 : -1;
}

static void stage_store(
	struct iscsi_conn *conn, const uint8_t *bytes, uint32_t length, const uint8_t *view)
{
	struct conn_input *input = &conn->input;
	uint8_t *at = NULL;
	uint32_t room = length;

	switch (input->stage) {
	case INPUT_HEADER:
		at = input->header + input->have;
		break;
	case INPUT_AHS:
		at = input->gather + input->have;
		break;
	case INPUT_HEADER_DIGEST:
	case INPUT_TAIL:
		at = input->tail + input->have;
		break;
	case INPUT_DATA:
		if (has_data_digest(conn))
			input->crc = digest_update(input->crc, bytes, length);
		room = input->have < input->room ? input->room - input->have : 0;
		at = input->place && !view ? input->place + input->have : NULL;
		break;
	}
	if (at && room > 0)
		memcpy(at, bytes, length < room ? length : room);
	input->have += length;
}

/* Takes what there is of the present stage; whether that is all of it. */
static bool stage_fill(
	struct iscsi_conn *conn, struct piece *piece, const uint8_t **view, uint64_t now)
{
	struct conn_input *input = &conn->input;
	uint32_t want = stage_length(conn) - input->have;

	if (want == 0)
		return true;
	if (piece->left == 0)
		return false;
	if (input->stage == INPUT_DATA && data_begin(conn, piece, view)) {
		conn_enter(conn, ISCSI_PHASE_RESET, now);
		return false;
	}
	uint32_t length = piece->left < want ? (uint32_t)piece->left : want;
	stage_store(conn, piece->at, length, *view);
	piece->at += length;
	piece->left -= length;
	return length == want;
}

size_t iscsi_conn_direct(const struct iscsi_conn *conn, uint8_t **at)
{
	const struct conn_input *input = &conn->input;

	if (input->stage != INPUT_DATA || !input->place || input->have >= input->room)
		return 0;
	*at = input->place + input->have;
	return input->room - input->have;
}

void iscsi_conn_received(
	struct iscsi_conn *conn, size_t direct, const uint8_t *bytes, size_t length, uint64_t now)
{
	struct conn_input *input = &conn->input;
	struct piece piece = { bytes, length };
	const uint8_t *view = NULL;

	conn->heard_at = now;
	conn->pinged = false;
	if (direct > 0 && conn->phase <= ISCSI_PHASE_FULL && input->stage == INPUT_DATA) {
		if (has_data_digest(conn) && input->place)
			input->crc = digest_update(input->crc, input->place + input->have, direct);
		input->have += (uint32_t)direct;
	}
	while (conn->phase <= ISCSI_PHASE_FULL && stage_fill(conn, &piece, &view, now))
		stage_complete(conn, &view, now);
	input_await(conn, now);
	conn_settle(conn, now);
}
