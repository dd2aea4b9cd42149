/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The full feature phase: which request is allowed in which session and who handles it, NOP, Logout,
 * and the last word (RFC 7143 sections 11.9, 11.14, 11.15, 11.18, 11.19).
 */
#include "proto/iscsi/full.h"

#define BHS_CID         20 /* Logout Request */
#define BHS_ASYNC_EVENT 36
#define BHS_TIME2WAIT   40 /* Logout Response */
#define BHS_PARAMETER3  42 /* Asynchronous Message */

typedef void header_handler(struct iscsi_conn *, const struct iscsi_pdu *, uint64_t);
typedef void data_handler(struct iscsi_conn *, const struct iscsi_pdu *, bool, uint64_t);

/* Reads as a rule: what may be done with a request. */
struct request_rule {
	bool known;
	bool numbered;  /* has a CmdSN that is consumed unless it is immediate */
	bool discovery; /* allowed in a discovery session too */
	bool may_have_data;
	enum iscsi_reject refusal; /* not 0: never served */
	header_handler *header;    /* takes the data segment itself, as it comes */
	data_handler *data;        /* then: the PDU is complete */
	header_handler *run;       /* else: in CmdSN order, with its data */
};

/* --- NOP, sections 11.18 and 11.19 --- */

static void send_nop_in(struct iscsi_conn *conn, uint32_t itt, uint32_t ttt, const uint8_t *data,
	uint32_t length, uint64_t now)
{
	uint8_t bhs[BHS_SIZE] = { OP_NOP_IN, FINAL };

	put_be32(bhs + BHS_ITT, itt);
	put_be32(bhs + BHS_TTT, ttt);
	conn_stamp(conn, bhs, itt != RESERVED_TAG);
	(void)conn_send(conn, bhs, data, length, now);
}

static void nop_receive(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	uint32_t most = conn->parameters.initiator_max_recv;

	if (pdu->itt == RESERVED_TAG) {
		if (conn->ping_tag != 0 && get_be32(pdu->bhs + BHS_TTT) == conn->ping_tag)
			conn->answers_pings = true;
		return;
	}
	send_nop_in(conn, pdu->itt, RESERVED_TAG, pdu->data,
		pdu->data_length < most ? pdu->data_length : most, now);
}

void peer_silent(struct iscsi_conn *conn, uint64_t now)
{
	conn_arm(conn, TIMER_PEER, conn->heard_at);
	if (conn->timers[TIMER_PEER] > now)
		return;
	if (conn->identity.discovery) {
		conn_event(conn, ISCSI_EVENT_TIMEOUT, 0, "a request in a discovery session");
		iscsi_conn_close(conn, ISCSI_CLOSE_CLEAN, now);
		return;
	}
	/*
	 * Some initiators never answer a ping (iPXE). Only one that has answered before is given up; of
	 * the others, between two PDUs, the transport's own keepalive decides.
	 */
	if (conn->pinged && conn->answers_pings) {
		conn_disarm(conn, TIMER_PEER);
		conn_event(conn, ISCSI_EVENT_TIMEOUT, 0, "the answer to a ping");
		iscsi_conn_close(conn, ISCSI_CLOSE_CLEAN, now);
		return;
	}
	conn->pinged = true;
	if (++conn->ping_tag == RESERVED_TAG)
		conn->ping_tag = 1;
	send_nop_in(conn, RESERVED_TAG, conn->ping_tag, NULL, 0, now);
	conn_arm(conn, TIMER_PEER, now);
}

/* --- Logout, sections 11.14 and 11.15 --- */

enum logout_reason { CLOSE_SESSION, CLOSE_CONNECTION, REMOVE_FOR_RECOVERY, LOGOUT_REASONS };
enum logout_response { LOGOUT_DONE = 0, LOGOUT_NO_CID = 1, LOGOUT_NO_RECOVERY = 2 };

