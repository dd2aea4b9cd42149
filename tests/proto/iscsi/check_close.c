/* SPDX-License-Identifier: BSD-2-Clause */
/* Logout, the clean close (doc/architecture.md K5), lost connections: proto/iscsi/conn.c, full.c. */
#include "tests/proto/iscsi/scenario.h"

/* --- Logout [OUT-01] to [OUT-06] --- */

static void logout(struct transcript *t, uint8_t reason, uint16_t cid, uint8_t response)
{
	uint32_t itt = put_logout(t, reason, cid);
	const struct wire_pdu *pdu = expect(t, OP_LOGOUT_RESPONSE);

	ck_assert_uint_eq(pdu->itt, itt);
	ck_assert_uint_eq(pdu->bhs[2], response);
	ck_assert_uint_eq(get_be16(pdu->bhs + 40), response == 2 ? 2 : 0); /* Time2Wait */
	ck_assert_uint_eq(get_be16(pdu->bhs + 42), 0);
}

static void logouts(struct transcript *t)
{
	logout(t, 1, 8, 1);
	logout(t, 2, 8, 1);
	logout(t, 2, 7, 2);
	expect_read(t, put_read(t, 1, 1), 1, 512); /* the connection stays */
	logout(t, 1, 7, 0);
	expect_finished(t, false);
	ck_assert(has_event(t, ISCSI_EVENT_LOGGED_OUT, NULL));
}

static void logout_with_tasks(struct transcript *t)
{
	const uint8_t *data = new_data();

	(void)put_write(t, 0, 16, data, 0, true); /* its R2T will not be answered */
	expect(t, OP_R2T);
	the_double.pending = true;
	(void)put_read(t, 1, 1);
	deliver(t);
	the_double.pending = false;
	uint32_t done = put_read(t, 2, 1);
	uint32_t itt = put_logout(t, 0, 0);
	put_read(t, 3, 1);            /* never looked at [ERR-11] */
	expect_read(t, done, 2, 512); /* what has its status keeps it */
	ck_assert_uint_eq(expect(t, OP_LOGOUT_RESPONSE)->itt, itt);
	expect_finished(t, false);
	ck_assert(iscsi_conn_busy(t->conn)); /* the store has one task still */
	ck_assert_uint_eq(iscsi_conn_deadline(t->conn), ISCSI_NO_DEADLINE);
	double_finish();
	expect_nothing(t);
	ck_assert(!iscsi_conn_busy(t->conn));
	/* No Async after a Logout Response, whatever is asked then. */
	iscsi_conn_close(t->conn, ISCSI_CLOSE_CLEAN, t->now);
	expect_finished(t, false);
	must_be_untouched(0, 8192);
}

/* --- K5: the clean close --- */

static void close_now(struct transcript *t)
{
	iscsi_conn_close(t->conn, ISCSI_CLOSE_CLEAN, t->now);
}

static void idle(struct transcript *t)
{
	expect_read(t, put_read(t, 1, 1), 1, 512);
	close_now(t);
	expect_finished(t, true);
	close_now(t);
	expect_finished(t, false);
}

static void with_tasks(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint8_t bhs[BHS_SIZE];
	uint32_t gathering = put_write(t, 0, 16, data, 0, true);
	const struct wire_pdu *r2t = expect(t, OP_R2T);

	put_data_out(t, gathering, r2t->ttt, 0, 0, data, 4000, false);
	the_double.pending = true;
	uint32_t read = put_read(t, 1, 3);
	uint32_t write = put_write(t, 100, 2, data, 1024, true);
	/* Held behind a gap: dropped, whole as it is. */
	(void)new_read(t, bhs, 5, 1);
	(void)put_write(t, 200, 2, data, 1024, true);
	expect_nothing(t);
	uint32_t max_cmd_sn = t->wire.max_cmd_sn;
	close_now(t);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_CLOSING);
	put_data_out(t, gathering, r2t->ttt, 1, 4000, data, 96, true);
	put_read(t, 9, 1);
	expect_nothing(t);
	ck_assert_uint_gt(t->refused, 0);
	double_finish();
	expect_read(t, read, 1, 1536);
	double_finish();
	expect_good(t, write);
	expect_finished(t, true);
	must_be_written(100, 1024);
	must_be_untouched(0, 8192);
	must_be_untouched(200, 1024);
	ck_assert_uint_eq(t->wire.max_cmd_sn, max_cmd_sn); /* no more room is offered */
	ck_assert_uint_eq(the_double.executed, 2);
}

