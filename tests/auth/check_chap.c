/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CHAP's arithmetic: known answers for every algorithm (computed by an independent implementation
 * as H(identifier || secret || challenge), RFC 1994 section 4.1), the judgement of responses, and
 * the recognition of our own challenges (RFC 7143 section 9.2.1).
 */
#include "auth/chap.h"

#include "base/encode.h"

#include <check.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* The vectors' secrets and challenges follow a rule, so that long ones need no page each. */
static struct chap_secret secret_of(size_t length)
{
	struct chap_secret secret;

	memset(&secret, 0, sizeof(secret));
	secret.length = (uint8_t)length;
	for (size_t i = 0; i < length; i++)
		secret.bytes[i] = (uint8_t)(0x21 + i * 5 % 94);
	return secret;
}

static void challenge_of(uint8_t *challenge, size_t length)
{
	for (size_t i = 0; i < length; i++)
		challenge[i] = (uint8_t)(i * 7 + 3);
}

static const struct {
	unsigned algorithm;
	uint8_t identifier;
	size_t secret_length, challenge_length;
	const char *response;
} answers[] = {
	{ 5, 0, 1, 1, "cd025b9266709f360ce4f25524860b5b" },
	{ 5, 1, 12, 16, "f8fb5675595fe44936d776e3ed10f226" },
	{ 5, 255, 16, 32, "e240c22bafcb62e99c4165a6441820b4" },
	{ 5, 127, 255, 1024, "4de7bd69026f778381539576b8c25a38" },
	{ 5, 10, 17, 0, "1ee153d230d154651284558afc2ba256" },
	{ 6, 0, 1, 1, "24800dcf4f0b87f424f3a62a2a6948f954ba80d6" },
	{ 6, 1, 12, 16, "25562cb104259dc5f458f1c149acfe7242e2c6a5" },
	{ 6, 255, 16, 32, "c1797d36118538805625a1f51ead5634f6e70bd6" },
	{ 6, 127, 255, 1024, "d4860341c184d6dab3c3a4e92648f1f3bbf3aa2c" },
	{ 7, 0, 1, 1, "0c3ee55fe0ec0eeee865000eaa4527759a7b1c6f8b6d28fd506ba7efca2928e2" },
	{ 7, 1, 12, 16, "57909a05f647b1fe374fcc5d7f8a6a9bcdc4000bd2f07ea431da03400fc2585e" },
	{ 7, 255, 16, 32, "fcb13366b8c5a3f6dc6d81681cc9dd6f507d6f15e3493a1a27f7b6c9a0a21c41" },
	{ 7, 127, 255, 1024, "1f2b1742d86acbf77cb63161d2e045b60dcbddb56bfa0c8909e5fb5b969acd6f" },
	{ 8, 0, 1, 1, "e047db8e2e738fccbf671508160847b2a2fbfab4deb0270df218ebbaf6659b64" },
	{ 8, 1, 12, 16, "5576e4077c2b812191170ae0a4467cd091c98a1245bfdd850c71c929f17aa72b" },
	{ 8, 255, 16, 32, "06ae3df99df15e62ebd111e83b290fd1caa3998c04299a76067326b9d36b7d20" },
	{ 8, 127, 255, 1024, "1578b9420eb1c91172aa13ded2a7c5aa39d9d3959f74a6210b14ad96a2163cc3" },
};

START_TEST(responses_are_known) /* [CHAP-05] [CHAP-06] [CHAP-17] */
{
	struct chap_secret secret = secret_of(answers[_i].secret_length);
	uint8_t challenge[CHAP_CHALLENGE_MAX];
	uint8_t response[CHAP_RESPONSE_MAX];
	char digits[2 * CHAP_RESPONSE_MAX + 1];

	challenge_of(challenge, answers[_i].challenge_length);
	ck_assert_int_eq(chap_respond(answers[_i].algorithm, answers[_i].identifier, &secret,
				 challenge, answers[_i].challenge_length, response),
		0);
	hex_encode(digits, sizeof(digits), response, chap_response_size(answers[_i].algorithm));
	ck_assert_str_eq(digits, answers[_i].response);
}
END_TEST

