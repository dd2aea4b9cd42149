/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All targets with their logical units. The main thread alone changes it; workers look targets up
 * when somebody logs in or discovers, under a read lock. A target that is taken out is freed when
 * the last of its connections has left.
 */
#include "daemon/core/registry.h"

#include "base/log.h"
#include "daemon/core/clock.h"
#include "daemon/core/registry_parts.h"
#include "daemon/core/rotation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

static int target_init(struct target *target, struct mailbox *mailbox)
{
	for (size_t i = 0; i < SESSION_BUCKETS; i++)
		TAILQ_INIT(&target->entries[i]);
	target->jobs.mailbox = mailbox;
	return pthread_mutex_init(&target->lock, NULL) ? -1 : 0;
}

/* Whether another LUN of the registry already uses this very file, whatever path named it. */
static bool store_is_used(const struct registry *registry, uint64_t identity)
{
	if (!identity)
		return false;
	for (size_t i = 0; i < registry->count + registry->opened; i++) {
		const struct target *target = &registry->all[i]->target;
		for (size_t n = 0; n < target->config->lun_count; n++) {
			const struct store *store = registered_store(target, n);
			if (store && store_identity(store) == identity)
				return true;
		}
	}
	return false;
}

void registry_lun_explain(char error[CONFIG_ERROR_SIZE], const char *file,
	const struct config_target *target, const struct config_lun *lun, const char *why)
{
	if (lun->line)
		snprintf(error, CONFIG_ERROR_SIZE, "%s:%d: %s", file, lun->line, why);
	else
		snprintf(error, CONFIG_ERROR_SIZE, "target=%s lun=%u, made live: %s", target->name,
			lun->lun, why);
}

struct store *registry_lun_open(const struct registry *registry, const char *file,
	const struct config_target *target, const struct config_lun *lun,
	char error[CONFIG_ERROR_SIZE])
{
	const struct store_config wanted = {
		.path = lun->path,
		.size = lun->size,
		.block_size = lun->block_size,
		.read_only = lun->read_only,
		.direct = lun->direct,
		.must_exist = registry_path_is_kept(registry, lun->path),
	};
	char why[STORE_ERROR_SIZE];
	struct store *store = store_open(&wanted, why);

	if (store && store_is_used(registry, store_identity(store))) {
		snprintf(why, sizeof(why), "%.200s is the file of another LUN already", lun->path);
		store_close(store);
		store = NULL;
	}
	if (!store) {
		registry_lun_explain(error, file, target, lun, why);
		return NULL;
	}
	if (lun->size && store_info(store)->size > lun->size)
		log_info(LOG_WHAT("lun-is-larger"), LOG_TEXT("target", target->name),
			LOG_NUMBER("lun", lun->lun), LOG_TEXT("path", lun->path),
			LOG_NUMBER("bytes", store_info(store)->size),
			LOG_NUMBER("configured", lun->size));
	return store;
}

void registry_unit_describe(
	struct scsi_unit_config *unit, const struct config_lun *lun, struct store *store)
{
	*unit = (struct scsi_unit_config){
		.lun = lun->lun,
		.store = store,
		.block_size = lun->block_size,
		.physical_block_size = lun->physical_block_size,
		.read_only = lun->read_only,
	};
	snprintf(unit->serial, sizeof(unit->serial), "%s", lun->serial);
	memcpy(unit->naa, lun->naa, sizeof(unit->naa));
}

struct scsi_device *registry_device_make(const struct config_target *target, struct store **stores)
{
	struct scsi_unit_config *units = calloc(target->lun_count + 1, sizeof(*units));

	if (!units)
		return NULL;
	for (size_t i = 0; i < target->lun_count; i++)
		registry_unit_describe(&units[i], &target->luns[i], stores[i]);
	const struct scsi_device_config wanted = {
		.target_name = target->name,
		.units = units,
		.unit_count = target->lun_count,
	};
	struct scsi_device *device = scsi_device_new(&wanted);
	free(units);
	return device;
}

