/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Encoding and strict decoding of state files. jansson's own copies lie where the program told it
 * to allocate (secret memory, in the daemon); its error texts quote the input and are never asked for.
 */
#include "conf/state_text.h"

#include "auth/digest.h"
#include "base/encode.h"
#include "base/secret.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT          1
#define FORMAT_ROTATION 2 /* of credentials: 1 and rotations under way */
#define SUFFIX          ".credentials"
#define DIGEST_DIGITS   (SHA256_HEX_SIZE - 1)
#define TAIL_SIZE       (DIGEST_DIGITS + 1) /* the second line */

int state_name_of(char name[STATE_NAME_SIZE], const char *target)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-.:";
	size_t length = strspn(target, plain);

	name[0] = '\0';
	if (length == 0 || length > ISCSI_NAME_MAX || target[length])
		return -1;
	snprintf(name, STATE_NAME_SIZE, "%s" SUFFIX, target);
	return 0;
}

bool state_name_is_credentials(const char *name)
{
	size_t length = strlen(name), suffix = sizeof(SUFFIX) - 1;

	return length > suffix && strcmp(name + length - suffix, SUFFIX) == 0;
}

bool state_name_is_indexed(const char *name)
{
	return state_name_is_credentials(name) || strcmp(name, STATE_OVERLAY) == 0;
}

/* `json` (consumed, NULL is fine) as a line and its checksum. */
static char *seal(json_t *json, size_t *length)
{
	size_t size = json ? json_dumpb(json, NULL, 0, JSON_COMPACT) : 0;
	char *text = size ? secret_malloc(size + 1 + TAIL_SIZE + 1) : NULL;
	char digits[SHA256_HEX_SIZE];

	bool whole = text && json_dumpb(json, text, size, JSON_COMPACT) == size;
	if (whole) {
		text[size] = '\n';
		whole = sha256_hex(digits, text, size + 1) == 0;
	}
	if (whole) {
		snprintf(text + size + 1, TAIL_SIZE + 1, "%s\n", digits);
		*length = size + 1 + TAIL_SIZE;
	} else {
		secret_free(text);
		text = NULL;
	}
	json_decref(json);
	return text;
}

/* The JSON value of a sealed text, or NULL with *why. */
static json_t *unseal(const char *text, size_t length, const char **why)
{
	char digits[SHA256_HEX_SIZE];

	*why = "is not a line and its checksum";
	if (length < TAIL_SIZE + 2 || text[length - 1] != '\n')
		return NULL;
	size_t line = length - TAIL_SIZE; /* with its newline */
	if (text[line - 1] != '\n' || memchr(text, '\n', line) != text + line - 1)
		return NULL;
	*why = "its checksum does not match";
	if (sha256_hex(digits, text, line) != 0 || memcmp(digits, text + line, DIGEST_DIGITS) != 0)
		return NULL;
	*why = "is not the JSON expected";
	return json_loadb(text, line - 1, JSON_REJECT_DUPLICATES, NULL);
}

static json_t *hex_of(const struct chap_secret *secret)
{
	char digits[2 * CHAP_SECRET_MAX + 1];

	hex_encode(digits, sizeof(digits), secret->bytes, secret->length);
	json_t *text = json_string(digits);
	secret_wipe(digits, sizeof(digits));
	return text;
}

/* The record that retires beside the newest one. */
static json_t *retiring_of(const struct credential *retiring)
{
	return json_pack("{s:o, s:o, s:I}", "initiatorSecret", hex_of(&retiring->initiator_secret),
		"targetSecret", hex_of(&retiring->target_secret), "until",
		(json_int_t)retiring->until);
}

static json_t *record_of(const struct credential_set *set, const struct credential *record)
{
	const struct credential *retiring = credential_set_retiring(
		set, record->initiator, strlen(record->initiator));
	json_t *one = json_pack("{s:s, s:o, s:o}", "initiator", record->initiator,
		"initiatorSecret", hex_of(&record->initiator_secret), "targetSecret",
		hex_of(&record->target_secret));

	if (one && retiring && json_object_set_new(one, "retiring", retiring_of(retiring)) != 0) {
		json_decref(one);
		one = NULL;
	}
	return one;
}