static void slow_store(struct transcript *t)
{
	const uint8_t *data = new_data();

	the_double.pending = true;
	(void)put_write(t, 0, 1, data, 512, true);
	expect_nothing(t);
	close_now(t);
	pass(t, 1999);
	expect_nothing(t);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_CLOSING);
	ck_assert(!the_double.held[0]->cancelled);
	pass(t, 1);
	expect_finished(t, true);
	ck_assert(the_double.held[0]->cancelled);
	ck_assert(iscsi_conn_busy(t->conn)); /* K6: the host waits for this one */
	unsigned wakes = t->wakes;
	double_finish();
	ck_assert_uint_gt(t->wakes, wakes);
	ck_assert(!iscsi_conn_busy(t->conn));
	expect_nothing(t);
}

/* A peer that takes nothing is cut off; one that takes slowly gets the same time in all. */
static void stuck_peer(struct transcript *t)
{
	struct iovec vectors[4];

	the_double.pending = true;
	put_read(t, 1, 8);
	deliver(t);
	close_now(t);
	double_finish();
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FINISHED);
	ck_assert_int_gt(iscsi_conn_output(t->conn, vectors, 4), 0);
	ck_assert_uint_eq(iscsi_conn_deadline(t->conn), 0); /* finish has no clock: ask at once */
	iscsi_conn_tick(t->conn, t->now);
	ck_assert_uint_eq(iscsi_conn_deadline(t->conn), t->now + 2000);
	for (unsigned i = 0; i < 3; i++) {
		t->now += 600;
		iscsi_conn_sent(t->conn, 1, t->now);
		iscsi_conn_tick(t->conn, t->now);
		ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FINISHED);
	}
	t->now += 200;
	iscsi_conn_tick(t->conn, t->now);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_RESET);
	ck_assert_int_eq(iscsi_conn_output(t->conn, vectors, 4), 0);
	ck_assert_uint_eq(pool_in_use(t->worker.tasks), 0);
	ck_assert_uint_eq(iscsi_conn_deadline(t->conn), ISCSI_NO_DEADLINE);
}

static void parked(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint32_t reads[6];

	the_double.pending = true;
	for (unsigned i = 0; i < 6; i++)
		reads[i] = put_read(t, 0, 8192); /* 4 MiB each: four fill the budget */
	uint32_t write = put_write(t, 0, 16, data, 2048, true);
	expect_nothing(t);
	ck_assert_uint_eq(the_double.held_count, 4);
	close_now(t);
	the_double.pending = false;
	double_finish_all();
	for (unsigned i = 0; i < 6; i++)
		expect_read(t, reads[i], 0, 4u << 20);
	expect_finished(t, true);
	(void)write; /* parked without its data: no trace */
	must_be_untouched(0, 8192);
}

static void adjust_large(struct iscsi_parameters *parameters)
{
	parameters->initiator_max_recv = parameters->max_burst_length = 1 << 20;
}

static void close_discovery(struct transcript *t)
{
	close_now(t);
	expect_finished(t, false);
}

static void close_with_function(struct transcript *t)
{
	const uint8_t *data = new_data();

	the_double.pending = true;
	uint32_t read = put_read(t, 1, 1);
	uint32_t tmf = put_tmf(t, 1, read, 0);
	(void)put_write(t, 8, 8, data, 0, true);
	expect(t, OP_R2T);
	(void)put_tmf(t, 2, RESERVED_TAG, 0); /* waits for the R2T: dropped */
	expect_nothing(t);
	close_now(t);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_CLOSING);
	double_finish();
	expect_tmf(t, tmf, 0);
	expect_finished(t, true);
	ck_assert(!iscsi_conn_busy(t->conn));
}

static void reinstated(struct transcript *t)
{
	const uint8_t *data = new_data();

	the_double.pending = true;
	(void)put_write(t, 0, 1, data, 512, true);
	(void)put_write(t, 8, 8, data, 0, true);
	expect(t, OP_R2T);
	ck_assert(!the_double.held[0]->cancelled);
	iscsi_conn_close(t->conn, ISCSI_CLOSE_REINSTATED, t->now);
	ck_assert(the_double.held[0]->cancelled); /* K6: what is left of it is not begun */
	expect_finished(t, false);                /* [SES-03] */
	ck_assert(iscsi_conn_busy(t->conn));      /* [SES-04] */
	double_finish();
	expect_nothing(t);
	ck_assert(!iscsi_conn_busy(t->conn));
	must_be_untouched(8, 4096);
}

static void hurried(struct transcript *t)
{
	the_double.pending = true;
	(void)put_read(t, 0, 1);
	deliver(t);
	close_now(t);
	iscsi_conn_close(t->conn, ISCSI_CLOSE_REINSTATED, t->now);
	expect_finished(t, false);
	ck_assert(iscsi_conn_busy(t->conn));
}

