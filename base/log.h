/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: one line per event, to a sink that the program chooses (stderr by default, with the
 * <N> priority prefix journald understands when it is the reader). Thread-safe. Peer text is
 * escaped by the caller (text_escape()); secrets never come here.
 */
#ifndef PORTCULLIS_BASE_LOG_H
#define PORTCULLIS_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `line` has no newline and is valid for the call only. */
typedef void log_sink(enum log_level level, const char *line);

/* Sets the most talkative level that is written, and the sink (NULL: stderr). Call before threads start. */
void log_configure(enum log_level most, log_sink *sink);
/* Whether `level` is written: to spare the work of building a line. */
bool log_enabled(enum log_level level);
/* One line, cut at 1,000 bytes; control characters become '?'. Keeps errno. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_vline(enum log_level level, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
