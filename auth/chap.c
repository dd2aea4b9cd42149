/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CHAP's arithmetic on OpenSSL 3 (RFC 1994 section 4.1, RFC 7143 sections 9.2.1 and 12.1.3).
 * Digests are fetched for every attempt: OpenSSL keeps what it fetched once, so this costs less than
 * a cache of our own, and a provider that refuses an algorithm is noticed at once.
 */
#include "auth/chap.h"

#include "base/secret.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define NONCE_SIZE (CHAP_CHALLENGE_SIZE / 2)
#define TAG_SIZE   (CHAP_CHALLENGE_SIZE - NONCE_SIZE)

struct algorithm {
	unsigned number;
	size_t size;
	const char *name;
	const char *openssl_name;
};

static const struct algorithm algorithms[] = {
	{ CHAP_MD5, 16, "MD5", "MD5" },
	{ CHAP_SHA1, 20, "SHA-1", "SHA1" },
	{ CHAP_SHA256, 32, "SHA-256", "SHA256" },
	{ CHAP_SHA3_256, 32, "SHA3-256", "SHA3-256" },
};

/*
 * Stands in for a record or a secret that does not exist, so that judging takes as long. Its
 * lengths are those the API allows. Nobody can log in with it: chap_verify() refuses by `record`.
 */
static const struct credential nobody = {
	.initiator_secret = { .length = 16, .bytes = "no such initiator" },
	.target_secret = { .length = 16, .bytes = "no target secret" },
};

static const struct algorithm *algorithm_find(unsigned number)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (algorithms[i].number == number)
			return &algorithms[i];
	return NULL;
}

/* The caller frees it. A refusal leaves no trace in the thread's error queue. */
static EVP_MD *algorithm_fetch(unsigned number)
{
	const struct algorithm *algorithm = algorithm_find(number);

	if (!algorithm)
		return NULL;
	ERR_set_mark();
	EVP_MD *digest = EVP_MD_fetch(NULL, algorithm->openssl_name, NULL);
	ERR_pop_to_mark();
	return digest;
}

bool chap_algorithm_supported(unsigned algorithm)
{
	EVP_MD *digest = algorithm_fetch(algorithm);

	EVP_MD_free(digest);
	return digest != NULL;
}

const char *chap_algorithm_name(unsigned algorithm)
{
	const struct algorithm *found = algorithm_find(algorithm);
	return found ? found->name : "unknown";
}

size_t chap_response_size(unsigned algorithm)
{
	const struct algorithm *found = algorithm_find(algorithm);
	return found ? found->size : 0;
}

