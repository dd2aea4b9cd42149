/* SPDX-License-Identifier: BSD-2-Clause */
/* Headers of SCSI commands, residuals, status and sense: proto/iscsi/command.c, respond.c. */
#include "tests/proto/iscsi/scenario.h"

static uint32_t put_cdb(
	struct transcript *t, uint8_t flags, uint32_t edtl, const uint8_t *cdb, size_t length)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_command(t, bhs, flags, edtl, cdb, length);

	put_command(t, bhs, NULL, 0);
	return itt;
}

/* --- residuals [RES-01], [RES-02], [RES-04], [RES-05] --- */

#define R (FINAL | COMMAND_READ)
#define W (FINAL | COMMAND_WRITE)

static void read_residuals(struct transcript *t)
{
	static const struct {
		uint8_t cdb[12];
		uint32_t edtl, sent;
		char flag;
		uint32_t count;
	} rows[] = {
		{ { 0x12, 0, 0, 0, 255 }, 255, 96, 'U', 159 },
		{ { 0x12, 0, 0, 0, 96 }, 96, 96, 0, 0 },
		{ { 0x12, 0, 0, 0, 36 }, 96, 36, 'U', 60 },
		{ { 0x12, 0, 0, 0, 96 }, 36, 36, 'O', 60 },
		{ { 0x12, 0, 0, 0, 5 }, 5, 5, 0, 0 },
		{ { 0xa0, [9] = 16 }, 16, 16, 0, 0 }, /* truncation is no overflow */
		{ { 0xa0, [9] = 255 }, 255, 88, 'U', 167 },
		{ { 0x28, [8] = 2 }, 512, 512, 'O', 512 },
		{ { 0x28, [8] = 1 }, 1024, 512, 'U', 512 },
		{ { 0x28, [8] = 1 }, 200, 200, 'O', 312 },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t itt = put_cdb(t, R, rows[i].edtl, rows[i].cdb, 12);
		const struct wire_pdu *pdu = expect(t, OP_DATA_IN);
		ck_assert_uint_eq(pdu->itt, itt);
		ck_assert_uint_eq(pdu->length, rows[i].sent);
		ck_assert_uint_eq(pdu->bhs[BHS_FLAGS] & (FINAL | DATA_IN_STATUS),
			FINAL | DATA_IN_STATUS); /* [DATA-10] */
		must_leave(pdu, rows[i].flag, rows[i].count);
		if (rows[i].cdb[0] == 0xa0)
			ck_assert_uint_eq(get_be32(pdu->data), 80);
	}
}

/* Commands that move nothing, whatever was offered [DATA-12], [DATA-13]. */
static void no_data(struct transcript *t)
{
	static const uint8_t tur[6], inquiry[6] = { 0x12, 0, 0, 0, 96 }, none[6] = { 0x12 };
	static const uint8_t read0[10] = { 0x28 };

	must_leave(expect_good(t, put_cdb(t, FINAL, 0, tur, 6)), 0, 0);
	must_leave(expect_good(t, put_cdb(t, R, 0, tur, 6)), 0, 0);
	must_leave(expect_good(t, put_cdb(t, W, 0, tur, 6)), 0, 0);
	must_leave(expect_good(t, put_cdb(t, R | W, 0, tur, 6)), 0, 0);
	must_leave(expect_good(t, put_cdb(t, R, 100, tur, 6)), 'U', 100);
	must_leave(expect_good(t, put_cdb(t, W, 100, tur, 6)), 'U', 100);
	must_leave(expect_good(t, put_cdb(t, R, 0, inquiry, 6)), 'O', 96);
	must_leave(expect_good(t, put_cdb(t, FINAL, 0, inquiry, 6)), 'O', 96);
	must_leave(expect_good(t, put_cdb(t, R, 96, none, 6)), 'U', 96);
	must_leave(expect_good(t, put_cdb(t, R, 512, read0, 10)), 'U', 512);
	expect_nothing(t);
}

