/* SPDX-License-Identifier: BSD-2-Clause */
/* Changing the LUNs of a target that stays: what one that is closed and opened anew takes along, and what goes on. */
#include "daemon/core/registry_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int registry_lun_add(struct registry *registry, struct target *target, const char *file,
	const struct config_lun *lun, char error[CONFIG_ERROR_SIZE])
{
	struct registered *one = registered_of(target);
	struct config_target *old = target->config;
	struct scsi_unit_config unit;

	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	/* The list that a copy would have with one more, at its place by number. */
	struct config_lun *luns = calloc(old->lun_count + 1, sizeof(*luns));
	struct store **stores = calloc(old->lun_count + 2, sizeof(struct store *));
	struct store *store = luns && stores ? registry_lun_open(registry, file, old, lun, error)
					     : NULL;
	if (!store) {
		free(luns);
		free(stores);
		return -1;
	}
	size_t at = 0;
	while (at < old->lun_count && old->luns[at].lun < lun->lun)
		at++;
	for (size_t i = 0; i <= old->lun_count; i++) {
		luns[i] = i == at ? *lun : old->luns[i - (i > at)];
		stores[i] = i == at ? store : one->stores[i - (i > at)];
	}
	struct config_target wanted = *old;
	wanted.luns = luns;
	wanted.lun_count = old->lun_count + 1;
	struct config_target *config = config_target_copy(&wanted);
	free(luns);
	registry_unit_describe(&unit, lun, store);
	if (!config || scsi_device_add(target->device, &unit) < 0) {
		snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
		config_target_free(config);
		store_abandon(store, lun->path);
		free(stores);
		return -1;
	}
	free(one->stores);
	one->stores = stores;
	registry_target_configure(target, config);
	return 0;
}

void registry_target_configure(struct target *target, struct config_target *config)
{
	struct config_target *old = target->config;

	/* Its name and ARN are the target's own for its whole life: they move from copy to copy. */
	char *name = config->name, *arn = config->arn;
	config->name = old->name;
	config->arn = old->arn;
	old->name = name;
	old->arn = arn;
	target->config = config;
	config_target_free(old);
}

int registry_lun_try(const struct registry *registry, const char *file,
	const struct config_target *target, const struct config_lun *lun,
	char error[CONFIG_ERROR_SIZE])
{
	struct store *store = registry_lun_open(registry, file, target, lun, error);

	if (!store)
		return -1;
	store_abandon(store, lun->path);
	return 0;
}

int registry_lun_try_grow(
	const struct target *target, size_t index, uint64_t size, char error[CONFIG_ERROR_SIZE])
{
	struct store *store = registered_store(target, index);
	char why[STORE_ERROR_SIZE];

	if (!store || store_may_grow(store, size, why))
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "%s %s", target->config->luns[index].path, why);
	return -1;
}

int registry_lun_try_reopen(
	const struct target *target, size_t index, bool read_only, char error[CONFIG_ERROR_SIZE])
{
	const struct store *store = registered_store(target, index);
	char why[STORE_ERROR_SIZE];

	if (!store || store_may_reopen(store, target->config->luns[index].path, read_only, why))
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "%s", why);
	return -1;
}

int registry_lun_grow(
	struct target *target, size_t index, uint64_t size, char error[CONFIG_ERROR_SIZE])
{
	struct registered *one = registered_of(target);
	const struct config_lun *lun = &target->config->luns[index];
	char why[STORE_ERROR_SIZE];

	if (!store_grow(one->stores[index], size, why)) {
		snprintf(error, CONFIG_ERROR_SIZE, "target=%s lun=%u: %s %s", target->name,
			lun->lun, lun->path, why);
		return -1;
	}
	scsi_device_grown(target->device, lun->lun);
	return 0;
}

const struct config_lun *registry_lun_stays(
	const struct target *target, size_t index, const struct config_target *wanted)
{
	const struct config_lun *lun = &target->config->luns[index];
	const struct store *store = registered_store(target, index);

	for (size_t i = 0; store && i < wanted->lun_count; i++) {
		const struct config_lun *next = &wanted->luns[i];
		if (strcmp(next->path, lun->path) != 0 || next->block_size != lun->block_size ||
			next->direct != lun->direct)
			continue;
		/* A disk in memory is known by its number alone. */
		if (store_identity(store)
				? next->read_only == lun->read_only
				: next->lun == lun->lun &&
					  (next->read_only || !store_info(store)->read_only))
			return next;
	}
	return NULL;
}

bool registry_lun_is_had(const struct target *target, const struct config_target *wanted,
	const struct config_lun *lun)
{
	char unused[STORE_ERROR_SIZE];

	for (size_t i = 0; i < target->config->lun_count; i++) {
		const struct store *store = registered_store(target, i);
		const struct config_lun *stays = registry_lun_stays(target, i, wanted);
		if (stays ? stays == lun
			  : store && store_identity(store) &&
					store_may_reopen(store, lun->path, lun->read_only, unused))
			return true;
	}
	return false;
}

bool registry_lun_is_open(const struct target *target, size_t index)
{
	return registered_store(target, index);
}

void registry_shut(struct target *target, const struct config_target *wanted)
{
	struct registered *one = registered_of(target);

	scsi_device_free(target->device);
	target->device = NULL;
	for (size_t i = 0; one->stores && i < target->config->lun_count; i++) {
		if (registry_lun_stays(target, i, wanted))
			continue;
		store_close(one->stores[i]);
		one->stores[i] = NULL;
	}
}

int registry_rebuild(struct registry *registry, struct target *target, const char *file,
	const struct config_target *wanted, char error[CONFIG_ERROR_SIZE])
{
	struct registered *one = registered_of(target);
	const struct config_lun *failed;

	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	struct config_target *config = config_target_copy(wanted);
	struct store **stores = calloc(wanted->lun_count + 1, sizeof(struct store *));
	if (!config || !stores) {
		config_target_free(config);
		free(stores);
		return -1;
	}
	for (size_t i = 0; one->stores && i < target->config->lun_count; i++)
		if (one->stores[i])
			stores[registry_lun_stays(target, i, wanted) - wanted->luns] =
				one->stores[i];
	free(one->stores);
	one->stores = stores;
	/* Also if they cannot be opened: this is what it lacks, and what is tried again. */
	registry_target_configure(target, config);
	stores = registry_stores_open(registry, file, config, one->stores, &failed, error);
	if (!stores)
		return -1;
	free(one->stores);
	one->stores = stores;
	target->device = registry_device_make(config, stores);
	return target->device ? 0 : -1;
}

/* --- files that are not made anew --- */

bool registry_path_is_kept(const struct registry *registry, const char *path)
{
	const struct kept *kept = registry->kept;

	while (kept && strcmp(kept->path, path) != 0)
		kept = kept->next;
	return kept;
}

int registry_keep_path(struct registry *registry, const char *path)
{
	if (registry_path_is_kept(registry, path))
		return 0;
	struct kept *kept = calloc(1, sizeof(*kept) + strlen(path) + 1);
	if (!kept)
		return -1;
	memcpy(kept->path, path, strlen(path));
	kept->next = registry->kept;
	registry->kept = kept;
	return 0;
}

void registry_forget_paths(struct registry *registry, const struct config *config)
{
	const struct config_target *target;
	struct kept *kept, **at = &registry->kept;

	while ((kept = *at)) {
		if (config && config_path_find(config, kept->path, &target)) {
			at = &kept->next;
			continue;
		}
		*at = kept->next;
		free(kept);
	}
}
