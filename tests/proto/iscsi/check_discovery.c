/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto/iscsi/discovery.c as transcripts: SendTargets, long texts both ways, what may and may not be
 * negotiated in full feature phase. [TEXT-*, NEG-10, NEG-17, KEY-11, KEY-23]
 */
#include "tests/proto/iscsi/login_bench.h"

#include <stdio.h>
#include <string.h>

#define F   FINAL
#define C   CONTINUED
#define ALL "SendTargets=All\n"

#define PORTALS "TargetAddress=192.0.2.1:3260,1\nTargetAddress=192.0.2.2:3260,2\n"
#define OWN     "TargetName=" TARGET "\n" PORTALS
#define OTHER   "iqn.1997-05.com.amazon:volume-1"

static struct bench *bench;

static void setup(void)
{
	bench = bench_new();
}

static void teardown(void)
{
	bench_free(bench);
}

static void enter(const char *names, const char *keys)
{
	bench_enter(bench, names, keys);
	bench->request.itt = 0x1000;
}

static void assert_text(uint8_t flags, uint32_t ttt)
{
	const struct response *r = &bench->response;

	ck_assert(r->any);
	ck_assert_uint_eq(r->opcode, OP_TEXT_RESPONSE);
	ck_assert_uint_eq(r->flags, flags);
	ck_assert_uint_eq(r->itt, bench->request.itt);
	if (ttt)
		ck_assert_uint_eq(r->ttt, ttt);
	else
		ck_assert_uint_ne(r->ttt, RESERVED_TAG);
	ck_assert_uint_eq(bench->unread, 0);
}

/* A Reject with the bad header as its data, and no open negotiation after it unless `open`. */
static void assert_reject(enum iscsi_reject reason, bool open)
{
	const struct response *r = &bench->response;

	ck_assert(r->any);
	ck_assert_uint_eq(r->opcode, OP_REJECT);
	ck_assert_uint_eq(r->bhs[2], reason);
	ck_assert_uint_eq(r->itt, RESERVED_TAG);
	ck_assert_uint_eq(r->length, BHS_SIZE);
	ck_assert_uint_eq(bench->unread, 0);
	ck_assert(open == (bench->conn->text != NULL));
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
}

/* --- SendTargets --- */

static const struct ask_row {
	const char *names;
	const char *value;
	const char *asked; /* what the host is asked for; NULL: nothing, "*": all */
	const char *text;
} ask_rows[] = {
	/* Discovery [TEXT-01, TEXT-02, TEXT-04] */
	{ DISCOVERY, "All", "*", OWN "TargetName=" OTHER "\n" PORTALS },
	{ DISCOVERY, TARGET, TARGET, OWN },
	{ DISCOVERY, OTHER, OTHER, "TargetName=" OTHER "\n" PORTALS },
	{ DISCOVERY, "IQN.1997-05.com.AMAZON:myvolume", TARGET, OWN },
	{ DISCOVERY, "iqn.1997-05.com.amazon:unknown", "iqn.1997-05.com.amazon:unknown", "" },
	{ DISCOVERY, "all", "all", "" },
	{ DISCOVERY, "", NULL, "" },
	{ DISCOVERY "TargetName=" TARGET "\n", "", TARGET, OWN },
	{ DISCOVERY "TargetName=" TARGET "\n", "All", "*", OWN "TargetName=" OTHER "\n" PORTALS },
	/* Normal [TEXT-03] */
	{ NAMES, "", TARGET, OWN },
	{ NAMES, TARGET, TARGET, OWN },
	{ NAMES, "All", NULL, "SendTargets=Reject\n" },
	{ NAMES, OTHER, NULL, "" },
	{ NAMES, "iqn.1997-05.com.amazon:unknown", NULL, "" },
	{ NAMES, TARGET "x", NULL, "" },
	{ NAMES, "iqn.1997-05.com.amazon:myvolum", NULL, "" },
};

