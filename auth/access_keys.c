/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the file of access keys: once, whole, into secret memory, and checked line by line. */
#include "auth/access_keys.h"

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLANKS " \t"
#define FIELDS 3

struct access_keys {
	size_t count;
	struct access_key all[];
};

/* What is being read. */
struct source {
	const char *file;
	char *error;
	char *text; /* secret memory, NUL-terminated */
	size_t length;
};

static int refuse(const struct source *source, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct source *source, unsigned line, const char *format, ...)
{
	char place[16] = "";
	char what[160];
	va_list arguments;

	if (line)
		snprintf(place, sizeof(place), ":%u", line);
	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	snprintf(source->error, ACCESS_KEYS_ERROR_SIZE, "%.320s%s: %s", source->file, place, what);
	return -1;
}

static int check_file(const struct source *source, const struct stat *file)
{
	/* A service manager that grants by an access control list shows it as the group's bit. */
	const bool handed_over = (file->st_mode & 07777) == 0440 && file->st_uid == 0 &&
				 file->st_gid == 0;

	if (!S_ISREG(file->st_mode))
		return refuse(source, 0, "is no regular file");
	if ((file->st_mode & 077) && !handed_over)
		return refuse(source, 0, "its mode is %04o, expected 0600", file->st_mode & 07777);
	if (file->st_size > (off_t)ACCESS_KEYS_FILE_MAX)
		return refuse(source, 0, "is larger than %u bytes", ACCESS_KEYS_FILE_MAX);
	return 0;
}

/* The whole text of an open file; it may grow while it is read, but not beyond what was checked. */
static int read_open(struct source *source, int fd)
{
	struct stat file;

	if (fstat(fd, &file) != 0)
		return refuse(source, 0, "cannot be read: %s", strerror(errno));
	if (check_file(source, &file) != 0)
		return -1;
	const size_t size = (size_t)file.st_size;
	source->text = secret_malloc(size + 1);
	if (!source->text)
		return refuse(source, 0, "out of memory");
	while (source->length < size) {
		ssize_t count = read(fd, source->text + source->length, size - source->length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return refuse(source, 0, "cannot be read: %s", strerror(errno));
		if (count == 0)
			break;
		source->length += (size_t)count;
	}
	source->text[source->length] = '\0';
	return 0;
}

static int read_file(struct source *source)
{
	/* Non-blocking, so that a FIFO put there does not hang the daemon. */
	int fd = open(source->file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return refuse(source, 0, "cannot be read: %s", strerror(errno));
	int result = read_open(source, fd);
	close(fd);
	return result;
}

static bool is_id(const char *text, size_t length)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_-.";
	return length <= ACCESS_KEY_ID_MAX && strspn(text, allowed) == length;
}

static bool is_secret(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return length <= ACCESS_KEY_SECRET_MAX;
}

/* Cuts a line into fields. Returns how many there are, FIELDS + 1 for more than there may be. */
static size_t split(char *line, char *fields[FIELDS])
{
	size_t count = 0;

	for (;;) {
		line += strspn(line, BLANKS);
		if (*line == '\0')
			return count;
		if (count == FIELDS)
			return FIELDS + 1;
		fields[count++] = line;
		line += strcspn(line, BLANKS);
		if (*line)
			*line++ = '\0';
	}
}

/* Adds the key of one line, if there is one. 0, or -1 with `error`. */
static int read_line(
	const struct source *source, unsigned number, char *line, struct access_keys *keys)
{
	char *fields[FIELDS];
	const size_t count = split(line, fields);

	if (count == 0 || fields[0][0] == '#')
		return 0;
	if (count == 1 || count > FIELDS)
		return refuse(source, number,
			"expected ACCESS_KEY_ID SECRET_ACCESS_KEY [read-only], and no more");
	const size_t id = strlen(fields[0]), secret = strlen(fields[1]);
	if (!is_id(fields[0], id))
		return refuse(source, number,
			"the access key id is none: expected 1 to %d of A-Z a-z 0-9 _ - .",
			ACCESS_KEY_ID_MAX);
	if (!is_secret(fields[1], secret))
		return refuse(source, number,
			"the secret access key is none: expected 1 to %d printable ASCII "
			"characters",
			ACCESS_KEY_SECRET_MAX);
	if (count == FIELDS && strcmp(fields[2], "read-only") != 0)
		return refuse(source, number, "the third column can be \"read-only\" alone");
	if (access_keys_find(keys, fields[0], id))
		return refuse(
			source, number, "this access key id stands on an earlier line already");
	if (keys->count == ACCESS_KEYS_MAX)
		return refuse(source, number, "more than %d keys", ACCESS_KEYS_MAX);
	struct access_key *key = &keys->all[keys->count++];
	memcpy(key->id, fields[0], id + 1);
	memcpy(key->secret, fields[1], secret + 1);
	key->read_only = count == FIELDS;
	return 0;
}

static int read_lines(struct source *source, struct access_keys *keys)
{
	unsigned number = 1;
	char *line = source->text;

	if (memchr(source->text, '\0', source->length))
		return refuse(source, 0, "has a NUL character, expected text");
	for (char *end; *line; number++, line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		if (read_line(source, number, line, keys) != 0)
			return -1;
	}
	return keys->count ? 0 : refuse(source, 0, "holds no access key");
}

/* Room for the keys of as many lines as there are. Zeroed. */
static struct access_keys *keys_new(const struct source *source)
{
	size_t lines = 1;

	for (const char *c = source->text; *c; c++)
		lines += *c == '\n';
	if (lines > ACCESS_KEYS_MAX)
		lines = ACCESS_KEYS_MAX;
	const size_t size = sizeof(struct access_keys) + lines * sizeof(struct access_key);
	struct access_keys *keys = secret_malloc(size);
	if (keys)
		memset(keys, 0, size);
	else
		refuse(source, 0, "out of memory");
	return keys;
}

struct access_keys *access_keys_load(const char *file, char error[ACCESS_KEYS_ERROR_SIZE])
{
	struct source source = { .file = file, .error = error };
	struct access_keys *keys = NULL;

	error[0] = '\0';
	if (read_file(&source) == 0)
		keys = keys_new(&source);
	if (keys && read_lines(&source, keys) != 0) {
		access_keys_free(keys);
		keys = NULL;
	}
	secret_free(source.text);
	return keys;
}

void access_keys_free(struct access_keys *keys)
{
	secret_free(keys);
}

size_t access_keys_count(const struct access_keys *keys)
{
	return keys->count;
}

const struct access_key *access_keys_find(
	const struct access_keys *keys, const char *id, size_t length)
{
	for (size_t i = 0; i < keys->count; i++)
		if (strlen(keys->all[i].id) == length && memcmp(keys->all[i].id, id, length) == 0)
			return &keys->all[i];
	return NULL;
}
