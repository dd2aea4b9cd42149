/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The logins of real initiators, key by key as they send them: open-iscsi, libiscsi (QEMU), Windows,
 * iPXE, FreeBSD. What each of them cannot bear in an answer is checked. [LNX-*, LIBI-*, WIN-*, PXE-*]
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

/* One request, and the whole text of the response to it ('$' = our challenge, anything). */
struct round {
	uint8_t flags;
	const char *text; /* '$' = CHAP_N and CHAP_R to the last challenge */
	uint8_t answer_flags;
	const char
		*answer; /* '$' = the three keys of a challenge; NULL = mutual CHAP_N and CHAP_R */
};

struct peer {
	const char *name;
	bool chap;
	unsigned algorithm;
	struct round rounds[6];
};

#define TPGT  "TargetPortalGroupTag=1\n"
#define MRDSL "MaxRecvDataSegmentLength=262144\n"

/* --- open-iscsi [LNX-01, LNX-02, LNX-03] --- */

#define OPEN_ISCSI_OPERATIONAL                                                                     \
	"HeaderDigest=None\nDataDigest=None\nDefaultTime2Wait=2\nDefaultTime2Retain=0\n"           \
	"IFMarker=No\nOFMarker=No\nErrorRecoveryLevel=0\nInitialR2T=No\nImmediateData=Yes\n"       \
	"MaxBurstLength=16776192\nFirstBurstLength=262144\nMaxOutstandingR2T=1\nMaxConnections="   \
	"1\n"                                                                                      \
	"DataPDUInOrder=Yes\nDataSequenceInOrder=Yes\nMaxRecvDataSegmentLength=262144\n"
#define OPEN_ISCSI_ANSWER                                                                          \
	"HeaderDigest=None\nDataDigest=None\nMaxConnections=1\nInitialR2T=No\nImmediateData=Yes\n" \
	"MaxBurstLength=1048576\nFirstBurstLength=65536\nDefaultTime2Wait=2\nDefaultTime2Retain="  \
	"0\n"                                                                                      \
	"MaxOutstandingR2T=1\nDataPDUInOrder=Yes\nDataSequenceInOrder=Yes\nErrorRecoveryLevel=0\n" \
	"IFMarker=No\nOFMarker=No\n" MRDSL
#define OPEN_ISCSI_NAMES                                                                           \
	"InitiatorName=" INITIATOR "\nInitiatorAlias=host\nTargetName=" TARGET                     \
	"\nSessionType=Normal\n"

/* --- libiscsi, QEMU [LIBI-01, LIBI-03]: the names come in both stages --- */

#define LIBISCSI_NAMES                                                                             \
	"InitiatorName=" INITIATOR "\nInitiatorAlias=vm\nTargetName=" TARGET                       \
	"\nSessionType=Normal\n"
#define LIBISCSI_OPERATIONAL                                                                       \
	"HeaderDigest=None,CRC32C\nDataDigest=None\nInitialR2T=No\nImmediateData=Yes\n"            \
	"MaxBurstLength=262144\nFirstBurstLength=262144\nDefaultTime2Wait=2\nDefaultTime2Retain="  \
	"0\n"                                                                                      \
	"MaxOutstandingR2T=1\nErrorRecoveryLevel=0\nIFMarker=No\nOFMarker=No\nMaxConnections=1\n"  \
	"MaxRecvDataSegmentLength=262144\nDataPDUInOrder=Yes\nDataSequenceInOrder=Yes\n"
#define LIBISCSI_ANSWER                                                                            \
	"HeaderDigest=None\nDataDigest=None\nMaxConnections=1\nInitialR2T=No\nImmediateData=Yes\n" \
	"MaxBurstLength=262144\nFirstBurstLength=65536\nDefaultTime2Wait=2\nDefaultTime2Retain="   \
	"0\n"                                                                                      \
	"MaxOutstandingR2T=1\nDataPDUInOrder=Yes\nDataSequenceInOrder=Yes\nErrorRecoveryLevel=0\n" \
	"IFMarker=No\nOFMarker=No\n" MRDSL

/* --- Windows [WIN-01] --- */

