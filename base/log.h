/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: one record per event, made of fields, each a key and a value. The sink that the program
 * chooses gets the values; the default one writes a line of text to stderr:
 *
 *     what=login-refused target=iqn.2026-11.test:one peer=192.0.2.7:51234 why="wrong name or secret"
 *
 * A value of other characters than letters, digits and -._:/@,+%[]* stands in quotes, in which '"' and '\'
 * have a '\' before them, and all that is not printable ASCII is \xHH: no value can end its field or the
 * line. Thread-safe. Secrets never come here.
 */
#ifndef PORTCULLIS_BASE_LOG_H
#define PORTCULLIS_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#define LOG_LINE_SIZE                                                                              \
	4001 /* bytes of a line at most, and the NUL; fields that do not fit are left out */
#define LOG_VALUE_SIZE  1025 /* of one value in it; a longer one is cut and ends in "..." */
#define LOG_NUMBER_SIZE 21

enum log_form {
	LOG_FORM_TEXT,    /* `text`; NULL: the field is left out */
	LOG_FORM_NUMBER,  /* `number`, decimal */
	LOG_FORM_NONZERO, /* likewise; 0: the field is left out */
	LOG_FORM_HEX,     /* `number`, as 0x0201 */
	LOG_FORM_PHRASE, /* `text` without its key, in front of the line: words that others look for */
};

struct log_field {
	const char *key; /* lower-case letters and '_'; NULL: behind the last field */
	enum log_form form;
	const char *text;
	uint64_t number;
};

/* The fields of an event, for the functions below; LOG_WHAT() is the event's name and comes first. */
#define LOG_WHAT(name)           ((struct log_field){ "what", LOG_FORM_TEXT, (name), 0 })
#define LOG_TEXT(name, value)    ((struct log_field){ (name), LOG_FORM_TEXT, (value), 0 })
#define LOG_NUMBER(name, value)  ((struct log_field){ (name), LOG_FORM_NUMBER, NULL, (value) })
#define LOG_NONZERO(name, value) ((struct log_field){ (name), LOG_FORM_NONZERO, NULL, (value) })
#define LOG_HEX(name, value)     ((struct log_field){ (name), LOG_FORM_HEX, NULL, (value) })
#define LOG_PHRASE(value)        ((struct log_field){ "phrase", LOG_FORM_PHRASE, (value), 0 })
#define LOG_END                  ((struct log_field){ NULL, LOG_FORM_TEXT, NULL, 0 })

/* What a sink gets; valid for the call. */
struct log_record {
	enum log_level level;
	const struct log_field *fields; /* up to LOG_END */
	const char *line;               /* all of them as text, without a newline */
};
/* Writes a record down, from any thread. */
typedef void log_sink(const struct log_record *record);

/* Sets the most talkative level that is written, and the sink (NULL: log_stderr()). Call before threads start. */
void log_configure(enum log_level most, log_sink *sink);
/* Whether stderr is read by the journal: systemd.exec(5), JOURNAL_STREAM. */
bool log_stderr_is_journal(void);
/* The default sink: the line, behind the "<N>" that the journal takes for a priority if it is the reader. */
void log_stderr(const struct log_record *record);
/* The syslog priority of a level. */
int log_priority(enum log_level level);

/* One event; `fields` end with LOG_END, and the texts are borrowed for the call. Keeps errno. */
void log_event(enum log_level level, const struct log_field *fields);
#define log_error(...)                                                                             \
	log_event(LOG_LEVEL_ERROR, (const struct log_field[]){ __VA_ARGS__, LOG_END })
#define log_warning(...)                                                                           \
	log_event(LOG_LEVEL_WARNING, (const struct log_field[]){ __VA_ARGS__, LOG_END })
#define log_info(...) log_event(LOG_LEVEL_INFO, (const struct log_field[]){ __VA_ARGS__, LOG_END })

/* The field's value as plain text: its own, or a number put into `number`. NULL: the field is left out. */
const char *log_value(const struct log_field *field, char number[LOG_NUMBER_SIZE]);

/* How often strangers may make us write a kind of line. All zero at first; one thread's. */
struct log_limit {
	uint64_t since;      /* ms: when the window began */
	uint32_t passed;     /* lines in it */
	uint64_t suppressed; /* lines since the last that passed */
};
#define LOG_LIMIT_WINDOW_MS 10000u
/*
 * Whether a line may be written `now` (ms), at most `most` in a window. If so, *suppressed is how many were
 * not since the last one, for a field of that name.
 */
bool log_limit_pass(struct log_limit *limit, uint32_t most, uint64_t now, uint64_t *suppressed);

#endif
