/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the file to a text that libconfig 1.5 can be trusted with. Its lexer ends the process when
 * it cannot read, so it never opens a file; and it silently cuts numbers to 32 bits that have no
 * "L" behind them, so that "size = 5368709120" would make a disk of 1 GiB: the L is put there. Its
 * parser forgets a string that it did not expect, and whoever may check a configuration could send many.
 */
#include "conf/config_read.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SIZE_MAX (4u << 20)
#define DIGITS        "0123456789"
#define LETTERS       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* The whole file as a string that the caller frees; NULL with a line in `error`. */
static char *read_file(const char *file, char error[CONFIG_ERROR_SIZE])
{
	FILE *stream = fopen(file, "re");
	char *text = stream ? malloc(FILE_SIZE_MAX + 1) : NULL;
	size_t length = 0;
	int reason = errno;

	if (text) {
		errno = 0;
		length = fread(text, 1, FILE_SIZE_MAX + 1, stream);
		reason = ferror(stream) ? errno : 0;
	}
	if (stream)
		fclose(stream);
	if (!text || reason) {
		config_refuse(error, file, 0, "cannot be read: %s", strerror(reason));
	} else if (length > FILE_SIZE_MAX) {
		config_refuse(
			error, file, 0, "is too large, expected at most %u bytes", FILE_SIZE_MAX);
	} else if (memchr(text, '\0', length)) {
		config_refuse(error, file, 0, "holds a NUL byte, expected text");
	} else {
		text[length] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

/* The length of the token at `text`: a comment, a string or a name; 0 if it is no whole one. */
static size_t token_length(const char *text)
{
	static const char name[] = LETTERS DIGITS "-_*";

	if (*text == '#' || strncmp(text, "//", 2) == 0)
		return strcspn(text, "\n");
	if (strncmp(text, "/*", 2) == 0) {
		const char *end = strstr(text + 2, "*/");
		return end ? (size_t)(end + 2 - text) : strlen(text);
	}
	if (*text == '"') {
		size_t length = 1;
		while (text[length] && text[length] != '"')
			length += text[length] == '\\' && text[length + 1] ? 2 : 1;
		return text[length] ? length + 1 : 0;
	}
	return strchr(LETTERS "*", *text) ? strspn(text, name) : 0;
}

enum number { NUMBER_FITS, NUMBER_WIDE, NUMBER_TOO_LARGE };

/* Judges the digits at `text`; *length becomes theirs, with what else belongs to the number. */
static enum number judge_number(const char *text, size_t *length)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;

	errno = 0;
	unsigned long long value = strtoull(text, &end, hex ? 16 : 10);
	bool too_large = errno == ERANGE || value > INT64_MAX;
	*length = (size_t)(end - text);
	if (!hex && (*end == '.' || *end == 'e' || *end == 'E')) {
		*length += strspn(end, DIGITS ".eE+-");
		return NUMBER_FITS;
	}
	if (too_large)
		return NUMBER_TOO_LARGE;
	return value > INT32_MAX && *end != 'L' ? NUMBER_WIDE : NUMBER_FITS;
}

/* Copies the text, completing wide numbers. 0, or -1 with a line in `error`. */
static int widen_numbers(
	struct writer *to, const char *text, const char *file, char error[CONFIG_ERROR_SIZE])
{
	int line = 1;

	while (*text) {
		size_t length = token_length(text);
		enum number number = NUMBER_FITS;
		/* libconfig would give the line of the file's end, and lose memory. */
		if (*text == '"' && length == 0)
			return config_refuse(
				error, file, line, "the string that begins here does not end");
		if (length == 0 && strchr(DIGITS, *text))
			number = judge_number(text, &length);
		if (number == NUMBER_TOO_LARGE)
			return config_refuse(error, file, line,
				"%.*s is too large, expected a number of 64 bits",
				length > 64 ? 64 : (int)length, text);
		if (length == 0)
			length = 1;
		write_bytes(to, text, length);
		if (number == NUMBER_WIDE)
			write_u8(to, 'L');
		for (; length > 0; length--)
			line += *text++ == '\n';
	}
	write_u8(to, '\0');
	return 0;
}

static int refuse_includes(const char *text, const char *file, char error[CONFIG_ERROR_SIZE])
{
	static const char include[] = "@include";
	int line = 1;

	for (const char *at = text; at; line++) {
		at += strspn(at, " \t");
		if (strncmp(at, include, sizeof(include) - 1) == 0)
			return config_refuse(error, file, line,
				"@include is not supported, expected all settings in one file");
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return 0;
}

/* Whether the grammar has a place for a string behind the token `before`, in a group or what else is `open`. */
static bool string_may_stand(char before, char open)
{
	return (before && strchr("=:[(\"", before)) || (before == ',' && open != '{');
}

/* Before each token: whether it is a string that stands where none can. libconfig would lose its memory. */
static int refuse_strings(const char *text, const char *file, char error[CONFIG_ERROR_SIZE])
{
	char *open = malloc(strlen(text) + 2), before = ';';
	size_t depth = 0;
	int line = 1, result = open ? 0 : config_refuse(error, file, 0, "out of memory");

	if (open)
		open[0] = '{';
	while (result == 0 && *text) {
		size_t length = token_length(text);
		if (*text == '"' && !string_may_stand(before, open[depth]))
			result = config_refuse(error, file, line, "no string can stand here");
		if (strchr("{[(", *text))
			open[++depth] = *text;
		else if (strchr("}])", *text) && depth)
			depth--;
		bool comment = *text == '#' || (*text == '/' && length);
		if (!comment && !strchr(" \t\n\v\f\r", *text))
			before = *text;
		for (length = length ? length : 1; length > 0; length--)
			line += *text++ == '\n';
	}
	free(open);
	return result;
}

char *config_text_from(const char *text, const char *file, char error[CONFIG_ERROR_SIZE])
{
	/* A wide number has ten digits at least, so one more byte in ten is room enough. */
	size_t capacity = strlen(text) + strlen(text) / 10 + 1;
	char *widened = malloc(capacity);
	struct writer writer = writer_of(widened, capacity);

	if (!widened)
		config_refuse(error, file, 0, "out of memory");
	if (!widened || refuse_includes(text, file, error) != 0 ||
		widen_numbers(&writer, text, file, error) != 0 ||
		refuse_strings(text, file, error) != 0) {
		free(widened);
		widened = NULL;
	}
	return widened;
}

char *config_text(const char *file, char error[CONFIG_ERROR_SIZE])
{
	char *text = read_file(file, error);
	char *widened = text ? config_text_from(text, file, error) : NULL;

	free(text);
	return widened;
}
