/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon/api/input.c, daemon/api/json.c and the table in daemon/api/api.c: every error of every operation,
 * lengths at and over each limit, and bodies of any shape. No secret gets into a reply or the log.
 */
#include "daemon/api/api.h"

#include "base/secret.h"
#include "tests/daemon/double.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>

/* --- what is refused, and how --- */

struct refusal {
	const char *operation, *body;
	unsigned status;
	const char *type, *code; /* code NULL: no "error" member at all */
	const char *message;     /* a part of it */
};

#define INVALID  "InvalidGatewayRequestException"
#define AT(name) "at '" name "' failed to satisfy constraint: Member must "

static const struct refusal refusals[] = {
	/* names of operations are compared whole */
	{ NULL, "{}", 400, "UnknownOperationException", NULL, "unknown operation" },
	{ "", "{}", 400, "UnknownOperationException", NULL, "unknown operation" },
	{ "UpdateChapCredentials", PAIR, 400, "UnknownOperationException", NULL, "" },
	{ UPDATE "s", PAIR, 400, "UnknownOperationException", NULL, "" },
	{ PREFIX "ListTargets", "{}", 400, "UnknownOperationException", NULL, "" },
	{ OWN "UpdateChapCredentials", PAIR, 400, "UnknownOperationException", NULL, "" },
	{ "storagegateway_20130630.DescribeChapCredentials", ONLY(ARN), 400,
		"UnknownOperationException", NULL, "" },
	/* what is no JSON object */
	{ DESCRIBE, "", 400, "SerializationException", NULL, "serialization" },
	{ DESCRIBE, "null", 400, "SerializationException", NULL, "serialization" },
	{ DESCRIBE, "\"" ARN "\"", 400, "SerializationException", NULL, "" },
	{ DESCRIBE, "[]", 400, "SerializationException", NULL, "not a JSON object" },
	{ DESCRIBE, ONLY(ARN) "x", 400, "SerializationException", NULL, "near byte" },
	{ DESCRIBE, ONLY(ARN) ONLY(ARN), 400, "SerializationException", NULL, "near byte" },
	{ DESCRIBE, "{" MEMBER("TargetARN", ARN) "," MEMBER("TargetARN", ARN) "}", 400,
		"SerializationException", NULL, "near byte" },
	{ DESCRIBE, "{" MEMBER("TargetARN", ARN) ",}", 400, "SerializationException", NULL, "" },
	{ DESCRIBE, ONLY(ARN "\xff"), 400, "SerializationException", NULL, "" },
	{ DESCRIBE, ONLY(ARN "\xc0\xaf"), 400, "SerializationException", NULL, "" },
	{ DESCRIBE, ONLY(ARN "\xed\xa0\x80"), 400, "SerializationException", NULL, "" },
	{ DESCRIBE, ONLY(ARN "\\ud800"), 400, "SerializationException", NULL, "" },
	{ DESCRIBE, ONLY(ARN "\\udc00"), 400, "SerializationException", NULL, "" },
	{ DESCRIBE, ONLY(ARN "\\u0000"), 400, "SerializationException", NULL, "" },
	/* types, before anything else */
	{ DESCRIBE, "{\"TargetARN\":1}", 400, "SerializationException", NULL, "TargetARN must be" },
	{ DESCRIBE, "{\"TargetARN\":true}", 400, "SerializationException", NULL, "" },
	{ DESCRIBE, "{\"TargetARN\":[\"" ARN "\"]}", 400, "SerializationException", NULL, "" },
	{ DELETE, "{\"InitiatorName\":{}}", 400, "SerializationException", NULL, "InitiatorName" },
	/* presence */
	{ DESCRIBE, "{}", 400, "ValidationException", NULL,
		"1 validation error detected: Value null " AT("targetARN") "not be null" },
	{ DESCRIBE, "{\"TargetARN\":null}", 400, "ValidationException", NULL,
		"1 validation error detected: Value null " AT("targetARN") "not be null" },
	{ DELETE, "{}", 400, "ValidationException", NULL,
		"2 validation errors detected: Value null " AT(
			"targetARN") "not be null; "
				     "Value null " AT("initiatorName") "not be null" },
	/* an explicit null would silently make the pair one-way */
	{ UPDATE,
		UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator",
			SECRET_A) ",\"SecretToAuthenticateTarget\":null"),
		400, "ValidationException", NULL,
		"Value null " AT("secretToAuthenticateTarget") "not be null" },
	/* members that the operation does not have; their values are not shown */
	{ DESCRIBE, "{" MEMBER("TargetARN", ARN) "," MEMBER("Marker", SECRET_B) "}", 400,
		"ValidationException", NULL, "Value at 'marker' failed to satisfy constraint" },
	{ UPDATE,
		UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator", SECRET_A) "," MEMBER(
			"secretToAuthenticateTarget", SECRET_B)),
		400, "ValidationException", NULL, "Value at 'secretToAuthenticateTarget'" },
	{ DESCRIBE, "{" MEMBER("TargetARN", ARN) "," MEMBER("a b", "x") "}", 400,
		"ValidationException", NULL, "Value at an unknown member" },
	{ OWN "ListTargets", ONLY(ARN), 400, "ValidationException", NULL, "'targetARN'" },
	{ OWN "ListSessions", "{\"Limit\":5}", 400, "ValidationException", NULL, "'limit'" },
	/* lengths in characters, at and over each limit */
	{ DESCRIBE, ONLY(""), 400, "ValidationException", NULL,
		"Value '' " AT("targetARN") "have length greater than or equal to 50" },
	{ DESCRIBE, ONLY(TEN("aaaa") "aaaaaaaaa"), 400, "ValidationException", NULL,
		AT("targetARN") "have length greater than or equal to 50" },
	{ DESCRIBE, ONLY(TEN("aaaa") TEN("a")), 400, INVALID, "TargetInvalid", "invalid" },
	{ DESCRIBE, ONLY(TEN("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9") "aaaaaaaaa"), 400,
		"ValidationException", NULL, "equal to 50" },
	{ DESCRIBE, ONLY(TEN(TEN("aaaaaaaa"))), 400, INVALID, "TargetInvalid", "" },
	{ DESCRIBE, ONLY(TEN(TEN("aaaaaaaa")) "a"), 400, "ValidationException", NULL,
		AT("targetARN") "have length less than or equal to 800" },
	{ UPDATE, UPDATE_OF(""), 400, "ValidationException", NULL,
		"Value '' " AT("initiatorName") "have length greater than or equal to 1" },
	{ UPDATE, UPDATE_OF(TEN(TEN("aa")) TEN("aaaaa") "aaaaaa"), 400, "ValidationException", NULL,
		AT("initiatorName") "have length less than or equal to 255" },
	{ UPDATE, UPDATE_SECRETS("", SECRET_B), 400, "ValidationException", NULL,
		"Value " AT(
			"secretToAuthenticateInitiator") "have length greater than or equal to 1" },
	{ UPDATE, UPDATE_SECRETS(SECRET_A, TEN(TEN("a")) "a"), 400, "ValidationException", NULL,
		"Value " AT("secretToAuthenticateTarget") "have length less than or equal to 100" },
	/* the pattern, against the whole name */
	{ UPDATE, UPDATE_OF("iqn.1991-05.com.microsoft:HOST"), 400, "ValidationException", NULL,
		"Value 'iqn.1991-05.com.microsoft:HOST' " AT(
			"initiatorName") "satisfy regular expression pattern: [0-9a-z:.-]+" },
	{ UPDATE, UPDATE_OF(INITIATOR "\\n"), 400, "ValidationException", NULL, "pattern" },
	{ UPDATE, UPDATE_OF("\\n" INITIATOR), 400, "ValidationException", NULL, "pattern" },
	{ UPDATE, UPDATE_OF("a b"), 400, "ValidationException", NULL, "pattern" },
	{ UPDATE, UPDATE_OF("a_b"), 400, "ValidationException", NULL, "pattern" },
	{ UPDATE, UPDATE_OF("a/b"), 400, "ValidationException", NULL, "pattern" },
	{ UPDATE, UPDATE_OF("\xc3\xa9"), 400, "ValidationException", NULL, "pattern" },
	/* targets */
	{ DESCRIBE, ONLY(ARN_PREFIX "iqn.1997-05.com.amazon:othervol"), 400, INVALID,
		"TargetNotFound", "The specified target was not found." },
	{ DESCRIBE, ONLY(ARN "\\n"), 400, INVALID, "TargetNotFound", "" },
	{ DESCRIBE,
		ONLY("arn:aws:storagegateway:us-east-1:111122223333:gateway/sgw-OTHER/target/" IQN),
		400, INVALID, "TargetNotFound", "" },
	{ DESCRIBE,
		ONLY("arn:aws:storagegateway:eu-west-1:111122223333:gateway/sgw-12A3456B/"
		     "target/" IQN),
		400, INVALID, "TargetNotFound", "" },
	{ DESCRIBE, ONLY("arn:aws:storagegateway:us-east-1:111122223333:gateway/sgw-12A3456B"), 400,
		INVALID, "TargetInvalid", "The specified target is invalid." },
	{ DESCRIBE, ONLY(ARN_PREFIX), 400, INVALID, "TargetInvalid", "" },
	{ DESCRIBE,
		ONLY("arn:aws:storagegateway:us-east-1:111122223333:gateway/a/volume/"
		     "vol-123456789"),
		400, INVALID, "TargetInvalid", "" },
	{ DESCRIBE, ONLY("arn:aws:storagegateway:us-east-1:111122223333:gateway//target/" IQN), 400,
		INVALID, "TargetInvalid", "" },
	{ DESCRIBE, ONLY("arn:aws:s3:us-east-1:111122223333:gateway/sgw-12A3456B/target/" IQN), 400,
		INVALID, "TargetInvalid", "" },
	{ DESCRIBE, ONLY("arn::storagegateway:us-east-1:1111:gateway/sgw-12A3456B/target/" IQN),
		400, INVALID, "TargetInvalid", "" },
	{ DESCRIBE, ONLY("arm:aws:storagegateway:us-east-1:11:gateway/sgw-12A3456B/target/" IQN),
		400, INVALID, "TargetInvalid", "" },
	{ DELETE, "{" MEMBER("TargetARN", ARN_PREFIX "iqn.x") "," MEMBER("InitiatorName", "a") "}",
		400, INVALID, "TargetNotFound", "" },
	{ OWN "ListSessions", ONLY(ARN_PREFIX "iqn.x"), 400, INVALID, "TargetNotFound", "" },
	{ OWN "ListSessions", ONLY(ARN_PREFIX), 400, INVALID, "TargetInvalid", "" },
	/* secrets in bytes */
	{ UPDATE, UPDATE_SECRETS("aaaaaaaaaaa", SECRET_B), 400, INVALID, "InvalidParameters",
		"invalid parameters. SecretToAuthenticateInitiator must be 12 to 16 bytes" },
	{ UPDATE, UPDATE_SECRETS(SECRET_A, "aaaaaaaaaaa"), 400, INVALID, "InvalidParameters",
		"SecretToAuthenticateTarget must be 12 to 16 bytes" },
	{ UPDATE, UPDATE_SECRETS(SECRET_A, "aaaaaaaaaaaaaaa\xc3\xa9"), 400, INVALID,
		"InvalidParameters", "SecretToAuthenticateTarget" },
	{ UPDATE, UPDATE_SECRETS("\\ud83d\\ude00\\ud83d\\ude00", SECRET_B), 400, INVALID,
		"InvalidParameters", "SecretToAuthenticateInitiator" },
	{ UPDATE, UPDATE_SECRETS(SECRET_B, SECRET_B), 400, INVALID, "InvalidParameters", "differ" },
	{ UPDATE, UPDATE_SECRETS("aaaaaaaaaaa\\u0061", "aaaaaaaaaaaa"), 400, INVALID,
		"InvalidParameters", "differ" },
	/* what the gate answers */
	{ DELETE, PAIR, 400, INVALID, "InitiatorNotFound",
		"The specified initiator was not found." },
	{ UPDATE, UPDATE_ON(ARN_PREFIX IQN_NONE), 400, INVALID, "NotSupported", "none" },
	{ UPDATE, UPDATE_ON(ARN_PREFIX IQN_BROKEN), 500, "InternalServerError", "InternalError",
		"An internal error occurred." },
	{ DESCRIBE, ONLY(ARN_PREFIX IQN_BROKEN), 500, "InternalServerError", "InternalError",
		"An internal error occurred." },
};

