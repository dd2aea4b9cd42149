/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operations that rotate credentials, without workers or disks: what they take, answer and
 * refuse, and who is said to use an old secret. [CRED-11]
 */
#include "tests/daemon/double.h"

#include "daemon/core/clock.h"
#include "tests/suite.h"

#include <string.h>

#define LIST         OWN "ListChapRotations"
#define NEXT         "a-next-secret"
#define TO(members)  UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator", NEXT) members)
#define GRACE(value) ",\"GraceSeconds\":" value

/* INITIATOR's record on ARN: SECRET_A, and SECRET_B the target's. */
static void setup(void)
{
	world_open();
	ck_assert_uint_eq(world_carry_out(UPDATE, UPDATE_SECRETS(SECRET_A, SECRET_B)), 200);
}

static const struct credential *newest(void)
{
	return credential_set_find(world_target(IQN)->credentials, INITIATOR, strlen(INITIATOR));
}

static const struct credential *retiring(void)
{
	return credential_set_retiring(
		world_target(IQN)->credentials, INITIATOR, strlen(INITIATOR));
}

static bool is(const struct chap_secret *secret, const char *text)
{
	return secret->length == strlen(text) && memcmp(secret->bytes, text, strlen(text)) == 0;
}

static json_int_t number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

/* What may be asked for: the record's end is so many seconds away. */
static const struct {
	const char *body;
	json_int_t grace;
} graces[] = {
	{ TO(""), 86400 },
	{ TO(GRACE("1")), 1 },
	{ TO(GRACE("2592000")), 2592000 },
	{ TO("," MEMBER("SecretToAuthenticateTarget", "its-own-secret") GRACE("60")), 60 },
};

START_TEST(a_rotation_keeps_the_old_record)
{
	const json_int_t before = (json_int_t)clock_wall();

	ck_assert_uint_eq(world_carry_out(ROTATE, graces[_i].body), 200);
	const json_int_t end = number(world_last()->body, "EndTime");
	ck_assert_int_ge(end, before + graces[_i].grace);
	ck_assert_int_le(end, (json_int_t)clock_wall() + graces[_i].grace);
	ck_assert_str_eq(world_text("TargetARN"), ARN);
	ck_assert_str_eq(world_text("InitiatorName"), INITIATOR);
	ck_assert_uint_eq(json_object_size(world_last()->body), 3);
	ck_assert(is(&newest()->initiator_secret, NEXT));
	ck_assert_uint_eq(newest()->target_secret.length, _i == 3 ? 14 : 0);
	ck_assert(is(&retiring()->initiator_secret, SECRET_A));
	ck_assert(is(&retiring()->target_secret, SECRET_B));
	ck_assert_int_eq((json_int_t)retiring()->until, end);
	/* Describe shows the new record alone. */
	world_carry_out(DESCRIBE, ONLY(ARN));
	const json_t *rows = json_object_get(world_last()->body, "ChapCredentials");
	ck_assert_uint_eq(json_array_size(rows), 1);
	ck_assert_str_eq(json_string_value(json_object_get(
				 json_array_get(rows, 0), "SecretToAuthenticateInitiator")),
		NEXT);
	ck_assert_uint_eq(world_carry_out(FINISH, PAIR), 200);
	ck_assert_int_eq(number(world_last()->body, "SessionsClosed"), 3);
	ck_assert_uint_eq(json_object_size(world_last()->body), 3);
	ck_assert_ptr_null(retiring());
}
END_TEST

