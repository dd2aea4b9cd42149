/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto/iscsi/keys.c: keys that depend on others, and what a negotiation leaves behind. [NEG-14..18]
 */
#include "tests/proto/iscsi/keys_trial.h"

#include <stdio.h>

#define O KEY_STAGE_OPERATIONAL

/* --- several keys --- */

/* [NEG-15] Whatever the order, FirstBurstLength does not exceed MaxBurstLength. */
static const struct text_row {
	const char *offer, *answer;
} several_rows[] = {
	{ "FirstBurstLength=65536\nMaxBurstLength=4096\n",
		"MaxBurstLength=4096\nFirstBurstLength=4096\n" },
	{ "MaxBurstLength=4096\nFirstBurstLength=65536\n",
		"MaxBurstLength=4096\nFirstBurstLength=4096\n" },
	{ "MaxBurstLength=4096\nFirstBurstLength=8192~65536\n",
		"MaxBurstLength=4096\nFirstBurstLength=Reject\n" },
	/* KEY-13: irrelevant without unsolicited data, whatever the order. */
	{ "FirstBurstLength=4192\nInitialR2T=Yes\nImmediateData=No\n",
		"InitialR2T=Yes\nImmediateData=No\nFirstBurstLength=Irrelevant\n" },
	{ "InitialR2T=No\nImmediateData=No\nFirstBurstLength=4192\n",
		"InitialR2T=No\nImmediateData=No\nFirstBurstLength=4192\n" },
	{ "InitialR2T=Yes\nImmediateData=Yes\nFirstBurstLength=4192\n",
		"InitialR2T=Yes\nImmediateData=Yes\nFirstBurstLength=4192\n" },
	/* NEG-16: nothing is answered that was not asked. */
	{ "MaxConnections=1\n", "MaxConnections=1\n" },
	{ "", "" },
};

START_TEST(keys_that_depend_on_others_come_after_them)
{
	struct trial *trial = trial_new();

	ck_assert_int_eq(offer(trial, O, several_rows[_i].offer), KEYS_FINE);
	ck_assert_str_eq(trial->said, several_rows[_i].answer);
	ck_assert_int_eq(keys_conclude(&trial->negotiation), 0);
	ck_assert_uint_le(trial->negotiation.parameters.first_burst_length,
		trial->negotiation.parameters.max_burst_length);
	trial_free(trial);
}
END_TEST

START_TEST(integrity_is_judged_at_the_end)
{
	struct trial *trial = trial_new();

	/* Agreed on in two steps, and contradicting each other: no agreement. */
	ck_assert_int_eq(offer(trial, O, "FirstBurstLength=65536\n"), KEYS_FINE);
	ck_assert_int_eq(offer(trial, O, "MaxBurstLength=4096\n"), KEYS_FINE);
	ck_assert_int_eq(keys_conclude(&trial->negotiation), -1);
	trial_free(trial);
	/* Without unsolicited data it does not matter. */
	trial = trial_new();
	ck_assert_int_eq(offer(trial, O, "FirstBurstLength=65536\n"), KEYS_FINE);
	ck_assert_int_eq(offer(trial, O, "MaxBurstLength=4096\nInitialR2T=Yes\nImmediateData=No\n"),
		KEYS_FINE);
	ck_assert_int_eq(keys_conclude(&trial->negotiation), 0);
	ck_assert_uint_eq(trial->negotiation.parameters.first_burst_length, 4096);
	trial_free(trial);
	/* Only the default is too large: it gives way. */
	trial = trial_new();
	ck_assert_int_eq(offer(trial, O, "MaxBurstLength=4096\n"), KEYS_FINE);
	ck_assert_int_eq(keys_conclude(&trial->negotiation), 0);
	ck_assert_uint_eq(trial->negotiation.parameters.first_burst_length, 4096);
	trial_free(trial);
}
END_TEST

/* --- results --- */

START_TEST(defaults_are_those_of_section_13)
{
	struct iscsi_parameters p;

	memset(&p, 0xff, sizeof(p));
	iscsi_parameters_default(&p);
	ck_assert(!p.header_digest && !p.data_digest);
	ck_assert(p.initial_r2t && p.immediate_data);
	ck_assert(p.data_pdu_in_order && p.data_sequence_in_order);
	ck_assert_uint_eq(p.max_connections, 1);
	ck_assert_uint_eq(p.max_burst_length, 262144);
	ck_assert_uint_eq(p.first_burst_length, 65536);
	ck_assert_uint_eq(p.max_outstanding_r2t, 1);
	ck_assert_uint_eq(p.default_time2wait, 2);
	ck_assert_uint_eq(p.default_time2retain, 20);
	ck_assert_uint_eq(p.error_recovery_level, 0);
	ck_assert_uint_eq(p.protocol_level, 1);
	ck_assert_uint_eq(p.initiator_max_recv, 8192);
	ck_assert_uint_eq(p.target_max_recv, 8192);
}
END_TEST