START_TEST(send_targets_tells_what_the_session_may_know)
{
	const struct ask_row *row = &ask_rows[_i];
	char text[512];

	bench->targets = 2;
	enter(row->names, "");
	snprintf(text, sizeof(text), "SendTargets=%s\n", row->value);
	bench_text(bench, F, RESERVED_TAG, text);
	assert_text(F, RESERVED_TAG);
	ck_assert_str_eq(bench->response.text, row->text);
	ck_assert_uint_eq(bench->discovers, row->asked ? 1 : 0);
	ck_assert_str_eq(bench->discovered, row->asked ? row->asked : "");
	ck_assert_ptr_null(bench->conn->text);
}
END_TEST

/* [TEXT-04] */
START_TEST(no_targets_is_an_empty_answer)
{
	bench->targets = 0;
	enter(DISCOVERY, "");
	bench_text(bench, F, RESERVED_TAG, ALL);
	assert_text(F, RESERVED_TAG);
	ck_assert_uint_eq(bench->response.length, 0);
}
END_TEST

START_TEST(names_longer_than_names_are_unknown)
{
	char text[512] = "SendTargets=";

	enter(DISCOVERY, "");
	memset(text + strlen(text), 'a', 224);
	bench_text(bench, F, RESERVED_TAG, text);
	assert_text(F, RESERVED_TAG);
	ck_assert_str_eq(bench->response.text, "");
	ck_assert_uint_eq(bench->discovers, 0);
}
END_TEST

/* Appendix C: alone. */
START_TEST(send_targets_stands_alone)
{
	static const char *const texts[] = { ALL "MaxRecvDataSegmentLength=4096\n",
		"InitiatorAlias=me\n" ALL, ALL "X-a=1\n", ALL ALL, ALL "SendTargets=\n" };

	enter(DISCOVERY, "");
	bench_text(bench, F, RESERVED_TAG, texts[_i]);
	assert_reject(REJECT_PROTOCOL, false);
	ck_assert_uint_eq(bench->discovers, 0);
	ck_assert_uint_eq(bench->conn->parameters.initiator_max_recv, 8192);
	/* The session goes on. */
	bench_text(bench, F, RESERVED_TAG, ALL);
	assert_text(F, RESERVED_TAG);
	ck_assert_str_eq(bench->response.text, OWN);
}
END_TEST

/* [TEXT-12, SEQ-08] */
START_TEST(numbers_go_on)
{
	enter(DISCOVERY, "");
	uint32_t stat_sn = bench->response.stat_sn;
	for (uint32_t i = 1; i < 5; i++) {
		bench_text(bench, F, RESERVED_TAG, i % 2 ? ALL : "MaxBurstLength=512\n");
		ck_assert_uint_eq(bench->response.stat_sn, stat_sn + i);
	}
}
END_TEST

/* --- long answers --- */

/* [TEXT-06, LNX-04] 500 targets in pieces of these sizes: whole pairs, complete, in order. */
static const unsigned piece_sizes[] = { 512, 513, 1000, 8192, 32768, 16777215 };

START_TEST(long_answers_come_in_pieces)
{
	unsigned most = piece_sizes[_i] < 8192 ? piece_sizes[_i] : 8192, pieces = 0, names = 0;
	char keys[64], *all = calloc(1, 1 << 20);
	uint32_t ttt = RESERVED_TAG;

	bench->targets = 500;
	snprintf(keys, sizeof(keys), "MaxRecvDataSegmentLength=%u\n", piece_sizes[_i]);
	enter(DISCOVERY, keys);
	bench->request.lun = 0x0001000000000000;
	for (;;) {
		bench_text(bench, F, ttt, pieces ? "" : ALL);
		const struct response *r = &bench->response;
		ck_assert_uint_le(r->length, most);
		ck_assert_uint_gt(r->length, 0);
		ck_assert_int_eq(r->text[r->length - 1], '\n');
		memcpy(all + strlen(all), r->text, r->length + 1);
		pieces++;
		if (r->flags & F)
			break;
		assert_text(0, 0);
		ck_assert_uint_eq(r->lun, bench->request.lun);
		if (pieces > 1)
			ck_assert_uint_eq(r->ttt, ttt);
		ttt = r->ttt;
	}
	assert_text(F, RESERVED_TAG);
	ck_assert_ptr_null(bench->conn->text);
	ck_assert_uint_ge(pieces, strlen(all) / most);
	for (const char *at = all; (at = strstr(at, "TargetName=")); at++)
		names++;
	ck_assert_uint_eq(names, 500);
	ck_assert_uint_eq(bench->discovers, 1);
	ck_assert_ptr_eq(strstr(all, OWN), all);
	ck_assert_ptr_nonnull(
		strstr(all, "TargetName=iqn.1997-05.com.amazon:volume-499\n" PORTALS));
	free(all);
}
END_TEST

