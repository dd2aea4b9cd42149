/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto/iscsi/login.c as transcripts: PDU rules, stages, statuses, names, the end of a login.
 * [LOGIN-*, LST-*, SES-01]
 */
#include "tests/proto/iscsi/login_bench.h"

#include <stdio.h>
#include <string.h>

static struct bench *bench;

static void setup(void)
{
	bench = bench_new();
}

static void teardown(void)
{
	bench_free(bench);
}

/* --- first words --- */

/* [LOGIN-01] */
START_TEST(only_a_login_request_opens)
{
	for (unsigned opcode = 0; opcode < 0x40; opcode++) {
		if (opcode == OP_LOGIN_REQUEST)
			continue;
		bench->protocol_errors = 0;
		bench->request.opcode = (uint8_t)(opcode | IMMEDIATE);
		bench->request.flags = FINAL;
		bench_feed(bench, "", 0);
		assert_silent(bench);
		ck_assert_uint_eq(bench->protocol_errors, 1);
		ck_assert_uint_eq(bench->begins, 0);
		bench_reconnect(bench);
	}
}
END_TEST

/* [LOGIN-02, LST-13] */
START_TEST(only_login_requests_go_on)
{
	for (unsigned opcode = 0; opcode < 0x40; opcode++) {
		if (opcode == OP_LOGIN_REQUEST)
			continue;
		bench_login(bench, SECURITY, NAMES);
		assert_status(&bench->response, 0);
		bench->request.opcode = (uint8_t)opcode;
		bench->request.flags = FINAL;
		bench_feed(bench, "", 0);
		assert_refused(bench, 0x020b);
		bench_reconnect(bench);
	}
}
END_TEST

/* [LOGIN-04, LST-10, KEY-05, KEY-03, LOGIN-21] */
#define D50  "12345678901234567890123456789012345678901234567890"
#define N223 "iqn." D50 D50 D50 D50 "1234567890123456789"

static const struct name_row {
	const char *text;
	unsigned status;
} name_rows[] = {
	{ "", 0x0207 },
	{ "TargetName=" TARGET "\n", 0x0207 },
	{ "InitiatorName=" INITIATOR "\n", 0x0207 },
	{ "InitiatorName=" INITIATOR "\nSessionType=Normal\n", 0x0207 },
	{ "SessionType=Discovery\n", 0x0207 },
	{ "SessionType=Discovery\nTargetName=" TARGET "\n", 0x0207 },
	{ NAMES, 0 },
	{ NAMES "SessionType=Normal\n", 0 },
	{ DISCOVERY, 0 },
	{ DISCOVERY "TargetName=" TARGET "\n", 0 },
	{ NAMES "SessionType=normal\n", 0x0209 },
	{ NAMES "SessionType=\n", 0x0209 },
	{ NAMES "SessionType=Discovery,Normal\n", 0x0209 },
	/* Names are compared after lower-casing. */
	{ "InitiatorName=IQN.1994-05.com.Example:Client\nTargetName=iqn.1997-05.COM.amazon:"
	  "MyVolume\n",
		0 },
	{ "InitiatorName=eui.02004567A425678D\nTargetName=" TARGET "\n", 0 },
	{ "InitiatorName=eui.02004567A425678\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=eui.02004567A425678DD\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=eui.02004567A425678G\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=naa.52004567BA64678D\nTargetName=" TARGET "\n", 0 },
	{ "InitiatorName=naa.62004567BA64678D0123456789ABCDEF\nTargetName=" TARGET "\n", 0 },
	{ "InitiatorName=naa.62004567BA64678D01234567\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=" N223 "\nTargetName=" TARGET "\n", 0 },
	{ "InitiatorName=" N223 "x\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=iqn.\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=client\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=iqn.2001-01.a b\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=iqn.2001-01.a/../b\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=iqn.2001-01.a\x80\nTargetName=" TARGET "\n", 0x0200 },
	{ "InitiatorName=iqn.2001-01.a\x1b[1m\nTargetName=" TARGET "\n", 0x0200 },
	/* LST-06: unknown at this portal. */
	{ "InitiatorName=" INITIATOR "\nTargetName=iqn.1997-05.com.amazon:other\n", 0x0203 },
	{ "InitiatorName=" INITIATOR "\nTargetName=nonsense\n", 0x0203 },
	{ "InitiatorName=" INITIATOR "\nTargetName=" N223 "\n", 0x0203 },
	{ "InitiatorName=" INITIATOR "\nTargetName=" N223 "x\n", 0x0200 },
	{ "InitiatorName=" INITIATOR "\nTargetName=\n", 0x0200 },
	{ "InitiatorName=" INITIATOR "\nTargetName=a=b\n", 0x0200 },
	/* Twice, NEG-10. */
	{ NAMES "InitiatorName=" INITIATOR "\n", 0x0200 },
	{ NAMES "TargetName=" TARGET "\n", 0x0200 },
	{ NAMES "MaxBurstLength=512\nMaxBurstLength=512\n", 0x0200 },
	/* Malformed, misplaced: LST-03, NEG-03, NEG-09, NEG-11, KEY-23 */
	{ NAMES "garbage\n", 0x0200 },
	{ NAMES "=\n", 0x0200 },
	{ NAMES "lower=1\n", 0x0200 },
	{ NAMES "MaxBurstLength=Irrelevant\n", 0x0200 },
	{ NAMES "AuthMethod=None\n", 0x0200 },
	{ NAMES "CHAP_A=5\n", 0x0200 },
	{ NAMES "SendTargets=All\n", 0x0200 },
	{ NAMES "TargetAlias=mine\n", 0x0200 },
	{ NAMES "TargetPortalGroupTag=1\n", 0x0200 },
};

