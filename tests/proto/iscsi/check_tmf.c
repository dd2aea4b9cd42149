/* SPDX-License-Identifier: BSD-2-Clause */
/* Task management: proto/iscsi/tmf.c. Sections 11.5, 11.6, 4.2.3.3. */
#include "tests/proto/iscsi/scenario.h"

enum { ABORT = 1, ABORT_SET, CLEAR_ACA, CLEAR_SET, LU_RESET, WARM, COLD, REASSIGN };

static void forget(struct transcript *t, uint32_t itt)
{
	for (unsigned i = 0; i < t->task_count; i++)
		if (t->tasks[i].itt == itt)
			t->tasks[i].ended = true; /* a response from now on fails the test */
}

/* --- which functions there are [TMF-01], [TMF-09], [TMF-12] --- */

static void functions(struct transcript *t)
{
	static const uint8_t responses[16] = { 5, 1, 0, 5, 0, 0, 0, 0xee, 4, 5, 5, 5, 5, 5, 5, 5 };

	for (uint8_t function = 0; function < 16; function++) {
		if (function != COLD)
			expect_tmf(t, put_tmf(t, function, 0x77, 0xdead0000), responses[function]);
	}
	expect_tmf(t, put_tmf(t, 0x7f, RESERVED_TAG, 0), 5);
	t->lun = 200ull << 48;
	for (uint8_t function = ABORT; function <= LU_RESET; function++)
		expect_tmf(
			t, put_tmf(t, function, 0x77, 0xdead0000), function == CLEAR_ACA ? 5 : 2);
	ck_assert(has_event(t, ISCSI_EVENT_TASK_MANAGEMENT, "complete"));
}

static void bad_tags(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	the_double.pending = true;
	uint32_t read = put_read(t, 1, 1);
	new_request(t, bhs, OP_TASK_MANAGEMENT | IMMEDIATE, FINAL | ABORT);
	put_be32(bhs + BHS_ITT, read);
	put_pdu(t, bhs, NULL, 0);
	expect_reject(t, REJECT_TASK_IN_PROGRESS);
	put_be32(bhs + BHS_ITT, RESERVED_TAG);
	put_pdu(t, bhs, NULL, 0);
	expect_reject(t, REJECT_INVALID_FIELD);
	/* ABORT TASK of a task management function [TMF-05]. */
	uint32_t reset = put_tmf(t, LU_RESET, RESERVED_TAG, 0);
	expect_nothing(t);
	expect_tmf(t, put_tmf(t, ABORT, reset, 0), 255);
	forget(t, read);
	double_finish();
	expect_tmf(t, reset, 0);
}

/* --- ABORT TASK [TMF-02] to [TMF-05], [TMF-13] --- */

static void abort_at_store(struct transcript *t)
{
	const uint8_t *data = new_data();

	the_double.pending = true;
	uint32_t read = put_read(t, 1, 4);
	uint32_t write = put_write(t, 8, 1, data, 512, true);
	expect_nothing(t);
	uint32_t first = put_tmf(t, ABORT, write, 1);
	expect_nothing(
		t); /* the store may still write: no answer before it has given the task back */
	ck_assert(the_double.held[1]->cancelled); /* but no further step of it */
	ck_assert(!the_double.held[0]->cancelled);
	forget(t, write);
	double_finish_at(1);
	expect_tmf(t, first, 0);
	uint32_t second = put_tmf(t, ABORT, read, 0);
	expect_nothing(t);
	forget(t, read);
	double_finish();
	expect_tmf(t, second, 0);
	expect_nothing(t);
	ck_assert(!iscsi_conn_busy(t->conn));
}

static void abort_late(struct transcript *t)
{
	the_double.pending = true;
	uint32_t read = put_read(t, 1, 4);
	uint32_t tmf = put_tmf(t, ABORT, read, 0);
	expect_nothing(t);
	forget(t, read);
	pass(t, 9999);
	expect_nothing(t);
	pass(t, 1);
	expect_tmf(t, tmf, 255);
	ck_assert(iscsi_conn_busy(t->conn));
	/* The tags are free again, and the window has not lost a place when it comes back. */
	expect_tmf(t, put_tmf(t, ABORT, read, 0), 1);
	/* A reset still waits for what ABORT TASK gave up. */
	uint32_t reset = put_tmf(t, LU_RESET, RESERVED_TAG, 0);
	expect_nothing(t);
	double_finish();
	expect_tmf(t, reset, 0);
	ck_assert(!iscsi_conn_busy(t->conn));
	ck_assert_uint_eq(t->conn->max_cmd_sn - t->conn->exp_cmd_sn, 127);
}

