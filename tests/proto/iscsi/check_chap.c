/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Authentication in the login (proto/iscsi/security.c) as transcripts: which method, CHAP's steps, each
 * key missing and malformed. [CHAP-01..10, CHAP-13..15, CHAP-22]
 */
#include "tests/proto/iscsi/login_bench.h"

#include "base/encode.h"

#include <stdio.h>
#include <string.h>

static struct bench *bench;
static char step[8192]; /* the text being put together */

static void setup(void)
{
	bench = bench_new();
	bench_protect(bench, true);
}

static void teardown(void)
{
	bench_free(bench);
}

static unsigned digest_size(unsigned algorithm)
{
	return (unsigned)chap_response_size(algorithm);
}

/* --- the method --- */

static const struct method_row {
	bool required, offered;
	uint8_t flags;
	const char *keys;
	unsigned status;
	const char *method;   /* our answer; NULL: none */
	uint8_t answer_flags; /* if status is 0 */
} method_rows[] = {
	/* Nothing is required, nothing offered [CHAP-04]. */
	{ false, false, SECURITY | TO_OPERATIONAL, "", 0, NULL, 0x81 },
	{ false, false, SECURITY | TO_FULL, "", 0, NULL, 0x83 },
	{ false, false, SECURITY, "", 0, NULL, 0 },
	{ false, false, OPERATIONAL, "", 0, NULL, 4 },
	{ false, false, SECURITY | TO_OPERATIONAL, "AuthMethod=None\n", 0, "None", 0x81 },
	{ false, false, SECURITY, "AuthMethod=None\n", 0, "None", 0 },
	{ false, false, SECURITY | TO_OPERATIONAL, "AuthMethod=CHAP,None\n", 0, "None", 0x81 },
	{ false, false, SECURITY, "AuthMethod=KRB5,SRP,None,CHAP\n", 0, "None", 0 },
	{ false, false, SECURITY, "AuthMethod=CHAP\n", 0x0201, "Reject", 0 },
	{ false, false, SECURITY, "AuthMethod=KRB5\n", 0x0201, "Reject", 0 },
	{ false, false, SECURITY, "AuthMethod=none\n", 0x0201, "Reject", 0 },
	{ false, false, SECURITY, "AuthMethod=\n", 0x0201, "Reject", 0 },
	{ false, false, SECURITY, "AuthMethod=Reject\n", 0x0200, NULL, 0 },
	/* CHAP is required [CHAP-03, LST-04, KEY-24]. */
	{ true, true, SECURITY | TO_OPERATIONAL, "AuthMethod=None,CHAP\n", 0, "CHAP", 0 },
	{ true, true, SECURITY | TO_FULL, "AuthMethod=CHAP\n", 0, "CHAP", 0 },
	{ true, true, SECURITY, "AuthMethod=CHAP\n", 0, "CHAP", 0 },
	{ true, true, SECURITY, "AuthMethod=SRP,CHAP,None\n", 0, "CHAP", 0 },
	{ true, false, SECURITY, "AuthMethod=CHAP\n", 0, "CHAP", 0 },
	{ true, true, SECURITY | TO_OPERATIONAL, "AuthMethod=None\n", 0x0201, "Reject", 0 },
	{ true, true, SECURITY, "AuthMethod=None\n", 0x0201, "Reject", 0 },
	{ true, true, SECURITY, "AuthMethod=chap\n", 0x0201, "Reject", 0 },
	{ true, true, SECURITY, "AuthMethod=CHAPS\n", 0x0201, "Reject", 0 },
	{ true, true, SECURITY | TO_OPERATIONAL, "", 0x0201, NULL, 0 },
	{ true, true, SECURITY | TO_FULL, "", 0x0201, NULL, 0 },
	{ true, true, SECURITY, "", 0, NULL, 0 },
	{ true, true, OPERATIONAL, "", 0x0201, NULL, 0 },
	{ true, true, OPERATIONAL | TO_FULL, "", 0x0201, NULL, 0 },
	{ true, true, OPERATIONAL | TO_FULL, "MaxBurstLength=512\n", 0x0201, NULL, 0 },
	/* Both are allowed: the safer one, unless only the other one is offered. */
	{ false, true, SECURITY, "AuthMethod=None,CHAP\n", 0, "CHAP", 0 },
	{ false, true, SECURITY, "AuthMethod=CHAP,None\n", 0, "CHAP", 0 },
	{ false, true, SECURITY | TO_OPERATIONAL, "AuthMethod=None\n", 0, "None", 0x81 },
	{ false, true, SECURITY, "AuthMethod=CHAP\n", 0, "CHAP", 0 },
	/* The first step of CHAP is no part of the proposal. */
	{ true, true, SECURITY, "AuthMethod=CHAP\nCHAP_A=5\n", 0x0200, NULL, 0 },
	{ true, true, SECURITY, "CHAP_A=5\n", 0x0200, NULL, 0 },
	{ true, true, SECURITY, "CHAP_N=a\nCHAP_R=0x00\n", 0x0200, NULL, 0 },
	{ false, false, SECURITY, "CHAP_A=5\n", 0x0200, NULL, 0 },
};

