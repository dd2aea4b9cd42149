/* SPDX-License-Identifier: BSD-2-Clause */
/* What registry.c and registry_luns.c share. */
#ifndef PORTCULLIS_DAEMON_CORE_REGISTRY_PARTS_H
#define PORTCULLIS_DAEMON_CORE_REGISTRY_PARTS_H

#include "daemon/core/registry.h"

#include <uthash.h>

struct registered {
	struct target target;  /* first */
	struct store **stores; /* as many as its configuration has LUNs, in that order */
	UT_hash_handle by_name, by_arn;
	struct registered *next; /* of those that are discarded, but not idle yet */
};

/* A file that has been served. */
struct kept {
	struct kept *next;
	char path[];
};

struct registry {
	pthread_rwlock_t lock; /* what workers may see: `all`, `count`, `names` */
	struct registered *
		*all; /* behind the listed ones those that are open, but not listed yet */
	size_t count, opened;
	struct registered *names, *arns;
	struct registered *discarded;
	struct kept *kept; /* opened if they are there, and not made */
	struct target discovery;
	struct state *state;
	struct mailbox *mailbox; /* the main thread's */
};

static inline struct registered *registered_of(struct target *target)
{
	return (struct registered *)target;
}

/* The store of the LUN at that place; NULL while it is not open. */
static inline struct store *registered_store(const struct target *target, size_t index)
{
	const struct registered *one = (const struct registered *)target; /* its first member */

	return one->stores ? one->stores[index] : NULL;
}

/* Whether a file has been served; then it is not made. */
bool registry_path_is_kept(const struct registry *registry, const char *path);
/* Opens one LUN; NULL with one line in `error`. */
struct store *registry_lun_open(const struct registry *registry, const char *file,
	const struct config_target *target, const struct config_lun *lun,
	char error[CONFIG_ERROR_SIZE]);
/*
 * Opens all LUNs of a target but those that are open, in `open` (NULL: none; borrowed). The whole list; NULL with a line
 * in `error`, and the one that could not be in `failed`: then none is open that was not.
 */
struct store **registry_stores_open(const struct registry *registry, const char *file,
	const struct config_target *target, struct store *const *open,
	const struct config_lun **failed, char error[CONFIG_ERROR_SIZE]);
/* A LUN as the device server wants it. `store` is borrowed. */
void registry_unit_describe(
	struct scsi_unit_config *unit, const struct config_lun *lun, struct store *store);
/* The device over stores that are open. NULL when out of memory. */
struct scsi_device *registry_device_make(const struct config_target *target, struct store **stores);

#endif
