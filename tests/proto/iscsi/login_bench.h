/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An initiator made of a few functions, a connection, and a host that does as it is told: what all
 * login and text tests stand on. Requests go in as bytes, responses come out as bytes.
 *
 * Text is written with '\n' where the wire has a NUL.
 */
#ifndef PORTCULLIS_TESTS_PROTO_ISCSI_LOGIN_BENCH_H
#define PORTCULLIS_TESTS_PROTO_ISCSI_LOGIN_BENCH_H

#include "proto/iscsi/connection.h"
#include "proto/iscsi/keys.h"
#include "proto/iscsi/login.h"

#include "tests/suite.h"

#define INITIATOR "iqn.1994-05.com.example:client"
#define STRANGER  "iqn.1994-05.com.example:stranger"
#define TARGET    "iqn.1997-05.com.amazon:myvolume"
#define NAMES     "InitiatorName=" INITIATOR "\nTargetName=" TARGET "\n"
#define DISCOVERY "InitiatorName=" INITIATOR "\nSessionType=Discovery\n"

#define INITIATOR_SECRET "initiator-secret"
#define TARGET_SECRET    "target's secret"

/* Flags of login requests: current stage, next stage, T, C. */
#define SECURITY       0x00
#define OPERATIONAL    0x04
#define TO_OPERATIONAL 0x81 /* T = 1, NSG = 1 */
#define TO_FULL        0x83
#define CONTINUED      0x40

struct response {
	bool any; /* something came */
	uint8_t opcode;
	uint8_t flags;
	uint16_t status; /* of a Login Response */
	uint16_t tsih;
	uint8_t isid[6];
	uint64_t lun;
	uint32_t itt, ttt, stat_sn, exp_cmd_sn, max_cmd_sn;
	uint8_t bhs[BHS_SIZE];
	size_t length;
	char text[262144]; /* with '\n' for NUL, and a NUL behind it */
};

struct request {
	uint8_t opcode, flags;
	uint8_t version_max, version_min;
	uint8_t isid[6];
	uint16_t tsih, cid;
	uint64_t lun;
	uint32_t itt, ttt, cmd_sn, exp_stat_sn;
	uint8_t reserved; /* what all reserved bytes of a Login Request are filled with */
	uint8_t ahs_words;
};

struct bench {
	struct iscsi_worker worker;
	struct iscsi_conn *conn;
	struct credential_set *credentials;
	struct iscsi_resume resume;

	/* What the host says. */
	struct iscsi_login_terms terms;
	struct iscsi_login_status begin_status;
	bool current;
	uint64_t credential; /* the record that it was asked about last */
	enum iscsi_admission admission;
	struct iscsi_grant grant;
	unsigned targets; /* targets that SendTargets finds */
	/* What the host was asked and told. */
	unsigned begins, currents, admits, discovers, wakes, logins;
	char discovered[ISCSI_NAME_MAX + 2]; /* the target asked for; "*" = all */
	unsigned refused_status;
	char refused_why[80];
	unsigned protocol_errors;

	struct request request;   /* the next request: what is constant in a login stays here */
	struct response response; /* the last one */
	uint64_t now;
	size_t unread; /* bytes of output that are not yet read */
	uint8_t *output;
};

/* A connection at its start. Nothing is required or offered, the target is TARGET. */
struct bench *bench_new(void);
void bench_free(struct bench *bench);
/* The target has INITIATOR's credential from now on and requires CHAP; `mutual`: also its own secret. */
void bench_protect(struct bench *bench, bool mutual);
/* A new connection to the same host. */
void bench_reconnect(struct bench *bench);

/* From now on the host has no random bytes, or has them again. */
void bench_random_fails(bool fails);

/* Feeds these bytes of the stream, in pieces of `chunk` bytes if that is not 0; collects what comes back. */
void bench_deliver(struct bench *bench, const uint8_t *bytes, size_t length, size_t chunk);
/* Feeds one PDU of bench->request with this data, then reads the response. */
void bench_feed(struct bench *bench, const void *data, size_t length);
/* A Login Request with these flags and this text. */
const struct response *bench_login(struct bench *bench, uint8_t flags, const char *text);
/* A Text Request likewise. */
const struct response *bench_text(
	struct bench *bench, uint8_t flags, uint32_t ttt, const char *text);
/* The host's late answer to ISCSI_WAIT, and the response to it. */
const struct response *bench_admit(struct bench *bench, enum iscsi_admission answer);
/* Logs in without CHAP, with nothing negotiated but `keys`. */
void bench_enter(struct bench *bench, const char *names, const char *keys);
/* The next response, if there is one. */
bool bench_read(struct bench *bench);

enum iscsi_phase bench_phase(const struct bench *bench);

/* The value of `key` in the last response, up to its end, in a static buffer; NULL if it is not there. */
const char *value_of(const struct response *response, const char *key);
/* How many keys the last response has. */
unsigned count_keys(const struct response *response);
/* CHAP_N and CHAP_R to the last response's challenge, in hexadecimal; `out` has room for 512 bytes. */
void answer_challenge(const struct response *response, unsigned algorithm, const char *name,
	const char *secret, char *out);
/* Whether CHAP_R of the last response proves `secret` for this challenge. */
bool proves(const struct response *response, unsigned algorithm, uint8_t identifier,
	const void *challenge, size_t length, const char *secret);

/* CHAP's first step, to the answer AuthMethod=CHAP; its second, to our challenge of this algorithm. */
void bench_choose(struct bench *bench);
void bench_challenge(struct bench *bench, unsigned algorithm);
/* Its third: CHAP_N and CHAP_R of this name and secret, and `more` keys. */
void bench_respond(struct bench *bench, unsigned algorithm, uint8_t flags, const char *name,
	const char *secret, const char *more);
/* The third step was accepted; ends the login. */
void assert_secured(struct bench *bench, unsigned algorithm, bool mutual);

#define assert_status(response, expected)                                                          \
	ck_assert_msg((response)->any && (response)->opcode == OP_LOGIN_RESPONSE &&                \
			      (response)->status == (expected),                                    \
		"%s:%d: status %04x, not %04x (any %d)", __FILE__, __LINE__, (response)->status,   \
		(expected), (response)->any)

/* A refusal: the response, nothing after it, and the end (LOGIN-17). */
#define assert_refused(bench, expected)                                                            \
	do {                                                                                       \
		assert_status(&(bench)->response, expected);                                       \
		ck_assert_uint_eq((bench)->response.flags, 0);                                     \
		ck_assert_uint_eq((bench)->unread, 0);                                             \
		ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FINISHED);                        \
		ck_assert_uint_eq((bench)->refused_status, expected);                              \
	} while (0)

/* The connection is closed without a word. */
#define assert_silent(bench)                                                                       \
	do {                                                                                       \
		ck_assert(!(bench)->response.any);                                                 \
		ck_assert_int_eq(bench_phase(bench), ISCSI_PHASE_FINISHED);                        \
	} while (0)

#endif
