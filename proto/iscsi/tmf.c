/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Task management (RFC 7143 sections 11.5, 11.6, 4.2.3.3). A function waits, for a bounded time, until
 * the commands and the data it covers have come; then it ends them, and answers when the device server
 * has given back those it had. Whatever was not acknowledged is then done or never will be.
 */
#include "proto/iscsi/full.h"

#include <assert.h>
#include <stdlib.h>

#define TMF_MAX           16u    /* functions of one connection under way */
#define INITIATOR_WAIT_MS 2500u  /* for commands and data that the initiator still owes */
#define STORE_WAIT_MS     10000u /* for tasks that the device server still has */

enum tmf_function {
	ABORT_TASK = 1,
	ABORT_TASK_SET = 2,
	CLEAR_ACA = 3,
	CLEAR_TASK_SET = 4,
	LOGICAL_UNIT_RESET = 5,
	TARGET_WARM_RESET = 6,
	TARGET_COLD_RESET = 7,
	TASK_REASSIGN = 8,
};

/* Section 11.6.1. */
enum tmf_response {
	TMF_COMPLETE = 0,
	TMF_NO_TASK = 1,
	TMF_NO_LUN = 2,
	TMF_NO_REASSIGNMENT = 4,
	TMF_NOT_SUPPORTED = 5,
	TMF_REJECTED = 255,
	TMF_PENDING = -1, /* answered later */
};

enum tmf_state {
	TMF_WAITING, /* for the initiator */
	TMF_RUNNING, /* for the device server */
	TMF_LATE,    /* answered, or never to be; its management is still out */
};

struct iscsi_tmf {
	struct iscsi_management management; /* first: it comes back as a pointer to this */
	struct iscsi_tmf *next;
	struct iscsi_conn *conn;
	enum tmf_state state;
	bool skips_missing; /* commands that have not come count as received at once */
	uint32_t itt;
	uint32_t cmd_sn;   /* covers commands below this */
	uint32_t serial;   /* immediate commands: those that came before it */
	uint64_t deadline; /* of the state; 0 = not known yet */
};

void iscsi_management_release(struct iscsi_management *management)
{
	if (atomic_fetch_sub(&management->holds, 1) == 1)
		management->released(management);
}

bool tmf_find(const struct iscsi_conn *conn, uint32_t itt)
{
	for (const struct iscsi_tmf *tmf = conn->tmfs; tmf; tmf = tmf->next)
		if (tmf->itt == itt && tmf->state != TMF_LATE)
			return true;
	return false;
}

static void respond(struct iscsi_conn *conn, uint32_t itt, uint8_t function,
	enum tmf_response response, uint64_t now)
{
	static const struct {
		enum tmf_response response;
		const char *text;
	} outcomes[] = {
		{ TMF_COMPLETE, "complete" },
		{ TMF_NO_TASK, "no such task" },
		{ TMF_NO_LUN, "no such logical unit" },
		{ TMF_NO_REASSIGNMENT, "reassignment not supported" },
		{ TMF_NOT_SUPPORTED, "not supported" },
		{ TMF_REJECTED, "rejected" },
	};
	uint8_t bhs[BHS_SIZE] = { OP_TASK_MANAGEMENT_RESPONSE, FINAL, (uint8_t)response };

	put_be32(bhs + BHS_ITT, itt);
	conn_stamp(conn, bhs, true);
	(void)conn_send(conn, bhs, NULL, 0, now);
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (outcomes[i].response == response)
			conn_event(conn, ISCSI_EVENT_TASK_MANAGEMENT, function, outcomes[i].text);
}

static void tmf_free(struct iscsi_tmf *tmf)
{
	struct iscsi_tmf **at = &tmf->conn->tmfs;

	while (*at != tmf)
		at = &(*at)->next;
	*at = tmf->next;
	tmf->conn->tmf_count--;
	free(tmf);
}

/* The earliest of all deadlines. */
static void rearm(struct iscsi_conn *conn)
{
	uint64_t earliest = ISCSI_NO_DEADLINE;

	for (const struct iscsi_tmf *tmf = conn->tmfs; tmf; tmf = tmf->next)
		if (tmf->state != TMF_LATE && tmf->deadline < earliest)
			earliest = tmf->deadline;
	conn_arm_at(conn, TIMER_TASKS, earliest);
}

