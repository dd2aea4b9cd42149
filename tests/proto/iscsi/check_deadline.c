/* SPDX-License-Identifier: BSD-2-Clause */
/* What waits on a peer, and for how long: the timers of proto/iscsi/conn.c, and pings. */
#include "tests/proto/iscsi/scenario.h"

static void adjust_large(struct iscsi_parameters *parameters)
{
	parameters->initiator_max_recv = parameters->max_burst_length = 1 << 20;
}

static void output_deadline(struct transcript *t)
{
	struct iovec vectors[8];

	the_double.pending = true;
	put_read(t, 1, 8);
	deliver(t);
	double_finish();
	iscsi_conn_tick(t->conn, t->now);
	ck_assert_int_gt(iscsi_conn_output(t->conn, vectors, 8), 0);
	t->now += 59999;
	iscsi_conn_sent(t->conn, 10, t->now); /* progress */
	t->now += 59999;
	iscsi_conn_tick(t->conn, t->now);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	t->now += 1;
	iscsi_conn_tick(t->conn, t->now);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_RESET);
	ck_assert(has_event(t, ISCSI_EVENT_TIMEOUT, "take"));
	t->wire.count = 0;
}

static void backpressure(struct transcript *t)
{
	unsigned sent = 0;

	/* Reads are not taken without end while the peer takes nothing. */
	while (iscsi_conn_wants_input(t->conn) && sent < 100) {
		put_read(t, 0, 2048);
		iscsi_conn_received(t->conn, 0, t->bytes, t->count, t->now);
		t->count = 0;
		sent++;
	}
	ck_assert_uint_lt(sent, 8);
	wire_take(&t->wire, t->now);
	ck_assert(iscsi_conn_wants_input(t->conn));
	deliver(t);
	t->wire.taken = t->wire.pdu_count;
}

static void missing_data(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint32_t write = put_write(t, 0, 16, data, 0, true);
	const struct wire_pdu *r2t = expect(t, OP_R2T);

	for (uint32_t i = 0; i < 3; i++) { /* each piece gives it new time */
		pass(t, 50000);
		put_data_out(t, write, r2t->ttt, i, i * 100, data, 100, false);
		expect_nothing(t);
	}
	pass(t, 59000);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	pass(t, 1001);
	expect(t, OP_NOP_IN);     /* nothing was heard for as long, so it is asked too */
	expect_finished(t, true); /* [ASY-07] */
	ck_assert(has_event(t, ISCSI_EVENT_TIMEOUT, "data of a write"));
	must_be_untouched(0, 8192); /* [DATA-18] */
}

static void missing_data_of_one(struct transcript *t)
{
	const uint8_t *data = new_data();
	(void)put_write(t, 0, 16, data, 0, true);
	expect(t, OP_R2T);

	/* Others that go well do not keep the one alive. */
	for (unsigned i = 0; i < 5; i++) {
		pass(t, 11000);
		uint32_t other = put_write(t, 50, 8, data, 0, true);
		put_solicited(t, expect(t, OP_R2T), data, 4096);
		expect_good(t, other);
	}
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	pass(t, 6000);
	expect_finished(t, true);
}

/* A gap in the CmdSNs that is never filled: what is held behind it waits as long as for data, whatever else comes. */
static void missing_command(struct transcript *t)
{
	uint8_t missing[BHS_SIZE], bhs[BHS_SIZE];

	(void)new_read(t, missing, 1, 1);
	uint32_t held = put_read(t, 2, 1);
	for (unsigned i = 0; i < 3; i++) {
		pass(t, 15000);
		put_read(t, 3 + i, 1);
		new_request(t, bhs, OP_NOP_OUT | IMMEDIATE, FINAL);
		put_pdu(t, bhs, NULL, 0);
		expect(t, OP_NOP_IN);
	}
	(void)held;
	pass(t, 14999);
	expect_nothing(t);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	pass(t, 1);
	expect_finished(t, true);
	ck_assert(has_event(t, ISCSI_EVENT_TIMEOUT, "in between"));
	ck_assert_uint_eq(the_double.parsed, 0);
}

/* A gap that is filled in time leaves no deadline behind. */
static void late_command(struct transcript *t)
{
	uint8_t missing[BHS_SIZE];

	uint32_t first = new_read(t, missing, 1, 1);
	uint32_t held = put_read(t, 2, 1);
	pass(t, 59999);
	put_command(t, missing, NULL, 0);
	expect_read(t, first, 1, 512);
	expect_read(t, held, 2, 512);
	pass(t, 59999);
	expect_nothing(t);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
}

