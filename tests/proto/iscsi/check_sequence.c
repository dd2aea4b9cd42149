/* SPDX-License-Identifier: BSD-2-Clause */
/* Command numbering, NOP and the command window: proto/iscsi/sequence.c and full.c. */
#include "tests/proto/iscsi/scenario.h"

/* Sends a READ(10) with a chosen CmdSN. */
static uint32_t read_numbered(struct transcript *t, uint32_t cmd_sn, uint32_t lba)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_read(t, bhs, lba, 1);

	put_be32(bhs + BHS_CMD_SN, cmd_sn);
	put_command(t, bhs, NULL, 0);
	return itt;
}

static void order(struct transcript *t)
{
	uint32_t second = read_numbered(t, 1, 20);
	uint32_t third = read_numbered(t, 2, 30);

	expect_nothing(t);
	/* An immediate request does not wait for the gap. */
	uint32_t ping = put_ping(t, "abc", 3);
	ck_assert_uint_eq(expect(t, OP_NOP_IN)->itt, ping);
	uint32_t first = read_numbered(t, 0, 10);
	expect_read(t, first, 10, 512);
	expect_read(t, second, 20, 512);
	expect_read(t, third, 30, 512);
	ck_assert_uint_eq(the_double.order[0], 10);
	ck_assert_uint_eq(the_double.order[2], 30);
	ck_assert_uint_eq(t->conn->exp_cmd_sn, 3);
}

static void outside_window(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint8_t bhs[BHS_SIZE];
	uint32_t too_high[] = { 128, 129, 0x7fffffff, 0x80000000, 0xffffffff };

	for (unsigned i = 0; i < 5; i++) {
		uint32_t itt = new_write(t, bhs, 0, 4);
		bhs[BHS_FLAGS] &= (uint8_t)~FINAL;
		put_be32(bhs + BHS_CMD_SN, too_high[i]);
		put_command(t, bhs, data, 512);
		put_data_out(t, itt, RESERVED_TAG, 0, 512, data, 1024, true);
	}
	expect_nothing(t);
	/* A duplicate inside the window is ignored too, data and all. */
	uint32_t early = read_numbered(t, 5, 50);
	read_numbered(t, 5, 51);
	for (uint32_t n = 0; n < 5; n++)
		expect_read(t, read_numbered(t, n, n), n, 512);
	expect_read(t, early, 50, 512);
	read_numbered(t, 5, 52); /* too low */
	expect_nothing(t);
	must_be_untouched(0, 4 * 512);
	ck_assert_uint_eq(the_double.executed, 6);
}

static void wraps(struct transcript *t)
{
	for (unsigned i = 0; i < 100; i++)
		expect_read(t, put_read(t, i, 1), i, 512);
	ck_assert_uint_eq(t->conn->exp_cmd_sn, 0xfffffff0u + 100);
	ck_assert_uint_eq(t->conn->max_cmd_sn - t->conn->exp_cmd_sn, 127);
}

static void closed_window(struct transcript *t)
{
	uint32_t tags[COMMAND_WINDOW];

	the_double.pending = true;
	for (unsigned i = 0; i < COMMAND_WINDOW; i++)
		tags[i] = put_read(t, i, 1);
	put_read(t, 999, 1); /* beyond: ignored */
	expect_nothing(t);
	ck_assert_uint_eq(the_double.held_count, COMMAND_WINDOW);
	ck_assert_uint_eq(t->conn->max_cmd_sn, t->conn->exp_cmd_sn - 1);
	/* Immediate requests have room all the same [SEQ-04]. */
	uint32_t ping = put_ping(t, NULL, 0);
	const struct wire_pdu *pdu = expect(t, OP_NOP_IN);
	ck_assert_uint_eq(pdu->itt, ping);
	ck_assert_uint_eq(pdu->max_cmd_sn, pdu->exp_cmd_sn - 1);
	uint32_t tmf = put_tmf(t, 1, 0x12345, 0xdead0000);
	expect_tmf(t, tmf, 1);
	double_finish_at(5);
	expect_read(t, tags[5], 5, 512);
	ck_assert_uint_eq(t->wire.max_cmd_sn, t->wire.exp_cmd_sn);
	double_finish_all();
	deliver(t);
	ck_assert_uint_eq(t->wire.max_cmd_sn - t->wire.exp_cmd_sn, 127);
}

