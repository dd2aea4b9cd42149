/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Task attributes [SCSI-26]: what is ORDERED runs behind all that came before it and before all that
 * comes after it, on its logical unit and in its session; nothing else waits (SAM-5 section 8.6).
 */
#include "tests/proto/iscsi/scenario.h"

enum { UNTAGGED, SIMPLE, ORDERED, HEAD_OF_QUEUE };

static uint32_t put_read_as(struct transcript *t, uint8_t attribute, uint32_t lba)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_read(t, bhs, lba, 1);

	bhs[1] = (uint8_t)((bhs[1] & ~7) | attribute);
	put_command(t, bhs, NULL, 0);
	return itt;
}

static uint32_t put_write_as(
	struct transcript *t, uint8_t attribute, uint32_t lba, uint16_t blocks, uint32_t immediate)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_write(t, bhs, lba, blocks);

	bhs[1] = (uint8_t)((bhs[1] & ~7) | attribute | FINAL);
	put_command(t, bhs, new_data(), immediate);
	return itt;
}

/* Which LBAs the device server was given, in this order, and how many it still has. */
static void must_have_run(
	struct transcript *t, unsigned count, const uint64_t *order, unsigned held)
{
	deliver(t);
	ck_assert_uint_eq(the_double.executed, count);
	for (unsigned i = 0; i < count; i++)
		ck_assert_uint_eq(the_double.order[i], order[i]);
	ck_assert_uint_eq(the_double.held_count, held);
}

#define MUST_HAVE_RUN(t, held, ...)                                                                \
	must_have_run(t, sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t),                   \
		(uint64_t[]){ __VA_ARGS__ }, held)

static void chain(struct transcript *t)
{
	uint32_t tags[6];

	the_double.pending = true;
	tags[0] = put_read_as(t, SIMPLE, 1);
	tags[1] = put_read_as(t, UNTAGGED, 2);
	tags[2] = put_read_as(t, ORDERED, 3);
	tags[3] = put_read_as(t, SIMPLE, 4);
	tags[4] = put_read_as(t, ORDERED, 5);
	tags[5] = put_read_as(t, SIMPLE, 6);
	MUST_HAVE_RUN(t, 2, 1, 2);
	double_finish_at(1);
	MUST_HAVE_RUN(t, 1, 1, 2);
	double_finish();
	MUST_HAVE_RUN(t, 1, 1, 2, 3);
	double_finish();
	MUST_HAVE_RUN(t, 1, 1, 2, 3, 4);
	double_finish();
	MUST_HAVE_RUN(t, 1, 1, 2, 3, 4, 5);
	double_finish();
	MUST_HAVE_RUN(t, 1, 1, 2, 3, 4, 5, 6);
	double_finish();
	expect_read(t, tags[1], 2, 512);
	expect_read(t, tags[0], 1, 512);
	for (unsigned i = 2; i < 6; i++)
		expect_read(t, tags[i], i + 1, 512);
	ck_assert_uint_eq(t->conn->ordered, 0);
	ck_assert_uint_eq(t->conn->barred, 0);
}

/* All at once, when nothing has to be waited for. */
static void at_once(struct transcript *t)
{
	uint32_t tags[20];

	for (unsigned i = 0; i < 20; i++)
		tags[i] = put_read_as(t, i % 3 ? ORDERED : SIMPLE, i);
	for (unsigned i = 0; i < 20; i++)
		expect_read(t, tags[i], i, 512);
}

/* Neither the head of the queue nor another unit waits. */
static void others_pass(struct transcript *t)
{
	the_double.pending = true;
	uint32_t first = put_read_as(t, SIMPLE, 1);
	uint32_t ordered = put_read_as(t, ORDERED, 2);
	uint32_t head = put_read_as(t, HEAD_OF_QUEUE, 3);
	t->lun = (uint64_t)DOUBLE_LUN_B << 48;
	uint32_t elsewhere = put_read_as(t, ORDERED, 4);
	MUST_HAVE_RUN(t, 3, 1, 3, 4);
	double_finish_at(2);
	double_finish_at(1);
	expect_read(t, elsewhere, 4, 512);
	expect_read(t, head, 3, 512);
	double_finish();
	MUST_HAVE_RUN(t, 1, 1, 3, 4, 2);
	double_finish();
	expect_read(t, first, 1, 512);
	expect_read(t, ordered, 2, 512);
}

