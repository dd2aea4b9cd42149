/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto/iscsi/keys.c: each key below, inside and above its range, in each stage, and the rules that
 * hold for all keys. [KEY-*, NEG-01..14]
 */
#include "tests/proto/iscsi/keys_trial.h"

#include <stdio.h>

/* --- one offer, one answer --- */

static const struct offer_row {
	const char *offer;
	const char *answer;
} offer_rows[] = {
	/* KEY-01, NEG-12 */
	{ "HeaderDigest=None", "None" },
	{ "HeaderDigest=CRC32C", "CRC32C" },
	{ "HeaderDigest=CRC32C,None", "CRC32C" },
	{ "HeaderDigest=None,CRC32C", "None" },
	{ "HeaderDigest=X-foo,CRC32C,None", "CRC32C" },
	{ "HeaderDigest=X-foo,None", "None" },
	{ "HeaderDigest=CRC64", "Reject" },
	{ "HeaderDigest=crc32c", "Reject" },
	{ "HeaderDigest=", "Reject" },
	{ "HeaderDigest=CRC32", "Reject" },
	{ "HeaderDigest=CRC32CC", "Reject" },
	{ "DataDigest=None", "None" },
	{ "DataDigest=CRC32C,None", "CRC32C" },
	{ "DataDigest=CRC64", "Reject" },
	/* KEY-02 */
	{ "MaxConnections=0", "Reject" },
	{ "MaxConnections=1", "1" },
	{ "MaxConnections=8", "1" },
	{ "MaxConnections=65535", "1" },
	{ "MaxConnections=65536", "1" },
	{ "MaxConnections=-1", "Reject" },
	/* KEY-09, KEY-10, NEG-13: always an answer */
	{ "InitialR2T=Yes", "Yes" },
	{ "InitialR2T=No", "No" },
	{ "InitialR2T=yes", "Reject" },
	{ "InitialR2T=Maybe", "Reject" },
	{ "ImmediateData=Yes", "Yes" },
	{ "ImmediateData=No", "No" },
	{ "ImmediateData=1", "Reject" },
	/* KEY-11: declared, so never answered */
	{ "MaxRecvDataSegmentLength=511", NULL },
	{ "MaxRecvDataSegmentLength=512", NULL },
	{ "MaxRecvDataSegmentLength=16777215", NULL },
	{ "MaxRecvDataSegmentLength=16777216", NULL },
	{ "MaxRecvDataSegmentLength=many", NULL },
	/* KEY-12, NEG-06, NEG-14 */
	{ "MaxBurstLength=0", "Reject" },
	{ "MaxBurstLength=511", "Reject" },
	{ "MaxBurstLength=512", "512" },
	{ "MaxBurstLength=262144", "262144" },
	{ "MaxBurstLength=0x40000", "262144" },
	{ "MaxBurstLength=0X40000", "262144" },
	{ "MaxBurstLength=1048576", "1048576" },
	{ "MaxBurstLength=1048577", "1048576" },
	{ "MaxBurstLength=16776192", "1048576" },
	{ "MaxBurstLength=16777215", "1048576" },
	{ "MaxBurstLength=16777216", "1048576" },
	{ "MaxBurstLength=4294967296", "1048576" },
	{ "MaxBurstLength=4294967808", "1048576" },
	{ "MaxBurstLength=18446744073709551615", "1048576" },
	{ "MaxBurstLength=18446744073709551616", "Reject" },
	{ "MaxBurstLength=0262144", "Reject" },
	{ "MaxBurstLength= 262144", "Reject" },
	{ "MaxBurstLength=262144 ", "Reject" },
	{ "MaxBurstLength=+262144", "Reject" },
	{ "MaxBurstLength=", "Reject" },
	{ "MaxBurstLength=Yes", "Reject" },
	{ "MaxBurstLength=4096~8192", "8192" },
	{ "MaxBurstLength=4096~2097152", "1048576" },
	{ "MaxBurstLength=0~511", "Reject" },
	{ "MaxBurstLength=0~512", "512" },
	{ "MaxBurstLength=1048577~2097152", "Reject" },
	{ "MaxBurstLength=8192~4096", "Reject" },
	/* KEY-13 */
	{ "FirstBurstLength=511", "Reject" },
	{ "FirstBurstLength=512", "512" },
	{ "FirstBurstLength=65536", "65536" },
	{ "FirstBurstLength=262144", "65536" },
	{ "FirstBurstLength=16777216", "65536" },
	/* KEY-14: the larger one, so never below the offer */
	{ "DefaultTime2Wait=0", "0" },
	{ "DefaultTime2Wait=2", "2" },
	{ "DefaultTime2Wait=3600", "3600" },
	{ "DefaultTime2Wait=3601", "Reject" },
	{ "DefaultTime2Wait=5~9", "5" },
	{ "DefaultTime2Wait=3600~5000", "3600" },
	{ "DefaultTime2Wait=3601~5000", "Reject" },
	/* KEY-15: we keep nothing */
	{ "DefaultTime2Retain=0", "0" },
	{ "DefaultTime2Retain=20", "0" },
	{ "DefaultTime2Retain=3600", "0" },
	{ "DefaultTime2Retain=3601", "0" },
	{ "DefaultTime2Retain=1~20", "Reject" },
	/* KEY-16 */
	{ "MaxOutstandingR2T=0", "Reject" },
	{ "MaxOutstandingR2T=1", "1" },
	{ "MaxOutstandingR2T=16", "16" },
	{ "MaxOutstandingR2T=17", "16" },
	{ "MaxOutstandingR2T=65535", "16" },
	/* KEY-17: never No */
	{ "DataPDUInOrder=Yes", "Yes" },
	{ "DataPDUInOrder=No", "Yes" },
	{ "DataSequenceInOrder=Yes", "Yes" },
	{ "DataSequenceInOrder=No", "Yes" },
	{ "DataSequenceInOrder=Perhaps", "Reject" },
	/* KEY-18 */
	{ "ErrorRecoveryLevel=0", "0" },
	{ "ErrorRecoveryLevel=1", "0" },
	{ "ErrorRecoveryLevel=2", "0" },
	{ "ErrorRecoveryLevel=3", "0" },
	{ "ErrorRecoveryLevel=x", "Reject" },
	/* KEY-19 */
	{ "TaskReporting=RFC3720", "RFC3720" },
	{ "TaskReporting=ResponseFence,RFC3720", "RFC3720" },
	{ "TaskReporting=FastAbort,ResponseFence,RFC3720", "RFC3720" },
	{ "TaskReporting=FastAbort", "Reject" },
	/* KEY-20 */
	{ "iSCSIProtocolLevel=0", "0" },
	{ "iSCSIProtocolLevel=1", "1" },
	{ "iSCSIProtocolLevel=2", "1" },
	{ "iSCSIProtocolLevel=31", "1" },
	{ "iSCSIProtocolLevel=32", "1" },
	/* KEY-21, KEY-22, KEY-25 */
	{ "IFMarker=No", "No" },
	{ "IFMarker=Yes", "No" },
	{ "OFMarker=No", "No" },
	{ "OFMarker=Yes", "No" },
	{ "IFMarkInt=2048", "Reject" },
	{ "IFMarkInt=1~65535", "Reject" },
	{ "OFMarkInt=2048", "Reject" },
	{ "RDMAExtensions=Yes", "No" },
	{ "RDMAExtensions=No", "No" },
	/* NEG-08: declared, in silence */
	{ "X#NodeArchitecture=ExampleOS/v1234,CPU/i686", NULL },
	{ "InitiatorAlias=Web Server 4", NULL },
	/* NEG-01, NEG-07 */
	{ "headerdigest=None", "" },
	{ "HEADERDIGEST=None", "NotUnderstood" },
	{ "MaxBurstLengths=1", "NotUnderstood" },
	{ "MaxBurstLengt=1", "NotUnderstood" },
	{ "X-com.test.a=1", "NotUnderstood" },
	{ "X#Other=1", "NotUnderstood" },
	{ "Z=", "NotUnderstood" },
};

