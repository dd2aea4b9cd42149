/* SPDX-License-Identifier: BSD-2-Clause */
/* A session of the load generator: login with or without CHAP, then commands by tag. */
#include "tests/bench/load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LOGIN_PDUS 16 /* a login that takes more goes nowhere */

/* --- login --- */

struct text {
	char bytes[BENCH_TEXT_MAX];
	size_t length;
};

static void text_add(struct text *text, const char *key, const char *value)
{
	int used = snprintf(text->bytes + text->length, sizeof(text->bytes) - text->length, "%s=%s",
		key, value);
	text->length += (size_t)used + 1;
}

/* The value of a key; NULL when it is not there. */
static const char *text_find(const struct text *text, const char *key)
{
	size_t length = strlen(key);

	for (size_t at = 0; at < text->length; at += strlen(text->bytes + at) + 1)
		if (!strncmp(text->bytes + at, key, length) && text->bytes[at + length] == '=')
			return text->bytes + at + length + 1;
	return NULL;
}

static uint32_t text_number(const struct text *text, const char *key, uint32_t otherwise)
{
	const char *value = text_find(text, key);

	return value ? (uint32_t)strtoul(value, NULL, 0) : otherwise;
}

static void receive_all(int fd, void *bytes, size_t length)
{
	ssize_t got = recv(fd, bytes, length, MSG_WAITALL);

	if (got != (ssize_t)length)
		bench_die("login: the target closed the connection");
}

/* Sends one login request and receives its answer; `text` is replaced by the answer's. */
static void exchange(struct load_session *session, const uint8_t isid[6], uint8_t flags,
	struct text *text, uint8_t answer[BHS_SIZE])
{
	uint8_t bytes[BHS_SIZE + BENCH_TEXT_MAX] = { OP_LOGIN_REQUEST | IMMEDIATE, flags };
	size_t length = (BHS_SIZE + text->length + 3) & ~(size_t)3;