START_TEST(the_first_text_says_who)
{
	const struct name_row *row = &name_rows[_i];

	bench_login(bench, OPERATIONAL | TO_FULL, row->text);
	if (row->status) {
		assert_refused(bench, row->status);
		ck_assert_uint_eq(bench->admits, 0);
		ck_assert_uint_eq(bench->begins, row->status == 0x0203 ? 1 : 0);
	} else {
		assert_status(&bench->response, 0);
		ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
		ck_assert_uint_eq(bench->begins, 1);
		ck_assert_uint_eq(bench->admits, 1);
	}
}
END_TEST

START_TEST(the_host_hears_the_names_in_lower_case)
{
	static const uint8_t isid[6] = { 0x80, 0x12, 0x34, 0x56, 0, 1 };
	const struct iscsi_identity *identity = &bench->conn->identity;

	bench->request.cid = 0xabcd;
	bench_login(bench, OPERATIONAL | TO_FULL,
		"InitiatorName=IQN.1994-05.com.Example:Client\nTargetName=" TARGET "\n");
	assert_status(&bench->response, 0);
	ck_assert_str_eq(identity->initiator, INITIATOR);
	ck_assert_str_eq(identity->target, TARGET);
	ck_assert_mem_eq(identity->isid, isid, sizeof(isid));
	ck_assert_uint_eq(identity->cid, 0xabcd);
	ck_assert_uint_eq(identity->tsih, 0);
	ck_assert(!identity->discovery);
	bench_reconnect(bench);
	bench_login(bench, OPERATIONAL | TO_FULL, DISCOVERY);
	ck_assert(bench->conn->identity.discovery);
	ck_assert_str_eq(bench->conn->identity.target, "");
}
END_TEST

/* libiscsi and QEMU say their names again in the second stage; they must stay the same. [NEG-10] */
static const struct again_row {
	const char *first, *again;
	unsigned status;
} again_rows[] = {
	{ NAMES, NAMES, 0 },
	{ NAMES, NAMES "SessionType=Normal\nInitiatorAlias=me\n", 0 },
	{ NAMES, "SessionType=Normal\n", 0 },
	{ NAMES "InitiatorAlias=me\n", "InitiatorAlias=me too\n", 0 },
	{ NAMES, "InitiatorName=" STRANGER "\n", 0x0200 },
	{ NAMES, "TargetName=iqn.1997-05.com.amazon:other\n", 0x0200 },
	{ NAMES, "InitiatorName=" INITIATOR "x\n", 0x0200 },
	{ NAMES, "InitiatorName=\n", 0x0200 },
	{ NAMES, "SessionType=Discovery\n", 0x0200 },
	{ NAMES "SessionType=Normal\n", "SessionType=Discovery\n", 0x0200 },
	{ DISCOVERY, DISCOVERY, 0 },
	{ DISCOVERY, "SessionType=Normal\n", 0x0200 },
	{ DISCOVERY, "TargetName=" TARGET "\n", 0x0200 },
	{ NAMES, NAMES "InitiatorName=" INITIATOR "\n", 0x0200 },
};

START_TEST(names_do_not_change)
{
	const struct again_row *row = &again_rows[_i];

	bench_login(bench, SECURITY | TO_OPERATIONAL, row->first);
	assert_status(&bench->response, 0);
	bench_login(bench, OPERATIONAL | TO_FULL, row->again);
	if (row->status)
		assert_refused(bench, row->status);
	else
		ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
	ck_assert_uint_eq(bench->begins, 1);
}
END_TEST

START_TEST(names_come_once_per_stage)
{
	bench_login(bench, SECURITY, NAMES);
	assert_status(&bench->response, 0);
	bench_login(bench, SECURITY, "InitiatorName=" INITIATOR "\n");
	assert_refused(bench, 0x0200);
}
END_TEST

/* --- headers --- */

/* [LOGIN-05, LST-08] */
START_TEST(versions_must_reach_down_to_zero)
{
	for (unsigned least = 0; least < 3; least++) {
		bench->request.version_min = (uint8_t)least;
		bench->request.version_max = 5;
		bench_login(bench, OPERATIONAL | TO_FULL, NAMES);
		if (least)
			assert_refused(bench, 0x0205);
		else
			assert_status(&bench->response, 0);
		bench_reconnect(bench);
	}
}
END_TEST

