/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The initiator and the host of the login tests.
 */
#include "tests/proto/iscsi/login_bench.h"

#include "base/encode.h"

#include <stdio.h>
#include <string.h>

static const struct chap_issuer issuer = { .key = "32 bytes that only we know, here" };

/* --- the host --- */

static uint64_t next_random = 88172645463325252u;
static bool random_fails;

static int host_random(void *buffer, size_t length)
{
	uint8_t *bytes = buffer;

	if (random_fails)
		return -1;
	for (size_t i = 0; i < length; i++) {
		next_random ^= next_random << 13;
		next_random ^= next_random >> 7;
		next_random ^= next_random << 17;
		bytes[i] = (uint8_t)(next_random >> 32);
	}
	return 0;
}

void bench_random_fails(bool fails)
{
	random_fails = fails;
}

static struct iscsi_login_status host_begin(
	void *owner, const struct iscsi_identity *identity, struct iscsi_login_terms *terms)
{
	struct bench *bench = owner;
	struct iscsi_login_status none = { 2, 3 };

	bench->begins++;
	*terms = bench->terms;
	if (!identity->target[0]) {
		terms->credentials = NULL;
		terms->chap_offered = terms->chap_required = false;
	} else if (strcmp(identity->target, TARGET) != 0 && !bench->begin_status.class) {
		return none;
	}
	return bench->begin_status;
}

static bool host_current(void *owner, uint64_t credential)
{
	struct bench *bench = owner;

	bench->currents++;
	bench->credential = credential;
	return bench->current;
}

static enum iscsi_admission host_admit(
	void *owner, const struct iscsi_identity *identity, struct iscsi_grant *grant)
{
	struct bench *bench = owner;

	(void)identity;
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_ADMISSION);
	bench->admits++;
	*grant = bench->grant;
	return bench->admission;
}

static void host_discover(void *owner, const char *target, iscsi_discovered *each, void *context)
{
	struct bench *bench = owner;
	char name[64], address[64];

	bench->discovers++;
	snprintf(bench->discovered, sizeof(bench->discovered), "%s", target ? target : "*");
	for (unsigned i = 0; i < bench->targets; i++) {
		snprintf(name, sizeof(name), "iqn.1997-05.com.amazon:volume-%u", i);
		if (i == 0)
			snprintf(name, sizeof(name), TARGET);
		if (target && strcmp(target, name) != 0)
			continue;
		for (unsigned j = 1; j <= 2; j++) {
			snprintf(address, sizeof(address), "192.0.2.%u:3260,%u", j, j);
			each(context, name, address);
		}
	}
}

static int host_manage(void *owner, struct iscsi_management *management)
{
	(void)owner;
	(void)management;
	return -1;
}

static void host_wake(void *owner)
{
	struct bench *bench = owner;

	bench->wakes++;
}

static void host_event(void *owner, const struct iscsi_event *event)
{
	struct bench *bench = owner;

	if (event->kind == ISCSI_EVENT_LOGIN_REFUSED) {
		bench->refused_status = (unsigned)event->status.class << 8 | event->status.detail;
		snprintf(bench->refused_why, sizeof(bench->refused_why), "%s", event->text);
	}
	bench->protocol_errors += event->kind == ISCSI_EVENT_PROTOCOL_ERROR;
	bench->logins += event->kind == ISCSI_EVENT_LOGGED_IN;
}

static const struct iscsi_host host = {
	.random = host_random,
	.login_begin = host_begin,
	.login_current = host_current,
	.login_admit = host_admit,
	.discover = host_discover,
	.manage = host_manage,
	.wake = host_wake,
	.event = host_event,
};

/* --- the bench --- */

enum iscsi_phase bench_phase(const struct bench *bench)
{
	return iscsi_conn_phase(bench->conn);
}

static void new_login(struct bench *bench)
{
	static const uint8_t isid[6] = { 0x80, 0x12, 0x34, 0x56, 0, 1 };

	memset(&bench->request, 0, sizeof(bench->request));
	memcpy(bench->request.isid, isid, sizeof(isid));
	bench->request.itt = 0x12345678;
	bench->request.cmd_sn = 77;
	bench->request.ttt = RESERVED_TAG;
}