static void logout_receive(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	uint8_t bhs[BHS_SIZE] = { OP_LOGOUT_RESPONSE, FINAL };
	uint8_t reason = pdu->flags & 0x7f;
	enum logout_response response = LOGOUT_DONE;

	if (reason >= LOGOUT_REASONS || pdu->itt == RESERVED_TAG) {
		conn_reject(conn, pdu, REJECT_INVALID_FIELD, now);
		return;
	}
	if (reason != CLOSE_SESSION && get_be16(pdu->bhs + BHS_CID) != conn->identity.cid)
		response = LOGOUT_NO_CID;
	else if (reason == REMOVE_FOR_RECOVERY)
		response = LOGOUT_NO_RECOVERY;
	bhs[2] = (uint8_t)response;
	if (response == LOGOUT_NO_RECOVERY)
		put_be16(bhs + BHS_TIME2WAIT, (uint16_t)conn->parameters.default_time2wait);
	put_be32(bhs + BHS_ITT, pdu->itt);
	conn_stamp(conn, bhs, true);
	(void)conn_send(conn, bhs, NULL, 0, now);
	if (response != LOGOUT_DONE)
		return;
	conn_event(conn, ISCSI_EVENT_LOGGED_OUT, 0, NULL);
	conn_enter(conn, ISCSI_PHASE_FINISHED, now);
}

/* --- the table --- */

static const struct request_rule rules[OPCODE_MASK + 1] = {
	[OP_NOP_OUT] = {
		.known = true, .numbered = true, .discovery = true, .may_have_data = true,
		.run = nop_receive,
	},
	[OP_SCSI_COMMAND] = {
		.known = true, .may_have_data = true,
		.header = command_header, .data = command_receive,
	},
	[OP_TASK_MANAGEMENT] = {
		.known = true, .numbered = true, .run = tmf_receive,
	},
	[OP_LOGIN_REQUEST] = {
		.known = true, .may_have_data = true, .refusal = REJECT_PROTOCOL,
	},
	[OP_TEXT_REQUEST] = {
		.known = true, .numbered = true, .discovery = true, .may_have_data = true,
		.run = text_receive,
	},
	[OP_DATA_OUT] = {
		.known = true, .may_have_data = true,
		.header = dataout_header, .data = dataout_receive,
	},
	[OP_LOGOUT_REQUEST] = {
		.known = true, .numbered = true, .discovery = true, .run = logout_receive,
	},
	[OP_SNACK] = {
		.known = true, .refusal = REJECT_NOT_SUPPORTED,
	},
};

/* The reason to reject a request of this kind in this session; 0: it is served. */
static enum iscsi_reject refusal(const struct iscsi_conn *conn, const struct request_rule *rule)
{
	if (!rule->known || (conn->identity.discovery && !rule->discovery && !rule->refusal))
		return REJECT_NOT_SUPPORTED;
	return rule->refusal;
}

void full_header(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	const struct request_rule *rule = &rules[pdu->opcode];
	enum iscsi_reject reason = refusal(conn, rule);

	if (pdu->opcode & TARGET_OPCODE) {
		conn_protocol_error(conn, "a response from the initiator", now);
		return;
	}
	if (rule->known && !rule->may_have_data && pdu->data_length > 0) {
		conn_protocol_error(conn, "a data segment where none is allowed", now);
		return;
	}
	conn->input.taken = reason || rule->header;
	if (reason)
		conn_reject(conn, pdu, reason, now);
	else if (rule->header)
		rule->header(conn, pdu, now);
}

void full_dispatch(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	rules[pdu->opcode].run(conn, pdu, now);
}

/* A request that is numbered but no command: its place in the window is free as soon as it runs. */
static void receive_numbered(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	uint32_t cmd_sn = get_be32(pdu->bhs + BHS_CMD_SN);

	switch (sequence_judge(conn, cmd_sn)) {
	case SEQUENCE_TURN:
		conn->exp_cmd_sn++;
		sequence_return_credit(conn);
		full_dispatch(conn, pdu, now);
		break;
	case SEQUENCE_EARLY:
		if (sequence_hold(conn, cmd_sn, NULL, pdu))
			conn_reject(conn, pdu, REJECT_OUT_OF_RESOURCES, now);
		break;
	case SEQUENCE_IGNORE:
		break;
	}
}

