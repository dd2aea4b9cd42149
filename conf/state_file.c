/* SPDX-License-Identifier: BSD-2-Clause */
/* Replacing and reading the files of the state directory (doc/architecture.md K2, K9). */
#include "conf/state_file.h"

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 256

int state_fail(const struct state_directory *directory, const char *name,
	char error[STATE_ERROR_SIZE], const char *format, ...)
{
	int length = snprintf(error, STATE_ERROR_SIZE, "%s%s%s: ", directory->path, name ? "/" : "",
		name ? name : "");
	if (length >= 0 && length < STATE_ERROR_SIZE) {
		va_list arguments;
		va_start(arguments, format);
		vsnprintf(error + length, STATE_ERROR_SIZE - (size_t)length, format, arguments);
		va_end(arguments);
	}
	return -1;
}

static void name_with(char whole[NAME_SIZE], const char *name, const char *suffix)
{
	snprintf(whole, NAME_SIZE, "%s%s", name, suffix);
}

/* Removes what may not be there. 0, or -1 if it still is. */
static int remove_leftover(const struct state_directory *directory, const char *name)
{
	return unlinkat(directory->fd, name, 0) == 0 || errno == ENOENT ? 0 : -1;
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, text, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			errno = written == 0 ? EIO : errno;
			return -1;
		}
		text += written;
		length -= (size_t)written;
	}
	return 0;
}

/* A new file with this text, on stable storage. 0, or -1 with errno; it may then exist in part. */
static int write_new(
	const struct state_directory *directory, const char *name, const char *text, size_t length)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	if (remove_leftover(directory, name) != 0)
		return -1;
	int fd = openat(directory->fd, name, flags, 0600);
	if (fd < 0)
		return -1;
	int result = write_all(fd, text, length) == 0 && fsync(fd) == 0 ? 0 : -1;
	int reason = errno;
	close(fd); /* after fsync() it has nothing left to say */
	errno = reason;
	return result;
}

/* Gives NAME a second name, if there is a NAME. */
static int keep_old(
	const struct state_directory *directory, const char *name, const char *old, bool *had_old)
{
	if (remove_leftover(directory, old) != 0)
		return -1;
	*had_old = linkat(directory->fd, name, directory->fd, old, 0) == 0;
	return *had_old || errno == ENOENT ? 0 : -1;
}

enum state_result state_file_replace(const struct state_directory *directory, const char *name,
	const char *text, size_t length, bool *had_old, char error[STATE_ERROR_SIZE])
{
	char new_name[NAME_SIZE], old_name[NAME_SIZE];
	const char *failed = NULL;

	name_with(new_name, name, ".new");
	name_with(old_name, name, ".old");
	*had_old = false;
	if (write_new(directory, new_name, text, length) != 0)
		failed = "cannot be written";
	else if (keep_old(directory, name, old_name, had_old) != 0)
		failed = "cannot be linked";
	else if (renameat(directory->fd, new_name, directory->fd, name) != 0)
		failed = "cannot be renamed";
	if (failed) {
		state_fail(directory, name, error, "%s: %s", failed, strerror(errno));
		(void)remove_leftover(directory, new_name);
		(void)remove_leftover(directory, old_name);
		return STATE_NOT_STORED;
	}
	if (fsync(directory->fd) == 0)
		return STATE_OK;
	state_fail(directory, name, error, "the directory cannot be synced: %s", strerror(errno));
	return state_file_put_back(directory, name, *had_old, error) == 0 ? STATE_NOT_STORED
									  : STATE_BROKEN;
}

int state_file_put_back(const struct state_directory *directory, const char *name, bool had_old,
	char error[STATE_ERROR_SIZE])
{
	char old_name[NAME_SIZE];
	int result;

	name_with(old_name, name, ".old");
	if (had_old)
		result = renameat(directory->fd, old_name, directory->fd, name);
	else
		result = remove_leftover(directory, name);
	if (result != 0 || fsync(directory->fd) != 0)
		return state_fail(
			directory, name, error, "cannot be put back: %s", strerror(errno));
	return 0;
}

void state_file_settle(const struct state_directory *directory, const char *name)
{
	char old_name[NAME_SIZE];

	name_with(old_name, name, ".old");
	(void)remove_leftover(directory, old_name);
}

/* Whether it is a plain file of the directory's owner that nobody else may touch. */
static int check_file(const struct state_directory *directory, const char *name,
	const struct stat *file, char error[STATE_ERROR_SIZE])
{
	struct stat above;

	if (!S_ISREG(file->st_mode))
		return state_fail(directory, name, error, "is no regular file");
	if (fstat(directory->fd, &above) != 0)
		return state_fail(directory, name, error, "cannot be read: %s", strerror(errno));
	if (file->st_uid != above.st_uid)
		return state_fail(directory, name, error, "belongs to user %u, expected user %u",
			file->st_uid, above.st_uid);
	if (file->st_mode & 077)
		return state_fail(directory, name, error, "its mode is %04o, expected 0600",
			file->st_mode & 07777);
	if (file->st_size > STATE_FILE_MAX)
		return state_fail(directory, name, error, "is too large");
	return 0;
}

/* Fills `text` with exactly `length` bytes, which must be all there are. */
static int read_all(int fd, char *text, size_t length)
{
	char beyond;
	size_t done = 0;

	while (done <= length) {
		ssize_t count = done < length ? read(fd, text + done, length - done)
					      : read(fd, &beyond, 1);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -1;
		if (count == 0)
			break;
		done += (size_t)count;
	}
	if (done == length)
		return 0;
	errno = EBUSY; /* it changed while it was read */
	return -1;
}

enum state_read state_file_read(const struct state_directory *directory, const char *name,
	char **text, size_t *length, char error[STATE_ERROR_SIZE])
{
	/* Non-blocking, so that a FIFO put there does not hang the daemon. */
	int fd = openat(directory->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	enum state_read result = STATE_READ_FAILED;
	struct stat file;

	*text = NULL;
	if (fd < 0) {
		result = errno == ENOENT ? STATE_READ_MISSING : STATE_READ_FAILED;
		state_fail(directory, name, error, "cannot be read: %s", strerror(errno));
		return result;
	}
	if (fstat(fd, &file) != 0) {
		state_fail(directory, name, error, "cannot be read: %s", strerror(errno));
		goto out;
	}
	if (check_file(directory, name, &file, error) != 0)
		goto out;
	*length = (size_t)file.st_size;
	*text = secret_malloc(*length + 1);
	if (!*text || read_all(fd, *text, *length) != 0) {
		state_fail(directory, name, error, "cannot be read: %s", strerror(errno));
		secret_free(*text);
		*text = NULL;
		goto out;
	}
	result = STATE_READ_OK;
out:
	close(fd);
	return result;
}
