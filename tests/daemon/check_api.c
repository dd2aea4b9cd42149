/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon/api*.c: every operation's success, errors and limits, and that no secret gets where it
 * does not belong. The rows come first; cases.json is walked through as well.
 */
#include "daemon/api.h"

#include "base/secret.h"
#include "tests/daemon/double.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>

#define SECRET_A            "first-secret"     /* 12 bytes, the least */
#define SECRET_B            "second-secret!!!" /* 16 bytes, the most */
#define MEMBER(name, value) "\"" name "\":\"" value "\""
#define TEN(x)              x x x x x x x x x x
#define UPDATE_ON(arn)                                                                             \
	"{" MEMBER("TargetARN", arn) "," MEMBER("InitiatorName", INITIATOR) "," MEMBER(            \
		"SecretToAuthenticateInitiator", SECRET_A) "}"
#define UPDATE_WITH(members)                                                                       \
	"{" MEMBER("TargetARN", ARN) "," MEMBER("InitiatorName", INITIATOR) "," members "}"
#define UPDATE_SECRETS(a, b)                                                                       \
	UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator", a) "," MEMBER(                         \
		"SecretToAuthenticateTarget", b))
#define UPDATE_OF(initiator)                                                                       \
	"{" MEMBER("TargetARN", ARN) "," MEMBER("InitiatorName", initiator) "," MEMBER(            \
		"SecretToAuthenticateInitiator", SECRET_A) "}"
#define PAIR      "{" MEMBER("TargetARN", ARN) "," MEMBER("InitiatorName", INITIATOR) "}"
#define ONLY(arn) "{" MEMBER("TargetARN", arn) "}"

static struct {
	unsigned calls, status;
	json_t *body;
} reply;

static void setup(void)
{
	world_open();
	memset(&reply, 0, sizeof reply);
}

static void teardown(void)
{
	json_decref(reply.body);
	world_close();
}

static void replied(void *context, unsigned status, const json_t *body)
{
	ck_assert_ptr_eq(context, &reply);
	reply.calls++;
	reply.status = status;
	json_decref(reply.body);
	reply.body = body ? json_deep_copy(body) : NULL;
}

/* Starts an operation; its reply may be there at once. */
static void start(const char *operation, const void *body, size_t length)
{
	struct api_request request = {
		.operation = operation,
		.body = body,
		.length = length,
		.actor = "uid=7 gid=8 pid=9",
		.id = "11111111-2222-4333-8444-555555555555",
		.done = replied,
		.context = &reply,
	};
	reply.calls = 0;
	api_call(world_api(), &request);
}

/* Carries it out to its end. */
static unsigned carry_out(const char *operation, const char *body)
{
	start(operation, body, strlen(body));
	if (!reply.calls)
		ck_assert_uint_eq(world_settle(), 1);
	ck_assert_uint_eq(reply.calls, 1);
	ck_assert(api_is_idle(world_api()));
	return reply.status;
}

static const char *reply_text(const char *member)
{
	const char *text = json_string_value(json_object_get(reply.body, member));
	return text ? text : "";
}

static const char *reply_code(void)
{
	return json_string_value(
		json_object_get(json_object_get(reply.body, "error"), "errorCode"));
}

/* --- what is refused, and how --- */

struct refusal {
	const char *operation, *body;
	unsigned status;
	const char *type, *code; /* code NULL: no "error" member at all */
	const char *message;     /* a part of it */
};

#define UPDATE   PREFIX "UpdateChapCredentials"
#define DESCRIBE PREFIX "DescribeChapCredentials"
#define DELETE   PREFIX "DeleteChapCredentials"
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
	ck_assert_uint_eq(carry_out(row->operation, row->body), row->status);
	ck_assert_str_eq(reply_text("__type"), row->type);
	ck_assert_msg(
		strstr(reply_text("message"), row->message), "message: %s", reply_text("message"));
	if (row->code) {
		ck_assert_str_eq(reply_code(), row->code);
		ck_assert_uint_eq(json_object_size(reply.body), 3);
		ck_assert_uint_eq(json_object_size(json_object_get(reply.body, "error")), 1);
	} else {
		ck_assert_uint_eq(json_object_size(reply.body), 2);
	}
	/* No secret anywhere, nothing stored. */
	char *text = json_dumps(reply.body, 0);
	for (size_t i = 0; i < 2; i++) {
		const char *secret = i ? SECRET_A : SECRET_B;
		ck_assert_ptr_null(strstr(text, secret));
		ck_assert_ptr_null(strstr(world_log(), secret));
	}
	secret_free(text);
	ck_assert_uint_eq(credential_set_count(world_target(IQN)->credentials), 0);
}
END_TEST

