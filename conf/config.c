/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the configuration file: libconfig makes settings of the text, the tables of
 * config_table.c say which settings there are and where their values go.
 */
#include "conf/config.h"

#include "base/encode.h"
#include "conf/config_read.h"
#include "conf/config_table.h"
#include "conf/config_value.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE  96
#define SHOWN_SIZE 160 /* of a value in a message */

struct loader {
	const char *file;
	char *error;
	char path[PATH_SIZE]; /* of the group being read: "targets[0].luns[1]"; "" at the top */
};

int config_refuse(
	char error[CONFIG_ERROR_SIZE], const char *file, int line, const char *format, ...)
{
	int length = line > 0 ? snprintf(error, CONFIG_ERROR_SIZE, "%s:%d: ", file, line)
			      : snprintf(error, CONFIG_ERROR_SIZE, "%s: ", file);
	if (length >= 0 && length < CONFIG_ERROR_SIZE) {
		va_list arguments;
		va_start(arguments, format);
		vsnprintf(error + length, CONFIG_ERROR_SIZE - (size_t)length, format, arguments);
		va_end(arguments);
	}
	return -1;
}

static int refuse_memory(const struct loader *loader)
{
	return config_refuse(loader->error, loader->file, 0, "out of memory");
}

/* Words for what a key takes. */
static const char *expected_of(const struct key *key, char words[SHOWN_SIZE])
{
	int length = 0;

	words[0] = '\0';
	if (key->expected)
		return key->expected;
	switch (key->kind) {
	case VALUE_BOOL:
		return "true or false";
	case VALUE_GROUP:
		return "a group { ... }";
	case VALUE_LIST:
		snprintf(words, SHOWN_SIZE, "a list ( { ... }, ... ) of %llu to %llu groups",
			(unsigned long long)key->least, (unsigned long long)key->most);
		break;
	case VALUE_CHOICE:
		for (size_t i = 0; key->choices[i]; i++)
			length += snprintf(words + length, SHOWN_SIZE - (size_t)length, "%s\"%s\"",
				i ? (key->choices[i + 1] ? ", " : " or ") : "", key->choices[i]);
		break;
	default:
		snprintf(words, SHOWN_SIZE, "a number from %llu to %llu",
			(unsigned long long)key->least, (unsigned long long)key->most);
		break;
	}
	return words;
}

/* "targets[0].name is WHAT, expected ...". */
static int refuse_value(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, const char *what)
{
	char words[SHOWN_SIZE];

	return config_refuse(loader->error, loader->file, (int)config_setting_source_line(setting),
		"%s%s%s is %s, expected %s", loader->path, *loader->path ? "." : "", key->name,
		what, expected_of(key, words));
}

static const char *type_name(const config_setting_t *setting)
{
	static const char *const types[] = { "nothing", "a group", "a number", "a number",
		"a number with a fraction", "a string", "a boolean", "an array", "a list" };

	return types[config_setting_type(setting)];
}

static int refuse_type(
	const struct loader *loader, const struct key *key, const config_setting_t *setting)
{
	return refuse_value(loader, key, setting, type_name(setting));
}

static int refuse_text(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, const char *text)
{
	char escaped[SHOWN_SIZE - 2], what[SHOWN_SIZE];

	text_escape(escaped, sizeof(escaped), text, strlen(text));
	snprintf(what, sizeof(what), "\"%s\"", escaped);
	return refuse_value(loader, key, setting, what);
}

typedef int value_reader(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, void *object);

/* What is not could not be told in JSON, and a list of targets with it could not either. */
static bool is_utf8(const char *text)
{
	json_t *told = json_string(text);
	bool good = told;

	json_decref(told);
	return good;
}

/* What is kept of a text; NULL: it has been refused. */
static char *keep_text(
	const struct loader *loader, const struct key *key, const config_setting_t *setting)
{
	const char *text = config_setting_get_string(setting);
	char *kept = NULL;

	if (!text) {
		refuse_type(loader, key, setting);
		return NULL;
	}
	bool clean = true, ascii = true;
	for (const char *c = text; *c; c++) {
		clean = clean && (unsigned char)*c >= ' ' && *c != 0x7f;
		ascii = ascii && (unsigned char)*c < 0x80;
	}
	if (!ascii && !is_utf8(text)) {
		refuse_value(loader, key, setting, "not UTF-8");
		return NULL;
	}
	errno = EINVAL;
	if (clean)
		kept = key->convert(text);
	if (!kept && errno == ENOMEM)
		refuse_memory(loader);
	else if (!kept)
		refuse_text(loader, key, setting, text);
	return kept;
}