START_TEST(each_offer_has_its_answer)
{
	const struct offer_row *row = &offer_rows[_i];
	struct trial *trial = trial_new();
	char offered[128], expected[128] = "";

	snprintf(offered, sizeof(offered), "%s\n", row->offer);
	enum key_fault fault = offer(trial, KEY_STAGE_OPERATIONAL, offered);
	if (row->answer && !row->answer[0]) {
		/* No capital letter: not even a key. */
		ck_assert_int_eq(fault, KEYS_MALFORMED);
	} else {
		ck_assert_msg(fault == KEYS_FINE, "%s: %s", row->offer, key_fault_text(fault));
		if (row->answer)
			snprintf(expected, sizeof(expected), "%.*s=%s\n",
				(int)strcspn(row->offer, "="), row->offer, row->answer);
		ck_assert_str_eq(trial->said, expected);
	}
	trial_free(trial);
}
END_TEST

/* A key name is compared whole: the same row without its last letter is another key. */
START_TEST(each_name_is_compared_whole)
{
	struct trial *trial = trial_new();
	char text[128];

	for (int id = 0; id < KEY_COUNT; id++) {
		const char *name = key_name((enum key_id)id);

		if (name[0] < 'A' || name[0] > 'Z')
			continue; /* iSCSIProtocolLevel's neighbours are no labels */
		snprintf(text, sizeof(text), "%sX=1\n", name);
		ck_assert_int_eq(offer(trial, KEY_STAGE_OPERATIONAL, text), KEYS_FINE);
		ck_assert_ptr_nonnull(strstr(trial->said, "X=NotUnderstood\n"));
	}
	trial_free(trial);
}
END_TEST

