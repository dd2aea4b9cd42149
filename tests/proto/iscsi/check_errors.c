/* SPDX-License-Identifier: BSD-2-Clause */
/* Digests, Reject and format errors: proto/iscsi/input.c, full.c. Section 7. */
#include "tests/proto/iscsi/scenario.h"

static void adjust_digests(struct iscsi_parameters *parameters)
{
	parameters->header_digest = parameters->data_digest = true;
	parameters->initial_r2t = false;
}

static void adjust_unsolicited(struct iscsi_parameters *parameters)
{
	parameters->initial_r2t = false;
}

/* The known answers of section 13.1's CRC (RFC 3720 appendix B.4). */
static void known_digests(struct transcript *t)
{
	uint8_t bytes[48], digest[4];
	static const struct {
		uint8_t first, step, digest[4];
	} rows[] = {
		{ 0x00, 0, { 0xaa, 0x36, 0x91, 0x8a } },
		{ 0xff, 0, { 0x43, 0xab, 0xa8, 0x62 } },
		{ 0x00, 1, { 0x4e, 0x79, 0xdd, 0x46 } },
		{ 0x1f, 255, { 0x5c, 0xdb, 0x3f, 0x11 } },
	};

	(void)t;
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned j = 0; j < 32; j++)
			bytes[j] = (uint8_t)(rows[i].first + rows[i].step * j);
		digest_finish(digest_update(DIGEST_START, bytes, 32), digest);
		ck_assert_int_eq(memcmp(digest, rows[i].digest, 4), 0);
		/* In pieces it is the same. */
		uint32_t crc = digest_update(DIGEST_START, bytes, 5);
		digest_finish(digest_update(crc, bytes + 5, 27), digest);
		ck_assert_int_eq(memcmp(digest, rows[i].digest, 4), 0);
	}
}

static void header_digest(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	expect_read(t, put_read(t, 1, 1), 1, 512);
	new_read(t, bhs, 2, 1);
	put_command(t, bhs, NULL, 0);
	put_spoiled(t); /* no data: the last byte is the header digest's */
	put_read(t, 3, 1);
	expect_finished(t, false);
	ck_assert(has_event(t, ISCSI_EVENT_PROTOCOL_ERROR, "header digest"));
	ck_assert_uint_eq(the_double.executed, 1);
}

static void data_digest_of_data_out(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint32_t itt = put_write(t, 0, 4, data, 512, false);

	put_data_out(t, itt, RESERVED_TAG, 0, 512, data, 512, false);
	put_spoiled(t);
	const struct wire_pdu *pdu = expect(t, OP_REJECT);
	ck_assert_uint_eq(pdu->bhs[2], REJECT_DATA_DIGEST);
	ck_assert_uint_eq(pdu->length, BHS_SIZE); /* [ERR-04] */
	ck_assert_uint_eq(pdu->data[0], OP_DATA_OUT);
	ck_assert_uint_eq(get_be32(pdu->data + BHS_ITT), itt);
	/* Only after all the data: [ERR-06]. */
	put_data_out(t, itt, RESERVED_TAG, 1, 1024, data, 512, false);
	expect_nothing(t);
	put_data_out(t, itt, RESERVED_TAG, 2, 1536, data, 512, true);
	must_leave(expect_sense(t, itt, SENSE_PROTOCOL_SERVICE_CRC_ERROR), 'U', 2048);
	/* In the very last PDU of a solicited sequence. */
	itt = put_write(t, 0, 8, data, 0, true);
	put_solicited(t, expect(t, OP_R2T), data, 1000);
	put_spoiled(t);
	expect_reject(t, REJECT_DATA_DIGEST);
	expect_sense(t, itt, SENSE_PROTOCOL_SERVICE_CRC_ERROR);
	must_be_untouched(0, 4096);
	ck_assert_uint_eq(the_double.executed, 0);
}