static const struct {
	const char *operation, *body;
	unsigned status;
	const char *type, *code, *message;
} refusals[] = {
	{ ROTATE, TO(GRACE("0")), 400, "ValidationException", NULL,
		"graceSeconds' failed to satisfy constraint: Member must have value greater than "
		"or equal to 1" },
	{ ROTATE, TO(GRACE("2592001")), 400, "ValidationException", NULL, "less than or equal" },
	{ ROTATE, TO(GRACE("-1")), 400, "ValidationException", NULL, "graceSeconds" },
	{ ROTATE, TO(GRACE("\"60\"")), 400, "SerializationException", NULL, "GraceSeconds" },
	{ ROTATE, TO(GRACE("1.5")), 400, "SerializationException", NULL, "GraceSeconds" },
	{ ROTATE, TO(GRACE("null")), 400, "ValidationException", NULL, "graceSeconds" },
	{ ROTATE, TO(",\"Finish\":true"), 400, "ValidationException", NULL, "finish" },
	{ ROTATE, PAIR, 400, "ValidationException", NULL, "secretToAuthenticateInitiator" },
	{ ROTATE, UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator", "too-short")), 400,
		"InvalidGatewayRequestException", "InvalidParameters", "12 to 16" },
	{ ROTATE, UPDATE_SECRETS(NEXT, NEXT), 400, "InvalidGatewayRequestException",
		"InvalidParameters", "must differ" },
	{ ROTATE, UPDATE_SECRETS(SECRET_A, NEXT), 400, "InvalidGatewayRequestException",
		"InvalidParameters", "present record" },
	{ ROTATE, UPDATE_SECRETS(NEXT, SECRET_A), 400, "InvalidGatewayRequestException",
		"InvalidParameters", "present record" },
	{ ROTATE, UPDATE_OF("iqn.b"), 400, "InvalidGatewayRequestException", "InitiatorNotFound",
		"initiator was not found" },
	{ ROTATE, UPDATE_ON(ARN_PREFIX "iqn.nowhere"), 400, "InvalidGatewayRequestException",
		"TargetNotFound", "" },
	{ ROTATE, UPDATE_ON(ARN_PREFIX IQN_BROKEN), 500, "InternalServerError", "InternalError",
		"" },
	{ FINISH, TO(""), 400, "ValidationException", NULL, "secretToAuthenticateInitiator" },
	{ FINISH, "{" MEMBER("TargetARN", ARN) "," MEMBER("InitiatorName", "iqn.b") "}", 400,
		"InvalidGatewayRequestException", "InitiatorNotFound", "" },
	{ LIST, ONLY(ARN_PREFIX "iqn.nowhere"), 400, "InvalidGatewayRequestException",
		"TargetNotFound", "" },
	{ LIST, PAIR, 400, "ValidationException", NULL, "initiatorName" },
};

START_TEST(what_is_refused_changes_nothing)
{
	const uint64_t generation = credential_set_generation(world_target(IQN)->credentials);

	ck_assert_uint_eq(
		world_carry_out(refusals[_i].operation, refusals[_i].body), refusals[_i].status);
	ck_assert_str_eq(world_text("__type"), refusals[_i].type);
	ck_assert_pstr_eq(world_code(), refusals[_i].code);
	ck_assert_msg(strstr(world_text("message"), refusals[_i].message), "message: %s",
		world_text("message"));
	ck_assert_ptr_null(strstr(world_text("message"), NEXT));
	ck_assert_ptr_null(strstr(world_log(), NEXT));
	ck_assert_uint_eq(credential_set_generation(world_target(IQN)->credentials), generation);
	ck_assert_ptr_null(retiring());
}
END_TEST

START_TEST(one_rotation_at_a_time)
{
	world_carry_out(ROTATE, TO(GRACE("60")));
	ck_assert_uint_eq(world_carry_out(ROTATE, TO(GRACE("600"))), 200);
	world_carry_out(ROTATE, UPDATE_SECRETS("another-secret", "and-its-target"));
	ck_assert_str_eq(world_code(), "InvalidParameters");
	ck_assert_ptr_nonnull(strstr(world_text("message"), "under way"));
	ck_assert(is(&newest()->initiator_secret, NEXT));
	world_break_store();
	ck_assert_uint_eq(world_carry_out(FINISH, PAIR), 500);
	ck_assert_ptr_nonnull(retiring());
}
END_TEST