#define WINDOWS_NAMES "InitiatorName=" INITIATOR "\nSessionType=Normal\nTargetName=" TARGET "\n"
#define WINDOWS_OPERATIONAL                                                                        \
	"HeaderDigest=None,CRC32C\nDataDigest=None,CRC32C\nErrorRecoveryLevel=2\nInitialR2T=No\n"  \
	"ImmediateData=Yes\nMaxRecvDataSegmentLength=65536\nMaxBurstLength=262144\n"               \
	"FirstBurstLength=65536\nMaxConnections=1\nDataPDUInOrder=Yes\nDataSequenceInOrder=Yes\n"  \
	"DefaultTime2Wait=0\nDefaultTime2Retain=60\nMaxOutstandingR2T=16\n"
#define WINDOWS_ANSWER                                                                             \
	"HeaderDigest=None\nDataDigest=None\nMaxConnections=1\nInitialR2T=No\nImmediateData=Yes\n" \
	"MaxBurstLength=262144\nFirstBurstLength=65536\nDefaultTime2Wait=0\nDefaultTime2Retain="   \
	"0\n"                                                                                      \
	"MaxOutstandingR2T=16\nDataPDUInOrder=Yes\nDataSequenceInOrder=Yes\nErrorRecoveryLevel="   \
	"0\n" MRDSL

/* --- iPXE [PXE-01, PXE-02]: T in each request, few keys --- */

#define IPXE_NAMES "InitiatorName=" INITIATOR "\nTargetName=" TARGET "\nSessionType=Normal\n"
#define IPXE_OPERATIONAL                                                                           \
	"HeaderDigest=None\nDataDigest=None\nInitialR2T=Yes\nMaxRecvDataSegmentLength=8192\n"      \
	"MaxBurstLength=262144\nDefaultTime2Wait=0\nDefaultTime2Retain=0\nMaxOutstandingR2T=1\n"   \
	"DataPDUInOrder=Yes\nDataSequenceInOrder=Yes\nErrorRecoveryLevel=0\n"
#define IPXE_ANSWER                                                                                \
	"HeaderDigest=None\nDataDigest=None\nInitialR2T=Yes\nMaxBurstLength=262144\n"              \
	"DefaultTime2Wait=0\nDefaultTime2Retain=0\nMaxOutstandingR2T=1\nDataPDUInOrder=Yes\n"      \
	"DataSequenceInOrder=Yes\nErrorRecoveryLevel=0\n" MRDSL

/* --- FreeBSD --- */

#define FREEBSD_OPERATIONAL                                                                        \
	"HeaderDigest=None\nDataDigest=None\nImmediateData=Yes\nMaxBurstLength=262144\n"           \
	"FirstBurstLength=65536\nInitialR2T=Yes\nMaxOutstandingR2T=1\n"                            \
	"MaxRecvDataSegmentLength=262144\nDefaultTime2Wait=0\nDefaultTime2Retain=0\n"              \
	"ErrorRecoveryLevel=0\niSCSIProtocolLevel=2\n"
#define FREEBSD_ANSWER                                                                             \
	"HeaderDigest=None\nDataDigest=None\nInitialR2T=Yes\nImmediateData=Yes\n"                  \
	"MaxBurstLength=262144\nFirstBurstLength=65536\nDefaultTime2Wait=0\nDefaultTime2Retain="   \
	"0\n"                                                                                      \
	"MaxOutstandingR2T=1\nErrorRecoveryLevel=0\niSCSIProtocolLevel=1\n" MRDSL

#define MUTUAL "CHAP_I=83\nCHAP_C=0x0123456789ABCDEF0123456789abcdef\n"

