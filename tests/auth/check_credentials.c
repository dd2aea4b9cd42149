/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Credential sets: a change never touches the set that others hold (K1), names are compared whole
 * and lower-cased [CHAP-16], sets stay sorted through any order of changes, threads may share them.
 */
#include "auth/credentials.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct credential record_of(const char *name, const char *secret, const char *target_secret)
{
	struct credential record;

	memset(&record, 0, sizeof(record));
	snprintf(record.initiator, sizeof(record.initiator), "%s", name);
	record.initiator_secret.length = (uint8_t)strlen(secret);
	memcpy(record.initiator_secret.bytes, secret, strlen(secret));
	record.target_secret.length = (uint8_t)strlen(target_secret);
	memcpy(record.target_secret.bytes, target_secret, strlen(target_secret));
	return record;
}

/* `set` with the record; the old reference is dropped. */
static struct credential_set *added(
	struct credential_set *set, const char *name, const char *secret)
{
	struct credential record = record_of(name, secret, "");
	struct credential_set *next = credential_set_with(
		set, credential_set_generation(set) + 1, &record);

	ck_assert_ptr_nonnull(next);
	credential_set_unref(set);
	return next;
}

static bool has_secret(const struct credential_set *set, const char *name, const char *secret)
{
	const struct credential *record = credential_set_find(set, name, strlen(name));

	return record && record->initiator_secret.length == strlen(secret) &&
	       memcmp(record->initiator_secret.bytes, secret, strlen(secret)) == 0;
}

START_TEST(a_new_set_is_empty)
{
	struct credential_set *set = credential_set_new(7);

	ck_assert_uint_eq(credential_set_generation(set), 7);
	ck_assert_uint_eq(credential_set_count(set), 0);
	ck_assert_ptr_null(credential_set_find(set, "iqn.a", 5));
	credential_set_unref(set);
}
END_TEST

START_TEST(a_change_leaves_the_old_set_alone)
{
	struct credential_set *one = added(credential_set_new(1), "iqn.a", "secret-one-12");
	struct credential other = record_of("iqn.a", "secret-two-12", "target-secret");
	struct credential_set *two = credential_set_with(one, 3, &other);

	ck_assert(has_secret(one, "iqn.a", "secret-one-12"));
	ck_assert(has_secret(two, "iqn.a", "secret-two-12"));
	ck_assert_uint_eq(credential_set_count(two), 1);
	ck_assert_uint_eq(credential_set_generation(one), 2);
	ck_assert_uint_eq(credential_set_generation(two), 3);
	credential_set_unref(one);
	ck_assert(has_secret(two, "iqn.a", "secret-two-12"));
	credential_set_unref(two);
}
END_TEST

/* An update replaces the pair's whole record: mutual becomes one-way when only one secret comes. */
START_TEST(a_record_is_replaced_whole)
{
	struct credential mutual = record_of("iqn.a", "secret-one-12", "target-secret");
	struct credential_set *empty = credential_set_new(1);
	struct credential_set *set = credential_set_with(empty, 2, &mutual);

	ck_assert_uint_eq(credential_set_at(set, 0)->target_secret.length, 13);
	set = added(set, "iqn.a", "secret-two-12");
	ck_assert_uint_eq(credential_set_at(set, 0)->target_secret.length, 0);
	for (size_t i = 0; i < CHAP_SECRET_MAX; i++)
		ck_assert_uint_eq(credential_set_at(set, 0)->target_secret.bytes[i], 0);
	credential_set_unref(set);
	credential_set_unref(empty);
}
END_TEST

/* What stood in the caller's record behind the name's end or the secret's must not travel. */
START_TEST(bytes_behind_the_ends_are_not_copied)
{
	struct credential record;
	memset(&record, 0xee, sizeof(record));
	memcpy(record.initiator, "IQN.A", 6);
	record.initiator_secret.length = 12;
	record.target_secret.length = 0;
	struct credential_set *empty = credential_set_new(1);
	struct credential_set *set = credential_set_with(empty, 2, &record);
	const struct credential *kept = credential_set_at(set, 0);

	ck_assert_str_eq(kept->initiator, "iqn.a");
	for (size_t i = 6; i < sizeof(kept->initiator); i++)
		ck_assert_int_eq(kept->initiator[i], 0);
	for (size_t i = 12; i < CHAP_SECRET_MAX; i++)
		ck_assert_uint_eq(kept->initiator_secret.bytes[i], 0);
	ck_assert_uint_eq(kept->target_secret.bytes[0], 0);
	credential_set_unref(set);
	credential_set_unref(empty);
}
END_TEST