static void abort_gathering(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint32_t write = put_write(t, 0, 16, data, 0, true);
	const struct wire_pdu *r2t = expect(t, OP_R2T);

	/* An initiator sends no data for a task that it aborts: no wait [TMF-08]. */
	put_data_out(t, write, r2t->ttt, 0, 0, data, 1024, false);
	expect_tmf(t, put_tmf(t, ABORT, write, 0), 0);
	forget(t, write);
	/* What was on its way is dropped in silence. */
	put_data_out(t, write, r2t->ttt, 1, 1024, data, 3072, true);
	expect_nothing(t);
	must_be_untouched(0, 8192);
	expect_read(t, put_read(t, 0, 1), 0, 512);
}

static void abort_gap(struct transcript *t)
{
	uint8_t lost[BHS_SIZE];
	uint32_t itt = new_read(t, lost, 7, 1); /* CmdSN 0, not sent yet */
	uint32_t next = put_read(t, 8, 1);

	expect_nothing(t);
	uint32_t tmf = put_tmf(t, ABORT, itt, 0);
	/* The gap is filled: what waited behind it runs. */
	deliver(t);
	ck_assert_uint_eq(t->conn->exp_cmd_sn, 2);
	expect_tmf(t, tmf, 0);
	expect_read(t, next, 8, 512);
	put_pdu(t, lost, NULL, 0); /* a late copy: ignored */
	expect_nothing(t);
	ck_assert_uint_eq(the_double.executed, 1);
	/* Outside the window, or not below the request's own number. */
	expect_tmf(t, put_tmf(t, ABORT, 0x55, 0), 1);
	expect_tmf(t, put_tmf(t, ABORT, 0x55, t->cmd_sn), 1);
	expect_tmf(t, put_tmf(t, ABORT, 0x55, t->cmd_sn + 5), 1);
	expect_tmf(t, put_tmf(t, ABORT, 0x55, 0x80000000), 1);
	expect_read(t, put_read(t, 9, 1), 9, 512);
}

static void abort_held(struct transcript *t)
{
	uint8_t first[BHS_SIZE];
	uint32_t itt = new_read(t, first, 7, 1);
	uint32_t held = put_write(t, 8, 1, new_data(), 512, true);
	uint32_t last = put_read(t, 9, 1);

	expect_nothing(t);
	expect_tmf(t, put_tmf(t, ABORT, held, 1), 0);
	forget(t, held);
	put_command(t, first, NULL, 0);
	expect_read(t, itt, 7, 512);
	expect_read(t, last, 9, 512);
	must_be_untouched(8, 512);
	ck_assert_uint_eq(t->conn->exp_cmd_sn, 3);
	ck_assert_uint_eq(t->conn->max_cmd_sn, 130);
}

static void abort_done(struct transcript *t)
{
	uint32_t read = put_read(t, 1, 1);

	expect_read(t, read, 1, 512);
	expect_tmf(t, put_tmf(t, ABORT, read, 0), 1);
	/* In the race the SCSI Response comes first [TMF-04]. */
	the_double.pending = true;
	read = put_read(t, 2, 1);
	deliver(t);
	double_finish();
	uint32_t tmf = put_tmf(t, ABORT, read, 1);
	expect_read(t, read, 2, 512);
	expect_tmf(t, tmf, 1);
}

static void abort_other_lun(struct transcript *t)
{
	the_double.pending = true;
	uint32_t read = put_read(t, 1, 1);
	t->lun = (uint64_t)DOUBLE_LUN_B << 48;
	expect_tmf(t, put_tmf(t, ABORT, read, 0), 1);
	t->lun = 0;
	double_finish();
	expect_read(t, read, 1, 512);
}