static int read_string(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, void *object)
{
	char *kept = keep_text(loader, key, setting);

	if (!kept)
		return -1;
	free(key_pointer(key, object));
	key_set_pointer(key, object, kept, 0);
	return 0;
}

/* An array or, because both look alike to who writes them, a list. */
static int read_strings(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, void *object)
{
	int type = config_setting_type(setting);
	size_t count = (size_t)config_setting_length(setting);

	if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST)
		return refuse_type(loader, key, setting);
	if (count < key->least || count > key->most) {
		char what[48];
		snprintf(what, sizeof(what), "an array of %zu", count);
		return refuse_value(loader, key, setting, what);
	}
	char **texts = calloc(count + 1, sizeof(*texts));
	if (!texts)
		return refuse_memory(loader);
	/* All of it at once, so that what has been read is freed whatever comes. */
	key_set_pointer(key, object, texts, count);
	for (size_t i = 0; i < count; i++) {
		texts[i] = keep_text(loader, key, config_setting_get_elem(setting, (unsigned)i));
		if (!texts[i])
			return -1;
	}
	return 0;
}

static bool is_number(const config_setting_t *setting)
{
	int type = config_setting_type(setting);
	return type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
}

static int keep_number(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, uint64_t value, void *object)
{
	bool refused = value < key->least || value > key->most ||
		       (key->power_of_two && (value & (value - 1)) != 0);

	if (refused && config_setting_get_string(setting))
		return refuse_text(loader, key, setting, config_setting_get_string(setting));
	if (refused) {
		char what[32];
		snprintf(what, sizeof(what), "%lld", config_setting_get_int64(setting));
		return refuse_value(loader, key, setting, what);
	}
	key_set_number(key, object, value);
	return 0;
}

static int read_number(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, void *object)
{
	if (!is_number(setting))
		return refuse_type(loader, key, setting);
	/* A negative number becomes a huge one, beyond every range. */
	return keep_number(
		loader, key, setting, (uint64_t)config_setting_get_int64(setting), object);
}

static int read_size(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, void *object)
{
	const char *text = config_setting_get_string(setting);
	uint64_t size;

	if (!text)
		return read_number(loader, key, setting, object);
	if (value_size(text, &size) != 0)
		return refuse_text(loader, key, setting, text);
	return keep_number(loader, key, setting, size, object);
}

static int read_bool(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, void *object)
{
	if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
		return refuse_type(loader, key, setting);
	key_set_number(key, object, config_setting_get_bool(setting) ? 1 : 0);
	return 0;
}

static int read_choice(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, void *object)
{
	const char *text = config_setting_get_string(setting);

	if (!text)
		return refuse_type(loader, key, setting);
	for (size_t i = 0; key->choices[i]; i++) {
		if (strcmp(key->choices[i], text) == 0) {
			key_set_number(key, object, i);
			return 0;
		}
	}
	return refuse_text(loader, key, setting, text);
}

static int read_naa(const struct loader *loader, const struct key *key,
	const config_setting_t *setting, void *object)
{
	const char *text = config_setting_get_string(setting);
	uint8_t *naa = (uint8_t *)object + key->offset;
	size_t length;

	if (!text)
		return refuse_type(loader, key, setting);
	if (*text == '\0')
		return 0;
	if (strlen(text) != 2 * key->width || text[0] != '6' ||
		hex_decode(naa, key->width, &length, text, strlen(text)) != 0)
		return refuse_text(loader, key, setting, text);
	return 0;
}

static int read_section(struct loader *loader, const struct section *section,
	const config_setting_t *setting, void *object);

/* Reads a group below the current one; `index` < 0: it is no list's element. */
static int read_below(struct loader *loader, const struct key *key, int index,
	const config_setting_t *setting, void *object)
{
	size_t length = strlen(loader->path);
	char *end = loader->path + length;
	const char *dot = length ? "." : "";

	if (index < 0)
		snprintf(end, PATH_SIZE - length, "%s%s", dot, key->name);
	else
		snprintf(end, PATH_SIZE - length, "%s%s[%d]", dot, key->name, index);
	int result = read_section(loader, key->section, setting, object);
	loader->path[length] = '\0';
	return result;
}