/*
 * The whole matrix of CSG, NSG, T and C, as first request, as second in the security stage, and as
 * second in the operational stage. [LOGIN-06, LOGIN-07, LOGIN-08, LOGIN-10]
 */
static void try_stage(unsigned before, unsigned flags)
{
	unsigned current = flags >> 2 & 3, next = flags & 3;
	bool transit = flags & 0x80, more = flags & 0x40;

	if (before)
		bench_login(bench, before == 1 ? SECURITY : OPERATIONAL, NAMES);
	bool allowed = current <= 1 && (!before || current == before - 1);
	if (transit && (more || next <= current || next == 2))
		allowed = false;
	const struct response *r = bench_login(bench, (uint8_t)flags, before ? "" : NAMES);
	if (!allowed) {
		assert_refused(bench, 0x0200);
		return;
	}
	assert_status(r, 0);
	if (more)
		ck_assert_uint_eq(r->length, 0);
	if (!transit) {
		ck_assert_uint_eq(r->flags, current << 2);
		ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_LOGIN);
		return;
	}
	ck_assert_uint_eq(r->flags, 0x80 | current << 2 | next);
	ck_assert_int_eq(bench_phase(bench), next == 3 ? ISCSI_PHASE_FULL : ISCSI_PHASE_LOGIN);
}

START_TEST(stages_go_forwards_only)
{
	for (unsigned next = 0; next < 4; next++)
		for (unsigned bits = 0; bits < 16; bits++) {
			try_stage((unsigned)_i / 4, bits << 4 | ((unsigned)_i & 3) << 2 | next);
			bench_reconnect(bench);
		}
}
END_TEST

/* What one request may change in the next one. [LOGIN-12] */
START_TEST(a_login_stays_the_same_login)
{
	bench->request.tsih = 0;
	bench_login(bench, SECURITY, NAMES);
	assert_status(&bench->response, 0);
	switch (_i) {
	case 0:
		bench->request.itt ^= 1;
		break;
	case 1:
		bench->request.isid[0] ^= 0x40;
		break;
	case 2:
		bench->request.isid[5] ^= 1;
		break;
	case 3:
		bench->request.tsih = 42;
		break;
	case 4:
		bench->request.cid ^= 1;
		break;
	case 5: /* of no consequence */
		bench->request.cmd_sn++;
		bench->request.exp_stat_sn = 99;
		bench->request.version_min = 1;
		break;
	default:
		break;
	}
	bench_login(bench, SECURITY | TO_FULL, "");
	if (_i < 5)
		assert_refused(bench, 0x0200);
	else
		ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
}
END_TEST

/* [LOGIN-12, LNX-05] */
START_TEST(tags_are_echoed_whole)
{
	static const uint32_t tags[] = { 0, 1, 0x7fffffff, 0x80000000, 0xdeadbeef, 0xfffffffe };

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		bench->request.itt = tags[i];
		bench->request.isid[3] = (uint8_t)i;
		bench_login(bench, SECURITY, NAMES);
		ck_assert_uint_eq(bench->response.itt, tags[i]);
		ck_assert_mem_eq(bench->response.isid, bench->request.isid, 6);
		bench_reconnect(bench);
	}
}
END_TEST

/* [LOGIN-11, LOGIN-13, LOGIN-14, LOGIN-15, LNX-06, SEQ-08] */
START_TEST(numbers_run_through_the_login)
{
	static const uint32_t starts[] = { 0, 1, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff };

	bench->request.cmd_sn = starts[_i];
	bench->request.exp_stat_sn = 0x12345;
	bench_login(bench, SECURITY, NAMES);
	uint32_t stat_sn = bench->response.stat_sn;
	for (uint32_t i = 0; i < 4; i++) {
		const struct response *r = &bench->response;

		if (i)
			bench_login(bench,
				i == 1   ? SECURITY | TO_OPERATIONAL
				: i == 2 ? OPERATIONAL
					 : OPERATIONAL | TO_FULL,
				"");
		assert_status(r, 0);
		ck_assert_uint_eq(r->stat_sn, stat_sn + i);
		ck_assert_uint_eq(r->exp_cmd_sn, starts[_i]);
		ck_assert_uint_eq(r->max_cmd_sn, starts[_i] + COMMAND_WINDOW - 1);
		ck_assert(serial_before(r->exp_cmd_sn, r->max_cmd_sn));
		ck_assert_uint_eq(r->tsih, i == 3 ? 42 : 0);
	}
	ck_assert_uint_eq(bench->conn->stat_sn, stat_sn + 4);
	ck_assert_uint_eq(bench->conn->exp_cmd_sn, starts[_i]);
}
END_TEST

/* [LOGIN-20] What is reserved is ignored in requests; bench_read() sees to the responses. */
START_TEST(reserved_fields_are_ignored)
{
	bench->request.reserved = 0xff;
	bench_login(bench, SECURITY | TO_OPERATIONAL, NAMES);
	assert_status(&bench->response, 0);
	bench_login(bench, OPERATIONAL | TO_FULL, "");
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
}
END_TEST