static void tmf_finish(struct iscsi_tmf *tmf, uint64_t now)
{
	struct iscsi_conn *conn = tmf->conn;
	uint8_t function = tmf->management.function;
	bool answers = tmf->state == TMF_RUNNING;

	if (answers)
		respond(conn, tmf->itt, function,
			atomic_load(&tmf->management.incomplete) ? TMF_REJECTED : TMF_COMPLETE,
			now);
	tmf_free(tmf);
	conn->worker->host->wake(conn->owner);
	if (conn->phase >= ISCSI_PHASE_FINISHED)
		return;
	rearm(conn);
	if (answers && function == TARGET_COLD_RESET)
		iscsi_conn_close(conn, ISCSI_CLOSE_CLEAN, now);
}

/* The last hold on a function that concerns this connection alone is gone. */
static void released_here(struct iscsi_management *management)
{
	tmf_finish((struct iscsi_tmf *)management, 0);
}

/* --- which tasks --- */

static bool lun_matches(int lun, const struct iscsi_task *task)
{
	return lun < 0 || scsi_lun_number(task->scsi.lun) == lun;
}

static bool covers(const struct iscsi_tmf *tmf, const struct iscsi_task *task)
{
	if (task->state == TASK_RECEIVING || !lun_matches(tmf->management.lun, task))
		return false;
	if (task->immediate)
		return (int32_t)(task->serial - tmf->serial) < 0;
	return serial_before(task->cmd_sn, tmf->cmd_sn);
}

bool tmf_covers(const struct iscsi_conn *conn, const struct iscsi_task *task)
{
	for (const struct iscsi_tmf *tmf = conn->tmfs; tmf; tmf = tmf->next)
		if (tmf->state == TMF_WAITING && covers(tmf, task))
			return true;
	return false;
}

/* Whether the initiator owes nothing more that the function must see. Section 4.2.3.3. */
static bool is_ready(const struct iscsi_tmf *tmf)
{
	const struct iscsi_conn *conn = tmf->conn;

	if (!tmf->skips_missing && serial_before(conn->exp_cmd_sn, tmf->cmd_sn))
		return false;
	for (const struct iscsi_task *task = conn->first_task; task; task = task->younger)
		if (covers(tmf, task) && task_awaits_data(task))
			return false;
	return true;
}

/* --- running --- */

static void run_here(struct iscsi_tmf *tmf)
{
	struct iscsi_conn *conn = tmf->conn;
	struct iscsi_task *younger;

	sequence_skip(conn, tmf->cmd_sn);
	for (struct iscsi_task *task = conn->first_task; task; task = younger) {
		younger = task->younger;
		if (covers(tmf, task))
			task_abort(task, &tmf->management);
	}
}

/* What a reset does beyond ending tasks: the units' own state, and every other nexus is told. */
static void reset_units(const struct iscsi_tmf *tmf)
{
	const struct iscsi_grant *grant = &tmf->conn->grant;
	int lun = tmf->management.lun;

	scsi_device_reset(grant->device, lun, grant->nexus);
	scsi_device_attention(grant->device, lun, UA_RESET, grant->nexus);
}

static void tmf_run(struct iscsi_tmf *tmf, uint64_t now)
{
	struct iscsi_conn *conn = tmf->conn;
	struct iscsi_management *management = &tmf->management;

	tmf->state = TMF_RUNNING;
	tmf->deadline = now ? now + STORE_WAIT_MS : 0;
	rearm(conn);
	run_here(tmf);
	if (management->function >= LOGICAL_UNIT_RESET)
		reset_units(tmf);
	if (management->function > CLEAR_ACA) {
		if (conn->worker->host->manage(conn->owner, management) == 0)
			return;
		/* It reached nobody else. */
		atomic_store(&management->incomplete, true);
		management->released = released_here;
	}
	iscsi_management_release(management);
}

void tmf_settle(struct iscsi_conn *conn, uint64_t now)
{
	struct iscsi_tmf *tmf = conn->tmfs;

	while (tmf && conn->phase == ISCSI_PHASE_FULL) {
		if (tmf->state == TMF_WAITING && is_ready(tmf)) {
			tmf_run(tmf, now);
			tmf = conn->tmfs; /* the list has changed */
		} else {
			tmf = tmf->next;
		}
	}
}

