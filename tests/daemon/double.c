/* SPDX-License-Identifier: BSD-2-Clause */
/* The doubles behind daemon/core/gate.h, daemon/core/target.h and daemon/core/sessions.h. */
#include "tests/daemon/double.h"

#include "base/log.h"
#include "base/secret.h"
#include "daemon/core/closing.h"
#include "daemon/core/live.h"
#include "daemon/core/address.h"
#include "daemon/core/portals.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGETS      3
#define WAITING_MOST 64

struct waiting {
	struct credential_change *change; /* NULL: a snapshot */
	session_snapshot_done *done;
	void *context;
};

struct registry {
	struct target targets[TARGETS];
	struct config_target configs[TARGETS];
	struct config_lun luns[2];
	struct config config;
	struct portal portal;
	struct portal_set portals, *listening;
};

static struct world {
	struct registry registry;
	struct api *api;
	struct waiting waiting[WAITING_MOST];
	unsigned waiting_count;
	bool store_broken;
	struct session_snapshot snapshot;
	bool snapshot_refused;
	struct live_change *change;
	char actor[AUDIT_ACTOR_TEXT];
	struct world_reply reply;
	char *log;
	size_t log_size;
	FILE *log_file;
} world;

static void remember(const struct log_record *record)
{
	fprintf(world.log_file, "%d %s\n", (int)record->level, record->line);
}

void world_open(void)
{
	static char *names[TARGETS] = { IQN, IQN_NONE, IQN_BROKEN };
	static char *arns[TARGETS] = { ARN, ARN_PREFIX IQN_NONE, ARN_PREFIX IQN_BROKEN };
	event_set_mem_functions(secret_malloc, secret_realloc, secret_free);
	json_set_alloc_funcs(secret_malloc, secret_free);
	world.log_file = open_memstream(&world.log, &world.log_size);
	log_configure(LOG_LEVEL_DEBUG, remember);
	world.snapshot.complete = true;
	world.registry.luns[0] = (struct config_lun){
		.lun = 0, .path = "/srv/a.img", .size = 1ull << 40, .block_size = 512
	};
	world.registry.luns[1] = (struct config_lun){ .lun = 7,
		.path = "memory:",
		.size = 16u << 20,
		.block_size = 4096,
		.read_only = true };
	for (size_t i = 0; i < TARGETS; i++) {
		struct target *target = &world.registry.targets[i];
		world.registry.configs[i].luns = world.registry.luns;
		world.registry.configs[i].lun_count = 2;
		target->name = names[i];
		target->arn = arns[i];
		target->config = &world.registry.configs[i];
		target->authentication = i == 1 ? AUTHENTICATION_NONE : AUTHENTICATION_AUTO;
		target->credentials = i == 2 ? NULL : credential_set_new(1);
	}
	world.registry.config.gateway = (struct config_gateway){ "aws", "us-east-1", "111122223333",
		"sgw-12A3456B" };
	address_parse("192.0.2.1", 3260, &world.registry.portal.address);
	world.registry.portals = (struct portal_set){ .count = 1,
		.portals = { &world.registry.portal } };
	world.registry.listening = &world.registry.portals;
	const struct api_config config = {
		.registry = &world.registry,
		.config = &world.registry.config,
		.portals = &world.registry.listening,
	};
	world.api = api_new(&config);
}

void world_close(void)
{
	api_free(world.api);
	json_decref(world.reply.body);
	for (size_t i = 0; i < TARGETS; i++)
		credential_set_unref(world.registry.targets[i].credentials);
	log_configure(LOG_LEVEL_ERROR, NULL);
	fclose(world.log_file);
	free(world.log);
}

struct api *world_api(void)
{
	return world.api;
}

struct config *world_config(void)
{
	return &world.registry.config;
}

struct portal *world_portal(void)
{
	return &world.registry.portal;
}

struct target *world_target(const char *name)
{
	return registry_find(&world.registry, name);
}

const char *world_log(void)
{
	fflush(world.log_file);
	return world.log;
}

void world_break_store(void)
{
	world.store_broken = true;
}

void world_sessions(struct session_row *rows, size_t count, bool complete, bool refused)
{
	world.snapshot =
		(struct session_snapshot){ .rows = rows, .count = count, .complete = complete };
	world.snapshot_refused = refused;
}

unsigned world_waiting(void)
{
	return world.waiting_count;
}

const char *world_actor(void)
{
	return world.actor;
}

static enum change_result carry_out(struct credential_change *change)
{
	struct target *target = change->target;
	struct credential_set *new = NULL;
	if (world.store_broken || !target->credentials)
		return CHANGE_FAILED;
	const uint64_t generation = credential_set_generation(target->credentials) + 1;
	const char *initiator = change->record.initiator;
	errno = 0;
	switch (change->kind) {
	case CHANGE_UPDATE:
		if (target->authentication == AUTHENTICATION_NONE)
			return CHANGE_NOT_SUPPORTED;
		new = credential_set_with(target->credentials, generation, &change->record);
		break;
	case CHANGE_DELETE:
		new = credential_set_without(target->credentials, generation, initiator);
		break;
	case CHANGE_ROTATE:
		new = credential_set_rotated(
			target->credentials, generation, &change->record, change->until);
		break;
	case CHANGE_FINISH:
	case CHANGE_EXPIRE:
		new = credential_set_finished(target->credentials, generation, initiator);
		change->sessions = 3;
		break;
	}
	if (!new)
		return errno == ENOENT   ? CHANGE_NO_INITIATOR
		       : errno == EINVAL ? CHANGE_SAME_SECRET
					 : CHANGE_ROTATING;
	credential_set_unref(target->credentials);
	target->credentials = new;
	return CHANGE_DONE;
}

