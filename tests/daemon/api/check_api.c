/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon/api/api.c, api/chap.c, api/list.c: what each operation does and when it answers, its audit
 * line, and AWS's own cases.
 */
#include "daemon/api/api.h"

#include "tests/daemon/double.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>

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
	ck_assert_uint_eq(world_last()->status, 200);
	ck_assert_str_eq(world_text("TargetARN"), ARN);
	ck_assert_str_eq(world_text("InitiatorName"), INITIATOR);
	ck_assert_uint_eq(json_object_size(world_last()->body), 2);
}

START_TEST(update_replaces_the_whole_record)
{
	world_carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B));
	ck_pair_echoed();
	ck_secret(&stored(INITIATOR)->initiator_secret, SECRET_A);
	ck_secret(&stored(INITIATOR)->target_secret, SECRET_B);

	world_carry_out(
		UPDATE, UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator", "other-secret")));
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
	ck_assert_uint_eq(world_carry_out(UPDATE, body), 200);
	ck_secret(&stored(INITIATOR)->initiator_secret, spellings[_i].bytes);
	ck_assert_uint_eq(world_carry_out(DESCRIBE, ONLY(ARN)), 200);
	const json_t *row = json_array_get(
		json_object_get(world_last()->body, "ChapCredentials"), 0);
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
	ck_assert_uint_eq(world_carry_out(UPDATE, body), 200);
	ck_assert_ptr_nonnull(stored(longest));
	ck_assert_uint_eq(world_carry_out(UPDATE, UPDATE_OF("a")), 200);
	ck_assert_ptr_nonnull(stored("a"));
}
END_TEST

START_TEST(describe_lists_every_record_in_clear)
{
	world_carry_out(DESCRIBE, ONLY(ARN));
	ck_assert_uint_eq(world_last()->status, 200);
	ck_assert_uint_eq(json_object_size(world_last()->body), 1);
	ck_assert(json_is_array(json_object_get(world_last()->body, "ChapCredentials")));
	ck_assert_uint_eq(
		json_array_size(json_object_get(world_last()->body, "ChapCredentials")), 0);

	world_carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B));
	world_carry_out(UPDATE, UPDATE_OF("iqn.a"));
	world_carry_out(DESCRIBE, ONLY(ARN));
	const json_t *rows = json_object_get(world_last()->body, "ChapCredentials");
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
	world_carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B));
	world_carry_out(UPDATE, UPDATE_OF("iqn.a"));
	world_carry_out(DELETE, PAIR);
	ck_pair_echoed();
	ck_assert_ptr_null(stored(INITIATOR));
	ck_assert_ptr_nonnull(stored("iqn.a"));
	world_carry_out(DELETE, PAIR);
	ck_assert_str_eq(world_code(), "InitiatorNotFound");
}
END_TEST

/* [case 25] the old record stands, and the same request works once storing does */
START_TEST(failing_store_changes_nothing)
{
	world_carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B));
	world_break_store();
	world_carry_out(
		UPDATE, UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator", "other-secret")));
	ck_assert_uint_eq(world_last()->status, 500);
	ck_assert_str_eq(world_text("__type"), "InternalServerError");
	ck_assert_str_eq(world_code(), "InternalError");
	ck_assert_str_eq(world_text("message"), "An internal error occurred.");
	ck_secret(&stored(INITIATOR)->initiator_secret, SECRET_A);
	world_carry_out(DELETE, PAIR);
	ck_assert_uint_eq(world_last()->status, 500);
	ck_assert_ptr_nonnull(stored(INITIATOR));
}
END_TEST

/* --- when things happen --- */

START_TEST(reply_waits_for_the_gate)
{
	const char *body = UPDATE_ON(ARN);
	world_start(UPDATE, body, strlen(body));
	world_start(DESCRIBE, ONLY(ARN), strlen(ONLY(ARN)));
	ck_assert_uint_eq(world_last()->calls, 1); /* a reader does not wait for the change [K7] */
	ck_assert_uint_eq(
		json_array_size(json_object_get(world_last()->body, "ChapCredentials")), 0);
	ck_assert(!api_is_idle(world_api()));
	ck_assert_uint_eq(world_settle(), 1);
	ck_assert_uint_eq(world_last()->calls, 2);
	ck_pair_echoed();
	ck_assert(api_is_idle(world_api()));
}
END_TEST