START_TEST(refused)
{
	const struct refusal *row = &refusals[_i];
	ck_assert_uint_eq(world_carry_out(row->operation, row->body), row->status);
	ck_assert_str_eq(world_text("__type"), row->type);
	ck_assert_msg(
		strstr(world_text("message"), row->message), "message: %s", world_text("message"));
	if (row->code) {
		ck_assert_str_eq(world_code(), row->code);
		ck_assert_uint_eq(json_object_size(world_last()->body), 3);
		ck_assert_uint_eq(
			json_object_size(json_object_get(world_last()->body, "error")), 1);
	} else {
		ck_assert_uint_eq(json_object_size(world_last()->body), 2);
	}
	/* No secret anywhere, nothing stored. */
	char *text = json_dumps(world_last()->body, 0);
	for (size_t i = 0; i < 2; i++) {
		const char *secret = i ? SECRET_A : SECRET_B;
		ck_assert_ptr_null(strstr(text, secret));
		ck_assert_ptr_null(strstr(world_log(), secret));
	}
	secret_free(text);
	ck_assert_uint_eq(credential_set_count(world_target(IQN)->credentials), 0);
}
END_TEST

/* --- bodies of any size and shape --- */

START_TEST(deep_nesting_is_refused)
{
	static const struct {
		const char *open, *close;
	} shapes[] = { { "[", "]" }, { "{\"a\":", "}" }, { "[", "" } };
	enum { DEPTH = 10000 };
	char *body = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&body, &size);
	fputs("{\"TargetARN\":", out);
	for (int i = 0; i < DEPTH; i++)
		fputs(shapes[_i].open, out);
	fputs("1", out);
	for (int i = 0; i < DEPTH; i++)
		fputs(shapes[_i].close, out);
	fputs("}", out);
	fclose(out);
	world_carry_out(DESCRIBE, body);
	ck_assert_str_eq(world_text("__type"), "SerializationException");
	free(body);
}
END_TEST

