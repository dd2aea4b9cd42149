/* SPDX-License-Identifier: BSD-2-Clause */
/* The data of commands, both ways: proto/iscsi/command.c, dataout.c. The rules of R2T and Data-In
 * sequences are checked by the harness on every PDU. */
#include "tests/proto/iscsi/scenario.h"

/* --- the four cases of InitialR2T and ImmediateData, section 13.11 [DATA-01] --- */

static void adjust_r2t_immediate(struct iscsi_parameters *parameters)
{
	parameters->initial_r2t = true;
	parameters->immediate_data = true;
}

static void adjust_r2t_only(struct iscsi_parameters *parameters)
{
	parameters->initial_r2t = true;
	parameters->immediate_data = false;
}

static void adjust_unsolicited(struct iscsi_parameters *parameters)
{
	parameters->initial_r2t = false;
	parameters->immediate_data = true;
}

static void adjust_unsolicited_only(struct iscsi_parameters *parameters)
{
	parameters->initial_r2t = false;
	parameters->immediate_data = false;
}

static void adjust_digests(struct iscsi_parameters *parameters)
{
	adjust_unsolicited(parameters);
	parameters->header_digest = parameters->data_digest = true;
}

/* Unsolicited data in all lengths that the session's terms allow, and the rest by R2T. */
static void legal_write(
	struct transcript *t, uint32_t lba, uint16_t blocks, uint32_t immediate, bool unsolicited)
{
	const uint8_t *data = new_data();
	uint32_t edtl = blocks * DOUBLE_BLOCK, at = immediate;
	uint32_t first = edtl < t->conn->parameters.first_burst_length
				 ? edtl
				 : t->conn->parameters.first_burst_length;
	uint32_t itt = put_write(t, lba, blocks, data, immediate, !unsolicited);

	if (unsolicited) {
		for (uint32_t data_sn = 0; at < first; data_sn++) {
			uint32_t length = first - at < 700 ? first - at : 700;
			put_data_out(t, itt, RESERVED_TAG, data_sn, at, data, length,
				at + length == first);
			at += length;
		}
	}
	while (at < edtl) {
		const struct wire_pdu *r2t = expect(t, OP_R2T);
		ck_assert_uint_eq(get_be32(r2t->bhs + BHS_OFFSET), at);
		at += get_be32(r2t->bhs + BHS_RESIDUAL);
		put_solicited(t, r2t, data, 1000);
	}
	must_leave(expect_good(t, itt), 0, 0);
	expect_nothing(t);
	must_be_written(lba, edtl);
	double_reset();
}

static void write_by_r2t(struct transcript *t)
{
	for (uint16_t blocks = 1; blocks <= 24; blocks += 7)
		legal_write(t, blocks, blocks, 0, false);
	/* Unsolicited data of either kind is refused after its last PDU. */
	const uint8_t *data = new_data();
	uint32_t itt = put_write(t, 0, 1, data, 512, true);
	must_leave(expect_sense(t, itt, SENSE_UNEXPECTED_UNSOLICITED_DATA), 'U', 512);
	itt = put_write(t, 0, 2, data, 0, false);
	put_data_out(t, itt, RESERVED_TAG, 0, 0, data, 512, false);
	expect_nothing(t);
	put_data_out(t, itt, RESERVED_TAG, 1, 512, data, 512, true);
	must_leave(expect_sense(t, itt, SENSE_UNEXPECTED_UNSOLICITED_DATA), 'U', 1024);
	must_be_untouched(0, 2048);
	ck_assert_uint_eq(the_double.executed, 0);
}

static void write_immediate(struct transcript *t)
{
	static const uint16_t immediate[] = { 0, 1, 511, 512, 513, 2048 };

	for (unsigned i = 0; i < 6; i++)
		legal_write(t, i, 12, immediate[i], false); /* [DATA-03] */
	legal_write(t, 3, 2, 1024, false);
	const uint8_t *data = new_data();
	uint32_t itt = put_write(t, 0, 4, data, 512, false);
	put_data_out(t, itt, RESERVED_TAG, 0, 512, data, 1536, true);
	expect_sense(t, itt, SENSE_UNEXPECTED_UNSOLICITED_DATA);
	must_be_untouched(0, 2048);
}

