/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * auth/sigv4.c against requests captured from the real clients (sigv4-vectors.json), then against
 * every way of bending one of them: each byte of what is signed, times around the limit, headers that
 * are missing, doubled, unsigned or malformed.
 */
#include "auth/sigv4.h"

#include "tests/auth/key_file.h"
#include "tests/suite.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#define VECTORS     9
#define HEADERS_MAX 128
#define NOW         1795345064 /* 20261122T105744Z, when the first vector was signed */
#define ID          "AKIDEXAMPLE"
#define KEY         ID " wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n"
#define SCOPE       "20261122/us-east-1/storagegateway/aws4_request"
#define SIGNED      "content-type;host;x-amz-date;x-amz-target"
#define SIGNATURE   "80453f2fefea4c448afdf4537036ba00c53355b5fc9a8d04a2b6f00a3d5d8312"
#define BODY_DIGEST "d154c3db014239927a13260c73a35d6548c0eaf08a32310323341f189e3a169c"
#define CREDENTIAL  "Credential=" ID "/" SCOPE
#define LIST        "SignedHeaders=" SIGNED
#define CLAIM       "AWS4-HMAC-SHA256 " CREDENTIAL ", " LIST ", Signature=" SIGNATURE

static struct {
	json_t *vectors;
	struct access_keys *keys;
	char *raw; /* what the request's parts point into */
	struct sigv4_header headers[HEADERS_MAX];
	struct sigv4_request request;
} test;

/* Takes a captured request apart, as an HTTP server does. */
static void take(const char *raw)
{
	free(test.raw);
	test.raw = strdup(raw);
	char *end = strstr(test.raw, "\r\n\r\n");
	ck_assert_ptr_nonnull(end);
	end[2] = '\0';
	test.request = (struct sigv4_request){ .method = "POST",
		.path = "/",
		.query = "",
		.headers = test.headers,
		.body = end + 4,
		.body_length = strlen(end + 4) };
	char *line = strstr(test.raw, "\r\n") + 2;
	while (*line) {
		char *stop = strstr(line, "\r\n"), *colon = strchr(line, ':');
		*stop = *colon = '\0';
		ck_assert_uint_lt(test.request.header_count, HEADERS_MAX);
		test.headers[test.request.header_count++] = (struct sigv4_header){ line,
			colon + 1 + strspn(colon + 1, " ") };
		line = stop + 2;
	}
}

static const json_t *vector(size_t index)
{
	return json_array_get(json_object_get(test.vectors, "vectors"), index);
}

static const char *text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

static void setup(void)
{
	char path[512];
	const char *top = getenv("top_srcdir");

	snprintf(path, sizeof(path), "%s/tests/auth/sigv4-vectors.json", top ? top : ".");
	test.vectors = json_load_file(path, 0, NULL);
	ck_assert_msg(test.vectors, "%s cannot be read", path);
	test.keys = keys_of("OTHER other\n" KEY "READER reader read-only\n");
	take(text_of(vector(0), "raw_request"));
}

static void teardown(void)
{
	access_keys_free(test.keys);
	json_decref(test.vectors);
	free(test.raw);
	test.raw = NULL;
}

/* The header of that name, to be changed; NULL without. */
static struct sigv4_header *header(const char *name)
{
	for (size_t i = 0; i < test.request.header_count; i++)
		if (strcmp(test.headers[i].name, name) == 0)
			return &test.headers[i];
	return NULL;
}

static void add_header(const char *name, const char *value)
{
	ck_assert_uint_lt(test.request.header_count, HEADERS_MAX);
	test.headers[test.request.header_count++] = (struct sigv4_header){ name, value };
}

static enum sigv4_result judge_at(time_t now)
{
	const struct sigv4_verdict verdict = sigv4_verify(&test.request, test.keys, now);

	/* A key is named when it is proven, and never else. */
	ck_assert_int_eq(verdict.key != NULL, verdict.result == SIGV4_OK);
	ck_assert(memchr(verdict.detail, '\0', sizeof(verdict.detail)));
	if (verdict.result == SIGV4_OK)
		ck_assert_str_eq(verdict.detail, "");
	return verdict.result;
}

static enum sigv4_result judge(void)
{
	return judge_at(NOW);
}

