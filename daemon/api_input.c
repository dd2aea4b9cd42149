/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Input validation, generic over the members of an operation. The words are AWS's, so that scripts
 * that match on them go on working.
 */
#include "daemon/api_operation.h"

#include "daemon/json.h"

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

static bool has_type(const json_t *value, enum api_type type)
{
	return type == API_STRING && json_is_string(value);
}

static bool is_shown(const char *name)
{
	size_t length = 0;
	while (isalnum((unsigned char)name[length]) && length <= MEMBER_NAME_SHOWN)
		length++;
	return length > 0 && length <= MEMBER_NAME_SHOWN && !name[length];
}

/* One fault: "Value 'x' at 'member' failed to satisfy constraint: ...", as a clause of the message. */
static void put_fault(
	FILE *out, const struct api_member *member, const json_t *value, const char *constraint)
{
	const char *name = member->name;
	if (!value || json_is_null(value))
		fputs("Value null at '", out);
	else if (member->sensitive)
		fputs("Value at '", out);
	else
		fprintf(out, "Value '%s' at '", json_string_value(value));
	fprintf(out, "%c%s' failed to satisfy constraint: %s", tolower((unsigned char)name[0]),
		name + 1, constraint);
}

/* Returns whether there was a fault; separates it from an earlier one. */
static bool check_member(
	FILE *out, bool first, const struct api_member *member, const json_t *value)
{
	char constraint[128];
	if (!value && !member->required)
		return false;
	if (!value || json_is_null(value)) {
		snprintf(constraint, sizeof constraint, "Member must not be null");
	} else {
		const char *text = json_string_value(value);
		const size_t length = json_string_length(value);
		const size_t characters = json_characters(text, length);
		if (characters < member->min)
			snprintf(constraint, sizeof constraint,
				"Member must have length greater than or equal to %u", member->min);
		else if (characters > member->max)
			snprintf(constraint, sizeof constraint,
				"Member must have length less than or equal to %u", member->max);
		else if (member->matches && !member->matches(text, length))
			snprintf(constraint, sizeof constraint,
				"Member must satisfy regular expression pattern: %s",
				member->pattern);
		else
			return false;
	}
	fputs(first ? "" : "; ", out);
	put_fault(out, member, value, constraint);
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

static char *wrong_type(const char *name)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	fprintf(out, "The member %s must be a string.", name);
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
			*message = wrong_type(member->name);
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