/* [LOGIN-14] A Login Request is immediate, with or without the bit. */
START_TEST(the_immediate_bit_does_not_matter)
{
	bench->request.opcode = OP_LOGIN_REQUEST;
	bench->request.flags = OPERATIONAL | TO_FULL;
	bench_feed(bench, "InitiatorName=" INITIATOR "\0TargetName=" TARGET,
		sizeof("InitiatorName=" INITIATOR "\0TargetName=" TARGET));
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.exp_cmd_sn, bench->request.cmd_sn);
}
END_TEST

/* [LOGIN-20] Lengths that a login cannot have: nothing is stored for them, nothing answered. */
START_TEST(impossible_lengths_end_the_connection)
{
	uint8_t bhs[BHS_SIZE] = { OP_LOGIN_REQUEST | IMMEDIATE, OPERATIONAL | TO_FULL };

	if (_i == 0)
		put_be24(bhs + BHS_DATA_LENGTH, 8193);
	else if (_i == 1)
		put_be24(bhs + BHS_DATA_LENGTH, 0xffffff);
	else
		bhs[BHS_AHS_LENGTH] = _i == 2 ? 1 : 255;
	bench_deliver(bench, bhs, sizeof(bhs), 0);
	bench_read(bench);
	assert_silent(bench);
	ck_assert_uint_eq(bench->protocol_errors, 1);
	ck_assert_ptr_null(bench->conn->input.gather);
}
END_TEST

/* [LOGIN-22] The final response has no digest; all after it has. */
START_TEST(digests_begin_after_the_login)
{
	bench_enter(bench, NAMES, "HeaderDigest=CRC32C\nDataDigest=CRC32C\n");
	ck_assert_uint_eq(bench->unread, 0);
	ck_assert(bench->conn->parameters.header_digest && bench->conn->parameters.data_digest);
	bench->request.opcode = OP_NOP_OUT | IMMEDIATE;
	bench->request.flags = FINAL;
	bench_feed(bench, "abcd", 4); /* the data stands where the header digest should */
	assert_silent(bench);
}
END_TEST

/* [LOGIN-18] */
START_TEST(a_login_has_a_deadline)
{
	uint64_t begun = bench->now;

	ck_assert_uint_eq(iscsi_conn_deadline(bench->conn), begun + LOGIN_TIMEOUT_MS);
	bench->now += LOGIN_TIMEOUT_MS - 1;
	bench_login(bench, SECURITY, NAMES);
	assert_status(&bench->response, 0);
	/* Talking does not move it. */
	ck_assert_uint_eq(iscsi_conn_deadline(bench->conn), begun + LOGIN_TIMEOUT_MS);
	iscsi_conn_tick(bench->conn, begun + LOGIN_TIMEOUT_MS - 1);
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_LOGIN);
	iscsi_conn_tick(bench->conn, begun + LOGIN_TIMEOUT_MS);
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FINISHED);
	ck_assert_uint_eq(bench->admits, 0);
}
END_TEST

/* --- texts in pieces --- */

/* [LOGIN-08] Cut at every byte; each piece but the last is answered by nothing. */
START_TEST(a_text_may_be_cut_anywhere)
{
	static const char text[] = NAMES "MaxBurstLength=4096\nHeaderDigest=CRC32C,None\n";
	size_t cut = (size_t)_i;
	char first[sizeof(text)];

	ck_assert_uint_le(cut, sizeof(text) - 1);
	memcpy(first, text, cut);
	first[cut] = '\0';
	bench_login(bench, OPERATIONAL | CONTINUED, first);
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.length, 0);
	ck_assert_uint_eq(bench->response.flags, OPERATIONAL);
	ck_assert_uint_eq(bench->begins, 0);
	bench_login(bench, OPERATIONAL | TO_FULL, text + cut);
	assert_status(&bench->response, 0);
	ck_assert_str_eq(bench->response.text,
		"TargetPortalGroupTag=1\nHeaderDigest=CRC32C\nMaxBurstLength=4096\n"
		"MaxRecvDataSegmentLength=262144\n");
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
}
END_TEST
#define CUTS (sizeof(NAMES "MaxBurstLength=4096\nHeaderDigest=CRC32C,None\n"))

START_TEST(a_text_may_come_byte_by_byte)
{
	static const char text[] = NAMES;
	char piece[2] = "";

	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		piece[0] = text[i];
		bench_login(bench, OPERATIONAL | CONTINUED, piece);
		if (i >= LOGIN_PDUS_MAX) {
			assert_refused(bench, 0x0200); /* within reason: LOGIN-19 */
			return;
		}
		assert_status(&bench->response, 0);
	}
	ck_abort_msg("more than %u requests", LOGIN_PDUS_MAX);
}
END_TEST

