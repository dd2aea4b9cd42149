/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registry's rules for who may be a session, whose place it takes and whom it waits for.
 * [SES-01 SES-02 SES-03 SES-04 SES-05 TEXT-13 LOGIN-23 CRED-02 CRED-14]
 */
#include "daemon/core/target.h"

#include "tests/suite.h"

#include <string.h>

/* What the registry asked of connections, counted by doubles. */
static unsigned evictions, retries;
static struct session_entry *last_evicted, *last_retried;

static void note_evict(struct session_entry *entry)
{
	evictions++;
	last_evicted = entry;
}

static void note_retry(struct session_entry *entry)
{
	retries++;
	last_retried = entry;
}

static const struct session_calls calls = { .evict = note_evict, .retry = note_retry };

struct login {
	struct session_entry entry;
	struct iscsi_identity identity;
	struct credential_set *set;
	struct admission admission;
};

static struct target target;

static void target_setup(const char *name)
{
	target = (struct target){ .name = name, .authentication = AUTHENTICATION_AUTO };
	pthread_mutex_init(&target.lock, NULL);
	for (size_t i = 0; i < SESSION_BUCKETS; i++)
		TAILQ_INIT(&target.entries[i]);
	target.credentials = credential_set_new(1);
	evictions = retries = 0;
	last_evicted = last_retried = NULL;
}

static void setup(void)
{
	target_setup("iqn.2026-11.test:target");
}

static void teardown(void)
{
	credential_set_unref(target.credentials);
	pthread_mutex_destroy(&target.lock);
}

/* A login that has named the target. */
static void enter(struct login *login, const char *initiator, uint8_t isid)
{
	*login = (struct login){
		.entry = { .calls = &calls, .portal = "127.0.0.1:3260", .group = 1 }
	};
	strncpy(login->identity.initiator, initiator, ISCSI_NAME_MAX);
	strncpy(login->identity.target, target.name, ISCSI_NAME_MAX);
	login->identity.isid[5] = isid;
	login->entry.identity = &login->identity;
	struct target_terms terms;
	ck_assert(target_enter(&target, &login->entry, &terms));
	login->set = terms.credentials;
}

static enum iscsi_admission admit(struct login *login)
{
	return target_admit(&target, &login->entry, &login->admission);
}

static void shut(struct login *login)
{
	const struct iscsi_resume resume = { .exp_cmd_sn = 77 };

	target_shut(&target, &login->entry, &resume);
}

static void leave(struct login *login)
{
	if (!login->entry.shut)
		shut(login);
	ck_assert(target_leave(&target, &login->entry));
	credential_set_unref(login->set);
}

static void publish(uint64_t generation)
{
	target_publish_take(&target, credential_set_new(generation));
}

START_TEST(a_session_gets_a_tsih_of_its_own)
{
	struct login a, b;

	enter(&a, "iqn.a", 1);
	enter(&b, "iqn.a", 2);
	ck_assert_int_eq(admit(&a), ISCSI_ADMITTED);
	ck_assert_int_eq(admit(&b), ISCSI_ADMITTED);
	ck_assert_uint_ne(a.entry.tsih, 0);
	ck_assert_uint_ne(a.entry.tsih, b.entry.tsih);
	ck_assert_uint_eq(evictions, 0);
	leave(&a);
	leave(&b);
}
END_TEST

/* K6: by whatever path it returns, while its old sessions are only being closed. */
START_TEST(a_login_waits_for_sessions_that_a_change_shuts_out)
{
	struct login old, fresh, stranger;

	enter(&old, "iqn.a", 1);
	ck_assert_int_eq(admit(&old), ISCSI_ADMITTED);
	publish(2);
	enter(&fresh, "iqn.a", 2);
	enter(&stranger, "iqn.b", 1);
	ck_assert_int_eq(admit(&stranger), ISCSI_ADMITTED);
	ck_assert_int_eq(admit(&fresh), ISCSI_WAIT);
	ck_assert_uint_eq(evictions, 0);
	shut(&old);
	ck_assert_int_eq(admit(&fresh), ISCSI_WAIT);
	leave(&old);
	ck_assert_uint_ge(retries, 1);
	ck_assert_int_eq(admit(&fresh), ISCSI_ADMITTED);
	for (; retries > 0; retries--)
		target_retry_delivered(&target, &fresh.entry);
	leave(&fresh);
	leave(&stranger);
}
END_TEST