static void write_unsolicited(struct transcript *t)
{
	static const uint16_t immediate[] = { 0, 1, 512, 2047, 2048 };

	for (unsigned i = 0; i < 5; i++) {
		legal_write(t, i, 12, immediate[i], false);
		if (immediate[i] < 2048)
			legal_write(t, i, 12, immediate[i], true);
	}
	legal_write(t, 0, 2, 512, true); /* all of it below FirstBurstLength */
}

static void write_unsolicited_only(struct transcript *t)
{
	legal_write(t, 1, 12, 0, true);
	legal_write(t, 1, 12, 0, false);
	legal_write(t, 1, 3, 0, true);
	uint32_t itt = put_write(t, 0, 1, new_data(), 512, true);
	expect_sense(t, itt, SENSE_UNEXPECTED_UNSOLICITED_DATA);
	must_be_untouched(0, 512);
}

/* --- wrong amounts [DATA-02], [DATA-05] --- */

static void wrong_unsolicited_amount(struct transcript *t)
{
	static const struct {
		uint16_t blocks;
		uint32_t immediate, more;
	} amounts[] = {
		{ 12, 0, 2047 },
		{ 12, 0, 2049 },
		{ 12, 512, 1535 },
		{ 12, 512, 1537 },
		{ 2, 0, 1023 },
		{ 2, 0, 1025 },
		{ 2, 512, 0 },
		{ 12, 2048, 1 },
	};
	const uint8_t *data = new_data();
	uint32_t itt;

	for (unsigned i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
		itt = put_write(t, 0, amounts[i].blocks, data, amounts[i].immediate, false);
		expect_nothing(t);
		put_data_out(
			t, itt, RESERVED_TAG, 0, amounts[i].immediate, data, amounts[i].more, true);
		must_leave(expect_sense(t, itt, SENSE_NOT_ENOUGH_UNSOLICITED_DATA), 'U',
			amounts[i].blocks * DOUBLE_BLOCK);
	}
	itt = put_write(t, 0, 12, data, 2049, true);
	expect_sense(t, itt, SENSE_NOT_ENOUGH_UNSOLICITED_DATA);
	itt = put_write(t, 0, 1, data, 513, true);
	expect_sense(t, itt, SENSE_NOT_ENOUGH_UNSOLICITED_DATA);
	must_be_untouched(0, 12 * 512);
	ck_assert_uint_eq(the_double.executed, 0);
}

/* One Data-Out that answers an R2T of 4096 bytes at 0 wrongly; the next would be right but for it. */
static void wrong_solicited(struct transcript *t)
{
	static const struct {
		struct {
			uint32_t data_sn, offset, length;
		} first, second;
		bool final;
	} wrong[] = {
		{ { 1, 0, 1024 }, { 2, 1024, 3072 }, false }, /* DataSN from 1 */
		{ { 0xffffffff, 0, 1024 }, { 0, 1024, 3072 }, false },
		{ { 0, 0, 1024 }, { 2, 1024, 3072 }, false },  /* a DataSN left out */
		{ { 0, 0, 1024 }, { 0, 1024, 3072 }, false },  /* twice the same */
		{ { 0, 1, 1023 }, { 1, 1024, 3072 }, false },  /* offset + 1 */
		{ { 0, 512, 512 }, { 1, 1024, 3072 }, false }, /* a gap */
		{ { 0, 0, 1024 }, { 1, 1000, 3096 }, false },  /* the same bytes again */
		{ { 0, 0xffffff00, 256 }, { 1, 0, 4096 }, false },
		{ { 0, 0, 4096 }, { 1, 4096, 4 }, false }, /* one word too many */
		{ { 0, 0, 8000 }, { 1, 8000, 0 }, false }, /* far too much: beyond its buffer too */
		{ { 0, 0, 1024 }, { 0, 0, 0 }, true },     /* F too early */
	};
	const uint8_t *data = new_data();

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint8_t bhs[BHS_SIZE] = { OP_DATA_OUT, wrong[i].final ? FINAL : 0 };
		uint32_t itt = put_write(t, 0, 8, data, 0, true);
		const struct wire_pdu *r2t = expect(t, OP_R2T);

		put_be32(bhs + BHS_ITT, itt);
		put_be32(bhs + BHS_TTT, r2t->ttt);
		put_be32(bhs + BHS_DATA_SN, wrong[i].first.data_sn);
		put_be32(bhs + BHS_OFFSET, wrong[i].first.offset);
		put_pdu(t, bhs, data, wrong[i].first.length);
		if (wrong[i].final) {
			t->tasks[t->task_count - 1].outstanding = 0;
		} else {
			expect_nothing(t);
			put_data_out(t, itt, r2t->ttt, wrong[i].second.data_sn,
				wrong[i].second.offset, data, wrong[i].second.length, true);
		}
		must_leave(expect_sense(t, itt, SENSE_NOT_ENOUGH_UNSOLICITED_DATA), 'U', 4096);
		expect_nothing(t);
	}
	must_be_untouched(0, 8192);
	ck_assert_uint_eq(the_double.executed, 0);
}