/* In the middle of a PDU that is received straight into its buffer. */
static void close_amid_data(struct transcript *t)
{
	const uint8_t *data = new_data();

	(void)put_write(t, 0, 4, data, 2048, true);
	t->count -= 1000;
	deliver(t);
	close_now(t);
	uint8_t *at;
	ck_assert_uint_eq(iscsi_conn_direct(t->conn, &at), 0);
	put_bytes(t, data, 1000);
	expect_finished(t, true);
	must_be_untouched(0, 2048);
	ck_assert_uint_eq(the_double.parsed, 0);
}

static void lost(struct transcript *t)
{
	const uint8_t *data = new_data();
	struct iovec vector;

	the_double.pending = true;
	(void)put_write(t, 0, 1, data, 512, true);
	(void)put_write(t, 8, 8, data, 0, true);
	expect(t, OP_R2T);
	(void)put_ping(t, data, 100);
	deliver(t);
	iscsi_conn_lost(t->conn, t->now);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FINISHED);
	ck_assert_int_eq(iscsi_conn_output(t->conn, &vector, 1), 0);
	ck_assert(iscsi_conn_busy(t->conn)); /* [SES-07]: its tasks are fenced, not forgotten */
	double_finish();
	ck_assert(!iscsi_conn_busy(t->conn));
	ck_assert_int_eq(iscsi_conn_output(t->conn, &vector, 1), 0);
}

/* --- the logout that we ask for, section 11.9.1 --- */

/* Asks; the request must be the next PDU. */
static void request_logout(struct transcript *t)
{
	iscsi_conn_close(t->conn, ISCSI_CLOSE_REQUESTED, t->now);
	const struct wire_pdu *pdu = expect(t, OP_ASYNC_MESSAGE);
	ck_assert_uint_eq(pdu->bhs[36], 1);
	ck_assert_uint_eq(get_be16(pdu->bhs + 42), 5); /* [CRED-05] */
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
}

static void logout_as_asked(struct transcript *t, uint8_t reason, uint16_t cid)
{
	const uint8_t *data = new_data();

	the_double.pending = true;
	uint32_t read = put_read(t, 1, 1);
	uint32_t write = put_write(t, 100, 16, data, 0, true);
	const struct wire_pdu *r2t = expect(t, OP_R2T);
	request_logout(t);
	the_double.pending = false;
	/* What was accepted is finished, and a peer that is not ready yet is served on. */
	double_finish_all();
	expect_read(t, read, 1, 512);
	put_solicited(t, r2t, data, 4096);
	r2t = expect(t, OP_R2T);
	put_solicited(t, r2t, data, 4096);
	expect_good(t, write);
	pass(t, 4000);
	expect_read(t, put_read(t, 2, 1), 2, 512);
	logout(t, reason, cid, 0);
	expect_finished(t, false); /* nothing behind the Logout Response, not even event 3 */
	ck_assert(has_event(t, ISCSI_EVENT_LOGGED_OUT, NULL));
	ck_assert(!has_event(t, ISCSI_EVENT_TIMEOUT, NULL));
	ck_assert_uint_eq(iscsi_conn_deadline(t->conn), ISCSI_NO_DEADLINE);
	must_be_written(100, 8192);
}

static void logout_of_session(struct transcript *t)
{
	logout_as_asked(t, 0, 0);
}

static void logout_of_connection(struct transcript *t)
{
	logout_as_asked(t, 1, 7);
}

/* Linux answers no R2T any more once it logs out: the response must not wait for that. */
static void logout_amid_write(struct transcript *t)
{
	(void)put_write(t, 0, 16, new_data(), 0, true);
	expect(t, OP_R2T);
	request_logout(t);
	logout(t, 0, 0, 0);
	expect_finished(t, false);
	must_be_untouched(0, 8192);
}

/* One that cannot be had is no logout: the time goes on. */
static void logout_refused(struct transcript *t)
{
	request_logout(t);
	logout(t, 2, 7, 2);
	pass(t, 4999);
	expect_read(t, put_read(t, 1, 1), 1, 512);
	pass(t, 1);
	expect_finished(t, true);
}

static void request_ignored(struct transcript *t)
{
	request_logout(t);
	uint64_t deadline = iscsi_conn_deadline(t->conn);
	ck_assert_uint_eq(deadline, t->now + 5000);
	pass(t, 3000);
	/* Asked again it is not told again, nor is its time prolonged. */
	iscsi_conn_close(t->conn, ISCSI_CLOSE_REQUESTED, t->now);
	expect_nothing(t);
	ck_assert_uint_eq(iscsi_conn_deadline(t->conn), deadline);
	the_double.pending = true;
	uint32_t read = put_read(t, 3, 1);
	deliver(t);
	pass(t, 2000);
	ck_assert(has_event(t, ISCSI_EVENT_TIMEOUT, "logout"));
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_CLOSING);
	put_logout(t, 0, 0); /* too late */
	double_finish();
	expect_read(t, read, 3, 512);
	expect_finished(t, true); /* [ASY-03] [ASY-07] */
}