/* A policy that locks nobody out closes nobody: nobody is waited for either. */
START_TEST(a_looser_policy_shuts_nobody_out)
{
	struct login old, fresh;

	target.authentication = AUTHENTICATION_CHAP;
	enter(&old, "iqn.a", 1);
	ck_assert_int_eq(admit(&old), ISCSI_ADMITTED);
	ck_assert(!target_publish_policy_take(&target, credential_set_new(2), AUTHENTICATION_AUTO));
	enter(&fresh, "iqn.a", 2);
	ck_assert_int_eq(admit(&fresh), ISCSI_ADMITTED);
	leave(&fresh);
	ck_assert(target_publish_policy_take(&target, credential_set_new(3), AUTHENTICATION_CHAP));
	enter(&fresh, "iqn.a", 2);
	ck_assert_int_eq(admit(&fresh), ISCSI_WAIT);
	leave(&old);
	for (; retries > 0; retries--)
		target_retry_delivered(&target, &fresh.entry);
	ck_assert_int_eq(admit(&fresh), ISCSI_ADMITTED);
	leave(&fresh);
}
END_TEST

START_TEST(tsih_wraps_around_zero)
{
	struct login a;

	target.last_tsih = 0xffff;
	enter(&a, "iqn.a", 1);
	ck_assert_int_eq(admit(&a), ISCSI_ADMITTED);
	ck_assert_uint_eq(a.entry.tsih, 1);
	leave(&a);
}
END_TEST

START_TEST(a_tsih_that_is_taken_is_passed_over)
{
	struct login old[2], fresh, stranger;

	enter(&old[0], "iqn.a", 1);
	enter(&old[1], "iqn.a", 2);
	ck_assert_int_eq(admit(&old[0]), ISCSI_ADMITTED);
	ck_assert_int_eq(admit(&old[1]), ISCSI_ADMITTED);
	target.last_tsih = 0xffff;
	enter(&stranger, "iqn.b", 1);
	ck_assert_int_eq(admit(&stranger), ISCSI_ADMITTED);
	ck_assert_uint_eq(stranger.entry.tsih, old[0].entry.tsih);
	target.last_tsih = 0xffff;
	enter(&fresh, "iqn.a", 3);
	ck_assert_int_eq(admit(&fresh), ISCSI_ADMITTED);
	ck_assert_uint_eq(fresh.entry.tsih, old[1].entry.tsih + 1);
	leave(&old[0]);
	leave(&old[1]);
	leave(&fresh);
	leave(&stranger);
}
END_TEST

START_TEST(a_change_makes_a_login_stale)
{
	struct login a;

	enter(&a, "iqn.a", 1);
	ck_assert(target_is_current(&target, &a.entry, 0));
	publish(2);
	ck_assert(!target_is_current(&target, &a.entry, 0));
	ck_assert_int_eq(admit(&a), ISCSI_STALE);
	leave(&a);
}
END_TEST

static struct credential record_of(const char *initiator, const char *secret)
{
	struct credential record = { .initiator_secret = { .length = 12 } };

	strncpy(record.initiator, initiator, CREDENTIAL_NAME_MAX);
	memcpy(record.initiator_secret.bytes, secret, 12);
	return record;
}

/* The `since` of an initiator's newest and retiring records, 0: none. */
static uint64_t newest(const char *initiator)
{
	const struct credential *record = credential_set_find(
		target.credentials, initiator, strlen(initiator));

	return record ? record->since : 0;
}

static uint64_t retiring(const char *initiator)
{
	const struct credential *record = credential_set_retiring(
		target.credentials, initiator, strlen(initiator));

	return record ? record->since : 0;
}

static void change_to(struct credential_set *set)
{
	ck_assert_ptr_nonnull(set);
	target_publish_take(&target, set);
}

/* Generation 3: iqn.a and iqn.b have records. */
static void publish_two(void)
{
	const struct credential a = record_of("iqn.a", "secret-a-old"),
				b = record_of("iqn.b", "secret-b-old");

	change_to(credential_set_with(target.credentials, 2, &a));
	change_to(credential_set_with(target.credentials, 3, &b));
}

static void rotate(const char *initiator, const char *secret)
{
	const struct credential record = record_of(initiator, secret);

	change_to(credential_set_rotated(
		target.credentials, credential_set_generation(target.credentials) + 1, &record, 1));
}

static void finish(const char *initiator)
{
	change_to(credential_set_finished(
		target.credentials, credential_set_generation(target.credentials) + 1, initiator));
}