	put_be24(bytes + BHS_DATA_LENGTH, (uint32_t)text->length);
	memcpy(bytes + 8, isid, 6);
	put_be32(bytes + BHS_CMD_SN, session->cmd_sn);
	put_be32(bytes + BHS_EXP_STAT_SN, session->exp_stat_sn);
	memcpy(bytes + BHS_SIZE, text->bytes, text->length);
	if (send(session->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
		bench_die("login: cannot send");
	receive_all(session->fd, answer, BHS_SIZE);
	text->length = get_be24(answer + BHS_DATA_LENGTH);
	if (text->length > sizeof(text->bytes) - 4)
		bench_die("login: the answer is too long");
	if (text->length)
		receive_all(session->fd, text->bytes, (text->length + 3) & ~(size_t)3);
	text->bytes[text->length] = 0;
	if ((answer[0] & OPCODE_MASK) != OP_LOGIN_RESPONSE || answer[36] != 0)
		bench_die("login: refused with status 0x%02x%02x", answer[36], answer[37]);
	session->exp_stat_sn = get_be32(answer + BHS_STAT_SN) + 1;
	session->max_cmd_sn = get_be32(answer + BHS_MAX_CMD_SN);
}

/* CHAP_N and CHAP_R for a challenge with MD5. */
static void answer_challenge(const struct load_options *options, struct text *text)
{
	static const char digits[] = "0123456789abcdef";
	const char *challenge = text_find(text, "CHAP_C");
	uint8_t input[512], digest[EVP_MAX_MD_SIZE];
	char response[3 + 2 * EVP_MAX_MD_SIZE] = "0x";
	size_t length = 0;
	unsigned size = 0;

	if (!challenge || strncmp(challenge, "0x", 2) != 0)
		bench_die("login: no challenge in hex");
	input[length++] = (uint8_t)text_number(text, "CHAP_I", 0);
	memcpy(input + length, options->secret, strnlen(options->secret, 100));
	length += strnlen(options->secret, 100);
	for (challenge += 2; challenge[0] && challenge[1] && length < sizeof(input); challenge += 2)
		input[length++] = (uint8_t)strtoul(
			(const char[]){ challenge[0], challenge[1], 0 }, NULL, 16);
	EVP_Digest(input, length, digest, &size, EVP_md5(), NULL);
	for (unsigned i = 0; i < size; i++) {
		response[2 + 2 * i] = digits[digest[i] >> 4];
		response[3 + 2 * i] = digits[digest[i] & 15];
	}
	response[2 + 2 * size] = 0;
	text->length = 0;
	text_add(text, "CHAP_N", options->user);
	text_add(text, "CHAP_R", response);
}

static void name_parties(const struct load_options *options, struct text *text)
{
	text_add(text, "InitiatorName", "iqn.2026-11.example.portcullis:bench");
	text_add(text, "SessionType", "Normal");
	text_add(text, "TargetName", options->target);
}

static void offer_terms(const struct load_options *options, struct text *text)
{
	const char *digest = options->digests ? "CRC32C" : "None";

	text_add(text, "HeaderDigest", digest);
	text_add(text, "DataDigest", digest);
	text_add(text, "MaxRecvDataSegmentLength", "262144");
	text_add(text, "MaxBurstLength", "1048576");
	text_add(text, "FirstBurstLength", "65536");
	text_add(text, "InitialR2T", "Yes");
	text_add(text, "ImmediateData", "Yes");
	text_add(text, "MaxOutstandingR2T", "1");
	text_add(text, "MaxConnections", "1");
	text_add(text, "ErrorRecoveryLevel", "0");
	text_add(text, "DefaultTime2Wait", "2");
	text_add(text, "DefaultTime2Retain", "0");
}

/* From the security stage on; T and the stages are in the flags. */
static void log_in(
	struct load *load, struct load_session *session, const uint8_t isid[6], struct text *terms)
{
	enum {
		TRANSIT = 0x80,
		SECURITY = 0,
		OPERATIONAL = 1 << 2,
		TO_OPERATIONAL = 1,
		TO_FULL = 3
	};
	const struct load_options *options = &load->options;
	uint8_t answer[BHS_SIZE];
	struct text text = { .length = 0 };

	name_parties(options, &text);
	if (options->user) {
		text_add(&text, "AuthMethod", "CHAP");
		exchange(session, isid, TRANSIT | SECURITY | TO_OPERATIONAL, &text, answer);
		text.length = 0;
		text_add(&text, "CHAP_A", "5");
		exchange(session, isid, SECURITY, &text, answer);
		answer_challenge(options, &text);
		exchange(session, isid, TRANSIT | SECURITY | TO_OPERATIONAL, &text, answer);
		text.length = 0;
	}
	offer_terms(options, &text);
	for (int i = 0; i < LOGIN_PDUS; i++) {
		exchange(session, isid, TRANSIT | OPERATIONAL | TO_FULL, &text, answer);
		/* Of several answers the last one that says something counts. */
		if (text_find(&text, "FirstBurstLength") ||
			text_find(&text, "MaxRecvDataSegmentLength"))
			*terms = text;
		if (answer[1] & TRANSIT)
			return;
		text.length = 0;
	}
	bench_die("login: it does not end");
}

void session_login(struct load *load, struct load_session *session, uint32_t number)
{
	const struct load_options *options = &load->options;
	const int on = 1;
	const struct timeval patience = { .tv_sec = 20 };
	uint8_t isid[6] = { 0x80 };
	struct text terms = { .length = 0 };

	put_be32(isid + 1, number);
	isid[5] = options->digests ? 3 : 0;
	session->cmd_sn = 1;
	session->lun = (uint8_t)options->lun;
	session->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(session->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (connect(
		session->fd, (const struct sockaddr *)&options->address, sizeof(options->address)))
		if (errno != EINTR)
			bench_die("cannot connect: %s", strerror(errno));
	log_in(load, session, isid, &terms);
	session->segment_max = text_number(&terms, "MaxRecvDataSegmentLength", 8192);
	session->first_burst = text_number(&terms, "FirstBurstLength", 65536);
	const char *immediate = text_find(&terms, "ImmediateData");
	session->immediate_data = !immediate || strcmp(immediate, "Yes") == 0;
	const char *digest = text_find(&terms, "HeaderDigest");
	if (options->digests && (!digest || strcmp(digest, "CRC32C") != 0))
		bench_die("the target knows no digests");
	session->input.header_digest = session->input.data_digest = options->digests;
}

void session_logout(struct load_session *session)
{
	struct bench_pdu *pdu = bench_queue_add(&session->queue);
	uint8_t answer[BHS_SIZE];

	pdu->header[0] = OP_LOGOUT_REQUEST | IMMEDIATE;
	pdu->header[1] = FINAL;
	put_be32(pdu->header + BHS_CMD_SN, session->cmd_sn);
	put_be32(pdu->header + BHS_EXP_STAT_SN, session->exp_stat_sn);
	bench_seal(pdu, session->input.header_digest, false);
	bench_queue_send(&session->queue, session->fd);
	while (recv(session->fd, answer, sizeof(answer), 0) > 0)
		;
	close(session->fd);
}

/* --- commands --- */

static void put_command(struct load_session *session, struct bench_pdu *pdu, uint32_t tag)
{
	pdu->header[0] = OP_SCSI_COMMAND;
	pdu->header[BHS_LUN + 1] = session->lun;
	put_be32(pdu->header + BHS_ITT, tag);
	put_be32(pdu->header + BHS_CMD_SN, session->cmd_sn++);
	put_be32(pdu->header + BHS_EXP_STAT_SN, session->exp_stat_sn);
}

void session_settle(struct load *load, struct load_session *session)
{
	uint8_t header[BHS_SIZE + DIGEST_SIZE];
	size_t digest = load->options.digests ? DIGEST_SIZE : 0;

	for (int i = 0; i < LOGIN_PDUS; i++) {
		struct bench_pdu *pdu = bench_queue_add(&session->queue);
		put_command(session, pdu, 0);
		pdu->header[1] = FINAL;
		bench_seal(pdu, session->input.header_digest, false);
		bench_queue_send(&session->queue, session->fd);
		receive_all(session->fd, header, BHS_SIZE + digest);
		size_t length = get_be24(header + BHS_DATA_LENGTH);
		if (length)
			receive_all(
				session->fd, load->received, ((length + 3) & ~(size_t)3) + digest);
		session->exp_stat_sn = get_be32(header + BHS_STAT_SN) + 1;
		session->max_cmd_sn = get_be32(header + BHS_MAX_CMD_SN);
		if ((header[0] & OPCODE_MASK) == OP_SCSI_RESPONSE && header[3] == 0)
			return;
	}
	bench_die("the unit does not become ready");
}

static uint64_t next_random(struct load *load)
{
	load->random ^= load->random << 13;
	load->random ^= load->random >> 7;
	load->random ^= load->random << 17;
	return load->random;
}

static void start(struct load *load, struct load_session *session, uint32_t tag)
{
	const struct load_options *options = &load->options;
	uint64_t random = next_random(load);
	bool write = options->writes && random % 100 < options->writes;
	uint64_t block = (random >> 8) % (options->span / options->bytes) * (options->bytes / 512);
	struct bench_pdu *pdu = bench_queue_add(&session->queue);
	uint8_t *cdb = pdu->header + 32;

	put_command(session, pdu, tag);
	pdu->header[1] = FINAL | (write ? 0x20 : 0x40);
	put_be32(pdu->header + 20, options->bytes);
	cdb[0] = write ? 0x2a : 0x28;
	cdb[1] = write && options->fua ? 0x08 : 0;
	put_be32(cdb + 2, (uint32_t)block);
	put_be16(cdb + 7, (uint16_t)(options->bytes / 512));
	if (write && session->immediate_data) {
		uint32_t length = options->bytes;
		length = length < session->first_burst ? length : session->first_burst;
		length = length < session->segment_max ? length : session->segment_max;
		pdu->data = load->data;
		pdu->data_length = length;
	}
	bench_seal(pdu, session->input.header_digest, session->input.data_digest);
	session->started[tag] = load->now;
}

void session_fill(struct load *load, struct load_session *session)
{
	while (session->idle_count && serial_upto(session->cmd_sn, session->max_cmd_sn))
		start(load, session, session->idle[--session->idle_count]);
}

static void send_data(struct load *load, struct load_session *session, const uint8_t *r2t)
{
	uint32_t offset = get_be32(r2t + 40), left = get_be32(r2t + 44);

	for (uint32_t number = 0; left > 0; number++) {
		struct bench_pdu *pdu = bench_queue_add(&session->queue);
		uint32_t piece = left < session->segment_max ? left : session->segment_max;
		pdu->header[0] = OP_DATA_OUT;
		pdu->header[1] = piece == left ? FINAL : 0;
		memcpy(pdu->header + 8, r2t + 8, 16); /* LUN and both tags */
		put_be32(pdu->header + BHS_EXP_STAT_SN, session->exp_stat_sn);
		put_be32(pdu->header + 36, number);
		put_be32(pdu->header + 40, offset);
		pdu->data = load->data;
		pdu->data_length = piece;
		bench_seal(pdu, session->input.header_digest, session->input.data_digest);
		offset += piece;
		left -= piece;
	}
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned high = ns < 32 ? 5 : 63 - (unsigned)__builtin_clzll(ns);
	uint64_t bucket = ns < 32 ? ns : (high - 4) * 32 + ((ns >> (high - 5)) & 31);

	return bucket < LOAD_BUCKETS ? (unsigned)bucket : LOAD_BUCKETS - 1;
}

static void finish(struct load *load, struct load_session *session, const uint8_t *header)
{
	uint32_t tag = get_be32(header + BHS_ITT);

	if (tag >= session->depth)
		bench_die("an answer to no command of ours");
	session->exp_stat_sn = get_be32(header + BHS_STAT_SN) + 1;
	session->idle[session->idle_count++] = tag;
	if (header[3] != 0)
		load->errors++;
	if (!load->counting)
		return;
	uint64_t took = load->now - session->started[tag];
	struct load_histogram *histogram = session->histogram;
	histogram->count[bucket_of(took)]++;
	histogram->total++;
	if (took > histogram->longest)
		histogram->longest = took;
	if (load->now - load->last > load->pause)
		load->pause = load->now - load->last;
	load->last = load->now;
}

void session_receive(void *context, const uint8_t *header, uint32_t data_length)
{
	struct session_turn *turn = context;
	struct load_session *session = turn->session;
	uint32_t max = get_be32(header + BHS_MAX_CMD_SN);
	(void)data_length;

	if (serial_before(session->max_cmd_sn, max))
		session->max_cmd_sn = max;
	switch (header[0] & OPCODE_MASK) {
	case OP_DATA_IN:
		if (header[1] & 0x01)
			finish(turn->load, session, header);
		break;
	case OP_SCSI_RESPONSE:
		finish(turn->load, session, header);
		break;
	case OP_R2T:
		send_data(turn->load, session, header);
		break;
	case OP_REJECT:
		bench_die("the target rejects what it got: reason %u", header[2]);
	default:
		break;
	}
}