static void too_many_immediate(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	the_double.pending = true;
	for (unsigned i = 0; i < IMMEDIATE_MAX + 1; i++) {
		new_read(t, bhs, i, 1);
		t->cmd_sn--;
		bhs[0] |= IMMEDIATE;
		put_be32(bhs + BHS_CMD_SN, t->cmd_sn);
		put_command(t, bhs, NULL, 0);
	}
	expect_reject(t, REJECT_IMMEDIATE);
	expect_nothing(t);
	ck_assert_uint_eq(t->conn->exp_cmd_sn, t->cmd_sn);
	the_double.pending = false;
	uint32_t tmf = put_tmf(t, 1, 0x12345, 0xdead0000);
	expect_tmf(t, tmf, 1);
	double_finish_all();
	deliver(t);
	t->wire.taken = t->wire.pdu_count;
	expect_read(t, put_read(t, 3, 1), 3, 512);
}

/* The window grows through commands that get no response: it must be told all the same. */
static void window_is_told(struct transcript *t)
{
	struct iscsi_management management = { .function = 5, .lun = 0, .holds = 1 };
	const uint8_t *data = new_data();

	for (unsigned i = 0; i < COMMAND_WINDOW; i++)
		put_write(t, i, 8, data, 0, true);
	for (unsigned i = 0; i < COMMAND_WINDOW; i++)
		expect(t, OP_R2T);
	expect_nothing(t);
	iscsi_conn_manage(t->conn, &management, t->now);
	const struct wire_pdu *pdu = expect(t, OP_NOP_IN);
	ck_assert_uint_eq(pdu->itt, RESERVED_TAG);
	ck_assert_uint_eq(pdu->ttt, RESERVED_TAG);
	ck_assert_uint_eq(pdu->max_cmd_sn - pdu->exp_cmd_sn, 127);
	expect_nothing(t);
	ck_assert_uint_eq(management.holds, 1);
}

static void live_tag(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt;

	the_double.pending = true;
	itt = put_read(t, 1, 1);
	new_read(t, bhs, 2, 1);
	put_be32(bhs + BHS_ITT, itt);
	put_pdu(t, bhs, NULL, 0);
	expect_reject(t, REJECT_TASK_IN_PROGRESS);
	put_be32(bhs + BHS_CMD_SN, 0); /* a retry: ignored */
	put_pdu(t, bhs, NULL, 0);
	expect_nothing(t);
	double_finish();
	expect_read(t, itt, 1, 512);
	/* The rejected number is a gap until it is filled [SEQ-11]. */
	uint32_t next = put_read(t, 3, 1);
	expect_nothing(t);
	the_double.pending = false;
	expect_read(t, read_numbered(t, 1, 4), 4, 512);
	double_finish_all();
	expect_read(t, next, 3, 512);
}

static void spoiled_command(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_write(t, bhs, 8, 1);

	put_command(t, bhs, data, 512);
	put_spoiled(t);
	expect_reject(t, REJECT_DATA_DIGEST);
	uint32_t next = put_read(t, 3, 1);
	expect_nothing(t);
	ck_assert_uint_eq(t->conn->exp_cmd_sn, 0);
	must_be_untouched(8, 512);
	/* Sent again, it runs, and what waited behind it runs after it. */
	put_pdu(t, bhs, data, 512);
	expect_good(t, itt);
	expect_read(t, next, 3, 512);
	must_be_written(8, 512);
}