static void late_final(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint32_t itt = put_write(t, 0, 8, data, 0, true);
	const struct wire_pdu *r2t = expect(t, OP_R2T);

	/* All the data without F: the end is not assumed. A zero-length PDU may bring it [DATA-07]. */
	put_data_out(t, itt, r2t->ttt, 0, 0, data, 0, false);
	put_data_out(t, itt, r2t->ttt, 1, 0, data, 4096, false);
	expect_nothing(t);
	put_data_out(t, itt, r2t->ttt, 2, 4096, data, 0, true);
	expect_good(t, itt);
	must_be_written(0, 4096);
}

static void foreign_tags(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint32_t itt = put_write(t, 0, 8, data, 0, true);
	const struct wire_pdu *r2t = expect(t, OP_R2T);
	uint32_t read = put_read(t, 1, 1);

	/* The task is not touched by what is not its own [ERR-06], [ERR-11]. */
	put_data_out(t, itt, r2t->ttt + 1, 0, 0, data, 4096, false);
	expect_read(t, read, 1, 512);
	expect_reject(t, REJECT_INVALID_FIELD);
	put_data_out(t, itt, RESERVED_TAG, 0, 0, data, 4096, false);
	expect_reject(t, REJECT_INVALID_FIELD);
	put_data_out(t, itt + 77, 0x1234, 0, 0, data, 4096, true);
	expect_reject(t, REJECT_INVALID_FIELD);
	t->lun = (uint64_t)DOUBLE_LUN_B << 48;
	uint32_t other = put_write(t, 100, 8, data, 0, true);
	const struct wire_pdu *other_r2t = expect(t, OP_R2T);
	ck_assert_uint_ne(other_r2t->ttt, r2t->ttt);
	put_data_out(t, itt, other_r2t->ttt, 0, 0, data, 4096, false);
	expect_reject(t, REJECT_INVALID_FIELD);
	/* The LUN may be left out [DATA-06], but not be another's. */
	t->tasks[t->task_count - 1].lun = 0;
	put_data_out(t, other, other_r2t->ttt, 0, 0, data, 1000, false);
	t->tasks[t->task_count - 1].lun = 7ull << 48;
	put_data_out(t, other, other_r2t->ttt, 1, 1000, data, 3096, false);
	expect_reject(t, REJECT_INVALID_FIELD);
	t->tasks[t->task_count - 1].lun = 0;
	put_data_out(t, other, other_r2t->ttt, 1, 1000, data, 3096, true);
	expect_good(t, other);
	put_solicited(t, r2t, data, 4096);
	expect_good(t, itt);
	/* Late copies of data for a task that is over are dropped in silence. */
	put_data_out(t, itt, r2t->ttt, 0, 0, data, 512, true);
	put_data_out(t, itt, RESERVED_TAG, 0, 0, data, 512, true);
	expect_nothing(t);
}

