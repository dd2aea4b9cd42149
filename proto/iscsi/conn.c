/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection's life: its phases, its deadlines and its end (RFC 7143 sections 4.2.4, 4.2.6, 7.14;
 * doc/architecture.md K5). All that touches several phases at once stands here.
 */
#include "proto/iscsi/connection.h"
#include "proto/iscsi/full.h"

#include <assert.h>
#include <stdlib.h>

/* Milliseconds from conn_arm() to the handler's call. */
static const uint32_t delays[TIMERS] = {
	[TIMER_LOGIN] = LOGIN_TIMEOUT_MS,
	[TIMER_OUTPUT] = 60000,
	[TIMER_INPUT] = PDU_STALL_MS,
	/* Then a normal session is asked; a discovery session is over: what it wanted to know it has asked long ago. */
	[TIMER_PEER] = 60000,
	[TIMER_DATA] = 60000,
	[TIMER_TASKS] = 1000,
	[TIMER_LOGOUT] = ISCSI_LOGOUT_SECONDS * 1000,
	[TIMER_CLOSE] = 2000,
};
#define CLOSING_OUTPUT_MS 2000u /* what a peer has to take our last words */

_Static_assert(sizeof(struct iscsi_conn) < 1536, "an idle connection stays small");

struct iscsi_conn *iscsi_conn_new(const struct iscsi_worker *worker, void *owner, uint64_t now)
{
	struct iscsi_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->login = login_new();
	if (!conn->login) {
		free(conn);
		return NULL;
	}
	conn->worker = worker;
	conn->owner = owner;
	conn->output.last = &conn->output.head;
	conn->parked_last = &conn->parked;
	iscsi_parameters_default(&conn->parameters);
	for (unsigned i = 0; i < TIMERS; i++)
		conn->timers[i] = ISCSI_NO_DEADLINE;
	conn_arm(conn, TIMER_LOGIN, now);
	return conn;
}

static void conn_clean(struct iscsi_conn *conn)
{
	conn->cleaned = true;
	input_end(conn);
	text_free(conn->text);
	conn->text = NULL;
	full_end(conn);
}

void iscsi_conn_free(struct iscsi_conn *conn)
{
	if (!conn)
		return;
	if (!conn->cleaned)
		conn_clean(conn);
	output_drop(conn);
	login_free(conn->login);
	assert(!iscsi_conn_busy(conn));
	free(conn);
}

void conn_enter(struct iscsi_conn *conn, enum iscsi_phase phase, uint64_t now)
{
	if (phase <= conn->phase)
		return;
	conn->phase = phase;
	conn_disarm(conn, TIMER_LOGIN);
	if (phase >= ISCSI_PHASE_CLOSING) {
		for (unsigned i = 0; i < TIMERS; i++)
			if (i != TIMER_TASKS || phase >= ISCSI_PHASE_FINISHED)
				conn_disarm(conn, i);
		if (conn->output.head)
			conn_arm(conn, TIMER_OUTPUT, now);
	}
	if (phase == ISCSI_PHASE_CLOSING)
		conn_arm(conn, TIMER_CLOSE, now);
	conn->worker->host->wake(conn->owner);
}

void conn_protocol_error(struct iscsi_conn *conn, const char *what, uint64_t now)
{
	conn_event(conn, ISCSI_EVENT_PROTOCOL_ERROR, 0, what);
	conn_enter(conn, ISCSI_PHASE_FINISHED, now);
}

void conn_event(
	struct iscsi_conn *conn, enum iscsi_event_kind kind, uint32_t number, const char *text)
{
	struct iscsi_event event = { .kind = kind, .number = number, .text = text };

	if (kind == ISCSI_EVENT_LOGIN_REFUSED) {
		event.status.class = (uint8_t)(number >> 8);
		event.status.detail = (uint8_t)number;
	}
	conn->worker->host->event(conn->owner, &event);
}

/* --- time --- */

void conn_arm_at(struct iscsi_conn *conn, enum conn_timer timer, uint64_t at)
{
	conn->timers[timer] = at;
}

void conn_arm(struct iscsi_conn *conn, enum conn_timer timer, uint64_t now)
{
	uint32_t delay = delays[timer];

	if (timer == TIMER_OUTPUT && conn->phase >= ISCSI_PHASE_CLOSING)
		delay = CLOSING_OUTPUT_MS;
	conn_arm_at(conn, timer, now ? now + delay : 0);
}

void conn_disarm(struct iscsi_conn *conn, enum conn_timer timer)
{
	conn_arm_at(conn, timer, ISCSI_NO_DEADLINE);
}

uint64_t iscsi_conn_deadline(const struct iscsi_conn *conn)
{
	uint64_t deadline = ISCSI_NO_DEADLINE;

	for (unsigned i = 0; i < TIMERS; i++)
		if (conn->timers[i] < deadline)
			deadline = conn->timers[i];
	return deadline;
}

static void login_late(struct iscsi_conn *conn, uint64_t now)
{
	conn_event(conn, ISCSI_EVENT_TIMEOUT, 0, "the end of the login");
	conn_enter(conn, ISCSI_PHASE_FINISHED, now);
}

static void output_stuck(struct iscsi_conn *conn, uint64_t now)
{
	conn_event(conn, ISCSI_EVENT_TIMEOUT, 0, "the peer to take what was sent");
	conn_enter(conn, ISCSI_PHASE_RESET, now);
}

