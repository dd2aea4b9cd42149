/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What proves an initiator's identity and what does not (proto/iscsi/security.c): names, secrets,
 * reflection, stale credentials, and every order of steps. [CHAP-11, CHAP-12, CHAP-14, CHAP-16..20, CRED-02]
 */
#include "proto/iscsi/security.h"

#include "tests/proto/iscsi/login_bench.h"

#include <stdio.h>
#include <string.h>

#define DIGITS_MD5 "00112233445566778899aabbccddeeff"

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
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, row->chap_name, INITIATOR_SECRET, "");
	if (row->right) {
		assert_secured(bench, 5, false);
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

	bench_challenge(bench, 5);
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, INITIATOR, secrets[_i],
		"CHAP_I=1\nCHAP_C=0x01\n");
	assert_refused(bench, 0x0201);
	ck_assert_uint_eq(bench->response.length, 0);
	ck_assert_uint_eq(bench->admits, 0);
}
END_TEST

START_TEST(the_response_is_to_this_challenge_only)
{
	char old[512];

	bench_challenge(bench, 5);
	answer_challenge(&bench->response, 5, INITIATOR, INITIATOR_SECRET, old);
	bench_reconnect(bench);
	bench_challenge(bench, 5);
	bench_login(bench, SECURITY | TO_OPERATIONAL, old);
	assert_refused(bench, 0x0201);
}
END_TEST

START_TEST(the_response_is_of_the_chosen_algorithm)
{
	bench_challenge(bench, CHAP_SHA256);
	bench_respond(
		bench, CHAP_SHA3_256, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	assert_refused(bench, 0x0201);
}
END_TEST

/* Nobody has a credential, but "always CHAP" is configured: nobody gets in. */
START_TEST(an_empty_set_admits_nobody)
{
	struct credential_set *set = credential_set_new(3);

	bench->terms.credentials = set;
	bench_challenge(bench, 5);
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	assert_refused(bench, 0x0201);
	bench_reconnect(bench);
	bench->terms.credentials =
		NULL; /* a host that breaks its contract does not open the gate */
	bench_challenge(bench, 5);
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	assert_refused(bench, 0x0200);
	credential_set_unref(set);
}
END_TEST

/* --- the other direction --- */

/* [CHAP-14] */
START_TEST(mutual_needs_a_secret_of_the_target)
{
	bench_protect(bench, false);
	bench_challenge(bench, 5);
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET,
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

	bench_challenge(bench, 5);
	snprintf(
		challenge_text, sizeof(challenge_text), "%s", value_of(&bench->response, "CHAP_C"));
	snprintf(more, sizeof(more), "CHAP_I=1\nCHAP_C=%s\n", challenge_text);
	if (_i) {
		bench_reconnect(bench);
		bench_challenge(bench, 5);
		ck_assert_str_ne(value_of(&bench->response, "CHAP_C"), challenge_text);
	}
	/* Neither with the right nor with any other response. */
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, INITIATOR,
		_i < 2 ? INITIATOR_SECRET : "x", more);
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
	bench_challenge(bench, 5);
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	assert_refused(bench, 0x0201);
	bench_reconnect(bench);
	credential_set_unref(set);
}
END_TEST

/* --- change of credentials --- */

/* [CRED-02; K4] After CHAP_C: no status, since 0x0201 would be fatal for a first login. */
START_TEST(stale_credentials_end_in_silence)
{
	bench_challenge(bench, 5);
	bench->current = false;
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, INITIATOR,
		_i ? INITIATOR_SECRET : "a replaced secret", "CHAP_I=1\nCHAP_C=0x01\n");
	assert_silent(bench);
	ck_assert_uint_eq(bench->currents, 1);
	ck_assert_uint_eq(bench->conn->chap_algorithm, 0);
}
END_TEST

/* [CRED-02; K4] In the operational stage: found by the host when it registers the session. */
START_TEST(stale_credentials_are_found_at_the_end)
{
	bench_challenge(bench, 5);
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, INITIATOR, INITIATOR_SECRET, "");
	assert_status(&bench->response, 0);
	bench->admission = ISCSI_STALE;
	bench_login(bench, OPERATIONAL | TO_FULL, "");
	assert_silent(bench);
}
END_TEST

/* --- a rotation: two records --- */

#define NEXT_SECRET        "the next secret!"
#define NEXT_TARGET_SECRET "target's next!!"

/* From now on INITIATOR's record of bench_protect() retires; `mutual`: the new one has a target's secret. */
static struct credential_set *rotate(bool mutual)
{
	static struct credential record;

	snprintf(record.initiator, sizeof(record.initiator), INITIATOR);
	record.initiator_secret = (struct chap_secret){ 16, NEXT_SECRET };
	record.target_secret = (struct chap_secret){ mutual ? 15 : 0, NEXT_TARGET_SECRET };
	struct credential_set *set = credential_set_rotated(bench->credentials, 3, &record, 1);
	bench->terms.credentials = set;
	return set;
}

/* [CRED-11] The record that was proved is told to the host, and answers the other direction. */
static const struct rotation_row {
	const char *secret;
	bool new_is_mutual;
	uint64_t credential; /* 0: refused */
	const char *answer;  /* the secret that the target proves; NULL: it cannot */
} rotation_rows[] = {
	{ INITIATOR_SECRET, true, 2, TARGET_SECRET },
	{ INITIATOR_SECRET, false, 2, TARGET_SECRET },
	{ NEXT_SECRET, true, 3, NEXT_TARGET_SECRET },
	{ NEXT_SECRET, false, 3, NULL },
	{ "neither of both!", true, 0, NULL },
	{ TARGET_SECRET, true, 0, NULL },
	{ NEXT_TARGET_SECRET, true, 0, NULL },
};