static uint32_t begin_long(void)
{
	bench->targets = 500;
	enter(DISCOVERY, "");
	bench_text(bench, F, RESERVED_TAG, ALL);
	assert_text(0, 0);
	return bench->response.ttt;
}

/* [TEXT-07] The last piece is not the end while the initiator does not say so. */
START_TEST(the_initiator_ends_a_negotiation)
{
	uint32_t ttt;

	enter(DISCOVERY, "");
	bench_text(bench, 0, RESERVED_TAG, ALL);
	assert_text(0, 0);
	ck_assert_str_eq(bench->response.text, OWN);
	ttt = bench->response.ttt;
	bench_text(bench, 0, ttt, "");
	assert_text(0, 0);
	ck_assert_uint_eq(bench->response.length, 0);
	bench_text(bench, F, ttt, "");
	assert_text(F, RESERVED_TAG);
	ck_assert_uint_eq(bench->response.length, 0);
	ck_assert_ptr_null(bench->conn->text);
}
END_TEST

/* [TEXT-08] */
START_TEST(a_new_request_begins_anew)
{
	begin_long();
	bench->targets = 1;
	bench_text(bench, F, RESERVED_TAG, ALL);
	assert_text(F, RESERVED_TAG);
	ck_assert_str_eq(bench->response.text, OWN);
	ck_assert_ptr_null(bench->conn->text);
}
END_TEST

/* [TEXT-08] */
START_TEST(stale_tags_are_rejected)
{
	uint32_t ttt;

	enter(DISCOVERY, "");
	bench_text(bench, F, 0, "");
	assert_reject(REJECT_INVALID_FIELD, false);
	bench_reconnect(bench);
	ttt = begin_long();
	bench_text(bench, F, ttt + 1, "");
	assert_reject(REJECT_INVALID_FIELD, true);
	/* The open one was not touched by it; it can end. */
	do
		bench_text(bench, F, ttt, "");
	while (!(bench->response.flags & F));
	bench_text(bench, F, ttt, "");
	assert_reject(REJECT_INVALID_FIELD, false);
	/* The next one has another tag. */
	bench_text(bench, F, RESERVED_TAG, ALL);
	assert_text(0, 0);
	ck_assert_uint_ne(bench->response.ttt, ttt);
	/* Another task may not use it. */
	ttt = bench->response.ttt;
	bench->request.itt++;
	bench_text(bench, F, ttt, "");
	assert_reject(REJECT_INVALID_FIELD, true);
}
END_TEST

/* [TEXT-09] */
START_TEST(one_negotiation_at_a_time)
{
	uint32_t ttt = begin_long();

	bench->request.itt++;
	bench_text(bench, F, RESERVED_TAG, ALL);
	assert_reject(REJECT_PROTOCOL, true);
	bench->request.itt--;
	bench_text(bench, F, ttt, "");
	assert_text(0, ttt);
}
END_TEST

START_TEST(an_answer_must_be_heard_out)
{
	uint32_t ttt = begin_long();

	bench_text(bench, _i ? C : F, ttt, _i ? "" : ALL);
	assert_reject(REJECT_PROTOCOL, false);
}
END_TEST

/* A list that is longer than 1 MiB does not fit into our memory: Reject, and the session goes on. */
START_TEST(a_list_without_end_is_rejected)
{
	bench->targets = 12000;
	enter(DISCOVERY, "");
	bench_text(bench, F, RESERVED_TAG, ALL);
	assert_reject(REJECT_OUT_OF_RESOURCES, false);
	bench_text(bench, F, RESERVED_TAG, "SendTargets=" TARGET "\n");
	assert_text(F, RESERVED_TAG);
}
END_TEST