struct bench *bench_new(void)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	random_fails = false;
	bench->worker.host = &host;
	bench->worker.issuer = &issuer;
	bench->terms.portal_group_tag = 1;
	bench->terms.target_alias = "";
	bench->credentials = credential_set_new(1);
	bench->terms.credentials = bench->credentials;
	bench->current = true;
	bench->admission = ISCSI_ADMITTED;
	bench->grant.tsih = 42;
	bench->targets = 1;
	bench->now = 1000;
	bench->worker.buffers = buffer_pool_new(0);
	bench->worker.tasks = pool_new(iscsi_task_size(), 4);
	bench->worker.pdus = pool_new(iscsi_pdu_size(), 4);
	bench->conn = iscsi_conn_new(&bench->worker, bench, bench->now);
	new_login(bench);
	return bench;
}

void bench_protect(struct bench *bench, bool mutual)
{
	static struct credential record;
	struct credential_set *set;

	memset(&record, 0, sizeof(record));
	snprintf(record.initiator, sizeof(record.initiator), INITIATOR);
	record.initiator_secret.length = sizeof(INITIATOR_SECRET) - 1;
	memcpy(record.initiator_secret.bytes, INITIATOR_SECRET, sizeof(INITIATOR_SECRET) - 1);
	if (mutual) {
		record.target_secret.length = sizeof(TARGET_SECRET) - 1;
		memcpy(record.target_secret.bytes, TARGET_SECRET, sizeof(TARGET_SECRET) - 1);
	}
	set = credential_set_with(bench->credentials, 2, &record);
	credential_set_unref(bench->credentials);
	bench->credentials = set;
	bench->terms.credentials = set;
	bench->terms.chap_required = true;
	bench->terms.chap_offered = true;
}

void bench_reconnect(struct bench *bench)
{
	iscsi_conn_free(bench->conn);
	bench->conn = iscsi_conn_new(&bench->worker, bench, bench->now);
	bench->unread = 0;
	bench->refused_status = 0;
	bench->refused_why[0] = '\0';
	memset(&bench->response, 0, sizeof(bench->response));
	new_login(bench);
}

void bench_free(struct bench *bench)
{
	iscsi_conn_free(bench->conn);
	buffer_pool_free(bench->worker.buffers);
	pool_free(bench->worker.tasks);
	pool_free(bench->worker.pdus);
	credential_set_unref(bench->credentials);
	free(bench->output);
	free(bench);
}

/* --- the initiator --- */

/* Takes all that the engine wants to send. */
static void collect(struct bench *bench)
{
	struct iovec vectors[16];
	int count;

	while ((count = iscsi_conn_output(bench->conn, vectors, 16)) > 0) {
		size_t taken = 0;

		for (int i = 0; i < count; i++) {
			size_t length = vectors[i].iov_len;

			bench->output = realloc(bench->output, bench->unread + length + 1);
			memcpy(bench->output + bench->unread, vectors[i].iov_base, length);
			bench->unread += length;
			taken += length;
		}
		iscsi_conn_sent(bench->conn, taken, bench->now);
	}
}

void bench_deliver(struct bench *bench, const uint8_t *bytes, size_t length, size_t chunk)
{
	for (size_t at = 0, step; at < length; at += step) {
		step = chunk && chunk < length - at ? chunk : length - at;
		if (!iscsi_conn_wants_input(bench->conn))
			break;
		/* A copy of its own size: who reads on is caught. */
		uint8_t *copy = malloc(step);
		memcpy(copy, bytes + at, step);
		iscsi_conn_received(bench->conn, 0, copy, step, bench->now);
		free(copy);
	}
	collect(bench);
}

