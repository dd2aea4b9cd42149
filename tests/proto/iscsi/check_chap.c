/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Authentication in the login (proto/iscsi/security.c) as transcripts: which method, CHAP's steps in
 * and out of order, each key missing and malformed, both directions, reflection, stale credentials.
 * [CHAP-01..22, CRED-02]
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
	/* CHAP is required [CHAP-03, LST-04]. */
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

static void choose(void)
{
	bench_login(bench, SECURITY | TO_OPERATIONAL, NAMES "AuthMethod=CHAP,None\n");
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.flags, SECURITY); /* T is not granted yet [CHAP-22] */
	ck_assert_str_eq(bench->response.text, "TargetPortalGroupTag=1\nAuthMethod=CHAP\n");
}

static void challenge(unsigned algorithm)
{
	char text[32];

	choose();
	snprintf(text, sizeof(text), "CHAP_A=%u\n", algorithm);
	bench_login(bench, SECURITY, text);
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.flags, SECURITY);
}

/* Sends CHAP_N and CHAP_R of this name and secret, and `more`. */
static void respond(
	unsigned algorithm, uint8_t flags, const char *name, const char *secret, const char *more)
{
	answer_challenge(&bench->response, algorithm, name, secret, step);
	snprintf(step + strlen(step), sizeof(step) - strlen(step), "%s", more);
	bench_login(bench, flags, step);
}

static void assert_secured(unsigned algorithm, bool mutual)
{
	assert_status(&bench->response, 0);
	bench_login(bench, OPERATIONAL | TO_FULL, "");
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
	ck_assert_uint_eq(bench->conn->chap_algorithm, algorithm);
	ck_assert(bench->conn->chap_mutual == mutual);
	ck_assert_uint_eq(bench->logins, 1);
}