/* A key cut in two counts once, and twice if it comes twice. [NEG-10] */
START_TEST(a_repeated_key_is_found_across_pieces)
{
	bench_login(bench, OPERATIONAL | CONTINUED, NAMES "MaxBurstLength=512\nMaxBurst");
	bench_login(bench, OPERATIONAL, "Length=512\n");
	assert_refused(bench, 0x0200);
}
END_TEST

/* [NEG-05] 64 KiB are taken, one byte more is not; and no more than 8,192 at once. */
START_TEST(text_has_a_budget)
{
	char *text = calloc(1, LOGIN_SEGMENT_MAX + 2);
	size_t sent = 0;

	memset(text, 'a', LOGIN_SEGMENT_MAX);
	memcpy(text, NAMES "X-a=", sizeof(NAMES "X-a=") - 1);
	while (sent < TEXT_LIMIT) {
		bench_login(bench, OPERATIONAL | CONTINUED, text);
		assert_status(&bench->response, 0);
		sent += strlen(text);
		memset(text, 'a', LOGIN_SEGMENT_MAX);
	}
	bench_login(bench, OPERATIONAL | CONTINUED, "a");
	assert_refused(bench, 0x0200);
	free(text);
}
END_TEST

/* [LOGIN-09, NEG-05, NEG-07] Many unknown keys: all are answered, in pieces. */
START_TEST(a_long_answer_comes_in_pieces)
{
	char *text = calloc(1, 8200), *all = calloc(1, 65536);
	unsigned keys = 0, pieces = 0;

	snprintf(text, 8200, "%s", NAMES);
	while (strlen(text) < 8192 - 8)
		snprintf(text + strlen(text), 10, "X-%04u=\n", keys++ % 10000);
	bench_login(bench, OPERATIONAL | TO_FULL, text);
	for (;;) {
		const struct response *r = &bench->response;

		assert_status(r, 0);
		ck_assert_uint_le(r->length, 8192);
		memcpy(all + strlen(all), r->text, r->length + 1);
		pieces++;
		if (!(r->flags & CONTINUED))
			break;
		/* C without T, and nothing is admitted before all is said. */
		ck_assert_uint_eq(r->flags, OPERATIONAL | CONTINUED);
		ck_assert_uint_eq(r->length, 8192);
		ck_assert_uint_eq(bench->admits, 0);
		bench_login(bench, OPERATIONAL | TO_FULL, "");
	}
	ck_assert_uint_gt(pieces, 2);
	ck_assert_uint_eq(bench->response.flags, OPERATIONAL | TO_FULL);
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
	snprintf(bench->response.text, sizeof(bench->response.text), "%s", all);
	ck_assert_uint_eq(count_keys(&bench->response), keys + 2);
	for (unsigned i = 0; i < keys; i++) {
		char key[16];

		snprintf(key, sizeof(key), "X-%04u", i);
		ck_assert_str_eq(value_of(&bench->response, key), "NotUnderstood");
	}
	free(text);
	free(all);
}
END_TEST

static void ask_long(void)
{
	char text[8000] = NAMES;

	for (unsigned i = 0; i < 900; i++)
		snprintf(text + strlen(text), 10, "X-%03u=\n", i);
	bench_login(bench, OPERATIONAL | TO_FULL, text);
	assert_status(&bench->response, 0);
	ck_assert(bench->response.flags & CONTINUED);
}

START_TEST(our_answer_must_be_heard_out)
{
	ask_long();
	if (_i)
		bench_login(bench, OPERATIONAL | CONTINUED, "");
	else
		bench_login(bench, OPERATIONAL, "MaxBurstLength=512\n");
	assert_refused(bench, 0x0200);
}
END_TEST

/* The last piece ends the stage only if the request at hand asks for it. [LOGIN-10] */
START_TEST(a_long_answer_can_end_without_transition)
{
	ask_long();
	while (bench->response.flags & CONTINUED)
		bench_login(bench, OPERATIONAL, "");
	ck_assert_uint_eq(bench->response.flags, OPERATIONAL);
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_LOGIN);
	bench_login(bench, OPERATIONAL | TO_FULL, "");
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
}
END_TEST

START_TEST(an_answer_without_end_is_refused)
{
	char *text = calloc(1, 8200);
	bool first = true;

	/* Each 3 bytes are answered with 16: 64 KiB are reached with little. */
	for (unsigned i = 0; i < 3; i++) {
		snprintf(text, 8200, "%s", first ? NAMES : "");
		while (strlen(text) < 8190)
			snprintf(text + strlen(text), 5, "Q=\n");
		first = false;
		bench_login(bench, OPERATIONAL | (i < 2 ? CONTINUED : 0), text);
	}
	assert_refused(bench, 0x0200);
	free(text);
}
END_TEST

/* --- answers --- */