static void adjust_many_r2t(struct iscsi_parameters *parameters)
{
	parameters->max_outstanding_r2t = 3;
	parameters->max_burst_length = 1024;
}

static void outstanding(struct transcript *t)
{
	const uint8_t *data = new_data();
	const struct wire_pdu *r2t[8];
	uint32_t itt = put_write(t, 0, 15, data, 512, true);

	for (unsigned i = 0; i < 3; i++)
		r2t[i] = expect(t, OP_R2T);
	expect_nothing(t);
	for (unsigned i = 0; i < 7; i++) {
		put_solicited(t, r2t[i], data, 300);
		if (i + 3 < 7)
			r2t[i + 3] = expect(t, OP_R2T);
		else if (i < 6)
			expect_nothing(t);
	}
	expect_good(t, itt);
	must_be_written(0, 15 * 512);
	/* Out of order: within a task they must be answered as they came. */
	itt = put_write(t, 100, 6, data, 0, true);
	for (unsigned i = 0; i < 3; i++)
		r2t[i] = expect(t, OP_R2T);
	put_solicited(t, r2t[1], data, 2000);
	t->tasks[t->task_count - 1].outstanding++;
	expect_reject(t, REJECT_INVALID_FIELD);
	for (unsigned i = 0; i < 3; i++)
		put_solicited(t, r2t[i], data, 2000);
	expect_good(t, itt);
	must_be_written(100, 6 * 512);
}

/* An error found early waits for the data that is still due [DATA-08], [RES-03]. */
static void error_waits_for_data(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint32_t itt = put_write(t, DOUBLE_BLOCKS - 1, 12, data, 512, false);

	expect_nothing(t);
	put_data_out(t, itt, RESERVED_TAG, 0, 512, data, 1000, false);
	expect_nothing(t);
	put_data_out(t, itt, RESERVED_TAG, 1, 1512, data, 536, true);
	must_leave(expect_sense(t, itt, SCSI_SENSE(5, 0x21, 0)), 'U', 6144);
	/* No data due: at once, and no R2T. */
	itt = put_write(t, DOUBLE_BLOCKS - 1, 12, data, 512, true);
	must_leave(expect_sense(t, itt, SCSI_SENSE(5, 0x21, 0)), 'U', 6144);
	the_double.attention = UA_NEXUS_LOSS;
	itt = put_write(t, 0, 12, data, 2048, true);
	must_leave(expect_sense(t, itt, UA_NEXUS_LOSS), 'U', 6144);
	/* With R2Ts out: an error in the first does not end the task before the last is answered. */
	must_be_untouched(0, 6144);
}

static void error_waits_for_r2ts(struct transcript *t)
{
	const uint8_t *data = new_data();
	const struct wire_pdu *r2t[3];
	uint32_t itt = put_write(t, 0, 12, data, 0, true);

	for (unsigned i = 0; i < 3; i++)
		r2t[i] = expect(t, OP_R2T);
	put_data_out(t, itt, r2t[0]->ttt, 0, 0, data, 512, true);
	expect_nothing(t);
	put_solicited(t, r2t[1], data, 1024);
	expect_nothing(t);
	put_solicited(t, r2t[2], data, 1024);
	expect_sense(t, itt, SENSE_NOT_ENOUGH_UNSOLICITED_DATA);
	must_be_untouched(0, 6144);
}

/* --- Data-In --- */

static void reads(struct transcript *t)
{
	static const uint16_t blocks[] = { 1, 2, 3, 7, 8, 9, 64 };

	for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		expect_read(t, put_read(t, i * 3, blocks[i]), i * 3, blocks[i] * DOUBLE_BLOCK);
}