/* --- functions on many tasks --- */

static void abort_set_scope(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint8_t bhs[BHS_SIZE];

	the_double.pending = true;
	uint32_t mine = put_read(t, 1, 1);
	uint32_t write = put_write(t, 2, 1, data, 512, true);
	new_read(t, bhs, 3, 1);
	t->cmd_sn--;
	bhs[0] |= IMMEDIATE;
	put_be32(bhs + BHS_CMD_SN, t->cmd_sn);
	put_command(t, bhs, NULL, 0);
	uint32_t immediate = get_be32(bhs + BHS_ITT);
	t->lun = (uint64_t)DOUBLE_LUN_B << 48;
	uint32_t elsewhere = put_read(t, 4, 1);
	t->lun = 0;
	uint32_t tmf = put_tmf(t, ABORT_SET, RESERVED_TAG, 0);
	/* Sent later than the immediate function: it runs [TMF-06]. */
	uint32_t later = put_read(t, 5, 1);
	expect_nothing(t);
	ck_assert_uint_eq(the_double.held_count, 5);
	forget(t, mine), forget(t, write), forget(t, immediate);
	double_finish_at(4);
	expect_read(t, later, 5, 512);
	double_finish_at(0);
	double_finish_at(0);
	expect_nothing(t);
	double_finish_at(0); /* the last of those it covers */
	expect_tmf(t, tmf, 0);
	double_finish();
	expect_read(t, elsewhere, 4, 512);
	ck_assert_uint_eq(the_double.raise_count, 0);
	ck_assert_uint_eq(the_double.reset_count, 0);
}

/* [TMF-07]: waits for missing commands and for the data of open R2Ts. */
static void set_waits(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint8_t missing[BHS_SIZE];
	uint32_t write = put_write(t, 0, 16, data, 0, true);
	const struct wire_pdu *r2t = expect(t, OP_R2T);
	uint32_t read = new_read(t, missing, 100, 1);
	uint32_t tmf = put_tmf(t, ABORT_SET, RESERVED_TAG, 0);

	expect_nothing(t);
	put_data_out(t, write, r2t->ttt, 0, 0, data, 1024, false);
	expect_nothing(t);
	put_command(t, missing, NULL, 0);
	expect_read(t, read, 100, 512); /* it came in time, and may run to its end */
	put_data_out(t, write, r2t->ttt, 1, 1024, data, 3072, true);
	/* No further R2T: the function ends the task. */
	expect_tmf(t, tmf, 0);
	forget(t, write);
	expect_nothing(t);
	must_be_untouched(0, 8192);
}

static void set_waits_for_commands(struct transcript *t)
{
	uint8_t missing[BHS_SIZE];
	uint32_t read = new_read(t, missing, 100, 1);
	uint32_t tmf = put_tmf(t, CLEAR_SET, RESERVED_TAG, 0);

	expect_nothing(t);
	put_command(t, missing, NULL, 0);
	expect_read(t, read, 100, 512);
	expect_tmf(t, tmf, 0);
}

/* A reset from elsewhere, while data for one of the tasks is half received. */
static void reset_amid_data(struct transcript *t)
{
	struct iscsi_management management = { .function = LU_RESET, .lun = 0, .holds = 1 };
	const uint8_t *data = new_data();
	uint32_t write = put_write(t, 0, 8, data, 0, true);
	const struct wire_pdu *r2t = expect(t, OP_R2T);

	put_data_out(t, write, r2t->ttt, 0, 0, data, 4096, true);
	t->count -= 3000;
	deliver(t);
	iscsi_conn_manage(t->conn, &management, t->now);
	forget(t, write);
	ck_assert_uint_eq(buffer_bytes_in_use(t->worker.buffers), 0);
	put_bytes(t, data, 3000);
	ck_assert_uint_eq(expect(t, OP_NOP_IN)->ttt, RESERVED_TAG);
	expect_nothing(t);
	must_be_untouched(0, 4096);
	expect_read(t, put_read(t, 1, 1), 1, 512);
}

