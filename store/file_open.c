/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening the kind `file`: creating, locking, growing, and finding out what the file system or
 * device can do, so that serving it needs no guesses. Every refusal says what was expected.
 */
#include "store/file.h"
#include "base/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

/* What is known while a file is being opened. */
struct opening {
	const struct store_config *config;
	char *error;
	struct stat stat;
	uint64_t bytes; /* the length of the file or device */
	int fd;
	bool created;
	bool grown;
};

#define EXPLAIN(opening, ...) store_explain((opening)->error, (opening)->config->path, __VA_ARGS__)

/* The kernel's words for an errno value, but for those that say too little about a path. */
static bool explain_open(const struct opening *opening, int number)
{
	static const struct {
		int number;
		const char *text;
	} texts[] = {
		{ ENOTDIR, "a part of the path is not a directory" },
		{ EACCES, "permission denied, expected a file that the daemon's user may use" },
		{ EROFS, "is on a read-only file system, expected read_only = true or another "
			 "place" },
		{ EBUSY, "is already in use: mounted, or held by another process or another LUN" },
		{ EEXIST,
			"is a symbolic link to nothing, or was made by another process just now" },
		{ ENXIO, "is a device without a driver or medium" },
		{ EINVAL, "cannot be opened for direct input and output on this file system" },
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (texts[i].number == number && (number != EINVAL || opening->config->direct))
			return EXPLAIN(opening, "%s", texts[i].text);
	return EXPLAIN(opening, "cannot be opened: %s", strerror(number));
}

static bool explain_missing(const struct opening *opening)
{
	const struct store_config *config = opening->config;
	if (config->must_exist)
		return EXPLAIN(opening, "is not there any more, and is not made anew");
	if (config->read_only)
		return EXPLAIN(opening, "does not exist, and a read-only LUN is not created");
	if (config->size == 0)
		return EXPLAIN(opening, "does not exist, and without a size it cannot be created");
	return EXPLAIN(opening, "no such directory, expected one in which the file can be created");
}

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFCHR:
		return "a character device";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	default:
		return "something else";
	}
}

static bool type_ok(const struct opening *opening)
{
	mode_t mode = opening->stat.st_mode;
	if (S_ISREG(mode) || S_ISBLK(mode))
		return true;
	return EXPLAIN(
		opening, "is %s, expected a regular file or a block device", type_name(mode));
}

/* Opens what is there or makes the file; what it is can change between the looks, so fstat has the
 * last word. */