/* What is queued from where it lies is bound as what lies in buffers. */
static void views_wait_for_room(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t tags[12];

	the_double.views = true;
	for (unsigned i = 0; i < 12; i++) {
		tags[i] = new_read(t, bhs, 0, 8192);
		put_command(t, bhs, NULL, 0);
	}
	iscsi_conn_received(t->conn, 0, t->bytes, t->count, t->now);
	t->gone = t->count;
	ck_assert_uint_eq(t->conn->views, BUFFER_BUDGET / (4u << 20));
	ck_assert_uint_eq(t->conn->buffered, BUFFER_BUDGET);
	for (unsigned i = 0; i < 12; i++)
		expect_read(t, tags[i], 0, 4u << 20);
	ck_assert_uint_eq(t->conn->buffered, 0);
}

/* However small an answer is, it counts as the buffer that it holds until it is sent. */
static void small_answers_count(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t tags[12];

	for (unsigned i = 0; i < 12; i++) {
		tags[i] = new_read(t, bhs, i, 1);
		put_command(t, bhs, NULL, 0);
	}
	iscsi_conn_received(t->conn, 0, t->bytes, t->count, t->now);
	t->gone = t->count;
	ck_assert_uint_eq(t->conn->buffered, 12 * BUFFER_ALIGNMENT);
	ck_assert_uint_eq(t->conn->buffered, buffer_bytes_in_use(t->worker.buffers));
	for (unsigned i = 0; i < 12; i++)
		expect_read(t, tags[i], i, DOUBLE_BLOCK);
	ck_assert_uint_eq(t->conn->buffered, 0);
}

/* `length` bytes of what is queued, to `at`. */
static uint8_t *take_some(struct transcript *t, uint8_t *at, size_t length)
{
	struct iovec vectors[16];
	int count = iscsi_conn_output(t->conn, vectors, 16);
	size_t taken = 0;

	for (int i = 0; i < count && taken < length; i++) {
		size_t left = length - taken;
		size_t piece = vectors[i].iov_len < left ? vectors[i].iov_len : left;
		memcpy(at + taken, vectors[i].iov_base, piece);
		taken += piece;
	}
	ck_assert_uint_eq(taken, length);
	iscsi_conn_sent(t->conn, length, t->now);
	return at + length;
}

/* A block that is sent in two halves, with a write in between, is whole; the ones behind it are new. */
static void no_block_in_halves(struct transcript *t)
{
	static const uint32_t stops[] = { 1, 511, 512, 513, 1300, 2047 }; /* of the data */
	uint8_t old[2048], sent[BHS_SIZE + 2048];

	the_double.views = true;
	for (unsigned i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		double_reset();
		the_double.views = true;
		memcpy(old, the_double.disk, sizeof(old));
		(void)put_read(t, 0, 4);
		iscsi_conn_received(t->conn, 0, t->bytes, t->count, t->now);
		t->count = 0;
		uint8_t *at = take_some(t, sent, BHS_SIZE + stops[i]);
		memset(the_double.disk, 0xee, sizeof(old));
		/* It may stop there once more, and in the next one. */
		at = take_some(t, at, stops[i] % 512 ? 1 : 0);
		at = take_some(t, at, (size_t)(sent + sizeof(sent) - at));
		uint32_t whole = (stops[i] + 511) / 512 * 512;
		ck_assert_mem_eq(sent + BHS_SIZE, old, whole);
		for (uint32_t k = whole; k < sizeof(old); k++)
			ck_assert_uint_eq(sent[BHS_SIZE + k], 0xee);
		ck_assert_uint_eq(t->conn->output.count, 0);
		ck_assert_uint_eq(buffer_bytes_in_use(t->worker.buffers), 0);
	}
	t->untracked = true;
}