static time_t time_of(const char *text)
{
	struct tm parts = { 0 };
	ck_assert_ptr_nonnull(strptime(text, "%Y%m%dT%H%M%SZ", &parts));
	return timegm(&parts);
}

/* --- the real clients --- */

START_TEST(captured_request)
{
	const json_t *row = vector((size_t)_i);
	const json_t *intermediate = json_object_get(row, "intermediate");
	const time_t now = time_of(text_of(intermediate, "x_amz_date"));
	char line[256];

	ck_assert_uint_eq(json_array_size(json_object_get(test.vectors, "vectors")), VECTORS);
	snprintf(line, sizeof(line), "%s %s\n", text_of(intermediate, "access_key"),
		text_of(row, "secret_access_key"));
	access_keys_free(test.keys);
	test.keys = keys_of(line);
	take(text_of(row, "raw_request"));
	const enum sigv4_result expected = json_is_true(json_object_get(row, "expect_valid"))
						   ? SIGV4_OK
						   : SIGV4_MISMATCH;
	ck_assert_msg(judge_at(now) == expected, "%s", text_of(row, "name"));
	ck_assert_int_eq(judge_at(now + SIGV4_SKEW + 1), SIGV4_EXPIRED);
}
END_TEST

START_TEST(key_is_the_signer)
{
	ck_assert_int_eq(NOW, time_of("20261122T105744Z"));
	ck_assert_str_eq(sigv4_verify(&test.request, test.keys, NOW).key->id, ID);
	ck_assert(!sigv4_verify(&test.request, test.keys, NOW).key->read_only);
}
END_TEST

/* --- each byte that is signed --- */

static const char *const covered[] = { "Host", "X-Amz-Target", "Content-Type" };

START_TEST(changed_header)
{
	char value[256];
	struct sigv4_header *changed = header(covered[_i]);

	snprintf(value, sizeof(value), "%s", changed->value);
	changed->value = value;
	ck_assert_int_eq(judge(), SIGV4_OK);
	for (char *c = value; *c; c++) {
		*c ^= 1;
		ck_assert_int_eq(judge(), SIGV4_MISMATCH);
		*c ^= 1;
	}
	const size_t length = strlen(value);
	value[length - 1] = '\0';
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
}
END_TEST

START_TEST(changed_body)
{
	char *body = strdup(test.request.body);

	test.request.body = body;
	for (size_t i = 0; i < test.request.body_length; i++) {
		body[i] ^= 0x20;
		ck_assert_int_eq(judge(), SIGV4_MISMATCH);
		body[i] ^= 0x20;
	}
	ck_assert_int_eq(judge(), SIGV4_OK);
	test.request.body_length--;
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
	test.request.body_length = 0;
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
	free(body);
}
END_TEST

START_TEST(changed_request_line)
{
	test.request.method = "GET";
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
	test.request.method = "POST";
	test.request.path = "//";
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
	test.request.path = "/";
	test.request.query = "a=";
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
	test.request.query = "";
	ck_assert_int_eq(judge(), SIGV4_OK);
}
END_TEST

/* No byte of the Authorization header can be another. */
START_TEST(changed_authorization)
{
	char value[512];

	snprintf(value, sizeof(value), "%s", header("Authorization")->value);
	ck_assert_str_eq(value, CLAIM);
	header("Authorization")->value = value;
	for (char *c = value; *c; c++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			*c = (char)(*c ^ 1 << bit);
			ck_assert_msg(judge() != SIGV4_OK, "%s", value);
			*c = (char)(*c ^ 1 << bit);
		}
	}
	ck_assert_int_eq(judge(), SIGV4_OK);
	for (size_t length = strlen(value); length-- > 0;) {
		value[length] = '\0';
		ck_assert_int_eq(judge(), SIGV4_INCOMPLETE);
	}
}
END_TEST

/* The wrong secret, of any length. */
static const char *const wrong_secrets[] = { "x", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEz",
	"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEYY" };

START_TEST(wrong_secret)
{
	char line[128];

	snprintf(line, sizeof(line), ID " %s\n", wrong_secrets[_i]);
	access_keys_free(test.keys);
	test.keys = keys_of(line);
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
}
END_TEST

/* --- the Authorization header --- */