static int read_group(
	struct loader *loader, const struct key *key, const config_setting_t *setting, void *object)
{
	if (setting && config_setting_type(setting) != CONFIG_TYPE_GROUP)
		return refuse_type(loader, key, setting);
	return read_below(loader, key, -1, setting, (char *)object + key->offset);
}

static int read_list(
	struct loader *loader, const struct key *key, const config_setting_t *setting, void *object)
{
	size_t count = key->number;

	if (setting) {
		if (config_setting_type(setting) != CONFIG_TYPE_LIST)
			return refuse_type(loader, key, setting);
		count = (size_t)config_setting_length(setting);
		if (count < key->least || count > key->most) {
			char what[48];
			snprintf(what, sizeof(what), "a list of %zu", count);
			return refuse_value(loader, key, setting, what);
		}
	}
	char *elements = calloc(count ? count : 1, key->section->size);
	if (!elements)
		return refuse_memory(loader);
	key_set_pointer(key, object, elements, count);
	for (size_t i = 0; i < count; i++) {
		const config_setting_t *element = setting ? config_setting_get_elem(
								    setting, (unsigned)i)
							  : NULL;
		if (element && config_setting_type(element) != CONFIG_TYPE_GROUP)
			return config_refuse(loader->error, loader->file,
				(int)config_setting_source_line(element),
				"%s%s%s[%zu] is %s, expected a group { ... }", loader->path,
				*loader->path ? "." : "", key->name, i, type_name(element));
		if (read_below(loader, key, (int)i, element, elements + i * key->section->size))
			return -1;
	}
	return 0;
}

static int set_default(const struct loader *loader, const struct key *key, void *object)
{
	if (key->kind == VALUE_STRING) {
		char *copy = strdup(key->text);
		if (!copy)
			return refuse_memory(loader);
		key_set_pointer(key, object, copy, 0);
	} else if (key->kind != VALUE_NAA && key->kind != VALUE_STRINGS) {
		key_set_number(key, object, key->number);
	}
	return 0;
}

static int read_key(
	struct loader *loader, const struct key *key, const config_setting_t *setting, void *object)
{
	static value_reader *const readers[] = {
		[VALUE_STRING] = read_string,
		[VALUE_NUMBER] = read_number,
		[VALUE_SIZE] = read_size,
		[VALUE_BOOL] = read_bool,
		[VALUE_CHOICE] = read_choice,
		[VALUE_NAA] = read_naa,
		[VALUE_STRINGS] = read_strings,
	};

	if (key->kind == VALUE_GROUP)
		return read_group(loader, key, setting, object);
	if (key->kind == VALUE_LIST)
		return read_list(loader, key, setting, object);
	if (!setting)
		return set_default(loader, key, object);
	return readers[key->kind](loader, key, setting, object);
}

#define WORD_MAX 32

/* How many characters must be put in, taken out or changed (Levenshtein); both words are short. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1];
	size_t width = strlen(b);

	for (size_t j = 0; j <= width; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < width; j++) {
			size_t best = diagonal + (a[i] == b[j] ? 0 : 1);
			diagonal = row[j + 1];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j + 1] = diagonal + 1 < best ? diagonal + 1 : best;
		}
	}
	return row[width];
}

static int refuse_unknown(
	const struct loader *loader, const struct section *section, const config_setting_t *setting)
{
	const char *name = config_setting_name(setting);
	const char *nearest = NULL;
	size_t least = strlen(name) / 3 + 2; /* further away it is another word */
	char known[256] = "";
	size_t length = 0;

	for (size_t i = 0; i < section->key_count; i++) {
		const char *candidate = section->keys[i].name;
		length += (size_t)snprintf(
			known + length, sizeof(known) - length, "%s%s", i ? ", " : "", candidate);
		if (strlen(name) > WORD_MAX || edit_distance(name, candidate) >= least)
			continue;
		least = edit_distance(name, candidate);
		nearest = candidate;
	}
	const char *in = *loader->path ? " in " : "";
	int line = (int)config_setting_source_line(setting);
	if (nearest)
		return config_refuse(loader->error, loader->file, line,
			"unknown key \"%.64s\"%s%s, did you mean \"%s\"?", name, in, loader->path,
			nearest);
	return config_refuse(loader->error, loader->file, line,
		"unknown key \"%.64s\"%s%s, expected one of %s", name, in, loader->path, known);
}

