/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All targets with their logical units, made from the configuration at start. Lookups go through
 * two hashes that never change while workers run, so they take no lock.
 */
#include "base/log.h"
#include "daemon/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct registered {
	struct target target;
	struct store **stores; /* as many as the configuration has LUNs */
	UT_hash_handle by_name, by_arn;
};

struct registry {
	struct registered *all;
	size_t count;
	struct registered *names, *arns;
	struct target discovery;
	struct mailbox *mailbox; /* the main thread's */
};

static int target_init(struct target *target)
{
	for (size_t i = 0; i < SESSION_BUCKETS; i++)
		TAILQ_INIT(&target->entries[i]);
	return pthread_mutex_init(&target->lock, NULL) ? -1 : 0;
}

/* Whether another LUN of the registry already uses this very file, whatever path named it. */
static bool store_is_used(const struct registry *registry, uint64_t identity)
{
	if (!identity)
		return false;
	for (size_t i = 0; i < registry->count; i++) {
		const struct registered *one = &registry->all[i];
		for (size_t n = 0; one->stores && n < one->target.config->lun_count; n++)
			if (one->stores[n] && store_identity(one->stores[n]) == identity)
				return true;
	}
	return false;
}

static struct store *lun_open(const struct registry *registry, const struct config *config,
	const struct config_target *target, const struct config_lun *lun,
	char error[CONFIG_ERROR_SIZE])
{
	const struct store_config wanted = {
		.path = lun->path,
		.size = lun->size,
		.block_size = lun->block_size,
		.read_only = lun->read_only,
		.direct = lun->direct,
	};
	char why[STORE_ERROR_SIZE];
	struct store *store = store_open(&wanted, why);

	if (!store) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s:%d: %s", config->file, lun->line, why);
		return NULL;
	}
	if (store_is_used(registry, store_identity(store))) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s:%d: %s is the file of another LUN already",
			config->file, lun->line, lun->path);
		store_close(store);
		return NULL;
	}
	if (lun->size && store_info(store)->size > lun->size)
		log_info("target=%s lun=%u: %s keeps its %llu bytes, the configuration asks for "
			 "%llu at least",
			target->name, lun->lun, lun->path,
			(unsigned long long)store_info(store)->size, (unsigned long long)lun->size);
	return store;
}

static struct scsi_device *device_open(const struct registry *registry, const struct config *config,
	struct registered *one, char error[CONFIG_ERROR_SIZE])
{
	const struct config_target *target = one->target.config;
	struct scsi_unit_config *units = calloc(target->lun_count, sizeof(*units));
	struct scsi_device *device = NULL;

	if (!units || !one->stores)
		goto out;
	for (size_t i = 0; i < target->lun_count; i++) {
		const struct config_lun *lun = &target->luns[i];
		struct store *store = lun_open(registry, config, target, lun, error);
		if (!store)
			goto out;
		one->stores[i] = store;
		units[i] = (struct scsi_unit_config){
			.lun = lun->lun,
			.store = store,
			.block_size = lun->block_size,
			.physical_block_size = lun->physical_block_size,
			.read_only = lun->read_only,
		};
		snprintf(units[i].serial, sizeof(units[i].serial), "%s", lun->serial);
		memcpy(units[i].naa, lun->naa, sizeof(units[i].naa));
	}
	const struct scsi_device_config wanted = {
		.target_name = target->name,
		.portal_group_tag = config->portal_count ? config->portals[0].group : 1,
		.units = units,
		.unit_count = target->lun_count,
	};
	device = scsi_device_new(&wanted);
out:
	free(units);
	return device;
}

/* A broken state file closes this target alone (K9). */
static void target_load(struct target *target, struct state *state)
{
	char why[STATE_ERROR_SIZE];

	if (state_load_credentials(state, target->name, &target->credentials, why) == STATE_OK)
		return;
	target->credentials = NULL;
	log_error("target=%s is served to nobody: %s", target->name, why);
}