/* --- stages [NEG-11, NEG-17, KEY-23] --- */

#define S KEY_STAGE_SECURITY
#define O KEY_STAGE_OPERATIONAL
#define F KEY_STAGE_FULL

static const struct stage_row {
	const char *key;
	unsigned stages; /* where an initiator may send it */
} stage_rows[] = {
	{ "InitiatorName", S | O },
	{ "TargetName", S | O },
	{ "SessionType", S | O },
	{ "InitiatorAlias", S | O | F },
	{ "TargetAlias", 0 },
	{ "TargetAddress", 0 },
	{ "TargetPortalGroupTag", 0 },
	{ "AuthMethod", S },
	{ "CHAP_A", S },
	{ "CHAP_I", S },
	{ "CHAP_C", S },
	{ "CHAP_N", S },
	{ "CHAP_R", S },
	{ "HeaderDigest", O },
	{ "DataDigest", O },
	{ "MaxConnections", O },
	{ "InitialR2T", O },
	{ "ImmediateData", O },
	{ "MaxRecvDataSegmentLength", O | F },
	{ "MaxBurstLength", O },
	{ "FirstBurstLength", O },
	{ "DefaultTime2Wait", O },
	{ "DefaultTime2Retain", O },
	{ "MaxOutstandingR2T", O },
	{ "DataPDUInOrder", O },
	{ "DataSequenceInOrder", O },
	{ "ErrorRecoveryLevel", O },
	{ "TaskReporting", O },
	{ "iSCSIProtocolLevel", O },
	{ "RDMAExtensions", O },
	{ "IFMarker", O },
	{ "OFMarker", O },
	{ "IFMarkInt", O },
	{ "OFMarkInt", O },
	{ "X#NodeArchitecture", O },
	{ "SendTargets", F },
	/* Keys of methods that were not chosen: known, and in no stage. */
	{ "KRB_AP_REQ", 0 },
	{ "KRB_AP_REP", 0 },
	{ "SRP_U", 0 },
	{ "SRP_GROUP", 0 },
	{ "SRP_A", 0 },
	{ "SRP_B", 0 },
	{ "SRP_M", 0 },
	{ "SRP_HM", 0 },
	{ "SRP_s", 0 },
	{ "SRP_N", 0 },
	{ "SRP_g", 0 },
	{ "TargetAuth", 0 },
};