START_TEST(sets_stay_sorted)
{
	char name[32];
	struct credential_set *set = credential_set_new(1);

	/* 37 and 101 are coprime: every number once, in no order. */
	for (int i = 0; i < 101; i++) {
		snprintf(name, sizeof(name), "iqn.host-%d", i * 37 % 101);
		set = added(set, name, name);
	}
	ck_assert_uint_eq(credential_set_count(set), 101);
	for (size_t i = 1; i < 101; i++)
		ck_assert_str_lt(credential_set_at(set, i - 1)->initiator,
			credential_set_at(set, i)->initiator);
	for (int i = 0; i < 101; i++) {
		snprintf(name, sizeof(name), "iqn.host-%d", i);
		ck_assert(has_secret(set, name, name));
	}
	for (int i = 0; i < 101; i++) {
		snprintf(name, sizeof(name), "iqn.host-%d", i * 53 % 101);
		struct credential_set *next = credential_set_without(set, 1, name);
		ck_assert_ptr_nonnull(next);
		ck_assert_ptr_null(credential_set_find(next, name, strlen(name)));
		ck_assert_uint_eq(credential_set_count(next), 100 - (size_t)i);
		credential_set_unref(set);
		set = next;
	}
	credential_set_unref(set);
}
END_TEST

START_TEST(without_an_unknown_name_is_refused)
{
	struct credential_set *set = added(credential_set_new(1), "iqn.a", "secret-one-12");
	char long_name[400];

	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	errno = 0;
	ck_assert_ptr_null(credential_set_without(set, 2, "iqn.b"));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_null(credential_set_without(set, 2, "iqn."));
	ck_assert_ptr_null(credential_set_without(set, 2, ""));
	ck_assert_ptr_null(credential_set_without(set, 2, long_name));
	credential_set_unref(set);
}
END_TEST

static const struct {
	const char *name;
	size_t length;
	bool found;
} lookups[] = {
	{ "iqn.host", 8, true },
	{ "IQN.HOST", 8, true },
	{ "iqn.hosts", 9, false },
	{ "iqn.hos", 7, false },
	{ "iqn.host\0", 9, false },
	{ "iqn.host\0x", 10, false },
	{ "iqn.\0ost", 8, false },
	{ "iqn.host ", 9, false },
	{ "", 0, false },
	{ "iqn.host-and-more", 8, true }, /* the length counts, not a NUL */
	{ "iqn.h\xd6st", 8, false },
};

START_TEST(names_are_compared_whole) /* [CHAP-16] */
{
	struct credential_set *set = added(credential_set_new(1), "iqn.Host", "secret-one-12");
	const struct credential *record = credential_set_find(
		set, lookups[_i].name, lookups[_i].length);

	ck_assert_int_eq(record != NULL, lookups[_i].found);
	credential_set_unref(set);
}
END_TEST

START_TEST(the_longest_name_is_kept_whole)
{
	char name[CREDENTIAL_NAME_MAX + 2];
	memset(name, 'x', sizeof(name));
	name[CREDENTIAL_NAME_MAX] = '\0';
	struct credential_set *set = added(credential_set_new(1), name, "secret-one-12");

	ck_assert(has_secret(set, name, "secret-one-12"));
	ck_assert_ptr_null(credential_set_find(set, name, CREDENTIAL_NAME_MAX - 1));
	name[CREDENTIAL_NAME_MAX] = 'x';
	ck_assert_ptr_null(credential_set_find(set, name, CREDENTIAL_NAME_MAX + 1));
	credential_set_unref(set);
}
END_TEST

START_TEST(an_empty_name_or_secret_is_refused)
{
	struct credential nameless = record_of("", "secret-one-12", "");
	struct credential open = record_of("iqn.a", "", "target-secret");
	struct credential_set *set = credential_set_new(1);

	errno = 0;
	ck_assert_ptr_null(credential_set_with(set, 2, &nameless));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(credential_set_with(set, 2, &open));
	ck_assert_ptr_null(credential_set_of(2, &nameless, 1));
	ck_assert_ptr_null(credential_set_of(2, &open, 1));
	credential_set_unref(set);
}
END_TEST