/* [TMF-08]: but not for ever. */
static void set_waits_no_longer(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint8_t missing[BHS_SIZE];
	uint32_t write = put_write(t, 0, 16, data, 0, true);
	const struct wire_pdu *r2t = expect(t, OP_R2T);
	uint32_t lost = new_read(t, missing, 100, 1);
	uint32_t tmf = put_tmf(t, LU_RESET, RESERVED_TAG, 0);
	uint32_t later = put_read(t, 101, 1);

	pass(t, 2400);
	expect_nothing(t);
	pass(t, 200);
	/* The numbers that never came are used up; what came after them runs. */
	expect_read(t, later, 101, 512);
	expect_tmf(t, tmf, 0);
	forget(t, write);
	put_pdu(t, missing, NULL, 0);
	put_data_out(t, write, r2t->ttt, 0, 0, data, 4096, true);
	expect_nothing(t);
	(void)lost;
	must_be_untouched(0, 8192);
	expect_read(t, put_read(t, 1, 1), 1, 512);
}

static void unsolicited_is_waited_for(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint32_t write = put_write(t, 0, 4, data, 512, false);
	uint32_t tmf = put_tmf(t, CLEAR_SET, RESERVED_TAG, 0);

	put_data_out(t, write, RESERVED_TAG, 0, 512, data, 500, false);
	expect_nothing(t);
	put_data_out(t, write, RESERVED_TAG, 1, 1012, data, 1036, true);
	/* All its data came while the function waited: it may end before it. */
	expect_good(t, write);
	expect_tmf(t, tmf, 0);
}

static void adjust_unsolicited(struct iscsi_parameters *parameters)
{
	parameters->initial_r2t = false;
}

/* A wild CmdSN on an immediate function neither waits nor moves the window. */
static void wild_number(struct transcript *t)
{
	static const uint32_t numbers[] = { 0x7fffffff, 0x80000000, 0xffffff00, 300, 129, 128 };
	uint8_t bhs[BHS_SIZE];

	expect_read(t, put_read(t, 1, 1), 1, 512);
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint32_t itt = new_request(t, bhs, OP_TASK_MANAGEMENT | IMMEDIATE, FINAL | WARM);
		put_be32(bhs + BHS_CMD_SN, 1 + numbers[i]);
		put_pdu(t, bhs, NULL, 0);
		if (i == 5)
			ck_assert_uint_eq(expect(t, OP_NOP_IN)->ttt, RESERVED_TAG);
		expect_tmf(t, itt, 0);
		if (i < 5)
			ck_assert_uint_eq(t->conn->exp_cmd_sn, 1);
	}
	/* The whole window may be given up by a reset that is numbered behind it. */
	ck_assert_uint_eq(t->conn->exp_cmd_sn, 129);
	ck_assert_uint_eq(t->conn->max_cmd_sn, 129 + 127);
}

/* --- other sessions [TMF-10], [TMF-11], K-wide functions through the host --- */

static struct transcript other;

static void begin_other(struct transcript *t)
{
	struct iscsi_parameters parameters = transcript_parameters();

	transcript_begin(&other, &parameters, false, 500, t->chunking);
	t->others[0] = &other;
}

static void lu_reset(struct transcript *t)
{
	const uint8_t *data = new_data();

	begin_other(t);
	the_double.pending = true;
	uint32_t mine = put_read(t, 1, 1);
	deliver(t);
	uint32_t theirs = put_write(&other, 2, 1, data, 512, true);
	uint32_t gathering = put_write(&other, 3, 8, data, 0, true);
	expect(&other, OP_R2T);
	other.lun = (uint64_t)DOUBLE_LUN_B << 48;
	uint32_t elsewhere = put_read(&other, 4, 1);
	deliver(&other);
	uint32_t tmf = put_tmf(t, LU_RESET, RESERVED_TAG, 0);
	expect_nothing(t);
	ck_assert(the_double.held[0]->cancelled && the_double.held[1]->cancelled);
	ck_assert(!the_double.held[2]->cancelled); /* elsewhere */
	forget(t, mine), forget(&other, theirs), forget(&other, gathering);
	ck_assert_uint_eq(the_double.reset_count, 1);
	ck_assert_int_eq(the_double.reset_lun, 0);
	ck_assert_uint_eq(the_double.raised, UA_RESET);
	ck_assert_int_eq(the_double.raised_lun, 0);
	ck_assert_ptr_eq(the_double.raised_except, t->conn->grant.nexus);
	double_finish_at(0);
	expect_nothing(t);
	double_finish_at(0); /* theirs: then the function is done */
	expect_tmf(t, tmf, 0);
	double_finish();
	ck_assert_uint_eq(expect(&other, OP_NOP_IN)->ttt, RESERVED_TAG); /* the window [SEQ-06] */
	deliver(&other);
	while (other.wire.taken < other.wire.pdu_count &&
		other.wire.pdus[other.wire.taken]->opcode == OP_NOP_IN)
		other.wire.taken++;
	expect_read(&other, elsewhere, 4, 512);
	must_be_untouched(3, 4096);
	transcript_end(&other);
	t->others[0] = NULL;
}