/* [CHAP-01, CHAP-05] */
START_TEST(one_way_with_each_algorithm)
{
	unsigned algorithm = CHAP_MD5 + (unsigned)_i;

	challenge(algorithm);
	ck_assert_uint_eq(strtoul(value_of(&bench->response, "CHAP_A"), NULL, 10), algorithm);
	respond(algorithm, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	ck_assert_uint_eq(bench->response.flags, 0x81);
	ck_assert_str_eq(
		bench->response.text, ""); /* mutual is configured, but nobody asked [CHAP-14] */
	assert_secured(algorithm, false);
	ck_assert_uint_eq(bench->currents, 1);
}
END_TEST

/* [CHAP-01, CHAP-08, CHAP-14, CHAP-15] */
START_TEST(mutual_with_each_algorithm)
{
	unsigned algorithm = CHAP_MD5 + (unsigned)_i;

	challenge(algorithm);
	respond(algorithm, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET,
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
	assert_secured(algorithm, true);
}
END_TEST

/* Those who ask for each stage's end in a request of its own. [CHAP-01] */
START_TEST(the_stage_can_end_later)
{
	bench_login(bench, SECURITY, NAMES "AuthMethod=CHAP\n");
	bench_login(bench, SECURITY, "CHAP_A=5\n");
	respond(5, SECURITY, INITIATOR, INITIATOR_SECRET, "");
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.flags, SECURITY);
	bench_login(bench, SECURITY | TO_OPERATIONAL, "");
	ck_assert_uint_eq(bench->response.flags, 0x81);
	assert_secured(5, false);
}
END_TEST

/* [LNX-03, CHAP-01] From the security stage straight to full feature phase. */
START_TEST(chap_can_be_the_whole_login)
{
	bench_login(bench, SECURITY | TO_FULL, NAMES "AuthMethod=CHAP\n");
	bench_login(bench, SECURITY | TO_FULL, "CHAP_A=5\n");
	ck_assert_uint_eq(bench->admits, 0);
	respond(5, SECURITY | TO_FULL, INITIATOR, INITIATOR_SECRET, "CHAP_I=0\nCHAP_C=0x01\n");
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

	choose();
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
		challenge(5);
		const char *text = bench->response.text;
		unsigned long identifier = strtoul(value_of(&bench->response, "CHAP_I"), NULL, 10);
		char expected[128];

		snprintf(seen[i], sizeof(seen[i]), "%s", value_of(&bench->response, "CHAP_C"));
		snprintf(expected, sizeof(expected), "CHAP_A=5\nCHAP_I=%lu\nCHAP_C=%s\n",
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
	choose();
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
		challenge(5);
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

	challenge(5);
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
		assert_secured(5, true);
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

	challenge(5);
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
	assert_secured(5, false);
}
END_TEST

/* --- who --- */

/* [CHAP-16, CHAP-18] The right secret under these names, from this initiator. */
static const struct who_row {
	const char *initiator, *chap_name;
	bool right;
} who_rows[] = {
	{ INITIATOR, INITIATOR, true },
	{ "IQN.1994-05.COM.example:Client", INITIATOR, true },
	{ INITIATOR, "IQN.1994-05.com.example:CLIENT", true },
	/* A valid name and secret, but of another initiator. */
	{ STRANGER, INITIATOR, false },
	{ STRANGER, STRANGER, false },
	{ INITIATOR, STRANGER, false },
	/* Beginnings and extensions. */
	{ INITIATOR, "iqn.1994-05.com.example:clien", false },
	{ INITIATOR, "iqn.1994-05.com.example:client1", false },
	{ INITIATOR, "iqn.1994-05.com.example:client ", false },
	{ INITIATOR, " iqn.1994-05.com.example:client", false },
	{ "iqn.1994-05.com.example:client1", INITIATOR, false },
	{ "iqn.1994-05.com.example:clien", INITIATOR, false },
	{ INITIATOR, "", false },
	{ INITIATOR, "root", false },
};

START_TEST(the_name_must_be_the_initiators_own)
{
	const struct who_row *row = &who_rows[_i];

	snprintf(step, sizeof(step), "InitiatorName=%s\nTargetName=%s\nAuthMethod=CHAP\n",
		row->initiator, TARGET);
	bench_login(bench, SECURITY, step);
	bench_login(bench, SECURITY, "CHAP_A=5\n");
	respond(5, SECURITY | TO_OPERATIONAL, row->chap_name, INITIATOR_SECRET, "");
	if (row->right) {
		assert_secured(5, false);
	} else {
		assert_refused(bench, 0x0201);
		/* Not even the reason for the log tells which it was. */
		ck_assert_str_eq(bench->refused_why, "wrong name or secret");
	}
}
END_TEST

/* [CHAP-06, CHAP-18, LST-04] */
START_TEST(a_wrong_secret_does_not_do)
{
	static const char *const secrets[] = { "initiator-secreu", "initiator-secre",
		"initiator-secret1", "", TARGET_SECRET };

	challenge(5);
	respond(5, SECURITY | TO_OPERATIONAL, INITIATOR, secrets[_i], "CHAP_I=1\nCHAP_C=0x01\n");
	assert_refused(bench, 0x0201);
	ck_assert_uint_eq(bench->response.length, 0);
	ck_assert_uint_eq(bench->admits, 0);
}
END_TEST

START_TEST(the_response_is_to_this_challenge_only)
{
	char old[512];

	challenge(5);
	answer_challenge(&bench->response, 5, INITIATOR, INITIATOR_SECRET, old);
	bench_reconnect(bench);
	challenge(5);
	bench_login(bench, SECURITY | TO_OPERATIONAL, old);
	assert_refused(bench, 0x0201);
}
END_TEST

START_TEST(the_response_is_of_the_chosen_algorithm)
{
	challenge(CHAP_SHA256);
	respond(CHAP_SHA3_256, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	assert_refused(bench, 0x0201);
}
END_TEST

/* Nobody has a credential, but "always CHAP" is configured: nobody gets in. */
START_TEST(an_empty_set_admits_nobody)
{
	struct credential_set *set = credential_set_new(3);

	bench->terms.credentials = set;
	challenge(5);
	respond(5, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	assert_refused(bench, 0x0201);
	bench_reconnect(bench);
	bench->terms.credentials =
		NULL; /* a host that breaks its contract does not open the gate */
	challenge(5);
	respond(5, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	assert_refused(bench, 0x0200);
	credential_set_unref(set);
}
END_TEST

/* --- the other direction --- */

/* [CHAP-14] */
START_TEST(mutual_needs_a_secret_of_the_target)
{
	bench_protect(bench, false);
	challenge(5);
	respond(5, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET,
		"CHAP_I=1\nCHAP_C=0x0102030405060708\n");
	assert_refused(bench, 0x0201);
	ck_assert_uint_eq(bench->response.length, 0);
	ck_assert_uint_eq(bench->conn->chap_algorithm, 0);
}
END_TEST

/* [CHAP-11] Our own challenge comes back: on the same connection, and on another one. */
START_TEST(our_challenge_is_not_answered)
{
	char challenge_text[80], more[128];

	challenge(5);
	snprintf(
		challenge_text, sizeof(challenge_text), "%s", value_of(&bench->response, "CHAP_C"));
	snprintf(more, sizeof(more), "CHAP_I=1\nCHAP_C=%s\n", challenge_text);
	if (_i) {
		bench_reconnect(bench);
		challenge(5);
		ck_assert_str_ne(value_of(&bench->response, "CHAP_C"), challenge_text);
	}
	/* Neither with the right nor with any other response. */
	respond(5, SECURITY | TO_OPERATIONAL, INITIATOR, _i < 2 ? INITIATOR_SECRET : "x", more);
	assert_silent(bench);
	ck_assert_uint_eq(bench->logins, 0);
	ck_assert_uint_eq(bench->conn->chap_algorithm, 0);
}
END_TEST

/* [CHAP-12] Equal secrets both ways: what we would say ourselves proves nothing. */
START_TEST(our_own_response_is_no_proof)
{
	static struct credential record;

	snprintf(record.initiator, sizeof(record.initiator), INITIATOR);
	record.initiator_secret.length = record.target_secret.length = 16;
	memcpy(record.initiator_secret.bytes, INITIATOR_SECRET, 16);
	memcpy(record.target_secret.bytes, INITIATOR_SECRET, 16);
	struct credential_set *set = credential_set_with(bench->credentials, 4, &record);
	bench->terms.credentials = set;
	challenge(5);
	respond(5, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	assert_refused(bench, 0x0201);
	bench_reconnect(bench);
	credential_set_unref(set);
}
END_TEST

/* --- change of credentials --- */

/* [CRED-02; K4] After CHAP_C: no status, since 0x0201 would be fatal for a first login. */
START_TEST(stale_credentials_end_in_silence)
{
	challenge(5);
	bench->current = false;
	respond(5, SECURITY | TO_OPERATIONAL, INITIATOR,
		_i ? INITIATOR_SECRET : "a replaced secret", "CHAP_I=1\nCHAP_C=0x01\n");
	assert_silent(bench);
	ck_assert_uint_eq(bench->currents, 1);
	ck_assert_uint_eq(bench->conn->chap_algorithm, 0);
}
END_TEST

/* [CRED-02; K4] In the operational stage: found by the host when it registers the session. */
START_TEST(stale_credentials_are_found_at_the_end)
{
	challenge(5);
	respond(5, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	assert_status(&bench->response, 0);
	bench->admission = ISCSI_STALE;
	bench_login(bench, OPERATIONAL | TO_FULL, "");
	assert_silent(bench);
}
END_TEST

/* --- no way around --- */

/*
 * Every order of up to four of these steps: full feature phase is reached by none that has not
 * AuthMethod=CHAP, CHAP_A and a right CHAP_R in this order. [CHAP-19]
 */
enum step_kind { METHOD_CHAP, METHOD_NONE, ALGORITHM, RIGHT, WRONG, EMPTY, SKIP, LEAP, STEP_KINDS };

/* Sends one step; NULL text = the right response, if there is a challenge to answer. */
static void take(enum step_kind kind, bool first, char *held)
{
	static const char *const texts[] = { "AuthMethod=CHAP\n", "AuthMethod=None\n", "CHAP_A=5\n",
		NULL, "CHAP_N=" INITIATOR "\nCHAP_R=0x" DIGITS_MD5 "\n", "", "", "" };
	static const uint8_t flags[] = { 0, 0, 0, SECURITY | TO_OPERATIONAL,
		SECURITY | TO_OPERATIONAL, 0, SECURITY | TO_FULL, OPERATIONAL | TO_FULL };

	snprintf(
		step, sizeof(step), "%s%s", first ? NAMES : "", kind == RIGHT ? held : texts[kind]);
	bench_login(bench, flags[kind], step);
	if (bench->response.any && value_of(&bench->response, "CHAP_C"))
		answer_challenge(&bench->response, 5, INITIATOR, INITIATOR_SECRET, held);
}

START_TEST(no_order_of_steps_goes_around_chap)
{
	unsigned order = (unsigned)_i;

	for (unsigned rest = 0; rest < STEP_KINDS * STEP_KINDS * STEP_KINDS; rest++) {
		enum step_kind kinds[4] = { order, rest % STEP_KINDS,
			rest / STEP_KINDS % STEP_KINDS, rest / STEP_KINDS / STEP_KINDS };
		char held[512] = "CHAP_N=" INITIATOR "\nCHAP_R=0x" DIGITS_MD5 "\n";
		unsigned proved = 0; /* how far CHAP got, in order */

		for (unsigned i = 0; i < 4 && bench_phase(bench) == ISCSI_PHASE_LOGIN; i++) {
			bool challenged = proved == 2;

			take(kinds[i], i == 0, held);
			if (bench->response.any && bench->response.status == 0) {
				if (kinds[i] == METHOD_CHAP && proved == 0)
					proved = 1;
				else if (kinds[i] == ALGORITHM && proved == 1)
					proved = 2;
				else if (kinds[i] == RIGHT && challenged)
					proved = 3;
			}
		}
		if (bench_phase(bench) == ISCSI_PHASE_FULL || bench->admits)
			ck_assert_uint_eq(proved, 3);
		if (kinds[0] == METHOD_CHAP && kinds[1] == ALGORITHM && kinds[2] == RIGHT &&
			kinds[3] == LEAP)
			ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
		bench->admits = 0;
		bench_reconnect(bench);
	}
}
END_TEST

/* After a failure the connection is of no more use. [CHAP-19, LOGIN-17] */
START_TEST(nothing_is_heard_after_a_failure)
{
	challenge(5);
	respond(5, SECURITY | TO_OPERATIONAL, INITIATOR, "wrong", "");
	assert_refused(bench, 0x0201);
	bench_login(bench, SECURITY, "CHAP_A=5\n");
	ck_assert(!bench->response.any);
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES);
	assert_silent(bench);
	ck_assert_uint_eq(bench->admits, 0);
}
END_TEST

/* A stranger's login touches no session, whatever ISID and TSIH it brings. [LOGIN-23] */
START_TEST(nothing_is_looked_up_before_authentication)
{
	bench->request.tsih = 42;
	challenge(5);
	respond(5, SECURITY | TO_FULL, INITIATOR, "wrong", "");
	assert_refused(bench, 0x0201);
	ck_assert_uint_eq(bench->admits, 0);
}
END_TEST

/* [CHAP-20] */
START_TEST(named_discovery_keeps_the_targets_terms)
{
	bench_login(
		bench, SECURITY | TO_FULL, DISCOVERY "TargetName=" TARGET "\nAuthMethod=None\n");
	assert_refused(bench, 0x0201);
	bench_reconnect(bench);
	bench_login(bench, SECURITY | TO_FULL, DISCOVERY "AuthMethod=CHAP,None\n");
	assert_status(&bench->response, 0);
	ck_assert_str_eq(value_of(&bench->response, "AuthMethod"), "None");
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
}
END_TEST

/* [CHAP-17, WIN-02] Secrets of every length that the engine takes. */
START_TEST(secrets_of_all_lengths)
{
	static const unsigned lengths[] = { 1, 12, 13, 16, 17, 100, 254, 255 };
	static struct credential record;
	char secret[256] = "";

	memset(secret, 's', lengths[_i]);
	snprintf(record.initiator, sizeof(record.initiator), INITIATOR);
	record.initiator_secret.length = (uint8_t)lengths[_i];
	memcpy(record.initiator_secret.bytes, secret, lengths[_i]);
	struct credential_set *set = credential_set_with(bench->credentials, 4, &record);
	bench->terms.credentials = set;
	challenge(CHAP_SHA256);
	respond(CHAP_SHA256, SECURITY | TO_OPERATIONAL, INITIATOR, secret, "");
	assert_secured(CHAP_SHA256, false);
	bench_reconnect(bench);
	credential_set_unref(set);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("chap");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
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
	tcase_add_rows(tcase, the_name_must_be_the_initiators_own, who_rows);
	tcase_add_loop_test(tcase, a_wrong_secret_does_not_do, 0, 5);
	tcase_add_test(tcase, the_response_is_to_this_challenge_only);
	tcase_add_test(tcase, the_response_is_of_the_chosen_algorithm);
	tcase_add_test(tcase, an_empty_set_admits_nobody);
	tcase_add_test(tcase, mutual_needs_a_secret_of_the_target);
	tcase_add_loop_test(tcase, our_challenge_is_not_answered, 0, 3);
	tcase_add_test(tcase, our_own_response_is_no_proof);
	tcase_add_loop_test(tcase, stale_credentials_end_in_silence, 0, 2);
	tcase_add_test(tcase, stale_credentials_are_found_at_the_end);
	tcase_add_loop_test(tcase, no_order_of_steps_goes_around_chap, 0, STEP_KINDS);
	tcase_add_test(tcase, nothing_is_heard_after_a_failure);
	tcase_add_test(tcase, nothing_is_looked_up_before_authentication);
	tcase_add_test(tcase, named_discovery_keeps_the_targets_terms);
	tcase_add_loop_test(tcase, secrets_of_all_lengths, 0, 8);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
