/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Input validation, generic over the members of an operation. The words are AWS's, so that scripts
 * that match on them go on working.
 */
#include "daemon/api/operation.h"

#include "daemon/api/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER_NAME_SHOWN 64 /* a longer unknown name is no misspelled member */

bool api_is_initiator_name(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		const char c = text[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr(":.-", c))))
			return false;
	}
	return length > 0;
}

static const struct api_member *find_member(const struct api_operation *operation, const char *name)
{
	for (size_t i = 0; i < operation->member_count; i++) {
		if (strcmp(operation->members[i].name, name) == 0)
			return &operation->members[i];
	}
	return NULL;
}

#define DIGITS "0123456789"
#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Moves `*at` behind `word` if it stands there. */
static bool skip_word(const char **at, const char *word)
{
	const size_t length = strlen(word);
	if (strncmp(*at, word, length) != 0)
		return false;
	*at += length;
	return true;
}

/* Moves `*at` behind one or more of `set`. */
static bool skip_some(const char **at, const char *set)
{
	const size_t length = strspn(*at, set);
	*at += length;
	return length > 0;
}

/* aws, aws-cn, aws-us-gov, aws-eusc, or aws-iso and what follows it. */
static bool skip_partition(const char **at)
{
	static const char *const suffixes[] = { "-cn:", "-us-gov:", "-eusc:", ":" };
	if (!skip_word(at, "aws"))
		return false;
	if (skip_word(at, "-iso")) {
		*at += strspn(*at, UPPER LOWER DIGITS "_-");
		return skip_word(at, ":");
	}
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		if (skip_word(at, suffixes[i]))
			return true;
	}
	return false;
}

bool api_is_volume_arn(const char *text, size_t length)
{
	static const char volume[] = "/volume/vol-";
	(void)length;
	if (!skip_word(&text, "arn:") || !skip_partition(&text) ||
		!skip_word(&text, "storagegateway:") || !skip_some(&text, LOWER DIGITS "-") ||
		!skip_word(&text, ":") || !skip_some(&text, DIGITS) ||
		!skip_word(&text, ":gateway/"))
		return false;
	/* What stands for the gateway may itself look like the rest, but never holds a line's end. */
	const char *split = text;
	while ((split = strstr(split, volume)) && !memchr(text, '\n', (size_t)(split - text))) {
		const char *id = split + sizeof volume - 1;
		if (split > text && *id && !strpbrk(id, " \t\n\v\f\r"))
			return true;
		split++;
	}
	return false;
}

bool api_is_snapshot_id(const char *text, size_t length)
{
	static const char start[] = "snap-";
	const size_t digits = length - (sizeof start - 1);
	return skip_word(&text, start) && (digits == 8 || digits == 17) &&
	       strspn(text, DIGITS "ABCDEFabcdef") == digits;
}

bool api_is_target_name(const char *text, size_t length)
{
	return length && strspn(text, LOWER DIGITS "-.;") == length;
}

bool api_is_kms_key(const char *text, size_t length)
{
	(void)length;
	const bool is_arn = skip_word(&text, "arn:");
	if (is_arn && (!skip_partition(&text) || !skip_word(&text, "kms:") ||
			      !skip_some(&text, UPPER LOWER DIGITS "-") || !skip_word(&text, ":") ||
			      !skip_some(&text, DIGITS) || !skip_word(&text, ":")))
		return false;
	if (!skip_word(&text, "alias/") && !(is_arn && skip_word(&text, "key/")))
		return false;
	return *text && !strpbrk(text, " \t\n\v\f\r");
}

static bool is_list(const json_t *value, bool (*is_element)(const json_t *element))
{
	size_t index;
	const json_t *element;
	json_array_foreach(value, index, element)
	{
		/* A null is a missing element, which is a fault of another kind. */
		if (!is_element(element) && !json_is_null(element))
			return false;
	}
	return json_is_array(value);
}

static bool is_text(const json_t *value)
{
	return json_is_string(value);
}

static bool is_object(const json_t *value)
{
	return json_is_object(value);
}

static bool has_type(const json_t *value, enum api_type type)
{
	switch (type) {
	case API_STRING:
		return json_is_string(value);
	case API_INTEGER:
		return json_is_integer(value);
	case API_BOOLEAN:
		return json_is_boolean(value);
	case API_STRINGS:
		return is_list(value, is_text);
	case API_OBJECTS:
		return is_list(value, is_object);
	}
	return false;
}

static bool is_shown(const char *name)
{
	size_t length = 0;
	while (isalnum((unsigned char)name[length]) && length <= MEMBER_NAME_SHOWN)
		length++;
	return length > 0 && length <= MEMBER_NAME_SHOWN && !name[length];
}

#define CONSTRAINT_SIZE 256

/*
 * One fault: "Value 'x' at 'member' failed to satisfy constraint: ...", as a clause of the message.
 * `place` is the one in a list, from 1; 0: the member itself.
 */
static void put_fault(FILE *out, const struct api_member *member, size_t place, const json_t *value,
	const char *constraint)
{
	const char *name = member->name;
	if (!value || json_is_null(value))
		fputs("Value null at '", out);
	else if (member->sensitive)
		fputs("Value at '", out);
	else if (json_is_integer(value))
		fprintf(out, "Value '%" JSON_INTEGER_FORMAT "' at '", json_integer_value(value));
	else
		fprintf(out, "Value '%s' at '", json_string_value(value));
	fprintf(out, "%c%s", tolower((unsigned char)name[0]), name + 1);
	if (place)
		fprintf(out, ".%zu.member", place);
	fprintf(out, "' failed to satisfy constraint: %s", constraint);
}