static void write_residuals(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint8_t bhs[BHS_SIZE];
	uint32_t itt;

	/* More offered than the command takes: the rest is taken and thrown away. */
	itt = new_write(t, bhs, 10, 1);
	put_be32(bhs + BHS_EDTL, 1024);
	put_command(t, bhs, data, 1024);
	must_leave(expect_good(t, itt), 'U', 512);
	must_be_written(10, 512);
	itt = new_write(t, bhs, 20, 9);
	put_be32(bhs + BHS_EDTL, 20000);
	put_command(t, bhs, data, 100);
	put_solicited(t, expect(t, OP_R2T), data, 4096);
	put_solicited(t, expect(t, OP_R2T), data, 4096);
	must_leave(expect_good(t, itt), 'U', 20000 - 9 * 512);
	must_be_written(20, 9 * 512);
	/* Less: what came is given to the device server, which says what it makes of it. */
	itt = new_write(t, bhs, 40, 4);
	put_be32(bhs + BHS_EDTL, 1024);
	put_command(t, bhs, data, 1024);
	must_leave(expect_good(t, itt), 'O', 1024);
	must_be_written(40, 1024);
	itt = new_write(t, bhs, 50, 4);
	put_be32(bhs + BHS_EDTL, 0);
	put_command(t, bhs, NULL, 0);
	must_leave(expect_good(t, itt), 'O', 2048);
	must_be_untouched(50, 2048);
	itt = new_write(t, bhs, 60, 20);
	put_be32(bhs + BHS_EDTL, 5120);
	put_command(t, bhs, data, 1000);
	put_solicited(t, expect(t, OP_R2T), data, 1000);
	put_solicited(t, expect(t, OP_R2T), data, 1000);
	must_leave(expect_good(t, itt), 'O', 5120);
	must_be_written(60, 5120);
}

static void wrong_direction(struct transcript *t)
{
	const uint8_t *data = new_data();
	uint8_t bhs[BHS_SIZE];
	uint32_t itt;

	/* A write announced as a read changes nothing and says so. */
	itt = new_write(t, bhs, 0, 2);
	bhs[BHS_FLAGS] = R;
	put_command(t, bhs, NULL, 0);
	must_leave(expect_sense(t, itt, SENSE_INVALID_FIELD_IN_CDB), 'U', 1024);
	/* A read announced as a write gives no data; what comes is dropped; no R2T. */
	itt = new_read(t, bhs, 0, 2);
	bhs[BHS_FLAGS] = W;
	put_command(t, bhs, data, 100);
	must_leave(expect_good(t, itt), 'U', 1024);
	/* Immediate data on a read. */
	itt = new_read(t, bhs, 0, 2);
	put_command(t, bhs, data, 100);
	expect_sense(t, itt, SENSE_UNEXPECTED_UNSOLICITED_DATA);
	must_be_untouched(0, 1024);
}

/* --- status and sense [RES-06], [RES-08], [DATA-10] --- */

static void statuses(struct transcript *t)
{
	static const uint8_t list[] = { SCSI_BUSY, SCSI_RESERVATION_CONFLICT, SCSI_TASK_SET_FULL,
		SCSI_TASK_ABORTED };
	uint8_t cdb[16] = { CDB_STATUS };

	for (unsigned i = 0; i < sizeof(list); i++) {
		cdb[1] = list[i];
		uint32_t itt = put_cdb(t, R, 512, cdb, 16);
		const struct wire_pdu *pdu = expect(t, OP_SCSI_RESPONSE);
		ck_assert_uint_eq(pdu->itt, itt);
		ck_assert_uint_eq(pdu->bhs[3], list[i]);
		ck_assert_uint_eq(pdu->length, 0);
		must_leave(pdu, 'U', 512);
	}
	cdb[1] = SCSI_CHECK_CONDITION;
	const struct wire_pdu *pdu = expect_sense(
		t, put_cdb(t, FINAL, 0, cdb, 16), SCSI_SENSE(4, 0x44, 0));
	ck_assert_uint_eq(get_be16(pdu->data), 18);
	ck_assert_uint_eq(pdu->length, 20);
	cdb[0] = 0xee;
	expect_sense(t, put_cdb(t, R, 512, cdb, 16), SCSI_SENSE(5, 0x20, 0));
	t->lun = 3ull << 48;
	expect_sense(t, put_cdb(t, R, 512, cdb, 16), SCSI_SENSE(5, 0x25, 0));
}

/* Data and then sense: the status has a PDU of its own. */
static void data_and_sense(struct transcript *t)
{
	uint8_t cdb[16] = { CDB_READ_BAD, [8] = 2 };
	uint32_t itt = put_cdb(t, R, 1024, cdb, 16);
	const struct wire_pdu *pdu = expect(t, OP_DATA_IN);

	ck_assert_uint_eq(pdu->length, 512);
	ck_assert_uint_eq(pdu->bhs[BHS_FLAGS], FINAL);
	must_leave(expect_sense(t, itt, SCSI_SENSE(3, 0x11, 0)), 'U', 512);
}

/* --- flags and additional headers [DATA-13], [DATA-14], [DATA-15] --- */