/* A session's `since`, against the records' after setup() and one rotation: 2 the old, 3 the new. */
static struct session_row rows[] = {
	{ .target = IQN, .initiator = INITIATOR, .address = "a", .credential = 2, .age_ms = 5 },
	{ .target = IQN, .initiator = INITIATOR, .address = "b", .credential = 3, .age_ms = 4 },
	{ .target = IQN, .initiator = INITIATOR, .address = "c", .age_ms = 3 }, /* without CHAP */
	{ .target = IQN, .initiator = INITIATOR, .address = "d", .credential = 1, .age_ms = 2 },
	{ .target = IQN, .initiator = "iqn.gone", .address = "e", .credential = 2 },
	{ .target = IQN_NONE, .initiator = INITIATOR, .address = "f", .credential = 2 },
	{ .target = "iqn.removed", .initiator = INITIATOR, .address = "g", .credential = 2 },
};
#define ROWS (sizeof rows / sizeof *rows)

START_TEST(sessions_tell_who_uses_an_old_secret)
{
	world_sessions(rows, ROWS, true, false);
	ck_assert_uint_eq(newest()->since, 2);
	for (int rotating = 0; rotating < 2; rotating++) {
		world_carry_out(OWN "ListSessions", "{}");
		const json_t *sessions = json_object_get(world_last()->body, "Sessions");
		ck_assert_uint_eq(json_array_size(sessions), ROWS);
		for (size_t i = 0; i < ROWS; i++) {
			const json_t *session = json_array_get(sessions, i);
			const char *address = json_string_value(
				json_object_get(session, "Address"));
			const bool old = strchr(rotating ? "ad" : "d", *address) != NULL;
			ck_assert_int_eq(
				json_is_true(json_object_get(session, "UsesOldSecret")), old);
			ck_assert_int_eq(
				json_is_false(json_object_get(session, "UsesOldSecret")), !old);
		}
		world_carry_out(ROTATE, TO(""));
	}
}
END_TEST

START_TEST(rotations_are_listed)
{
	world_sessions(rows, ROWS, true, false);
	world_carry_out(LIST, "{}");
	ck_assert_uint_eq(json_array_size(json_object_get(world_last()->body, "Rotations")), 0);
	world_carry_out(ROTATE, TO(GRACE("600")));
	const char *const filters[] = { "{}", ONLY(ARN), ONLY(ARN_PREFIX IQN_NONE) };
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(world_carry_out(LIST, filters[i]), 200);
		const json_t *found = json_object_get(world_last()->body, "Rotations");
		ck_assert_uint_eq(json_array_size(found), i < 2);
		if (i == 2)
			break;
		const json_t *row = json_array_get(found, 0);
		ck_assert_str_eq(json_string_value(json_object_get(row, "TargetARN")), ARN);
		ck_assert_str_eq(json_string_value(json_object_get(row, "TargetName")), IQN);
		ck_assert_str_eq(
			json_string_value(json_object_get(row, "InitiatorName")), INITIATOR);
		ck_assert_int_eq(number(row, "EndTime"), (json_int_t)retiring()->until);
		ck_assert_int_le(number(row, "SecondsLeft"), 600);
		ck_assert_int_gt(number(row, "SecondsLeft"), 0);
		ck_assert_int_eq(number(row, "OldSessionCount"), 2);
		ck_assert_uint_eq(json_object_size(row), 6);
	}
	world_sessions(rows, ROWS, false, false);
	ck_assert_uint_eq(world_carry_out(LIST, "{}"), 500);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_rotation");
	TCase *tcase = tcase_create("operations");
	tcase_add_checked_fixture(tcase, setup, world_close);
	tcase_add_rows(tcase, a_rotation_keeps_the_old_record, graces);
	tcase_add_rows(tcase, what_is_refused_changes_nothing, refusals);
	tcase_add_test(tcase, one_rotation_at_a_time);
	tcase_add_test(tcase, sessions_tell_who_uses_an_old_secret);
	tcase_add_test(tcase, rotations_are_listed);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