static const struct {
	const char *value;
	enum sigv4_result result;
} claims[] = {
	{ CLAIM, SIGV4_OK },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL "," LIST ",Signature=" SIGNATURE, SIGV4_OK },
	{ "AWS4-HMAC-SHA256   " CREDENTIAL ",  " LIST ",  Signature=" SIGNATURE, SIGV4_OK },
	{ "", SIGV4_INCOMPLETE }, { "Basic QUtJREVYQU1QTEU6eA==", SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256", SIGV4_INCOMPLETE }, { "AWS4-HMAC-SHA256 ", SIGV4_INCOMPLETE },
	{ "aws4-hmac-sha256 " CREDENTIAL ", " LIST ", Signature=" SIGNATURE, SIGV4_INCOMPLETE },
	{ "AWS4-ECDSA-P256-SHA256 " CREDENTIAL ", " LIST ", Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " LIST ", " CREDENTIAL ", Signature=" SIGNATURE, SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL ", Signature=" SIGNATURE, SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " LIST, SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " LIST ", Signature=", SIGV4_INCOMPLETE },
	{ CLAIM " ", SIGV4_INCOMPLETE }, { CLAIM ",", SIGV4_INCOMPLETE },
	{ CLAIM "0", SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " LIST ", Signature=" SIGNATURE ", " CREDENTIAL,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " LIST
	  ", Signature=80453F2FEFEA4C448AFDF4537036BA00C53355B5FC9A8D04A2B6F00A3D5D8312",
		SIGV4_INCOMPLETE },
	/* scopes */
	{ "AWS4-HMAC-SHA256 Credential=" ID ", " LIST ", Signature=" SIGNATURE, SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 Credential=" ID "/20261122/us-east-1/storagegateway, " LIST
	  ", Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 Credential=/" SCOPE ", " LIST ", Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 Credential=" ID "/2026112/us-east-1/storagegateway/aws4_request, " LIST
	  ", Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 Credential=" ID "/2026112x/us-east-1/storagegateway/aws4_request, " LIST
	  ", Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 Credential=" ID "/20261122//storagegateway/aws4_request, " LIST
	  ", Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 Credential=" ID "/20261122/US East/storagegateway/aws4_request, " LIST
	  ", Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 Credential=" ID "/20261122/us-east-1/s3/aws4_request, " LIST
	  ", Signature=" SIGNATURE,
		SIGV4_MISMATCH },
	{ "AWS4-HMAC-SHA256 Credential=" ID "/20261122/us-east-1/storagegateway/aws4, " LIST
	  ", Signature=" SIGNATURE,
		SIGV4_MISMATCH },
	{ "AWS4-HMAC-SHA256 Credential=" ID "/" SCOPE "/more, " LIST ", Signature=" SIGNATURE,
		SIGV4_MISMATCH },
	{ "AWS4-HMAC-SHA256 Credential=" ID "/20261121/us-east-1/storagegateway/aws4_request, " LIST
	  ", Signature=" SIGNATURE,
		SIGV4_MISMATCH },
	{ "AWS4-HMAC-SHA256 Credential=" ID "/20261122/eu-west-1/storagegateway/aws4_request, " LIST
	  ", Signature=" SIGNATURE,
		SIGV4_MISMATCH }, /* any region is good, but it is signed */
	/* keys */
	{ "AWS4-HMAC-SHA256 Credential=AKIDUNKNOWN/" SCOPE ", " LIST ", Signature=" SIGNATURE,
		SIGV4_UNKNOWN_KEY },
	{ "AWS4-HMAC-SHA256 Credential=AKIDEXAMPL/" SCOPE ", " LIST ", Signature=" SIGNATURE,
		SIGV4_UNKNOWN_KEY },
	{ "AWS4-HMAC-SHA256 Credential=akidexample/" SCOPE ", " LIST ", Signature=" SIGNATURE,
		SIGV4_UNKNOWN_KEY },
	{ "AWS4-HMAC-SHA256 Credential=OTHER/" SCOPE ", " LIST ", Signature=" SIGNATURE,
		SIGV4_MISMATCH },
	/* signed headers */
	{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=, Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=;, Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=" SIGNED ";, Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=;" SIGNED ", Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL
	  ", SignedHeaders=content-type;x-amz-date;x-amz-target, Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL
	  ", SignedHeaders=content-type;host;x-amz-target, Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL
	  ", SignedHeaders=content-type;host;x-amz-date, Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL
	  ", SignedHeaders=host;x-amz-date;x-amz-target, Signature=" SIGNATURE,
		SIGV4_MISMATCH }, /* enough, but not what was signed */
	{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=" SIGNED ";x-none, Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL
	  ", SignedHeaders=Content-Type;Host;X-Amz-Date;X-Amz-Target, Signature=" SIGNATURE,
		SIGV4_INCOMPLETE },
	{ "AWS4-HMAC-SHA256 " CREDENTIAL
	  ", SignedHeaders=host;content-type;x-amz-date;x-amz-target, Signature=" SIGNATURE,
		SIGV4_MISMATCH }, /* the order is signed too */
};

