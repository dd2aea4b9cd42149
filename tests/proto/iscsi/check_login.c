/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto/iscsi/login.c as transcripts: the first PDU, names, headers, stages, numbers. [LOGIN-*, LST-*]
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

/* [LST-01, KEY-03, KEY-04, KEY-05] */
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
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
