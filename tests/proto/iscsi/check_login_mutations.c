/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thousands of damaged logins and text negotiations from a seeded generator, fed in pieces of any size.
 * Whatever comes in: nothing is read or written where it should not (the sanitizers see to that), each
 * answer is a well-formed PDU of allowed size, and where CHAP is required full feature phase is never
 * reached, nor the host asked to admit anybody, without the right response to the challenge at hand.
 */
#include "tests/proto/iscsi/login_bench.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ROUNDS 6000

static struct bench *bench;
static uint64_t state;

static void setup(void)
{
	bench = bench_new();
}

static void teardown(void)
{
	bench_free(bench);
}

static uint32_t draw(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % below;
}

/* --- damage --- */

struct pdu {
	size_t length;
	uint8_t bytes[BHS_SIZE + 12288];
};

static const char *const fragments[] = { "InitiatorName=", "TargetName=" TARGET, "AuthMethod=CHAP",
	"AuthMethod=None", "CHAP_A=5", "CHAP_A=99,7", "CHAP_N=" INITIATOR, "CHAP_R=0x00",
	"CHAP_I=1", "CHAP_C=0x00", "CHAP_C=0b",
	"CHAP_R=0bAAAAAAAAAAAAAAAAAAAAAA==", "SessionType=Discovery", "MaxBurstLength=~",
	"FirstBurstLength=0xffffffffffffffffff", "HeaderDigest=,,,", "X-a=NotUnderstood", "=", "A",
	"SendTargets=All", "MaxRecvDataSegmentLength=512",
	"iSCSIProtocolLevel=", "X#NodeArchitecture=", "TargetPortalGroupTag=1" };

/* Puts the length of the data into the header, mostly the right one, and pads. */
static void close_pdu(struct pdu *pdu, size_t data)
{
	put_be24(pdu->bytes + BHS_DATA_LENGTH, (uint32_t)data);
	pdu->length = BHS_SIZE + (data + 3) / 4 * 4;
	memset(pdu->bytes + BHS_SIZE + data, 0, pdu->length - BHS_SIZE - data);
}

static size_t damage_text(uint8_t *text, size_t length)
{
	size_t at = length ? draw((uint32_t)length) : 0;
	const char *fragment = fragments[draw(sizeof(fragments) / sizeof(fragments[0]))];
	size_t more;

	switch (draw(7)) {
	case 0: /* a flipped bit */
		if (length)
			text[at] ^= (uint8_t)(1u << draw(8));
		return length;
	case 1: /* another byte */
		if (length)
			text[at] = "\0=,~x0Bb-\xff\x80 "[draw(12)];
		return length;
	case 2: /* an end */
		return at;
	case 3: /* a key in between */
		more = strlen(fragment) + 1;
		if (length + more > 8192)
			return length;
		memmove(text + at + more, text + at, length - at);
		memcpy(text + at, fragment, more);
		return length + more;
	case 4: /* a key behind */
		more = strlen(fragment) + 1;
		if (length + more > 8192)
			return length;
		memcpy(text + length, fragment, more);
		return length + more;
	case 5: /* a part twice */
		more = draw((uint32_t)(length - at) + 1);
		if (length + more > 8192)
			return length;
		memmove(text + at + more, text + at, length - at);
		return length + more;
	default: /* a part less */
		more = draw((uint32_t)(length - at) + 1);
		memmove(text + at, text + at + more, length - at - more);
		return length - more;
	}
}

static void damage(struct pdu *pdu)
{
	size_t length = get_be24(pdu->bytes + BHS_DATA_LENGTH);

	for (unsigned times = draw(3); times > 0; times--)
		switch (draw(8)) {
		case 0:
			pdu->bytes[draw(BHS_SIZE)] ^= (uint8_t)(1u << draw(8));
			return; /* perhaps the lengths do not fit any more */
		case 1:
			pdu->bytes[BHS_FLAGS] = (uint8_t)draw(256);
			break;
		case 2:
			pdu->bytes[0] = (uint8_t)draw(256);
			break;
		default:
			length = damage_text(pdu->bytes + BHS_SIZE, length);
			close_pdu(pdu, length);
			break;
		}
}