static void answered_ping(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	for (unsigned i = 0; i < 3; i++) {
		pass(t, 60000);
		const struct wire_pdu *pdu = expect(t, OP_NOP_IN);
		ck_assert_uint_eq(pdu->itt, RESERVED_TAG); /* [NOP-03] */
		ck_assert_uint_ne(pdu->ttt, RESERVED_TAG);
		new_request(t, bhs, OP_NOP_OUT | IMMEDIATE, FINAL);
		put_be32(bhs + BHS_ITT, RESERVED_TAG);
		put_be32(bhs + BHS_TTT, pdu->ttt);
		put_pdu(t, bhs, NULL, 0);
		expect_nothing(t);
	}
	pass(t, 60000);
	expect(t, OP_NOP_IN);
	pass(t, 59999);
	expect_nothing(t);
	pass(t, 1);
	expect_finished(t, true);
	ck_assert(has_event(t, ISCSI_EVENT_TIMEOUT, "ping"));
}

static void ignored_ping(struct transcript *t)
{
	/* One that never answers pings is not dropped for it [NOP-05]. */
	for (unsigned i = 0; i < 6; i++) {
		pass(t, 60000);
		expect(t, OP_NOP_IN);
		expect_nothing(t);
	}
	expect_read(t, put_read(t, 1, 1), 1, 512);
}

/* A peer that stops within a PDU, wherever: nothing it sent before decides whether it is waited for. */
static void stops_within_pdu(struct transcript *t, size_t cut)
{
	uint8_t bhs[BHS_SIZE];

	(void)new_write(t, bhs, 0, 16);
	put_command(t, bhs, new_data(), 1000);
	t->count = cut;
	pass(t, 59999);
	expect_nothing(t);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	pass(t, 1);
	expect_finished(t, true);
	ck_assert(has_event(t, ISCSI_EVENT_TIMEOUT, "rest of a PDU"));
	ck_assert_uint_eq(the_double.parsed, 0);
	ck_assert_uint_eq(pool_in_use(t->worker.tasks), 0);
	ck_assert_uint_eq(iscsi_conn_deadline(t->conn), ISCSI_NO_DEADLINE);
}

static void stops_within_header(struct transcript *t)
{
	stops_within_pdu(t, 1);
}

static void stops_within_data(struct transcript *t)
{
	stops_within_pdu(t, BHS_SIZE + 999);
}

/* Bytes that trickle in give a PDU no more than its time in all. */
static void trickles(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	(void)new_write(t, bhs, 0, 16);
	put_command(t, bhs, new_data(), 1000);
	uint8_t copy[BHS_SIZE];
	memcpy(copy, t->bytes, BHS_SIZE);
	t->count = 0;
	for (unsigned i = 0; i < 12; i++) {
		put_bytes(t, copy + i, 1);
		pass(t, 9999);
		ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	}
	put_bytes(t, copy + 12, 1);
	pass(t, 12);
	expect_finished(t, true);
	ck_assert(has_event(t, ISCSI_EVENT_TIMEOUT, "rest of a PDU"));
}

/* A PDU that is complete takes its deadline along, and the next has one of its own. */
static void each_pdu_has_its_time(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE], whole[BHS_SIZE];

	for (unsigned i = 0; i < 5; i++) {
		uint32_t itt = new_read(t, bhs, i, 1);
		put_command(t, bhs, NULL, 0);
		memcpy(whole, t->bytes, BHS_SIZE);
		t->count = 20;
		pass(t, 55000);
		put_bytes(t, whole + 20, BHS_SIZE - 20);
		expect_read(t, itt, i, 512);
	}
	pass(t, 59999);
	expect_nothing(t);
	pass(t, 1);
	expect(t, OP_NOP_IN); /* between PDUs it is asked, not closed */
	expect_nothing(t);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
}