static bool is_known(const struct section *section, const char *name)
{
	for (size_t i = 0; i < section->key_count; i++)
		if (strcmp(section->keys[i].name, name) == 0)
			return true;
	return false;
}

/* `setting` NULL: the group is not in the file, all is default. */
static int read_section(struct loader *loader, const struct section *section,
	const config_setting_t *setting, void *object)
{
	int count = setting ? config_setting_length(setting) : 0;
	int line = setting ? (int)config_setting_source_line(setting) : 0;
	uint32_t given = 0;

	for (int i = 0; i < count; i++) {
		const config_setting_t *member = config_setting_get_elem(setting, (unsigned)i);
		if (!is_known(section, config_setting_name(member)))
			return refuse_unknown(loader, section, member);
	}
	if (section->line_offset)
		memcpy((char *)object + section->line_offset, &line, sizeof(line));
	for (size_t i = 0; i < section->key_count; i++) {
		const struct key *key = &section->keys[i];
		const config_setting_t *member = setting ? config_setting_get_member(
								   setting, key->name)
							 : NULL;
		if (!member && key->required)
			return config_refuse(loader->error, loader->file, line, "%s%s%s is missing",
				loader->path, *loader->path ? "." : "", key->name);
		if (read_key(loader, key, member, object) != 0)
			return -1;
		if (member)
			given |= UINT32_C(1) << i;
	}
	if (section->given_offset)
		memcpy((char *)object + section->given_offset, &given, sizeof(given));
	return 0;
}

int config_section_read(config_t *settings, const char *file, const char *text,
	const struct section *section, void *object, char error[CONFIG_ERROR_SIZE])
{
	struct loader loader = { .file = file, .error = error };

	if (config_read_string(settings, text) == CONFIG_TRUE)
		return read_section(&loader, section, config_root_setting(settings), object);
	return config_refuse(
		error, file, config_error_line(settings), "%s", config_error_text(settings));
}

/* Of a text that libconfig can be trusted with (taken; NULL: `error` says why there is none). */
static struct config *config_make(const char *file, char *text, char error[CONFIG_ERROR_SIZE])
{
	struct config *config = text ? calloc(1, sizeof(*config)) : NULL;
	config_t settings;

	if (text && (!config || !(config->file = strdup(file)))) {
		config_refuse(error, file, 0, "out of memory");
		config_free(config);
		config = NULL;
	}
	if (config) {
		config_init(&settings);
		if (config_section_read(&settings, file, text, &config_root, config, error) != 0 ||
			config_check(config, &settings, error) != 0) {
			config_free(config);
			config = NULL;
		}
		config_destroy(&settings);
	}
	free(text);
	return config;
}

struct config *config_load(const char *file, char error[CONFIG_ERROR_SIZE])
{
	error[0] = '\0';
	return config_make(file, config_text(file, error), error);
}

struct config *config_parse(const char *name, const char *text, char error[CONFIG_ERROR_SIZE])
{
	error[0] = '\0';
	return config_make(name, config_text_from(text, name, error), error);
}

void config_section_free(const struct section *section, void *object)
{
	for (size_t i = 0; i < section->key_count; i++) {
		const struct key *key = &section->keys[i];
		char *element, **texts;

		switch (key->kind) {
		case VALUE_STRING:
			free(key_pointer(key, object));
			break;
		case VALUE_STRINGS:
			texts = key_pointer(key, object);
			for (size_t j = 0; texts && j < key_count(key, object); j++)
				free(texts[j]);
			free(texts);
			break;
		case VALUE_GROUP:
			config_section_free(key->section, (char *)object + key->offset);
			break;
		case VALUE_LIST:
			element = key_pointer(key, object);
			for (size_t j = 0; element && j < key_count(key, object); j++)
				config_section_free(key->section, element + j * key->section->size);
			free(element);
			break;
		default:
			break;
		}
	}
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; config->targets && i < config->target_count; i++)
		free(config->targets[i].arn);
	config_section_free(&config_root, config);
	free(config->file);
	free(config);
}
