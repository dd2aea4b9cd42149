/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables, sizes and ages for people. Cells lie in secret memory, since some are secrets.
 */
#include "ctl/print.h"

#include "base/encode.h"
#include "base/secret.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Four characters an input byte, as text_escape() may need, and the NUL. */
#define ESCAPED_SIZE(length) (4 * (length) + 1)
#define COLUMN_GAP           2
#define MEMBERS_SIZE         512 /* of a session's negotiated keys, and to spare */

char *print_bytes(uint64_t bytes, char out[PRINT_NUMBER_SIZE])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t unit = 0;
	double value = (double)bytes;

	/* From 1023.95 on one decimal would read "1024.0". */
	while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(out, PRINT_NUMBER_SIZE, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

char *print_age(uint64_t seconds, char out[PRINT_NUMBER_SIZE])
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	size_t i = 0;

	while (seconds < units[i].seconds && units[i].seconds > 1)
		i++;
	uint64_t large = seconds / units[i].seconds;
	uint64_t rest = seconds % units[i].seconds;
	if (units[i].seconds == 1)
		snprintf(out, PRINT_NUMBER_SIZE, "%" PRIu64 " s", large);
	else
		snprintf(out, PRINT_NUMBER_SIZE, "%" PRIu64 " %s %" PRIu64 " %s", large,
			units[i].name, rest / units[i + 1].seconds, units[i + 1].name);
	return out;
}

char *print_time(uint64_t nanoseconds, char out[PRINT_NUMBER_SIZE])
{
	static const struct {
		double nanoseconds;
		const char *name;
	} units[] = { { 1e3, "us" }, { 1e6, "ms" }, { 1e9, "s" } };
	size_t unit = 0;

	/* From 999.95 on one decimal would read "1000.0". */
	while (unit + 1 < sizeof(units) / sizeof(units[0]) &&
		(double)nanoseconds >= 999.95 * units[unit].nanoseconds)
		unit++;
	snprintf(out, PRINT_NUMBER_SIZE, "%.1f %s", (double)nanoseconds / units[unit].nanoseconds,
		units[unit].name);
	return out;
}

/* A copy in secret memory, like all cells. NULL when out of memory. */
static char *copy(const char *text)
{
	size_t size = strlen(text) + 1;
	char *out = secret_malloc(size);
	if (out)
		memcpy(out, text, size);
	return out;
}

/* Text from elsewhere, with nothing in it that a terminal would obey. */
static char *cell_text(const json_t *value)
{
	size_t length = json_string_length(value);
	char *out = secret_malloc(ESCAPED_SIZE(length));
	return out ? text_escape(out, ESCAPED_SIZE(length), json_string_value(value), length)
		   : NULL;
}

/* "Name=value" of each member of the daemon's own objects, in their order. */
static char *cell_members(const json_t *object)
{
	char text[MEMBERS_SIZE] = "";
	const char *name;
	json_t *value;
	size_t length = 0;
	/* jansson's macro asks for an object that is not const, and changes nothing. */
	json_t *all = (json_t *)(uintptr_t)object;

	json_object_foreach(all, name, value)
	{
		const char *word = json_is_string(value)    ? json_string_value(value)
				   : json_is_boolean(value) ? (json_is_true(value) ? "Yes" : "No")
							    : NULL;
		if (length < sizeof(text) && word)
			length += (size_t)snprintf(
				text + length, sizeof(text) - length, " %s=%s", name, word);
		else if (length < sizeof(text))
			length += (size_t)snprintf(text + length, sizeof(text) - length,
				" %s=%" JSON_INTEGER_FORMAT, name, json_integer_value(value));
	}
	char escaped[ESCAPED_SIZE(MEMBERS_SIZE)];
	return copy(text_escape(escaped, sizeof(escaped), text + 1, strlen(text + 1)));
}

/* Numbers stand to the right of their column. */
static bool is_number(enum print_kind kind)
{
	return kind == PRINT_COUNT || kind == PRINT_BYTES || kind == PRINT_AGE ||
	       kind == PRINT_LENGTH || kind == PRINT_TIME;
}

