/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing Prometheus's text format fast: a thousand LUNs have tens of thousands of lines. Samples of
 * one metric follow its metrics_begin().
 */
#ifndef PORTCULLIS_DAEMON_CORE_METRICS_TEXT_H
#define PORTCULLIS_DAEMON_CORE_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct metrics_text {
	char *bytes; /* owned by who made it; NUL-terminated but when `failed` */
	size_t length, capacity;
	bool failed; /* out of memory: what comes later is dropped */
};

/* Longest rendering of a label's value of `length` bytes, with its NUL. */
#define METRICS_ESCAPED(length) (2 * (length) + 1)

/* Appends bytes as they are. */
void metrics_put(struct metrics_text *text, const char *bytes, size_t length);
/* "# HELP" and "# TYPE" of a metric; `help` has no newline and no backslash. */
void metrics_begin(struct metrics_text *text, const char *name, const char *type, const char *help);
/* One sample: `name``suffix`{`labels`} `value`. `labels` without braces, "" = none. */
void metrics_sample(struct metrics_text *text, const char *name, const char *suffix,
	const char *labels, uint64_t value);
/* Likewise, with nanoseconds as seconds. */
void metrics_seconds(struct metrics_text *text, const char *name, const char *suffix,
	const char *labels, uint64_t nanoseconds);
/*
 * The samples of a histogram of times: `counts` of `buckets` (not cumulated), whose upper bounds in
 * nanoseconds are `bounds` but for the last one, and the sum of all times.
 */
void metrics_histogram(struct metrics_text *text, const char *name, const char *labels,
	const uint64_t *counts, const uint64_t *bounds, size_t buckets, uint64_t nanoseconds);
/* A label's value, escaped (backslash, quote, newline), cut to what fits. Returns `escaped`. */
char *metrics_escape(char *escaped, size_t size, const char *value);

#endif