START_TEST(the_target_decides_on_the_method)
{
	const struct method_row *row = &method_rows[_i];

	bench->terms.chap_required = row->required;
	bench->terms.chap_offered = row->offered;
	snprintf(step, sizeof(step), "%s%s", NAMES, row->keys);
	const struct response *r = bench_login(bench, row->flags, step);
	const char *method = value_of(r, "AuthMethod");
	if (row->method)
		ck_assert_str_eq(method, row->method);
	else
		ck_assert_ptr_null(method);
	if (row->status) {
		assert_refused(bench, row->status);
		ck_assert_uint_eq(bench->admits, 0);
	} else {
		assert_status(r, 0);
		ck_assert_uint_eq(r->flags, row->answer_flags);
	}
	ck_assert_uint_eq(bench->conn->chap_algorithm, 0);
}
END_TEST

/* --- steps --- */

/* [CHAP-01, CHAP-05] */
START_TEST(one_way_with_each_algorithm)
{
	unsigned algorithm = CHAP_MD5 + (unsigned)_i;

	bench_challenge(bench, algorithm);
	ck_assert_uint_eq(strtoul(value_of(&bench->response, "CHAP_A"), NULL, 10), algorithm);
	bench_respond(bench, algorithm, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	ck_assert_uint_eq(bench->response.flags, 0x81);
	ck_assert_str_eq(
		bench->response.text, ""); /* mutual is configured, but nobody asked [CHAP-14] */
	assert_secured(bench, algorithm, false);
	ck_assert_uint_eq(bench->currents, 1);
}
END_TEST

/* [CHAP-01, CHAP-08, CHAP-14, CHAP-15] */
START_TEST(mutual_with_each_algorithm)
{
	unsigned algorithm = CHAP_MD5 + (unsigned)_i;

	bench_challenge(bench, algorithm);
	bench_respond(bench, algorithm, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET,
		"CHAP_I=200\nCHAP_C=0x000102030405060708090a0b0c0d0e0f\n");
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.flags, 0x81);
	ck_assert_str_eq(value_of(&bench->response, "CHAP_N"), TARGET);
	ck_assert_uint_eq(count_keys(&bench->response), 2);
	ck_assert(proves(&bench->response, algorithm, 200,
		"\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16, TARGET_SECRET));
	const char *digits = value_of(&bench->response, "CHAP_R");
	ck_assert_uint_eq(strlen(digits), 2 + 2 * digest_size(algorithm));
	ck_assert_uint_eq(strspn(digits + 2, "0123456789abcdef"), 2 * digest_size(algorithm));
	assert_secured(bench, algorithm, true);
}
END_TEST

/* Those who ask for each stage's end in a request of its own. [CHAP-01] */
START_TEST(the_stage_can_end_later)
{
	bench_login(bench, SECURITY, NAMES "AuthMethod=CHAP\n");
	bench_login(bench, SECURITY, "CHAP_A=5\n");
	bench_respond(bench, 5, SECURITY, INITIATOR, INITIATOR_SECRET, "");
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.flags, SECURITY);
	bench_login(bench, SECURITY | TO_OPERATIONAL, "");
	ck_assert_uint_eq(bench->response.flags, 0x81);
	assert_secured(bench, 5, false);
}
END_TEST

/* [LNX-03, CHAP-01] From the security stage straight to full feature phase. */
START_TEST(chap_can_be_the_whole_login)
{
	bench_login(bench, SECURITY | TO_FULL, NAMES "AuthMethod=CHAP\n");
	bench_login(bench, SECURITY | TO_FULL, "CHAP_A=5\n");
	ck_assert_uint_eq(bench->admits, 0);
	bench_respond(bench, 5, SECURITY | TO_FULL, INITIATOR, INITIATOR_SECRET,
		"CHAP_I=0\nCHAP_C=0x01\n");
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.flags, 0x83);
	ck_assert_ptr_nonnull(value_of(&bench->response, "CHAP_R"));
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
}
END_TEST