/* The time of one function is over. */
static void expire(struct iscsi_tmf *tmf, uint64_t now)
{
	struct iscsi_conn *conn = tmf->conn;

	if (tmf->deadline == 0) {
		tmf->deadline = now + STORE_WAIT_MS;
	} else if (tmf->state == TMF_WAITING) {
		tmf_run(tmf, now);
	} else {
		tmf->state = TMF_LATE;
		conn_event(conn, ISCSI_EVENT_TIMEOUT, 0, "the store to give back aborted tasks");
		respond(conn, tmf->itt, tmf->management.function, TMF_REJECTED, now);
	}
}

void tmf_late(struct iscsi_conn *conn, uint64_t now)
{
	struct iscsi_tmf *tmf = conn->tmfs;

	while (tmf) {
		if (tmf->state != TMF_LATE && tmf->deadline <= now) {
			expire(tmf, now);
			tmf = conn->tmfs; /* the list may have changed */
		} else {
			tmf = tmf->next;
		}
	}
	rearm(conn);
}

/* --- requests --- */

static struct iscsi_tmf *tmf_new(struct iscsi_conn *conn, const struct iscsi_pdu *pdu)
{
	uint32_t cmd_sn = get_be32(pdu->bhs + BHS_CMD_SN);
	struct iscsi_tmf *tmf = calloc(1, sizeof(*tmf));

	if (!tmf)
		return NULL;
	/* An immediate function may carry any number; one that the window does not reach means nothing. */
	if (!serial_upto(cmd_sn, conn->max_cmd_sn + 1) ||
		serial_before(cmd_sn, conn->exp_cmd_sn - 1))
		cmd_sn = conn->exp_cmd_sn;
	tmf->conn = conn;
	tmf->itt = pdu->itt;
	tmf->cmd_sn = cmd_sn;
	tmf->serial = ++conn->serial;
	tmf->management.function = pdu->flags & 0x7f;
	tmf->management.lun = scsi_lun_number(pdu->lun);
	tmf->management.issuer = conn->grant.nexus;
	atomic_init(&tmf->management.holds, 1);
	atomic_init(&tmf->management.incomplete, false);
	tmf->management.released = released_here;
	tmf->next = conn->tmfs;
	conn->tmfs = tmf;
	conn->tmf_count++;
	return tmf;
}

/* Section 11.6.1, a to c. */
static enum tmf_response abort_task(
	struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	uint32_t tag = get_be32(pdu->bhs + BHS_TTT);
	uint32_t ref = get_be32(pdu->bhs + BHS_REF_CMD_SN);
	struct iscsi_task *task = task_find(conn, tag);
	struct iscsi_tmf *tmf;

	if (tmf_find(conn, tag))
		return TMF_REJECTED;
	if (!task) {
		if (sequence_judge(conn, ref) == SEQUENCE_IGNORE ||
			!serial_before(ref, get_be32(pdu->bhs + BHS_CMD_SN)))
			return TMF_NO_TASK;
		return sequence_hold(conn, ref, NULL, NULL) ? TMF_REJECTED : TMF_COMPLETE;
	}
	if (scsi_lun_number(task->scsi.lun) != scsi_lun_number(pdu->lun))
		return TMF_NO_TASK;
	tmf = tmf_new(conn, pdu);
	if (!tmf)
		return TMF_REJECTED;
	tmf->state = TMF_RUNNING;
	tmf->deadline = now + STORE_WAIT_MS;
	task_abort(task, &tmf->management);
	rearm(conn);
	iscsi_management_release(&tmf->management);
	return TMF_PENDING;
}

/* A function on many tasks: waits for what it covers (tmf_settle()). */
static enum tmf_response start_set(
	struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	struct iscsi_tmf *tmf = tmf_new(conn, pdu);

	if (!tmf)
		return TMF_REJECTED;
	tmf->state = TMF_WAITING;
	tmf->deadline = now + INITIATOR_WAIT_MS;
	rearm(conn);
	return TMF_PENDING;
}

static enum tmf_response start_reset(
	struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	enum tmf_response response = start_set(conn, pdu, now);

	if (response == TMF_PENDING) {
		conn->tmfs->skips_missing = true;
		conn->tmfs->management.lun = -1;
	}
	return response;
}