unsigned world_settle(void)
{
	struct waiting settled[WAITING_MOST];
	const unsigned count = world.waiting_count;
	memcpy(settled, world.waiting, sizeof settled);
	world.waiting_count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct credential_change *change = settled[i].change;
		if (!change) {
			settled[i].done(settled[i].context, &world.snapshot);
			continue;
		}
		const enum change_result result = carry_out(change);
		secret_wipe(
			&change->record.initiator_secret, sizeof change->record.initiator_secret);
		secret_wipe(&change->record.target_secret, sizeof change->record.target_secret);
		change->done(change, result);
	}
	return count;
}

static void replied(void *context, unsigned status, const json_t *body)
{
	struct world_reply *reply = context;
	reply->calls++;
	reply->status = status;
	json_decref(reply->body);
	reply->body = body ? json_deep_copy(body) : NULL;
}

const struct world_reply *world_start(const char *operation, const void *body, size_t length)
{
	const struct api_request request = {
		.operation = operation,
		.body = body,
		.length = length,
		.actor = { .local = true, .uid = 7, .gid = 8, .pid = 9, .user = "alice" },
		.id = "11111111-2222-4333-8444-555555555555",
		.done = replied,
		.context = &world.reply,
	};
	world.reply.calls = 0;
	api_call(world.api, &request);
	return &world.reply;
}

unsigned world_carry_out(const char *operation, const char *body)
{
	world_start(operation, body, strlen(body));
	if (!world.reply.calls)
		ck_assert_uint_eq(world_settle(), 1);
	ck_assert_uint_eq(world.reply.calls, 1);
	ck_assert(api_is_idle(world.api));
	return world.reply.status;
}

const struct world_reply *world_last(void)
{
	return &world.reply;
}

const char *world_text(const char *member)
{
	const char *text = json_string_value(json_object_get(world.reply.body, member));
	return text ? text : "";
}

const char *world_code(void)
{
	return json_string_value(
		json_object_get(json_object_get(world.reply.body, "error"), "errorCode"));
}

static void wait(const struct waiting *waiting)
{
	ck_assert_uint_lt(world.waiting_count, WAITING_MOST);
	world.waiting[world.waiting_count++] = *waiting;
}

/* --- what the operations call --- */

void gate_change(struct gate *gate, struct credential_change *change)
{
	(void)gate;
	snprintf(world.actor, sizeof world.actor, "%s", change->actor);
	wait(&(struct waiting){ .change = change });
}

int sessions_snapshot(struct workers *workers, session_snapshot_done *done, void *context)
{
	(void)workers;
	if (world.snapshot_refused)
		return -1;
	wait(&(struct waiting){ .done = done, .context = context });
	return 0;
}

size_t registry_count(const struct registry *registry)
{
	(void)registry;
	return TARGETS;
}

struct target *registry_at(const struct registry *registry, size_t index)
{
	(void)registry;
	return &world.registry.targets[index];
}

struct target *registry_find(const struct registry *registry, const char *name)
{
	for (size_t i = 0; i < TARGETS; i++) {
		if (strcmp(registry->targets[i].name, name) == 0)
			return &world.registry.targets[i];
	}
	return NULL;
}

struct target *registry_find_arn(const struct registry *registry, const char *arn)
{
	for (size_t i = 0; i < TARGETS; i++) {
		if (strcmp(registry->targets[i].arn, arn) == 0)
			return &world.registry.targets[i];
	}
	return NULL;
}

struct credential_set *target_credentials(struct target *target)
{
	return target->credentials ? credential_set_ref(target->credentials) : NULL;
}

bool target_requires_chap(const struct target *target, const struct credential_set *set)
{
	return target->authentication != AUTHENTICATION_NONE && credential_set_count(set) > 0;
}

bool target_is_drained(struct target *target)
{
	return target->drained;
}

bool registry_is_open(const struct target *target)
{
	(void)target;
	return true;
}

uint64_t registry_lun_size(const struct target *target, size_t index)
{
	return target->config->luns[index].size;
}

/* Carrying live changes out is for the tests with a whole daemon. */

void live_begin(struct live *live, struct live_change *change)
{
	(void)live;
	ck_assert_ptr_null(world.change);
	world.change = change;
}

struct live_change *world_change(void)
{
	return world.change;
}

void world_end_change(enum live_result result)
{
	struct live_change *change = world.change;
	ck_assert_ptr_nonnull(change);
	world.change = NULL;
	change->done(change, result);
}

int live_try(const struct live *live, const struct config *file, char error[CONFIG_ERROR_SIZE])
{
	(void)live, (void)file, (void)error;
	return 0;
}

int closing_begin_all(
	struct workers *workers, struct closure *closure, const struct closing_whom *whom)
{
	(void)workers, (void)closure, (void)whom;
	return -1;
}
