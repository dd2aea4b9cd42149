/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signature Version 4: the Authorization header taken apart, the canonical request fed to SHA-256
 * piece by piece, and the chain of HMACs. Nothing of the request is copied, so no length of it
 * matters; the keys of the chain are wiped.
 */
#include "auth/sigv4.h"

#include "auth/digest.h"
#include "base/encode.h"
#include "base/secret.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ALGORITHM  "AWS4-HMAC-SHA256"
#define SERVICE    "storagegateway"
#define TERMINATOR "aws4_request"

#define REGION_MAX 64
#define DATE_SIZE  8  /* yyyymmdd */
#define TIME_SIZE  16 /* yyyymmddThhmmssZ */

/* A part of a header's value. */
struct view {
	const char *at;
	size_t length;
};

/* The Authorization header's parts, then the headers that they are about. */
struct claim {
	struct view key_id, scope; /* scope: date to terminator, slashes included */
	struct view date, region, service, terminator;
	struct view signed_list;
	struct view signature;
	const struct sigv4_header *signed_headers[SIGV4_SIGNED_MAX];
	size_t signed_count;
	const char *time; /* the value of x-amz-date, TIME_SIZE characters */
};

static bool view_is(struct view view, const char *text)
{
	return view.length == strlen(text) && memcmp(view.at, text, view.length) == 0;
}

static enum sigv4_result fail(
	struct sigv4_verdict *verdict, enum sigv4_result result, const char *detail)
{
	snprintf(verdict->detail, sizeof(verdict->detail), "%s", detail);
	return result;
}

/* --- the Authorization header --- */

/* Takes a word off the front of `rest`. */
static bool take_word(struct view *rest, const char *word)
{
	const size_t length = strlen(word);

	if (rest->length < length || memcmp(rest->at, word, length) != 0)
		return false;
	rest->at += length;
	rest->length -= length;
	return true;
}

/* Takes what stands before `end`, which is taken too; one character at least. */
static bool take_until(struct view *rest, char end, struct view *taken)
{
	const char *found = memchr(rest->at, end, rest->length);

	if (!found || found == rest->at)
		return false;
	*taken = (struct view){ rest->at, (size_t)(found - rest->at) };
	rest->length -= taken->length + 1;
	rest->at = found + 1;
	return true;
}

static void take_blanks(struct view *rest)
{
	while (take_word(rest, " "))
		;
}

/* Whether it is all of `allowed`. */
static bool view_has_only(struct view view, const char *allowed)
{
	for (size_t i = 0; i < view.length; i++)
		if (!view.at[i] || !strchr(allowed, view.at[i]))
			return false;
	return true;
}

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* "ALGORITHM Credential=ID/DATE/REGION/SERVICE/TERMINATOR, SignedHeaders=a;b, Signature=HEX". */
static bool parse_authorization(struct claim *claim, const char *value)
{
	struct view rest = { value, strlen(value) };
	struct view credential;

	if (!take_word(&rest, ALGORITHM " "))
		return false;
	take_blanks(&rest);
	if (!take_word(&rest, "Credential=") || !take_until(&rest, ',', &credential))
		return false;
	take_blanks(&rest);
	if (!take_word(&rest, "SignedHeaders=") || !take_until(&rest, ',', &claim->signed_list))
		return false;
	take_blanks(&rest);
	if (!take_word(&rest, "Signature="))
		return false;
	claim->signature = rest;
	if (!take_until(&credential, '/', &claim->key_id))
		return false;
	claim->scope = credential;
	if (!take_until(&credential, '/', &claim->date) ||
		!take_until(&credential, '/', &claim->region) ||
		!take_until(&credential, '/', &claim->service))
		return false;
	claim->terminator = credential;
	return claim->signature.length == SHA256_HEX_SIZE - 1 &&
	       view_has_only(claim->signature, DIGITS "abcdef") &&
	       claim->date.length == DATE_SIZE && view_has_only(claim->date, DIGITS) &&
	       claim->region.length <= REGION_MAX && view_has_only(claim->region, LOWER DIGITS "-");
}