START_TEST(changes_wait_side_by_side)
{
	const char *first = UPDATE_ON(ARN), *second = UPDATE_OF("iqn.b");
	world_start(UPDATE, first, strlen(first));
	world_start(UPDATE, second, strlen(second));
	world_start(DELETE, PAIR, strlen(PAIR));
	ck_assert_uint_eq(world_settle(), 3);
	ck_assert_uint_eq(world_last()->calls, 3);
	ck_assert_ptr_null(stored(INITIATOR));
	ck_assert_ptr_nonnull(stored("iqn.b"));
}
END_TEST

static void answered_without_body(void *context, unsigned status, const json_t *body)
{
	unsigned *seen = context;
	ck_assert_ptr_null(body);
	*seen = status;
}

START_TEST(free_answers_what_is_under_way)
{
	const struct api_config config = { .registry = NULL };
	struct api *api = api_new(&config);
	unsigned seen = 0;
	const struct api_request request = {
		.operation = OWN "ListTargets",
		.body = "{}",
		.length = 2,
		.done = answered_without_body,
		.context = &seen,
	};
	api_call(api, &request);
	ck_assert_uint_eq(seen, 0);
	api_free(api);
	ck_assert_uint_eq(seen, 500);
	api_free(NULL);
}
END_TEST

/* --- the audit line --- */

static const struct {
	const char *operation, *body, *line;
} audits[] = {
	{ UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B),
		"2 what=audit operation=" UPDATE " target=" IQN " initiator=" INITIATOR
		" user=alice uid=7 gid=8 pid=9 result=done status=200 "
		"request=11111111-2222-4333-8444-555555555555 ms=" },
	{ DESCRIBE, ONLY(ARN), "operation=" DESCRIBE " target=" IQN " user=" },
	{ DELETE, PAIR,
		" result=InvalidGatewayRequestException code=InitiatorNotFound status=400 " },
	{ DESCRIBE, "{}",
		"operation=" DESCRIBE " user=alice uid=7 gid=8 pid=9 "
		"result=ValidationException status=400 " },
	{ DESCRIBE, ONLY(ARN_PREFIX "evil\\n\\\" result=done"),
		" target=\"evil\\x0a\\\" result=done\" user=alice " },
	{ DESCRIBE, ONLY("arn:aws:s3:no-such-gateway-and-a-name-that-is-not-a-target's"),
		" target=\"arn:aws:s3:no-such-gateway-and-a-name-that-is-not-a-target's\" " },
	{ "evil\nname", "{}",
		"operation=unknown user=alice uid=7 gid=8 pid=9 "
		"result=UnknownOperationException " },
	{ DESCRIBE, ONLY(ARN_PREFIX IQN_BROKEN),
		" result=InternalServerError code=InternalError status=500 " },
	{ OWN "ListTargets", "{}",
		"operation=" OWN "ListTargets user=alice uid=7 gid=8 pid=9 result=done " },
};

START_TEST(every_operation_leaves_one_audit_line)
{
	world_carry_out(audits[_i].operation, audits[_i].body);
	const char *line = world_log();
	const char *first = strstr(line, " what=audit ");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_null(strstr(first + 2, "what=audit"));
	ck_assert_msg(strstr(line, audits[_i].line), "log: %s", line);
}
END_TEST

START_TEST(gate_is_told_who_asks)
{
	world_carry_out(UPDATE, UPDATE_ON(ARN));
	ck_assert_str_eq(world_actor(), "uid=7 gid=8 pid=9");
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
		world_carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B));
	if (number == 25)
		world_break_store();
	const size_t length = case_body(json_object_get(one, "input"), body, sizeof body);
	world_start(operation, body, length);
	if (!world_last()->calls)
		world_settle();
	ck_assert_uint_eq(world_last()->calls, 1);
	ck_assert_uint_eq(
		world_last()->status, json_integer_value(json_object_get(expect, "status")));
	const char *type = json_string_value(json_object_get(expect, "type"));
	const char *code = json_string_value(json_object_get(expect, "errorCode"));
	ck_assert_str_eq(world_text("__type"), type ? type : "");
	ck_assert_pstr_eq(world_code(), code);
	const char *part = json_string_value(json_object_get(expect, "message_contains"));
	ck_assert_msg(
		strcasestr(world_text("message"), part), "message: %s", world_text("message"));
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
		.parameters = { .header_digest = true,
			.immediate_data = true,
			.max_connections = 1,
			.max_burst_length = 16777215,
			.first_burst_length = 65536,
			.max_outstanding_r2t = 4,
			.initiator_max_recv = 8192,
			.target_max_recv = 262144 },
		.worker = 3 },
	{ .target = IQN_NONE, .initiator = "iqn.a", .address = "192.0.2.7:1" },
	{ .target = IQN, .initiator = "iqn.a", .address = "192.0.2.7:3", .age_ms = 1000 },
	{ .target = IQN, .initiator = "iqn.a", .address = "192.0.2.7:2", .age_ms = 2000 },
	{ .target = "", .initiator = "iqn.c", .address = "192.0.2.7:4", .discovery = true },
};