char *state_text_of_credentials(
	const char *target, const struct credential_set *set, size_t *length)
{
	json_t *records = json_array();
	uint64_t generation = credential_set_generation(set);
	/* An older version reads what it can understand, and refuses what it would lose. */
	int format = credential_set_retiring_count(set) ? FORMAT_ROTATION : FORMAT;

	for (size_t i = 0; i < credential_set_count(set); i++)
		if (json_array_append_new(records, record_of(set, credential_set_at(set, i))) !=
			0) {
			json_decref(records);
			return NULL;
		}
	return seal(json_pack("{s:i, s:s, s:I, s:o}", "format", format, "target", target,
			    "generation", (json_int_t)generation, "credentials", records),
		length);
}

static bool secret_from(struct chap_secret *secret, const char *digits, size_t least)
{
	size_t length, count = strlen(digits);

	if (count % 2 != 0 ||
		hex_decode(secret->bytes, sizeof(secret->bytes), &length, digits, count) != 0)
		return false;
	secret->length = (uint8_t)length;
	return length >= least;
}

static bool name_from(char to[CREDENTIAL_NAME_MAX + 1], const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > CREDENTIAL_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (name[i] >= 'A' && name[i] <= 'Z')
			return false;
	memcpy(to, name, length + 1);
	return true;
}

static bool secrets_from(
	struct credential *record, const char *initiator_secret, const char *target_secret)
{
	return secret_from(&record->initiator_secret, initiator_secret, 1) &&
	       secret_from(&record->target_secret, target_secret, 0);
}

/* The newest record of an initiator, and in *retiring (`until` 0: there is none) the one beside it. */
static bool records_from(struct credential *record, struct credential *retiring, json_t *json)
{
	const char *name, *initiator_secret, *target_secret;
	json_t *beside = NULL;
	json_int_t until;

	memset(record, 0, sizeof(*record));
	memset(retiring, 0, sizeof(*retiring));
	if (json_unpack_ex(json, NULL, JSON_STRICT, "{s:s, s:s, s:s, s?o}", "initiator", &name,
		    "initiatorSecret", &initiator_secret, "targetSecret", &target_secret,
		    "retiring", &beside) != 0 ||
		!name_from(record->initiator, name) ||
		!secrets_from(record, initiator_secret, target_secret))
		return false;
	if (!beside)
		return true;
	if (json_unpack_ex(beside, NULL, JSON_STRICT, "{s:s, s:s, s:I}", "initiatorSecret",
		    &initiator_secret, "targetSecret", &target_secret, "until", &until) != 0 ||
		until <= 0)
		return false;
	memcpy(retiring->initiator, record->initiator, sizeof(retiring->initiator));
	retiring->until = (uint64_t)until;
	return secrets_from(retiring, initiator_secret, target_secret);
}

/* Takes over `set`, in which retiring records stand as the newest, and begins the rotations anew. */
static struct credential_set *rotations_begin(struct credential_set *set,
	const struct credential *records, const struct credential *beside, size_t count,
	const char **why)
{
	const uint64_t generation = credential_set_generation(set) + 1;

	for (size_t i = 0; set && i < count; i++) {
		if (!beside[i].until)
			continue;
		errno = 0;
		struct credential_set *next = credential_set_rotated(
			set, generation, &records[i], beside[i].until);
		if (!next && errno == EINVAL)
			*why = "the records of a rotation do not differ";
		credential_set_unref(set);
		set = next;
	}
	return set;
}

/*
 * In a file of a rotation the retiring records come first, one generation earlier: so the set that
 * is read passed the same checks as the one that was written.
 */