static void clear_set(struct transcript *t)
{
	begin_other(t);
	/* Who had no task there is not told. */
	other.lun = (uint64_t)DOUBLE_LUN_B << 48;
	the_double.pending = true;
	uint32_t elsewhere = put_read(&other, 9, 1);
	deliver(&other);
	expect_tmf(t, put_tmf(t, CLEAR_SET, RESERVED_TAG, 0), 0);
	ck_assert_uint_eq(the_double.told_count, 0);
	other.lun = 0;
	uint32_t theirs = put_write(&other, 2, 8, new_data(), 0, true);
	expect(&other, OP_R2T);
	expect_tmf(t, put_tmf(t, CLEAR_SET, RESERVED_TAG, 0), 0);
	forget(&other, theirs);
	ck_assert_uint_eq(the_double.told_count, 1);
	ck_assert_uint_eq(the_double.told, UA_CLEARED_BY_OTHER);
	ck_assert_int_eq(the_double.told_lun, 0);
	ck_assert_ptr_eq(the_double.told_nexus, other.conn->grant.nexus);
	ck_assert_uint_eq(the_double.raise_count, 0);
	ck_assert_uint_eq(the_double.reset_count, 0);
	ck_assert_uint_eq(expect(&other, OP_NOP_IN)->ttt, RESERVED_TAG);
	double_finish();
	expect_read(&other, elsewhere, 9, 512);
	transcript_end(&other);
	t->others[0] = NULL;
}

static void warm_reset(struct transcript *t)
{
	uint8_t missing[BHS_SIZE];

	begin_other(t);
	the_double.pending = true;
	uint32_t theirs = put_read(&other, 1, 1);
	deliver(&other);
	(void)new_read(t, missing, 1, 1); /* missing commands count as received at once */
	t->lun = (uint64_t)DOUBLE_LUN_B << 48;
	uint32_t mine = put_read(t, 2, 1); /* held behind it */
	uint32_t tmf = put_tmf(t, WARM, RESERVED_TAG, 0);
	deliver(t);
	forget(t, mine), forget(&other, theirs);
	ck_assert_int_eq(the_double.reset_lun, -1);
	expect_nothing(t);
	double_finish();
	expect_tmf(t, tmf, 0);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FULL);
	ck_assert_uint_eq(t->conn->exp_cmd_sn, 2);
	transcript_end(&other);
	t->others[0] = NULL;
}

static void cold_reset(struct transcript *t)
{
	begin_other(t);
	the_double.pending = true;
	uint32_t theirs = put_read(&other, 1, 1);
	deliver(&other);
	forget(&other, theirs);
	uint32_t tmf = put_tmf(t, COLD, RESERVED_TAG, 0);
	expect_nothing(t);
	expect_finished(&other, true);
	double_finish();
	/* The answer, then the end of this session too [TMF-11]. */
	expect_tmf(t, tmf, 0);
	expect_finished(t, true);
	transcript_end(&other);
	t->others[0] = NULL;
}

static void host_fails(struct transcript *t)
{
	t->manage_fails = true;
	expect_tmf(t, put_tmf(t, LU_RESET, RESERVED_TAG, 0), 255);
	ck_assert(!iscsi_conn_busy(t->conn));
}