static enum tmf_response refuse_reassign(
	struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	(void)conn, (void)pdu, (void)now;
	return TMF_NO_REASSIGNMENT;
}

static const struct tmf_row {
	bool needs_lun;
	enum tmf_response (*start)(struct iscsi_conn *, const struct iscsi_pdu *, uint64_t);
} functions[] = {
	[ABORT_TASK] = { true, abort_task },
	[ABORT_TASK_SET] = { true, start_set },
	[CLEAR_TASK_SET] = { true, start_set },
	[LOGICAL_UNIT_RESET] = { true, start_set },
	[TARGET_WARM_RESET] = { false, start_reset },
	[TARGET_COLD_RESET] = { false, start_reset },
	[TASK_REASSIGN] = { false, refuse_reassign },
};

void tmf_receive(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	uint8_t function = pdu->flags & 0x7f;
	const struct tmf_row *row = function < sizeof(functions) / sizeof(functions[0])
					    ? &functions[function]
					    : NULL;
	enum tmf_response response;

	if (pdu->itt == RESERVED_TAG || task_find(conn, pdu->itt) || tmf_find(conn, pdu->itt)) {
		conn_reject(conn, pdu,
			pdu->itt == RESERVED_TAG ? REJECT_INVALID_FIELD : REJECT_TASK_IN_PROGRESS,
			now);
		return;
	}
	if (conn->tmf_count >= TMF_MAX && pdu->immediate) {
		conn_reject(conn, pdu, REJECT_IMMEDIATE, now);
		return;
	}
	if (!row || !row->start)
		response = TMF_NOT_SUPPORTED;
	else if (row->needs_lun && !scsi_lun_exists(conn->grant.device, pdu->lun))
		response = TMF_NO_LUN;
	else if (conn->tmf_count >= TMF_MAX)
		response = TMF_REJECTED;
	else
		response = row->start(conn, pdu, now);
	if (response != TMF_PENDING)
		respond(conn, pdu->itt, function, response, now);
}

/* --- functions that come from elsewhere, or come back --- */

void iscsi_conn_manage(struct iscsi_conn *conn, struct iscsi_management *management, uint64_t now)
{
	struct iscsi_task *younger;
	bool cleared = false;

	for (const struct iscsi_tmf *tmf = conn->tmfs; tmf; tmf = tmf->next)
		if (&tmf->management == management)
			return; /* its own: applied when it began to run */
	for (struct iscsi_task *task = conn->first_task; task; task = younger) {
		younger = task->younger;
		if (task->state == TASK_RECEIVING || !lun_matches(management->lun, task))
			continue;
		cleared |= !task->fenced;
		task_abort(task, management);
	}
	/* A nexus is told of cleared tasks only if it had any; of a reset it hears anyway. */
	if (cleared && management->function == CLEAR_TASK_SET)
		scsi_nexus_attention(conn->grant.nexus, management->lun, UA_CLEARED_BY_OTHER);
	if (management->function == TARGET_COLD_RESET)
		iscsi_conn_close(conn, ISCSI_CLOSE_CLEAN, now);
	conn_settle(conn, now);
}

void iscsi_conn_managed(struct iscsi_conn *conn, struct iscsi_management *management, uint64_t now)
{
	struct iscsi_tmf *tmf = (struct iscsi_tmf *)management;

	assert(tmf->conn == conn);
	tmf_finish(tmf, now);
	conn_settle(conn, now);
}

/* --- the end --- */

bool tmf_owes(const struct iscsi_conn *conn)
{
	for (const struct iscsi_tmf *tmf = conn->tmfs; tmf; tmf = tmf->next)
		if (tmf->state == TMF_RUNNING)
			return true;
	return false;
}

void tmf_drop_waiting(struct iscsi_conn *conn)
{
	struct iscsi_tmf *next;

	for (struct iscsi_tmf *tmf = conn->tmfs; tmf; tmf = next) {
		next = tmf->next;
		if (tmf->state == TMF_WAITING)
			tmf_free(tmf);
	}
}

void tmf_end(struct iscsi_conn *conn)
{
	tmf_drop_waiting(conn);
	for (struct iscsi_tmf *tmf = conn->tmfs; tmf; tmf = tmf->next)
		tmf->state = TMF_LATE;
}