static struct credential_set *set_from(
	json_t *array, uint64_t generation, bool rotation, const char **why)
{
	size_t count = json_array_size(array);
	/* As they are to stand first, then the newest, then those that retire beside them. */
	struct credential *first = secret_malloc(3 * count * sizeof(*first) + 1);
	struct credential *records = first ? first + count : NULL;
	struct credential *beside = first ? records + count : NULL;
	struct credential_set *set = NULL;

	*why = "out of memory";
	for (size_t i = 0; first && i < count; i++) {
		if (!records_from(&records[i], &beside[i], json_array_get(array, i)) ||
			(beside[i].until && !rotation)) {
			*why = "one of its credentials is not as expected";
			goto out;
		}
		if (i > 0 && strcmp(records[i - 1].initiator, records[i].initiator) >= 0) {
			*why = "its credentials are not in order";
			goto out;
		}
		first[i] = beside[i].until ? beside[i] : records[i];
	}
	if (first)
		set = credential_set_of(rotation ? generation - 1 : generation, first, count);
	if (set && rotation)
		set = rotations_begin(set, records, beside, count, why);
	if (set && rotation && credential_set_retiring_count(set) == 0) {
		*why = "is of the format for rotations and has none";
		credential_set_unref(set);
		set = NULL;
	}
out:
	secret_free(first);
	return set;
}

struct credential_set *state_text_credentials(
	const char *text, size_t length, const char *target, const char **why)
{
	json_t *json = unseal(text, length, why);
	struct credential_set *set = NULL;
	json_t *records;
	json_int_t generation;
	const char *name;
	int format;

	if (!json ||
		json_unpack_ex(json, NULL, JSON_STRICT, "{s:i, s:s, s:I, s:o}", "format", &format,
			"target", &name, "generation", &generation, "credentials", &records) != 0)
		goto out;
	if (format != FORMAT && format != FORMAT_ROTATION)
		*why = "is of a format that this version does not know";
	else if (strcmp(name, target) != 0)
		*why = "belongs to another target";
	else if (json_is_array(records) && generation > (format == FORMAT_ROTATION))
		set = set_from(records, (uint64_t)generation, format == FORMAT_ROTATION, why);
out:
	json_decref(json);
	return set;
}

char *state_text_of_overlay(const char *words, size_t *length)
{
	return seal(json_pack("{s:i, s:s}", "format", FORMAT, "live", words), length);
}

char *state_text_overlay(const char *text, size_t length, const char **why)
{
	json_t *json = unseal(text, length, why);
	char *copy = NULL;
	const char *words;
	int format;

	if (!json || json_unpack_ex(json, NULL, JSON_STRICT, "{s:i, s:s}", "format", &format,
			     "live", &words) != 0)
		goto out;
	if (format != FORMAT) {
		*why = "is of a format that this version does not know";
		goto out;
	}
	copy = strdup(words);
	*why = "out of memory";
out:
	json_decref(json);
	return copy;
}

char *state_text_of_index(char *const *names, size_t count, size_t *length)
{
	json_t *files = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(files, json_string(names[i])) != 0) {
			json_decref(files);
			return NULL;
		}
	return seal(json_pack("{s:i, s:o}", "format", FORMAT, "files", files), length);
}

/* Copies the strings; false if one is none, or does not stand in order. */
static bool names_from(char **names, json_t *files)
{
	for (size_t i = 0; i < json_array_size(files); i++) {
		const char *name = json_string_value(json_array_get(files, i));
		if (!name || !state_name_is_indexed(name) || strchr(name, '/') ||
			(i > 0 && strcmp(names[i - 1], name) >= 0))
			return false;
		names[i] = strdup(name);
		if (!names[i])
			return false;
	}
	return true;
}

char **state_text_index(const char *text, size_t length, size_t *count, const char **why)
{
	json_t *json = unseal(text, length, why);
	char **names = NULL;
	json_t *files;
	int format;

	*count = 0;
	if (!json || json_unpack_ex(json, NULL, JSON_STRICT, "{s:i, s:o}", "format", &format,
			     "files", &files) != 0)
		goto out;
	if (format != FORMAT) {
		*why = "is of a format that this version does not know";
		goto out;
	}
	if (!json_is_array(files))
		goto out;
	*count = json_array_size(files);
	names = calloc(*count + 1, sizeof(*names));
	if (names && !names_from(names, files)) {
		for (size_t i = 0; i < *count; i++)
			free(names[i]);
		free(names);
		names = NULL;
	}
out:
	json_decref(json);
	return names;
}