static void stores_close(struct store **stores, size_t count)
{
	for (size_t i = 0; stores && i < count; i++)
		store_close(stores[i]);
	free(stores);
}

/* Those of a target that will not be served after all; as many as are open. */
static void stores_abandon(struct store **stores, const struct config_target *target)
{
	for (size_t i = 0; stores && i < target->lun_count; i++)
		store_abandon(stores[i], target->luns[i].path);
	free(stores);
}

struct store **registry_stores_open(const struct registry *registry, const char *file,
	const struct config_target *target, struct store *const *open,
	const struct config_lun **failed, char error[CONFIG_ERROR_SIZE])
{
	struct store **stores = calloc(target->lun_count + 1, sizeof(struct store *));
	bool whole = stores;

	for (size_t i = 0; whole && i < target->lun_count; i++) {
		if (open && open[i])
			continue;
		stores[i] = registry_lun_open(registry, file, target, &target->luns[i], error);
		*failed = &target->luns[i];
		whole = stores[i];
	}
	if (!whole) {
		stores_abandon(stores, target);
		return NULL;
	}
	for (size_t i = 0; open && i < target->lun_count; i++)
		if (open[i])
			stores[i] = open[i];
	return stores;
}

static void registered_free(struct registered *one)
{
	if (!one)
		return;
	scsi_device_free(one->target.device);
	if (one->target.config)
		stores_close(one->stores, one->target.config->lun_count);
	config_target_free(one->target.config);
	credential_set_unref(one->target.credentials);
	pthread_mutex_destroy(&one->target.lock);
	free(one);
}

/* A broken state file closes this target alone (K9). */
static void target_load(struct target *target, struct state *state)
{
	char why[STATE_ERROR_SIZE] = "out of memory";
	bool ended;

	if (state_load_credentials(state, target->name, &target->credentials, why) != STATE_OK) {
		target->credentials = NULL;
		log_error(LOG_WHAT("target-shut"), LOG_TEXT("target", target->name),
			LOG_TEXT("why", why));
		return;
	}
	target->credentials = rotation_prune_take(target->credentials, clock_wall(), &ended);
	if (!ended)
		return;
	if (target->credentials &&
		state_store_credentials(state, target->name, target->credentials, why) == STATE_OK)
		log_info(LOG_WHAT("rotations-over"), LOG_TEXT("target", target->name));
	else /* the end of their time is on the disk, so they are over at the next start too */
		log_warning(LOG_WHAT("credentials-not-stored"), LOG_TEXT("target", target->name),
			LOG_TEXT("why", why));
}

enum opening { OPEN_AT_START, OPEN_NOW, OPEN_LATER };

/*
 * At a start, a LUN that was made live and cannot be opened closes its target alone: it could not be taken out while
 * nothing runs. One that the file names is mended there.
 */
static bool registered_may_wait(struct registered *one, const struct config_lun *failed,
	enum opening when, const char *error)
{
	if (when == OPEN_LATER && one->target.config) {
		target_hold(&one->target, true);
		return true;
	}
	if (when != OPEN_AT_START || !failed || failed->line)
		return false;
	log_error(LOG_WHAT("target-shut"), LOG_TEXT("target", one->target.config->name),
		LOG_TEXT("why", error),
		LOG_TEXT("then", "served to nobody until its LUNs can be opened"));
	target_hold(&one->target, true);
	return true;
}

static struct registered *registered_new(const struct registry *registry, const char *file,
	const struct config_target *wanted, enum opening when, char error[CONFIG_ERROR_SIZE])
{
	struct registered *one = calloc(1, sizeof(*one));
	const struct config_lun *failed = NULL;

	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	if (!one || target_init(&one->target, registry->mailbox) < 0) {
		free(one);
		return NULL;
	}
	one->target.config = config_target_copy(wanted);
	if (one->target.config && when != OPEN_LATER)
		one->stores = registry_stores_open(registry, file, wanted, NULL, &failed, error);
	if (one->stores)
		one->target.device = registry_device_make(wanted, one->stores);
	if (!one->target.device && !registered_may_wait(one, failed, when, error)) {
		stores_abandon(one->stores, wanted);
		one->stores = NULL;
		registered_free(one);
		return NULL;
	}
	one->target.name = one->target.config->name;
	one->target.arn = one->target.config->arn;
	one->target.authentication = wanted->authentication;
	target_load(&one->target, registry->state);
	return one;
}