static void flag_matrix(struct transcript *t)
{
	static const uint8_t tur[6];
	static const struct {
		uint8_t flags;
		uint32_t edtl;
	} bad[] = { { 0, 0 }, { COMMAND_READ, 0 }, { COMMAND_READ, 512 }, { FINAL, 1 },
		{ 0, 512 } };

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_cdb(t, bad[i].flags, bad[i].edtl, tur, 6);
		expect_reject(t, REJECT_INVALID_FIELD);
		t->cmd_sn--; /* the number is still free [SEQ-11] */
	}
	uint8_t bhs[BHS_SIZE];
	new_command(t, bhs, FINAL, 0, tur, 6);
	put_be32(bhs + BHS_ITT, RESERVED_TAG);
	put_pdu(t, bhs, NULL, 0);
	expect_reject(t, REJECT_INVALID_FIELD);
	t->cmd_sn--;
	expect_good(t, put_cdb(t, FINAL, 0, tur, 6));
	/* Attributes and reserved bits are of no matter. */
	for (uint8_t attribute = 0; attribute < 8; attribute++)
		expect_good(t, put_cdb(t, FINAL | 0x18 | attribute, 0, tur, 6));
}

static void bidirectional(struct transcript *t)
{
	static const uint8_t ahs[8] = { 0, 5, 2, 0, 0, 0, 3, 0 };
	const uint8_t *data = new_data();
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_write(t, bhs, 0, 2);

	bhs[BHS_FLAGS] |= COMMAND_READ;
	t->tasks[t->task_count++] = (struct transcript_task){
		.itt = itt, .cmd_sn = 0, .edtl = 1024, .flags = bhs[BHS_FLAGS]
	};
	put_pdu_ahs(t, bhs, ahs, 8, data, 512);
	const struct wire_pdu *pdu = expect_sense(t, itt, SCSI_SENSE(5, 0x20, 0));
	must_leave(pdu, 'U', 1024);
	ck_assert_uint_eq(pdu->bhs[BHS_FLAGS] & 0x18, RESPONSE_BIDI_UNDERFLOW);
	ck_assert_uint_eq(get_be32(pdu->bhs + BHS_OFFSET), 0x300);
	must_be_untouched(0, 1024);
}

static void extended_cdb(struct transcript *t)
{
	uint8_t ahs[20] = { 0, 17, 1, 0 }, bhs[BHS_SIZE];
	const uint8_t cdb[16] = { CDB_READ_32 };
	uint32_t itt = new_command(t, bhs, R, 512, cdb, 16);

	ahs[19] = 0xab; /* byte 31 */
	t->tasks[t->task_count++] =
		(struct transcript_task){ .itt = itt, .cmd_sn = 0, .edtl = 512, .flags = R };
	put_pdu_ahs(t, bhs, ahs, 20, NULL, 0);
	const struct wire_pdu *pdu = expect(t, OP_DATA_IN);
	ck_assert_uint_eq(pdu->length, 512);
	ck_assert_uint_eq(pdu->data[511], 0xab);
}

static void bad_ahs(struct transcript *t)
{
	static const struct {
		uint8_t bytes[32];
		uint32_t length;
	} bad[] = {
		{ { 0, 0, 1, 0 }, 4 },   /* no length */
		{ { 0, 1, 1, 0 }, 4 },   /* a CDB of 16 bytes */
		{ { 0, 18, 1, 0 }, 20 }, /* longer than the segment */
		{ { 0xff, 0xff, 1, 0 }, 32 },
		{ { 0, 5, 3, 0 }, 8 }, /* unknown type */
		{ { 0, 5, 0, 0 }, 8 },
		{ { 0, 4, 2, 0 }, 8 }, /* a read length of 3 bytes */
		{ { 0, 5, 1, 0, 1, 2, 3, 4, 0, 5, 1, 0, 1, 2, 3, 4 }, 16 }, /* twice */
		{ { 0, 5, 2, 0, 0, 0, 0, 1, 0, 9, 1, 0 }, 12 },
	};
	const uint8_t cdb[16] = { 0 };
	uint8_t bhs[BHS_SIZE], longest[1020] = { 1, 245, 1, 0 };

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		new_command(t, bhs, FINAL, 0, cdb, 16);
		t->cmd_sn--;
		put_pdu_ahs(t, bhs, bad[i].bytes, bad[i].length, NULL, 0);
		const struct wire_pdu *pdu = expect(t, OP_REJECT);
		ck_assert_uint_eq(pdu->bhs[2], REJECT_INVALID_FIELD);
		ck_assert_uint_eq(pdu->length, BHS_SIZE + bad[i].length); /* [ERR-04] */
		ck_assert_int_eq(memcmp(pdu->data + BHS_SIZE, bad[i].bytes, bad[i].length), 0);
	}
	/* A CDB of 260 bytes is the longest; 261 are too many. */
	new_command(t, bhs, FINAL, 0, cdb, 16);
	t->cmd_sn--;
	put_be16(longest, 246);
	put_pdu_ahs(t, bhs, longest, 252, NULL, 0);
	expect_reject(t, REJECT_INVALID_FIELD);
	put_be16(longest, 245);
	uint32_t itt = new_command(t, bhs, FINAL, 0, cdb, 16);
	t->tasks[t->task_count++] = (struct transcript_task){ .itt = itt, .cmd_sn = 0 };
	put_pdu_ahs(t, bhs, longest, 248, NULL, 0);
	expect_good(t, itt);
	expect_nothing(t);
}