START_TEST(answers_become_the_parameters)
{
	struct trial *trial = trial_new();
	const struct iscsi_parameters *p = &trial->negotiation.parameters;

	ck_assert_int_eq(offer(trial, O,
				 "HeaderDigest=CRC32C\nDataDigest=CRC32C,None\nInitialR2T="
				 "No\nImmediateData=No\n"
				 "MaxRecvDataSegmentLength=65536\nMaxBurstLength="
				 "524288\nFirstBurstLength=8192\n"
				 "DefaultTime2Wait=7\nDefaultTime2Retain=9\nMaxOutstandingR2T=4\n"
				 "DataPDUInOrder=No\nDataSequenceInOrder=No\nErrorRecoveryLevel=2\n"
				 "iSCSIProtocolLevel=0\nMaxConnections=4\n"),
		KEYS_FINE);
	ck_assert(p->header_digest && p->data_digest);
	ck_assert(!p->initial_r2t && !p->immediate_data);
	ck_assert(p->data_pdu_in_order && p->data_sequence_in_order);
	ck_assert_uint_eq(p->max_connections, 1);
	ck_assert_uint_eq(p->initiator_max_recv, 65536);
	ck_assert_uint_eq(p->target_max_recv, 8192);
	ck_assert_uint_eq(p->max_burst_length, 524288);
	ck_assert_uint_eq(p->first_burst_length, 8192);
	ck_assert_uint_eq(p->default_time2wait, 7);
	ck_assert_uint_eq(p->default_time2retain, 0);
	ck_assert_uint_eq(p->max_outstanding_r2t, 4);
	ck_assert_uint_eq(p->error_recovery_level, 0);
	ck_assert_uint_eq(p->protocol_level, 0);
	trial_free(trial);
}
END_TEST

/* [NEG-14, KEY-11] */
START_TEST(what_is_rejected_keeps_its_value)
{
	struct trial *trial = trial_new();
	struct iscsi_parameters before = trial->negotiation.parameters;

	ck_assert_int_eq(
		offer(trial, O,
			"HeaderDigest=CRC64\nDataDigest=\nInitialR2T=?\nImmediateData=?\n"
			"MaxRecvDataSegmentLength=16777216\nMaxBurstLength=0\nFirstBurstLength=1\n"
			"DefaultTime2Wait=9999\nDefaultTime2Retain=x\nMaxOutstandingR2T=0\n"
			"DataPDUInOrder=?\nDataSequenceInOrder=?\nErrorRecoveryLevel=?\n"
			"iSCSIProtocolLevel=?\nMaxConnections=0\nIFMarkInt=1\nRDMAExtensions=?\n"),
		KEYS_FINE);
	ck_assert_mem_eq(&before, &trial->negotiation.parameters, sizeof(before));
	trial_free(trial);
}
END_TEST

/* "Irrelevant when: SessionType=Discovery" */
START_TEST(discovery_has_irrelevant_keys)
{
	static const char *const irrelevant[] = { "MaxConnections=4", "InitialR2T=No",
		"ImmediateData=No", "MaxBurstLength=4096", "FirstBurstLength=4096",
		"MaxOutstandingR2T=4", "DataPDUInOrder=No", "DataSequenceInOrder=No",
		"TaskReporting=RFC3720", "iSCSIProtocolLevel=1", "RDMAExtensions=Yes" };
	struct trial *trial = trial_new();
	struct iscsi_parameters before = trial->negotiation.parameters;
	char text[128];

	trial->negotiation.discovery = true;
	for (size_t i = 0; i < sizeof(irrelevant) / sizeof(irrelevant[0]); i++) {
		snprintf(text, sizeof(text), "%s\n", irrelevant[i]);
		ck_assert_int_eq(offer(trial, O, text), KEYS_FINE);
		ck_assert_str_eq(strchr(trial->said, '='), "=Irrelevant\n");
	}
	ck_assert_mem_eq(&before, &trial->negotiation.parameters, sizeof(before));
	/* LNX-02: never for these. */
	ck_assert_int_eq(
		offer(trial, O,
			"HeaderDigest=CRC32C,None\nDataDigest=None\nErrorRecoveryLevel=0\n"
			"DefaultTime2Wait=2\nDefaultTime2Retain=0\nIFMarker=No\nOFMarker=No\n"),
		KEYS_FINE);
	ck_assert_str_eq(trial->said,
		"HeaderDigest=CRC32C\nDataDigest=None\nDefaultTime2Wait=2\nDefaultTime2Retain=0\n"
		"ErrorRecoveryLevel=0\nIFMarker=No\nOFMarker=No\n");
	trial_free(trial);
}
END_TEST