/* --- headers --- */

/* The header of that name; NULL: there is none, or more than one. */
static const struct sigv4_header *find_header(
	const struct sigv4_request *request, struct view name, size_t *found)
{
	const struct sigv4_header *header = NULL;

	*found = 0;
	for (size_t i = 0; i < request->header_count; i++) {
		const char *candidate = request->headers[i].name;
		if (strlen(candidate) == name.length &&
			strncasecmp(candidate, name.at, name.length) == 0) {
			header = &request->headers[i];
			(*found)++;
		}
	}
	return *found == 1 ? header : NULL;
}

static bool is_lower_token(struct view name)
{
	return name.length > 0 && view_has_only(name, LOWER DIGITS "!#$%&'*+-.^_`|~");
}

/* Finds the headers of the list. False: one is not there once, or what must be signed is not. */
static bool find_signed(struct claim *claim, const struct sigv4_request *request)
{
	static const char *const required[] = { "host", "x-amz-date", "x-amz-target" };
	size_t covered = 0, found;
	const char *at = claim->signed_list.at, *end = at + claim->signed_list.length;

	for (bool last = false; !last; at++) {
		const char *stop = memchr(at, ';', (size_t)(end - at));
		last = !stop;
		struct view name = { at, (size_t)((last ? end : stop) - at) };
		const struct sigv4_header *header = find_header(request, name, &found);
		if (!is_lower_token(name) || !header || claim->signed_count == SIGV4_SIGNED_MAX)
			return false;
		for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
			covered |= (size_t)view_is(name, required[i]) << i;
		if (view_is(name, "x-amz-date"))
			claim->time = header->value;
		claim->signed_headers[claim->signed_count++] = header;
		at += name.length;
	}
	return covered == 7;
}

/* --- time --- */

/* The number of `count` digits. */
static int number_at(const char *text, size_t count)
{
	int number = 0;

	for (size_t i = 0; i < count; i++)
		number = 10 * number + (text[i] - '0');
	return number;
}

/* ISO 8601's basic form, in UTC. */
static bool parse_time(const char *text, time_t *at)
{
	static const char form[TIME_SIZE + 1] = "ddddddddTddddddZ";

	if (strlen(text) != TIME_SIZE)
		return false;
	for (size_t i = 0; i < TIME_SIZE; i++)
		if (form[i] == 'd' ? !strchr(DIGITS, text[i]) : text[i] != form[i])
			return false;
	struct tm parts = {
		.tm_year = number_at(text, 4) - 1900,
		.tm_mon = number_at(text + 4, 2) - 1,
		.tm_mday = number_at(text + 6, 2),
		.tm_hour = number_at(text + 9, 2),
		.tm_min = number_at(text + 11, 2),
		.tm_sec = number_at(text + 13, 2),
	};
	*at = timegm(&parts);
	/* timegm() would take the 31st of February for a day of March. */
	return parts.tm_mon + 1 == number_at(text + 4, 2) &&
	       parts.tm_mday == number_at(text + 6, 2) && parts.tm_hour == number_at(text + 9, 2) &&
	       parts.tm_min == number_at(text + 11, 2) && parts.tm_sec == number_at(text + 13, 2);
}

static enum sigv4_result check_time(struct sigv4_verdict *verdict, const char *text, time_t now)
{
	char here[TIME_SIZE + 1];
	struct tm parts;
	time_t at;

	if (!parse_time(text, &at))
		return fail(verdict, SIGV4_INCOMPLETE, "X-Amz-Date must be yyyymmddThhmmssZ.");
	if (at >= now - SIGV4_SKEW && at <= now + SIGV4_SKEW)
		return SIGV4_OK;
	gmtime_r(&now, &parts);
	if (strftime(here, sizeof(here), "%Y%m%dT%H%M%SZ", &parts) == 0)
		here[0] = '\0';
	snprintf(verdict->detail, sizeof(verdict->detail),
		at < now ? "Signature expired: %s is more than 15 minutes before %s, which it is "
			   "here."
			 : "Signature not yet current: %s is more than 15 minutes after %s, which "
			   "it is here.",
		text, here);
	return SIGV4_EXPIRED;
}

