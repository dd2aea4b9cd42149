/* SPDX-License-Identifier: BSD-2-Clause */
/* Growing under way: a regular file is enlarged, durably; a block device must have grown by itself. */
#include "store/file.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse(char *error, const char *what)
{
	snprintf(error, STORE_ERROR_SIZE, "%s: %s", what, strerror(errno));
	return false;
}

/* Whether the file has so many bytes; if not, whether it is one that can be enlarged. */
static bool look(struct store *store, uint64_t size, uint64_t *bytes, bool *has,
	char error[STORE_ERROR_SIZE])
{
	int fd = file_of(store)->fd;
	struct stat stat;

	if (fstat(fd, &stat))
		return refuse(error, "cannot tell its size");
	*bytes = (uint64_t)stat.st_size;
	if (S_ISBLK(stat.st_mode) && ioctl(fd, BLKGETSIZE64, bytes))
		return refuse(error, "cannot tell its size");
	*has = *bytes >= size;
	if (*has || !(S_ISBLK(stat.st_mode) || store->info.read_only))
		return true;
	snprintf(error, STORE_ERROR_SIZE, "holds %llu bytes and cannot be enlarged from here",
		(unsigned long long)*bytes);
	return false;
}

bool file_may_grow(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE])
{
	int fd = file_of(store)->fd;
	uint64_t bytes;
	bool has;

	if (!look(store, size, &bytes, &has, error) || has)
		return has;
	/* What lies behind the end as it is told is nobody's, so nothing is lost. */
	if (ftruncate(fd, (off_t)size) || ftruncate(fd, (off_t)bytes))
		return refuse(error, "cannot be enlarged");
	return true;
}

bool file_grow(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE])
{
	int fd = file_of(store)->fd;
	uint64_t bytes;
	bool has;

	if (!look(store, size, &bytes, &has, error))
		return false;
	if (!has && (ftruncate(fd, (off_t)size) || fsync(fd)))
		return refuse(error, "cannot be enlarged");
	file_view_grow(file_of(store), size);
	return true;
}