static char *cell_number(const json_t *value, enum print_kind kind)
{
	char out[PRINT_NUMBER_SIZE];
	double real = json_number_value(value);
	uint64_t number = json_is_integer(value) ? (uint64_t)json_integer_value(value)
			  : real > 0             ? (uint64_t)real
						 : 0;
	if (kind == PRINT_BYTES)
		return copy(print_bytes(number, out));
	if (kind == PRINT_AGE)
		return copy(print_age(number, out));
	if (kind == PRINT_TIME)
		return copy(print_time(number, out));
	if (kind == PRINT_LENGTH)
		number = json_array_size(value);
	snprintf(out, sizeof(out), "%" PRIu64, number);
	return copy(out);
}

/* One cell, owned by the caller (secret memory); NULL when out of memory. */
static char *cell_new(const json_t *row, const struct print_column *column, bool show_secrets)
{
	const json_t *value = json_object_get(row, column->member);

	if (column->kind == PRINT_SECRET && !json_is_string(value))
		return copy("none");
	if (column->kind == PRINT_SECRET && !show_secrets)
		return copy("set");
	if (json_is_boolean(value))
		return copy(json_is_true(value) ? "yes" : "no");
	if (is_number(column->kind) && (json_is_number(value) || json_is_array(value)))
		return cell_number(value, column->kind);
	if (column->kind == PRINT_MEMBERS && json_object_size(value) > 0)
		return cell_members(value);
	if (json_is_string(value) && json_string_length(value) > 0)
		return cell_text(value);
	return copy("-");
}

static void put_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
	int pad = (int)(width - strlen(text));

	if (right)
		fprintf(out, "%*s%s", pad, "", text);
	else
		fprintf(out, "%s%*s", text, last ? 0 : pad, "");
	fprintf(out, "%*s", last ? 0 : COLUMN_GAP, "");
	if (last)
		fputc('\n', out);
}

/* The titles, then the cells, each column as wide as its widest. */
static void put_rows(
	FILE *out, char **cells, size_t rows, const struct print_column *columns, size_t count)
{
	size_t width[PRINT_COLUMN_MAX];

	for (size_t c = 0; c < count; c++) {
		width[c] = strlen(columns[c].title);
		for (size_t r = 0; r < rows; r++) {
			size_t length = strlen(cells[r * count + c]);
			width[c] = length > width[c] ? length : width[c];
		}
	}
	for (size_t c = 0; c < count; c++)
		put_cell(out, columns[c].title, width[c], is_number(columns[c].kind),
			c + 1 == count);
	for (size_t i = 0; i < rows * count; i++) {
		size_t c = i % count;
		put_cell(out, cells[i], width[c], is_number(columns[c].kind), c + 1 == count);
	}
}

static void cells_free(char **cells, size_t count)
{
	for (size_t i = 0; i < count; i++)
		secret_free(cells[i]);
	secret_free(cells);
}

/* All cells, row by row; NULL when out of memory. */
static char **cells_new(const json_t *rows, const struct print_column *columns, size_t column_count,
	bool show_secrets)
{
	assert(column_count > 0 && column_count <= PRINT_COLUMN_MAX);
	size_t total = json_array_size(rows) * column_count;
	char **cells = secret_malloc((total + 1) * sizeof(*cells));

	for (size_t made = 0; cells && made < total; made++) {
		const json_t *row = json_array_get(rows, made / column_count);
		cells[made] = cell_new(row, &columns[made % column_count], show_secrets);
		if (!cells[made]) {
			cells_free(cells, made);
			return NULL;
		}
	}
	return cells;
}

int print_table(FILE *out, const json_t *rows, const struct print_column *columns,
	size_t column_count, bool show_secrets)
{
	char **cells = cells_new(rows, columns, column_count, show_secrets);
	if (!cells)
		return -1;
	put_rows(out, cells, json_array_size(rows), columns, column_count);
	cells_free(cells, json_array_size(rows) * column_count);
	return 0;
}

int print_records(FILE *out, const json_t *rows, const struct print_column *columns,
	size_t column_count, bool show_secrets)
{
	char **cells = cells_new(rows, columns, column_count, show_secrets);
	size_t width = 0, total = json_array_size(rows) * column_count;
	if (!cells)
		return -1;

	for (size_t c = 0; c < column_count; c++)
		width = strlen(columns[c].title) > width ? strlen(columns[c].title) : width;
	for (size_t i = 0; i < total; i++) {
		size_t c = i % column_count;
		if (c == 0 && i > 0)
			fputc('\n', out);
		fprintf(out, "%-*s%s\n", (int)width + COLUMN_GAP, columns[c].title, cells[i]);
	}
	cells_free(cells, total);
	return 0;
}