bool bench_read(struct bench *bench)
{
	struct response *r = &bench->response;
	const uint8_t *bhs = bench->output;

	memset(r, 0, offsetof(struct response, text) + 1);
	if (!bench->unread)
		return false;
	ck_assert_uint_ge(bench->unread, BHS_SIZE);
	r->any = true;
	if (bhs[0] == OP_LOGIN_RESPONSE) {
		/* What is always zero: both versions, and all that is reserved [LOGIN-05, LOGIN-20]. */
		ck_assert_uint_eq(get_be16(bhs + 2), 0);
		ck_assert_uint_eq(get_be32(bhs + 20), 0);
		ck_assert_uint_eq(get_be16(bhs + 38), 0);
		ck_assert_uint_eq(get_be64(bhs + 40), 0);
		ck_assert_uint_eq(bhs[1] & 0x30, 0);
	}
	memcpy(r->bhs, bhs, BHS_SIZE);
	r->opcode = bhs[0];
	r->flags = bhs[1];
	r->lun = get_be64(bhs + BHS_LUN);
	memcpy(r->isid, bhs + 8, sizeof(r->isid));
	r->tsih = get_be16(bhs + 14);
	r->itt = get_be32(bhs + BHS_ITT);
	r->ttt = get_be32(bhs + BHS_TTT);
	r->stat_sn = get_be32(bhs + BHS_STAT_SN);
	r->exp_cmd_sn = get_be32(bhs + BHS_EXP_CMD_SN);
	r->max_cmd_sn = get_be32(bhs + BHS_MAX_CMD_SN);
	r->status = get_be16(bhs + 36);
	r->length = get_be24(bhs + BHS_DATA_LENGTH);
	size_t padded = (r->length + 3) / 4 * 4;
	ck_assert_uint_ge(bench->unread, BHS_SIZE + padded);
	ck_assert_uint_lt(r->length, sizeof(r->text));
	ck_assert_uint_eq(bhs[BHS_AHS_LENGTH], 0);
	for (size_t i = r->length; i < padded; i++)
		ck_assert_uint_eq(bhs[BHS_SIZE + i], 0);
	for (size_t i = 0; i < r->length; i++)
		r->text[i] = bhs[BHS_SIZE + i] ? (char)bhs[BHS_SIZE + i] : '\n';
	r->text[r->length] = '\0';
	bench->unread -= BHS_SIZE + padded;
	memmove(bench->output, bench->output + BHS_SIZE + padded, bench->unread);
	return true;
}

void bench_feed(struct bench *bench, const void *data, size_t length)
{
	const struct request *q = &bench->request;
	size_t whole = BHS_SIZE + (length + 3) / 4 * 4;
	uint8_t *bhs = calloc(1, whole);

	bhs[0] = q->opcode;
	bhs[1] = q->flags;
	bhs[2] = q->version_max;
	bhs[3] = q->version_min;
	memcpy(bhs + BHS_SIZE, data, length);
	put_be24(bhs + BHS_DATA_LENGTH, (uint32_t)length);
	put_be32(bhs + BHS_ITT, q->itt);
	put_be32(bhs + BHS_CMD_SN, q->cmd_sn);
	put_be32(bhs + BHS_EXP_STAT_SN, q->exp_stat_sn);
	if ((q->opcode & OPCODE_MASK) == OP_LOGIN_REQUEST) {
		bhs[0] |= q->reserved & 0x80;
		bhs[1] |= q->reserved & 0x30;
		memset(bhs + 32, q->reserved, 16);
		bhs[22] = bhs[23] = q->reserved;
		bhs[BHS_AHS_LENGTH] = q->ahs_words;
		memcpy(bhs + 8, q->isid, sizeof(q->isid));
		put_be16(bhs + 14, q->tsih);
		put_be16(bhs + 20, q->cid);
	} else {
		put_be64(bhs + BHS_LUN, q->lun);
		put_be32(bhs + BHS_TTT, q->ttt);
	}
	bench_deliver(bench, bhs, whole, 0);
	bench_read(bench);
	free(bhs);
}

/* The wire's form of a text in '\n' notation; to be freed. */
static char *wire(const char *text, size_t *length)
{
	*length = strlen(text);
	char *bytes = malloc(*length + 1);

	memcpy(bytes, text, *length + 1);
	for (size_t i = 0; i < *length; i++)
		if (bytes[i] == '\n')
			bytes[i] = '\0';
	return bytes;
}

const struct response *bench_login(struct bench *bench, uint8_t flags, const char *text)
{
	size_t length;
	char *bytes = wire(text, &length);

	bench->request.opcode = OP_LOGIN_REQUEST | IMMEDIATE;
	bench->request.flags = flags;
	bench_feed(bench, bytes, length);
	free(bytes);
	return &bench->response;
}

const struct response *bench_text(
	struct bench *bench, uint8_t flags, uint32_t ttt, const char *text)
{
	size_t length;
	char *bytes = wire(text, &length);

	bench->request.opcode = OP_TEXT_REQUEST;
	bench->request.flags = flags;
	bench->request.ttt = ttt;
	bench_feed(bench, bytes, length);
	bench->request.cmd_sn++;
	free(bytes);
	return &bench->response;
}

const struct response *bench_admit(struct bench *bench, enum iscsi_admission answer)
{
	iscsi_conn_admission(bench->conn, answer, &bench->grant, bench->now);
	collect(bench);
	bench_read(bench);
	return &bench->response;
}