/* --- the three CHAP operations --- */

/* The stored record of an initiator, NULL if there is none. */
static const struct credential *stored(const char *initiator)
{
	return credential_set_find(world_target(IQN)->credentials, initiator, strlen(initiator));
}

static void ck_secret(const struct chap_secret *secret, const char *expected)
{
	ck_assert_uint_eq(secret->length, strlen(expected));
	ck_assert_mem_eq(secret->bytes, expected, strlen(expected));
}

static void ck_pair_echoed(void)
{
	ck_assert_uint_eq(reply.status, 200);
	ck_assert_str_eq(reply_text("TargetARN"), ARN);
	ck_assert_str_eq(reply_text("InitiatorName"), INITIATOR);
	ck_assert_uint_eq(json_object_size(reply.body), 2);
}

START_TEST(update_replaces_the_whole_record)
{
	carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B));
	ck_pair_echoed();
	ck_secret(&stored(INITIATOR)->initiator_secret, SECRET_A);
	ck_secret(&stored(INITIATOR)->target_secret, SECRET_B);

	carry_out(UPDATE, UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator", "other-secret")));
	ck_pair_echoed();
	ck_secret(&stored(INITIATOR)->initiator_secret, "other-secret");
	ck_assert_uint_eq(stored(INITIATOR)->target_secret.length, 0);
	ck_assert_uint_eq(credential_set_count(world_target(IQN)->credentials), 1);
	ck_assert_ptr_null(strstr(world_log(), SECRET_A));
	ck_assert_ptr_null(strstr(world_log(), SECRET_B));
}
END_TEST

/* Secrets that are legal as JSON writes them, and what must be stored of them. */
static const struct {
	const char *json, *bytes;
} spellings[] = {
	{ "111111111111", "111111111111" },
	{ "1111111111111111", "1111111111111111" },
	{ "\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031111111", "111111111111" },
	{ "\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c",
		"\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c" },
	{ "\\u043f\\u0430\\u0440\\u043e\\u043b\\u044c",
		"\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c" },
	{ "\\ud83d\\ude0012345678", "\xf0\x9f\x98\x80"
				    "12345678" },
	{ "\\\"\\\\\\/\\b\\f\\n\\r\\t 123", "\"\\/\b\f\n\r\t 123" },
};

START_TEST(secrets_arrive_as_utf8)
{
	char body[1024];
	snprintf(body, sizeof body, UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator", "%s")),
		spellings[_i].json);
	ck_assert_uint_eq(carry_out(UPDATE, body), 200);
	ck_secret(&stored(INITIATOR)->initiator_secret, spellings[_i].bytes);
	ck_assert_uint_eq(carry_out(DESCRIBE, ONLY(ARN)), 200);
	const json_t *row = json_array_get(json_object_get(reply.body, "ChapCredentials"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(row, "SecretToAuthenticateInitiator")),
		spellings[_i].bytes);
}
END_TEST

START_TEST(names_at_their_limits)
{
	static const char longest[] = TEN(TEN("aa")) TEN("aaaaa") "a:.-9";
	char body[1024];
	ck_assert_uint_eq(sizeof longest - 1, CREDENTIAL_NAME_MAX);
	snprintf(body, sizeof body, UPDATE_OF("%s"), longest);
	ck_assert_uint_eq(carry_out(UPDATE, body), 200);
	ck_assert_ptr_nonnull(stored(longest));
	ck_assert_uint_eq(carry_out(UPDATE, UPDATE_OF("a")), 200);
	ck_assert_ptr_nonnull(stored("a"));
}
END_TEST

