/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking through directories for files and block devices. */
#include "daemon/core/disks.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct disk_identity identity_of(const struct stat *status)
{
	const bool is_device = S_ISBLK(status->st_mode);
	return (struct disk_identity){
		.found = is_device || S_ISREG(status->st_mode),
		.is_device = is_device,
		.device = is_device ? status->st_rdev : status->st_dev,
		.inode = is_device ? 0 : status->st_ino,
	};
}

/* 0, or -1 if the device does not say. */
static int device_size(int directory, const char *name, uint64_t *size)
{
	const int fd = openat(directory, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	const off_t end = lseek(fd, 0, SEEK_END);
	close(fd);
	*size = (uint64_t)end;
	return end < 0 ? -1 : 0;
}

/* Whether `name` is a disk that can be told; fills it in, but for the path. */
static bool look_at(int directory, const char *name, struct disk *disk)
{
	struct stat status;
	if (fstatat(directory, name, &status, 0))
		return false;
	*disk = (struct disk){
		.name = name, .size = (uint64_t)status.st_size, .identity = identity_of(&status)
	};
	if (!disk->identity.found)
		return false;
	return !disk->identity.is_device || device_size(directory, name, &disk->size) == 0;
}

static int each_name(const char *directory, int fd, struct dirent *const *names, int count,
	int (*each)(void *context, const struct disk *disk), void *context)
{
	char path[DISK_ID_MAX + 1];
	int told = 0, failed = 0;
	for (int i = 0; i < count && !failed && told < DISKS_LIST_MAX; i++) {
		struct disk disk;
		const char *slash = strcmp(directory, "/") == 0 ? "" : "/";
		const int length = snprintf(
			path, sizeof path, "%s%s%s", directory, slash, names[i]->d_name);
		if (length < 0 || (size_t)length >= sizeof path ||
			!look_at(fd, names[i]->d_name, &disk))
			continue;
		disk.path = path;
		failed = each(context, &disk);
		told++;
	}
	return failed;
}

int disks_each(
	const char *directory, int (*each)(void *context, const struct disk *disk), void *context)
{
	struct dirent **names = NULL;
	const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const int count = fd < 0 ? -1 : scandirat(fd, ".", &names, NULL, alphasort);
	int result = 0;
	if (count < 0 && errno == ENOMEM)
		result = -1;
	else if (count < 0)
		log_warning(LOG_WHAT("disk-directory-unreadable"), LOG_TEXT("path", directory),
			LOG_TEXT("why", strerror(errno)));
	else
		result = each_name(directory, fd, names, count, each, context);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	if (fd >= 0)
		close(fd);
	return result;
}

static bool is_zeros(const char *bytes, size_t length)
{
	/* All are as the one before, and the first is zero. */
	return !length || (!bytes[0] && memcmp(bytes, bytes + 1, length - 1) == 0);
}

bool disk_is_empty(const char *path)
{
	const size_t piece = 1u << 20;
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *bytes = fd >= 0 ? malloc(piece) : NULL;
	off_t at = 0;
	size_t left = DISK_READ_MAX;
	bool empty = false;
	while (bytes && !empty) {
		at = lseek(fd, at, SEEK_DATA);
		const ssize_t got = at < 0 ? -1 : pread(fd, bytes, piece, at);
		/* ENXIO: there are only holes from here on. A device has none, but an end. */
		empty = at < 0 ? errno == ENXIO : got == 0;
		if (got < 0 || (size_t)got > left || !is_zeros(bytes, (size_t)got))
			break;
		left -= (size_t)got;
		at += got;
	}
	free(bytes);
	if (fd >= 0)
		close(fd);
	return empty;
}

void disk_use_find(struct disk_use *use, const char *path, const void *context)
{
	struct stat status;
	*use = (struct disk_use){ .context = context };
	if (path[0] == '/' && stat(path, &status) == 0)
		use->identity = identity_of(&status);
}

const struct disk_use *disk_used_by(
	const struct disk *disk, const struct disk_use *uses, size_t count)
{
	const struct disk_identity *sought = &disk->identity;
	for (size_t i = 0; i < count; i++) {
		const struct disk_identity *one = &uses[i].identity;
		if (one->found && one->is_device == sought->is_device &&
			one->device == sought->device && one->inode == sought->inode)
			return &uses[i];
	}
	return NULL;
}