static uint32_t put_immediate_read_as(struct transcript *t, uint8_t attribute, uint32_t lba)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_read(t, bhs, lba, 1);

	bhs[0] |= IMMEDIATE;
	bhs[1] = (uint8_t)((bhs[1] & ~7) | attribute);
	put_be32(bhs + BHS_CMD_SN, --t->cmd_sn);
	put_command(t, bhs, NULL, 0);
	return itt;
}

/* An immediate command does not wait for what is behind a gap in the CmdSNs, however ORDERED that is [SEQ-01]. */
static void immediate_before_a_gap(struct transcript *t)
{
	uint8_t missing[BHS_SIZE];
	uint32_t first = new_read(t, missing, 1, 1);
	uint32_t held = put_read_as(t, ORDERED, 2);
	uint32_t immediate = put_immediate_read_as(t, SIMPLE, 3);

	expect_read(t, immediate, 3, 512);
	immediate = put_immediate_read_as(t, ORDERED, 4);
	expect_read(t, immediate, 4, 512);
	put_command(t, missing, NULL, 0);
	expect_read(t, first, 1, 512);
	expect_read(t, held, 2, 512);
}

/* The order is that of their turns: the immediate one, what fills the gap, what was behind it. No circle. */
static void no_circle(struct transcript *t)
{
	uint8_t missing[BHS_SIZE];

	the_double.pending = true;
	uint32_t first = new_read(t, missing, 1, 1);
	missing[1] = (uint8_t)((missing[1] & ~7) | ORDERED);
	uint32_t held = put_read_as(t, ORDERED, 2);
	uint32_t immediate = put_immediate_read_as(t, SIMPLE, 3);
	put_command(t, missing, NULL, 0);
	MUST_HAVE_RUN(t, 1, 3);
	double_finish();
	MUST_HAVE_RUN(t, 1, 3, 1);
	double_finish();
	MUST_HAVE_RUN(t, 1, 3, 1, 2);
	double_finish();
	expect_read(t, immediate, 3, 512);
	expect_read(t, first, 1, 512);
	expect_read(t, held, 2, 512);
	ck_assert_uint_eq(t->conn->barred, 0);
}

/* It asks for data when its turn has come; what stands before it with data due holds it up. */
static void writes(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint32_t first = put_write_as(t, SIMPLE, 0, 8, 512);
	const struct wire_pdu *r2t = expect(t, OP_R2T);
	uint32_t second = put_write_as(t, ORDERED, 100, 8, 512);
	uint32_t third = put_write_as(t, SIMPLE, 200, 1, 512);

	ck_assert_uint_eq(r2t->itt, first);
	expect_nothing(t);
	put_solicited(t, r2t, data, 4096);
	expect_good(t, first);
	r2t = expect(t, OP_R2T);
	ck_assert_uint_eq(r2t->itt, second);
	must_be_untouched(100, 4096);
	must_be_untouched(200, 512);
	put_solicited(t, r2t, data, 4096);
	expect_good(t, second);
	expect_good(t, third);
	must_be_written(0, 4096);
	must_be_written(100, 4096);
	must_be_written(200, 512);
}

/* What is sent from where it lies is what lay there at its turn: what is ORDERED behind it waits until it was sent. */
static void behind_views(struct transcript *t)
{
	uint8_t before[512];

	the_double.views = true;
	memcpy(before, the_double.disk + 10 * DOUBLE_BLOCK, sizeof(before));
	uint32_t read = put_read_as(t, SIMPLE, 10);
	uint32_t write = put_write_as(t, ORDERED, 10, 1, 512);
	uint32_t after = put_read_as(t, SIMPLE, 10);
	const struct wire_pdu *pdu = expect(t, OP_DATA_IN);
	ck_assert_uint_eq(pdu->itt, read);
	ck_assert_mem_eq(pdu->data, before, sizeof(before));
	expect_good(t, write);
	must_be_written(10, 512);
	expect_read(t, after, 10, 512);
	ck_assert_uint_eq(t->conn->barred, 0);
	ck_assert_uint_eq(t->conn->views, 0);
}