/* Likewise where the pieces are not whole blocks: the next piece has the rest of one that was begun. */
static void no_block_in_pieces(struct transcript *t)
{
	uint8_t old[2048], sent[3 * BHS_SIZE + 2048];
	const size_t first = BHS_SIZE + t->conn->parameters.initiator_max_recv;

	the_double.views = true;
	memcpy(old, the_double.disk, sizeof(old));
	(void)put_read(t, 0, 4);
	iscsi_conn_received(t->conn, 0, t->bytes, t->count, t->now);
	t->count = 0;
	uint8_t *at = take_some(t, sent, BHS_SIZE + 600);
	memset(the_double.disk, 0xee, sizeof(old));
	take_some(t, at, first + BHS_SIZE + 24 - (BHS_SIZE + 600));
	ck_assert_mem_eq(sent + first - 24, old + 976, 24);
	ck_assert_mem_eq(sent + first + BHS_SIZE, old + 1000, 24);
	iscsi_conn_lost(t->conn, t->now);
	t->untracked = true;
}

static void adjust_split(struct iscsi_parameters *parameters)
{
	parameters->initiator_max_recv = 1000;
}

/*
 * From where it lies: in no buffer, for as long as it is queued. Not if a digest was taken: the bytes may still change. Nor
 * where pieces end within a block.
 */
static void reads_by_view(struct transcript *t)
{
	const struct iscsi_parameters *parameters = &t->conn->parameters;
	const bool copied = parameters->data_digest ||
			    parameters->initiator_max_recv % DOUBLE_BLOCK;

	the_double.views = true;
	reads(t);
	ck_assert_uint_eq(t->conn->views, 0);
	(void)put_read(t, 5, 24);
	iscsi_conn_received(t->conn, 0, t->bytes, t->count, t->now);
	ck_assert_int_eq(iscsi_conn_has_views(t->conn), !copied);
	ck_assert_int_eq(iscsi_conn_busy(t->conn), !copied);
	ck_assert_int_eq(buffer_bytes_in_use(t->worker.buffers) > 0, copied);
	t->gone = t->count;
	deliver(t);
	ck_assert(!iscsi_conn_busy(t->conn));
	while (!(expect(t, OP_DATA_IN)->bhs[BHS_FLAGS] & DATA_IN_STATUS)) {
	}
	/* What is queued when the transport fails holds nothing up. */
	(void)put_read(t, 5, 24);
	iscsi_conn_received(t->conn, 0, t->bytes, t->count, t->now);
	t->gone = t->count;
	iscsi_conn_lost(t->conn, t->now);
	ck_assert(!iscsi_conn_busy(t->conn));
}

static void adjust_odd(struct iscsi_parameters *parameters)
{
	parameters->initiator_max_recv = 513;
	parameters->max_burst_length = 1027;
}

static void adjust_least(struct iscsi_parameters *parameters)
{
	parameters->initiator_max_recv = 512;
	parameters->max_burst_length = 1024;
	parameters->header_digest = parameters->data_digest = true;
}

static void adjust_largest(struct iscsi_parameters *parameters)
{
	parameters->initiator_max_recv = 16777215;
	parameters->max_burst_length = 16777215;
	parameters->first_burst_length = 16777215;
	parameters->initial_r2t = false;
}

static void big_read(struct transcript *t)
{
	expect_read(t, put_read(t, 0, 2048), 0, 1 << 20); /* [DATA-09] */
}

static void largest(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = put_read(t, 0, 8192); /* [DATA-17] */

	expect_read(t, itt, 0, 4u << 20);
	/* EDTL beyond all bounds: room is made for what the command takes, no more. */
	const uint8_t *data = new_data();
	itt = new_write(t, bhs, 0, 1);
	put_be32(bhs + BHS_EDTL, 0xffffffff);
	bhs[BHS_FLAGS] |= FINAL;
	put_command(t, bhs, data, 512);
	must_leave(expect_good(t, itt), 'U', 0xffffffff - 512);
	must_be_written(0, 512);
}

/* --- buffer memory: the budget of a connection --- */

static void adjust_budget(struct iscsi_parameters *parameters)
{
	parameters->initiator_max_recv = parameters->max_burst_length = 1 << 20;
	parameters->target_max_recv = 65536;
	parameters->first_burst_length = 8192;
}

