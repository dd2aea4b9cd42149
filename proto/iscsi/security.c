/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Authentication in the login: which method, CHAP's three steps, and the one function that grants
 * it (RFC 7143 sections 6.3.2, 9.2, 12.1; RFC 1994). The arithmetic is auth/chap.c's.
 */
#include "proto/iscsi/security.h"

#include "base/secret.h"

#include <string.h>

/* What the initiator says in the step after our challenge, decoded. */
struct chap_answer {
	struct text_view name;
	size_t response_length;
	uint8_t response[CHAP_CHALLENGE_MAX]; /* section 12.1.3 limits R as it limits C */
	bool mutual;
	uint8_t identifier; /* the initiator's own question, if mutual */
	size_t challenge_length;
	uint8_t challenge[CHAP_CHALLENGE_MAX];
};

/* The record that the answer proves, of the one or two of this initiator; NULL: none. */
static const struct credential *identify(
	const struct iscsi_conn *conn, const struct chap_answer *answer)
{
	const struct credential_set *set = conn->terms.credentials;
	const struct credential *record = credential_set_find(
		set, answer->name.at, answer->name.length);
	const struct credential *retiring = credential_set_retiring(
		set, answer->name.at, answer->name.length);
	const struct chap_attempt attempt = {
		.algorithm = conn->login->algorithm,
		.identifier = conn->login->identifier,
		.challenge = conn->login->challenge,
		.challenge_length = sizeof(conn->login->challenge),
		.response = answer->response,
		.response_length = answer->response_length,
	};

	/* The name of another initiator is as good as none (section 9.2). */
	if (record && strcmp(record->initiator, conn->identity.initiator) != 0)
		record = retiring = NULL;
	return chap_verify_either(&attempt, record, retiring);
}

/*
 * The only place that says "authenticated", and it believes nobody: each condition is checked here
 * once more. `answer` NULL = without CHAP.
 */
static enum login_state grant(struct iscsi_conn *conn, const struct chap_answer *answer)
{
	struct iscsi_login *login = conn->login;
	const struct credential *record = NULL;

	if (!answer) {
		/* From any state but these two, None would be a way around CHAP. */
		if (conn->terms.chap_required ||
			(login->state != LOGIN_START && login->state != LOGIN_METHOD))
			return login_refuse(
				login, LOGIN_AUTHENTICATION_FAILURE, "authentication is required");
		login->authenticated = true;
		return LOGIN_SECURED;
	}
	if (login->state != LOGIN_RESPONSE || !conn->terms.credentials)
		return login_refuse(login, LOGIN_INITIATOR_ERROR, "no challenge is open");

	record = identify(conn, answer);
	/* Asked after the proof has been judged and before anything of it shows: about that record. */
	if (!conn->worker->host->login_current(conn->owner, record ? record->since : 0))
		return login_refuse(login, LOGIN_SILENCE, "the credentials have changed");
	if (!record)
		return login_refuse(login, LOGIN_AUTHENTICATION_FAILURE, "wrong name or secret");
	if (answer->mutual && !record->target_secret.length)
		return login_refuse(login, LOGIN_AUTHENTICATION_FAILURE,
			"no secret to authenticate the target with");
	login->proved = record;
	conn->credential = record->since;
	conn->chap_algorithm = login->algorithm;
	conn->chap_mutual = answer->mutual;
	login->authenticated = true;
	return LOGIN_SECURED;
}

enum login_state security_skip(struct iscsi_conn *conn)
{
	return grant(conn, NULL);
}

enum login_state security_unasked(struct iscsi_conn *conn, const struct key_batch *batch)
{
	(void)batch;
	return conn->login->transit ? security_skip(conn) : LOGIN_METHOD;
}

static bool list_has(struct text_view list, const char *word)
{
	struct text_view item;

	while (text_list_next(&list, &item))
		if (text_is(item, word))
			return true;
	return false;
}

enum login_state security_choose(struct iscsi_conn *conn, const struct key_batch *batch)
{
	struct iscsi_login *login = conn->login;
	struct text_view offer = batch->value[KEY_AUTH_METHOD];
	bool with_chap = conn->terms.chap_required || conn->terms.chap_offered;

	/* Where both are allowed the policy decides, not the initiator's order (section 6.3.2). */
	if (with_chap && list_has(offer, "CHAP")) {
		text_put_string(&login->answer, "AuthMethod", "CHAP");
		return LOGIN_ALGORITHM;
	}
	if (!conn->terms.chap_required && list_has(offer, "None")) {
		text_put_string(&login->answer, "AuthMethod", "None");
		return grant(conn, NULL);
	}
	login_refuse(login, LOGIN_AUTHENTICATION_FAILURE,
		conn->terms.chap_required ? "CHAP is demanded, and was not offered"
					  : "no common AuthMethod");
	text_put_string(&login->answer, "AuthMethod", "Reject");
	return LOGIN_REFUSED;
}