/* --- logins --- */

static void compose(struct pdu *pdu, uint8_t opcode, uint8_t flags, const char *text)
{
	size_t length = strlen(text);

	memset(pdu->bytes, 0, BHS_SIZE);
	pdu->bytes[0] = opcode;
	pdu->bytes[BHS_FLAGS] = flags;
	memcpy(pdu->bytes + 8, "\x80\x12\x34\x56\0\1", 6);
	put_be32(pdu->bytes + BHS_ITT, 1);
	if (opcode != (OP_LOGIN_REQUEST | IMMEDIATE))
		put_be32(pdu->bytes + BHS_TTT, RESERVED_TAG);
	for (size_t i = 0; i < length; i++)
		pdu->bytes[BHS_SIZE + i] = text[i] == '\n' ? 0 : (uint8_t)text[i];
	close_pdu(pdu, length);
}

/* Reads all responses; remembers the right answer to a challenge in `right`. Returns how many there were. */
static unsigned read_all(char right[512])
{
	unsigned count = 0;

	while (bench_read(bench)) {
		const struct response *r = &bench->response;

		count++;
		ck_assert(r->opcode == OP_LOGIN_RESPONSE || bench->conn->full);
		ck_assert_uint_le(r->length, 8192);
		if (r->opcode == OP_LOGIN_RESPONSE && r->status)
			ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FINISHED);
		if (r->opcode == OP_LOGIN_RESPONSE && value_of(r, "CHAP_C"))
			answer_challenge(r, (unsigned)strtoul(value_of(r, "CHAP_A"), NULL, 10),
				INITIATOR, INITIATOR_SECRET, right);
	}
	return count;
}

/* Whether the PDU carries the right digits, in either case of letters. */
static bool has_digits(const struct pdu *pdu, const char *right)
{
	const char *digits = strstr(right, "CHAP_R=0x");
	size_t length = digits ? strcspn(digits + 9, "\n") : 0;

	if (!length)
		return false;
	for (size_t i = BHS_SIZE; i + length <= pdu->length; i++)
		if (strncasecmp((const char *)pdu->bytes + i, digits + 9, length) == 0)
			return true;
	return false;
}

static void feed(const struct pdu *pdu)
{
	static const size_t chunks[] = { 0, 0, 0, 1, 7, 48, 64, 1000 };

	bench_deliver(bench, pdu->bytes, pdu->length, chunks[draw(8)]);
}

/* One login of up to seven requests, any of which may be damaged, left out or repeated. */
static void log_in_badly(bool chap)
{
	static struct pdu pdu;
	static const char *const texts[] = { NAMES "AuthMethod=CHAP,None\n", "CHAP_A=7,5\n", "$",
		"HeaderDigest=None,CRC32C\nMaxBurstLength=4096\nMaxRecvDataSegmentLength=512\n" };
	static const uint8_t flags[] = { 0x81, 0x00, 0x81, 0x87 };
	char text[4096], right[512] = "";
	bool proved = false;

	for (unsigned i = 0, requests = 0; i < 4 && requests < 7; requests++) {
		unsigned answers;

		snprintf(text, sizeof(text), "%s%s", texts[i][0] == '$' ? right : texts[i],
			texts[i][0] == '$' && draw(2) ? "CHAP_I=1\nCHAP_C=0x0102\n" : "");
		compose(&pdu, OP_LOGIN_REQUEST | IMMEDIATE, flags[i], text);
		if (draw(3) == 0)
			damage(&pdu);
		proved |= has_digits(&pdu, right);
		feed(&pdu);
		answers = read_all(right);
		ck_assert_uint_le(answers, 2);
		if (bench_phase(bench) >= ISCSI_PHASE_CLOSING)
			break;
		if (draw(12))
			i++; /* else once more */
		if (!draw(12))
			i++; /* one is left out */
		if (!chap && i == 1)
			i = 3;
	}
	if (chap && (bench->admits || bench->logins))
		ck_assert_msg(proved, "admitted without proof");
	if (bench_phase(bench) == ISCSI_PHASE_FULL || bench->logins) {
		ck_assert_uint_eq(bench->admits, 1);
		ck_assert_uint_eq(bench->logins, 1);
	}
	ck_assert_uint_le(bench->begins, 1);
}