/* --- long requests --- */

START_TEST(a_request_may_be_cut_anywhere)
{
	char first[sizeof(ALL)];
	uint32_t ttt;

	enter(DISCOVERY, "");
	memcpy(first, ALL, sizeof(ALL));
	first[_i] = '\0';
	bench_text(bench, C, RESERVED_TAG, first);
	assert_text(0, 0);
	ck_assert_uint_eq(bench->response.length, 0);
	ttt = bench->response.ttt;
	bench_text(bench, F, ttt, ALL + _i);
	assert_text(F, RESERVED_TAG);
	ck_assert_str_eq(bench->response.text, OWN);
}
END_TEST

START_TEST(a_request_has_a_limit)
{
	char *text = calloc(1, 8193);
	uint32_t ttt = RESERVED_TAG;

	enter(DISCOVERY, "");
	memset(text, 'a', 8192);
	for (unsigned i = 0; i < 8; i++) {
		bench_text(bench, C, ttt, text);
		assert_text(0, 0);
		ttt = bench->response.ttt;
	}
	bench_text(bench, C, ttt, "a");
	assert_reject(REJECT_OUT_OF_RESOURCES, false);
	free(text);
}
END_TEST

START_TEST(more_and_last_contradict)
{
	enter(DISCOVERY, "");
	bench_text(bench, C | F, RESERVED_TAG, ALL);
	assert_reject(REJECT_PROTOCOL, false);
}
END_TEST

START_TEST(the_reserved_task_tag_is_no_tag)
{
	enter(DISCOVERY, "");
	bench->request.itt = RESERVED_TAG;
	bench_text(bench, F, RESERVED_TAG, ALL);
	assert_reject(REJECT_PROTOCOL, false);
}
END_TEST

/* --- keys --- */

/* [NEG-07, NEG-09, NEG-10, NEG-11, NEG-17, LOGIN-03] */
static const struct key_row {
	const char *text;
	const char *answer; /* NULL: Reject, Protocol Error */
} key_rows[] = {
	{ "", "" },
	{ "MaxRecvDataSegmentLength=4096\n", "" },
	{ "MaxRecvDataSegmentLength=511\n", "" },
	{ "InitiatorAlias=me\n", "" },
	{ "X-com.test.a=1\n", "X-com.test.a=NotUnderstood\n" },
	{ "X-a=1\nX-b=2\n", "X-a=NotUnderstood\nX-b=NotUnderstood\n" },
	{ "TargetAlias=NotUnderstood\n", "" },
	{ "MaxRecvDataSegmentLength=4096\nMaxRecvDataSegmentLength=4096\n", NULL },
	{ "MaxRecvDataSegmentLength=Reject\n", NULL },
	{ "MaxBurstLength=512\n", NULL },
	{ "FirstBurstLength=512\n", NULL },
	{ "HeaderDigest=None\n", NULL },
	{ "DataDigest=CRC32C\n", NULL },
	{ "InitialR2T=No\n", NULL },
	{ "ImmediateData=No\n", NULL },
	{ "MaxConnections=1\n", NULL },
	{ "MaxOutstandingR2T=1\n", NULL },
	{ "ErrorRecoveryLevel=0\n", NULL },
	{ "DefaultTime2Wait=0\n", NULL },
	{ "TaskReporting=FastAbort\n", NULL },
	{ "iSCSIProtocolLevel=2\n", NULL },
	{ "IFMarker=No\n", NULL },
	{ "InitiatorName=" STRANGER "\n", NULL },
	{ "TargetName=" TARGET "\n", NULL },
	{ "SessionType=Discovery\n", NULL },
	{ "AuthMethod=None\n", NULL },
	{ "CHAP_N=x\n", NULL },
	{ "garbage\n", NULL },
	{ "=\n", NULL },
	{ "lower=1\n", NULL },
};

