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

/* Numbers stand to the right of their column. */
static bool is_number(enum print_kind kind)
{
	return kind == PRINT_COUNT || kind == PRINT_BYTES || kind == PRINT_AGE ||
	       kind == PRINT_LENGTH;
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
	if (json_is_string(value) && json_string_length(value) > 0)
		return cell_text(value);
	return copy("-");
}

static void put_cell(const char *text, size_t width, bool right, bool last)
{
	int pad = (int)(width - strlen(text));

	if (right)
		printf("%*s%s", pad, "", text);
	else
		printf("%s%*s", text, last ? 0 : pad, "");
	printf("%*s", last ? 0 : COLUMN_GAP, "");
	if (last)
		putchar('\n');
}

/* The titles, then the cells, each column as wide as its widest. */
static void put_rows(char **cells, size_t rows, const struct print_column *columns, size_t count)
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
		put_cell(columns[c].title, width[c], is_number(columns[c].kind), c + 1 == count);
	for (size_t i = 0; i < rows * count; i++) {
		size_t c = i % count;
		put_cell(cells[i], width[c], is_number(columns[c].kind), c + 1 == count);
	}
}

int print_table(const json_t *rows, const struct print_column *columns, size_t column_count,
	bool show_secrets)
{
	assert(column_count > 0 && column_count <= PRINT_COLUMN_MAX);
	size_t row_count = json_array_size(rows);
	size_t total = row_count * column_count;
	char **cells = secret_malloc((total ? total : 1) * sizeof(*cells));
	if (!cells)
		return -1;

	size_t made = 0;
	for (; made < total; made++) {
		const json_t *row = json_array_get(rows, made / column_count);
		cells[made] = cell_new(row, &columns[made % column_count], show_secrets);
		if (!cells[made])
			break;
	}
	if (made == total)
		put_rows(cells, row_count, columns, column_count);
	for (size_t i = 0; i < made; i++)
		secret_free(cells[i]);
	secret_free(cells);
	return made == total ? 0 : -1;
}