/* [NEG-18] */
START_TEST(a_later_connection_cannot_change_the_session)
{
	struct trial *trial = trial_new();
	struct iscsi_parameters before = trial->negotiation.parameters;

	trial->negotiation.leading = false;
	ck_assert_int_eq(
		offer(trial, O,
			"MaxConnections=1\nInitialR2T=No\nImmediateData=No\nMaxBurstLength=4096\n"
			"FirstBurstLength=4096\nDefaultTime2Wait=9\nDefaultTime2Retain=0\n"
			"MaxOutstandingR2T=4\nDataPDUInOrder=Yes\nDataSequenceInOrder=Yes\n"
			"ErrorRecoveryLevel=0\nTaskReporting=RFC3720\niSCSIProtocolLevel=0\n"),
		KEYS_FINE);
	ck_assert_str_eq(trial->said,
		"MaxConnections=Reject\nInitialR2T=Reject\nImmediateData=Reject\n"
		"MaxBurstLength=Reject\nFirstBurstLength=Reject\nDefaultTime2Wait=Reject\n"
		"DefaultTime2Retain=Reject\nMaxOutstandingR2T=Reject\nDataPDUInOrder=Reject\n"
		"DataSequenceInOrder=Reject\nErrorRecoveryLevel=Reject\nTaskReporting=Reject\n"
		"iSCSIProtocolLevel=Reject\n");
	ck_assert_mem_eq(&before, &trial->negotiation.parameters, sizeof(before));
	/* What belongs to the connection it may. */
	ck_assert_int_eq(
		offer(trial, O, "HeaderDigest=CRC32C\nMaxRecvDataSegmentLength=4096\n"), KEYS_FINE);
	ck_assert_str_eq(trial->said, "HeaderDigest=CRC32C\n");
	ck_assert_uint_eq(trial->negotiation.parameters.initiator_max_recv, 4096);
	trial_free(trial);
}
END_TEST

START_TEST(a_resumed_session_keeps_its_parameters)
{
	struct iscsi_parameters session, mine;

	iscsi_parameters_default(&session);
	session.max_burst_length = 4096;
	session.first_burst_length = 2048;
	session.initial_r2t = false;
	session.header_digest = true;
	session.initiator_max_recv = 512;
	session.target_max_recv = 513;
	iscsi_parameters_default(&mine);
	mine.data_digest = true;
	mine.initiator_max_recv = 16384;
	mine.target_max_recv = 262144;
	keys_resume(&mine, &session);
	ck_assert_uint_eq(mine.max_burst_length, 4096);
	ck_assert_uint_eq(mine.first_burst_length, 2048);
	ck_assert(!mine.initial_r2t);
	ck_assert(!mine.header_digest && mine.data_digest);
	ck_assert_uint_eq(mine.initiator_max_recv, 16384);
	ck_assert_uint_eq(mine.target_max_recv, 262144);
}
END_TEST

START_TEST(too_many_unknown_keys_fill_the_answer)
{
	struct trial *trial = trial_new();
	static char text[8001];

	trial->answer.limit = 1000;
	for (size_t i = 0; i < 2000; i++)
		memcpy(text + 4 * i, "Q=1", 4);
	keys_read(&trial->negotiation, O, (struct text_view){ .at = text, .length = 8000 },
		&trial->batch, &trial->answer);
	ck_assert(trial->answer.failed);
	ck_assert_uint_le(trial->answer.length, 1000);
	trial_free(trial);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keys results");
	TCase *tcase = tcase_create("all");

	tcase_add_rows(tcase, keys_that_depend_on_others_come_after_them, several_rows);
	tcase_add_test(tcase, integrity_is_judged_at_the_end);
	tcase_add_test(tcase, defaults_are_those_of_section_13);
	tcase_add_test(tcase, answers_become_the_parameters);
	tcase_add_test(tcase, what_is_rejected_keeps_its_value);
	tcase_add_test(tcase, discovery_has_irrelevant_keys);
	tcase_add_test(tcase, a_later_connection_cannot_change_the_session);
	tcase_add_test(tcase, a_resumed_session_keeps_its_parameters);
	tcase_add_test(tcase, too_many_unknown_keys_fill_the_answer);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