/* [CHAP-05] */
static const struct algorithm_row {
	const char *offer;
	unsigned status;
	const char *chosen;
} algorithm_rows[] = {
	{ "5", 0, "5" },
	{ "8", 0, "8" },
	{ "5,6,7,8", 0, "5" },
	{ "8,7,6,5", 0, "8" },
	{ "99,7,5", 0, "7" },
	{ "0,1,2,3,4,6", 0, "6" },
	{ "0x07", 0, "7" },
	{ "x,,5", 0, "5" },
	{ "4294967301,18446744073709551621,5", 0, "5" },
	{ "261,5", 0, "5" },
	{ "4294967301", 0x0201, NULL },
	{ "99", 0x0201, NULL },
	{ "", 0x0201, NULL },
	{ "MD5", 0x0201, NULL },
	{ "05", 0x0201, NULL },
	{ "0", 0x0201, NULL },
};

START_TEST(the_first_common_algorithm_is_chosen)
{
	const struct algorithm_row *row = &algorithm_rows[_i];

	bench_choose(bench);
	snprintf(step, sizeof(step), "CHAP_A=%s\n", row->offer);
	bench_login(bench, SECURITY, step);
	if (row->status) {
		assert_refused(bench, row->status);
		ck_assert_str_eq(bench->response.text, "");
	} else {
		ck_assert_str_eq(value_of(&bench->response, "CHAP_A"), row->chosen);
	}
}
END_TEST

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* [CHAP-02, CHAP-06, CHAP-07, CHAP-08, PXE-01] Order and form; never the same twice. */
START_TEST(challenges_are_fresh_and_in_order)
{
	enum { ROUNDS = 1000 };
	static char seen[ROUNDS][80];
	bool identifiers[256] = { false };
	unsigned different = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		bench_challenge(bench, 5);
		const char *text = bench->response.text;
		unsigned long identifier = strtoul(value_of(&bench->response, "CHAP_I"), NULL, 10);
		char expected[128];

		snprintf(seen[i], sizeof(seen[i]), "%s", value_of(&bench->response, "CHAP_C"));
		snprintf(expected, sizeof(expected), "CHAP_A=5\nCHAP_I=%lu\nCHAP_C=%.79s\n",
			identifier, seen[i]);
		ck_assert_str_eq(text, expected);
		ck_assert_uint_eq(strlen(seen[i]), 2 + 2 * CHAP_CHALLENGE_SIZE);
		ck_assert_uint_eq(strspn(seen[i] + 2, "0123456789abcdef"), 2 * CHAP_CHALLENGE_SIZE);
		ck_assert_uint_lt(identifier, 256);
		different += !identifiers[identifier];
		identifiers[identifier] = true;
		bench_reconnect(bench);
	}
	ck_assert_uint_gt(different, 100);
	qsort(seen, ROUNDS, sizeof(seen[0]), compare);
	for (unsigned i = 1; i < ROUNDS; i++)
		ck_assert_str_ne(seen[i - 1], seen[i]);
}
END_TEST