static struct target *registry_hold(struct registry *registry, const char *file,
	const struct config_target *wanted, enum opening when, char error[CONFIG_ERROR_SIZE])
{
	size_t held = registry->count + registry->opened;
	struct registered *one = registered_new(registry, file, wanted, when, error);

	if (!one)
		return NULL;
	pthread_rwlock_wrlock(&registry->lock);
	struct registered **all = realloc(registry->all, (held + 1) * sizeof(struct registered *));
	if (all)
		registry->all = all;
	pthread_rwlock_unlock(&registry->lock);
	if (!all) {
		registered_free(one);
		snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
		return NULL;
	}
	registry->all[held] = one;
	registry->opened++;
	return &one->target;
}

struct target *registry_open(struct registry *registry, const char *file,
	const struct config_target *wanted, char error[CONFIG_ERROR_SIZE])
{
	return registry_hold(registry, file, wanted, OPEN_NOW, error);
}

struct target *registry_open_later(struct registry *registry, const char *file,
	const struct config_target *wanted, char error[CONFIG_ERROR_SIZE])
{
	for (size_t i = 0; i < wanted->lun_count; i++)
		if (!registry_path_is_kept(registry, wanted->luns[i].path) &&
			registry_lun_try(registry, file, wanted, &wanted->luns[i], error) < 0)
			return NULL;
	return registry_hold(registry, file, wanted, OPEN_LATER, error);
}

void registry_list_opened(struct registry *registry)
{
	for (; registry->opened; registry->opened--) {
		struct registered *one = registry->all[registry->count];
		const struct target *target = &one->target;
		pthread_rwlock_wrlock(&registry->lock);
		registry->count++;
		HASH_ADD_KEYPTR(by_name, registry->names, target->name, strlen(target->name), one);
		pthread_rwlock_unlock(&registry->lock);
		HASH_ADD_KEYPTR(by_arn, registry->arns, target->arn, strlen(target->arn), one);
		log_info(LOG_WHAT("target-added"), LOG_TEXT("target", target->name),
			LOG_NUMBER("luns", target->config->lun_count),
			LOG_NUMBER("credentials",
				target->credentials ? credential_set_count(target->credentials)
						    : 0));
	}
}

void registry_drop_opened(struct registry *registry)
{
	for (; registry->opened; registry->opened--) {
		struct registered *one = registry->all[registry->count + registry->opened - 1];
		scsi_device_free(one->target.device);
		one->target.device = NULL;
		stores_abandon(one->stores, one->target.config);
		one->stores = NULL;
		registered_free(one);
	}
}

void registry_unlist(struct registry *registry, struct target *target)
{
	struct registered *one = registered_of(target);
	size_t at = 0;

	while (registry->all[at] != one)
		at++;
	pthread_rwlock_wrlock(&registry->lock);
	registry->count--;
	memmove(&registry->all[at], &registry->all[at + 1],
		(registry->count - at) * sizeof(struct registered *));
	HASH_DELETE(by_name, registry->names, one);
	pthread_rwlock_unlock(&registry->lock);
	HASH_DELETE(by_arn, registry->arns, one);
}

void registry_discard(struct registry *registry, struct target *target)
{
	struct registered *one = registered_of(target);

	one->next = registry->discarded;
	registry->discarded = one;
	registry_sweep(registry);
}

void registry_sweep(struct registry *registry)
{
	struct registered *one, **at = &registry->discarded;

	while ((one = *at)) {
		if (!target_is_idle(&one->target)) {
			at = &one->next;
			continue;
		}
		*at = one->next;
		registered_free(one);
	}
}