START_TEST(describe_lists_every_record_in_clear)
{
	carry_out(DESCRIBE, ONLY(ARN));
	ck_assert_uint_eq(reply.status, 200);
	ck_assert_uint_eq(json_object_size(reply.body), 1);
	ck_assert(json_is_array(json_object_get(reply.body, "ChapCredentials")));
	ck_assert_uint_eq(json_array_size(json_object_get(reply.body, "ChapCredentials")), 0);

	carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B));
	carry_out(UPDATE, UPDATE_OF("iqn.a"));
	carry_out(DESCRIBE, ONLY(ARN));
	const json_t *rows = json_object_get(reply.body, "ChapCredentials");
	json_t *expected = json_pack("[{s:s,s:s,s:s,s:s}, {s:s,s:s,s:s}]", "TargetARN", ARN,
		"InitiatorName", INITIATOR, "SecretToAuthenticateInitiator", SECRET_A,
		"SecretToAuthenticateTarget", SECRET_B, "TargetARN", ARN, "InitiatorName", "iqn.a",
		"SecretToAuthenticateInitiator", SECRET_A);
	ck_assert(json_equal(rows, expected));
	json_decref(expected);
	ck_assert_ptr_null(strstr(world_log(), SECRET_A));
	ck_assert_ptr_null(strstr(world_log(), SECRET_B));
}
END_TEST

START_TEST(delete_takes_one_pair)
{
	carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B));
	carry_out(UPDATE, UPDATE_OF("iqn.a"));
	carry_out(DELETE, PAIR);
	ck_pair_echoed();
	ck_assert_ptr_null(stored(INITIATOR));
	ck_assert_ptr_nonnull(stored("iqn.a"));
	carry_out(DELETE, PAIR);
	ck_assert_str_eq(reply_code(), "InitiatorNotFound");
}
END_TEST

/* [case 25] the old record stands, and the same request works once storing does */
START_TEST(failing_store_changes_nothing)
{
	carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B));
	world_break_store();
	carry_out(UPDATE, UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator", "other-secret")));
	ck_assert_uint_eq(reply.status, 500);
	ck_assert_str_eq(reply_text("__type"), "InternalServerError");
	ck_assert_str_eq(reply_code(), "InternalError");
	ck_assert_str_eq(reply_text("message"), "An internal error occurred.");
	ck_secret(&stored(INITIATOR)->initiator_secret, SECRET_A);
	carry_out(DELETE, PAIR);
	ck_assert_uint_eq(reply.status, 500);
	ck_assert_ptr_nonnull(stored(INITIATOR));
}
END_TEST

/* --- when things happen --- */

START_TEST(reply_waits_for_the_gate)
{
	const char *body = UPDATE_ON(ARN);
	start(UPDATE, body, strlen(body));
	start(DESCRIBE, ONLY(ARN), strlen(ONLY(ARN)));
	ck_assert_uint_eq(reply.calls, 1); /* a reader does not wait for the change [K7] */
	ck_assert_uint_eq(json_array_size(json_object_get(reply.body, "ChapCredentials")), 0);
	ck_assert(!api_is_idle(world_api()));
	reply.calls = 0;
	ck_assert_uint_eq(world_settle(), 1);
	ck_assert_uint_eq(reply.calls, 1);
	ck_pair_echoed();
	ck_assert(api_is_idle(world_api()));
}
END_TEST

START_TEST(changes_wait_side_by_side)
{
	const char *first = UPDATE_ON(ARN), *second = UPDATE_OF("iqn.b");
	start(UPDATE, first, strlen(first));
	start(UPDATE, second, strlen(second));
	start(DELETE, PAIR, strlen(PAIR));
	reply.calls = 0;
	ck_assert_uint_eq(world_settle(), 3);
	ck_assert_uint_eq(reply.calls, 3);
	ck_assert_ptr_null(stored(INITIATOR));
	ck_assert_ptr_nonnull(stored("iqn.b"));
}
END_TEST

START_TEST(free_answers_what_is_under_way)
{
	const struct api_config config = { .registry = NULL };
	struct api *api = api_new(&config);
	struct api_request request = {
		.operation = OWN "ListTargets",
		.body = "{}",
		.length = 2,
		.actor = "uid=0",
		.done = replied,
		.context = &reply,
	};
	api_call(api, &request);
	ck_assert_uint_eq(reply.calls, 0);
	api_free(api);
	ck_assert_uint_eq(reply.calls, 1);
	ck_assert_uint_eq(reply.status, 500);
	ck_assert_ptr_null(reply.body);
	api_free(NULL);
}
END_TEST