START_TEST(no_login_without_random_bytes)
{
	bench_choose(bench);
	bench_random_fails(true);
	bench_login(bench, SECURITY, "CHAP_A=5\n");
	assert_refused(bench, 0x0300);
}
END_TEST

/* --- the response --- */

#define DIGITS_MD5 "00112233445566778899aabbccddeeff"
#define N          INITIATOR

/* [CHAP-06, CHAP-09, CHAP-10, CHAP-13] */
static const struct response_row {
	const char *keys;
	unsigned status;
} response_rows[] = {
	/* Missing. */
	{ "", 0x0207 },
	{ "CHAP_N=" N "\n", 0x0207 },
	{ "CHAP_R=0x" DIGITS_MD5 "\n", 0x0207 },
	{ "CHAP_I=1\nCHAP_C=0x01\n", 0x0207 },
	{ "CHAP_N=" N "\nCHAP_I=1\nCHAP_C=0x01\n", 0x0207 },
	{ "CHAP_R=0x" DIGITS_MD5 "\nCHAP_I=1\nCHAP_C=0x01\n", 0x0207 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_I=1\n", 0x0207 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_C=0x01\n", 0x0207 },
	{ "InitiatorAlias=me\n", 0x0207 },
	/* Malformed. */
	{ "CHAP_N=" N "\nCHAP_R=" DIGITS_MD5 "\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0b\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "g\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 " \n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0bABC\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0bABCD=\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=12345\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=Reject\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_I=256\nCHAP_C=0x01\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_I=-1\nCHAP_C=0x01\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_I=\nCHAP_C=0x01\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_I=1\nCHAP_C=\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_I=1\nCHAP_C=0x\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_I=1\nCHAP_C=0b\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_I=1\nCHAP_C=xyz\n", 0x0200 },
	/* Out of place, or twice. */
	{ "CHAP_A=5\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_R=0x" DIGITS_MD5 "\n", 0x0200 },
	{ "AuthMethod=None\n", 0x0200 },
	{ "AuthMethod=None\nCHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nMaxBurstLength=512\n", 0x0200 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nSRP_U=me\n", 0x0200 },
	/* Well-formed and wrong: of any length. */
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\n", 0x0201 },
	{ "CHAP_N=" N "\nCHAP_R=0X" DIGITS_MD5 "\n", 0x0201 },
	{ "CHAP_N=" N "\nCHAP_R=0x0\n", 0x0201 },
	{ "CHAP_N=" N "\nCHAP_R=0x00\n", 0x0201 },
	{ "CHAP_N=" N "\nCHAP_R=0x00112233445566778899aabbccddee\n", 0x0201 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "0\n", 0x0201 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 DIGITS_MD5 "\n", 0x0201 },
	{ "CHAP_N=" N "\nCHAP_R=0bABEiM0RVZneImaq7zN3u/w==\n", 0x0201 },
	{ "CHAP_N=\nCHAP_R=0x" DIGITS_MD5 "\n", 0x0201 },
	{ "CHAP_N=" STRANGER "\nCHAP_R=0x" DIGITS_MD5 "\n", 0x0201 },
	{ "CHAP_N=" N "\nCHAP_R=0x" DIGITS_MD5 "\nCHAP_I=1\nCHAP_C=0x01\n", 0x0201 },
};

START_TEST(each_response_has_its_status)
{
	const struct response_row *row = &response_rows[_i];

	for (unsigned transit = 0; transit < 2; transit++) {
		bench_challenge(bench, 5);
		bench_login(bench, transit ? SECURITY | TO_FULL : SECURITY, row->keys);
		assert_refused(bench, row->status);
		ck_assert_uint_eq(bench->response.length, 0);
		ck_assert_uint_eq(bench->admits, 0);
		ck_assert_uint_eq(bench->conn->chap_algorithm, 0);
		bench_reconnect(bench);
	}
}
END_TEST

/* R and C by decoded length; 1,024 bytes are the most (section 12.1.3). [CHAP-06, CHAP-10] */
static const struct size_row {
	size_t response, challenge; /* bytes; 0 = right response, or no challenge */
	unsigned status;
} size_rows[] = {
	{ 1, 0, 0x0201 },
	{ 15, 0, 0x0201 },
	{ 17, 0, 0x0201 },
	{ 64, 0, 0x0201 },
	{ 1024, 0, 0x0201 },
	{ 1025, 0, 0x0200 },
	{ 2000, 0, 0x0200 },
	{ 0, 1, 0 },
	{ 0, 31, 0 },
	{ 0, 32, 0 },
	{ 0, 1024, 0 },
	{ 0, 1025, 0x0200 },
	{ 0, 1900, 0x0200 },
};

static void put_hex(const char *key, size_t length)
{
	size_t at = strlen(step);

	at += (size_t)snprintf(step + at, sizeof(step) - at, "%s=0x", key);
	memset(step + at, 'a', 2 * length);
	memcpy(step + at + 2 * length, "\n", 2);
}

START_TEST(binary_values_have_a_longest)
{
	const struct size_row *row = &size_rows[_i];

	bench_challenge(bench, 5);
	if (row->response) {
		snprintf(step, sizeof(step), "CHAP_N=%s\n", INITIATOR);
		put_hex("CHAP_R", row->response);
	} else {
		answer_challenge(&bench->response, 5, INITIATOR, INITIATOR_SECRET, step);
		snprintf(step + strlen(step), 16, "CHAP_I=1\n");
		put_hex("CHAP_C", row->challenge);
	}
	bench_login(bench, SECURITY | TO_OPERATIONAL, step);
	if (row->status) {
		assert_refused(bench, row->status);
	} else {
		uint8_t bytes[1024];

		memset(bytes, 0xaa, sizeof(bytes));
		ck_assert(proves(&bench->response, 5, 1, bytes, row->challenge, TARGET_SECRET));
		assert_secured(bench, 5, true);
	}
}
END_TEST

/* The same response in each encoding: upper case, base64. [CHAP-09, LIBI-03] */
START_TEST(responses_may_be_written_in_any_encoding)
{
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char digits[512], text[1024];
	uint8_t bytes[48] = { 0 };
	size_t length;

	bench_challenge(bench, 5);
	answer_challenge(&bench->response, 5, INITIATOR, INITIATOR_SECRET, digits);
	char *value = strstr(digits, "CHAP_R=0x") + 9;
	ck_assert_int_eq(hex_decode(bytes, sizeof(bytes), &length, value, 32), 0);
	if (_i == 0) {
		for (char *c = value; *c != '\n'; c++)
			*c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
		value[-1] = 'X';
		snprintf(text, sizeof(text), "%s", digits);
	} else {
		int at = snprintf(text, sizeof(text), "CHAP_N=%s\nCHAP_R=0%c", INITIATOR,
			_i == 1 ? 'b' : 'B');
		for (size_t i = 0; i < 16; i += 3) {
			uint32_t group = get_be24(bytes + i);

			for (int shift = 18; shift >= 0; shift -= 6)
				text[at++] = base64[group >> shift & 63];
		}
		memcpy(text + at - 2, "==\n", 4);
	}
	bench_login(bench, SECURITY | TO_OPERATIONAL, text);
	assert_secured(bench, 5, false);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("chap");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 300);
	tcase_add_rows(tcase, the_target_decides_on_the_method, method_rows);
	tcase_add_loop_test(tcase, one_way_with_each_algorithm, 0, 4);
	tcase_add_loop_test(tcase, mutual_with_each_algorithm, 0, 4);
	tcase_add_test(tcase, the_stage_can_end_later);
	tcase_add_test(tcase, chap_can_be_the_whole_login);
	tcase_add_rows(tcase, the_first_common_algorithm_is_chosen, algorithm_rows);
	tcase_add_test(tcase, challenges_are_fresh_and_in_order);
	tcase_add_test(tcase, no_login_without_random_bytes);
	tcase_add_rows(tcase, each_response_has_its_status, response_rows);
	tcase_add_rows(tcase, binary_values_have_a_longest, size_rows);
	tcase_add_loop_test(tcase, responses_may_be_written_in_any_encoding, 0, 3);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
