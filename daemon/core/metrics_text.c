/* SPDX-License-Identifier: BSD-2-Clause */
/* Prometheus's text format 0.0.4, without printf(), which would take most of a scrape's time. */
#include "daemon/core/metrics_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY (64u << 10)
#define NUMBER_SIZE    32
#define LABELS_SIZE    1024

/* Makes room for `length` bytes and a NUL. */
static bool reserve(struct metrics_text *text, size_t length)
{
	if (text->failed)
		return false;
	if (text->length + length < text->capacity)
		return true;
	size_t capacity = text->capacity ? text->capacity : FIRST_CAPACITY;
	while (text->length + length >= capacity)
		capacity *= 2;
	char *bytes = realloc(text->bytes, capacity);
	if (!bytes) {
		text->failed = true;
		return false;
	}
	text->bytes = bytes;
	text->capacity = capacity;
	return true;
}

void metrics_put(struct metrics_text *text, const char *bytes, size_t length)
{
	if (!reserve(text, length))
		return;
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

static void put_word(struct metrics_text *text, const char *word)
{
	metrics_put(text, word, strlen(word));
}

static void put_number(struct metrics_text *text, uint64_t value)
{
	char digits[NUMBER_SIZE];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	metrics_put(text, digits + at, sizeof digits - at);
}

/* Nanoseconds as seconds, without the zeros at the end. Returns the length. */
static size_t seconds_text(char digits[NUMBER_SIZE], uint64_t nanoseconds)
{
	int length = snprintf(digits, NUMBER_SIZE, "%llu.%09llu",
		(unsigned long long)(nanoseconds / 1000000000),
		(unsigned long long)(nanoseconds % 1000000000));
	while (digits[length - 1] == '0')
		length--;
	if (digits[length - 1] == '.')
		length--;
	return (size_t)length;
}

void metrics_begin(struct metrics_text *text, const char *name, const char *type, const char *help)
{
	const char *const words[] = { "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type,
		"\n" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		put_word(text, words[i]);
}

/* All of a sample but its value. */
static void put_series(
	struct metrics_text *text, const char *name, const char *suffix, const char *labels)
{
	put_word(text, name);
	put_word(text, suffix);
	if (labels[0]) {
		metrics_put(text, "{", 1);
		put_word(text, labels);
		metrics_put(text, "}", 1);
	}
	metrics_put(text, " ", 1);
}

void metrics_sample(struct metrics_text *text, const char *name, const char *suffix,
	const char *labels, uint64_t value)
{
	put_series(text, name, suffix, labels);
	put_number(text, value);
	metrics_put(text, "\n", 1);
}

void metrics_seconds(struct metrics_text *text, const char *name, const char *suffix,
	const char *labels, uint64_t nanoseconds)
{
	char digits[NUMBER_SIZE];
	put_series(text, name, suffix, labels);
	metrics_put(text, digits, seconds_text(digits, nanoseconds));
	metrics_put(text, "\n", 1);
}

void metrics_histogram(struct metrics_text *text, const char *name, const char *labels,
	const uint64_t *counts, const uint64_t *bounds, size_t buckets, uint64_t nanoseconds)
{
	char all[LABELS_SIZE];
	const char *comma = labels[0] ? "," : "";
	uint64_t count = 0;
	const int head = snprintf(all, sizeof all, "%s%sle=\"", labels, comma);
	if (head < 0 || (size_t)head + NUMBER_SIZE + 2 > sizeof all) {
		text->failed = true;
		return;
	}
	for (size_t i = 0; i < buckets; i++) {
		size_t length = (size_t)head;
		count += counts[i];
		if (i + 1 < buckets)
			length += seconds_text(all + head, bounds[i]);
		else
			length += (size_t)snprintf(all + head, NUMBER_SIZE, "+Inf");
		all[length] = '"';
		all[length + 1] = '\0';
		metrics_sample(text, name, "_bucket", all, count);
	}
	metrics_seconds(text, name, "_sum", labels, nanoseconds);
	metrics_sample(text, name, "_count", labels, count);
}

char *metrics_escape(char *escaped, size_t size, const char *value)
{
	size_t length = 0;
	for (; *value && length + 2 < size; value++) {
		if (*value == '\\' || *value == '"' || *value == '\n')
			escaped[length++] = '\\';
		escaped[length++] = *value == '\n' ? 'n' : *value;
	}
	escaped[length] = '\0';
	return escaped;
}