void bench_enter(struct bench *bench, const char *names, const char *keys)
{
	char text[4096];

	snprintf(text, sizeof(text), "%s%s", names, keys);
	bench_login(bench, OPERATIONAL | TO_FULL, text);
	assert_status(&bench->response, 0);
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
}

/* --- looking at responses --- */

const char *value_of(const struct response *response, const char *key)
{
	static char value[8192];
	size_t length = strlen(key);

	for (const char *at = response->text; at && *at;
		at = strchr(at, '\n'), at = at ? at + 1 : at) {
		if (strncmp(at, key, length) != 0 || at[length] != '=')
			continue;
		size_t most = strcspn(at + length + 1, "\n");
		ck_assert_uint_lt(most, sizeof(value));
		memcpy(value, at + length + 1, most);
		value[most] = '\0';
		return value;
	}
	return NULL;
}

unsigned count_keys(const struct response *response)
{
	unsigned count = 0;

	for (const char *at = response->text; *at; at++)
		count += *at == '\n';
	return count;
}

static struct chap_secret secret_of(const char *secret)
{
	struct chap_secret result = { .length = (uint8_t)strlen(secret) };

	memcpy(result.bytes, secret, result.length);
	return result;
}

void answer_challenge(const struct response *response, unsigned algorithm, const char *name,
	const char *secret, char *out)
{
	struct chap_secret held = secret_of(secret);
	uint8_t challenge[CHAP_CHALLENGE_MAX], digest[CHAP_RESPONSE_MAX];
	size_t length = 0;
	char digits[2 * CHAP_RESPONSE_MAX + 1];
	const char *text = value_of(response, "CHAP_C");

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(
		hex_decode(challenge, sizeof(challenge), &length, text + 2, strlen(text) - 2), 0);
	uint8_t identifier = (uint8_t)strtoul(value_of(response, "CHAP_I"), NULL, 10);
	ck_assert_int_eq(chap_respond(algorithm, identifier, &held, challenge, length, digest), 0);
	hex_encode(digits, sizeof(digits), digest, chap_response_size(algorithm));
	snprintf(out, 512, "CHAP_N=%s\nCHAP_R=0x%s\n", name, digits);
}

bool proves(const struct response *response, unsigned algorithm, uint8_t identifier,
	const void *challenge, size_t length, const char *secret)
{
	struct chap_secret held = secret_of(secret);
	uint8_t digest[CHAP_RESPONSE_MAX];
	char digits[2 * CHAP_RESPONSE_MAX + 3] = "0x";
	const char *text = value_of(response, "CHAP_R");

	ck_assert_int_eq(chap_respond(algorithm, identifier, &held, challenge, length, digest), 0);
	hex_encode(digits + 2, sizeof(digits) - 2, digest, chap_response_size(algorithm));
	return text && strcmp(text, digits) == 0;
}

/* --- CHAP's steps --- */

void bench_choose(struct bench *bench)
{
	bench_login(bench, SECURITY | TO_OPERATIONAL, NAMES "AuthMethod=CHAP,None\n");
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.flags, SECURITY); /* T is not granted yet [CHAP-22] */
	ck_assert_str_eq(bench->response.text, "TargetPortalGroupTag=1\nAuthMethod=CHAP\n");
}

void bench_challenge(struct bench *bench, unsigned algorithm)
{
	char text[32];

	bench_choose(bench);
	snprintf(text, sizeof(text), "CHAP_A=%u\n", algorithm);
	bench_login(bench, SECURITY, text);
	assert_status(&bench->response, 0);
	ck_assert_uint_eq(bench->response.flags, SECURITY);
}

void bench_respond(struct bench *bench, unsigned algorithm, uint8_t flags, const char *name,
	const char *secret, const char *more)
{
	char text[8192];

	answer_challenge(&bench->response, algorithm, name, secret, text);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", more);
	bench_login(bench, flags, text);
}

void assert_secured(struct bench *bench, unsigned algorithm, bool mutual)
{
	assert_status(&bench->response, 0);
	bench_login(bench, OPERATIONAL | TO_FULL, "");
	ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FULL);
	ck_assert_uint_eq(bench->conn->chap_algorithm, algorithm);
	ck_assert(bench->conn->chap_mutual == mutual);
	ck_assert_uint_eq(bench->logins, 1);
}