static const struct peer peers[] = {
	{ "open-iscsi", false, 0,
		{ { 0x81, OPEN_ISCSI_NAMES "AuthMethod=None\n", 0x81, TPGT "AuthMethod=None\n" },
			{ 0x87, OPEN_ISCSI_OPERATIONAL, 0x87, OPEN_ISCSI_ANSWER } } },
	{ "open-iscsi, CHAP", true, CHAP_SHA3_256,
		{ { 0x00, OPEN_ISCSI_NAMES "AuthMethod=CHAP,None\n", 0x00,
			  TPGT "AuthMethod=CHAP\n" },
			{ 0x00, "CHAP_A=8,7,6,5\n", 0x00, "$" }, { 0x81, "$", 0x81, "" },
			{ 0x87, OPEN_ISCSI_OPERATIONAL, 0x87, OPEN_ISCSI_ANSWER } } },
	{ "open-iscsi, mutual CHAP", true, CHAP_MD5,
		{ { 0x00, OPEN_ISCSI_NAMES "AuthMethod=CHAP\n", 0x00, TPGT "AuthMethod=CHAP\n" },
			{ 0x00, "CHAP_A=5\n", 0x00, "$" }, { 0x81, "$" MUTUAL, 0x81, NULL },
			{ 0x87, OPEN_ISCSI_OPERATIONAL, 0x87, OPEN_ISCSI_ANSWER } } },
	{ "open-iscsi, discovery", false, 0,
		{ { 0x83, DISCOVERY "InitiatorAlias=host\nAuthMethod=None\n", 0x83,
			TPGT "AuthMethod=None\n" } } },
	{ "open-iscsi, discovery in two stages", false, 0,
		{ { 0x81, DISCOVERY "AuthMethod=None\n", 0x81, TPGT "AuthMethod=None\n" },
			{ 0x87,
				"HeaderDigest=None\nDataDigest=None\nDefaultTime2Wait=2\n"
				"DefaultTime2Retain=0\nIFMarker=No\nOFMarker="
				"No\nErrorRecoveryLevel=0\n"
				"MaxRecvDataSegmentLength=32768\n",
				0x87,
				"HeaderDigest=None\nDataDigest=None\nDefaultTime2Wait=2\n"
				"DefaultTime2Retain=0\nErrorRecoveryLevel=0\nIFMarker=No\nOFMarker="
				"No\n" MRDSL } } },
	{ "libiscsi", false, 0,
		{ { 0x87, LIBISCSI_NAMES LIBISCSI_OPERATIONAL, 0x87, TPGT LIBISCSI_ANSWER } } },
	{ "libiscsi, CHAP", true, CHAP_MD5,
		{ { 0x81, LIBISCSI_NAMES "AuthMethod=CHAP,None\n", 0x00, TPGT "AuthMethod=CHAP\n" },
			{ 0x01, "CHAP_A=5\n", 0x00, "$" }, { 0x81, "$", 0x81, "" },
			{ 0x87, LIBISCSI_NAMES LIBISCSI_OPERATIONAL, 0x87, LIBISCSI_ANSWER } } },
	{ "libiscsi, mutual CHAP", true, CHAP_MD5,
		{ { 0x81, LIBISCSI_NAMES "AuthMethod=CHAP,None\n", 0x00, TPGT "AuthMethod=CHAP\n" },
			{ 0x01, "CHAP_A=5\n", 0x00, "$" }, { 0x81, "$" MUTUAL, 0x81, NULL },
			{ 0x87, LIBISCSI_NAMES LIBISCSI_OPERATIONAL, 0x87, LIBISCSI_ANSWER } } },
	{ "libiscsi, a user where no CHAP is asked", false, 0,
		{ { 0x81, LIBISCSI_NAMES "AuthMethod=CHAP,None\n", 0x81, TPGT "AuthMethod=None\n" },
			{ 0x87, LIBISCSI_NAMES LIBISCSI_OPERATIONAL, 0x87, LIBISCSI_ANSWER } } },
	{ "libiscsi, discovery", false, 0,
		{ { 0x87,
			"InitiatorName=" INITIATOR "\nSessionType=Discovery\n" LIBISCSI_OPERATIONAL,
			0x87,
			TPGT
			"HeaderDigest=None\nDataDigest=None\nMaxConnections=Irrelevant\n"
			"InitialR2T=Irrelevant\nImmediateData=Irrelevant\nMaxBurstLength="
			"Irrelevant\n"
			"FirstBurstLength=Irrelevant\nDefaultTime2Wait=2\nDefaultTime2Retain=0\n"
			"MaxOutstandingR2T=Irrelevant\nDataPDUInOrder=Irrelevant\n"
			"DataSequenceInOrder=Irrelevant\nErrorRecoveryLevel=0\nIFMarker="
			"No\nOFMarker=No\n" MRDSL } } },
	{ "Windows", false, 0,
		{ { 0x81, WINDOWS_NAMES "AuthMethod=None\n", 0x81, TPGT "AuthMethod=None\n" },
			{ 0x87, WINDOWS_OPERATIONAL, 0x87, WINDOWS_ANSWER } } },
	{ "Windows, CHAP", true, CHAP_MD5,
		{ { 0x00, WINDOWS_NAMES "AuthMethod=CHAP\n", 0x00, TPGT "AuthMethod=CHAP\n" },
			{ 0x00, "CHAP_A=5\n", 0x00, "$" }, { 0x81, "$", 0x81, "" },
			{ 0x87, WINDOWS_OPERATIONAL, 0x87, WINDOWS_ANSWER } } },
	{ "Windows, mutual CHAP", true, CHAP_MD5,
		{ { 0x00, WINDOWS_NAMES "AuthMethod=CHAP\n", 0x00, TPGT "AuthMethod=CHAP\n" },
			{ 0x00, "CHAP_A=5\n", 0x00, "$" }, { 0x81, "$" MUTUAL, 0x81, NULL },
			{ 0x04, WINDOWS_OPERATIONAL, 0x04, WINDOWS_ANSWER },
			{ 0x87, "", 0x87, "" } } },
	{ "iPXE", false, 0,
		{ { 0x81, IPXE_NAMES "AuthMethod=None\n", 0x81, TPGT "AuthMethod=None\n" },
			{ 0x87, IPXE_OPERATIONAL, 0x87, IPXE_ANSWER } } },
	{ "iPXE, CHAP", true, CHAP_MD5,
		{ { 0x81, IPXE_NAMES "AuthMethod=CHAP,None\n", 0x00, TPGT "AuthMethod=CHAP\n" },
			{ 0x81, "CHAP_A=5\n", 0x00, "$" }, { 0x81, "$", 0x81, "" },
			{ 0x87, IPXE_OPERATIONAL, 0x87, IPXE_ANSWER } } },
	{ "iPXE, mutual CHAP", true, CHAP_MD5,
		{ { 0x81, IPXE_NAMES "AuthMethod=CHAP\n", 0x00, TPGT "AuthMethod=CHAP\n" },
			{ 0x81, "CHAP_A=5\n", 0x00, "$" }, { 0x81, "$" MUTUAL, 0x81, NULL },
			{ 0x87, IPXE_OPERATIONAL, 0x87, IPXE_ANSWER } } },
	{ "iPXE with all keys", false, 0,
		{ { 0x81, IPXE_NAMES "AuthMethod=None\n", 0x81, TPGT "AuthMethod=None\n" },
			{ 0x87,
				"InitialR2T=Yes\nImmediateData=No\nMaxBurstLength=262144\n"
				"FirstBurstLength=65536\n",
				0x87,
				"InitialR2T=Yes\nImmediateData=No\nMaxBurstLength=262144\n"
				"FirstBurstLength=Irrelevant\n" MRDSL } } },
	{ "FreeBSD", false, 0,
		{ { 0x81, NAMES "AuthMethod=None\n", 0x81, TPGT "AuthMethod=None\n" },
			{ 0x87, FREEBSD_OPERATIONAL, 0x87, FREEBSD_ANSWER } } },
	{ "FreeBSD, CHAP", true, CHAP_MD5,
		{ { 0x00, NAMES "AuthMethod=CHAP\n", 0x00, TPGT "AuthMethod=CHAP\n" },
			{ 0x00, "CHAP_A=5\n", 0x00, "$" }, { 0x81, "$", 0x81, "" },
			{ 0x87, FREEBSD_OPERATIONAL, 0x87, FREEBSD_ANSWER } } },
};