static int registry_add(struct registry *registry, const struct config *config,
	const struct config_target *wanted, struct state *state, char error[CONFIG_ERROR_SIZE])
{
	struct registered *one = &registry->all[registry->count];
	struct target *target = &one->target;

	if (target_init(target) < 0)
		return -1;
	registry->count++;
	target->config = wanted;
	target->jobs.mailbox = registry->mailbox;
	target->name = wanted->name;
	target->arn = wanted->arn;
	target->authentication = wanted->authentication;
	one->stores = calloc(wanted->lun_count, sizeof(struct store *));
	target->device = device_open(registry, config, one, error);
	if (!target->device)
		return -1;
	target_load(target, state);
	HASH_ADD_KEYPTR(by_name, registry->names, target->name, strlen(target->name), one);
	HASH_ADD_KEYPTR(by_arn, registry->arns, target->arn, strlen(target->arn), one);
	log_info("target=%s luns=%zu credentials=%zu", target->name, wanted->lun_count,
		target->credentials ? credential_set_count(target->credentials) : 0);
	return 0;
}

struct registry *registry_new(const struct config *config, struct state *state,
	struct mailbox *mailbox, char error[CONFIG_ERROR_SIZE])
{
	struct registry *registry = calloc(1, sizeof(*registry));

	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	if (!registry || target_init(&registry->discovery) < 0) {
		free(registry);
		return NULL;
	}
	registry->mailbox = mailbox;
	registry->discovery.name = "";
	registry->discovery.arn = "";
	registry->discovery.authentication = AUTHENTICATION_NONE;
	registry->discovery.credentials = credential_set_new(1);
	registry->all = calloc(config->target_count + 1, sizeof(*registry->all));
	if (!registry->all || !registry->discovery.credentials)
		goto failed;
	for (size_t i = 0; i < config->target_count; i++)
		if (registry_add(registry, config, &config->targets[i], state, error) < 0)
			goto failed;
	return registry;
failed:
	registry_free(registry);
	return NULL;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	HASH_CLEAR(by_name, registry->names);
	HASH_CLEAR(by_arn, registry->arns);
	for (size_t i = 0; i < registry->count; i++) {
		struct registered *one = &registry->all[i];
		scsi_device_free(one->target.device);
		for (size_t n = 0; one->stores && n < one->target.config->lun_count; n++)
			store_close(one->stores[n]);
		free(one->stores);
		credential_set_unref(one->target.credentials);
		pthread_mutex_destroy(&one->target.lock);
	}
	credential_set_unref(registry->discovery.credentials);
	pthread_mutex_destroy(&registry->discovery.lock);
	free(registry->all);
	free(registry);
}

size_t registry_count(const struct registry *registry)
{
	return registry->count;
}

struct target *registry_at(const struct registry *registry, size_t index)
{
	return &registry->all[index].target;
}

struct target *registry_find(const struct registry *registry, const char *name)
{
	struct registered *one;

	HASH_FIND(by_name, registry->names, name, strlen(name), one);
	return one ? &one->target : NULL;
}

struct target *registry_find_arn(const struct registry *registry, const char *arn)
{
	struct registered *one;

	HASH_FIND(by_arn, registry->arns, arn, strlen(arn), one);
	return one ? &one->target : NULL;
}

struct target *registry_discovery(struct registry *registry)
{
	return &registry->discovery;
}

const struct store_info *registry_store_info(const struct target *target, size_t index)
{
	const struct registered *one = (const struct registered *)target; /* its first member */

	return store_info(one->stores[index]);
}

int registry_flush(struct registry *registry)
{
	int failed = 0;

	for (size_t i = 0; i < registry->count; i++)
		for (size_t n = 0; n < registry->all[i].target.config->lun_count; n++)
			if (store_sync(registry->all[i].stores[n]) != STORE_OK) {
				log_error("target=%s lun=%u: flush failed",
					registry->all[i].target.name,
					registry->all[i].target.config->luns[n].lun);
				failed = -1;
			}
	return failed;
}