static void data_digest_of_others(struct transcript *t)
{
	for (uint32_t length = 1; length < 10; length++) { /* with every padding */
		put_ping(t, new_data(), length);
		put_spoiled(t);
		expect_reject(t, REJECT_DATA_DIGEST);
		uint32_t itt = put_ping(t, new_data(), length);
		ck_assert_uint_eq(expect(t, OP_NOP_IN)->itt, itt);
	}
	expect_nothing(t);
}

/* --- requests that are answered with Reject [ERR-04], [ERR-05], [ERR-09], [ERR-10], [LOGIN-03] --- */

static void rejected(struct transcript *t)
{
	static const struct {
		uint8_t opcode, flags;
		uint32_t data;
		uint8_t reason;
	} rows[] = {
		{ 0x1c, FINAL, 0, REJECT_NOT_SUPPORTED },
		{ 0x1d | IMMEDIATE, FINAL, 8, REJECT_NOT_SUPPORTED },
		{ 0x07, FINAL, 100, REJECT_NOT_SUPPORTED },
		{ 0x0f, 0, 0, REJECT_NOT_SUPPORTED },
		{ 0x1f, FINAL, 0, REJECT_NOT_SUPPORTED },
		{ OP_SNACK, FINAL | 0, 0, REJECT_NOT_SUPPORTED },
		{ OP_SNACK, FINAL | 1, 0, REJECT_NOT_SUPPORTED },
		{ OP_SNACK, FINAL | 2, 0, REJECT_NOT_SUPPORTED },
		{ OP_SNACK, FINAL | 3, 0, REJECT_NOT_SUPPORTED },
		{ OP_LOGIN_REQUEST | IMMEDIATE, 0x87, 60, REJECT_PROTOCOL },
		{ OP_LOGOUT_REQUEST | IMMEDIATE, FINAL | 3, 0, REJECT_INVALID_FIELD },
		{ OP_LOGOUT_REQUEST | IMMEDIATE, FINAL | 0x7f, 0, REJECT_INVALID_FIELD },
	};
	uint8_t bhs[BHS_SIZE];
	uint32_t itt;

	the_double.pending = true;
	itt = put_read(t, 5, 1);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t number = t->cmd_sn;
		new_request(t, bhs, rows[i].opcode, rows[i].flags);
		put_pdu(t, bhs, new_data(), rows[i].data);
		t->cmd_sn =
			number; /* of an unknown opcode nothing is assumed, not even its number */
		const struct wire_pdu *pdu = expect(t, OP_REJECT);
		ck_assert_uint_eq(pdu->bhs[2], rows[i].reason);
		ck_assert_uint_eq(pdu->length, BHS_SIZE);
		ck_assert_int_eq(memcmp(pdu->data, bhs, BHS_SIZE), 0);
		ck_assert_uint_eq(pdu->exp_cmd_sn, 1);
	}
	/* The task under way is none the wiser. */
	double_finish();
	expect_read(t, itt, 5, 512);
	the_double.pending = false;
	expect_read(t, put_read(t, 6, 1), 6, 512);
}

/* --- format errors: the session is dropped [ERR-07], [ERR-08] --- */

static void drop(struct transcript *t, uint8_t bhs[BHS_SIZE])
{
	put_bytes(t, bhs, BHS_SIZE);
	put_read(t, 1, 1); /* not looked at any more */
	expect_finished(t, false);
	ck_assert(has_event(t, ISCSI_EVENT_PROTOCOL_ERROR, NULL));
	ck_assert_uint_eq(the_double.parsed, 0);
	uint8_t *at;
	ck_assert(!iscsi_conn_wants_input(t->conn));
	ck_assert_uint_eq(iscsi_conn_direct(t->conn, &at), 0);
}

static void ahs_on_nop(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	new_request(t, bhs, OP_NOP_OUT | IMMEDIATE, FINAL);
	bhs[BHS_AHS_LENGTH] = 1;
	drop(t, bhs);
}