/* A hard cut (K3) does not wait for the logout. */
static void request_hurried(struct transcript *t)
{
	request_logout(t);
	close_now(t);
	expect_finished(t, true);
	iscsi_conn_close(t->conn, ISCSI_CLOSE_REQUESTED, t->now);
	expect_nothing(t);
	ck_assert(!has_event(t, ISCSI_EVENT_TIMEOUT, NULL));
}

static void request_reinstated(struct transcript *t)
{
	request_logout(t);
	iscsi_conn_close(t->conn, ISCSI_CLOSE_REINSTATED, t->now);
	expect_finished(t, false);
	ck_assert_uint_eq(iscsi_conn_deadline(t->conn), ISCSI_NO_DEADLINE);
}

static void request_while_closing(struct transcript *t)
{
	the_double.pending = true;
	uint32_t read = put_read(t, 1, 1);
	deliver(t);
	close_now(t);
	iscsi_conn_close(t->conn, ISCSI_CLOSE_REQUESTED, t->now);
	expect_nothing(t);
	double_finish();
	expect_read(t, read, 1, 512);
	expect_finished(t, true);
}

static void request_discovery(struct transcript *t)
{
	iscsi_conn_close(t->conn, ISCSI_CLOSE_REQUESTED, t->now);
	expect_finished(t, false);
}

static void lagging_status(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	/* An ExpStatSN that lags, or is nonsense, is no failure [LIBI-01]. */
	for (unsigned i = 0; i < 10; i++) {
		uint32_t itt = new_read(t, bhs, i, 1);
		put_be32(bhs + BHS_EXP_STAT_SN, i % 2 ? t->exp_stat_sn - i : 0x12345678);
		put_command(t, bhs, NULL, 0);
		expect_read(t, itt, i, 512);
	}
}

static void resume(struct transcript *t)
{
	struct iscsi_resume numbers;

	the_double.pending = true;
	for (unsigned i = 0; i < 5; i++)
		(void)put_read(t, i, 1);
	deliver(t);
	iscsi_conn_close(t->conn, ISCSI_CLOSE_REINSTATED, t->now);
	iscsi_conn_resume(t->conn, &numbers);
	ck_assert_uint_eq(numbers.exp_cmd_sn, 5);
	ck_assert_uint_eq(numbers.max_cmd_sn, 5 + 127); /* a whole window, never less than before */
	ck_assert_uint_eq(numbers.parameters.max_burst_length, 4096);
}

static const struct scenario scenarios[] = {
	{ "[OUT-01] [OUT-03] [OUT-05] Logout", .run = logouts },
	{ "[OUT-02] [ERR-11] [CRED-03] Logout with tasks", .run = logout_with_tasks },
	{ "[ASY-01] [ASY-04] [CRED-04] clean close, idle", .run = idle },
	{ "[CRED-03] [CRED-13] clean close with tasks", .run = with_tasks },
	{ "[CRED-01] clean close, slow store", .run = slow_store },
	{ "[CRED-06] a peer that takes nothing", .run = stuck_peer },
	{ "clean close with parked commands", .run = parked, .adjust = adjust_large },
	{ "[TEXT-10] discovery is closed without a PDU", .run = close_discovery,
		.discovery = true },
	{ "clean close with task management", .run = close_with_function },
	{ "[SES-03] [SES-04] [CRED-14] reinstated", .run = reinstated },
	{ "a clean close that is hurried", .run = hurried },
	{ "clean close amid data", .run = close_amid_data },
	{ "[ASY-03] [OUT-06] asked to log out: the session", .run = logout_of_session },
	{ "[ASY-03] [OUT-06] asked to log out: the connection", .run = logout_of_connection },
	{ "[CRED-05] [OUT-02] asked to log out amid a write", .run = logout_amid_write },
	{ "[OUT-03] asked to log out: not by recovery", .run = logout_refused },
	{ "[ASY-03] [ASY-07] asked to log out in vain", .run = request_ignored },
	{ "[CRED-01] a hard cut amid the wait for a logout", .run = request_hurried },
	{ "[SES-03] reinstated amid the wait for a logout", .run = request_reinstated },
	{ "asked to log out while closing", .run = request_while_closing },
	{ "[TEXT-10] discovery is not asked to log out", .run = request_discovery,
		.discovery = true },
	{ "[SES-07] [SES-08] lost", .run = lost },
	{ "[LIBI-01] ExpStatSN lags", .run = lagging_status },
	{ "what a successor goes on with", .run = resume },
};

int main(void)
{
	return scenarios_run("close", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
