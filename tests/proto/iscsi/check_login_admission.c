/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto/iscsi/login.c as transcripts: the host's word at the beginning and at the end of a login, at once
 * or later, and what a connection is like after it. [LST-*, SES-01, CRED-02, CRED-08]
 */
#include "tests/proto/iscsi/login_bench.h"

#include <stdio.h>
#include <string.h>

static struct bench *bench;

static void setup(void)
{
	bench = bench_new();
}

static void teardown(void)
{
	bench_free(bench);
}

/* --- the host's word --- */

/* [LST-05..07, LST-14] */
START_TEST(the_host_can_refuse_at_the_beginning)
{
	static const unsigned statuses[] = { 0x0202, 0x0203, 0x0204, 0x0300, 0x0301, 0x0302 };

	bench->begin_status.class = (uint8_t)(statuses[_i] >> 8);
	bench->begin_status.detail = (uint8_t)statuses[_i];
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES);
	assert_refused(bench, statuses[_i]);
	ck_assert_uint_eq(bench->response.length, 0);
	ck_assert_uint_eq(bench->admits, 0);
}
END_TEST

/* [LST-05, LST-09, LST-11, LST-12, LST-14, SES-01, LOGIN-23] */
START_TEST(the_host_can_refuse_at_the_end)
{
	static const unsigned statuses[] = { 0x0202, 0x0206, 0x0208, 0x020a, 0x0301, 0x0302 };

	bench->admission = ISCSI_REFUSED;
	bench->grant.status.class = (uint8_t)(statuses[_i] >> 8);
	bench->grant.status.detail = (uint8_t)statuses[_i];
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES);
	assert_refused(bench, statuses[_i]);
	ck_assert_uint_eq(bench->response.length, 0);
	ck_assert_uint_eq(bench->logins, 0);
}
END_TEST

START_TEST(a_refusal_without_status_is_our_fault)
{
	bench->admission = ISCSI_REFUSED;
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES);
	assert_refused(bench, 0x0300);
}
END_TEST

/* [CRED-02; K4] */
START_TEST(a_stale_login_ends_in_silence)
{
	bench->admission = ISCSI_STALE;
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES);
	assert_silent(bench);
	ck_assert_uint_eq(bench->logins, 0);
}
END_TEST

static void wait_for_admission(void)
{
	bench->admission = ISCSI_WAIT;
	bench_login(bench, OPERATIONAL | TO_FULL, NAMES "MaxBurstLength=4096\n");
	ck_assert(!bench->response.any);
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_ADMISSION);
	ck_assert_uint_eq(bench->logins, 0);
}

/* [CRED-08; K6] The final response waits; it is the same as without waiting. */
START_TEST(admission_can_come_later)
{
	wait_for_admission();
	const struct response *r = bench_admit(bench, ISCSI_WAIT);
	ck_assert(!r->any);
	r = bench_admit(bench, ISCSI_ADMITTED);
	assert_status(r, 0);
	ck_assert_uint_eq(r->flags, OPERATIONAL | TO_FULL);
	ck_assert_uint_eq(r->tsih, 42);
	ck_assert_str_eq(r->text,
		"TargetPortalGroupTag=1\nMaxBurstLength=4096\nMaxRecvDataSegmentLength=262144\n");
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
	ck_assert_uint_eq(bench->logins, 1);
	ck_assert_uint_eq(bench->admits, 1);
	/* A second word changes nothing. */
	bench_admit(bench, ISCSI_STALE);
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
	ck_assert_uint_eq(bench->logins, 1);
}
END_TEST

START_TEST(a_late_admission_can_be_a_refusal)
{
	wait_for_admission();
	bench->grant.status.class = 3;
	bench->grant.status.detail = 1;
	bench_admit(bench, ISCSI_REFUSED);
	assert_refused(bench, 0x0301);
	ck_assert_uint_eq(bench->response.length, 0);
}
END_TEST

START_TEST(a_late_admission_can_be_stale)
{
	wait_for_admission();
	bench_admit(bench, ISCSI_STALE);
	assert_silent(bench);
}
END_TEST