enum login_state security_challenge(struct iscsi_conn *conn, const struct key_batch *batch)
{
	struct iscsi_login *login = conn->login;
	struct text_view list = batch->value[KEY_CHAP_A], item;
	uint64_t number = 0;
	bool common = false;

	while (!common && text_list_next(&list, &item))
		common = text_number(item, &number) == 0 && number <= UINT8_MAX &&
			 chap_algorithm_supported((unsigned)number);
	if (!common)
		return login_refuse(
			login, LOGIN_AUTHENTICATION_FAILURE, "no common CHAP algorithm");
	if (chap_challenge_issue(conn->worker->issuer, conn->worker->host->random, login->challenge,
		    &login->identifier))
		return login_refuse(login, LOGIN_TARGET_ERROR, "no random bytes");
	login->algorithm = (unsigned)number;
	/* In this order and form: some firmware reads no other (PXE-01). */
	text_put_number(&login->answer, "CHAP_A", number);
	text_put_number(&login->answer, "CHAP_I", login->identifier);
	text_put_binary(&login->answer, "CHAP_C", login->challenge, sizeof(login->challenge));
	return LOGIN_RESPONSE;
}

/* Decodes the step into *answer; 0, or the status of what is wrong with it and *why. */
static unsigned read_answer(
	const struct key_batch *batch, struct chap_answer *answer, const char **why)
{
	uint64_t identifier;

	answer->mutual = key_present(batch, KEY_CHAP_C);
	if (!key_present(batch, KEY_CHAP_N) || !key_present(batch, KEY_CHAP_R) ||
		answer->mutual != key_present(batch, KEY_CHAP_I)) {
		*why = "a CHAP key is missing";
		return LOGIN_MISSING_PARAMETER;
	}
	*why = "a malformed CHAP key";
	answer->name = batch->value[KEY_CHAP_N];
	if (text_binary(answer->response, sizeof(answer->response), &answer->response_length,
		    batch->value[KEY_CHAP_R]))
		return LOGIN_INITIATOR_ERROR;
	if (!answer->mutual)
		return 0;
	if (text_number(batch->value[KEY_CHAP_I], &identifier) || identifier > UINT8_MAX ||
		text_binary(answer->challenge, sizeof(answer->challenge), &answer->challenge_length,
			batch->value[KEY_CHAP_C]))
		return LOGIN_INITIATOR_ERROR;
	answer->identifier = (uint8_t)identifier;
	return 0;
}

/* The other direction: proves the target's secret to the initiator. */
static enum login_state respond(struct iscsi_conn *conn, const struct chap_answer *answer)
{
	struct iscsi_login *login = conn->login;
	const struct credential *record = login->proved;
	uint8_t response[CHAP_RESPONSE_MAX];
	enum login_state next = LOGIN_SECURED;

	if (!record || chap_respond(login->algorithm, answer->identifier, &record->target_secret,
			       answer->challenge, answer->challenge_length, response)) {
		next = login_refuse(login, LOGIN_TARGET_ERROR, "the digest failed");
	} else {
		text_put_string(&login->answer, "CHAP_N", conn->identity.target);
		text_put_binary(
			&login->answer, "CHAP_R", response, chap_response_size(login->algorithm));
	}
	secret_wipe(response, sizeof(response));
	return next;
}

enum login_state security_judge(struct iscsi_conn *conn, const struct key_batch *batch)
{
	struct iscsi_login *login = conn->login;
	struct chap_answer answer = { .mutual = false };
	const char *why;
	enum login_state next;

	unsigned status = read_answer(batch, &answer, &why);
	if (status)
		next = login_refuse(login, status, why);
	else if (answer.mutual && chap_challenge_is_own(conn->worker->issuer, answer.challenge,
					  answer.challenge_length))
		/* Section 9.2.1: close, on whatever connection we had sent it. */
		next = login_refuse(login, LOGIN_SILENCE, "our own challenge came back");
	else
		next = grant(conn, &answer);
	if (next == LOGIN_SECURED && answer.mutual)
		next = respond(conn, &answer);
	secret_wipe(&answer, sizeof(answer));
	secret_wipe(login->challenge, sizeof(login->challenge));
	return next;
}
