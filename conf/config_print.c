/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a value back to the text of a file, by the same tables that read it. What is written here is
 * what config_parse() reads: the running configuration can be kept as a file, and what was made live
 * is stored in these words.
 */
#include "base/encode.h"
#include "conf/config_table.h"

#include <stdlib.h>
#include <string.h>

static void write_indent(FILE *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		fputc('\t', out);
}

/* Values hold no control characters (config.c refuses them). */
static void write_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void write_naa(FILE *out, const struct key *key, const void *object)
{
	static const uint8_t none[16];
	const uint8_t *naa = (const uint8_t *)object + key->offset;
	char digits[2 * sizeof(none) + 1] = "";

	if (memcmp(naa, none, sizeof(none)) != 0)
		hex_encode(digits, sizeof(digits), naa, sizeof(none));
	write_text(out, digits);
}

static void write_strings(FILE *out, const struct key *key, const void *object)
{
	char *const *texts = key_pointer(key, object);
	size_t count = key_count(key, object);

	fputs("[", out);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? ", " : " ", out);
		write_text(out, texts[i]);
	}
	fputs(" ]", out);
}

static void write_list(
	FILE *out, const struct key *key, const void *object, bool given, unsigned depth)
{
	const char *element = key_pointer(key, object);
	size_t count = key_count(key, object);

	fputs("(", out);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? ", {\n" : " {\n", out);
		config_section_write(
			out, key->section, element + i * key->section->size, given, depth + 1);
		write_indent(out, depth);
		fputs("}", out);
	}
	fputs(count ? " )" : ")", out);
}

static void write_value(
	FILE *out, const struct key *key, const void *object, bool given, unsigned depth)
{
	uint64_t number;

	switch (key->kind) {
	case VALUE_STRING:
		write_text(out, key_pointer(key, object));
		break;
	case VALUE_BOOL:
		fputs(key_number(key, object) ? "true" : "false", out);
		break;
	case VALUE_CHOICE:
		write_text(out, key->choices[key_number(key, object)]);
		break;
	case VALUE_NAA:
		write_naa(out, key, object);
		break;
	case VALUE_GROUP:
		fputs("{\n", out);
		config_section_write(
			out, key->section, (const char *)object + key->offset, given, depth + 1);
		write_indent(out, depth);
		fputs("}", out);
		break;
	case VALUE_STRINGS:
		write_strings(out, key, object);
		break;
	case VALUE_LIST:
		write_list(out, key, object, given, depth);
		break;
	default:
		number = key_number(key, object);
		fprintf(out, "%llu%s", (unsigned long long)number, number > INT32_MAX ? "L" : "");
		break;
	}
}

void config_section_write(
	FILE *out, const struct section *section, const void *object, bool given, unsigned depth)
{
	uint32_t which = UINT32_MAX;

	if (given && section->given_offset)
		memcpy(&which, (const char *)object + section->given_offset, sizeof(which));
	for (size_t i = 0; i < section->key_count; i++) {
		if (!(which >> i & 1))
			continue;
		write_indent(out, depth);
		fprintf(out, "%s = ", section->keys[i].name);
		write_value(out, &section->keys[i], object, given, depth);
		fputs(";\n", out);
	}
}

char *config_print(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	config_section_write(out, &config_root, config, false, 0);
	bool failed = ferror(out);
	if (fclose(out) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}