START_TEST(a_whole_set_must_ascend)
{
	struct credential records[3] = { record_of("iqn.a", "secret-a-1234", ""),
		record_of("iqn.b", "secret-b-1234", "target-b-1234"),
		record_of("iqn.c", "secret-c-1234", "") };
	struct credential_set *set = credential_set_of(9, records, 3);

	ck_assert_uint_eq(credential_set_count(set), 3);
	ck_assert_uint_eq(credential_set_generation(set), 9);
	ck_assert(has_secret(set, "iqn.b", "secret-b-1234"));
	ck_assert_uint_eq(credential_set_at(set, 1)->target_secret.length, 13);
	credential_set_unref(set);
	records[1] = record_of("IQN.A", "secret-b-1234", "");
	errno = 0;
	ck_assert_ptr_null(credential_set_of(9, records, 3));
	ck_assert_int_eq(errno, EINVAL);
	records[1] = record_of("iqn.d", "secret-d-1234", "");
	ck_assert_ptr_null(credential_set_of(9, records, 3));
}
END_TEST

START_TEST(null_is_no_set)
{
	credential_set_unref(NULL);
	ck_assert_ptr_null(credential_set_ref(NULL));
}
END_TEST

enum { SHARERS = 4, TURNS = 20000 };

static void *share(void *argument)
{
	struct credential_set *set = argument;

	for (int i = 0; i < TURNS; i++) {
		struct credential_set *mine = credential_set_ref(set);
		if (!has_secret(mine, "iqn.a", "secret-one-12"))
			abort();
		credential_set_unref(mine);
	}
	credential_set_unref(set);
	return NULL;
}