/* Writes beyond the budget get their R2T in their turn, and keep what they already have. */
static void writes_wait_for_memory(struct transcript *t)
{
	const uint8_t *data = new_data();
	const struct wire_pdu *r2t[20];
	uint32_t tags[20];

	for (unsigned i = 0; i < 20; i++)
		tags[i] = put_write(t, 0, 2048, data, i < 18 ? 512 : 8192, true); /* 1 MiB each */
	for (unsigned i = 0; i < 16; i++)
		r2t[i] = expect(t, OP_R2T);
	expect_nothing(t);
	ck_assert_uint_eq(t->conn->buffered, BUFFER_BUDGET);
	ck_assert_uint_le(
		buffer_bytes_in_use(t->worker.buffers), BUFFER_BUDGET + COMMAND_WINDOW * 8192);
	/* What needs no memory of the budget goes past them; a read waits behind. */
	uint32_t small = put_write(t, 4096, 1, data, 512, true);
	expect_good(t, small);
	uint32_t read = put_read(t, 8192, 1);
	expect_nothing(t);
	for (unsigned i = 0; i < 20; i++) {
		if (get_be32(r2t[i]->bhs + BHS_OFFSET) != (i < 18 ? 512u : 8192u))
			ck_abort_msg("R2T %u begins elsewhere", i);
		put_solicited(t, r2t[i], data, 65536);
		expect_good(t, tags[i]);
		if (i + 16 < 20)
			r2t[i + 16] = expect(t, OP_R2T);
		else if (i == 4)
			expect_read(t, read, 8192, 512);
	}
	must_be_written(0, 1 << 20);
	ck_assert_uint_eq(t->conn->buffered, 0);
}

/*
 * A write that announced less than its CDB takes needs a larger buffer than the one it got at first: while
 * it waits it holds nothing of the budget, or several of them would wait for each other for ever.
 */
static void larger_after_all(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint8_t bhs[BHS_SIZE];
	uint32_t tags[16];

	for (unsigned i = 0; i < 16; i++) {
		tags[i] = new_write(t, bhs, 0, 4096); /* 2 MiB */
		put_be32(bhs + BHS_EDTL, 1 << 20);
		put_command(t, bhs, data, 512);
	}
	for (unsigned done = 0; done < 16; done++) {
		const struct wire_pdu *r2t = expect(t, OP_R2T);
		ck_assert_uint_eq(get_be32(r2t->bhs + BHS_OFFSET), 512);
		put_solicited(t, r2t, data, 65536);
		/* The next R2Ts are already here, or come with the memory that this one gives back. */
		deliver(t);
		while (t->wire.pdus[t->wire.taken]->opcode == OP_R2T) {
			put_solicited(t, expect(t, OP_R2T), data, 65536);
			deliver(t);
		}
		const struct wire_pdu *pdu = expect(t, OP_SCSI_RESPONSE);
		must_leave(pdu, 'O', 1 << 20);
		while (done + 1 < 16 && t->wire.taken < t->wire.pdu_count &&
			t->wire.pdus[t->wire.taken]->opcode == OP_SCSI_RESPONSE) {
			expect(t, OP_SCSI_RESPONSE);
			done++;
		}
	}
	(void)tags;
	expect_nothing(t);
	must_be_written(0, 1 << 20);
	ck_assert_uint_eq(t->conn->buffered, 0);
}

/*
 * Data that came whole is written from where it lies, unless its command has to wait: for the store,
 * for a command before it, or for more data. (The harness spoils the bytes after each call.)
 */