void full_receive(
	struct iscsi_conn *conn, const struct iscsi_pdu *pdu, bool digest_good, uint64_t now)
{
	const struct request_rule *rule = &rules[pdu->opcode];

	if (rule->data)
		rule->data(conn, pdu, digest_good, now);
	else if (!digest_good)
		conn_reject(conn, pdu, REJECT_DATA_DIGEST, now);
	else if (rule->numbered && !pdu->immediate)
		receive_numbered(conn, pdu, now);
	else
		full_dispatch(conn, pdu, now);
	sequence_run(conn, now);
}

/* --- the phase as a whole --- */

void full_begin(struct iscsi_conn *conn, uint64_t now)
{
	conn->full = true;
	conn->serial = SERIAL_START;
	conn->max_cmd_sn_sent = conn->max_cmd_sn;
	conn->heard_at = now;
	if (conn->grant.nexus)
		scsi_nexus_set_protocol_level(conn->grant.nexus, conn->parameters.protocol_level);
	conn_arm(conn, TIMER_PEER, now);
}

/*
 * Section 11.4.11: the window has grown and no PDU has told. The response to a task management function
 * will tell soon, but an initiator before a closed window should not wait for it.
 */
static void tell_window(struct iscsi_conn *conn, uint64_t now)
{
	bool closed = conn->max_cmd_sn_sent + 1 == conn->exp_cmd_sn;

	if (conn->phase != ISCSI_PHASE_FULL || conn->identity.discovery ||
		conn->max_cmd_sn == conn->max_cmd_sn_sent || (conn->tmfs && !closed))
		return;
	send_nop_in(conn, RESERVED_TAG, RESERVED_TAG, NULL, 0, now);
}

void full_settle(struct iscsi_conn *conn, uint64_t now)
{
	sequence_run(conn, now);
	command_unbar(conn, now);
	command_unpark(conn, now);
	tmf_settle(conn, now);
	tell_window(conn, now);
}

static bool is_incomplete(const struct iscsi_task *task)
{
	return task->state == TASK_RECEIVING || task->state == TASK_HELD ||
	       task->state == TASK_GATHERING ||
	       ((task->state == TASK_PARKED || task->state == TASK_BARRED) &&
		       task->received < task->want);
}

void full_drop_incomplete(struct iscsi_conn *conn)
{
	struct iscsi_task *younger;

	sequence_end(conn);
	for (struct iscsi_task *task = conn->first_task; task; task = younger) {
		younger = task->younger;
		if (is_incomplete(task))
			task_free(task);
	}
	tmf_drop_waiting(conn);
}

bool full_is_quiet(const struct iscsi_conn *conn)
{
	for (const struct iscsi_task *task = conn->first_task; task; task = task->younger)
		if (!task->fenced)
			return false;
	return !tmf_owes(conn);
}

/* --- Asynchronous Message, section 11.9 --- */

enum async_event { LOGOUT_REQUEST = 1, SESSION_DROP = 3 };

static void send_async(
	struct iscsi_conn *conn, enum async_event event, uint16_t parameter3, uint64_t now)
{
	uint8_t bhs[BHS_SIZE] = { OP_ASYNC_MESSAGE, FINAL };

	if (conn->identity.discovery)
		return;
	put_be32(bhs + BHS_ITT, RESERVED_TAG);
	bhs[BHS_ASYNC_EVENT] = (uint8_t)event;
	put_be16(bhs + BHS_PARAMETER3, parameter3);
	conn_stamp(conn, bhs, true);
	(void)conn_send(conn, bhs, NULL, 0, now);
}

void full_farewell(struct iscsi_conn *conn, uint64_t now)
{
	send_async(conn, SESSION_DROP, 0, now);
}

void full_request_logout(struct iscsi_conn *conn, uint64_t now)
{
	send_async(conn, LOGOUT_REQUEST, ISCSI_LOGOUT_SECONDS, now);
}

void full_end(struct iscsi_conn *conn)
{
	struct iscsi_task *younger;

	sequence_end(conn);
	tmf_end(conn);
	for (struct iscsi_task *task = conn->first_task; task; task = younger) {
		younger = task->younger;
		task_abort(task, NULL);
	}
}
