/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log. A line is built on the stack and leaves in one write(), so lines of different threads
 * do not mix. sd-daemon(3): a reader that is the journal takes a priority from "<N>".
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX_BYTES 3 /* "<N>" */

/* Written by log_configure() only, before there are threads. */
static struct {
	enum log_level most;
	log_sink *sink; /* NULL: log_stderr() */
	bool journal;   /* stderr is read by the journal */
} config = { .most = LOG_LEVEL_INFO };

bool log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	uintmax_t device, inode;
	char rest;

	return stream &&
	       sscanf(stream, "%" SCNuMAX ":%" SCNuMAX "%c", &device, &inode, &rest) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

void log_configure(enum log_level most, log_sink *sink)
{
	config.most = most;
	config.sink = sink;
	config.journal = log_stderr_is_journal();
}

int log_priority(enum log_level level)
{
	static const int priorities[] = {
		[LOG_LEVEL_ERROR] = 3,
		[LOG_LEVEL_WARNING] = 4,
		[LOG_LEVEL_INFO] = 6,
		[LOG_LEVEL_DEBUG] = 7,
	};

	return priorities[level];
}

static void write_all(const char *bytes, size_t length)
{
	while (length) {
		ssize_t written = write(STDERR_FILENO, bytes, length);
		if (written < 0 && errno == EINTR)
			continue;
		/* Nobody can be told that the log cannot be written. */
		if (written <= 0)
			return;
		bytes += written;
		length -= (size_t)written;
	}
}

void log_stderr(const struct log_record *record)
{
	char whole[PREFIX_BYTES + LOG_LINE_SIZE + 1];
	int length = snprintf(
		whole, sizeof(whole), "<%d>%s\n", log_priority(record->level), record->line);
	size_t start = config.journal ? 0 : PREFIX_BYTES;

	if (length > 0)
		write_all(whole + start, (size_t)length - start);
}

/* --- fields to text --- */

/* The length of the text that `byte` is written as inside of quotes. */
static size_t escape(char piece[5], unsigned char byte)
{
	if (byte == '"' || byte == '\\')
		return (size_t)snprintf(piece, 5, "\\%c", byte);
	if (byte < ' ' || byte >= 0x7f)
		return (size_t)snprintf(piece, 5, "\\x%02x", byte);
	piece[0] = (char)byte;
	return 1;
}

static bool is_bare(const char *text)
{
	static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "-._:/@,+%[]*";
	size_t length = strspn(text, bare);

	return length > 0 && text[length] == '\0' && length < LOG_VALUE_SIZE;
}

/* `text` as a value, or, without `quotes`, as words. Returns its length. */
static size_t value_write(char value[LOG_VALUE_SIZE], const char *text, bool quotes)
{
	static const char cut[] = "...";
	const size_t room = LOG_VALUE_SIZE - sizeof(cut) - (quotes ? 1 : 0);
	size_t length = 0;
	char piece[5];

	if (quotes && is_bare(text))
		return (size_t)snprintf(value, LOG_VALUE_SIZE, "%s", text);
	if (quotes)
		value[length++] = '"';
	for (; *text; text++) {
		size_t more = escape(piece, (unsigned char)*text);
		if (length + more > room) {
			memcpy(value + length, cut, sizeof(cut) - 1);
			length += sizeof(cut) - 1;
			break;
		}
		memcpy(value + length, piece, more);
		length += more;
	}
	if (quotes)
		value[length++] = '"';
	value[length] = '\0';
	return length;
}

const char *log_value(const struct log_field *field, char number[LOG_NUMBER_SIZE])
{
	if (field->form == LOG_FORM_TEXT || field->form == LOG_FORM_PHRASE)
		return field->text;
	if (field->form == LOG_FORM_NONZERO && field->number == 0)
		return NULL;
	snprintf(number, LOG_NUMBER_SIZE, field->form == LOG_FORM_HEX ? "0x%04" PRIx64 : "%" PRIu64,
		field->number);
	return number;
}

static void line_add(char line[LOG_LINE_SIZE], size_t *length, const struct log_field *field)
{
	char number[LOG_NUMBER_SIZE], value[LOG_VALUE_SIZE];
	const char *text = log_value(field, number);
	bool words = field->form == LOG_FORM_PHRASE;

	if (!text)
		return;
	size_t more = value_write(value, text, !words);
	more += (*length ? 1 : 0) + (words ? 0 : strlen(field->key) + 1);
	if (*length + more >= LOG_LINE_SIZE)
		return;
	snprintf(line + *length, LOG_LINE_SIZE - *length, "%s%s%s%s", *length ? " " : "",
		words ? "" : field->key, words ? "" : "=", value);
	*length += more;
}

void log_event(enum log_level level, const struct log_field *fields)
{
	char line[LOG_LINE_SIZE] = "";
	struct log_record record = { .level = level, .fields = fields, .line = line };
	int before = errno;
	size_t length = 0;

	if (level > config.most)
		return;
	for (const struct log_field *field = fields; field->key; field++)
		if (field->form == LOG_FORM_PHRASE)
			line_add(line, &length, field);
	for (const struct log_field *field = fields; field->key; field++)
		if (field->form != LOG_FORM_PHRASE)
			line_add(line, &length, field);
	(config.sink ? config.sink : log_stderr)(&record);
	errno = before;
}

/* --- what strangers may write --- */

bool log_limit_pass(struct log_limit *limit, uint32_t most, uint64_t now, uint64_t *suppressed)
{
	if (now - limit->since >= LOG_LIMIT_WINDOW_MS) {
		limit->since = now;
		limit->passed = 0;
	}
	if (limit->passed >= most) {
		limit->suppressed++;
		return false;
	}
	limit->passed++;
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