static void written_from_where_it_lies(struct transcript *t)
{
	const uint8_t *data = new_data();

	expect_good(t, put_write(t, 0, 2, data, 1024, true));
	must_be_written(0, 1024);
	if (t->chunking == CHUNK_WHOLE)
		ck_assert_uint_eq(the_double.lent, 1);

	double_reset();
	the_double.pending = true;
	uint32_t itt = put_write(t, 4, 2, data, 1024, true);
	expect_nothing(t);
	double_finish();
	expect_good(t, itt);
	must_be_written(4, 1024);
	ck_assert_uint_eq(the_double.lent, 0);

	double_reset();
	t->cmd_sn++;
	uint32_t later = put_write(t, 8, 2, data, 1024, true);
	expect_nothing(t);
	must_be_untouched(0, 64 * DOUBLE_BLOCK);
	t->cmd_sn -= 2;
	uint32_t earlier = put_write(t, 32, 2, data, 0, true);
	put_solicited(t, expect(t, OP_R2T), data, 1024);
	t->cmd_sn++;
	expect_good(t, later);
	expect_good(t, earlier);
	must_be_written(8, 1024);

	/* The CDB wants more than what was announced: the rest never comes. */
	double_reset();
	uint8_t bhs[BHS_SIZE];
	itt = new_write(t, bhs, 60, 4);
	put_be32(bhs + BHS_EDTL, 1024);
	put_command(t, bhs, data, 1024);
	must_leave(expect(t, OP_SCSI_RESPONSE), 'O', 1024);
	(void)itt;
	must_be_written(60, 1024);
}

static const struct scenario scenarios[] = {
	{ "[DATA-03] from where it lies", .run = written_from_where_it_lies,
		.adjust = adjust_r2t_immediate },
	{ "[DATA-01] R2T alone", .run = write_by_r2t, .adjust = adjust_r2t_only },
	{ "[DATA-01] [DATA-03] immediate data", .run = write_immediate,
		.adjust = adjust_r2t_immediate },
	{ "[DATA-01] unsolicited data", .run = write_unsolicited, .adjust = adjust_unsolicited },
	{ "[DATA-01] unsolicited, not immediate", .run = write_unsolicited_only,
		.adjust = adjust_unsolicited_only },
	{ "[DATA-01] [ERR-01] with digests", .run = write_unsolicited, .adjust = adjust_digests },
	{ "[DATA-02] [RES-07] wrong amount unsolicited", .run = wrong_unsolicited_amount,
		.adjust = adjust_unsolicited },
	{ "[DATA-05] [RES-07] wrong answers to R2T", .run = wrong_solicited },
	{ "[DATA-07] F late, empty segments", .run = late_final },
	{ "[DATA-05] [DATA-06] [ERR-11] foreign tags", .run = foreign_tags },
	{ "[DATA-04] outstanding R2Ts", .run = outstanding, .adjust = adjust_many_r2t },
	{ "[DATA-08] [RES-03] errors wait for data", .run = error_waits_for_data,
		.adjust = adjust_unsolicited },
	{ "[DATA-08] errors wait for R2Ts", .run = error_waits_for_r2ts,
		.adjust = adjust_many_r2t },
	{ "[DATA-09] reads", .run = reads },
	{ "[DATA-09] [SEQ-10] reads from where it lies wait for room", .run = views_wait_for_room,
		.adjust = adjust_budget },
	{ "[SEQ-10] small answers count", .run = small_answers_count },
	{ "[DATA-09] no block in halves", .run = no_block_in_halves, .adjust = adjust_budget },
	{ "[DATA-09] no block in two pieces of different age", .run = no_block_in_pieces,
		.adjust = adjust_split },
	{ "[DATA-09] reads from where it lies", .run = reads_by_view },
	{ "[DATA-09] reads from where it lies, in odd pieces", .run = reads_by_view,
		.adjust = adjust_odd },
	{ "[DATA-09] reads with digests", .run = reads_by_view, .adjust = adjust_digests },
	{ "[DATA-09] reads in odd pieces", .run = reads, .adjust = adjust_odd },
	{ "[DATA-09] [ERR-01] a big read in small pieces", .run = big_read,
		.adjust = adjust_least },
	{ "[SEQ-10] writes wait for memory", .run = writes_wait_for_memory,
		.adjust = adjust_budget },
	{ "[RES-05] larger than announced", .run = larger_after_all, .adjust = adjust_budget },
	{ "[DATA-17] the largest of all", .run = largest, .adjust = adjust_largest },
};

int main(void)
{
	return scenarios_run("data", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