/* Each: whether the value breaks a constraint of the member, and which. */

static bool breaks_range(
	const struct api_member *member, const json_t *value, char constraint[CONSTRAINT_SIZE])
{
	const json_int_t number = json_integer_value(value);
	const bool low = number<(json_int_t)member->min, high = number>(json_int_t) member->max;
	if (low || high)
		snprintf(constraint, CONSTRAINT_SIZE,
			"Member must have value %s than or equal to %llu", low ? "greater" : "less",
			low ? member->min : member->max);
	return low || high;
}

static bool breaks_text(
	const struct api_member *member, const json_t *value, char constraint[CONSTRAINT_SIZE])
{
	const char *text = json_string_value(value);
	const size_t length = json_string_length(value);
	const size_t characters = json_characters(text, length);
	const bool low = characters<member->min, high = characters> member->max;
	const bool odd = !low && !high && member->matches && !member->matches(text, length);
	if (low || high)
		snprintf(constraint, CONSTRAINT_SIZE,
			"Member must have length %s than or equal to %llu",
			low ? "greater" : "less", low ? member->min : member->max);
	else if (odd)
		snprintf(constraint, CONSTRAINT_SIZE,
			"Member must satisfy regular expression pattern: %s", member->pattern);
	return low || high || odd;
}

static bool breaks(
	const struct api_member *member, const json_t *value, char constraint[CONSTRAINT_SIZE])
{
	if (value && (json_is_boolean(value) || json_is_object(value)))
		return false;
	if (value && json_is_integer(value))
		return breaks_range(member, value, constraint);
	if (value && json_is_string(value))
		return breaks_text(member, value, constraint);
	snprintf(constraint, CONSTRAINT_SIZE, "Member must not be null");
	return true;
}

/*
 * Returns whether there was a fault; separates it from an earlier one. Of a list the first is told
 * alone: all of them could be many times as long as the request.
 */
static bool check_member(
	FILE *out, bool first, const struct api_member *member, const json_t *value)
{
	char constraint[CONSTRAINT_SIZE];
	const json_t *wrong = NULL;
	size_t place = 0;
	if (!value && !member->required)
		return false;
	if (value && json_is_array(value)) {
		while (!wrong && place < json_array_size(value)) {
			const json_t *element = json_array_get(value, place++);
			if (breaks(member, element, constraint))
				wrong = element;
		}
		if (!wrong)
			return false;
	} else if (breaks(member, value, constraint)) {
		wrong = value;
	} else {
		return false;
	}
	fputs(first ? "" : "; ", out);
	put_fault(out, member, place, wrong, constraint);
	return true;
}

/* An unknown member's value is not shown: it may be a secret under a misspelled name. */
static void put_unknown(FILE *out, bool first, const char *name)
{
	fputs(first ? "" : "; ", out);
	if (is_shown(name))
		fprintf(out, "Value at '%c%s'", tolower((unsigned char)name[0]), name + 1);
	else
		fputs("Value at an unknown member", out);
	fputs(" failed to satisfy constraint: Member must be one of the operation's members", out);
}

static char *wrong_type(const struct api_member *member)
{
	static const char *const types[] = {
		[API_STRING] = "a string",
		[API_INTEGER] = "an integer",
		[API_BOOLEAN] = "true or false",
		[API_STRINGS] = "a list of strings",
		[API_OBJECTS] = "a list of objects",
	};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	fprintf(out, "The member %s must be %s.", member->name, types[member->type]);
	fclose(out);
	return text;
}

/* The faults of all members, one clause each. Returns how many. */
static unsigned list_faults(FILE *out, const struct api_operation *operation, const json_t *input)
{
	unsigned faults = 0;
	for (size_t i = 0; i < operation->member_count; i++) {
		const struct api_member *member = &operation->members[i];
		faults += check_member(
			out, faults == 0, member, json_object_get(input, member->name));
	}
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)input, name, value)
	{
		if (!find_member(operation, name)) {
			put_unknown(out, faults == 0, name);
			faults++;
		}
	}
	return faults;
}

enum api_error api_input_check(
	const struct api_operation *operation, const json_t *input, char **message)
{
	*message = NULL;
	for (size_t i = 0; i < operation->member_count; i++) {
		const struct api_member *member = &operation->members[i];
		const json_t *value = json_object_get(input, member->name);
		if (value && !json_is_null(value) && !has_type(value, member->type)) {
			*message = wrong_type(member);
			return API_SERIALIZATION;
		}
	}
	char *clauses = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&clauses, &size);
	if (!out)
		return API_VALIDATION;
	const unsigned faults = list_faults(out, operation, input);
	fclose(out);
	if (faults && clauses) {
		char head[64];
		const int length = snprintf(head, sizeof head,
			"%u validation error%s detected: ", faults, faults == 1 ? "" : "s");
		*message = malloc((size_t)length + size + 1);
		if (*message) {
			memcpy(*message, head, (size_t)length);
			memcpy(*message + length, clauses, size + 1);
		}
	}
	free(clauses);
	return faults ? API_VALIDATION : API_OK;
}