/* --- the audit line --- */

static const struct {
	const char *operation, *body, *line;
} audits[] = {
	{ UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B),
		"operation=" UPDATE " outcome=done request=11111111-2222-4333-8444-555555555555 "
		"target=\"" ARN "\" initiator=\"" INITIATOR "\"" },
	{ DESCRIBE, ONLY(ARN), "operation=" DESCRIBE " outcome=done " },
	{ DELETE, PAIR,
		"operation=" DELETE " outcome=InvalidGatewayRequestException/InitiatorNotFound " },
	{ DESCRIBE, "{}", "operation=" DESCRIBE " outcome=ValidationException " },
	{ DESCRIBE, ONLY(ARN_PREFIX "evil\\n\\\"x"), "target=\"" ARN_PREFIX "evil\\x0a\\x22x\"" },
	{ "evil\nname", "{}", "operation=unknown outcome=UnknownOperationException " },
	{ DESCRIBE, ONLY(ARN_PREFIX IQN_BROKEN), "outcome=InternalServerError/InternalError " },
	{ OWN "ListTargets", "{}", "operation=" OWN "ListTargets outcome=done " },
};

START_TEST(every_operation_leaves_one_audit_line)
{
	carry_out(audits[_i].operation, audits[_i].body);
	const char *line = strstr(world_log(), "audit uid=7 gid=8 pid=9 operation=");
	ck_assert_ptr_nonnull(line);
	ck_assert_ptr_null(strstr(line + 1, "audit"));
	ck_assert_msg(strstr(line, audits[_i].line), "log: %s", line);
}
END_TEST

START_TEST(gate_is_told_who_asks)
{
	carry_out(UPDATE, UPDATE_ON(ARN));
	ck_assert_str_eq(world_actor(), "uid=7 gid=8 pid=9");
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
	carry_out(DESCRIBE, body);
	ck_assert_str_eq(reply_text("__type"), "SerializationException");
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
		start(UPDATE, body, length);
		ck_assert_uint_eq(reply.calls, 1);
		ck_assert_str_eq(reply_text("__type"), "SerializationException");
	}
	for (size_t at = 0; at < sizeof good - 1; at++) {
		memcpy(body, good, sizeof good);
		body[at] = (char)(body[at] ^ 0x80);
		start(UPDATE, body, sizeof good - 1);
		ck_assert_uint_eq(reply.calls, 1);
		ck_assert_str_eq(reply_text("__type"), "SerializationException");
	}
	ck_assert_uint_eq(world_waiting(), 0);
	ck_assert_ptr_null(strstr(world_log(), SECRET_A));
}
END_TEST

/* --- AWS's cases, as cases.json has them --- */

#define CASES 34

static json_t *load_cases(void)
{
	char path[4096];
	const char *top = getenv("top_srcdir");
	snprintf(path, sizeof path, "%s/tests/daemon/cases.json", top ? top : ".");
	json_t *cases = json_load_file(path, 0, NULL);
	ck_assert_msg(cases, "cannot read %s", path);
	ck_assert_uint_eq(json_array_size(cases), CASES);
	return cases;
}

/* The case's input as the bytes of a body: an object is written out, a text has one byte per character. */
static size_t case_body(const json_t *input, char *body, size_t size)
{
	if (json_is_object(input))
		return json_dumpb(input, body, size, JSON_ENSURE_ASCII);
	const char *text = json_string_value(input);
	size_t length = 0;
	for (; *text; text++) {
		if (((unsigned char)*text & 0xe0) ==
			0xc0) { /* U+0080..U+00FF: two bytes of UTF-8 */
			body[length++] = (char)((text[0] & 3) << 6 | (text[1] & 0x3f));
			text++;
		} else {
			body[length++] = *text;
		}
	}
	return length;
}