/* [LOGIN-16] */
START_TEST(the_portal_group_is_in_the_first_answer)
{
	static const uint16_t tags[] = { 0, 1, 255, 65535 };
	static const char *const texts[] = { NAMES, DISCOVERY,
		DISCOVERY "TargetName=" TARGET "\n" };
	static const uint8_t flags[] = { SECURITY, SECURITY | TO_OPERATIONAL, OPERATIONAL,
		OPERATIONAL | TO_FULL };

	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 3; j++)
			for (size_t k = 0; k < 4; k++) {
				char number[8];

				bench->terms.portal_group_tag = tags[i];
				snprintf(number, sizeof(number), "%u", tags[i]);
				bench_login(bench, flags[k], texts[j]);
				assert_status(&bench->response, 0);
				ck_assert_str_eq(
					value_of(&bench->response, "TargetPortalGroupTag"), number);
				if (bench_phase(bench) == ISCSI_PHASE_LOGIN) {
					bench_login(bench,
						flags[k] & 4 || flags[k] & 1 ? OPERATIONAL
									     : SECURITY,
						"");
					ck_assert_ptr_null(
						value_of(&bench->response, "TargetPortalGroupTag"));
				}
				bench_reconnect(bench);
			}
}
END_TEST

/* [KEY-06, LNX-01] */
START_TEST(the_alias_is_for_normal_sessions)
{
	bench->terms.target_alias = "Disk of the house";
	bench_login(bench, SECURITY, NAMES);
	ck_assert_str_eq(
		bench->response.text, "TargetPortalGroupTag=1\nTargetAlias=Disk of the house\n");
	bench_reconnect(bench);
	bench_login(bench, SECURITY, DISCOVERY "TargetName=" TARGET "\n");
	ck_assert_str_eq(bench->response.text, "TargetPortalGroupTag=1\n");
}
END_TEST

/* [NEG-16, PXE-02, KEY-11] The one thing said unasked, once, in the operational stage. */
START_TEST(only_our_segment_length_is_declared)
{
	bench_login(bench, SECURITY | TO_OPERATIONAL, NAMES);
	ck_assert_str_eq(bench->response.text, "TargetPortalGroupTag=1\n");
	bench_login(bench, OPERATIONAL, "");
	ck_assert_str_eq(bench->response.text, "MaxRecvDataSegmentLength=262144\n");
	bench_login(bench, OPERATIONAL, "");
	ck_assert_str_eq(bench->response.text, "");
	bench_login(bench, OPERATIONAL | TO_FULL, "");
	ck_assert_str_eq(bench->response.text, "");
	ck_assert_uint_eq(bench->conn->parameters.target_max_recv, 262144);
}
END_TEST

/* [LNX-03] Nothing is declared, so nothing but the default may be sent to us. */
START_TEST(the_operational_stage_can_be_left_out)
{
	bench_login(bench, SECURITY | TO_FULL, DISCOVERY "AuthMethod=None\n");
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.flags, 0x83);
	ck_assert_uint_eq(bench->response.tsih, 42);
	ck_assert_str_eq(bench->response.text, "TargetPortalGroupTag=1\nAuthMethod=None\n");
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
	ck_assert_uint_eq(bench->conn->parameters.target_max_recv, 8192);
	ck_assert_uint_eq(bench->conn->parameters.initiator_max_recv, 8192);
}
END_TEST

/* [NEG-15] */
START_TEST(parameters_take_effect_at_the_end)
{
	bench_login(bench, OPERATIONAL, NAMES "MaxBurstLength=4096\nHeaderDigest=CRC32C\n");
	ck_assert_uint_eq(bench->conn->parameters.max_burst_length, 262144);
	ck_assert(!bench->conn->parameters.header_digest);
	bench_login(bench, OPERATIONAL | TO_FULL, "FirstBurstLength=65536\n");
	ck_assert_str_eq(value_of(&bench->response, "FirstBurstLength"), "4096");
	ck_assert_uint_eq(bench->conn->parameters.max_burst_length, 4096);
	ck_assert_uint_eq(bench->conn->parameters.first_burst_length, 4096);
	ck_assert(bench->conn->parameters.header_digest);
}
END_TEST

START_TEST(contradictions_are_refused_at_the_end)
{
	bench_login(bench, OPERATIONAL, NAMES "FirstBurstLength=65536\n");
	bench_login(bench, OPERATIONAL, "MaxBurstLength=4096\n");
	assert_status(&bench->response, 0);
	bench_login(bench, OPERATIONAL | TO_FULL, "");
	assert_refused(bench, 0x0200);
	ck_assert_uint_eq(bench->admits, 0);
}
END_TEST

/* [LOGIN-19] */
START_TEST(empty_rounds_are_bounded)
{
	unsigned stage = (unsigned)_i;

	bench_login(bench, (uint8_t)(stage << 2), NAMES);
	for (unsigned i = 1; i < LOGIN_PDUS_MAX; i++) {
		assert_status(&bench->response, 0);
		ck_assert_uint_eq(bench->response.flags, stage << 2);
		bench_login(bench, (uint8_t)(stage << 2), "");
	}
	assert_status(&bench->response, 0);
	bench_login(bench, (uint8_t)(stage << 2), "");
	assert_refused(bench, 0x0200);
}
END_TEST