/* A login that began before a rotation goes on through all of it; what it proved counts at the end. [CRED-02 CRED-11] */
START_TEST(a_rotation_disturbs_no_login)
{
	struct login before, old, new, other;

	publish_two();
	enter(&before, "iqn.a", 1);
	enter(&other, "iqn.b", 1);
	rotate("iqn.a", "secret-a-new");
	enter(&old, "iqn.a", 2);
	enter(&new, "iqn.a", 3);
	ck_assert(target_is_current(&target, &before.entry, 0));
	ck_assert(target_is_current(&target, &before.entry, retiring("iqn.a")));
	ck_assert(target_is_current(&target, &old.entry, retiring("iqn.a")));
	ck_assert(target_is_current(&target, &new.entry, newest("iqn.a")));
	ck_assert(target_is_current(&target, &other.entry, newest("iqn.b")));
	ck_assert_int_eq(admit(&before), ISCSI_ADMITTED);
	finish("iqn.a");
	ck_assert_int_eq(admit(&old), ISCSI_STALE);
	ck_assert_int_eq(admit(&other), ISCSI_ADMITTED);
	/* It proved the old record, so it is being closed, and is waited for (K6). */
	ck_assert_int_eq(admit(&new), ISCSI_WAIT);
	leave(&before);
	target_retry_delivered(&target, &new.entry);
	ck_assert_int_eq(admit(&new), ISCSI_ADMITTED);
	leave(&old);
	leave(&new);
	leave(&other);
}
END_TEST

/* Proving the old secret after the end counts for nothing, and is not remembered: a closing under way must not count it. */
START_TEST(a_finished_record_proves_nothing)
{
	struct login a;

	publish_two();
	rotate("iqn.a", "secret-a-new");
	enter(&a, "iqn.a", 1);
	uint64_t old = retiring("iqn.a");
	finish("iqn.a");
	ck_assert_uint_ne(old, newest("iqn.a"));
	ck_assert(!target_is_current(&target, &a.entry, old));
	ck_assert_uint_eq(a.entry.credential, 0);
	ck_assert(target_is_current(&target, &a.entry, newest("iqn.a")));
	ck_assert_uint_eq(a.entry.credential, newest("iqn.a"));
	leave(&a);
}
END_TEST

/* Any other change during a rotation is a hard cut, whatever was proved. */
START_TEST(a_hard_cut_is_one_in_a_rotation_too)
{
	struct login old, new, other;
	struct credential record = record_of("iqn.a", "secret-a-cut");

	publish_two();
	rotate("iqn.a", "secret-a-new");
	enter(&old, "iqn.a", 1);
	enter(&new, "iqn.a", 2);
	enter(&other, "iqn.b", 1);
	ck_assert(target_is_current(&target, &old.entry, retiring("iqn.a")));
	ck_assert(target_is_current(&target, &new.entry, newest("iqn.a")));
	ck_assert(target_is_current(&target, &other.entry, newest("iqn.b")));
	if (_i == 0)
		change_to(credential_set_with(target.credentials, 5, &record));
	else if (_i == 1)
		change_to(credential_set_without(target.credentials, 5, "iqn.b"));
	else
		change_to(credential_set_renewed(target.credentials, 5));
	ck_assert_int_eq(admit(&old), ISCSI_STALE);
	ck_assert_int_eq(admit(&new), ISCSI_STALE);
	ck_assert_int_eq(admit(&other), ISCSI_STALE);
	leave(&old);
	leave(&new);
	leave(&other);
}
END_TEST

START_TEST(a_broken_target_takes_no_login)
{
	struct login a = { .entry = { .portal = "" } };

	enter(&a, "iqn.a", 1);
	target_publish_take(&target, NULL);
	ck_assert_int_eq(admit(&a), ISCSI_STALE);
	leave(&a);
	ck_assert_ptr_null(target_credentials(&target));
	struct target_terms terms;
	ck_assert(!target_enter(&target, &a.entry, &terms));
	publish(1);
}
END_TEST

