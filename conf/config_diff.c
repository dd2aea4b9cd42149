/* SPDX-License-Identifier: BSD-2-Clause */
/* The differences of two configurations, by the same tables that read them. */
#include "conf/config.h"

#include "base/encode.h"
#include "conf/config_table.h"

#include <stdio.h>
#include <string.h>

/* Room for the longest value: a path. */
#define TEXT_SIZE 4200
#define PATH_SIZE 512

struct comparison {
	config_difference *each;
	void *context;
	size_t count;
	char path[PATH_SIZE]; /* with its dot, when it is not empty */
};

/* "/a, /b", cut if it is longer than a message can show. */
static const char *strings_text(const struct key *key, const void *object, char text[TEXT_SIZE])
{
	char *const *texts = key_pointer(key, object);
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < key_count(key, object) && length < TEXT_SIZE; i++)
		length += (size_t)snprintf(
			text + length, TEXT_SIZE - length, "%s%s", i ? ", " : "", texts[i]);
	return text;
}

static bool same_strings(const struct key *key, const void *a, const void *b)
{
	char *const *a_texts = key_pointer(key, a), *const *b_texts = key_pointer(key, b);
	size_t count = key_count(key, a);

	if (count != key_count(key, b))
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(a_texts[i], b_texts[i]) != 0)
			return false;
	return true;
}

/* The value of a plain member in words. */
static const char *value_text(const struct key *key, const void *object, char text[TEXT_SIZE])
{
	uint64_t number;

	switch (key->kind) {
	case VALUE_STRING:
		return key_pointer(key, object);
	case VALUE_NAA:
		hex_encode(text, TEXT_SIZE, (const uint8_t *)object + key->offset, key->width);
		return text;
	case VALUE_STRINGS:
		return strings_text(key, object, text);
	case VALUE_BOOL:
		return key_number(key, object) ? "true" : "false";
	case VALUE_CHOICE:
		return key->choices[key_number(key, object)];
	default:
		number = key_number(key, object);
		snprintf(text, TEXT_SIZE, "%llu", (unsigned long long)number);
		return text;
	}
}

static void report(
	struct comparison *comparison, const char *name, const char *before, const char *after)
{
	char key[2 * PATH_SIZE];

	snprintf(key, sizeof(key), "%s%s", comparison->path, name);
	comparison->each(comparison->context, key, before, after);
	comparison->count++;
}

static bool same_value(const struct key *key, const void *a, const void *b)
{
	char a_text[TEXT_SIZE], b_text[TEXT_SIZE];

	return strcmp(value_text(key, a, a_text), value_text(key, b, b_text)) == 0;
}

static bool same_identity(const struct section *section, const void *a, const void *b)
{
	return same_value(section->identity, a, b) &&
	       (!section->identity_too || same_value(section->identity_too, a, b));
}

/* Which of those with its identity the `index`th element of a list is. */
static size_t rank(const struct section *section, const char *list, size_t index)
{
	size_t rank = 0;

	/* Of a whole identity there is one, or the configuration had been refused. */
	for (size_t i = 0; section->identity_too && i < index; i++)
		rank += same_identity(
			section, list + index * section->size, list + i * section->size);
	return rank;
}

/* The element of `other` that is the counterpart of the `index`th of `list`; or NULL. */
static const void *counterpart(const struct section *section, const char *list, size_t index,
	const char *other, size_t count)
{
	size_t skip = rank(section, list, index);

	for (size_t i = 0; i < count; i++)
		if (same_identity(
			    section, list + index * section->size, other + i * section->size) &&
			skip-- == 0)
			return other + i * section->size;
	return NULL;
}

/* "targets[iqn...]", "luns[3]" or "portals[192.0.2.1:3260]". */
static void element_name(const struct key *key, const void *element, char name[PATH_SIZE])
{
	char text[TEXT_SIZE], too[TEXT_SIZE] = "";
	const struct section *section = key->section;

	if (section->identity_too)
		snprintf(too, sizeof(too), ":%s", value_text(section->identity_too, element, text));
	snprintf(name, PATH_SIZE, "%s[%.255s%.16s]", key->name,
		value_text(section->identity, element, text), too);
}

static void compare_section(struct comparison *comparison, const struct section *section,
	const void *before, const void *after);

static void compare_below(struct comparison *comparison, const char *name,
	const struct section *section, const void *before, const void *after)
{
	size_t length = strlen(comparison->path);

	snprintf(comparison->path + length, PATH_SIZE - length, "%s.", name);
	compare_section(comparison, section, before, after);
	comparison->path[length] = '\0';
}

static void compare_lists(
	struct comparison *comparison, const struct key *key, const void *before, const void *after)
{
	const struct section *section = key->section;
	const char *old_list = key_pointer(key, before), *new_list = key_pointer(key, after);
	size_t old_count = key_count(key, before), new_count = key_count(key, after);
	char name[PATH_SIZE];

	for (size_t i = 0; i < old_count; i++) {
		const char *element = old_list + i * section->size;
		const void *other = counterpart(section, old_list, i, new_list, new_count);
		element_name(key, element, name);
		if (other)
			compare_below(comparison, name, section, element, other);
		else
			report(comparison, name, "present", "absent");
	}
	for (size_t i = 0; i < new_count; i++) {
		element_name(key, new_list + i * section->size, name);
		if (!counterpart(section, new_list, i, old_list, old_count))
			report(comparison, name, "absent", "present");
	}
}

static void compare_values(
	struct comparison *comparison, const struct key *key, const void *before, const void *after)
{
	char old_text[TEXT_SIZE], new_text[TEXT_SIZE];
	const char *old_value = value_text(key, before, old_text);
	const char *new_value = value_text(key, after, new_text);

	/* What a text cuts off counts too. */
	if (strcmp(old_value, new_value) != 0 ||
		(key->kind == VALUE_STRINGS && !same_strings(key, before, after)))
		report(comparison, key->name, old_value, new_value);
}

static void compare_section(struct comparison *comparison, const struct section *section,
	const void *before, const void *after)
{
	for (size_t i = 0; i < section->key_count; i++) {
		const struct key *key = &section->keys[i];
		if (key->kind == VALUE_GROUP)
			compare_below(comparison, key->name, key->section,
				(const char *)before + key->offset,
				(const char *)after + key->offset);
		else if (key->kind == VALUE_LIST)
			compare_lists(comparison, key, before, after);
		else
			compare_values(comparison, key, before, after);
	}
}

size_t config_diff(const struct config *before, const struct config *after, config_difference *each,
	void *context)
{
	struct comparison comparison = { .each = each, .context = context };

	compare_section(&comparison, &config_root, before, after);
	return comparison.count;
}