/* The tag by which a challenge is known as ours: 0, or -1 when OpenSSL fails. */
static int challenge_tag(
	const struct chap_issuer *issuer, const uint8_t *nonce, uint8_t tag[TAG_SIZE])
{
	uint8_t whole[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	int result = -1;

	if (HMAC(EVP_sha256(), issuer->key, (int)sizeof(issuer->key), nonce, NONCE_SIZE, whole,
		    &length) &&
		length >= TAG_SIZE) {
		memcpy(tag, whole, TAG_SIZE);
		result = 0;
	}
	secret_wipe(whole, sizeof(whole));
	return result;
}

int chap_challenge_issue(const struct chap_issuer *issuer, int (*random)(void *, size_t),
	uint8_t challenge[CHAP_CHALLENGE_SIZE], uint8_t *identifier)
{
	uint8_t drawn[NONCE_SIZE + 1];

	if (random(drawn, sizeof(drawn)) != 0 ||
		challenge_tag(issuer, drawn, challenge + NONCE_SIZE) != 0)
		return -1;
	memcpy(challenge, drawn, NONCE_SIZE);
	*identifier = drawn[NONCE_SIZE];
	return 0;
}

bool chap_challenge_is_own(
	const struct chap_issuer *issuer, const uint8_t *challenge, size_t length)
{
	uint8_t tag[TAG_SIZE];

	if (length != CHAP_CHALLENGE_SIZE || challenge_tag(issuer, challenge, tag) != 0)
		return false;
	bool own = secret_equal(tag, sizeof(tag), challenge + NONCE_SIZE, TAG_SIZE);
	secret_wipe(tag, sizeof(tag));
	return own;
}

/* What answers are computed with, fetched once for all that belong to one attempt. */
struct responder {
	EVP_MD *digest;
	EVP_MD_CTX *context; /* NULL: there is none, and nothing can be computed */
};

static struct responder responder_begin(unsigned algorithm)
{
	EVP_MD *digest = algorithm_fetch(algorithm);

	return (struct responder){ digest, digest ? EVP_MD_CTX_new() : NULL };
}

static void responder_end(struct responder *responder)
{
	EVP_MD_CTX_free(responder->context); /* wipes its state */
	EVP_MD_free(responder->digest);
}

static int respond(const struct responder *responder, uint8_t identifier,
	const struct chap_secret *secret, const uint8_t *challenge, size_t challenge_length,
	uint8_t response[CHAP_RESPONSE_MAX])
{
	EVP_MD_CTX *context = responder->context;

	if (context && EVP_DigestInit_ex2(context, responder->digest, NULL) == 1 &&
		EVP_DigestUpdate(context, &identifier, 1) == 1 &&
		EVP_DigestUpdate(context, secret->bytes, secret->length) == 1 &&
		EVP_DigestUpdate(context, challenge, challenge_length) == 1 &&
		EVP_DigestFinal_ex(context, response, NULL) == 1)
		return 0;
	return -1;
}

int chap_respond(unsigned algorithm, uint8_t identifier, const struct chap_secret *secret,
	const uint8_t *challenge, size_t challenge_length, uint8_t response[CHAP_RESPONSE_MAX])
{
	struct responder responder = responder_begin(algorithm);
	int result = respond(&responder, identifier, secret, challenge, challenge_length, response);

	if (result != 0)
		memset(response, 0, chap_response_size(algorithm));
	responder_end(&responder);
	return result;
}

static bool verify(const struct responder *responder, const struct chap_attempt *attempt,
	const struct credential *record)
{
	const struct credential *judged = record ? record : &nobody;
	bool mutual = judged->target_secret.length > 0;
	const struct chap_secret *reflected = mutual ? &judged->target_secret
						     : &nobody.target_secret;
	size_t size = chap_response_size(attempt->algorithm);
	uint8_t expected[CHAP_RESPONSE_MAX] = { 0 };
	uint8_t own[CHAP_RESPONSE_MAX] = { 0 };

	int expected_result = respond(responder, attempt->identifier, &judged->initiator_secret,
		attempt->challenge, attempt->challenge_length, expected);
	int own_result = respond(responder, attempt->identifier, reflected, attempt->challenge,
		attempt->challenge_length, own);
	bool proves = secret_equal(expected, size, attempt->response, attempt->response_length);
	bool reflects = secret_equal(own, size, attempt->response, attempt->response_length);
	secret_wipe(expected, sizeof(expected));
	secret_wipe(own, sizeof(own));
	if (expected_result != 0 || own_result != 0)
		return false;
	/* An empty secret proves nothing, whoever managed to store one. */
	if (!record || record->initiator_secret.length == 0)
		return false;
	return proves && !(mutual && reflects);
}

bool chap_verify(const struct chap_attempt *attempt, const struct credential *record)
{
	struct responder responder = responder_begin(attempt->algorithm);
	const bool proves = verify(&responder, attempt, record);

	responder_end(&responder);
	return proves;
}

const struct credential *chap_verify_either(const struct chap_attempt *attempt,
	const struct credential *record, const struct credential *retiring)
{
	struct responder responder = responder_begin(attempt->algorithm);
	const bool by_record = verify(&responder, attempt, record);
	const bool by_retiring = verify(&responder, attempt, retiring);

	responder_end(&responder);
	if (by_record)
		return record;
	return by_retiring ? retiring : NULL;
}