static bool open_descriptor(struct opening *opening)
{
	const struct store_config *config = opening->config;
	/* O_NONBLOCK: a pipe that slipped in must not hang us. */
	int flags = (config->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
		    (config->direct ? O_DIRECT : 0);
	if (stat(config->path, &opening->stat) == 0) {
		if (!type_ok(opening))
			return false;
		/* On a block device O_EXCL is the lock, against mounts as well. */
		opening->fd = open(
			config->path, flags | (S_ISBLK(opening->stat.st_mode) ? O_EXCL : 0));
	} else if (errno != ENOENT) {
		return explain_open(opening, errno);
	} else if (config->must_exist || config->read_only || config->size == 0) {
		return explain_missing(opening);
	} else {
		/* O_DIRECT comes below: where it is refused, this call would fail and leave a file. */
		opening->fd = open(config->path, (flags & ~O_DIRECT) | O_CREAT | O_EXCL, 0600);
		opening->created = opening->fd >= 0;
	}
	if (opening->fd < 0)
		return errno == ENOENT ? explain_missing(opening) : explain_open(opening, errno);
	mode_t expected = opening->created ? S_IFREG : opening->stat.st_mode & S_IFMT;
	if (fstat(opening->fd, &opening->stat))
		return explain_open(opening, errno);
	if (!type_ok(opening))
		return false;
	if ((opening->stat.st_mode & S_IFMT) != expected)
		return EXPLAIN(opening, "was replaced while it was being opened");
	if (fcntl(opening->fd, F_SETFL, flags & ~O_NONBLOCK))
		return explain_open(opening, errno);
	return true;
}

/*
 * flock() keeps out every second open of ours, in this process too. The record lock is the one that
 * virtual machine monitors look at.
 */
static bool lock_file(const struct opening *opening)
{
	if (!S_ISREG(opening->stat.st_mode))
		return true;
	struct flock record = {
		.l_type = opening->config->read_only ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};
	if (flock(opening->fd, LOCK_EX | LOCK_NB) == 0 &&
		fcntl(opening->fd, F_OFD_SETLK, &record) == 0)
		return true;
	if (errno == EWOULDBLOCK || errno == EACCES)
		return EXPLAIN(opening, "is already in use by another process or another LUN");
	return EXPLAIN(opening, "cannot be locked: %s", strerror(errno));
}

/* A new file must be found again after a crash: its data is promised to be. */
static bool sync_creation(const struct opening *opening)
{
	char *path = strdup(opening->config->path);
	if (!path)
		return EXPLAIN(opening, "no memory is left to open it");
	int directory = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = directory >= 0 && fsync(opening->fd) == 0 && fsync(directory) == 0;
	if (!synced)
		EXPLAIN(opening, "was created, but cannot be made durable: %s", strerror(errno));
	if (directory >= 0)
		close(directory);
	free(path);
	return synced;
}

static bool grow_file(struct opening *opening)
{
	uint64_t size = opening->config->size;
	if (opening->config->read_only)
		return EXPLAIN(opening,
			"holds %llu bytes, less than its size of %llu, and is read-only",
			(unsigned long long)opening->bytes, (unsigned long long)size);
	if (ftruncate(opening->fd, (off_t)size))
		return EXPLAIN(opening, "cannot be made %llu bytes long: %s",
			(unsigned long long)size, strerror(errno));
	opening->bytes = size;
	opening->grown = true;
	return !opening->created || sync_creation(opening);
}

static bool settle_size(struct opening *opening)
{
	uint64_t size = opening->config->size;
	uint32_t block = opening->config->block_size;
	bool device = S_ISBLK(opening->stat.st_mode);
	/* Once more, now that nobody else of ours can change it. */
	if (fstat(opening->fd, &opening->stat))
		return explain_open(opening, errno);
	opening->bytes = (uint64_t)opening->stat.st_size;
	if (device && ioctl(opening->fd, BLKGETSIZE64, &opening->bytes))
		return EXPLAIN(opening, "does not tell its size: %s", strerror(errno));
	if (device && opening->bytes < size)
		return EXPLAIN(opening,
			"is a block device of %llu bytes, less than its size of %llu",
			(unsigned long long)opening->bytes, (unsigned long long)size);
	if (opening->bytes < size && !grow_file(opening))
		return false;
	if (opening->bytes == 0)
		return EXPLAIN(opening, "is empty, expected a size for it or a file that has one");
	if (opening->bytes < block)
		return EXPLAIN(opening, "holds %llu bytes, less than one block of %u",
			(unsigned long long)opening->bytes, block);
	return true;
}

/* Direct input and output wants whole blocks of the device beneath: tries one of ours, off the page
 * grid. */
static bool direct_works(const struct opening *opening)
{
	uint32_t block = opening->config->block_size;
	void *buffer = NULL;
	if (!opening->config->direct)
		return true;
	if (posix_memalign(&buffer, BUFFER_ALIGNMENT, block))
		return EXPLAIN(opening, "no memory is left to open it");
	off_t offset = opening->bytes >= 2 * block ? (off_t)block : 0;
	ssize_t got = pread(opening->fd, buffer, block, offset);
	int number = errno;
	free(buffer);
	if (got >= 0)
		return true;
	if (number == EINVAL)
		return EXPLAIN(opening,
			"cannot be read directly in blocks of %u, expected a larger block_size",
			block);
	return EXPLAIN(opening, "cannot be read: %s", strerror(number));
}

/* A number from the block device's queue directory in sysfs; 0 if there is none. */
static uint64_t queue_limit(dev_t device, const char *name)
{
	/* A partition's queue is its disk's. */
	static const char *const places[] = { "", "../" };
	unsigned long long value = 0;
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		char path[128];
		snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%squeue/%s", major(device),
			minor(device), places[i], name);
		FILE *file = fopen(path, "re");
		if (!file)
			continue;
		if (fscanf(file, "%llu", &value) != 1)
			value = 0;
		fclose(file);
		break;
	}
	return value;
}

