/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A login under any bytes: text, keys, CHAP both ways, stages, admission now, later or never, discovery,
 * and what an initiator sends after a login that succeeded.
 *
 * Input: one byte of what the target demands, one of how the host answers, two of nothing, four that
 * seed the rest; then the stream. The challenge is always the same, so that a seed can answer it.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/proto/iscsi/device_double.h"
#include "tests/proto/iscsi/wire.h"

#define INITIATOR "iqn.2000-01.test:client"
#define TARGET    "iqn.2000-01.test:disk"
#define NAMES     "InitiatorName=" INITIATOR "\0TargetName=" TARGET "\0"

enum { CHAP_REQUIRED = 1, CHAP_OFFERED = 2 };                              /* input[0] */
enum { ADMIT_LATER = 1, ADMIT_STALE = 2, ADMIT_REFUSED = 4, OLD_SET = 8 }; /* input[1] */

const char fuzz_name[] = "login";

static struct iscsi_conn *conn;
static struct wire wire;
static struct credential_set *credentials;
static uint8_t demands, answers;
static bool waits;

/* --- the host --- */

static int host_random(void *buffer, size_t length)
{
	memset(buffer, 0x5a, length);
	return 0;
}

static struct iscsi_login_status host_login_begin(
	void *owner, const struct iscsi_identity *identity, struct iscsi_login_terms *terms)
{
	(void)owner;
	terms->portal_group_tag = 1;
	terms->target_alias = "disk";
	terms->chap_required = demands & CHAP_REQUIRED;
	terms->chap_offered = demands & (CHAP_REQUIRED | CHAP_OFFERED);
	terms->credentials = identity->target[0] ? credentials : NULL;
	must(strlen(identity->initiator) > 0 && strlen(identity->initiator) <= ISCSI_NAME_MAX);
	if (identity->target[0] && strcmp(identity->target, TARGET) != 0)
		return (struct iscsi_login_status){ 2, 3 };
	return (struct iscsi_login_status){ 0, 0 };
}

static bool host_login_current(void *owner, uint64_t credential)
{
	(void)owner;
	(void)credential;
	return !(answers & OLD_SET);
}

static enum iscsi_admission admission(struct iscsi_grant *grant)
{
	if (answers & ADMIT_STALE)
		return ISCSI_STALE;
	if (answers & ADMIT_REFUSED) {
		grant->status = (struct iscsi_login_status){ 3, 1 };
		return ISCSI_REFUSED;
	}
	grant->tsih = 3;
	return ISCSI_ADMITTED;
}

static enum iscsi_admission host_login_admit(
	void *owner, const struct iscsi_identity *identity, struct iscsi_grant *grant)
{
	(void)owner;
	/* Nobody comes this far without having proved what the target demands. */
	must(!(demands & CHAP_REQUIRED) || identity->target[0] == '\0' ||
		conn->chap_algorithm != 0);
	if (answers & ADMIT_LATER) {
		waits = true;
		return ISCSI_WAIT;
	}
	return admission(grant);
}

static void host_discover(void *owner, const char *target, iscsi_discovered *each, void *context)
{
	(void)owner;
	if (target && strcmp(target, TARGET) != 0)
		return;
	for (unsigned i = 0; i < 40; i++)
		each(context, TARGET, "[2001:db8::1]:3260,1");
}

static int host_manage(void *owner, struct iscsi_management *management)
{
	(void)owner;
	(void)management;
	return -1;
}

static void host_wake(void *owner)
{
	(void)owner;
}

static void host_event(void *owner, const struct iscsi_event *event)
{
	(void)owner;
	must(!event->text || strlen(event->text) < 100);
}

static const struct iscsi_host host = {
	.random = host_random,
	.login_begin = host_login_begin,
	.login_current = host_login_current,
	.login_admit = host_login_admit,
	.discover = host_discover,
	.manage = host_manage,
	.wake = host_wake,
	.event = host_event,
};

static const struct chap_issuer issuer = { { 1, 2, 3 } };

/* --- one run --- */

static struct credential_set *make_credentials(void)
{
	struct credential record = {
		.initiator = INITIATOR,
		.initiator_secret = { 16, "initiator-secret" },
		.target_secret = { 13, "target-secret" },
	};
	struct credential_set *empty = credential_set_new(1);
	struct credential_set *set = credential_set_with(empty, 2, &record);

	must(set);
	credential_set_unref(empty);
	return set;
}