static const struct {
	unsigned number;
	bool supported;
	size_t size;
	const char *name;
} numbers[] = {
	{ 5, true, 16, "MD5" },
	{ 6, true, 20, "SHA-1" },
	{ 7, true, 32, "SHA-256" },
	{ 8, true, 32, "SHA3-256" },
	{ 0, false, 0, "unknown" },
	{ 4, false, 0, "unknown" },
	{ 9, false, 0, "unknown" },
	{ 99, false, 0, "unknown" },
	{ 5u + 65536u, false, 0, "unknown" },
	{ ~0u, false, 0, "unknown" },
};

START_TEST(numbers_are_the_registry_s)
{
	uint8_t response[CHAP_RESPONSE_MAX];
	struct chap_secret secret = secret_of(12);

	ck_assert_int_eq(chap_algorithm_supported(numbers[_i].number), numbers[_i].supported);
	ck_assert_uint_eq(chap_response_size(numbers[_i].number), numbers[_i].size);
	ck_assert_str_eq(chap_algorithm_name(numbers[_i].number), numbers[_i].name);
	ck_assert_int_eq(chap_respond(numbers[_i].number, 1, &secret, response, 4, response),
		numbers[_i].supported ? 0 : -1);
}
END_TEST

/* OpenSSL told to serve approved implementations only, where there are none: all is refused. */
START_TEST(a_refusing_openssl_is_noticed)
{
	struct credential record = { .initiator = "iqn.a", .initiator_secret = secret_of(12) };
	uint8_t bytes[CHAP_RESPONSE_MAX] = { 0 };
	struct chap_attempt attempt = { CHAP_MD5, 1, bytes, 16, bytes, 16 };

	ck_assert(chap_algorithm_supported(CHAP_MD5));
	ck_assert_int_eq(EVP_set_default_properties(NULL, "fips=yes"), 1);
	ERR_clear_error();
	ck_assert(!chap_algorithm_supported(CHAP_MD5));
	ck_assert_uint_eq(ERR_peek_error(), 0);
	ck_assert_int_eq(chap_respond(CHAP_MD5, 1, &record.initiator_secret, bytes, 16, bytes), -1);
	ck_assert(!chap_verify(&attempt, &record));
	ck_assert_int_eq(EVP_set_default_properties(NULL, ""), 1);
	ck_assert(chap_algorithm_supported(CHAP_MD5));
}
END_TEST

/* A response by `secret` to a fixed challenge under `algorithm`, and its judgement. */
struct trial {
	struct chap_attempt attempt;
	uint8_t challenge[CHAP_CHALLENGE_SIZE];
	uint8_t response[CHAP_CHALLENGE_MAX + 1];
};

static void trial_of(struct trial *trial, unsigned algorithm, const struct chap_secret *secret)
{
	memset(trial, 0, sizeof(*trial));
	challenge_of(trial->challenge, sizeof(trial->challenge));
	ck_assert_int_eq(chap_respond(algorithm, 200, secret, trial->challenge,
				 sizeof(trial->challenge), trial->response),
		0);
	trial->attempt = (struct chap_attempt){ algorithm, 200, trial->challenge,
		sizeof(trial->challenge), trial->response, chap_response_size(algorithm) };
}

START_TEST(the_right_secret_is_accepted)
{
	unsigned algorithm = (unsigned)_i;
	struct credential record = { .initiator = "iqn.a", .initiator_secret = secret_of(12) };
	struct trial trial;

	trial_of(&trial, algorithm, &record.initiator_secret);
	ck_assert(chap_verify(&trial.attempt, &record));
	record.target_secret = secret_of(16);
	ck_assert(chap_verify(&trial.attempt, &record));
}
END_TEST