/* The smallest range that gives space back; 0 = none does. */
static uint32_t discard_unit(const struct opening *opening)
{
	uint64_t unit = 0;
	if (opening->config->read_only)
		return 0;
	if (S_ISBLK(opening->stat.st_mode)) {
		/* Only a device that can discard and promises zeros behind it will punch. */
		if (queue_limit(opening->stat.st_rdev, "discard_max_bytes") &&
			queue_limit(opening->stat.st_rdev, "write_zeroes_max_bytes"))
			unit = queue_limit(opening->stat.st_rdev, "discard_granularity");
	} else if (fallocate(opening->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   (off_t)opening->bytes, opening->config->block_size) == 0) {
		/* Asked behind the end, where it cannot hurt. */
		unit = (uint64_t)opening->stat.st_blksize;
	}
	if (unit && unit < opening->config->block_size)
		unit = opening->config->block_size;
	return unit <= UINT32_MAX ? (uint32_t)unit : 0;
}

/* Mixes two numbers so that different pairs are, for all practical purposes, different. Never 0. */
uint64_t file_identity(const struct stat *status)
{
	bool device = S_ISBLK(status->st_mode);
	uint64_t mixed = device ? UINT64_C(0x9e3779b97f4a7c15) : (uint64_t)status->st_ino;
	uint64_t parts[] = { device ? status->st_rdev : status->st_dev, mixed };
	mixed = 0;
	for (size_t i = 0; i < 2; i++) {
		mixed = (mixed ^ parts[i]) * UINT64_C(0xbf58476d1ce4e5b9);
		mixed ^= mixed >> 29;
		mixed *= UINT64_C(0x94d049bb133111eb);
		mixed ^= mixed >> 32;
	}
	return mixed ? mixed : 1;
}

static bool is_in_memory(int fd)
{
	struct statfs fs;
	return fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

/* Whether a read can ask for cached bytes only; any answer but "not supported" will do. */
static bool knows_nowait(int fd)
{
	char byte;
	struct iovec piece = { .iov_base = &byte, .iov_len = 1 };
	return preadv2(fd, &piece, 1, 0, RWF_NOWAIT) >= 0 || errno == EAGAIN;
}

static bool prepare_store(struct file_store *file, const struct opening *opening)
{
	const struct store_config *config = opening->config;
	bool device = S_ISBLK(opening->stat.st_mode);
	file->zeros = mmap(NULL, FILE_ZEROS_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (file->zeros == MAP_FAILED)
		return EXPLAIN(opening, "no memory is left to open it");
	uint32_t unit = discard_unit(opening);
	file->fd = opening->fd;
	file_sync_init(file);
	file_allocate_init(file);
	file->in_memory = !device && is_in_memory(opening->fd);
	file->nowait = !config->direct && knows_nowait(opening->fd);
	file->base.identity = file_identity(&opening->stat);
	file->base.info = (struct store_info){
		.size = opening->bytes - opening->bytes % config->block_size,
		.block_size = config->block_size,
		.read_only = config->read_only,
		.direct = config->direct,
		.volatile_cache = !config->read_only,
		.can_discard = unit != 0,
		.discard_granularity = unit,
		.created = opening->created,
		.grown = opening->grown && !opening->created,
	};
	file_view_open(file, &opening->stat);
	/* Where it is not known what is cached, or a piece would be less than a block, one call is better. */
	file->in_pieces = file->map && opening->stat.st_blksize <= (blksize_t)FILE_FOLIO_SIZE;
	return true;
}

bool file_open(struct store *store, const struct store_config *config, char error[STORE_ERROR_SIZE])
{
	struct opening opening = { .config = config, .error = error, .fd = -1 };
	if (open_descriptor(&opening) && lock_file(&opening) && settle_size(&opening) &&
		direct_works(&opening) && prepare_store(file_of(store), &opening))
		return true;
	/* A half-made file would be taken for a disk next time. */
	if (opening.created)
		unlink(config->path);
	if (opening.fd >= 0)
		close(opening.fd);
	return false;
}

void file_close(struct store *store)
{
	struct file_store *file = file_of(store);
	file_sync_destroy(file);
	file_allocate_destroy(file);
	file_view_close(file);
	munmap(file->zeros, FILE_ZEROS_SIZE);
	close(file->fd);
}
