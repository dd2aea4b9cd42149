/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Command numbering (RFC 7143 section 4.2.2.1): commands run in CmdSN order; what comes ahead of its
 * turn is held. The window moves on when a command ends, not when it arrives, so that it bounds how
 * many a connection has under way.
 */
#include "proto/iscsi/full.h"

#include <stdlib.h>

struct held_pdu {
	struct held_pdu *next;
	uint32_t cmd_sn;
	struct iscsi_task *task; /* a command */
	uint32_t data_length;
	bool other; /* any other PDU: `header`, `data` */
	uint8_t header[BHS_SIZE];
	uint8_t data[];
};

enum sequence_place sequence_judge(const struct iscsi_conn *conn, uint32_t cmd_sn)
{
	if (cmd_sn == conn->exp_cmd_sn)
		return serial_upto(cmd_sn, conn->max_cmd_sn) ? SEQUENCE_TURN : SEQUENCE_IGNORE;
	if (serial_before(cmd_sn, conn->exp_cmd_sn) || !serial_upto(cmd_sn, conn->max_cmd_sn))
		return SEQUENCE_IGNORE;
	for (const struct held_pdu *held = conn->held; held; held = held->next)
		if (held->cmd_sn == cmd_sn)
			return SEQUENCE_IGNORE;
	return SEQUENCE_EARLY;
}

static size_t held_bytes(const struct iscsi_conn *conn)
{
	size_t bytes = 0;

	for (const struct held_pdu *held = conn->held; held; held = held->next)
		bytes += held->data_length;
	return bytes;
}

int sequence_hold(struct iscsi_conn *conn, uint32_t cmd_sn, struct iscsi_task *task,
	const struct iscsi_pdu *pdu)
{
	size_t length = pdu ? pdu->data_length : 0;

	if (held_bytes(conn) + length > HELD_BYTES_MAX)
		return -1;
	struct held_pdu *held = calloc(1, sizeof(*held) + length);
	if (!held)
		return -1;
	held->cmd_sn = cmd_sn;
	held->task = task;
	if (pdu) {
		held->other = true;
		held->data_length = (uint32_t)length;
		memcpy(held->header, pdu->bhs, BHS_SIZE);
		if (length > 0)
			memcpy(held->data, pdu->data, length);
	}
	struct held_pdu **at = &conn->held;
	while (*at && serial_before((*at)->cmd_sn, cmd_sn))
		at = &(*at)->next;
	held->next = *at;
	*at = held;
	return 0;
}

void sequence_return_credit(struct iscsi_conn *conn)
{
	/* A closing connection takes no more commands. */
	if (conn->phase == ISCSI_PHASE_FULL)
		conn->max_cmd_sn++;
}

static void deliver(struct iscsi_conn *conn, struct held_pdu *held, uint64_t now)
{
	if (held->task) {
		held->task->credit = true;
		command_deliver(held->task, now);
		return;
	}
	sequence_return_credit(conn);
	if (!held->other)
		return;
	struct iscsi_pdu pdu = pdu_view(held->header);
	pdu.data = held->data;
	pdu.data_length = held->data_length;
	full_dispatch(conn, &pdu, now);
}

void sequence_run(struct iscsi_conn *conn, uint64_t now)
{
	while (conn->phase == ISCSI_PHASE_FULL && conn->held &&
		conn->held->cmd_sn == conn->exp_cmd_sn) {
		struct held_pdu *held = conn->held;
		conn->held = held->next;
		conn->exp_cmd_sn++;
		deliver(conn, held, now);
		free(held);
	}
}

static void drop_first(struct iscsi_conn *conn)
{
	struct held_pdu *held = conn->held;

	conn->held = held->next;
	if (held->task)
		task_free(held->task);
	free(held);
}

void sequence_skip(struct iscsi_conn *conn, uint32_t cmd_sn)
{
	while (conn->held && serial_before(conn->held->cmd_sn, cmd_sn))
		drop_first(conn);
	/* Never beyond what the window let the initiator number. */
	while (serial_before(conn->exp_cmd_sn, cmd_sn) &&
		serial_upto(conn->exp_cmd_sn, conn->max_cmd_sn)) {
		conn->exp_cmd_sn++;
		sequence_return_credit(conn);
	}
}

void sequence_forget(struct iscsi_conn *conn, const struct iscsi_task *task)
{
	for (struct held_pdu *held = conn->held; held; held = held->next)
		if (held->task == task)
			held->task = NULL;
}

void sequence_end(struct iscsi_conn *conn)
{
	while (conn->held)
		drop_first(conn);
}