/* --- the signature --- */

/* SHA-256 of pieces, with a sticky error. */
struct stream {
	EVP_MD_CTX *context;
	bool failed;
};

static void put(struct stream *stream, const char *bytes, size_t length)
{
	if (!stream->failed && EVP_DigestUpdate(stream->context, bytes, length) != 1)
		stream->failed = true;
}

static void put_text(struct stream *stream, const char *text)
{
	put(stream, text, strlen(text));
}

/* A header's value without blanks at its ends, and one for many in between. */
static void put_value(struct stream *stream, const char *value)
{
	static const char blanks[] = " \t";

	value += strspn(value, blanks);
	while (*value) {
		const size_t word = strcspn(value, blanks);
		put(stream, value, word);
		value += word + strspn(value + word, blanks);
		if (*value)
			put(stream, " ", 1);
	}
}

/* The digest of the canonical request as hexadecimal digits. */
static bool hash_request(char digits[SHA256_HEX_SIZE], const struct sigv4_request *request,
	const struct claim *claim, const char *body_digest)
{
	uint8_t digest[SHA256_SIZE];
	const char *name = claim->signed_list.at;
	struct stream stream = { .context = EVP_MD_CTX_new() };

	stream.failed = !stream.context ||
			EVP_DigestInit_ex(stream.context, EVP_sha256(), NULL) != 1;
	put_text(&stream, request->method);
	put_text(&stream, "\n");
	put_text(&stream, request->path);
	put_text(&stream, "\n");
	put_text(&stream, request->query);
	put_text(&stream, "\n");
	for (size_t i = 0; i < claim->signed_count; i++) {
		const size_t length = strlen(claim->signed_headers[i]->name);
		put(&stream, name, length); /* the list has it in lower case */
		put_text(&stream, ":");
		put_value(&stream, claim->signed_headers[i]->value);
		put_text(&stream, "\n");
		name += length + 1;
	}
	put_text(&stream, "\n");
	put(&stream, claim->signed_list.at, claim->signed_list.length);
	put_text(&stream, "\n");
	put_text(&stream, body_digest);
	if (!stream.failed && EVP_DigestFinal_ex(stream.context, digest, NULL) != 1)
		stream.failed = true;
	EVP_MD_CTX_free(stream.context);
	return !stream.failed && hex_encode(digits, SHA256_HEX_SIZE, digest, sizeof(digest)) > 0;
}

static bool hmac(uint8_t out[SHA256_SIZE], const void *key, size_t key_length, struct view text)
{
	return HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)text.at, text.length,
		       out, NULL) != NULL;
}

/* HMAC over HMAC: date, region, service, terminator, and the string to sign last. */
static bool sign(uint8_t signature[SHA256_SIZE], const struct access_key *key,
	const struct claim *claim, struct view string)
{
	const struct view steps[] = { claim->date, claim->region, claim->service, claim->terminator,
		string };
	uint8_t chain[SHA256_SIZE];
	char first[4 + ACCESS_KEY_SECRET_MAX + 1];
	const int length = snprintf(first, sizeof(first), "AWS4%s", key->secret);

	bool good = hmac(chain, first, (size_t)length, steps[0]);
	for (size_t i = 1; good && i < sizeof(steps) / sizeof(steps[0]); i++) {
		good = hmac(signature, chain, sizeof(chain), steps[i]);
		memcpy(chain, signature, sizeof(chain));
	}
	secret_wipe(first, sizeof(first));
	secret_wipe(chain, sizeof(chain));
	return good;
}