static void input_late(struct iscsi_conn *conn, uint64_t now)
{
	conn_event(conn, ISCSI_EVENT_TIMEOUT, 0, "the rest of a PDU");
	iscsi_conn_close(conn, ISCSI_CLOSE_CLEAN, now);
}

static void logout_late(struct iscsi_conn *conn, uint64_t now)
{
	conn_event(conn, ISCSI_EVENT_TIMEOUT, 0, "the logout that was asked for");
	iscsi_conn_close(conn, ISCSI_CLOSE_CLEAN, now);
}

static void close_finish(struct iscsi_conn *conn, uint64_t now)
{
	full_farewell(conn, now);
	conn_enter(conn, ISCSI_PHASE_FINISHED, now);
}

static void close_late(struct iscsi_conn *conn, uint64_t now)
{
	conn_event(conn, ISCSI_EVENT_TIMEOUT, 0, "commands of a closing connection");
	close_finish(conn, now);
}

void iscsi_conn_tick(struct iscsi_conn *conn, uint64_t now)
{
	static void (*const handlers[TIMERS])(struct iscsi_conn *, uint64_t) = {
		[TIMER_LOGIN] = login_late,
		[TIMER_OUTPUT] = output_stuck,
		[TIMER_INPUT] = input_late,
		[TIMER_PEER] = peer_silent,
		[TIMER_DATA] = data_late,
		[TIMER_TASKS] = tmf_late,
		[TIMER_LOGOUT] = logout_late,
		[TIMER_CLOSE] = close_late,
	};

	for (unsigned i = 0; i < TIMERS; i++) {
		if (conn->timers[i] == 0 || conn->timers[i] > now)
			continue;
		conn_disarm(conn, i);
		handlers[i](conn, now);
	}
	conn_settle(conn, now);
}

void conn_settle(struct iscsi_conn *conn, uint64_t now)
{
	for (unsigned i = 0; now && i < TIMERS; i++)
		if (conn->timers[i] == 0)
			conn_arm(conn, i, now);
	if (conn->phase >= ISCSI_PHASE_FULL && conn->login) {
		login_free(conn->login);
		conn->login = NULL;
	}
	if (conn->phase == ISCSI_PHASE_FULL || conn->phase == ISCSI_PHASE_CLOSING)
		full_settle(conn, now);
	if (conn->phase == ISCSI_PHASE_CLOSING && full_is_quiet(conn))
		close_finish(conn, now);
	if (conn->phase >= ISCSI_PHASE_FINISHED && !conn->cleaned)
		conn_clean(conn);
	if (conn->phase == ISCSI_PHASE_RESET && conn->output.head)
		output_drop(conn);
}

/* --- control --- */

enum iscsi_phase iscsi_conn_phase(const struct iscsi_conn *conn)
{
	return conn->phase;
}

bool iscsi_conn_busy(const struct iscsi_conn *conn)
{
	return conn->executing > 0 || conn->views > 0 || conn->tmfs;
}

void iscsi_conn_admission(struct iscsi_conn *conn, enum iscsi_admission answer,
	const struct iscsi_grant *grant, uint64_t now)
{
	if (conn->phase != ISCSI_PHASE_ADMISSION)
		return;
	login_admitted(conn, answer, grant, now);
	conn_settle(conn, now);
}

void iscsi_conn_lost(struct iscsi_conn *conn, uint64_t now)
{
	conn_enter(conn, ISCSI_PHASE_FINISHED, now);
	conn_settle(conn, now);
	output_drop(conn);
}

void iscsi_conn_close(struct iscsi_conn *conn, enum iscsi_close how, uint64_t now)
{
	bool in_service = conn->phase == ISCSI_PHASE_FULL || conn->phase == ISCSI_PHASE_CLOSING;

	if (how == ISCSI_CLOSE_REINSTATED || conn->identity.discovery || !in_service) {
		conn_enter(conn, ISCSI_PHASE_FINISHED, now);
	} else if (how == ISCSI_CLOSE_REQUESTED && conn->phase == ISCSI_PHASE_FULL) {
		/* The first request's time is not prolonged. */
		if (conn->timers[TIMER_LOGOUT] == ISCSI_NO_DEADLINE) {
			full_request_logout(conn, now);
			conn_arm(conn, TIMER_LOGOUT, now);
		}
	} else if (conn->phase == ISCSI_PHASE_FULL) {
		conn_enter(conn, ISCSI_PHASE_CLOSING, now);
		input_end(conn);
		full_drop_incomplete(conn);
	}
	conn_settle(conn, now);
}

void iscsi_conn_resume(const struct iscsi_conn *conn, struct iscsi_resume *resume)
{
	*resume = (struct iscsi_resume){
		.exp_cmd_sn = conn->exp_cmd_sn,
		.max_cmd_sn = conn->exp_cmd_sn + COMMAND_WINDOW - 1,
		.parameters = conn->parameters,
	};
}

void iscsi_conn_info(const struct iscsi_conn *conn, struct iscsi_conn_info *info)
{
	*info = (struct iscsi_conn_info){
		.identity = &conn->identity,
		.tsih = conn->grant.tsih,
		.chap_algorithm = conn->chap_algorithm,
		.chap_mutual = conn->chap_mutual,
		.credential = conn->credential,
		.parameters = conn->parameters,
		.commands = conn->commands,
		.bytes_read = conn->bytes_read,
		.bytes_written = conn->bytes_written,
		.logged_in_at = conn->logged_in_at,
	};
}
