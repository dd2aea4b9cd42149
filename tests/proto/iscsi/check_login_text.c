/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto/iscsi/login.c as transcripts: texts and answers in pieces, and what an answer consists of.
 * [LOGIN-08..10, LOGIN-16, LOGIN-19, NEG-05, NEG-10, NEG-15, NEG-16]
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

int main(void)
{
	Suite *suite = suite_create("login text");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
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
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