/* Every prefix of a good body, and the body with each byte changed: an answer, never a crash or a change. */
START_TEST(damaged_bodies)
{
	static const char good[] = UPDATE_SECRETS(SECRET_A, SECRET_B);
	char body[sizeof good];
	for (size_t length = 0; length < sizeof good - 1; length++) {
		memcpy(body, good, length);
		world_start(UPDATE, body, length);
		ck_assert_uint_eq(world_last()->calls, 1);
		ck_assert_str_eq(world_text("__type"), "SerializationException");
	}
	for (size_t at = 0; at < sizeof good - 1; at++) {
		memcpy(body, good, sizeof good);
		body[at] = (char)(body[at] ^ 0x80);
		world_start(UPDATE, body, sizeof good - 1);
		ck_assert_uint_eq(world_last()->calls, 1);
		ck_assert_str_eq(world_text("__type"), "SerializationException");
	}
	ck_assert_uint_eq(world_waiting(), 0);
	ck_assert_ptr_null(strstr(world_log(), SECRET_A));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api input");
	TCase *tcase = tcase_create("validation");
	tcase_add_checked_fixture(tcase, world_open, world_close);
	tcase_add_rows(tcase, refused, refusals);
	tcase_add_loop_test(tcase, deep_nesting_is_refused, 0, 3);
	tcase_add_test(tcase, damaged_bodies);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
