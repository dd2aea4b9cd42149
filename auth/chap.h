/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CHAP: challenges, responses and the judgement of responses (RFC 1994, RFC 7143 section 12.1).
 * Pure functions of their arguments. How the keys travel is the login's business.
 */
#ifndef PORTCULLIS_AUTH_CHAP_H
#define PORTCULLIS_AUTH_CHAP_H

#include "auth/credentials.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAP_CHALLENGE_MAX  1024 /* decoded bytes, RFC 7143 section 12.1.3 */
#define CHAP_CHALLENGE_SIZE 32   /* bytes of the challenges we issue */
#define CHAP_RESPONSE_MAX   32   /* bytes of the longest digest */

/* Numbers of the IANA registry (PPP authentication algorithms). 0 is no algorithm. */
enum chap_algorithm { CHAP_MD5 = 5, CHAP_SHA1 = 6, CHAP_SHA256 = 7, CHAP_SHA3_256 = 8 };

/* Whether OpenSSL offers it here (MD5 is refused under FIPS). Cheap after the first call per algorithm. */
bool chap_algorithm_supported(unsigned algorithm);
/* "MD5", "SHA-1", "SHA-256", "SHA3-256", or "unknown". */
const char *chap_algorithm_name(unsigned algorithm);
/* Digest bytes: 16, 20, 32, 32; 0 for an unknown number. */
size_t chap_response_size(unsigned algorithm);

/*
 * Makes and recognises our own challenges: 16 random bytes and a 16-byte tag of them under a key of
 * this process. So a reflected challenge is known on whatever connection it comes back, with no
 * shared state (RFC 7143 section 9.2.1).
 */
struct chap_issuer {
	uint8_t key[32]; /* random, made once at start */
};

/* A fresh challenge and identifier from `random` (RAND_bytes in the daemon); 0, or -1 if that failed. */
int chap_challenge_issue(const struct chap_issuer *issuer, int (*random)(void *, size_t),
	uint8_t challenge[CHAP_CHALLENGE_SIZE], uint8_t *identifier);
/* Whether this process issued these bytes as a challenge, on any connection. */
bool chap_challenge_is_own(
	const struct chap_issuer *issuer, const uint8_t *challenge, size_t length);

/*
 * H(identifier || secret || challenge), RFC 1994 section 4.1. `response` gets chap_response_size()
 * bytes. 0, or -1 if the algorithm is not supported.
 */
int chap_respond(unsigned algorithm, uint8_t identifier, const struct chap_secret *secret,
	const uint8_t *challenge, size_t challenge_length, uint8_t response[CHAP_RESPONSE_MAX]);

/* One response to judge. `record` NULL = unknown CHAP_N: judged as long, always false. */
struct chap_attempt {
	unsigned algorithm;
	uint8_t identifier;
	const uint8_t *challenge; /* ours */
	size_t challenge_length;
	const uint8_t *response; /* the initiator's, of any length */
	size_t response_length;
};

/*
 * Whether the response proves the initiator's secret of `record`. Constant time; false for a wrong
 * length, and for the response that the target's own secret would give (reflection, section 9.2.1).
 */
bool chap_verify(const struct chap_attempt *attempt, const struct credential *record);
/*
 * Which of an initiator's two records the response proves, NULL: neither. Either may be NULL. Both are judged, whatever
 * the first came to, so that time tells neither who is in a rotation nor which record was proved.
 */
const struct credential *chap_verify_either(const struct chap_attempt *attempt,
	const struct credential *record, const struct credential *retiring);

#endif