START_TEST(anything_else_is_refused) /* [CHAP-06] [CHAP-18] */
{
	unsigned algorithm = (unsigned)_i;
	struct credential record = { .initiator = "iqn.a", .initiator_secret = secret_of(12) };
	struct chap_secret other = secret_of(13);
	struct trial trial;
	size_t size = chap_response_size(algorithm);

	trial_of(&trial, algorithm, &other);
	ck_assert(!chap_verify(&trial.attempt, &record));
	trial_of(&trial, algorithm, &record.initiator_secret);
	ck_assert(!chap_verify(&trial.attempt, NULL));
	for (size_t bit = 0; bit < size * 8; bit++) {
		trial.response[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert(!chap_verify(&trial.attempt, &record));
		trial.response[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	trial.attempt.identifier++;
	ck_assert(!chap_verify(&trial.attempt, &record));
	trial.attempt.identifier--;
	trial.challenge[31] ^= 1;
	ck_assert(!chap_verify(&trial.attempt, &record));
	trial.challenge[31] ^= 1;
	trial.attempt.challenge_length--;
	ck_assert(!chap_verify(&trial.attempt, &record));
	trial.attempt.challenge_length++;
	ck_assert(chap_verify(&trial.attempt, &record));
}
END_TEST

START_TEST(either_record_of_a_rotation_is_accepted) /* [CRED-11] */
{
	unsigned algorithm = (unsigned)_i;
	struct credential record = { .initiator = "iqn.a", .initiator_secret = secret_of(12) };
	struct credential retiring = { .initiator = "iqn.a", .initiator_secret = secret_of(13) };
	struct chap_secret other = secret_of(14);
	struct trial trial;

	trial_of(&trial, algorithm, &record.initiator_secret);
	ck_assert_ptr_eq(chap_verify_either(&trial.attempt, &record, &retiring), &record);
	ck_assert_ptr_eq(chap_verify_either(&trial.attempt, &record, NULL), &record);
	ck_assert_ptr_null(chap_verify_either(&trial.attempt, &retiring, NULL));
	ck_assert_ptr_null(chap_verify_either(&trial.attempt, NULL, NULL));
	trial_of(&trial, algorithm, &retiring.initiator_secret);
	ck_assert_ptr_eq(chap_verify_either(&trial.attempt, &record, &retiring), &retiring);
	ck_assert_ptr_null(chap_verify_either(&trial.attempt, &record, NULL));
	trial_of(&trial, algorithm, &other);
	ck_assert_ptr_null(chap_verify_either(&trial.attempt, &record, &retiring));
	/* Each is judged by its own target's secret: what that would answer is a reflection. */
	retiring.target_secret = other;
	retiring.initiator_secret = other;
	ck_assert_ptr_null(chap_verify_either(&trial.attempt, &record, &retiring));
}
END_TEST

START_TEST(only_the_digest_s_length_is_accepted) /* [CHAP-06] */
{
	unsigned algorithm = (unsigned)_i;
	struct credential record = { .initiator = "iqn.a", .initiator_secret = secret_of(12) };
	struct trial trial;

	trial_of(&trial, algorithm, &record.initiator_secret);
	for (size_t length = 0; length <= CHAP_CHALLENGE_MAX + 1; length++) {
		trial.attempt.response_length = length;
		ck_assert_int_eq(chap_verify(&trial.attempt, &record),
			length == chap_response_size(algorithm));
	}
}
END_TEST

/* The secrets that stand in for missing ones must open nothing. */
START_TEST(the_stand_in_secrets_open_nothing)
{
	struct chap_secret stand_ins[2] = { { 16, "no such initiator" },
		{ 16, "no target secret" } };
	struct credential nobody = { .initiator = "iqn.a", .initiator_secret = stand_ins[0] };
	struct credential empty = { .initiator = "iqn.a" };
	struct trial trial;

	for (int i = 0; i < 2; i++) {
		trial_of(&trial, CHAP_MD5, &stand_ins[i]);
		ck_assert(!chap_verify(&trial.attempt, NULL));
		ck_assert(!chap_verify(&trial.attempt, &empty));
	}
	/* Somebody whose real secret has those very bytes is not locked out either. */
	trial_of(&trial, CHAP_MD5, &stand_ins[0]);
	ck_assert(chap_verify(&trial.attempt, &nobody));
	nobody.initiator_secret = stand_ins[1];
	trial_of(&trial, CHAP_MD5, &stand_ins[1]);
	ck_assert(chap_verify(&trial.attempt, &nobody));
}
END_TEST

START_TEST(an_empty_secret_proves_nothing)
{
	struct credential record = { .initiator = "iqn.a" };
	struct trial trial;

	trial_of(&trial, CHAP_SHA256, &record.initiator_secret);
	ck_assert(!chap_verify(&trial.attempt, &record));
}
END_TEST

START_TEST(the_target_s_own_response_is_refused) /* [CHAP-12] */
{
	struct credential record = { .initiator = "iqn.a",
		.initiator_secret = secret_of(12),
		.target_secret = secret_of(16) };
	struct trial trial;

	trial_of(&trial, (unsigned)_i, &record.target_secret);
	ck_assert(!chap_verify(&trial.attempt, &record));
	record.initiator_secret = record.target_secret;
	ck_assert(!chap_verify(&trial.attempt, &record));
}
END_TEST

static int count_up(void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)bytes)[i] = (uint8_t)(0xa0 + i);
	return 0;
}

static int no_random(void *bytes, size_t length)
{
	memset(bytes, 0, length);
	return -1;
}

static struct chap_issuer issuer_of(uint8_t first)
{
	struct chap_issuer issuer;

	for (size_t i = 0; i < sizeof(issuer.key); i++)
		issuer.key[i] = (uint8_t)(first + i);
	return issuer;
}

START_TEST(a_challenge_is_random_bytes_and_their_tag) /* [CHAP-07] */
{
	struct chap_issuer issuer = issuer_of(0);
	uint8_t challenge[CHAP_CHALLENGE_SIZE];
	uint8_t identifier;
	char digits[2 * CHAP_CHALLENGE_SIZE + 1];

	ck_assert_int_eq(chap_challenge_issue(&issuer, count_up, challenge, &identifier), 0);
	ck_assert_uint_eq(identifier, 0xb0);
	hex_encode(digits, sizeof(digits), challenge, sizeof(challenge));
	ck_assert_str_eq(digits, "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
				 "b1489727b2602a0e047cb237580a4c79");
}
END_TEST

START_TEST(no_randomness_means_no_challenge)
{
	struct chap_issuer issuer = issuer_of(0);
	uint8_t challenge[CHAP_CHALLENGE_SIZE];
	uint8_t identifier;

	ck_assert_int_eq(chap_challenge_issue(&issuer, no_random, challenge, &identifier), -1);
}
END_TEST

START_TEST(own_challenges_are_known_again) /* [CHAP-11] */
{
	struct chap_issuer issuer = issuer_of(0), other = issuer_of(1);
	uint8_t challenge[CHAP_CHALLENGE_SIZE + 1] = { 0 };
	uint8_t identifier;

	chap_challenge_issue(&issuer, count_up, challenge, &identifier);
	ck_assert(chap_challenge_is_own(&issuer, challenge, CHAP_CHALLENGE_SIZE));
	ck_assert(!chap_challenge_is_own(&other, challenge, CHAP_CHALLENGE_SIZE));
	for (size_t length = 0; length < CHAP_CHALLENGE_SIZE; length++)
		ck_assert(!chap_challenge_is_own(&issuer, challenge, length));
	ck_assert(!chap_challenge_is_own(&issuer, challenge, CHAP_CHALLENGE_SIZE + 1));
	for (size_t bit = 0; bit < CHAP_CHALLENGE_SIZE * 8; bit++) {
		challenge[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert(!chap_challenge_is_own(&issuer, challenge, CHAP_CHALLENGE_SIZE));
		challenge[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth/chap");
	TCase *answering = tcase_create("responses");
	TCase *judging = tcase_create("judgement");
	TCase *issuing = tcase_create("challenges");

	tcase_add_loop_test(answering, responses_are_known, 0, COUNT(answers));
	tcase_add_loop_test(answering, numbers_are_the_registry_s, 0, COUNT(numbers));
	tcase_add_test(answering, a_refusing_openssl_is_noticed);
	tcase_add_loop_test(judging, the_right_secret_is_accepted, CHAP_MD5, CHAP_SHA3_256 + 1);
	tcase_add_loop_test(judging, anything_else_is_refused, CHAP_MD5, CHAP_SHA3_256 + 1);
	tcase_add_loop_test(
		judging, either_record_of_a_rotation_is_accepted, CHAP_MD5, CHAP_SHA3_256 + 1);
	tcase_add_loop_test(
		judging, only_the_digest_s_length_is_accepted, CHAP_MD5, CHAP_SHA3_256 + 1);
	tcase_add_test(judging, the_stand_in_secrets_open_nothing);
	tcase_add_test(judging, an_empty_secret_proves_nothing);
	tcase_add_loop_test(
		judging, the_target_s_own_response_is_refused, CHAP_MD5, CHAP_SHA3_256 + 1);
	tcase_add_test(issuing, a_challenge_is_random_bytes_and_their_tag);
	tcase_add_test(issuing, no_randomness_means_no_challenge);
	tcase_add_test(issuing, own_challenges_are_known_again);
	suite_add_tcase(suite, answering);
	suite_add_tcase(suite, judging);
	suite_add_tcase(suite, issuing);
	SRunner *runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