START_TEST(damaged_logins)
{
	unsigned through = 0, refused = 0;

	state = 0x9e3779b97f4a7c15u + (unsigned)_i;
	if (_i % 2)
		bench_protect(bench, true);
	for (unsigned i = 0; i < ROUNDS / 4; i++) {
		log_in_badly(_i % 2);
		through += bench->logins;
		refused += bench->refused_status != 0;
		bench->begins = bench->admits = bench->logins = 0;
		bench_reconnect(bench);
	}
	/* The generator is worth something only if both happen. */
	ck_assert_uint_gt(through, 100);
	ck_assert_uint_gt(refused, 100);
}
END_TEST

/* --- text negotiations --- */

START_TEST(damaged_texts)
{
	static struct pdu pdu;
	static const char *const texts[] = { "SendTargets=All\n", "MaxRecvDataSegmentLength=512\n",
		"", "SendTargets=" TARGET "\n", "X-a=1\n" };
	static const uint8_t flags[] = { FINAL, FINAL, FINAL, 0, CONTINUED };
	char right[512] = "";
	unsigned answered = 0;

	state = 0x2545f4914f6cdd1du + (unsigned)_i;
	bench->targets = 40;
	for (unsigned i = 0; i < ROUNDS / 20; i++) {
		uint32_t ttt = RESERVED_TAG;

		bench_enter(bench, DISCOVERY, "MaxRecvDataSegmentLength=512\n");
		for (uint32_t j = 0; j < 12 && bench_phase(bench) == ISCSI_PHASE_FULL; j++) {
			compose(&pdu, OP_TEXT_REQUEST | IMMEDIATE, flags[draw(5)], texts[draw(5)]);
			put_be32(pdu.bytes + BHS_CMD_SN, bench->conn->exp_cmd_sn);
			put_be32(pdu.bytes + BHS_TTT, draw(4) ? ttt : RESERVED_TAG);
			if (draw(3) == 0)
				damage(&pdu);
			feed(&pdu);
			answered += read_all(right) > 0;
			ttt = bench->conn->text ? get_be32(bench->response.bhs + BHS_TTT)
						: RESERVED_TAG;
		}
		bench_reconnect(bench);
	}
	ck_assert_uint_gt(answered, ROUNDS / 20);
}
END_TEST

/* --- noise --- */

START_TEST(noise)
{
	static struct pdu pdu;
	char right[512] = "";

	state = 0xdeadbeefcafef00du + (unsigned)_i;
	bench_protect(bench, true);
	for (unsigned i = 0; i < ROUNDS / 2; i++) {
		pdu.length = 1 + draw(400);
		for (size_t j = 0; j < pdu.length; j++)
			pdu.bytes[j] = (uint8_t)draw(256);
		if (draw(2)) {
			pdu.bytes[0] = OP_LOGIN_REQUEST | IMMEDIATE;
			pdu.bytes[3] = 0;
			pdu.bytes[BHS_AHS_LENGTH] = 0;
			pdu.bytes[BHS_DATA_LENGTH] = 0;
			pdu.bytes[BHS_DATA_LENGTH + 1] = 0;
		}
		feed(&pdu);
		read_all(right);
		ck_assert_uint_eq(bench->admits, 0);
		bench_reconnect(bench);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mutated logins");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, damaged_logins, 0, 4);
	tcase_add_loop_test(tcase, damaged_texts, 0, 2);
	tcase_add_loop_test(tcase, noise, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