/* A rejected header that is longer than what the initiator takes comes back cut [LNX-04]. */
static void long_header(struct transcript *t)
{
	const uint8_t cdb[16] = { 0 };
	uint8_t bhs[BHS_SIZE], ahs[1020] = { 0, 5, 9, 0 };

	new_command(t, bhs, FINAL, 0, cdb, 16);
	put_pdu_ahs(t, bhs, ahs, sizeof(ahs), NULL, 0);
	ck_assert_uint_eq(expect(t, OP_REJECT)->length, 512);
}

static void adjust_short(struct iscsi_parameters *parameters)
{
	parameters->initiator_max_recv = 512;
}

static void adjust_digests(struct iscsi_parameters *parameters)
{
	parameters->header_digest = parameters->data_digest = true;
	parameters->initiator_max_recv = 8192; /* rejected headers come back whole */
}

static void tags_are_opaque(struct transcript *t)
{
	static const uint32_t tags[] = { 0, 0x80000000, 0xfffffffe, 0x12345678, 0x0000ffff };
	uint8_t bhs[BHS_SIZE];

	the_double.pending = true;
	for (unsigned i = 0; i < 5; i++) {
		new_read(t, bhs, i, 1);
		put_be32(bhs + BHS_ITT, tags[i]);
		put_command(t, bhs, NULL, 0);
	}
	deliver(t);
	for (unsigned i = 5; i-- > 0;) {
		double_finish_at(i);
		expect_read(t, tags[i], i, 512);
	}
	/* Every tag is free again after its response. */
	the_double.pending = false;
	for (unsigned i = 0; i < 5; i++) {
		new_read(t, bhs, i, 1);
		put_be32(bhs + BHS_ITT, tags[i]);
		put_command(t, bhs, NULL, 0);
		expect_read(t, tags[i], i, 512);
	}
}

static void counters(struct transcript *t)
{
	struct iscsi_conn_info info;

	expect_read(t, put_read(t, 0, 3), 0, 1536);
	expect_good(t, put_write(t, 0, 2, new_data(), 1024, true));
	iscsi_conn_info(t->conn, &info);
	ck_assert_uint_eq(info.commands, 2);
	ck_assert_uint_eq(info.bytes_read, 1536);
	ck_assert_uint_eq(info.bytes_written, 1024);
	ck_assert_uint_eq(info.parameters.max_burst_length, 4096);
	ck_assert_uint_eq(info.tsih, 1);
	ck_assert_uint_eq(the_double.protocol_level, 1); /* for INQUIRY [KEY-20] */
	ck_assert_uint_le(sizeof(struct iscsi_conn), 1536);
}

static const struct scenario scenarios[] = {
	{ "[RES-01] [RES-02] [RES-04] reads", .run = read_residuals },
	{ "[DATA-12] [DATA-13] [RES-01] nothing to move", .run = no_data },
	{ "[RES-01] [RES-05] writes", .run = write_residuals },
	{ "[DATA-12] [RES-03] the wrong direction", .run = wrong_direction },
	{ "[RES-06] [RES-08] status and sense", .run = statuses },
	{ "[DATA-10] data and sense", .run = data_and_sense },
	{ "[DATA-13] flags", .run = flag_matrix },
	{ "[DATA-14] bidirectional", .run = bidirectional },
	{ "[DATA-15] a 32-byte CDB", .run = extended_cdb },
	{ "[DATA-15] bad additional headers", .run = bad_ahs, .adjust = adjust_digests },
	{ "[LNX-04] a long header comes back cut", .run = long_header, .adjust = adjust_short },
	{ "[ERR-01] digests over additional headers", .run = extended_cdb,
		.adjust = adjust_digests },
	{ "[LNX-05] tags are opaque", .run = tags_are_opaque },
	{ "what a session list shows", .run = counters },
};

int main(void)
{
	return scenarios_run("command", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