static void too_long(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_write(t, bhs, 0, 64);

	put_be24(bhs + BHS_DATA_LENGTH, 8193);
	(void)itt;
	drop(t, bhs);
	ck_assert_uint_eq(buffer_bytes_in_use(t->worker.buffers), 0);
}

static void as_long_as_can_be(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	new_request(t, bhs, OP_TEXT_REQUEST, FINAL);
	put_be24(bhs + BHS_DATA_LENGTH, 0xffffff);
	drop(t, bhs);
}

static void a_response(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	new_request(t, bhs, OP_SCSI_RESPONSE, FINAL);
	drop(t, bhs);
}

static void data_on_tmf(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];

	new_request(t, bhs, OP_TASK_MANAGEMENT | IMMEDIATE, FINAL | 1);
	put_be24(bhs + BHS_DATA_LENGTH, 4);
	drop(t, bhs);
}

/* Half a PDU and then nothing: nothing is held but the half that came. */
static void half_a_pdu(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint32_t itt = put_write(t, 0, 4, data, 2048, true);

	for (size_t cutoff = t->count - 1; t->count > cutoff;)
		t->count--;
	expect_nothing(t);
	ck_assert_uint_eq(the_double.parsed, 0);
	iscsi_conn_lost(t->conn, t->now);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FINISHED);
	ck_assert_uint_eq(buffer_bytes_in_use(t->worker.buffers), 0);
	must_be_untouched(0, 2048);
	(void)itt;
}

/* One session's tags mean nothing in another [ERR-11]. */
static void other_session(struct transcript *t)
{
	static struct transcript other;
	struct iscsi_parameters parameters = transcript_parameters();
	const uint8_t *data = new_data();

	transcript_begin(&other, &parameters, false, 0, t->chunking);
	uint32_t itt = put_write(t, 0, 8, data, 0, true);
	const struct wire_pdu *r2t = expect(t, OP_R2T);
	put_data_out(&other, itt, r2t->ttt, 0, 0, data, 4096, true);
	deliver(&other);
	uint32_t tmf = put_tmf(&other, 1, itt, 0);
	while (other.wire.taken < other.wire.pdu_count &&
		other.wire.pdus[other.wire.taken]->opcode == OP_REJECT)
		other.wire.taken++;
	expect_tmf(&other, tmf, 1);
	expect_nothing(t);
	must_be_untouched(0, 4096);
	put_solicited(t, r2t, data, 4096);
	expect_good(t, itt);
	must_be_written(0, 4096);
	transcript_end(&other);
}

static const struct scenario scenarios[] = {
	{ "[ERR-01] known digests", .run = known_digests },
	{ "[ERR-02] header digest error", .run = header_digest, .adjust = adjust_digests },
	{ "[ERR-03] [ERR-06] [RES-07] data digest error of Data-Out",
		.run = data_digest_of_data_out, .adjust = adjust_digests },
	{ "[ERR-03] data digest error of NOP-Out", .run = data_digest_of_others,
		.adjust = adjust_digests },
	{ "[ERR-04] [ERR-05] [ERR-09] [ERR-10] [LOGIN-03] Reject", .run = rejected },
	{ "[ERR-04] Reject with digests", .run = rejected, .adjust = adjust_digests },
	{ "[ERR-07] additional header on NOP-Out", .run = ahs_on_nop },
	{ "[ERR-07] [ERR-08] a segment one byte too long", .run = too_long },
	{ "[ERR-08] the longest segment", .run = as_long_as_can_be },
	{ "[ERR-07] a target's opcode", .run = a_response },
	{ "[ERR-07] data on a task management request", .run = data_on_tmf },
	{ "[SES-07] half a PDU", .run = half_a_pdu, .adjust = adjust_unsolicited },
	{ "[ERR-11] tags of another session", .run = other_session },
};

int main(void)
{
	return scenarios_run("errors", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
