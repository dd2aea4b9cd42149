/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AWS's three operations on CHAP credentials, and our own two that rotate them. What they change goes through the gate alone; here
 * are the rules that only the API knows (secrets of 12 to 16 bytes, both different).
 */
#include "daemon/api/operation.h"

#include "base/secret.h"
#include "daemon/core/clock.h"
#include "daemon/core/metrics.h"
#include "daemon/core/target.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_BYTES_MIN 12u
#define SECRET_BYTES_MAX 16u
#define GRACE_SECONDS    86400 /* when nothing else is asked for */

/* 0, or -1 if its bytes are too few or too many. `text` NULL: no secret. */
static int take_secret(struct chap_secret *secret, const char *text)
{
	if (!text)
		return 0;
	const size_t length = strlen(text);
	if (length < SECRET_BYTES_MIN || length > SECRET_BYTES_MAX)
		return -1;
	secret->length = (uint8_t)length;
	memcpy(secret->bytes, text, length);
	return 0;
}

/* What is wrong with the secrets, NULL if nothing; fills the record in. */
static const char *take_secrets(struct credential *record, const struct api_call *call)
{
	if (take_secret(&record->initiator_secret,
		    api_call_text(call, "SecretToAuthenticateInitiator")))
		return "SecretToAuthenticateInitiator must be 12 to 16 bytes of UTF-8.";
	if (take_secret(&record->target_secret, api_call_text(call, "SecretToAuthenticateTarget")))
		return "SecretToAuthenticateTarget must be 12 to 16 bytes of UTF-8.";
	if (secret_equal(record->initiator_secret.bytes, record->initiator_secret.length,
		    record->target_secret.bytes, record->target_secret.length))
		return "SecretToAuthenticateInitiator and SecretToAuthenticateTarget must differ.";
	return NULL;
}

/* AWS's reply names the pair; a rotation's has one member more. */
static json_t *describe_change(const struct api_call *call)
{
	const struct credential_change *change = &call->change;
	json_t *reply = json_pack(
		"{s:s, s:s}", "TargetARN", call->target_arn, "InitiatorName", call->initiator);
	int failed = 0;
	if (reply && change->kind == CHANGE_ROTATE)
		failed = json_object_set_new(
			reply, "EndTime", json_integer((json_int_t)change->until));
	if (reply && change->kind == CHANGE_FINISH)
		failed = json_object_set_new(
			reply, "SessionsClosed", json_integer(change->sessions));
	if (failed) {
		json_decref(reply);
		reply = NULL;
	}
	return reply;
}

static void changed(struct credential_change *change, enum change_result result)
{
	static const enum api_error errors[] = {
		[CHANGE_DONE] = API_OK,
		[CHANGE_NO_INITIATOR] = API_INITIATOR_NOT_FOUND,
		[CHANGE_NOT_SUPPORTED] = API_NOT_SUPPORTED,
		[CHANGE_SAME_SECRET] = API_INVALID_PARAMETERS,
		[CHANGE_ROTATING] = API_INVALID_PARAMETERS,
		[CHANGE_FAILED] = API_INTERNAL,
	};
	static const char *const details[] = {
		[CHANGE_NOT_SUPPORTED] = "Its authentication is \"none\".",
		[CHANGE_SAME_SECRET] =
			"The new SecretToAuthenticateInitiator must differ from both of the "
			"present record's secrets, and the new SecretToAuthenticateTarget from its "
			"SecretToAuthenticateInitiator.",
		[CHANGE_ROTATING] =
			"A rotation of this initiator to another record is under way: finish it "
			"first.",
		[CHANGE_FAILED] = NULL,
	};
	struct api_call *call = change->context;
	metrics_change(api_call_config(call)->metrics, change->kind, result,
		clock_nanoseconds() - call->began);
	if (result == CHANGE_DONE)
		api_call_succeed_take(call, describe_change(call));
	else
		api_call_fail(call, errors[result], details[result]);
}

static void change(struct api_call *call, struct target *target, enum change_kind kind)
{
	struct credential_change *asked = &call->change;
	asked->kind = kind;
	asked->target = target;
	asked->done = changed;
	asked->context = call;
	audit_actor_text(&call->actor, asked->actor);
	/* At most CREDENTIAL_NAME_MAX: InitiatorName's maximum, and it is ASCII. */
	memcpy(asked->record.initiator, call->initiator, strlen(call->initiator) + 1);
	api_call_forget_input(call);
	gate_change(api_call_config(call)->gate, asked);
}

/* A change to the record that the input has. */
static void change_to_record(struct api_call *call, enum change_kind kind)
{
	struct target *target = api_call_target(call);
	if (!target)
		return;
	const char *wrong = take_secrets(&call->change.record, call);
	if (wrong)
		api_call_fail(call, API_INVALID_PARAMETERS, wrong);
	else
		change(call, target, kind);
}

void api_update_chap_credentials(struct api_call *call)
{
	change_to_record(call, CHANGE_UPDATE);
}

void api_rotate_chap_credentials(struct api_call *call)
{
	const json_int_t grace = api_call_number(call, "GraceSeconds", GRACE_SECONDS);
	call->change.until = clock_wall() + (uint64_t)grace;
	change_to_record(call, CHANGE_ROTATE);
}

void api_finish_chap_rotation(struct api_call *call)
{
	struct target *target = api_call_target(call);
	if (target)
		change(call, target, CHANGE_FINISH);
}

void api_delete_chap_credentials(struct api_call *call)
{
	struct target *target = api_call_target(call);
	if (target)
		change(call, target, CHANGE_DELETE);
}

/* A member of `row` with the secret in clear, if there is one. 0, or -1. */
static int put_secret(json_t *row, const char *member, const struct chap_secret *secret)
{
	if (!secret->length)
		return 0;
	return json_object_set_new(
		row, member, json_stringn((const char *)secret->bytes, secret->length));
}

static json_t *describe_record(const char *arn, const struct credential *record)
{
	json_t *row = json_pack("{s:s, s:s}", "TargetARN", arn, "InitiatorName", record->initiator);
	if (row && (put_secret(row, "SecretToAuthenticateInitiator", &record->initiator_secret) ||
			   put_secret(row, "SecretToAuthenticateTarget", &record->target_secret))) {
		json_decref(row);
		row = NULL;
	}
	return row;
}

void api_describe_chap_credentials(struct api_call *call)
{
	struct target *target = api_call_target(call);
	if (!target)
		return;
	struct credential_set *set = target_credentials(target);
	json_t *rows = set ? json_array() : NULL;
	bool complete = rows != NULL;
	for (size_t i = 0; complete && i < credential_set_count(set); i++) {
		const struct credential *record = credential_set_at(set, i);
		complete = json_array_append_new(rows, describe_record(target->arn, record)) == 0;
	}
	credential_set_unref(set);
	if (complete) {
		api_call_succeed_take(call, json_pack("{s:o}", "ChapCredentials", rows));
	} else {
		json_decref(rows);
		api_call_fail(call, API_INTERNAL, NULL);
	}
}
