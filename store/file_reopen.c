/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a file that is about to be closed, to be opened anew, would be found again as it is now. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* By the record lock: flock() is held by who asks, and lets nobody else in meanwhile. */
static bool may_lock(int fd, bool read_only)
{
	struct flock record = { .l_type = read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &record) < 0 || record.l_type == F_UNLCK;
}

bool file_may_reopen(
	const struct store *store, const char *path, bool read_only, char error[STORE_ERROR_SIZE])
{
	const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat found;
	int fd = open(path, flags);

	if (fd < 0 || fstat(fd, &found)) {
		store_explain(error, path, "cannot be opened again: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	close(fd);
	if (file_identity(&found) != store->identity)
		return store_explain(error, path, "is another file than the one that is served");
	if (!may_lock(file_of(store)->fd, read_only))
		return store_explain(error, path, "is in use by another process");
	return true;
}