/* --- the host's word --- */

/* [LST-05..07, LST-14] */
START_TEST(the_host_can_refuse_at_the_beginning)
{
	static const unsigned statuses[] = { 0x0202, 0x0203, 0x0204, 0x0300, 0x0301, 0x0302 };

	bench->begin_status.class = (uint8_t)(statuses[_i] >> 8);
	bench->begin_status.detail = (uint8_t)statuses[_i];
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES);
	assert_refused(bench, statuses[_i]);
	ck_assert_uint_eq(bench->response.length, 0);
	ck_assert_uint_eq(bench->admits, 0);
}
END_TEST

/* [LST-05, LST-09, LST-11, LST-12, LST-14, SES-01, LOGIN-23] */
START_TEST(the_host_can_refuse_at_the_end)
{
	static const unsigned statuses[] = { 0x0202, 0x0206, 0x0208, 0x020a, 0x0301, 0x0302 };

	bench->admission = ISCSI_REFUSED;
	bench->grant.status.class = (uint8_t)(statuses[_i] >> 8);
	bench->grant.status.detail = (uint8_t)statuses[_i];
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES);
	assert_refused(bench, statuses[_i]);
	ck_assert_uint_eq(bench->response.length, 0);
	ck_assert_uint_eq(bench->logins, 0);
}
END_TEST

START_TEST(a_refusal_without_status_is_our_fault)
{
	bench->admission = ISCSI_REFUSED;
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES);
	assert_refused(bench, 0x0300);
}
END_TEST

/* [CRED-02; K4] */
START_TEST(a_stale_login_ends_in_silence)
{
	bench->admission = ISCSI_STALE;
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES);
	assert_silent(bench);
	ck_assert_uint_eq(bench->logins, 0);
}
END_TEST

static void wait_for_admission(void)
{
	bench->admission = ISCSI_WAIT;
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES "MaxBurstLength=4096\n");
	ck_assert(!bench->response.any);
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_ADMISSION);
	ck_assert_uint_eq(bench->logins, 0);
}

/* [CRED-08; K6] The final response waits; it is the same as without waiting. */
START_TEST(admission_can_come_later)
{
	wait_for_admission();
	const struct response *r = bench_admit(bench, ISCSI_WAIT);
	ck_assert(!r->any);
	r = bench_admit(bench, ISCSI_ADMITTED);
	assert_status(r, 0);
	ck_assert_uint_eq(r->flags, OPERATIONAL | TO_FULL);
	ck_assert_uint_eq(r->tsih, 42);
	ck_assert_str_eq(r->text,
		"TargetPortalGroupTag=1\nMaxBurstLength=4096\nMaxRecvDataSegmentLength=262144\n");
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
	ck_assert_uint_eq(bench->logins, 1);
	ck_assert_uint_eq(bench->admits, 1);
	/* A second word changes nothing. */
	bench_admit(bench, ISCSI_STALE);
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
	ck_assert_uint_eq(bench->logins, 1);
}
END_TEST

START_TEST(a_late_admission_can_be_a_refusal)
{
	wait_for_admission();
	bench->grant.status.class = 3;
	bench->grant.status.detail = 1;
	bench_admit(bench, ISCSI_REFUSED);
	assert_refused(bench, 0x0301);
	ck_assert_uint_eq(bench->response.length, 0);
}
END_TEST

START_TEST(a_late_admission_can_be_stale)
{
	wait_for_admission();
	bench_admit(bench, ISCSI_STALE);
	assert_silent(bench);
}
END_TEST

/* Nothing may be said while the final response is due. */
START_TEST(who_waits_for_admission_is_quiet)
{
	static const uint8_t opcodes[] = { OP_LOGIN_REQUEST, OP_SCSI_COMMAND, OP_NOP_OUT,
		OP_TEXT_REQUEST, OP_LOGOUT_REQUEST };

	wait_for_admission();
	bench->request.opcode = opcodes[_i] | IMMEDIATE;
	bench->request.flags = opcodes[_i] == OP_LOGIN_REQUEST ? OPERATIONAL | TO_FULL : FINAL;
	bench_feed(bench, "", 0);
	assert_refused(bench, 0x020b);
	/* And the host's word comes too late. */
	bench_admit(bench, ISCSI_ADMITTED);
	assert_silent(bench);
	ck_assert_uint_eq(bench->logins, 0);
}
END_TEST

