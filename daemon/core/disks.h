/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disks that volumes may be made of: files and block devices that lie directly in the
 * directories that control.disk_directories names. Nothing is opened for writing.
 */
#ifndef PORTCULLIS_DAEMON_CORE_DISKS_H
#define PORTCULLIS_DAEMON_CORE_DISKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DISK_ID_MAX    300         /* characters of a path; AWS's limit of a DiskId */
#define DISKS_LIST_MAX 4096        /* disks that are told of one directory */
#define DISK_READ_MAX  (64u << 20) /* bytes that are read to see whether a disk is empty */

/* What a path leads to, over symbolic links: a file's inode or a device. */
struct disk_identity {
	bool found, is_device;
	dev_t device;
	ino_t inode; /* of a file */
};

struct disk {
	const char *path, *name; /* absolute; its last part */
	uint64_t size;           /* bytes */
	struct disk_identity identity;
};

/* A file or device that a LUN has. */
struct disk_use {
	struct disk_identity identity;
	const void *context; /* the caller's */
};

/*
 * Calls `each` for every disk of a directory, in the order of their names; what is neither file nor
 * block device, or cannot be looked at, is left out, and so is the rest beyond DISKS_LIST_MAX. An
 * unreadable directory has none, and is logged. 0, or -1 when out of memory or `each` returned so.
 */
int disks_each(
	const char *directory, int (*each)(void *context, const struct disk *disk), void *context);
/*
 * Whether it can be seen that the disk at `path` reads as zeros, all of it: holes need no reading, and of the rest not
 * more than DISK_READ_MAX bytes are read. What cannot be read, or is more than that, is not empty. Blocks meanwhile.
 */
bool disk_is_empty(const char *path);
/* Fills in what the file at `path` is, if there is one. `context` is kept. */
void disk_use_find(struct disk_use *use, const char *path, const void *context);
/* The first use of this disk, NULL if there is none. */
const struct disk_use *disk_used_by(
	const struct disk *disk, const struct disk_use *uses, size_t count);

#endif
