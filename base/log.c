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

#define LINE_MAX_BYTES 1000
#define PREFIX_BYTES   3 /* "<N>" */

/* Written by log_configure() only, before there are threads. */
static struct {
	enum log_level most;
	log_sink *sink; /* NULL: stderr */
	bool journal;   /* stderr is read by the journal */
} config = { .most = LOG_LEVEL_INFO };

/* systemd.exec(5): JOURNAL_STREAM names the device and inode of the journal's end of a stream. */
static bool stderr_is_journal(void)
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
	config.journal = stderr_is_journal();
}

bool log_enabled(enum log_level level)
{
	return level <= config.most;
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

void log_vline(enum log_level level, const char *format, va_list arguments)
{
	static const char priority[] = {
		[LOG_LEVEL_ERROR] = '3',
		[LOG_LEVEL_WARNING] = '4',
		[LOG_LEVEL_INFO] = '6',
		[LOG_LEVEL_DEBUG] = '7',
	};
	char whole[PREFIX_BYTES + LINE_MAX_BYTES + 1];
	char *line = whole + PREFIX_BYTES;
	int before = errno;

	if (!log_enabled(level))
		return;
	if (vsnprintf(line, LINE_MAX_BYTES + 1, format, arguments) < 0)
		line[0] = '\0';
	size_t length = strlen(line);
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == '\x7f')
			line[i] = '?';
	}
	if (config.sink) {
		config.sink(level, line);
	} else {
		char *start = config.journal ? whole : line;
		memcpy(whole, (char[]){ '<', priority[level], '>' }, PREFIX_BYTES);
		line[length] = '\n';
		write_all(start, length + 1 + (size_t)(line - start));
	}
	errno = before;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_vline(level, format, arguments);
	va_end(arguments);
}