/* [SES-01, NEG-18] A session taken over keeps its numbers and parameters. */
START_TEST(reinstatement_resumes_the_session)
{
	iscsi_parameters_default(&bench->resume.parameters);
	bench->resume.parameters.max_burst_length = 8192;
	bench->resume.exp_cmd_sn = 5000;
	bench->resume.max_cmd_sn = 5100;
	bench->grant.resume = &bench->resume;
	bench->grant.tsih = 7;
	bench->request.tsih = 7;
	bench_login(bench, SECURITY | TO_OPERATIONAL, NAMES);
	ck_assert_uint_eq(bench->response.tsih, 7);
	bench_login(bench, OPERATIONAL | TO_FULL,
		"MaxBurstLength=4096\nMaxRecvDataSegmentLength=65536\n");
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.tsih, 7);
	ck_assert_uint_eq(bench->response.exp_cmd_sn, 5000);
	ck_assert_uint_eq(bench->response.max_cmd_sn, 5100);
	ck_assert_str_eq(value_of(&bench->response, "MaxBurstLength"), "Reject");
	ck_assert_uint_eq(bench->conn->identity.tsih, 7);
	ck_assert_uint_eq(bench->conn->exp_cmd_sn, 5000);
	ck_assert_uint_eq(bench->conn->parameters.max_burst_length, 8192);
	ck_assert_uint_eq(bench->conn->parameters.initiator_max_recv, 65536);
	ck_assert_ptr_null(bench->conn->grant.resume);
}
END_TEST

START_TEST(admission_leaves_a_ready_connection)
{
	bench->grant.nexus = (struct scsi_nexus *)(uintptr_t)&bench->grant;
	bench_enter(bench, NAMES, "MaxOutstandingR2T=8\nInitialR2T=No\n");
	const struct iscsi_conn *conn = bench->conn;
	ck_assert_uint_eq(conn->grant.tsih, 42);
	ck_assert_ptr_eq(conn->grant.nexus, bench->grant.nexus);
	ck_assert_uint_eq(conn->parameters.max_outstanding_r2t, 8);
	ck_assert(!conn->parameters.initial_r2t);
	ck_assert_uint_eq(conn->chap_algorithm, 0);
	ck_assert(!conn->chap_mutual);
	ck_assert_uint_ne(conn->logged_in_at, 0);
	ck_assert_uint_gt(bench->wakes, 0);
	bench->conn->grant.nexus = NULL;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("login");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, only_a_login_request_opens);
	tcase_add_test(tcase, only_login_requests_go_on);
	tcase_add_rows(tcase, the_first_text_says_who, name_rows);
	tcase_add_test(tcase, the_host_hears_the_names_in_lower_case);
	tcase_add_rows(tcase, names_do_not_change, again_rows);
	tcase_add_test(tcase, names_come_once_per_stage);
	tcase_add_test(tcase, versions_must_reach_down_to_zero);
	tcase_add_loop_test(tcase, stages_go_forwards_only, 0, 3 * 4);
	tcase_add_loop_test(tcase, a_login_stays_the_same_login, 0, 6);
	tcase_add_test(tcase, tags_are_echoed_whole);
	tcase_add_loop_test(tcase, numbers_run_through_the_login, 0, 6);
	tcase_add_test(tcase, reserved_fields_are_ignored);
	tcase_add_test(tcase, the_immediate_bit_does_not_matter);
	tcase_add_loop_test(tcase, impossible_lengths_end_the_connection, 0, 4);
	tcase_add_test(tcase, digests_begin_after_the_login);
	tcase_add_test(tcase, a_login_has_a_deadline);
	tcase_add_loop_test(tcase, a_text_may_be_cut_anywhere, 0, CUTS);
	tcase_add_test(tcase, a_text_may_come_byte_by_byte);
	tcase_add_test(tcase, a_repeated_key_is_found_across_pieces);
	tcase_add_test(tcase, text_has_a_budget);
	tcase_add_test(tcase, a_long_answer_comes_in_pieces);
	tcase_add_loop_test(tcase, our_answer_must_be_heard_out, 0, 2);
	tcase_add_test(tcase, a_long_answer_can_end_without_transition);
	tcase_add_test(tcase, an_answer_without_end_is_refused);
	tcase_add_test(tcase, the_portal_group_is_in_the_first_answer);
	tcase_add_test(tcase, the_alias_is_for_normal_sessions);
	tcase_add_test(tcase, only_our_segment_length_is_declared);
	tcase_add_test(tcase, the_operational_stage_can_be_left_out);
	tcase_add_test(tcase, parameters_take_effect_at_the_end);
	tcase_add_test(tcase, contradictions_are_refused_at_the_end);
	tcase_add_loop_test(tcase, empty_rounds_are_bounded, 0, 2);
	tcase_add_loop_test(tcase, the_host_can_refuse_at_the_beginning, 0, 6);
	tcase_add_loop_test(tcase, the_host_can_refuse_at_the_end, 0, 6);
	tcase_add_test(tcase, a_refusal_without_status_is_our_fault);
	tcase_add_test(tcase, a_stale_login_ends_in_silence);
	tcase_add_test(tcase, admission_can_come_later);
	tcase_add_test(tcase, a_late_admission_can_be_a_refusal);
	tcase_add_test(tcase, a_late_admission_can_be_stale);
	tcase_add_loop_test(tcase, who_waits_for_admission_is_quiet, 0, 5);
	tcase_add_test(tcase, reinstatement_resumes_the_session);
	tcase_add_test(tcase, admission_leaves_a_ready_connection);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