static void full_window_of_data(struct transcript *t)
{
	const uint8_t *data = new_data();

	/* The whole window of commands with all the unsolicited data they may have [SEQ-10]. */
	the_double.pending = true;
	for (unsigned i = 0; i < COMMAND_WINDOW; i++)
		put_write(t, i * 16, 16, data, 8192, true);
	deliver(t);
	ck_assert_uint_eq(the_double.held_count, COMMAND_WINDOW);
	ck_assert_uint_le(buffer_bytes_in_use(t->worker.buffers), COMMAND_WINDOW * 8192);
	double_finish_all();
	for (unsigned i = 0; i < COMMAND_WINDOW; i++)
		expect(t, OP_SCSI_RESPONSE);
	must_be_written(127 * 16, 8192);
}

static void adjust_big(struct iscsi_parameters *parameters)
{
	parameters->first_burst_length = 8192;
	parameters->max_burst_length = 16384;
}

static void adjust_digests(struct iscsi_parameters *parameters)
{
	parameters->header_digest = parameters->data_digest = true;
}

static void held_requests(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE], logout[BHS_SIZE];

	/* NOP-Out, task management and Logout obey the order when they are not immediate [OUT-04]. */
	uint32_t skipped = t->cmd_sn++;
	uint32_t ping = new_request(t, bhs, OP_NOP_OUT, FINAL);
	put_pdu(t, bhs, "0123456789", 10);
	uint32_t tmf = new_request(t, bhs, OP_TASK_MANAGEMENT, FINAL | 3);
	put_pdu(t, bhs, NULL, 0);
	new_request(t, logout, OP_LOGOUT_REQUEST, FINAL | 1);
	put_be32(logout + BHS_TTT, 7u << 16);
	put_pdu(t, logout, NULL, 0);
	uint32_t late = put_read(t, 9, 1);
	expect_nothing(t);
	uint32_t read = read_numbered(t, skipped, 5);
	expect_read(t, read, 5, 512);
	const struct wire_pdu *pdu = expect(t, OP_NOP_IN);
	ck_assert_uint_eq(pdu->itt, ping);
	ck_assert_uint_eq(pdu->length, 10);
	ck_assert_int_eq(memcmp(pdu->data, "0123456789", 10), 0);
	expect_tmf(t, tmf, 5);
	pdu = expect(t, OP_LOGOUT_RESPONSE);
	ck_assert_uint_eq(pdu->exp_cmd_sn, 4);
	(void)late; /* behind the Logout: never run [ERR-11] */
	expect_finished(t, false);
	ck_assert_uint_eq(the_double.executed, 1);
}

static void held_too_much(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	unsigned rejected = 0;

	/* What is kept for a gap is bounded; the rest can be sent again. */
	t->cmd_sn++;
	for (unsigned i = 0; i < 40; i++) {
		new_request(t, bhs, OP_NOP_OUT, FINAL);
		put_pdu(t, bhs, new_data(), 8192);
	}
	deliver(t);
	for (size_t i = 0; i < t->wire.pdu_count; i++)
		rejected += t->wire.pdus[i]->opcode == OP_REJECT;
	ck_assert_uint_eq(rejected, 40 - HELD_BYTES_MAX / 8192);
	t->wire.taken = t->wire.pdu_count;
	expect_read(t, read_numbered(t, 0, 1), 1, 512);
	for (unsigned i = 0; i < HELD_BYTES_MAX / 8192; i++)
		expect(t, OP_NOP_IN);
}