/* Nor does what comes behind an ORDERED read show in it. */
static void before_writes(struct transcript *t)
{
	uint8_t before[512];

	the_double.views = true;
	memcpy(before, the_double.disk + 10 * DOUBLE_BLOCK, sizeof(before));
	uint32_t read = put_read_as(t, ORDERED, 10);
	uint32_t write = put_write_as(t, SIMPLE, 10, 1, 512);
	const struct wire_pdu *pdu = expect(t, OP_DATA_IN);
	ck_assert_uint_eq(pdu->itt, read);
	ck_assert_mem_eq(pdu->data, before, sizeof(before));
	expect_good(t, write);
}

/* All that was put, without taking what comes of it. */
static void feed(struct transcript *t)
{
	iscsi_conn_received(t->conn, 0, t->bytes + t->gone, t->count - t->gone, t->now);
	t->gone = t->count;
}

/* One that waits for memory is in one queue alone, whatever is read from where it lies meanwhile. */
static void parked_beside_views(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t tags[5];

	the_double.pending = true;
	t->lun = (uint64_t)DOUBLE_LUN_B << 48;
	for (unsigned i = 0; i < 5; i++) {
		if (i == 4)
			t->lun = 0;
		tags[i] = new_read(t, bhs, 0, 8192); /* 4 MiB each: four fill the budget */
		bhs[1] = (uint8_t)((bhs[1] & ~7) | (i == 4 ? ORDERED : SIMPLE));
		put_command(t, bhs, NULL, 0);
	}
	feed(t);
	ck_assert_ptr_nonnull(t->conn->parked);
	the_double.pending = false;
	the_double.views = true;
	uint32_t head = put_read_as(t, HEAD_OF_QUEUE, 7);
	t->lun = (uint64_t)DOUBLE_LUN_B << 48;
	uint32_t elsewhere = put_read_as(t, SIMPLE, 8);
	feed(t);
	ck_assert_int_eq(t->conn->parked->state, TASK_PARKED);
	double_finish_all();
	for (unsigned i = 0; i < 5; i++)
		expect_read(t, tags[i], 0, 4u << 20);
	expect_read(t, head, 7, 512);
	expect_read(t, elsewhere, 8, 512);
	ck_assert_ptr_null(t->conn->parked);
	ck_assert_uint_eq(t->conn->barred, 0);
}

/* Reads of another unit that go on and on do not keep an ORDERED command from its turn. */
static void not_starved(struct transcript *t)
{
	uint32_t first, ordered, elsewhere;

	the_double.views = true;
	first = put_read_as(t, SIMPLE, 1);
	ordered = put_read_as(t, ORDERED, 2);
	t->lun = (uint64_t)DOUBLE_LUN_B << 48;
	elsewhere = put_read_as(t, SIMPLE, 3);
	feed(t);
	ck_assert_uint_eq(t->conn->views, 1);
	ck_assert_uint_eq(t->conn->barred, 1);
	expect_read(t, first, 1, 512);
	expect_read(t, elsewhere, 3, 512);
	expect_read(t, ordered, 2, 512);
	ck_assert_uint_eq(t->conn->barred, 0);
}

/* Those who wait hold none of the memory that those before them need. */
static void with_little_memory(struct transcript *t)
{
	uint32_t tags[7];

	the_double.pending = true;
	for (unsigned i = 0; i < 7; i++) {
		uint8_t bhs[BHS_SIZE];

		tags[i] = new_read(t, bhs, 0, 8192); /* 4 MiB each: four fill the budget */
		bhs[1] = (uint8_t)((bhs[1] & ~7) | (i == 5 ? ORDERED : SIMPLE));
		put_command(t, bhs, NULL, 0);
	}
	expect_nothing(t);
	ck_assert_uint_eq(the_double.held_count, 4);
	the_double.pending = false;
	double_finish_all();
	for (unsigned i = 0; i < 7; i++)
		expect_read(t, tags[i], 0, 4u << 20);
}

static void adjust_large(struct iscsi_parameters *parameters)
{
	parameters->initiator_max_recv = parameters->max_burst_length = 1 << 20;
}