static void check_answer(const struct peer *peer, const struct round *round)
{
	const struct response *r = &bench->response;
	static const uint8_t challenge[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01,
		0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };

	if (!round->answer) {
		ck_assert_str_eq(value_of(r, "CHAP_N"), TARGET);
		ck_assert_ptr_eq(strstr(r->text, "CHAP_N="), r->text);
		ck_assert(proves(
			r, peer->algorithm, 83, challenge, sizeof(challenge), TARGET_SECRET));
		ck_assert_uint_eq(count_keys(r), 2);
	} else if (strcmp(round->answer, "$") == 0) {
		ck_assert_uint_eq(strtoul(value_of(r, "CHAP_A"), NULL, 10), peer->algorithm);
		ck_assert_uint_eq(count_keys(r), 3);
	} else {
		ck_assert_str_eq(r->text, round->answer);
	}
}

static bool run(const struct peer *peer, const char *secret)
{
	char text[4096];

	for (const struct round *round = peer->rounds; round->text; round++) {
		const char *rest = round->text;

		text[0] = '\0';
		if (rest[0] == '$') {
			answer_challenge(
				&bench->response, peer->algorithm, INITIATOR, secret, text);
			rest++;
		}
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", rest);
		bench_login(bench, round->flags, text);
		if (bench->response.status)
			return false;
		ck_assert_msg(bench->response.any, "%s: no answer to %s", peer->name, text);
		ck_assert_msg(bench->response.flags == round->answer_flags, "%s: flags %02x to %s",
			peer->name, bench->response.flags, text);
		check_answer(peer, round);
		/* WIN-01, LOGIN-15 */
		ck_assert(serial_before(bench->response.exp_cmd_sn, bench->response.max_cmd_sn));
	}
	return true;
}