START_TEST(the_same_port_takes_its_old_session_s_place)
{
	struct login old, new;

	enter(&old, "iqn.a", 1);
	ck_assert_int_eq(admit(&old), ISCSI_ADMITTED);
	enter(&new, "iqn.a", 1);
	ck_assert_uint_eq(evictions, 0); /* naming it is not enough */
	ck_assert_int_eq(admit(&new), ISCSI_WAIT);
	ck_assert_uint_eq(evictions, 1);
	ck_assert_ptr_eq(last_evicted, &old.entry);
	ck_assert_int_eq(admit(&new), ISCSI_WAIT);
	ck_assert_uint_eq(evictions, 1); /* asked once */
	target_evict_delivered(&target, &old.entry);
	shut(&old);
	ck_assert_uint_eq(retries, 1);
	ck_assert_ptr_eq(last_retried, &new.entry);
	target_retry_delivered(&target, &new.entry);
	ck_assert_int_eq(admit(&new), ISCSI_WAIT); /* its commands are still at the store */
	ck_assert(target_leave(&target, &old.entry));
	credential_set_unref(old.set);
	ck_assert_uint_eq(retries, 2);
	target_retry_delivered(&target, &new.entry);
	ck_assert_int_eq(admit(&new), ISCSI_ADMITTED);
	ck_assert(new.admission.nexus_lost);
	leave(&new);
}
END_TEST

START_TEST(any_port_of_the_initiator_waits_for_its_old_commands)
{
	struct login old, new, other;

	enter(&old, "iqn.a", 1);
	ck_assert_int_eq(admit(&old), ISCSI_ADMITTED);
	shut(&old);
	enter(&new, "iqn.a", 2);
	ck_assert_int_eq(admit(&new), ISCSI_WAIT);
	ck_assert_uint_eq(evictions, 0);
	enter(&other, "iqn.b", 1);
	ck_assert_int_eq(admit(&other), ISCSI_ADMITTED);
	leave(&old);
	ck_assert_ptr_eq(last_retried, &new.entry);
	target_retry_delivered(&target, &new.entry);
	ck_assert_int_eq(admit(&new), ISCSI_ADMITTED);
	ck_assert(!new.admission.nexus_lost); /* another nexus */
	leave(&new);
	leave(&other);
}
END_TEST

START_TEST(a_login_that_waits_no_longer_is_not_asked)
{
	struct login old, new;

	enter(&old, "iqn.a", 1);
	ck_assert_int_eq(admit(&old), ISCSI_ADMITTED);
	shut(&old);
	enter(&new, "iqn.a", 1);
	ck_assert_int_eq(admit(&new), ISCSI_WAIT);
	target_stop_waiting(&target, &new.entry);
	leave(&old);
	ck_assert_uint_eq(retries, 0);
	leave(&new);
}
END_TEST

START_TEST(a_named_entry_stays_until_the_mail_is_delivered)
{
	struct login old, new;

	enter(&old, "iqn.a", 1);
	ck_assert_int_eq(admit(&old), ISCSI_ADMITTED);
	enter(&new, "iqn.a", 1);
	ck_assert_int_eq(admit(&new), ISCSI_WAIT);
	shut(&old);
	ck_assert(!target_leave(&target, &old.entry));
	target_evict_delivered(&target, &old.entry);
	leave(&old);
	ck_assert(!target_leave(&target, &new.entry));
	target_retry_delivered(&target, &new.entry);
	leave(&new);
}
END_TEST

/* Section 6.3.1's table for a login that names a TSIH. */
static const struct {
	uint16_t tsih; /* 0xffff: that of the session; else as it is */
	uint8_t isid;
	uint16_t cid;
	enum iscsi_admission answer;
	uint8_t detail;
} named_tsih[] = {
	{ 0xffff, 1, 9, ISCSI_WAIT, 0 },       /* the same connection: reinstatement */
	{ 0xffff, 1, 8, ISCSI_REFUSED, 0x06 }, /* a second connection: MaxConnections is 1 */
	{ 0xffff, 2, 9, ISCSI_REFUSED, 0x0a }, /* another port's TSIH */
	{ 0x7777, 1, 9, ISCSI_REFUSED, 0x0a }, /* a TSIH that does not exist */
};

START_TEST(a_login_may_name_a_tsih)
{
	struct login old, new;

	enter(&old, "iqn.a", 1);
	old.identity.cid = 9;
	ck_assert_int_eq(admit(&old), ISCSI_ADMITTED);
	enter(&new, "iqn.a", named_tsih[_i].isid);
	new.identity.tsih = named_tsih[_i].tsih == 0xffff ? old.entry.tsih : named_tsih[_i].tsih;
	new.identity.cid = named_tsih[_i].cid;
	ck_assert_int_eq(admit(&new), named_tsih[_i].answer);
	ck_assert_uint_eq(new.admission.status.detail, named_tsih[_i].detail);
	ck_assert_uint_eq(evictions, named_tsih[_i].answer == ISCSI_WAIT);
	if (named_tsih[_i].answer == ISCSI_WAIT) {
		target_evict_delivered(&target, &old.entry);
		leave(&old);
		target_retry_delivered(&target, &new.entry);
		ck_assert_int_eq(admit(&new), ISCSI_ADMITTED);
		ck_assert_uint_eq(new.entry.tsih, new.identity.tsih);
		ck_assert_uint_eq(new.entry.resume.exp_cmd_sn, 77);
	} else {
		leave(&old);
	}
	leave(&new);
}
END_TEST