START_TEST(list_targets_tells_all)
{
	world_sessions(rows, 5, true, false);
	world_carry_out(UPDATE, UPDATE_OF("iqn.a"));
	ck_assert_uint_eq(world_carry_out(OWN "ListTargets", "{}"), 200);
	const json_t *targets = json_object_get(world_last()->body, "Targets");
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
		json_array_get(json_object_get(world_last()->body, "Sessions"), index), member));
}

START_TEST(list_sessions_tells_all_in_order)
{
	static const char *const addresses[] = { "192.0.2.7:4", "192.0.2.7:2", "192.0.2.7:3",
		"[::1]:51234", "192.0.2.7:1" };
	world_sessions(rows, 5, true, false);
	ck_assert_uint_eq(world_carry_out(OWN "ListSessions", "{}"), 200);
	const json_t *sessions = json_object_get(world_last()->body, "Sessions");
	ck_assert_uint_eq(json_array_size(sessions), 5);
	for (size_t i = 0; i < 5; i++)
		ck_assert_str_eq(session_text(i, "Address"), addresses[i]);
	json_t *full = json_pack(
		"{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:b,s:b,s:i,s:I,s:I,s:i,s:i,s:i,"
		"s:{s:s,s:s,s:i,s:b,s:b,s:i,s:i,s:i,s:i,s:i,s:i}}",
		"TargetName", IQN, "TargetARN", ARN, "InitiatorName", "iqn.b", "SessionType",
		"Normal", "Address", "[::1]:51234", "PortalAddress", "[::1]:3260", "ISID",
		"400000010203", "TSIH", 65535, "ChapAlgorithm", "SHA-256", "ChapMutual", 1,
		"UsesOldSecret", 0, "AgeSeconds", 61, "Commands", (json_int_t)1 << 40, "BytesRead",
		(json_int_t)1 << 62, "BytesWritten", 5, "Connections", 1, "Worker", 3,
		"NegotiatedKeys", "HeaderDigest", "CRC32C", "DataDigest", "None", "MaxConnections",
		1, "InitialR2T", 0, "ImmediateData", 1, "MaxBurstLength", 16777215,
		"FirstBurstLength", 65536, "MaxOutstandingR2T", 4, "ErrorRecoveryLevel", 0,
		"InitiatorMaxRecvDataSegmentLength", 8192, "TargetMaxRecvDataSegmentLength",
		262144);
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
	world_carry_out(OWN "ListSessions", ONLY(ARN_PREFIX IQN_NONE));
	ck_assert_uint_eq(json_array_size(json_object_get(world_last()->body, "Sessions")), 1);
	ck_assert_str_eq(session_text(0, "TargetName"), IQN_NONE);
	world_carry_out(OWN "ListSessions", ONLY(ARN_PREFIX IQN_BROKEN));
	ck_assert_uint_eq(json_array_size(json_object_get(world_last()->body, "Sessions")), 0);
}
END_TEST

static const char *const list_operations[] = { OWN "ListTargets", OWN "ListSessions" };

START_TEST(lists_without_sessions)
{
	world_sessions(NULL, 0, true, false);
	ck_assert_uint_eq(world_carry_out(list_operations[_i], "{}"), 200);
}
END_TEST

START_TEST(incomplete_list_is_no_answer)
{
	world_sessions(rows, 2, false, false);
	ck_assert_uint_eq(world_carry_out(list_operations[_i], "{}"), 500);
	world_sessions(rows, 2, true, true);
	ck_assert_uint_eq(world_carry_out(list_operations[_i], "{}"), 500);
	ck_assert_str_eq(world_code(), "InternalError");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api");
	TCase *tcase = tcase_create("operations");
	tcase_add_checked_fixture(tcase, world_open, world_close);
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
	tcase_add_loop_test(tcase, aws_case, 0, CASES);
	tcase_add_test(tcase, list_targets_tells_all);
	tcase_add_test(tcase, list_sessions_tells_all_in_order);
	tcase_add_test(tcase, list_sessions_of_one_target);
	tcase_add_rows(tcase, lists_without_sessions, list_operations);
	tcase_add_rows(tcase, incomplete_list_is_no_answer, list_operations);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