START_TEST(each_key_has_its_stages)
{
	const struct stage_row *row = &stage_rows[_i];

	for (unsigned stage = S; stage <= F; stage <<= 1) {
		struct trial *trial = trial_new();
		char text[64];

		snprintf(text, sizeof(text), "%s=1\n", row->key);
		enum key_fault fault = offer(trial, (enum key_stage)stage, text);
		ck_assert_msg(fault == (row->stages & stage ? KEYS_FINE : KEYS_MISPLACED),
			"%s in stage %u: %s", row->key, stage, key_fault_text(fault));
		ck_assert_ptr_null(strstr(trial->said, "NotUnderstood"));
		trial_free(trial);
	}
}
END_TEST

START_TEST(the_table_of_stages_is_complete)
{
	ck_assert_uint_eq(sizeof(stage_rows) / sizeof(stage_rows[0]), KEY_COUNT);
}
END_TEST

/* --- what no key may say --- */

/* [NEG-09] */
START_TEST(an_answer_is_no_offer)
{
	static const char *const words[] = { "Reject", "Irrelevant", "NotUnderstood" };

	for (size_t i = 0; i < sizeof(stage_rows) / sizeof(stage_rows[0]); i++)
		for (size_t j = 0; j < 3; j++) {
			char text[128];

			if (!(stage_rows[i].stages & O))
				continue;
			struct trial *trial = trial_new();
			snprintf(text, sizeof(text), "%s=%s\n", stage_rows[i].key, words[j]);
			ck_assert_int_eq(offer(trial, O, text), KEYS_RESERVED);
			trial_free(trial);
		}
	struct trial *trial = trial_new();
	ck_assert_int_eq(offer(trial, O, "X-a=Reject\n"), KEYS_RESERVED);
	ck_assert_int_eq(offer(trial, O, "MaxBurstLength=reject\n"), KEYS_FINE);
	ck_assert_str_eq(trial->said, "MaxBurstLength=Reject\n");
	trial_free(trial);
}
END_TEST

/* An initiator need not know what we declare (section 6.2), but cannot declare it itself [KEY-06..08]. */
START_TEST(our_own_keys_can_only_be_not_understood)
{
	static const char *const names[] = { "TargetAlias", "TargetAddress",
		"TargetPortalGroupTag" };

	for (size_t i = 0; i < 3; i++) {
		struct trial *trial = trial_new();
		char text[128];

		snprintf(text, sizeof(text), "%s=NotUnderstood\n", names[i]);
		ck_assert_int_eq(offer(trial, S, text), KEYS_FINE);
		ck_assert_str_eq(trial->said, "");
		ck_assert_int_eq(offer(trial, S, text), KEYS_REPEATED);
		trial_free(trial);
		trial = trial_new();
		snprintf(text, sizeof(text), "%s=Irrelevant\n", names[i]);
		ck_assert_int_eq(offer(trial, S, text), KEYS_MISPLACED);
		trial_free(trial);
	}
}
END_TEST

/* [NEG-10] */
START_TEST(no_key_comes_twice)
{
	for (size_t i = 0; i < sizeof(stage_rows) / sizeof(stage_rows[0]); i++) {
		enum key_stage stage = stage_rows[i].stages & O ? O : S;
		char text[128];

		if (!(stage_rows[i].stages & stage))
			continue;
		struct trial *trial = trial_new();
		snprintf(text, sizeof(text), "%s=512\n%s=512\n", stage_rows[i].key,
			stage_rows[i].key);
		ck_assert_int_eq(offer(trial, stage, text), KEYS_REPEATED);
		trial_free(trial);
		/* In another text of the same stage. */
		trial = trial_new();
		snprintf(text, sizeof(text), "%s=512\n", stage_rows[i].key);
		ck_assert_int_eq(offer(trial, stage, text), KEYS_FINE);
		ck_assert_int_eq(offer(trial, stage, text), KEYS_REPEATED);
		/* In the next stage only the names, and they only once more. */
		bool any = (stage_rows[i].stages & (S | O)) == (S | O);
		keys_next_stage(&trial->negotiation);
		ck_assert_int_eq(offer(trial, stage, text), any ? KEYS_FINE : KEYS_REPEATED);
		ck_assert_int_eq(offer(trial, stage, text), KEYS_REPEATED);
		trial_free(trial);
	}
}
END_TEST