START_TEST(real_initiators_log_in)
{
	const struct peer *peer = &peers[_i];

	if (peer->chap)
		bench_protect(bench, true);
	ck_assert(run(peer, INITIATOR_SECRET));
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
	ck_assert_uint_eq(bench->conn->chap_algorithm, peer->algorithm);
	ck_assert_uint_eq(bench->logins, 1);
}
END_TEST

/* The same without the right secret: in vain, and without CHAP where it is asked. */
START_TEST(real_initiators_stay_out)
{
	const struct peer *peer = &peers[_i];

	if (!strstr(peer->rounds[0].text, "TargetName="))
		return; /* discovery is open */
	if (!peer->chap && strstr(peer->rounds[0].text, "CHAP"))
		return; /* would answer with CHAP, so this transcript does not fit */
	bench_protect(bench, true);
	ck_assert(!run(peer, "not the secret"));
	assert_refused(bench, 0x0201);
	ck_assert_uint_eq(bench->admits, 0);
}
END_TEST

/*
 * What open-iscsi gives up on: keys it does not know, by stage; and all answers have the value that it
 * can use. [LNX-01, LNX-02]
 */
START_TEST(open_iscsi_knows_each_key_of_the_answers)
{
	static const char *const security[] = { "AuthMethod", "CHAP_A", "CHAP_I", "CHAP_C",
		"CHAP_N", "CHAP_R", "TargetAlias", "TargetAddress", "TargetPortalGroupTag", NULL };

	bench->terms.target_alias = "alias";
	bench_protect(bench, true);
	const struct round *round = peers[2].rounds;
	char text[4096];

	for (unsigned i = 0; i < 3; i++, round++) {
		text[0] = '\0';
		if (round->text[0] == '$')
			answer_challenge(
				&bench->response, CHAP_MD5, INITIATOR, INITIATOR_SECRET, text);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s",
			round->text + (round->text[0] == '$'));
		bench_login(bench, round->flags, text);
		assert_status(&bench->response, 0);
		unsigned known = 0;
		for (unsigned j = 0; security[j]; j++)
			known += value_of(&bench->response, security[j]) != NULL;
		ck_assert_uint_eq(known, count_keys(&bench->response));
	}
}
END_TEST

/* [LNX-06] A relogin while the target does not know yet that the old connection is dead. */
START_TEST(a_relogin_is_a_login)
{
	for (unsigned i = 0; i < 5; i++) {
		bench->request.cmd_sn = 0xfffffffd + i;
		bench->request.exp_stat_sn = 4711 * i;
		bench->request.itt = 0xa0000000 | i;
		ck_assert(run(&peers[0], ""));
		ck_assert_uint_eq(bench->response.exp_cmd_sn, 0xfffffffd + i);
		bench_reconnect(bench);
	}
	ck_assert_uint_eq(bench->admits, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("login of real initiators");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_rows(tcase, real_initiators_log_in, peers);
	tcase_add_rows(tcase, real_initiators_stay_out, peers);
	tcase_add_test(tcase, open_iscsi_knows_each_key_of_the_answers);
	tcase_add_test(tcase, a_relogin_is_a_login);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