START_TEST(a_portal_group_is_part_of_a_session_s_name)
{
	struct login a, b;

	enter(&a, "iqn.a", 1);
	ck_assert_int_eq(admit(&a), ISCSI_ADMITTED);
	enter(&b, "iqn.a", 1);
	b.entry.group = 2;
	ck_assert_int_eq(admit(&b), ISCSI_ADMITTED);
	ck_assert_uint_eq(evictions, 0);
	leave(&a);
	leave(&b);
}
END_TEST

START_TEST(unnamed_discovery_is_also_named_by_its_portal)
{
	struct login a, b, c;

	teardown();
	target_setup("");
	enter(&a, "iqn.a", 1);
	ck_assert_int_eq(admit(&a), ISCSI_ADMITTED);
	enter(&b, "iqn.a", 1);
	b.entry.portal = "127.0.0.2:3260";
	ck_assert_int_eq(admit(&b), ISCSI_ADMITTED);
	enter(&c, "iqn.a", 1);
	ck_assert_int_eq(admit(&c), ISCSI_WAIT);
	ck_assert_ptr_eq(last_evicted, &a.entry);
	target_evict_delivered(&target, &a.entry);
	leave(&a);
	target_retry_delivered(&target, &c.entry);
	leave(&b);
	target_retry_delivered(&target, &c.entry);
	leave(&c);
}
END_TEST

START_TEST(chap_is_required_as_configured)
{
	struct credential record = { .initiator = "iqn.a",
		.initiator_secret = { 12, "abcdefghijkl" } };
	struct credential_set *some = credential_set_with(target.credentials, 2, &record);
	static const struct {
		enum config_authentication authentication;
		bool without, with;
	} rows[] = {
		{ AUTHENTICATION_AUTO, false, true },
		{ AUTHENTICATION_CHAP, true, true },
		{ AUTHENTICATION_NONE, false, false },
	};

	for (size_t i = 0; i < 3; i++) {
		target.authentication = rows[i].authentication;
		ck_assert_int_eq(
			target_requires_chap(&target, target.credentials), rows[i].without);
		ck_assert_int_eq(target_requires_chap(&target, some), rows[i].with);
	}
	credential_set_unref(some);
}
END_TEST

static Suite *target_suite(void)
{
	Suite *suite = suite_create("target");
	TCase *rules = tcase_create("rules");

	tcase_add_checked_fixture(rules, setup, teardown);
	tcase_add_test(rules, a_session_gets_a_tsih_of_its_own);
	tcase_add_test(rules, a_login_waits_for_sessions_that_a_change_shuts_out);
	tcase_add_test(rules, a_looser_policy_shuts_nobody_out);
	tcase_add_test(rules, tsih_wraps_around_zero);
	tcase_add_test(rules, a_tsih_that_is_taken_is_passed_over);
	tcase_add_test(rules, a_change_makes_a_login_stale);
	tcase_add_test(rules, a_rotation_disturbs_no_login);
	tcase_add_test(rules, a_finished_record_proves_nothing);
	tcase_add_loop_test(rules, a_hard_cut_is_one_in_a_rotation_too, 0, 3);
	tcase_add_test(rules, a_broken_target_takes_no_login);
	tcase_add_test(rules, the_same_port_takes_its_old_session_s_place);
	tcase_add_test(rules, any_port_of_the_initiator_waits_for_its_old_commands);
	tcase_add_test(rules, a_login_that_waits_no_longer_is_not_asked);
	tcase_add_test(rules, a_named_entry_stays_until_the_mail_is_delivered);
	tcase_add_rows(rules, a_login_may_name_a_tsih, named_tsih);
	tcase_add_test(rules, a_portal_group_is_part_of_a_session_s_name);
	tcase_add_test(rules, unnamed_discovery_is_also_named_by_its_portal);
	tcase_add_test(rules, chap_is_required_as_configured);
	suite_add_tcase(suite, rules);
	return suite;
}

int main(void)
{
	return suite_main(target_suite());
}