START_TEST(aws_case)
{
	static char body[8192];
	json_t *cases = load_cases();
	const json_t *one = json_array_get(cases, (size_t)_i);
	const json_t *expect = json_object_get(one, "expect");
	const json_int_t number = json_integer_value(json_object_get(one, "n"));
	const char *other = json_string_value(
		json_object_get(json_object_get(one, "options"), "target"));
	char operation[128];
	snprintf(operation, sizeof operation, "%s%s", other ? "" : PREFIX,
		other ? other : json_string_value(json_object_get(one, "operation")));
	if (number == 24) /* signatures are an endpoint's business */
		goto out;
	if (number == 4 || number == 5 || number == 7)
		carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B));
	if (number == 25)
		world_break_store();
	const size_t length = case_body(json_object_get(one, "input"), body, sizeof body);
	start(operation, body, length);
	if (!reply.calls)
		world_settle();
	ck_assert_uint_eq(reply.calls, 1);
	ck_assert_uint_eq(reply.status, json_integer_value(json_object_get(expect, "status")));
	const char *type = json_string_value(json_object_get(expect, "type"));
	const char *code = json_string_value(json_object_get(expect, "errorCode"));
	ck_assert_str_eq(reply_text("__type"), type ? type : "");
	ck_assert_pstr_eq(reply_code(), code);
	const char *part = json_string_value(json_object_get(expect, "message_contains"));
	ck_assert_msg(
		strcasestr(reply_text("message"), part), "message: %s", reply_text("message"));
out:
	json_decref(cases);
}
END_TEST

/* --- ListTargets, ListSessions --- */

static struct session_row rows[] = {
	{ .target = IQN,
		.initiator = "iqn.b",
		.address = "[::1]:51234",
		.portal = "[::1]:3260",
		.isid = { 0x40, 0, 0, 1, 2, 3 },
		.tsih = 65535,
		.chap_algorithm = 7,
		.chap_mutual = true,
		.age_ms = 61999,
		.commands = 1ull << 40,
		.bytes_read = 1ull << 62,
		.bytes_written = 5,
		.header_digest = true,
		.worker = 3 },
	{ .target = IQN_NONE, .initiator = "iqn.a", .address = "192.0.2.7:1" },
	{ .target = IQN, .initiator = "iqn.a", .address = "192.0.2.7:3", .age_ms = 1000 },
	{ .target = IQN, .initiator = "iqn.a", .address = "192.0.2.7:2", .age_ms = 2000 },
	{ .target = "", .initiator = "iqn.c", .address = "192.0.2.7:4", .discovery = true },
};

START_TEST(list_targets_tells_all)
{
	world_sessions(rows, 5, true, false);
	carry_out(UPDATE, UPDATE_OF("iqn.a"));
	ck_assert_uint_eq(carry_out(OWN "ListTargets", "{}"), 200);
	const json_t *targets = json_object_get(reply.body, "Targets");
	ck_assert_uint_eq(json_array_size(targets), 3);
	json_t *first = json_pack("{s:s,s:s,s:s,s:b,s:s,s:i,s:i,s:[{s:i,s:I,s:i,s:b,s:s},"
				  "{s:i,s:I,s:i,s:b,s:s}]}",
		"TargetName", IQN, "TargetARN", ARN, "Authentication", "auto", "ChapEnabled", 1,
		"State", "ok", "CredentialCount", 1, "SessionCount", 3, "Luns", "LunNumber", 0,
		"SizeInBytes", (json_int_t)1 << 40, "BlockSize", 512, "ReadOnly", 0, "Path",
		"/srv/a.img", "LunNumber", 7, "SizeInBytes", (json_int_t)16 << 20, "BlockSize",
		4096, "ReadOnly", 1, "Path", "memory:");
	ck_assert(json_equal(json_array_get(targets, 0), first));
	json_decref(first);
	const json_t *open = json_array_get(targets, 1), *broken = json_array_get(targets, 2);
	ck_assert_str_eq(json_string_value(json_object_get(open, "Authentication")), "none");
	ck_assert(json_is_false(json_object_get(open, "ChapEnabled")));
	ck_assert_int_eq(json_integer_value(json_object_get(open, "SessionCount")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(broken, "State")), "broken");
	ck_assert(json_is_true(json_object_get(broken, "ChapEnabled")));
	ck_assert_int_eq(json_integer_value(json_object_get(broken, "CredentialCount")), 0);
}
END_TEST

static const char *session_text(size_t index, const char *member)
{
	return json_string_value(json_object_get(
		json_array_get(json_object_get(reply.body, "Sessions"), index), member));
}