static void mark_ended(struct transcript *t, uint32_t itt)
{
	for (unsigned i = 0; i < t->task_count; i++)
		if (t->tasks[i].itt == itt)
			t->tasks[i].ended = true;
}

/* What waited is aborted, or what it waited for is: the others go on. */
static void aborted(struct transcript *t)
{
	the_double.pending = true;
	uint32_t first = put_read_as(t, SIMPLE, 1);
	uint32_t ordered = put_read_as(t, ORDERED, 2);
	uint32_t last = put_read_as(t, SIMPLE, 3);

	expect_nothing(t);
	uint32_t tmf = put_tmf(t, 1, ordered, 1);
	mark_ended(t, ordered);
	expect_tmf(t, tmf, 0);
	MUST_HAVE_RUN(t, 2, 1, 3);
	uint32_t again = put_read_as(t, ORDERED, 4);
	tmf = put_tmf(t, 1, first, 0);
	mark_ended(t, first);
	double_finish_at(1);
	expect_read(t, last, 3, 512);
	/* The aborted one is with the store yet: it may still do something. */
	MUST_HAVE_RUN(t, 1, 1, 3);
	double_finish();
	expect_tmf(t, tmf, 0);
	double_finish();
	expect_read(t, again, 4, 512);
	ck_assert_uint_eq(t->conn->barred, 0);
}

/* K5: what has its data runs to its end in its order; what has not leaves no trace. */
static void closed(struct transcript *t)
{
	the_double.pending = true;
	uint32_t first = put_read_as(t, SIMPLE, 1);
	uint32_t ordered = put_write_as(t, ORDERED, 100, 1, 512);
	(void)put_write_as(t, SIMPLE, 200, 8, 512);

	expect_nothing(t);
	iscsi_conn_close(t->conn, ISCSI_CLOSE_CLEAN, t->now);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_CLOSING);
	double_finish();
	expect_read(t, first, 1, 512);
	double_finish();
	expect_good(t, ordered);
	expect_finished(t, true);
	must_be_written(100, 512);
	must_be_untouched(200, 4096);
}

static void lost(struct transcript *t)
{
	the_double.pending = true;
	(void)put_read_as(t, SIMPLE, 1);
	(void)put_read_as(t, ORDERED, 2);
	(void)put_read_as(t, SIMPLE, 3);
	expect_nothing(t);
	iscsi_conn_lost(t->conn, t->now);
	double_finish();
	ck_assert(!iscsi_conn_busy(t->conn));
	ck_assert_uint_eq(the_double.executed, 1);
	ck_assert_uint_eq(t->conn->barred, 0);
}

static const struct scenario scenarios[] = {
	{ "[SCSI-26] a chain", .run = chain },
	{ "[SCSI-26] behind reads that are sent from where they lie", .run = behind_views },
	{ "[SCSI-26] before writes, as a read", .run = before_writes },
	{ "[SCSI-26] [SEQ-10] parked beside reads that are sent from where they lie",
		.run = parked_beside_views, .adjust = adjust_large },
	{ "[SCSI-26] not starved", .run = not_starved },
	{ "[SCSI-26] a chain where CmdSN wraps", .run = chain, .cmd_sn = 0xfffffffd },
	{ "[SCSI-26] nothing to wait for", .run = at_once },
	{ "[SCSI-26] HEAD OF QUEUE and other units pass", .run = others_pass },
	{ "[SCSI-26] [SEQ-01] immediate before a gap", .run = immediate_before_a_gap },
	{ "[SCSI-26] no circle", .run = no_circle },
	{ "[SCSI-26] no circle where CmdSN wraps", .run = no_circle, .cmd_sn = 0xffffffff },
	{ "[SCSI-26] writes", .run = writes },
	{ "[SCSI-26] little memory", .run = with_little_memory, .adjust = adjust_large },
	{ "[SCSI-26] [TMF-02] aborted", .run = aborted },
	{ "[SCSI-26] [CRED-03] a clean close", .run = closed },
	{ "[SCSI-26] [SES-07] lost", .run = lost },
};

int main(void)
{
	return scenarios_run("ordered", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