static void pings(struct transcript *t)
{
	static const uint32_t lengths[] = { 0, 1, 2, 3, 512, 1023, 1024, 1025, 8192 };
	uint8_t bhs[BHS_SIZE];

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint32_t itt = put_ping(t, new_data(), lengths[i]);
		const struct wire_pdu *pdu = expect(t, OP_NOP_IN);
		uint32_t most = lengths[i] < 1024 ? lengths[i] : 1024;
		ck_assert_uint_eq(pdu->itt, itt);
		ck_assert_uint_eq(pdu->ttt, RESERVED_TAG);
		ck_assert_uint_eq(pdu->length, most);
		ck_assert_int_eq(memcmp(pdu->data, new_data(), most), 0);
	}
	/* No tag, no answer [NOP-02]. */
	new_request(t, bhs, OP_NOP_OUT | IMMEDIATE, FINAL);
	put_be32(bhs + BHS_ITT, RESERVED_TAG);
	put_pdu(t, bhs, "xyz", 3);
	expect_nothing(t);
	/* A number that was used up without an answer leaves no closed window behind. */
	new_request(t, bhs, OP_NOP_OUT, FINAL);
	put_be32(bhs + BHS_ITT, RESERVED_TAG);
	put_pdu(t, bhs, NULL, 0);
	ck_assert_uint_eq(expect(t, OP_NOP_IN)->ttt, RESERVED_TAG);
	expect_nothing(t);
}

static void ping_while_stalled(struct transcript *t)
{
	the_double.pending = true;
	for (unsigned i = 0; i < 20; i++)
		put_read(t, i, 8);
	uint32_t itt = put_ping(t, "still here", 10);
	ck_assert_uint_eq(expect(t, OP_NOP_IN)->itt, itt);
}

static void plain_discovery(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	/* [TEXT-11] nothing but Text, NOP and Logout is served. */
	put_read(t, 0, 1);
	expect_reject(t, REJECT_NOT_SUPPORTED);
	put_data_out(t, 1, 2, 0, 0, new_data(), 4, true);
	expect_reject(t, REJECT_NOT_SUPPORTED);
	put_tmf(t, 5, RESERVED_TAG, 0);
	expect_reject(t, REJECT_NOT_SUPPORTED);
	t->cmd_sn = 0;
	new_request(t, bhs, OP_TEXT_REQUEST, FINAL);
	put_pdu(t, bhs, "SendTargets=All", 16);
	const struct wire_pdu *pdu = expect(t, OP_TEXT_RESPONSE);
	ck_assert_uint_eq(pdu->exp_cmd_sn, 1); /* [TEXT-12] */
	ck_assert_uint_eq(pdu->max_cmd_sn, 128);
	put_logout(t, 0, 0);
	expect(t, OP_LOGOUT_RESPONSE);
	expect_finished(t, false);
	ck_assert_uint_eq(the_double.parsed, 0);
}

static const struct scenario scenarios[] = {
	{ "[SEQ-01] CmdSN order, immediate past it", .run = order },
	{ "[SEQ-02] outside the window and duplicates", .run = outside_window },
	{ "[SEQ-03] numbers wrap", .run = wraps, .cmd_sn = 0xfffffff0u },
	{ "[SEQ-03] order across the wrap", .run = order, .cmd_sn = 0 },
	{ "[SEQ-04] [SEQ-05] closed window", .run = closed_window },
	{ "[SEQ-04] too many immediate commands", .run = too_many_immediate },
	{ "[SEQ-06] the window is told", .run = window_is_told },
	{ "[SEQ-09] [SEQ-11] a live tag", .run = live_tag },
	{ "[SEQ-11] [ERR-03] a spoiled command is a gap", .run = spoiled_command,
		.adjust = adjust_digests },
	{ "[SEQ-10] a window full of data", .run = full_window_of_data, .adjust = adjust_big },
	{ "[SEQ-01] [OUT-04] [ERR-11] held requests", .run = held_requests },
	{ "[SEQ-01] held data is bounded", .run = held_too_much },
	{ "[NOP-01] [NOP-02] ping", .run = pings },
	{ "[NOP-01] ping with digests", .run = pings, .adjust = adjust_digests },
	{ "[NOP-04] ping while the disk stalls", .run = ping_while_stalled },
	{ "[TEXT-10] [TEXT-11] [TEXT-12] discovery", .run = plain_discovery, .discovery = true },
};

int main(void)
{
	return scenarios_run("sequence", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