START_TEST(authorization)
{
	header("Authorization")->value = claims[_i].value;
	ck_assert_msg(judge() == claims[_i].result, "%s: %d", claims[_i].value, (int)judge());
}
END_TEST

START_TEST(unsigned_request)
{
	header("Authorization")->name = "X-Authorization";
	ck_assert_int_eq(judge(), SIGV4_UNSIGNED);
	test.request.header_count = 0;
	ck_assert_int_eq(judge(), SIGV4_UNSIGNED);
}
END_TEST

START_TEST(header_twice)
{
	static const char *const names[] = { "Authorization", "Host", "X-Amz-Date", "x-amz-target",
		"Content-Type" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = i == 3 ? header("X-Amz-Target")->value
					   : header(names[i])->value;
		add_header(names[i], value);
		ck_assert_int_eq(judge(), SIGV4_INCOMPLETE);
		test.request.header_count--;
	}
	add_header("User-Agent", "another"); /* not signed: nobody's business */
	ck_assert_int_eq(judge(), SIGV4_OK);
}
END_TEST

START_TEST(header_missing)
{
	static const char *const names[] = { "Host", "X-Amz-Date", "X-Amz-Target", "Content-Type" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct sigv4_header *gone = header(names[i]);
		gone->name = "X-Other";
		ck_assert_int_eq(judge(), SIGV4_INCOMPLETE);
		gone->name = names[i];
	}
	ck_assert_int_eq(judge(), SIGV4_OK);
}
END_TEST

/* Names are compared without case; values without the blanks that proxies add. */
START_TEST(form_of_headers)
{
	header("Host")->name = "hOST";
	header("Content-Type")->value = " \t application/x-amz-json-1.1 \t";
	ck_assert_int_eq(judge(), SIGV4_OK);
	header("Content-Type")->value = "application/x-amz-json -1.1";
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
	header("Content-Type")->value = "";
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
}
END_TEST

/* Many names would cost a stranger's server time: a list has an end. */
START_TEST(many_signed_headers)
{
	static char value[4096];
	int length = snprintf(
		value, sizeof(value), "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=" SIGNED);

	for (int i = 4; i < SIGV4_SIGNED_MAX; i++)
		length += snprintf(value + length, sizeof(value) - (size_t)length, ";content-type");
	snprintf(value + length, sizeof(value) - (size_t)length, ", Signature=" SIGNATURE);
	header("Authorization")->value = value;
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
	snprintf(value + length, sizeof(value) - (size_t)length, ";host, Signature=" SIGNATURE);
	ck_assert_int_eq(judge(), SIGV4_INCOMPLETE);
}
END_TEST

/* --- time --- */

static const struct {
	long offset; /* of now to the signature */
	enum sigv4_result result;
	const char *words;
} skews[] = {
	{ 0, SIGV4_OK, "" },
	{ SIGV4_SKEW, SIGV4_OK, "" },
	{ -SIGV4_SKEW, SIGV4_OK, "" },
	{ SIGV4_SKEW + 1, SIGV4_EXPIRED, "Signature expired: 20261122T105744Z" },
	{ -SIGV4_SKEW - 1, SIGV4_EXPIRED, "Signature not yet current: 20261122T105744Z" },
	{ 20 * 60, SIGV4_EXPIRED,
		"Signature expired: 20261122T105744Z is more than 15 minutes "
		"before 20261122T111744Z" },
	{ 365L * 86400, SIGV4_EXPIRED, "Signature expired" },
	{ -365L * 86400, SIGV4_EXPIRED, "Signature not yet current" },
	{ -NOW, SIGV4_EXPIRED, "Signature not yet current" },
};