/* [NEG-02, NEG-03] */
static const struct broken_row {
	const char *text;
	enum key_fault fault;
} broken_rows[] = {
	{ "HeaderDigest\n", KEYS_MALFORMED },
	{ "=None\n", KEYS_MALFORMED },
	{ "a=1\n", KEYS_MALFORMED },
	{ "Has Space=1\n", KEYS_MALFORMED },
	{ "HeaderDigest=None\nbad=\n", KEYS_MALFORMED },
	{ "A23456789012345678901234567890123456789012345678901234567890123=1\n", KEYS_FINE },
	{ "A234567890123456789012345678901234567890123456789012345678901234=1\n", KEYS_MALFORMED },
	{ "\n\n\nHeaderDigest=None\n\n", KEYS_FINE },
	{ "HeaderDigest=None", KEYS_FINE },
	{ "", KEYS_FINE },
};

START_TEST(broken_text_is_no_text)
{
	struct trial *trial = trial_new();

	ck_assert_msg(offer(trial, O, broken_rows[_i].text) == broken_rows[_i].fault, "%s",
		broken_rows[_i].text);
	trial_free(trial);
}
END_TEST

/* [NEG-04] */
static const struct length_row {
	const char *key;
	enum key_stage stage;
	size_t most; /* bytes of its value */
} length_rows[] = {
	{ "InitiatorName", S, 223 },
	{ "TargetName", S, 223 },
	{ "InitiatorAlias", O, 255 },
	{ "SessionType", O, 255 },
	{ "CHAP_N", S, 255 },
	{ "CHAP_I", S, 255 },
	{ "CHAP_C", S, 4096 },
	{ "CHAP_R", S, 4096 },
	{ "X#NodeArchitecture", O, 255 },
	{ "SendTargets", F, 255 },
};

START_TEST(declared_values_have_a_longest)
{
	const struct length_row *row = &length_rows[_i];

	for (size_t more = 0; more < 2; more++) {
		struct trial *trial = trial_new();
		char text[5000];
		int at = snprintf(text, sizeof(text), "%s=", row->key);

		memset(text + at, 'a', row->most + more);
		memcpy(text + at + row->most + more, "\n", 2);
		ck_assert_int_eq(offer(trial, row->stage, text), more ? KEYS_TOO_LONG : KEYS_FINE);
		trial_free(trial);
	}
}
END_TEST

/* Lists are limited by the text alone, and what is not understood in them is passed over [NEG-04, NEG-12]. */
START_TEST(a_long_list_is_searched_to_its_end)
{
	struct trial *trial = trial_new();
	char text[8000] = "HeaderDigest=";

	while (strlen(text) < 7900)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "X-unknown,");
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "CRC32C\n");
	ck_assert_int_eq(offer(trial, O, text), KEYS_FINE);
	ck_assert_str_eq(trial->said, "HeaderDigest=CRC32C\n");
	trial_free(trial);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keys");
	TCase *tcase = tcase_create("all");

	tcase_add_rows(tcase, each_offer_has_its_answer, offer_rows);
	tcase_add_test(tcase, each_name_is_compared_whole);
	tcase_add_rows(tcase, each_key_has_its_stages, stage_rows);
	tcase_add_test(tcase, the_table_of_stages_is_complete);
	tcase_add_test(tcase, an_answer_is_no_offer);
	tcase_add_test(tcase, our_own_keys_can_only_be_not_understood);
	tcase_add_test(tcase, no_key_comes_twice);
	tcase_add_rows(tcase, broken_text_is_no_text, broken_rows);
	tcase_add_rows(tcase, declared_values_have_a_longest, length_rows);
	tcase_add_test(tcase, a_long_list_is_searched_to_its_end);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