/* Nothing may be said while the final response is due. */
START_TEST(who_waits_for_admission_is_quiet)
{
	static const uint8_t opcodes[] = { OP_LOGIN_REQUEST, OP_SCSI_COMMAND, OP_NOP_OUT,
		OP_TEXT_REQUEST, OP_LOGOUT_REQUEST };

	wait_for_admission();
	bench->request.opcode = opcodes[_i] | IMMEDIATE;
	bench->request.flags = opcodes[_i] == OP_LOGIN_REQUEST ? OPERATIONAL | TO_FULL : FINAL;
	bench_feed(bench, "", 0);
	assert_refused(bench, 0x020b);
	/* And the host's word comes too late. */
	bench_admit(bench, ISCSI_ADMITTED);
	assert_silent(bench);
	ck_assert_uint_eq(bench->logins, 0);
}
END_TEST

/* [SES-01, NEG-18] A session taken over keeps its numbers and parameters. */
START_TEST(reinstatement_resumes_the_session)
{
	iscsi_parameters_default(&bench->resume.parameters);
	bench->resume.parameters.max_burst_length = 8192;
	bench->resume.exp_cmd_sn = 5000;
	bench->resume.max_cmd_sn = 5100;
	bench->grant.resume = &bench->resume;
	bench->grant.tsih = 7;
	bench->request.tsih = 7;
	bench_login(bench, SECURITY | TO_OPERATIONAL, NAMES);
	ck_assert_uint_eq(bench->response.tsih, 7);
	bench_login(bench, OPERATIONAL | TO_FULL,
		"MaxBurstLength=4096\nMaxRecvDataSegmentLength=65536\n");
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.tsih, 7);
	ck_assert_uint_eq(bench->response.exp_cmd_sn, 5000);
	ck_assert_uint_eq(bench->response.max_cmd_sn, 5100);
	ck_assert_str_eq(value_of(&bench->response, "MaxBurstLength"), "Reject");
	ck_assert_uint_eq(bench->conn->identity.tsih, 7);
	ck_assert_uint_eq(bench->conn->exp_cmd_sn, 5000);
	ck_assert_uint_eq(bench->conn->parameters.max_burst_length, 8192);
	ck_assert_uint_eq(bench->conn->parameters.initiator_max_recv, 65536);
	ck_assert_ptr_null(bench->conn->grant.resume);
}
END_TEST

START_TEST(admission_leaves_a_ready_connection)
{
	bench->grant.nexus = (struct scsi_nexus *)(uintptr_t)&bench->grant;
	bench_enter(bench, NAMES, "MaxOutstandingR2T=8\nInitialR2T=No\n");
	const struct iscsi_conn *conn = bench->conn;
	ck_assert_uint_eq(conn->grant.tsih, 42);
	ck_assert_ptr_eq(conn->grant.nexus, bench->grant.nexus);
	ck_assert_uint_eq(conn->parameters.max_outstanding_r2t, 8);
	ck_assert(!conn->parameters.initial_r2t);
	ck_assert_uint_eq(conn->chap_algorithm, 0);
	ck_assert(!conn->chap_mutual);
	ck_assert_uint_ne(conn->logged_in_at, 0);
	ck_assert_uint_gt(bench->wakes, 0);
	bench->conn->grant.nexus = NULL;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("login admission");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, the_host_can_refuse_at_the_beginning, 0, 6);
	tcase_add_loop_test(tcase, the_host_can_refuse_at_the_end, 0, 6);
	tcase_add_test(tcase, a_refusal_without_status_is_our_fault);
	tcase_add_test(tcase, a_stale_login_ends_in_silence);
	tcase_add_test(tcase, admission_can_come_later);
	tcase_add_test(tcase, a_late_admission_can_be_a_refusal);
	tcase_add_test(tcase, a_late_admission_can_be_stale);
	tcase_add_loop_test(tcase, who_waits_for_admission_is_quiet, 0, 5);
	tcase_add_test(tcase, reinstatement_resumes_the_session);
	tcase_add_test(tcase, admission_leaves_a_ready_connection);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