START_TEST(skew)
{
	const struct sigv4_verdict verdict = sigv4_verify(
		&test.request, test.keys, (time_t)(NOW + skews[_i].offset));

	ck_assert_int_eq(verdict.result, skews[_i].result);
	ck_assert_msg(strncmp(verdict.detail, skews[_i].words, strlen(skews[_i].words)) == 0, "%s",
		verdict.detail);
}
END_TEST

static const struct {
	const char *text;
	enum sigv4_result result;
} times[] = {
	{ "20261122T105744Z", SIGV4_OK },
	{ "20261122T105745Z", SIGV4_MISMATCH },
	{ "20261122T104743Z", SIGV4_MISMATCH },
	{ "20261122T000000Z", SIGV4_EXPIRED },
	{ "20261121T235959Z", SIGV4_EXPIRED },
	{ "", SIGV4_INCOMPLETE },
	{ "20261122T105744", SIGV4_INCOMPLETE },
	{ "20261122T105744Z ", SIGV4_INCOMPLETE },
	{ " 20261122T105744Z", SIGV4_INCOMPLETE },
	{ "20261122t105744z", SIGV4_INCOMPLETE },
	{ "2026-11-22T10:57", SIGV4_INCOMPLETE },
	{ "20261122T10574 Z", SIGV4_INCOMPLETE },
	{ "20261122T1057-4Z", SIGV4_INCOMPLETE },
	{ "20261322T105744Z", SIGV4_INCOMPLETE },
	{ "20260022T105744Z", SIGV4_INCOMPLETE },
	{ "20261131T105744Z", SIGV4_INCOMPLETE },
	{ "20261100T105744Z", SIGV4_INCOMPLETE },
	{ "20261122T245744Z", SIGV4_INCOMPLETE },
	{ "20261122T106044Z", SIGV4_INCOMPLETE },
	{ "20261122T105760Z", SIGV4_INCOMPLETE },
	{ "00000101T000000Z", SIGV4_EXPIRED },
	{ "99991231T235959Z", SIGV4_EXPIRED },
	{ "Sun, 22 Nov 2026 10:57:44 GMT", SIGV4_INCOMPLETE },
};

START_TEST(form_of_time)
{
	header("X-Amz-Date")->value = times[_i].text;
	ck_assert_msg(judge() == times[_i].result, "%s: %d", times[_i].text, (int)judge());
}
END_TEST

/* --- the body's digest, and the token --- */

static const struct {
	const char *value;
	enum sigv4_result result;
} digests[] = {
	{ BODY_DIGEST, SIGV4_OK },
	{ "UNSIGNED-PAYLOAD", SIGV4_MISMATCH },
	{ "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_MISMATCH },
	{ "", SIGV4_MISMATCH },
	{ "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", SIGV4_MISMATCH },
};

START_TEST(content_digest)
{
	add_header("X-Amz-Content-Sha256", digests[_i].value);
	ck_assert_int_eq(judge(), digests[_i].result);
	add_header("x-amz-content-sha256", digests[_i].value);
	ck_assert_int_eq(judge(), SIGV4_MISMATCH);
}
END_TEST

START_TEST(unsigned_token_is_ignored)
{
	add_header("X-Amz-Security-Token", "whatever");
	ck_assert_int_eq(judge(), SIGV4_OK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth/sigv4");
	TCase *tests = tcase_create("verify");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, captured_request, 0, VECTORS);
	tcase_add_test(tests, key_is_the_signer);
	tcase_add_rows(tests, changed_header, covered);
	tcase_add_test(tests, changed_body);
	tcase_add_test(tests, changed_request_line);
	tcase_add_test(tests, changed_authorization);
	tcase_add_rows(tests, wrong_secret, wrong_secrets);
	tcase_add_rows(tests, authorization, claims);
	tcase_add_test(tests, unsigned_request);
	tcase_add_test(tests, header_twice);
	tcase_add_test(tests, header_missing);
	tcase_add_test(tests, form_of_headers);
	tcase_add_test(tests, many_signed_headers);
	tcase_add_rows(tests, skew, skews);
	tcase_add_rows(tests, form_of_time, times);
	tcase_add_rows(tests, content_digest, digests);
	tcase_add_test(tests, unsigned_token_is_ignored);
	suite_add_tcase(suite, tests);
	return suite_main(suite);
}