static enum sigv4_result check_signature(const struct sigv4_request *request,
	const struct claim *claim, const struct access_key *key, const char *body_digest)
{
	char digits[SHA256_HEX_SIZE];
	char string[sizeof(ALGORITHM) + TIME_SIZE + REGION_MAX + DATE_SIZE + sizeof(SERVICE) +
		    sizeof(TERMINATOR) + SHA256_HEX_SIZE + 8];
	uint8_t signature[SHA256_SIZE];

	if (!hash_request(digits, request, claim, body_digest))
		return SIGV4_FAILED;
	const int length = snprintf(string, sizeof(string), ALGORITHM "\n%s\n%.*s\n%s", claim->time,
		(int)claim->scope.length, claim->scope.at, digits);
	if (length < 0 || (size_t)length >= sizeof(string))
		return SIGV4_FAILED;
	if (!sign(signature, key, claim, (struct view){ string, (size_t)length }) ||
		hex_encode(digits, sizeof(digits), signature, sizeof(signature)) < 0)
		return SIGV4_FAILED;
	return secret_equal(
		       digits, SHA256_HEX_SIZE - 1, claim->signature.at, claim->signature.length)
		       ? SIGV4_OK
		       : SIGV4_MISMATCH;
}

/* --- the verdict --- */

/* What the header says, and whether it says enough. */
static enum sigv4_result read_claim(
	struct sigv4_verdict *verdict, struct claim *claim, const struct sigv4_request *request)
{
	static const struct view name = { "authorization", 13 };
	size_t found;
	const struct sigv4_header *header = find_header(request, name, &found);

	if (found == 0)
		return SIGV4_UNSIGNED;
	if (!header || !parse_authorization(claim, header->value))
		return fail(verdict, SIGV4_INCOMPLETE,
			"Authorization must be \"" ALGORITHM " Credential=ID/DATE/REGION/" SERVICE
			"/" TERMINATOR ", SignedHeaders=..., Signature=...\".");
	if (!find_signed(claim, request))
		return fail(verdict, SIGV4_INCOMPLETE,
			"SignedHeaders must name headers of the request, host, x-amz-date and "
			"x-amz-target among them.");
	return SIGV4_OK;
}

static enum sigv4_result check_scope(struct sigv4_verdict *verdict, const struct claim *claim)
{
	if (!view_is(claim->service, SERVICE) || !view_is(claim->terminator, TERMINATOR))
		return fail(verdict, SIGV4_MISMATCH,
			"Credential should be scoped to the service " SERVICE ".");
	if (memcmp(claim->date.at, claim->time, DATE_SIZE) != 0)
		return fail(verdict, SIGV4_MISMATCH,
			"The date in the credential's scope is not that of X-Amz-Date.");
	return SIGV4_OK;
}

static enum sigv4_result check_body(
	const struct sigv4_request *request, char digits[SHA256_HEX_SIZE])
{
	static const struct view name = { "x-amz-content-sha256", 20 };
	size_t found;
	const struct sigv4_header *header = find_header(request, name, &found);

	if (sha256_hex(digits, request->body, request->body_length) != 0)
		return SIGV4_FAILED;
	if (found && (!header || strcmp(header->value, digits) != 0))
		return SIGV4_MISMATCH;
	return SIGV4_OK;
}

struct sigv4_verdict sigv4_verify(
	const struct sigv4_request *request, const struct access_keys *keys, time_t now)
{
	struct sigv4_verdict verdict = { .result = SIGV4_OK };
	struct claim claim = { .signed_count = 0 };
	char body_digest[SHA256_HEX_SIZE];

	verdict.result = read_claim(&verdict, &claim, request);
	if (verdict.result)
		return verdict;
	const struct access_key *key = access_keys_find(keys, claim.key_id.at, claim.key_id.length);
	if (!key)
		verdict.result = SIGV4_UNKNOWN_KEY;
	else
		verdict.result = check_time(&verdict, claim.time, now);
	if (!verdict.result)
		verdict.result = check_scope(&verdict, &claim);
	if (!verdict.result)
		verdict.result = check_body(request, body_digest);
	if (!verdict.result)
		verdict.result = check_signature(request, &claim, key, body_digest);
	if (!verdict.result)
		verdict.key = key;
	return verdict;
}