/* Each thread owns one reference, and the last of them frees: the sanitizers judge. */
START_TEST(threads_share_a_set)
{
	pthread_t threads[SHARERS];
	struct credential_set *set = added(credential_set_new(1), "iqn.a", "secret-one-12");

	for (int i = 0; i < SHARERS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, share, credential_set_ref(set)), 0);
	credential_set_unref(set);
	for (int i = 0; i < SHARERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

/* `set` with a rotation of that initiator to `secret` begun, or refused; the old reference is kept. */
static struct credential_set *rotated(const struct credential_set *set, const char *name,
	const char *secret, const char *target_secret, uint64_t until)
{
	struct credential record = record_of(name, secret, target_secret);

	record.since = record.until = 99; /* the set's business alone */
	errno = 0;
	return credential_set_rotated(set, credential_set_generation(set) + 1, &record, until);
}

static bool has_retiring(const struct credential_set *set, const char *name, const char *secret)
{
	const struct credential *record = credential_set_retiring(set, name, strlen(name));

	return record && record->initiator_secret.length == strlen(secret) &&
	       memcmp(record->initiator_secret.bytes, secret, strlen(secret)) == 0;
}

START_TEST(a_rotation_has_both_records)
{
	struct credential_set *one = added(
		added(credential_set_new(1), "iqn.b", "secret-one-12"), "iqn.a", "secret-of-a!");
	struct credential_set *two = rotated(one, "IQN.B", "secret-two-12", "target-secret", 1234);
	struct credential_set *three = rotated(two, "iqn.a", "secret-new-a", "", 77);

	ck_assert_uint_eq(credential_set_count(two), 2);
	ck_assert_uint_eq(credential_set_retiring_count(one), 0);
	ck_assert_uint_eq(credential_set_retiring_count(two), 1);
	ck_assert(has_secret(one, "iqn.b", "secret-one-12"));
	ck_assert(has_secret(two, "iqn.b", "secret-two-12"));
	ck_assert(has_retiring(two, "iqn.B", "secret-one-12"));
	ck_assert_ptr_null(credential_set_retiring(two, "iqn.a", 5));
	ck_assert_ptr_null(credential_set_retiring(two, "iqn.", 4));
	const struct credential *newest = credential_set_find(two, "iqn.b", 5);
	const struct credential *retiring = credential_set_retiring_at(two, 0);
	ck_assert_uint_eq(retiring->until, 1234);
	ck_assert_uint_eq(retiring->target_secret.length, 0);
	ck_assert_uint_eq(newest->target_secret.length, 13);
	/* Each is told from the other, and from whatever else the name ever had. */
	ck_assert_uint_eq(retiring->since, 2);
	ck_assert_uint_eq(newest->since, 4);
	ck_assert_uint_eq(credential_set_find(two, "iqn.a", 5)->since, 3);
	/* Two at a time, sorted, each with its own end. */
	ck_assert_uint_eq(credential_set_retiring_count(three), 2);
	ck_assert_str_eq(credential_set_retiring_at(three, 0)->initiator, "iqn.a");
	ck_assert_uint_eq(credential_set_retiring_at(three, 0)->until, 77);
	ck_assert_uint_eq(credential_set_retiring_at(three, 1)->until, 1234);
	ck_assert(has_retiring(three, "iqn.b", "secret-one-12"));
	credential_set_unref(one);
	credential_set_unref(two);
	credential_set_unref(three);
}
END_TEST

START_TEST(a_finished_rotation_leaves_the_newest)
{
	struct credential_set *one = added(
		added(credential_set_new(1), "iqn.b", "secret-one-12"), "iqn.a", "secret-of-a!");
	struct credential_set *two = rotated(one, "iqn.b", "secret-two-12", "", 1234);
	struct credential_set *three = credential_set_finished(two, 9, "IQN.B");

	ck_assert_uint_eq(credential_set_count(three), 2);
	ck_assert_uint_eq(credential_set_retiring_count(three), 0);
	ck_assert(has_secret(three, "iqn.b", "secret-two-12"));
	ck_assert_ptr_null(credential_set_retiring(three, "iqn.b", 5));
	ck_assert_uint_eq(credential_set_find(three, "iqn.b", 5)->since, 4);
	errno = 0;
	ck_assert_ptr_null(credential_set_finished(three, 10, "iqn.b"));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert(has_retiring(two, "iqn.b", "secret-one-12"));
	credential_set_unref(one);
	credential_set_unref(two);
	credential_set_unref(three);
}
END_TEST

/* What a login that took an older set may rely on (K4). */
START_TEST(only_hard_cuts_raise_the_floor)
{
	struct credential record = record_of("iqn.b", "secret-of-b!", "");
	struct credential_set *sets[6];

	sets[0] = added(credential_set_new(1), "iqn.a", "secret-one-12");
	sets[1] = rotated(sets[0], "iqn.a", "secret-two-12", "", 5);
	sets[2] = credential_set_finished(sets[1], 4, "iqn.a");
	sets[3] = credential_set_with(sets[1], 4, &record);
	sets[4] = credential_set_without(sets[3], 5, "iqn.b");
	sets[5] = credential_set_renewed(sets[1], 4);
	static const uint64_t floors[] = { 2, 2, 2, 4, 5, 4 };
	for (size_t i = 0; i < 6; i++)
		ck_assert_uint_eq(credential_set_floor(sets[i]), floors[i]);
	/* Hard cuts of others, and of nobody, leave the rotation to its initiator. */
	for (size_t i = 3; i < 6; i++) {
		ck_assert(has_retiring(sets[i], "iqn.a", "secret-one-12"));
		ck_assert_uint_eq(credential_set_retiring_at(sets[i], 0)->until, 5);
		ck_assert_uint_eq(credential_set_retiring_at(sets[i], 0)->since, 2);
		ck_assert_uint_eq(credential_set_find(sets[i], "iqn.a", 5)->since, 3);
	}
	for (size_t i = 0; i < 6; i++)
		credential_set_unref(sets[i]);
}
END_TEST

START_TEST(an_update_or_a_delete_ends_the_rotation)
{
	struct credential_set *one = added(credential_set_new(1), "iqn.a", "secret-one-12");
	struct credential_set *two = rotated(one, "iqn.a", "secret-two-12", "", 5);
	struct credential_set *gone = credential_set_without(two, 9, "iqn.a");
	struct credential_set *cut = added(credential_set_ref(two), "iqn.a", "secret-cut-12");

	ck_assert_uint_eq(credential_set_count(gone), 0);
	ck_assert_uint_eq(credential_set_retiring_count(gone), 0);
	ck_assert_uint_eq(credential_set_retiring_count(cut), 0);
	ck_assert(has_secret(cut, "iqn.a", "secret-cut-12"));
	credential_set_unref(one);
	credential_set_unref(two);
	credential_set_unref(gone);
	credential_set_unref(cut);
}
END_TEST

/* The present record is iqn.a's: the initiator's secret "secret-one-12", the target's "target-one-12". */
static const struct {
	const char *name, *secret, *target_secret;
	int fault;
} rotations[] = {
	{ "iqn.a", "secret-two-12", "", 0 },
	{ "iqn.a", "secret-two-12", "target-one-12", 0 }, /* the target's alone may stay */
	{ "iqn.b", "secret-two-12", "", ENOENT },
	{ "", "secret-two-12", "", ENOENT },
	{ "iqn.a", "secret-one-12", "target-two-12", EINVAL },
	{ "iqn.a", "target-one-12", "", EINVAL },
	{ "iqn.a", "secret-two-12", "secret-one-12", EINVAL },
	{ "iqn.a", "", "target-two-12", EINVAL },
};

START_TEST(records_of_a_rotation_are_not_to_be_confused)
{
	struct credential present = record_of("iqn.a", "secret-one-12", "target-one-12");
	struct credential_set *empty = credential_set_new(1);
	struct credential_set *one = credential_set_with(empty, 2, &present);
	struct credential_set *two = rotated(
		one, rotations[_i].name, rotations[_i].secret, rotations[_i].target_secret, 5);

	ck_assert_int_eq(errno, rotations[_i].fault);
	ck_assert_int_eq(two == NULL, rotations[_i].fault != 0);
	credential_set_unref(empty);
	credential_set_unref(one);
	credential_set_unref(two);
}
END_TEST

/* Asked again, as after a lost reply, it only gets its new end; to something else it must be finished first. */
START_TEST(a_rotation_may_be_asked_for_again)
{
	struct credential_set *one = added(credential_set_new(1), "iqn.a", "secret-one-12");
	struct credential_set *two = rotated(one, "iqn.a", "secret-two-12", "target-secret", 5);
	struct credential_set *again = rotated(two, "iqn.a", "secret-two-12", "target-secret", 6);

	ck_assert_uint_eq(credential_set_generation(again), 4);
	ck_assert(has_secret(again, "iqn.a", "secret-two-12"));
	ck_assert(has_retiring(again, "iqn.a", "secret-one-12"));
	ck_assert_uint_eq(credential_set_find(again, "iqn.a", 5)->since, 3);
	ck_assert_uint_eq(credential_set_retiring_at(again, 0)->since, 2);
	ck_assert_uint_eq(credential_set_retiring_at(again, 0)->until, 6);
	ck_assert_ptr_null(rotated(two, "iqn.a", "secret-two-12", "", 6));
	ck_assert_int_eq(errno, EBUSY);
	ck_assert_ptr_null(rotated(two, "iqn.a", "secret-six-12", "target-secret", 6));
	ck_assert_int_eq(errno, EBUSY);
	ck_assert_ptr_null(rotated(two, "iqn.a", "secret-one-12", "", 6));
	ck_assert_int_eq(errno, EBUSY);
	credential_set_unref(one);
	credential_set_unref(two);
	credential_set_unref(again);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth/credentials");
	TCase *tests = tcase_create("credentials");

	tcase_add_test(tests, a_new_set_is_empty);
	tcase_add_test(tests, a_change_leaves_the_old_set_alone);
	tcase_add_test(tests, a_record_is_replaced_whole);
	tcase_add_test(tests, bytes_behind_the_ends_are_not_copied);
	tcase_add_test(tests, sets_stay_sorted);
	tcase_add_test(tests, without_an_unknown_name_is_refused);
	tcase_add_loop_test(
		tests, names_are_compared_whole, 0, (int)(sizeof(lookups) / sizeof(lookups[0])));
	tcase_add_test(tests, the_longest_name_is_kept_whole);
	tcase_add_test(tests, an_empty_name_or_secret_is_refused);
	tcase_add_test(tests, a_whole_set_must_ascend);
	tcase_add_test(tests, a_rotation_has_both_records);
	tcase_add_test(tests, a_finished_rotation_leaves_the_newest);
	tcase_add_test(tests, only_hard_cuts_raise_the_floor);
	tcase_add_test(tests, an_update_or_a_delete_ends_the_rotation);
	tcase_add_loop_test(tests, records_of_a_rotation_are_not_to_be_confused, 0,
		(int)(sizeof(rotations) / sizeof(rotations[0])));
	tcase_add_test(tests, a_rotation_may_be_asked_for_again);
	tcase_add_test(tests, null_is_no_set);
	tcase_add_test(tests, threads_share_a_set);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