START_TEST(either_record_of_a_rotation_proves)
{
	const struct rotation_row *row = &rotation_rows[_i];
	struct credential_set *set = rotate(row->new_is_mutual);

	bench_challenge(bench, CHAP_SHA256);
	bench_respond(bench, CHAP_SHA256, SECURITY | TO_OPERATIONAL, INITIATOR, row->secret, "");
	ck_assert_uint_eq(bench->currents, 1);
	ck_assert_uint_eq(bench->credential, row->credential);
	ck_assert_uint_eq(bench->conn->credential, row->credential);
	if (row->credential) {
		struct iscsi_conn_info info;
		assert_secured(bench, CHAP_SHA256, false);
		iscsi_conn_info(bench->conn, &info);
		ck_assert_uint_eq(info.credential, row->credential);
	} else {
		assert_refused(bench, 0x0201);
	}
	bench_reconnect(bench);
	credential_set_unref(set);
}
END_TEST

START_TEST(the_record_that_was_proved_answers)
{
	static const uint8_t challenge[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	const struct rotation_row *row = &rotation_rows[_i];
	struct credential_set *set = rotate(row->new_is_mutual);

	bench_challenge(bench, 5);
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, INITIATOR, row->secret,
		"CHAP_I=9\nCHAP_C=0x0102030405060708\n");
	if (row->answer) {
		ck_assert(
			proves(&bench->response, 5, 9, challenge, sizeof(challenge), row->answer));
		assert_secured(bench, 5, true);
	} else {
		assert_refused(bench, 0x0201);
		ck_assert_uint_eq(bench->response.length, 0);
	}
	bench_reconnect(bench);
	credential_set_unref(set);
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

/*
 * The function that grants authentication trusts none of its callers: without CHAP only where no CHAP
 * has begun, with CHAP only where a challenge is open. [CHAP-19]
 */
START_TEST(the_grant_checks_the_state_itself)
{
	struct key_batch batch = { .present = 0 };
	struct iscsi_login *login = bench->conn->login;
	char text[512];

	bench_challenge(bench, 5);
	answer_challenge(&bench->response, 5, INITIATOR, INITIATOR_SECRET, text);
	char *value = strstr(text, "CHAP_R=") + 7;
	batch.present = UINT64_C(1) << KEY_CHAP_N | UINT64_C(1) << KEY_CHAP_R;
	batch.value[KEY_CHAP_N] = text_of(INITIATOR);
	batch.value[KEY_CHAP_R] = (struct text_view){ value, strcspn(value, "\n") };
	for (enum login_state state = LOGIN_START; state <= LOGIN_REFUSED; state++) {
		uint8_t challenge[CHAP_CHALLENGE_SIZE];

		memcpy(challenge, login->challenge, sizeof(challenge));
		login->state = state;
		login->authenticated = false;
		ck_assert((security_judge(bench->conn, &batch) == LOGIN_SECURED) ==
			  (state == LOGIN_RESPONSE));
		ck_assert(login->authenticated == (state == LOGIN_RESPONSE));
		memcpy(login->challenge, challenge, sizeof(challenge));
		login->authenticated = false;
		bench->conn->terms.chap_required = false;
		bool open = state == LOGIN_START || state == LOGIN_METHOD;
		ck_assert((security_skip(bench->conn) == LOGIN_SECURED) == open);
		ck_assert(login->authenticated == open);
		login->authenticated = false;
		bench->conn->terms.chap_required = true;
		ck_assert_int_eq(security_skip(bench->conn), LOGIN_REFUSED);
		ck_assert(!login->authenticated);
	}
}
END_TEST

/* After a failure the connection is of no more use. [CHAP-19, LOGIN-17] */
START_TEST(nothing_is_heard_after_a_failure)
{
	bench_challenge(bench, 5);
	bench_respond(bench, 5, SECURITY | TO_OPERATIONAL, INITIATOR, "wrong", "");
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
	bench_challenge(bench, 5);
	bench_respond(bench, 5, SECURITY | TO_FULL, INITIATOR, "wrong", "");
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
	bench_challenge(bench, CHAP_SHA256);
	bench_respond(bench, CHAP_SHA256, SECURITY | TO_OPERATIONAL, INITIATOR, secret, "");
	assert_secured(bench, CHAP_SHA256, false);
	bench_reconnect(bench);
	credential_set_unref(set);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("chap proof");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 300);
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
	tcase_add_rows(tcase, either_record_of_a_rotation_proves, rotation_rows);
	tcase_add_rows(tcase, the_record_that_was_proved_answers, rotation_rows);
	tcase_add_loop_test(tcase, no_order_of_steps_goes_around_chap, 0, STEP_KINDS);
	tcase_add_test(tcase, the_grant_checks_the_state_itself);
	tcase_add_test(tcase, nothing_is_heard_after_a_failure);
	tcase_add_test(tcase, nothing_is_looked_up_before_authentication);
	tcase_add_test(tcase, named_discovery_keeps_the_targets_terms);
	tcase_add_loop_test(tcase, secrets_of_all_lengths, 0, 8);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