/* While the peer takes so little that we do not read, nobody can say that it is silent. */
static void unread_is_not_silent(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	struct iovec vector;

	for (unsigned i = 0; i < 5; i++)
		put_read(t, 0, 2048);
	/* With the beginning of the next. */
	new_read(t, bhs, 0, 1);
	put_bytes(t, bhs, 10);
	iscsi_conn_received(t->conn, 0, t->bytes, t->count, t->now);
	t->count = 0;
	for (unsigned i = 0; i < 10; i++) {
		t->now += 50000;
		iscsi_conn_tick(t->conn, t->now);
		ck_assert_int_gt(iscsi_conn_output(t->conn, &vector, 1), 0);
		iscsi_conn_sent(t->conn, 100, t->now);
	}
	ck_assert(!iscsi_conn_wants_input(t->conn));
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	ck_assert(!has_event(t, ISCSI_EVENT_TIMEOUT, NULL));
	t->now += 60000;
	iscsi_conn_tick(t->conn, t->now);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_RESET);
	ck_assert(has_event(t, ISCSI_EVENT_TIMEOUT, "take"));
}

/* Likewise data that was asked for: it may lie in the socket. Once we read, it has its time anew. */
static void unread_is_not_late(struct transcript *t)
{
	struct iovec vector;

	(void)put_write(t, 0, 16, new_data(), 0, true);
	expect(t, OP_R2T);
	for (unsigned i = 0; i < 5; i++)
		put_read(t, 0, 2048);
	iscsi_conn_received(t->conn, 0, t->bytes, t->count, t->now);
	t->count = 0;
	for (unsigned i = 0; i < 10; i++) {
		t->now += 50000;
		iscsi_conn_tick(t->conn, t->now);
		ck_assert_int_gt(iscsi_conn_output(t->conn, &vector, 1), 0);
		iscsi_conn_sent(t->conn, 100, t->now);
	}
	ck_assert(!iscsi_conn_wants_input(t->conn));
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	while (iscsi_conn_output(t->conn, &vector, 1) > 0)
		iscsi_conn_sent(t->conn, vector.iov_len, t->now);
	ck_assert(iscsi_conn_wants_input(t->conn));
	t->now += 59999;
	iscsi_conn_tick(t->conn, t->now);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	ck_assert(!has_event(t, ISCSI_EVENT_TIMEOUT, NULL));
	t->now += 1;
	iscsi_conn_tick(t->conn, t->now);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FINISHED);
	ck_assert(has_event(t, ISCSI_EVENT_TIMEOUT, "data of a write"));
	while (iscsi_conn_output(t->conn, &vector, 1) > 0)
		iscsi_conn_sent(t->conn, vector.iov_len, t->now);
}

/* A discovery session is kept while it asks, and no longer: unnamed ones count as strangers. */
static void idle_discovery(struct transcript *t)
{
	for (unsigned i = 0; i < 3; i++) {
		pass(t, 59999);
		uint32_t ping = put_ping(t, "still here", 10);
		ck_assert_uint_eq(expect(t, OP_NOP_IN)->itt, ping);
	}
	pass(t, 59999);
	expect_nothing(t); /* no ping: a discovery session need not answer one [TEXT-10] */
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	pass(t, 1);
	expect_finished(t, false);
	ck_assert(has_event(t, ISCSI_EVENT_TIMEOUT, "discovery"));
}

static const struct scenario scenarios[] = {
	{ "[CRED-06] output deadline", .run = output_deadline },
	{ "backpressure", .run = backpressure, .adjust = adjust_large },
	{ "[DATA-18] [ASY-07] missing data", .run = missing_data },
	{ "[DATA-18] missing data of one command", .run = missing_data_of_one },
	{ "[SES-08] a gap that is not filled", .run = missing_command },
	{ "[SES-08] a gap that is filled late", .run = late_command },
	{ "[NOP-03] [NOP-05] [SES-08] a ping that is answered, then not", .run = answered_ping },
	{ "[NOP-05] [PXE-01] pings that are ignored", .run = ignored_ping },
	{ "[SES-08] stops within a header", .run = stops_within_header },
	{ "[SES-08] stops within data", .run = stops_within_data },
	{ "[LOGIN-18] [SES-08] trickles", .run = trickles },
	{ "each PDU has its time", .run = each_pdu_has_its_time },
	{ "what we do not read is no silence", .run = unread_is_not_silent,
		.adjust = adjust_large },
	{ "[DATA-18] what we do not read is not late", .run = unread_is_not_late,
		.adjust = adjust_large },
	{ "[TEXT-10] an idle discovery session", .run = idle_discovery, .discovery = true },
};

int main(void)
{
	return scenarios_run("deadline", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
