/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables for people: aligned columns, sizes and ages in units one can say aloud. All text that
 * came from elsewhere is escaped, since an initiator chooses its own name and a terminal obeys.
 */
#ifndef PORTCULLIS_CTL_PRINT_H
#define PORTCULLIS_CTL_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum print_kind {
	PRINT_TEXT,
	PRINT_COUNT,
	PRINT_BYTES,
	PRINT_AGE,     /* the member is in seconds */
	PRINT_BOOLEAN, /* yes or no */
	PRINT_SECRET,  /* "set" or "none", or its text when secrets are to be shown */
	PRINT_LENGTH,  /* of the array */
	PRINT_TIME,    /* the member is in nanoseconds */
	PRINT_MEMBERS, /* of the object: "Name=value Name=value" */
};

struct print_column {
	const char *title;
	const char *member; /* of each row's object */
	enum print_kind kind;
};

#define PRINT_COLUMN_MAX  16
#define PRINT_NUMBER_SIZE 32

/* "0 B", "999 B", "1.5 KiB", "12.0 GiB": three to four digits, powers of 1024. Returns `out`. */
char *print_bytes(uint64_t bytes, char out[PRINT_NUMBER_SIZE]);
/* "59 s", "5 min 3 s", "3 h 4 min", "12 d 1 h": the two largest units. Returns `out`. */
char *print_age(uint64_t seconds, char out[PRINT_NUMBER_SIZE]);
/* "12.5 us", "3.0 ms", "61.2 s". Returns `out`. */
char *print_time(uint64_t nanoseconds, char out[PRINT_NUMBER_SIZE]);

/*
 * Prints `rows` (an array of objects) as a table, 1..PRINT_COLUMN_MAX columns. A member that is missing or null shows as "-".
 * Returns 0, or -1 when out of memory.
 */
int print_table(FILE *out, const json_t *rows, const struct print_column *columns,
	size_t column_count, bool show_secrets);
/* Likewise, each row as lines of a title and a value, with an empty line between rows. */
int print_records(FILE *out, const json_t *rows, const struct print_column *columns,
	size_t column_count, bool show_secrets);

#endif