START_TEST(few_keys_may_change)
{
	const struct key_row *row = &key_rows[_i];

	enter(NAMES, "MaxBurstLength=8192\n");
	struct iscsi_parameters before = bench->conn->parameters;
	bench_text(bench, F, RESERVED_TAG, row->text);
	if (!row->answer) {
		assert_reject(REJECT_PROTOCOL, false);
		ck_assert_mem_eq(&before, &bench->conn->parameters, sizeof(before));
		return;
	}
	assert_text(F, RESERVED_TAG);
	ck_assert_str_eq(bench->response.text, row->answer);
}
END_TEST

/* [KEY-11] At the end of the negotiation, not before. */
START_TEST(the_segment_length_may_change)
{
	const struct iscsi_parameters *parameters = &bench->conn->parameters;
	uint32_t ttt;

	enter(NAMES, "MaxRecvDataSegmentLength=65536\n");
	ck_assert_uint_eq(parameters->initiator_max_recv, 65536);
	bench_text(bench, 0, RESERVED_TAG, "MaxRecvDataSegmentLength=512\n");
	assert_text(0, 0);
	ck_assert_uint_eq(parameters->initiator_max_recv, 65536);
	ttt = bench->response.ttt;
	/* It may come only once, in however many requests. */
	bench_text(bench, F, ttt, _i ? "MaxRecvDataSegmentLength=1024\n" : "");
	if (_i) {
		assert_reject(REJECT_PROTOCOL, false);
		ck_assert_uint_eq(parameters->initiator_max_recv, 65536);
		return;
	}
	assert_text(F, RESERVED_TAG);
	ck_assert_uint_eq(parameters->initiator_max_recv, 512);
	/* And once more in the next negotiation. */
	bench_text(bench, F, RESERVED_TAG, "MaxRecvDataSegmentLength=1024\n");
	ck_assert_uint_eq(parameters->initiator_max_recv, 1024);
}
END_TEST

/* Unknown keys are long to answer: the answer is cut between pairs, or within one with the C bit. */
START_TEST(long_answers_to_unknown_keys)
{
	char text[8000] = "";
	unsigned keys = 0, seen = 0;
	uint32_t ttt = RESERVED_TAG;

	enter(NAMES, "MaxRecvDataSegmentLength=512\n");
	while (strlen(text) < 7900)
		snprintf(text + strlen(text), 16, "X-%04u=\n", keys++);
	bench_text(bench, F, ttt, text);
	for (;;) {
		ck_assert_uint_le(bench->response.length, 512);
		seen += count_keys(&bench->response);
		if (bench->response.flags & F)
			break;
		ttt = bench->response.ttt;
		bench_text(bench, F, ttt, "");
	}
	ck_assert_uint_eq(seen, keys);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("discovery");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_rows(tcase, send_targets_tells_what_the_session_may_know, ask_rows);
	tcase_add_test(tcase, no_targets_is_an_empty_answer);
	tcase_add_test(tcase, names_longer_than_names_are_unknown);
	tcase_add_loop_test(tcase, send_targets_stands_alone, 0, 5);
	tcase_add_test(tcase, numbers_go_on);
	tcase_add_rows(tcase, long_answers_come_in_pieces, piece_sizes);
	tcase_add_test(tcase, the_initiator_ends_a_negotiation);
	tcase_add_test(tcase, a_new_request_begins_anew);
	tcase_add_test(tcase, stale_tags_are_rejected);
	tcase_add_test(tcase, one_negotiation_at_a_time);
	tcase_add_loop_test(tcase, an_answer_must_be_heard_out, 0, 2);
	tcase_add_test(tcase, a_list_without_end_is_rejected);
	tcase_add_loop_test(tcase, a_request_may_be_cut_anywhere, 0, sizeof(ALL) - 1);
	tcase_add_test(tcase, a_request_has_a_limit);
	tcase_add_test(tcase, more_and_last_contradict);
	tcase_add_test(tcase, the_reserved_task_tag_is_no_tag);
	tcase_add_rows(tcase, few_keys_may_change, key_rows);
	tcase_add_loop_test(tcase, the_segment_length_may_change, 0, 2);
	tcase_add_test(tcase, long_answers_to_unknown_keys);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