static void feed(const uint8_t *data, size_t size, uint32_t *seed, uint64_t *now)
{
	for (size_t at = 0; at < size;) {
		uint32_t dice = wire_random(seed);
		size_t piece = 1 + dice % 5 * (dice >> 20) % 400;
		if (piece > size - at)
			piece = size - at;
		/* A block of its own, so that a step beyond its end is seen. */
		uint8_t *copy = malloc(piece);
		must(copy);
		memcpy(copy, data + at, piece);
		iscsi_conn_received(conn, 0, copy, piece, *now);
		free(copy);
		wire_take(&wire, *now);
		at += piece;
		*now += dice % 64 == 0 ? 1000 : 0;
		if (iscsi_conn_deadline(conn) <= *now)
			iscsi_conn_tick(conn, *now);
		if (waits && dice % 4 == 0) {
			struct iscsi_grant grant = { { 0, 0 }, 0, NULL, NULL, NULL };
			enum iscsi_admission answer = admission(&grant);
			waits = false;
			iscsi_conn_admission(conn, answer, &grant, *now);
			wire_take(&wire, *now);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now = 1000;

	if (size < 8)
		return 0;
	demands = data[0];
	answers = data[1];
	waits = false;
	uint32_t seed = get_be32(data + 4) | 1;
	double_forget();
	credentials = make_credentials();
	struct iscsi_worker worker = {
		.host = &host,
		.issuer = &issuer,
		.buffers = buffer_pool_new(0),
		.tasks = pool_new(iscsi_task_size(), 4),
		.pdus = pool_new(iscsi_pdu_size(), 4),
	};
	conn = iscsi_conn_new(&worker, NULL, now);
	must(conn);
	wire_begin(&wire, conn, seed);
	feed(data + 8, size - 8, &seed, &now);
	now += 20000; /* no login lasts this long, unless the host itself is slow */
	if (iscsi_conn_deadline(conn) <= now)
		iscsi_conn_tick(conn, now);
	must(conn->phase != ISCSI_PHASE_LOGIN);
	iscsi_conn_close(conn, ISCSI_CLOSE_CLEAN, now);
	wire_take(&wire, now);
	must(!iscsi_conn_busy(conn));
	iscsi_conn_free(conn);
	wire_end(&wire);
	must(pool_in_use(worker.tasks) == 0 && pool_in_use(worker.pdus) == 0);
	pool_free(worker.tasks);
	pool_free(worker.pdus);
	buffer_pool_free(worker.buffers);
	credential_set_unref(credentials);
	return 0;
}

/* --- seeds: the logins that initiators make --- */

struct script {
	struct writer out;
	uint32_t cmd_sn;
};

static void put_request(
	struct script *script, uint8_t opcode, uint8_t flags, const void *text, size_t length)
{
	static const uint8_t zero[4];
	uint8_t bhs[BHS_SIZE] = { opcode | IMMEDIATE, flags };

	put_be24(bhs + BHS_DATA_LENGTH, (uint32_t)length);
	bhs[8] = 0x40; /* ISID */
	put_be32(bhs + BHS_ITT, 1);
	if (opcode != OP_LOGIN_REQUEST)
		put_be32(bhs + BHS_TTT, RESERVED_TAG);
	put_be32(bhs + BHS_CMD_SN, script->cmd_sn);
	write_bytes(&script->out, bhs, BHS_SIZE);
	write_bytes(&script->out, text, length);
	write_bytes(&script->out, zero, -length & 3u);
}

#define put_login(script, flags, text)                                                             \
	put_request(script, OP_LOGIN_REQUEST, flags, text, sizeof(text) - 1)

#define OPERATIONAL_KEYS                                                                           \
	"HeaderDigest=None,CRC32C\0DataDigest=None\0MaxRecvDataSegmentLength=262144\0"             \
	"InitialR2T=No\0ImmediateData=Yes\0MaxBurstLength=16776192\0FirstBurstLength=262144\0"     \
	"MaxOutstandingR2T=1\0MaxConnections=1\0DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0"     \
	"DefaultTime2Wait=2\0DefaultTime2Retain=0\0ErrorRecoveryLevel=0\0IFMarker=No\0"            \
	"OFMarker=No\0TaskReporting=RFC3720\0iSCSIProtocolLevel=1\0X-com.test.a=1\0"

static void script_none(struct script *script)
{
	put_login(script, 0x81, NAMES "SessionType=Normal\0AuthMethod=None\0");
	put_login(script, 0x87, OPERATIONAL_KEYS);
	put_request(script, OP_NOP_OUT, FINAL, "ping", 4);
	put_request(script, OP_LOGOUT_REQUEST, FINAL, NULL, 0);
}

static void script_direct(struct script *script)
{
	put_login(script, 0x04, NAMES OPERATIONAL_KEYS);
	put_login(script, 0x87, "");
	put_request(script, OP_TEXT_REQUEST, FINAL, "SendTargets=\0", 13);
}

static void script_discovery(struct script *script)
{
	put_login(script, 0x83,
		"InitiatorName=" INITIATOR "\0SessionType=Discovery\0AuthMethod=None\0");
	put_request(script, OP_TEXT_REQUEST, FINAL, "SendTargets=All\0", 16);
	put_request(script, OP_TEXT_REQUEST, FINAL, "SendTargets=" TARGET "\0", 34);
	put_request(script, OP_LOGOUT_REQUEST, FINAL, NULL, 0);
}

static void script_pieces(struct script *script)
{
	put_login(script, 0x40, "InitiatorName=iqn.2000-01.te");
	put_login(script, 0x40, "st:client\0TargetNa");
	put_login(script, 0x81, "me=" TARGET "\0AuthMethod=CHAP,None\0");
	put_login(script, 0x87, OPERATIONAL_KEYS);
}

/* The response to the challenge that this host always issues; with a challenge of our own, if asked. */
static void script_chap_with(struct script *script, unsigned algorithm, bool mutual, bool base64)
{
	static const struct chap_secret secret = { 16, "initiator-secret" };
	uint8_t challenge[CHAP_CHALLENGE_SIZE], response[CHAP_RESPONSE_MAX], identifier;
	char text[1024];
	int length;

	must(chap_challenge_issue(&issuer, host_random, challenge, &identifier) == 0);
	must(chap_respond(algorithm, identifier, &secret, challenge, sizeof(challenge), response) ==
		0);
	put_login(script, 0x00, NAMES "AuthMethod=CHAP,None\0");
	length = snprintf(text, sizeof(text), "CHAP_A=%u", algorithm);
	put_request(script, OP_LOGIN_REQUEST, 0x00, text, (size_t)length + 1);
	length = snprintf(text, sizeof(text), "CHAP_N=" INITIATOR "%cCHAP_R=0x", 0);
	for (size_t i = 0; i < chap_response_size(algorithm); i++)
		length += snprintf(
			text + length, sizeof(text) - (size_t)length, "%02x", response[i]);
	length++;
	if (mutual)
		length += snprintf(text + length, sizeof(text) - (size_t)length,
				  "CHAP_I=9%cCHAP_C=%s", 0,
				  base64 ? "0bAQIDBAUGBwgJCgsMDQ4PEA=="
					 : "0x000102030405060708090a") +
			  1;
	put_request(script, OP_LOGIN_REQUEST, 0x81, text, (size_t)length);
	put_login(script, 0x87, OPERATIONAL_KEYS);
	put_request(script, OP_NOP_OUT, FINAL, "ping", 4);
}

static void script_chap(struct script *script)
{
	script_chap_with(script, CHAP_MD5, false, false);
}

static void script_mutual(struct script *script)
{
	script_chap_with(script, CHAP_SHA256, true, false);
}

static void script_mutual_base64(struct script *script)
{
	script_chap_with(script, CHAP_SHA1, true, true);
}

static void script_wrong(struct script *script)
{
	put_login(script, 0x81, NAMES "AuthMethod=CHAP\0");
	put_login(script, 0x00, "CHAP_A=99,8,7,6,5\0");
	put_login(script, 0x81, "CHAP_N=nobody\0CHAP_R=0bAAAAAAAAAAAAAAAAAAAAAA==\0");
}

static void script_many_keys(struct script *script)
{
	char text[8192];
	size_t length = 0;

	put_login(script, 0x81, NAMES);
	for (unsigned i = 0; length + 40 < sizeof(text); i++)
		length += (size_t)snprintf(text + length, 40, "X-com.test.key%u=%u", i, i) + 1;
	for (unsigned i = 0; i < 6; i++)
		put_request(script, OP_LOGIN_REQUEST, 0x44, text, length);
	put_request(script, OP_LOGIN_REQUEST, 0x87, text, length);
}

size_t fuzz_seed(unsigned index, uint8_t input[FUZZ_INPUT_MAX])
{
	static const struct {
		void (*write)(struct script *script);
		uint8_t demands, answers;
	} scripts[] = {
		{ script_none, 0, 0 },
		{ script_none, CHAP_REQUIRED, 0 },
		{ script_none, 0, ADMIT_LATER },
		{ script_none, 0, ADMIT_STALE },
		{ script_none, 0, ADMIT_REFUSED | ADMIT_LATER },
		{ script_direct, 0, 0 },
		{ script_direct, CHAP_REQUIRED, 0 },
		{ script_discovery, 0, 0 },
		{ script_discovery, CHAP_OFFERED, ADMIT_LATER },
		{ script_pieces, 0, 0 },
		{ script_pieces, CHAP_OFFERED, 0 },
		{ script_chap, CHAP_REQUIRED, 0 },
		{ script_chap, CHAP_OFFERED, OLD_SET },
		{ script_mutual, CHAP_REQUIRED, 0 },
		{ script_mutual, CHAP_REQUIRED, ADMIT_LATER },
		{ script_mutual_base64, CHAP_REQUIRED, 0 },
		{ script_wrong, CHAP_REQUIRED, 0 },
		{ script_wrong, CHAP_OFFERED, 0 },
		{ script_many_keys, 0, 0 },
	};

	if (index >= sizeof(scripts) / sizeof(scripts[0]))
		return 0;
	struct script script = { .out = writer_of(input, FUZZ_INPUT_MAX), .cmd_sn = 7 };
	uint8_t head[8] = { scripts[index].demands, scripts[index].answers, 0, 0, 0, 0, 1,
		(uint8_t)(index * 2 + 1) };
	write_bytes(&script.out, head, sizeof(head));
	scripts[index].write(&script);
	must(!script.out.failed);
	return script.out.length;
}
