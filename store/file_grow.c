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

bool file_grow(struct store *store, uint64_t size, char error[STORE_ERROR_SIZE])
{
	int fd = file_of(store)->fd;
	struct stat stat;
	uint64_t bytes = 0;

	if (fstat(fd, &stat))
		return refuse(error, "cannot tell its size");
	bytes = (uint64_t)stat.st_size;
	if (S_ISBLK(stat.st_mode) && ioctl(fd, BLKGETSIZE64, &bytes))
		return refuse(error, "cannot tell its size");
	if (bytes >= size)
		return true;
	if (S_ISBLK(stat.st_mode) || store->info.read_only) {
		snprintf(error, STORE_ERROR_SIZE,
			"holds %llu bytes and cannot be enlarged from here",
			(unsigned long long)bytes);
		return false;
	}
	if (ftruncate(fd, (off_t)size) || fsync(fd))
		return refuse(error, "cannot be enlarged");
	return true;
}