START_TEST(list_sessions_tells_all_in_order)
{
	static const char *const addresses[] = { "192.0.2.7:4", "192.0.2.7:2", "192.0.2.7:3",
		"[::1]:51234", "192.0.2.7:1" };
	world_sessions(rows, 5, true, false);
	ck_assert_uint_eq(carry_out(OWN "ListSessions", "{}"), 200);
	const json_t *sessions = json_object_get(reply.body, "Sessions");
	ck_assert_uint_eq(json_array_size(sessions), 5);
	for (size_t i = 0; i < 5; i++)
		ck_assert_str_eq(session_text(i, "Address"), addresses[i]);
	json_t *full = json_pack(
		"{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:b,s:i,s:I,s:I,s:i,s:b,s:b,s:i}",
		"TargetName", IQN, "TargetARN", ARN, "InitiatorName", "iqn.b", "SessionType",
		"Normal", "Address", "[::1]:51234", "PortalAddress", "[::1]:3260", "ISID",
		"400000010203", "TSIH", 65535, "ChapAlgorithm", "SHA-256", "ChapMutual", 1,
		"AgeSeconds", 61, "Commands", (json_int_t)1 << 40, "BytesRead", (json_int_t)1 << 62,
		"BytesWritten", 5, "HeaderDigest", 1, "DataDigest", 0, "Worker", 3);
	ck_assert(json_equal(json_array_get(sessions, 3), full));
	json_decref(full);
	ck_assert_str_eq(session_text(0, "SessionType"), "Discovery");
	ck_assert_str_eq(session_text(0, "ChapAlgorithm"), "none");
	ck_assert_ptr_null(session_text(0, "TargetARN"));
}
END_TEST

START_TEST(list_sessions_of_one_target)
{
	world_sessions(rows, 5, true, false);
	carry_out(OWN "ListSessions", ONLY(ARN_PREFIX IQN_NONE));
	ck_assert_uint_eq(json_array_size(json_object_get(reply.body, "Sessions")), 1);
	ck_assert_str_eq(session_text(0, "TargetName"), IQN_NONE);
	carry_out(OWN "ListSessions", ONLY(ARN_PREFIX IQN_BROKEN));
	ck_assert_uint_eq(json_array_size(json_object_get(reply.body, "Sessions")), 0);
}
END_TEST

static const char *const list_operations[] = { OWN "ListTargets", OWN "ListSessions" };

START_TEST(lists_without_sessions)
{
	world_sessions(NULL, 0, true, false);
	ck_assert_uint_eq(carry_out(list_operations[_i], "{}"), 200);
}
END_TEST

START_TEST(incomplete_list_is_no_answer)
{
	world_sessions(rows, 2, false, false);
	ck_assert_uint_eq(carry_out(list_operations[_i], "{}"), 500);
	world_sessions(rows, 2, true, true);
	ck_assert_uint_eq(carry_out(list_operations[_i], "{}"), 500);
	ck_assert_str_eq(reply_code(), "InternalError");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api");
	TCase *tcase = tcase_create("operations");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_rows(tcase, refused, refusals);
	tcase_add_test(tcase, update_replaces_the_whole_record);
	tcase_add_rows(tcase, secrets_arrive_as_utf8, spellings);
	tcase_add_test(tcase, names_at_their_limits);
	tcase_add_test(tcase, describe_lists_every_record_in_clear);
	tcase_add_test(tcase, delete_takes_one_pair);
	tcase_add_test(tcase, failing_store_changes_nothing);
	tcase_add_test(tcase, reply_waits_for_the_gate);
	tcase_add_test(tcase, changes_wait_side_by_side);
	tcase_add_test(tcase, free_answers_what_is_under_way);
	tcase_add_rows(tcase, every_operation_leaves_one_audit_line, audits);
	tcase_add_test(tcase, gate_is_told_who_asks);
	tcase_add_loop_test(tcase, deep_nesting_is_refused, 0, 3);
	tcase_add_test(tcase, damaged_bodies);
	tcase_add_loop_test(tcase, aws_case, 0, CASES);
	tcase_add_test(tcase, list_targets_tells_all);
	tcase_add_test(tcase, list_sessions_tells_all_in_order);
	tcase_add_test(tcase, list_sessions_of_one_target);
	tcase_add_rows(tcase, lists_without_sessions, list_operations);
	tcase_add_rows(tcase, incomplete_list_is_no_answer, list_operations);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