static void many(struct transcript *t)
{
	uint32_t tags[17];

	the_double.pending = true;
	uint32_t read = put_read(t, 1, 1);
	for (unsigned i = 0; i < 16; i++)
		tags[i] = put_tmf(t, ABORT_SET, RESERVED_TAG, 0);
	put_tmf(t, ABORT_SET, RESERVED_TAG, 0);
	expect_reject(t, REJECT_IMMEDIATE);
	expect_nothing(t);
	forget(t, read);
	double_finish();
	deliver(t);
	ck_assert_uint_eq(t->wire.pdu_count - t->wire.taken, 16);
	for (unsigned i = 0; i < 16; i++)
		ck_assert_uint_eq(expect(t, OP_TASK_MANAGEMENT_RESPONSE)->bhs[2], 0);
	expect_nothing(t);
	(void)tags;
}

/* A third session's function reaches a connection that is already gone but for its tasks (K6, TMF-13). */
static void zombie(struct transcript *t)
{
	begin_other(t);
	the_double.pending = true;
	(void)put_write(&other, 2, 1, new_data(), 512, true);
	deliver(&other);
	iscsi_conn_close(other.conn, ISCSI_CLOSE_REINSTATED, other.now);
	ck_assert(iscsi_conn_busy(other.conn));
	uint32_t tmf = put_tmf(t, LU_RESET, RESERVED_TAG, 0);
	expect_nothing(t);
	double_finish();
	expect_tmf(t, tmf, 0);
	ck_assert(!iscsi_conn_busy(other.conn));
	transcript_end(&other);
	t->others[0] = NULL;
}

/* The connection that asked is gone before the answer [SES-09]. */
static void asker_gone(struct transcript *t)
{
	begin_other(t);
	the_double.pending = true;
	(void)put_read(&other, 2, 1);
	deliver(&other);
	(void)put_tmf(t, LU_RESET, RESERVED_TAG, 0);
	expect_nothing(t);
	iscsi_conn_lost(t->conn, t->now);
	ck_assert(iscsi_conn_busy(t->conn));
	double_finish();
	expect_nothing(t);
	ck_assert(!iscsi_conn_busy(t->conn));
	transcript_end(&other);
	t->others[0] = NULL;
}

static const struct scenario scenarios[] = {
	{ "[TMF-01] [TMF-09] [TMF-12] functions", .run = functions },
	{ "[TMF-05] [SEQ-09] bad tags", .run = bad_tags },
	{ "[TMF-02] [TMF-13] abort at the store", .run = abort_at_store },
	{ "[TMF-08] [TMF-13] [LNX-07] the store does not give back", .run = abort_late },
	{ "[TMF-02] [TMF-08] abort while data is due", .run = abort_gathering },
	{ "[TMF-03] [TMF-04] abort of a gap", .run = abort_gap },
	{ "[TMF-03] abort of a held command", .run = abort_held },
	{ "[TMF-04] abort of what is done", .run = abort_done },
	{ "[TMF-05] abort on another LUN", .run = abort_other_lun },
	{ "[TMF-06] scope of ABORT TASK SET", .run = abort_set_scope },
	{ "[TMF-07] waits for commands and data", .run = set_waits },
	{ "[TMF-07] waits for commands alone", .run = set_waits_for_commands },
	{ "[TMF-10] a reset amid data", .run = reset_amid_data },
	{ "[TMF-08] [LNX-07] waits no longer", .run = set_waits_no_longer },
	{ "[TMF-07] waits for unsolicited data", .run = unsolicited_is_waited_for,
		.adjust = adjust_unsolicited },
	{ "[SEQ-04] a wild CmdSN", .run = wild_number },
	{ "[TMF-10] LOGICAL UNIT RESET", .run = lu_reset },
	{ "[TMF-10] CLEAR TASK SET", .run = clear_set },
	{ "[TMF-11] warm reset", .run = warm_reset },
	{ "[TMF-11] cold reset", .run = cold_reset },
	{ "the host is out of memory", .run = host_fails },
	{ "[SEQ-04] too many functions", .run = many },
	{ "[TMF-13] tasks of a dead session", .run = zombie },
	{ "[SES-09] the asker is gone", .run = asker_gone },
};

int main(void)
{
	return scenarios_run("tmf", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