/* --- beginning, end, lookups --- */

struct registry *registry_new(const struct config *config, struct state *state,
	struct mailbox *mailbox, char error[CONFIG_ERROR_SIZE])
{
	struct registry *registry = calloc(1, sizeof(*registry));

	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	if (!registry || target_init(&registry->discovery, mailbox) < 0) {
		free(registry);
		return NULL;
	}
	pthread_rwlock_init(&registry->lock, NULL);
	registry->state = state;
	registry->mailbox = mailbox;
	registry->discovery.name = "";
	registry->discovery.arn = "";
	registry->discovery.authentication = AUTHENTICATION_NONE;
	registry->discovery.credentials = credential_set_new(1);
	bool whole = registry->discovery.credentials;
	for (size_t i = 0; whole && i < config->target_count; i++)
		whole = registry_hold(
			registry, config->file, &config->targets[i], OPEN_AT_START, error);
	if (whole) {
		registry_list_opened(registry);
		return registry;
	}
	registry_free(registry);
	return NULL;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	HASH_CLEAR(by_name, registry->names);
	HASH_CLEAR(by_arn, registry->arns);
	registry_drop_opened(registry);
	registry_forget_paths(registry, NULL);
	registry_sweep(registry);
	for (size_t i = 0; i < registry->count; i++)
		registered_free(registry->all[i]);
	credential_set_unref(registry->discovery.credentials);
	pthread_mutex_destroy(&registry->discovery.lock);
	pthread_rwlock_destroy(&registry->lock);
	free(registry->all);
	free(registry);
}

enum registry_entry registry_enter(struct registry *registry, const char *name,
	struct session_entry *entry, struct target_terms *terms)
{
	struct registered *one = NULL;
	struct target *target = &registry->discovery;
	enum registry_entry answer = REGISTRY_UNKNOWN;

	pthread_rwlock_rdlock(&registry->lock);
	if (name[0]) {
		HASH_FIND(by_name, registry->names, name, strlen(name), one);
		target = one ? &one->target : NULL;
	}
	/* Inside the lock: a target that is taken out meanwhile knows of this login, or this login not of it. */
	if (target)
		answer = target_enter(target, entry, terms) ? REGISTRY_ENTERED : REGISTRY_NOT_NOW;
	pthread_rwlock_unlock(&registry->lock);
	return answer;
}

void registry_each_name(
	struct registry *registry, const char *name, registry_named *each, void *context)
{
	pthread_rwlock_rdlock(&registry->lock);
	for (size_t i = 0; i < registry->count; i++) {
		const char *own = registry->all[i]->target.name;
		if (!name || strcmp(name, own) == 0)
			each(context, own);
	}
	pthread_rwlock_unlock(&registry->lock);
}

size_t registry_count(const struct registry *registry)
{
	return registry->count;
}

struct target *registry_at(const struct registry *registry, size_t index)
{
	return &registry->all[index]->target;
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

bool registry_is_open(const struct target *target)
{
	return target->device;
}

uint64_t registry_lun_size(const struct target *target, size_t index)
{
	const struct store *store = registered_store(target, index);

	return store ? store_info(store)->size : target->config->luns[index].size;
}

int registry_flush(struct registry *registry)
{
	int failed = 0;

	for (size_t i = 0; i < registry->count; i++) {
		const struct target *target = &registry->all[i]->target;
		for (size_t n = 0; n < target->config->lun_count; n++) {
			/* Also of one that is served to nobody: it was until a LUN beside was lost. */
			struct store *store = registered_store(target, n);
			if (store && store_sync(store) != STORE_OK) {
				log_error(LOG_WHAT("flush-failed"),
					LOG_TEXT("target", target->name),
					LOG_NUMBER("lun", target->config->luns[n].lun));
				failed = -1;
			}
		}
	}
	return failed;
}
